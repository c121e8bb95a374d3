"""Watch prices without a screen: ``python surveillance.py`` and ``tandem watch``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tandem import config
from tandem.core.errors import TandemError
from tandem.surveillance.headless import run, say, unreachable
from tandem.surveillance.yaml_config import read


def main(argv: Sequence[str] | None = None) -> int:
    """Watch until the cycles are over or Ctrl-C; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="surveillance.py", description="Watch prices without a screen, until Ctrl-C."
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file, as in examples/")
    parser.add_argument("--cycles", type=int, help="lines of prices; 0 for no end")
    options = parser.parse_args(argv)
    stop = threading.Event()
    before = [signal.signal(one, lambda *_: stop.set()) for one in _SIGNALS] if _is_main() else []
    try:
        settings = config.load()
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(message)s")
        given = read(options.config)
        if options.cycles is not None:
            given = dataclasses.replace(given, cycles=max(options.cycles, 0))
        written = run(given, settings, stop, say)
    except TandemError as error:
        sys.stderr.write(f"surveillance: {error}\n")
        return 1
    finally:
        for one, handler in zip(_SIGNALS, before, strict=False):
            signal.signal(one, handler)
    for line in unreachable(written, given):
        sys.stderr.write(line + "\n")
    say(f"{written} prices in {given.folder / 'prices.csv'}")
    return 0 if written or stop.is_set() else 1


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()

"""What is unusual in every recorded instrument, streaming and in batch: the one door to it.

``python surveillance.py --config examples/surveillance.yaml --cycles 5`` watches without a screen.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from surveilling.configuration import Headless, read
from surveilling.divergence import Apart, Divergence
from surveilling.forest import Forest, Reason, load, train
from surveilling.headless import run, say, unreachable
from surveilling.history import (
    download_candles,
    download_funding,
    download_seconds,
    shortest_candle,
)
from surveilling.liquidity import VolumeProfile, volume_profile
from surveilling.service import FRESH_S, Surveillance, WallRow, batch, fresh
from surveilling.settings import WatchSettings, settings_from
from surveilling.volatility import Forecast, garch_forecast
from surveilling.watch import (
    BAR_SCORE,
    FEATURES,
    LIQUIDITY,
    MOMENTUM_LIMIT,
    TRADE_SCORE,
    InstrumentWatch,
    Momentum,
    bar_readings,
    trade_readings,
    yearly,
)
from tandem import config
from tandem.core.errors import TandemError

__all__ = [
    "BAR_SCORE",
    "FEATURES",
    "FRESH_S",
    "LIQUIDITY",
    "MOMENTUM_LIMIT",
    "TRADE_SCORE",
    "Apart",
    "Divergence",
    "Forecast",
    "Forest",
    "Headless",
    "InstrumentWatch",
    "Momentum",
    "Reason",
    "Surveillance",
    "VolumeProfile",
    "WallRow",
    "WatchSettings",
    "bar_readings",
    "batch",
    "download_candles",
    "download_funding",
    "download_seconds",
    "fresh",
    "garch_forecast",
    "load",
    "main",
    "read",
    "settings_from",
    "shortest_candle",
    "trade_readings",
    "train",
    "volume_profile",
    "yearly",
]


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


if __name__ == "__main__":
    sys.exit(main())

"""Watch prices headless: ``python surveillance.py`` and ``tandem watch``."""

from __future__ import annotations

import argparse
import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path

from tandem.core import cli
from tandem.observability import logs
from tandem.surveillance.headless import run
from tandem.surveillance.yaml_config import read
from tandem.venues.settings import load as load_settings


def main(arguments: Sequence[str] | None = None, *, prog: str = "surveillance.py") -> int:
    """Watch until the cycles are over or Ctrl-C; returns the exit code."""
    parser = cli.parser(prog, "Monitor prices headless, until Ctrl-C.")
    parser.add_argument(
        "--config", type=Path, required=True, help=("YAML configuration; see examples/")
    )
    parser.add_argument("--cycles", type=int, help="number of price rows to record; 0 for no limit")
    options = parser.parse_args(arguments)
    return cli.run(prog, lambda: _answer(options, prog))


def _answer(options: argparse.Namespace, prog: str) -> int:
    stop = threading.Event()
    with cli.stop_on_signal(stop):
        settings = load_settings()
        logs.set_up(settings, to_file=True)
        given = read(options.config)
        if options.cycles is not None:
            given = dataclasses.replace(given, cycles=max(options.cycles, 0))
        written = run(given, settings, stop, cli.report)
    if not written:
        cli.fail(prog, f"no prices received from {given.venue}; see the messages above.")
    cli.report(f"{written} prices in {given.folder / 'prices.csv'}")
    return cli.DONE if written or stop.is_set() else cli.FAILED

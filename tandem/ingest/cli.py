"""Record trades headless: ``python ingest.py`` and ``tandem record``."""

from __future__ import annotations

import argparse
import math
import threading
from collections.abc import Sequence
from pathlib import Path

from tandem.core import cli
from tandem.core.errors import DataError
from tandem.core.instruments import split_instrument
from tandem.ingest.headless import Headless
from tandem.observability import logs
from tandem.venues.registry import create_feed
from tandem.venues.settings import load as load_settings

_EXIT_CODES = (
    "exit codes: 0 all trades received are in the database or in its table of gaps, 1 they are not "
    "or nothing could be recorded, 2 wrong arguments"
)


def main(arguments: Sequence[str] | None = None, *, prog: str = "ingest.py") -> int:
    """Record until a signal or the time is up; returns the exit code."""
    options = _parser(prog).parse_args(arguments)
    return cli.run(prog, lambda: _record(options, prog))


def _record(options: argparse.Namespace, prog: str) -> int:
    settings = load_settings()
    logs.set_up(settings, to_file=True)
    instruments = list(dict.fromkeys(filter(None, map(str.strip, options.instruments.split(",")))))
    if not instruments:
        raise DataError("No instrument given; use --instruments binance-usdm:BTCUSDT.")
    for venue in dict.fromkeys(split_instrument(name)[0] for name in instruments):
        create_feed(venue, settings)
    stop = threading.Event()
    with cli.stop_on_signal(stop):
        desk = Headless(settings, options.db or settings.database, instruments, cli.report)
        for sentence in desk.refused:
            cli.fail(prog, sentence)
        missing = desk.record(options.seconds, stop)
    for sentence in missing:
        cli.fail(prog, sentence)
    return cli.FAILED if missing else cli.DONE


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.parser(
        prog, "Record trades headless and fill their gaps, until Ctrl-C.", _EXIT_CODES
    )
    parser.add_argument(
        "--instruments",
        required=True,
        help="instruments to record, most important first, e.g. "
        "binance-usdm:BTCUSDT,binance-usdm:ETHUSDT",
    )
    parser.add_argument(
        "--db", type=Path, help="SQLite file (default: the TANDEM_DATABASE setting)"
    )
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help=("stop after this many seconds")
    )
    return parser

"""Record trades without a screen: ``python ingest.py`` and ``tandem record``."""

from __future__ import annotations

import argparse
import math
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tandem.config import Settings
from tandem.core import cli
from tandem.core.errors import DataError
from tandem.core.instruments import split_instrument
from tandem.ingest.service import Ingest
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.registry import create_feed
from tandem.venues.settings import load as load_settings


def main(arguments: Sequence[str] | None = None, *, prog: str = "ingest.py") -> int:
    """Record until a signal or the time is up; returns the exit code."""
    options = _parser(prog).parse_args(arguments)
    return cli.run(prog, lambda: _answer(options, prog))


def _answer(options: argparse.Namespace, prog: str) -> int:
    settings = load_settings()
    cli.log_to_stderr(settings.log_level)
    groups = _by_venue(options.instruments)
    for venue in groups:
        create_feed(venue, settings)
    return _record(settings, options.db or settings.database, groups, options.seconds, prog)


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.parser(prog, "Record trades headless, until Ctrl-C.")
    parser.add_argument(
        "--instruments",
        required=True,
        help="instruments to record, e.g. binance-usdm:BTCUSDT,binance-usdm:ETHUSDT",
    )
    parser.add_argument(
        "--db", type=Path, help="SQLite file (default: the TANDEM_DATABASE setting)"
    )
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help=("stop after this many seconds")
    )
    return parser


def _by_venue(text: str) -> dict[str, frozenset[str]]:
    """Return the instruments named in `text` by venue."""
    groups: dict[str, set[str]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        groups.setdefault(split_instrument(part)[0], set()).add(part)
    if not groups:
        raise DataError("No instrument given; use --instruments binance-usdm:BTCUSDT.")
    return {venue: frozenset(names) for venue, names in groups.items()}


def _record(
    settings: Settings,
    database: Path,
    groups: dict[str, frozenset[str]],
    seconds: float,
    prog: str,
) -> int:
    stop = threading.Event()
    store = Store.open(
        database, settings.batch_ms, settings.queue_trades, file_mode=settings.file_bits
    )
    ingest = Ingest(settings, HotBuffer(settings.hot_trades), store, recorded=store.last_trade)
    with cli.stop_on_signal(stop):
        try:
            for venue, names in groups.items():
                ingest.watch(venue, names, names)
            end = time.monotonic() + seconds
            while not stop.wait(min(10.0, max(0.0, end - time.monotonic()))):
                _report(ingest, store)
                if time.monotonic() >= end:
                    break
            statuses = ingest.statuses()
        finally:
            ingest.stop()
            store.close()
    trades = sum(status.trades for status in statuses)
    print(f"{trades:,} trades recorded in {database}")
    for status in statuses:
        if not status.trades:
            cli.fail(prog, f"no trades received from {status.title}. {status.text}")
    return 0 if all(status.trades for status in statuses) else 1


def _report(ingest: Ingest, store: Store) -> None:
    health = store.health()
    clock = datetime.now(UTC).strftime("%H:%M:%SZ")
    for status in ingest.statuses():
        print(
            f"{clock} {status.venue}: {status.state}, {status.trades:,} trades, "
            f"{status.trades_per_s:,.1f}/s, delay {status.delay_ms:.0f} ms, "
            f"clock off by {status.clock_skew_ms:.0f} ms, {status.gaps} gaps, "
            f"{health.queued:,} queued, {health.state}",
            flush=True,
        )

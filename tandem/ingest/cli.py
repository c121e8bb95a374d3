"""Record trades without a screen: ``python ingest.py`` and ``tandem record``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tandem import config
from tandem.config import Settings
from tandem.core.errors import DataError, TandemError
from tandem.core.instruments import split_instrument
from tandem.ingest.service import Ingest
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.registry import create_feed


def main(argv: Sequence[str] | None = None) -> int:
    """Record until a signal or the time is up; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        settings = config.load()
        logging.basicConfig(level=settings.log_level, format="%(asctime)s %(message)s")
        groups = _by_venue(options.instruments)
        for venue in groups:
            create_feed(venue, settings)
        return _record(settings, options.db or settings.database, groups, options.seconds)
    except TandemError as error:
        print(f"ingest: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ingest.py", description="Record trades without a screen, until Ctrl+C."
    )
    parser.add_argument(
        "--instruments",
        required=True,
        help="what to record, as binance-usdm:BTCUSDT,binance-usdm:ETHUSDT",
    )
    parser.add_argument(
        "--db", type=Path, help="SQLite file (default: the TANDEM_DATABASE setting)"
    )
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so many")
    return parser


def _by_venue(text: str) -> dict[str, frozenset[str]]:
    """Return the instruments named in `text` by venue."""
    groups: dict[str, set[str]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        groups.setdefault(split_instrument(part)[0], set()).add(part)
    if not groups:
        raise DataError("No instrument was named; write --instruments binance-usdm:BTCUSDT.")
    return {venue: frozenset(names) for venue, names in groups.items()}


def _record(
    settings: Settings, database: Path, groups: dict[str, frozenset[str]], seconds: float
) -> int:
    stop = threading.Event()
    store = Store.open(database, settings.batch_ms, settings.queue_trades)
    ingest = Ingest(settings, HotBuffer(settings.hot_trades), store, recorded=store.last_trade)
    with _signals(stop):
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
            print(f"ingest: nothing came from {status.title}. {status.text}", file=sys.stderr)
    return 0 if all(status.trades for status in statuses) else 1


def _report(ingest: Ingest, store: Store) -> None:
    health = store.health()
    clock = datetime.now(UTC).strftime("%H:%M:%SZ")
    for status in ingest.statuses():
        print(
            f"{clock} {status.venue}: {status.state}, {status.trades:,} trades, "
            f"{status.trades_per_s:,.1f}/s, delay {status.delay_ms:.0f} ms, "
            f"clock off by {status.clock_skew_ms:.0f} ms, {status.gaps} gaps, "
            f"{health.queued:,} waiting, {health.state}",
            flush=True,
        )


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a stop while this lasts (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(name, lambda *_: stop.set()) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)

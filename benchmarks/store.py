"""Builds a large record with the writer the app uses, and times what a user waits for.

python -m benchmarks.store [--trades 50_000_000] [--folder DIR] [--time-index]

The folder needs some 70 bytes a trade; what was built there is used again if it is large enough,
and without `--folder` it is temporary.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from tandem.core.clock import DAY_US, HOUR_US, SECOND_US
from tandem.core.events import Trade
from tandem.storage.reader import Reader
from tandem.storage.records import Policy
from tandem.storage.retention import Keeper
from tandem.storage.store import Store
from tandem.storage.writer import Writer

LEGS = ("sim:AUSDT", "sim:BUSDT", "sim:CUSDT", "sim:DUSDT")
START_US = 1_790_000_000 * SECOND_US
# What a busy perpetual trades: 25 a second.
SPACING_US = 40_000
BATCH = 20_000
BYTES_PER_TRADE = 100


def batches(trades: int) -> Iterator[list[Trade]]:
    """Yield trades of all legs side by side, in order of arrival."""
    source = np.random.default_rng(1)
    prices = np.full(len(LEGS), 100.0)
    rows = BATCH // len(LEGS)
    for first in range(0, trades // len(LEGS), rows):
        steps = source.normal(0.0, 0.01, (rows, len(LEGS))).cumsum(axis=0)
        walk = np.round(np.abs(prices + steps) + 1.0, 2)
        prices = walk[-1]
        times = START_US + (first + np.arange(rows)) * SPACING_US
        sides = source.choice((-1, 1), rows).tolist()
        amounts = np.round(source.exponential(1.0, rows) + 0.001, 3).tolist()
        batch = []
        for leg, column in zip(LEGS, walk.T.tolist(), strict=True):
            for n, (at, price) in enumerate(zip(times.tolist(), column, strict=True)):
                batch.append(Trade(leg, first + n, at, price, amounts[n], sides[n], at + 30_000))
        yield batch


def build(path: Path, trades: int) -> None:
    """Write the trades as the writer thread would, and say how fast."""
    if path.exists() and sum(span.trades for span in Reader(path).spans().values()) >= trades:
        print(f"using {path}")
        return
    writer, spent_s, written = Writer(path), 0.0, 0
    slowest_s = 0.0
    for batch in batches(trades):
        start = time.perf_counter()
        written += writer.write(batch, {})
        took_s = time.perf_counter() - start
        spent_s, slowest_s = spent_s + took_s, max(slowest_s, took_s)
    writer.close()
    size = path.stat().st_size
    print(f"write          {written / spent_s:12,.0f} trades/s in batches of {BATCH:,}")
    print(f"slowest batch  {slowest_s * 1e3:12.1f} ms")
    print(f"size           {size / 1e9:12.2f} GB, {size / written:.1f} bytes a trade")


def timed(label: str, call: Callable[[], Any], rounds: int = 7) -> Any:
    """Time a call; print the median and the slowest."""
    spent, result = [], None
    for _ in range(rounds):
        start = time.perf_counter()
        result = call()
        spent.append((time.perf_counter() - start) * 1e3)
    print(f"{label:<14} {statistics.median(spent):12.1f} ms (slowest {max(spent):.1f})")
    return result


def reads(path: Path) -> None:
    """Time what a page asks for."""
    reader = Reader(path)
    last_us = reader.spans()[LEGS[0]].last_us
    day = (last_us // 2 + START_US // 2, last_us // 2 + START_US // 2 + DAY_US)
    newest = (last_us - DAY_US, last_us + 1)
    for label, span in (("day of a pair", day), ("newest day", newest)):
        bars = timed(label, lambda span=span: [reader.bars(leg, *span) for leg in LEGS[:2]])
        print(f"{'':<14} {sum(map(len, bars)):12,} bars")
    timed("inventory", reader.inventory)
    timed("last trade", lambda: reader.last_trade(LEGS[0]))
    timed("1,000 trades", lambda: reader.trades(LEGS[0], START_US, last_us, 1_000, newest=True))

    def restart() -> None:
        store = Store.open(path)
        for leg in LEGS[:2]:
            store.last_trade(leg)
            store.bars(leg, *newest)
        store.close()

    timed("restart", restart, 3)
    start, count = time.perf_counter(), 0
    for part in reader.stream_trades(LEGS[0], *day):
        count += len(part)
    print(f"export         {count / (time.perf_counter() - start):12,.0f} trades/s")


def retention(path: Path, most_s: float = 20.0) -> None:
    """Let the older half go and time the steps; each is what recording may have to wait for."""
    writer = Writer(path)
    keeper: Keeper = writer.keeper
    spans = Reader(path).spans()
    days = (spans[LEGS[0]].last_us - spans[LEGS[0]].first_us) / DAY_US / 2
    keeper.policy = Policy(days=days)
    steps: list[float] = []
    end = time.perf_counter() + most_s
    while time.perf_counter() < end:
        start = time.perf_counter()
        worked = keeper.step()
        steps.append((time.perf_counter() - start) * 1e3)
        if not worked:
            break
    rate = keeper.pruned / (sum(steps) / 1e3)
    high = np.percentile(steps, [50, 99, 99.9])
    print(
        f"retention      {high[0]:12.2f} ms a step; 99 %: {high[1]:.1f}, 99.9 %: {high[2]:.1f}, "
        f"slowest {max(steps):.1f}, of {len(steps):,}; {rate:,.0f} trades/s"
    )
    writer.close()


def _first(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> Any:
    return connection.execute(query, values).fetchone()


def time_index(folder: Path, trades: int) -> None:
    """Time the same writes without and with an index of trades by time, side by side."""
    for label, statement in (
        ("without", ""),
        ("with", "CREATE INDEX trades_time ON trades (instrument_id, time_us)"),
    ):
        path = folder / f"{label}.sqlite"
        writer = Writer(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)
        spent_s, written = 0.0, 0
        for batch in batches(trades):
            start = time.perf_counter()
            written += writer.write(batch, {})
            spent_s += time.perf_counter() - start
        writer.close()
        size = path.stat().st_size / written
        print(f"{label:<8} index {written / spent_s:12,.0f} trades/s, {size:.1f} bytes a trade")
        with closing(sqlite3.connect(path)) as connection:
            middle_us = START_US + trades // len(LEGS) // 2 * SPACING_US
            query = (
                "SELECT count(*) FROM trades_utc WHERE instrument = ? AND time_us BETWEEN ? AND ?"
            )
            span = (LEGS[1], middle_us, middle_us + HOUR_US // 4)
            timed("15 min by SQL", partial(_first, connection, query, span))
        path.unlink()


def main() -> None:
    """Build and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trades", type=lambda text: int(text.replace("_", "")), default=50_000_000
    )
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--time-index", action="store_true", help="measure only what one costs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        needed = options.trades * BYTES_PER_TRADE
        free = shutil.disk_usage(folder).free
        if free < needed:
            parser.error(
                f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed; name "
                "another with --folder, or fewer --trades."
            )
        path = folder / "tandem.sqlite"
        print(describe())
        if options.time_index:
            time_index(folder, options.trades)
            return
        build(path, options.trades)
        reads(path)
        retention(path)


if __name__ == "__main__":
    main()

"""How cost grows with load: curves with their exponents, in processor time, and what fills first.

python -m benchmarks.growth [--quick] [--only pairs,instruments,...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from itertools import count, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.backtest import made_bars
from benchmarks.machine import describe
from benchmarks.refresh import walk
from benchmarks.universes import market_like
from tandem.backtest.grid import Grid
from tandem.backtest.sweep import sweep
from tandem.core.bars import AlignedBars
from tandem.core.clock import SECOND_US
from tandem.core.events import BAR, Trade
from tandem.pairs.stream import PairSettings, PairStream
from tandem.pairs.tracker import PairTracker
from tandem.scanner.scan import scan
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars
from tandem.storage.null import NullStore
from tandem.storage.reader import Reader
from tandem.storage.writer import Writer
from tandem.strategy.rules import Rules
from tandem.strategy.signals import Setup
from tandem.surveillance.service import Surveillance

START_US = 1_780_000_000 * SECOND_US
TRADES_PER_S, STEPS_PER_S = 10, 20
# Seconds of market in a round, and rounds of which the cheapest counts.
SPAN_S, ROUNDS = 5, 3
# Below this a curve is noise about a constant.
FLAT = 0.2

Round = Callable[[], object]


class Curve(NamedTuple):
    """What grows, at which sizes, and what makes the work of one size ready.

    `per` is how often the work is done a second at that load, 0 where it is done on demand.
    """

    prepare: Callable[[int], Iterator[Round]]
    sizes: Sequence[int]
    quick: Sequence[int]
    per: float = 0.0


class Line(NamedTuple):
    """A measured curve: processor seconds by size, and cost ~ size to the power `exponent`."""

    name: str
    sizes: Sequence[int]
    seconds: list[float]
    exponent: float
    per: float

    @property
    def full_at(self) -> float:
        """The size at which one core is full, by the curve's end; infinite if flat or on demand."""
        share = self.seconds[-1] * self.per
        if share <= 0.0 or self.exponent < FLAT:
            return float("inf")
        return float(self.sizes[-1] * (1.0 / share) ** (1.0 / self.exponent))


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the slope of cost over size, both in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


# The curves -----------------------------------------------------------------------------
# Each yields rounds of the same work, one after another on what the rounds before left behind.


def _trades(names: Sequence[str], start_s: int) -> list[Trade]:
    """Return a span's trades of every instrument, in order of time."""
    dice = np.random.default_rng(start_s)
    found = []
    for at in range(SPAN_S * TRADES_PER_S):
        time_us = START_US + start_s * SECOND_US + at * SECOND_US // TRADES_PER_S
        prices = 100.0 + dice.normal(0.0, 0.05, len(names))
        number = start_s * TRADES_PER_S + at
        found += [
            Trade(name, number, time_us, price, 1.0, 1, time_us)
            for name, price in zip(names, prices.tolist(), strict=True)
        ]
    return found


def _desk(instruments: int, pairs: int) -> Iterator[Round]:
    """Yield spans of market on a desk: buffer, pairs and surveillance, stepped as live."""
    names = [f"sim:A{number}USDT" for number in range(instruments)]
    buffer = HotBuffer(50_000)
    bars = LiveBars(buffer, lambda instrument: 0)
    desk = PairTracker(
        buffer, bars, NullStore("no database"), lambda instrument: 30 * SECOND_US, 5_000
    )
    desk.want([PairSettings(names[0], names[1], lookback=50 + k) for k in range(pairs)])
    watched = Surveillance(grace_us=0)
    for name in names:
        watched.add(name)

    def play(trades: list[Trade]) -> None:
        step = len(trades) // (SPAN_S * STEPS_PER_S) or 1
        for first in range(0, len(trades), step):
            batch = trades[first : first + step]
            now_us = batch[-1].time_us
            buffer.append(sorted(batch))
            desk.step({"sim": now_us}.__getitem__)
            watched.observe(batch)
            watched.close(now_us)

    for start_s in count(0, SPAN_S):
        yield partial(play, _trades(names, start_s))


def _part(bars: AlignedBars, start: int, stop: int) -> AlignedBars:
    return AlignedBars(*(getattr(bars, one.name)[start:stop] for one in fields(bars)))


def pairs(size: int) -> Iterator[Round]:
    """Follow so many pairs of two instruments."""
    return _desk(2, size)


def instruments(size: int) -> Iterator[Round]:
    """Follow so many instruments, a pair of them on screen."""
    return _desk(size, 1)


def history(size: int) -> Iterator[Round]:
    """Close bars on a pair that keeps so many."""
    bars = walk(size + 500)
    stream = PairStream(PairSettings("sim:ETHUSDT", "sim:BTCUSDT", bar_us=SECOND_US), size)
    stream.extend(_part(bars, 0, size))

    def close(first: int) -> None:
        for at in range(first, first + 50):
            stream.extend(_part(bars, at, at + 1))
            stream.view()

    for first in range(size, size + 500, 50):
        yield partial(close, first)


def database(size: int) -> Iterator[Round]:
    """Read a newest minute and what is held from so many thousand trades."""
    with tempfile.TemporaryDirectory() as folder:
        path, name = Path(folder) / "growth.sqlite", "sim:A0USDT"
        writer = Writer(path)
        for first in range(0, size * 1_000, 5_000):
            times = range(first, first + 5_000)
            batch = [Trade(name, n, START_US + n * 100_000, 100.0, 1.0, 1, START_US) for n in times]
            writer.write(batch, {})
        writer.close()
        reader, end_us = Reader(path), START_US + size * 1_000 * 100_000

        def read() -> None:
            for _ in range(20):
                reader.bars(name, end_us - 60 * SECOND_US, end_us)
                reader.inventory()
                reader.gaps(states=("open",))

        yield from repeat(read)


def scanner(size: int) -> Iterator[Round]:
    """Scan every pair of so many instruments."""
    prices = market_like(size, 500, seed=1, related=1)
    return repeat(partial(scan, prices, workers=1))


def backtest(size: int) -> Iterator[Round]:
    """Sweep so many variants."""
    bars = made_bars(5_000)
    setup = Setup(lookback=50, z_window=50, rules=Rules(entry=2.0, exit=0.5))
    grid = Grid(setup, entries=tuple(np.linspace(1.0, 3.0, size).tolist()))
    return repeat(partial(sweep, bars, grid, workers=1))


def hours(size: int) -> Iterator[Round]:
    """Append to a hot buffer, and close seconds and scores, after so many hours of trades."""
    names = ["sim:A0USDT"]
    buffer, watched = HotBuffer(50_000), Surveillance(grace_us=0)
    watched.add(names[0])
    bars = np.zeros(size * 3_600, BAR)
    bars["time_us"] = START_US + (np.arange(len(bars)) - len(bars)) * SECOND_US
    for name in ("open", "high", "low", "close"):
        bars[name] = 100.0 + np.random.default_rng(0).normal(0.0, 0.05, len(bars))
    watched.warm(names[0], bars)
    for _ in range(size):
        buffer.append(_trades(names, 0) * 720)

    def play(trades: list[Trade]) -> None:
        for trade in trades:
            buffer.append([trade])
            buffer.since(trade.instrument, buffer.count(trade.instrument) - 1)
            watched.observe([trade])
            watched.close(trade.time_us)

    for start_s in count(0, SPAN_S):
        yield partial(play, _trades(names, start_s))


CURVES = {
    "pairs": Curve(pairs, (2, 8, 32, 128), (1, 4), 1.0 / SPAN_S),
    "instruments": Curve(instruments, (5, 20, 80), (2, 8), 1.0 / SPAN_S),
    "history": Curve(history, (500, 2_000, 8_000, 32_000), (500, 1_000)),
    "database": Curve(database, (50, 200, 800), (5, 10)),
    "scanner": Curve(scanner, (25, 50, 100, 200), (5, 10)),
    "backtest": Curve(backtest, (8, 32, 128, 512), (2, 4)),
    "hours": Curve(hours, (1, 6, 24, 72), (1, 2), 1.0 / SPAN_S),
}


# Measuring ------------------------------------------------------------------------------


def measure(name: str, *, quick: bool) -> Line:
    """Return a curve: the cheapest of some rounds at each size, after one to compile and fill."""
    curve = CURVES[name]
    sizes = curve.quick if quick else curve.sizes
    spent = []
    for size in sizes:
        rounds = curve.prepare(size)
        next(rounds)()
        best = float("inf")
        for _ in range(1 if quick else ROUNDS):
            work = next(rounds)
            start = time.process_time()
            work()
            best = min(best, max(time.process_time() - start, 1e-6))
        spent.append(best)
    return Line(name, sizes, spent, exponent(sizes, spent), curve.per)


def sessions(counts: Sequence[int], seconds: float) -> Line:
    """Return processor time a second of the running app by viewers of its Live page."""
    from benchmarks.viewers import live_app
    from benchmarks.viewers import measure as watched

    with live_app() as app:
        spent = [watched(app, count, seconds).cpu_share for count in counts]
    return Line("sessions", counts, spent, exponent(counts, spent), 1.0)


def report(lines: Sequence[Line]) -> str:
    """Return a Markdown table of curves, and what would fill a core first."""
    rows = [
        "| what grows | sizes | CPU, ms | exponent | a core is full at |",
        "|---|---|---|---|---|",
    ]
    for line in lines:
        sizes = " / ".join(f"{size:,}" for size in line.sizes)
        spent = " / ".join(f"{one * 1e3:.3g}" for one in line.seconds)
        full = f"{line.full_at:,.0f}" if np.isfinite(line.full_at) else "on demand or flat"
        rows.append(f"| {line.name} | {sizes} | {spent} | {line.exponent:.2f} | {full} |")
    first = min(lines, key=lambda line: line.full_at / line.sizes[-1])
    if np.isfinite(first.full_at):
        rows += ["", f"What breaks first: {first.name}, at {first.full_at:,.0f}."]
    return "\n".join(rows)


def main() -> None:
    """Print the curves asked for, all by default."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two small sizes each, no viewers")
    parser.add_argument("--only", default=",".join([*CURVES, "sessions"]))
    options = parser.parse_args()
    wanted = options.only.split(",")
    lines = [measure(name, quick=options.quick) for name in CURVES if name in wanted]
    if "sessions" in wanted and not options.quick:
        lines.append(sessions((1, 2, 4), 10.0))
    sys.stdout.write(f"{report(lines)}\n\n{describe('numpy', 'numba', 'streamlit')}\n")


if __name__ == "__main__":
    main()

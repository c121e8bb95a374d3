"""What watching a whole venue costs: one scheduled scan, the page meanwhile, trades a second.

python -m benchmarks.universe [--instruments 400] [--minutes 1440]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from tandem.config import Settings
from tandem.core.clock import MINUTE_US, now_us
from tandem.core.events import Trade
from tandem.engine import Engine
from tandem.pairs.stream import PairSettings
from tandem.scanner.live.minute_prices import MinuteBoard
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import least_p_values
from tandem.ui.live import cards

LOOKS = 200
BATCH = 500


def full_board(instruments: int, minutes: int) -> MinuteBoard:
    """Return a board full of random walks with a common factor."""
    dice = np.random.default_rng(0)
    factor = np.cumsum(dice.normal(0.0, 1e-3, minutes))
    board = MinuteBoard([f"binance-usdm:S{k:04d}" for k in range(instruments)], minutes)
    end = now_us() // MINUTE_US * MINUTE_US
    for name in board.names:
        own = np.cumsum(dice.normal(0.0, 1e-3, minutes))
        prices = 100.0 * np.exp(dice.uniform(0.5, 1.5) * factor + own)
        for k, price in enumerate(prices.tolist()):
            time_us = end - (minutes - k) * MINUTE_US
            board.submit([Trade(name, k, time_us, price, 1.0, 1, time_us)])
    return board


def trades_per_s(board: MinuteBoard) -> float:
    """Return how many trades of all instruments a board takes in a second."""
    now = now_us()
    batch = [
        Trade(board.names[k % len(board.names)], k, now, 1.0, 1.0, 1, now) for k in range(BATCH)
    ]
    start = time.perf_counter()
    for _ in range(LOOKS):
        board.submit(batch)
    return BATCH * LOOKS / (time.perf_counter() - start)


def look_ms(engine: Engine, pair: PairSettings) -> float:
    """Return the median cost of a refresh: a snapshot and its cards, every 20 ms."""
    spent = []
    for _ in range(LOOKS):
        start = time.perf_counter()
        cards.page(engine.snapshots.look("benchmark", pair))
        spent.append((time.perf_counter() - start) * 1e3)
        time.sleep(0.02)
    return statistics.median(spent)


def beside(work: Callable[[], object], look: Callable[[], float]) -> tuple[float, int]:
    """Return what `look` finds while `work` goes on without a pause, and how often it was done."""
    over, done = threading.Event(), [0]

    def again() -> None:
        while not over.is_set():
            work()
            done[0] += 1

    thread = threading.Thread(target=again)
    thread.start()
    found = look()
    over.set()
    thread.join()
    return found, done[0]


def main() -> None:
    """Print the cost of a scan, and of the page alone and beside it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instruments", type=int, default=400)
    parser.add_argument("--minutes", type=int, default=1_440)
    options = parser.parse_args()
    board = full_board(options.instruments, options.minutes)
    settings = ScanSettings(bar_seconds=60.0)

    def rescan() -> float:
        start = time.perf_counter()
        scan(board.read(now_us()).prices, settings, names=board.names, workers=1)
        return time.perf_counter() - start

    def surrogates() -> None:
        least_p_values(board.read(now_us()).prices, settings, 1, names=board.names, workers=1)

    def whole_look() -> None:
        rescan()
        surrogates()

    rescan()
    spent = statistics.median(rescan() for _ in range(5))
    pair = PairSettings("sim:ETHUSDT", "sim:BTCUSDT", bar_us=5_000_000)
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Settings(venue="sim", public="off", database=Path(folder) / "t.sqlite"))
        engine.start()
        while engine.snapshots.look("benchmark", pair).view is None:
            time.sleep(0.1)
        time.sleep(5.0)
        rounds = []
        for _ in range(3):
            alone = look_ms(engine, pair)
            rounds.append((alone, *beside(whole_look, lambda: look_ms(engine, pair))))
        engine.stop()
    alone, busy, scans = (statistics.median(column) for column in zip(*rounds, strict=True))
    sys.stdout.write(
        f"scan of {options.instruments} x {options.minutes} minutes, one thread: {spent:.2f} s\n"
        f"a refresh: {alone:.2f} ms alone, {busy:.2f} ms while scanning it and "
        f"surrogates without a pause ({2 * scans:.0f} scans meanwhile)\n"
        f"trades a board takes: {trades_per_s(board):,.0f} a second\n"
        f"{describe('numpy', 'numba')}\n"
    )


if __name__ == "__main__":
    main()

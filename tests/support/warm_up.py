"""Compiles what the tests call, so that the processes that run them need only read the cache.

``python -m tests.support.warm_up`` takes a minute where nothing is cached, seconds otherwise.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks import worlds
from tandem import analytics, backtest, scanner
from tandem.surveillance.service import batch
from tests.support import simulate
from tests.support.watched_trades import BOTH, SMALL


def models() -> None:
    analytics.warm_up()
    backtest.warm_up()


def scans() -> None:
    scanner.warm_up()
    batch(BOTH, SMALL, [("sim:ETHUSDT", "sim:BTCUSDT")])
    x, noise = np.cumsum(np.random.default_rng(0).normal(size=(2, 200)), axis=1)
    y = 2.0 * x + np.diff(noise, prepend=0.0)
    analytics.rolling_adf(y, 60)
    analytics.fit_kalman(y, x)
    analytics.variance_ratio(y - 2.0 * x)
    simulate.searched_statistics(40, 1, 1, 1, 0)
    simulate.two_walks(40, 0)
    worlds.related(worlds.INDEPENDENT, 40, 0, 10.0)
    worlds.unrelated(worlds.INDEPENDENT, 40, 0)


def main() -> None:
    """Compile the two halves at once, where there are two processors."""
    workers = min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for done in [pool.submit(models), pool.submit(scans)]:
            done.result()


if __name__ == "__main__":
    main()

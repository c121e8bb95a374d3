"""Compiling the backtests' loops ahead of need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tandem.backtest.grid import Grid
from tandem.backtest.null_test import NULLS, null_test
from tandem.backtest.run import compare
from tandem.backtest.sweep import sweep
from tandem.backtest.walk_forward import walk_forward
from tandem.core.bars import AlignedBars
from tandem.core.clock import HOUR_US
from tandem.strategy.rules import Rules
from tandem.strategy.signals import Setup

N_BARS = 160


def warm_up(is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Compile, or load from the cache, every loop that a backtest runs.

    Takes some seconds where nothing is cached, a tenth of one otherwise. Safe in a
    background thread; a loop called meanwhile from elsewhere waits for its own compilation only.

    Parameters
    ----------
    is_stopping : callable
        Asked between the parts; once it says so, the rest is left out.
    """
    for part in _parts():
        if is_stopping():
            return
        part()


def _parts() -> Iterator[Callable[[], object]]:
    bars, setup = _bars(), Setup(lookback=20, z_window=10, rules=Rules(entry=1.0, exit=0.2))
    grid = Grid(setup, entries=(1.0, 1.5))
    yield lambda: compare(bars, setup)
    yield lambda: sweep(bars, grid, workers=1)
    yield lambda: walk_forward(bars, grid, 40, 40, workers=1)
    for null in NULLS:
        yield lambda null=null: null_test(bars, grid, null, 19, workers=1)  # type: ignore[misc]


def _bars() -> AlignedBars:
    """Return a pair that trades under the setup above."""
    bar = np.arange(float(N_BARS))
    x = 100.0 + np.sin(bar) + 0.1 * bar
    y = 2.0 * x + np.cos(1.7 * bar) + 0.3 * np.sin(0.37 * bar * bar)
    age, yes = np.zeros(N_BARS, np.int64), np.ones(N_BARS, np.bool_)
    times = 1_500_000_000_000_000 + np.arange(N_BARS) * HOUR_US
    return AlignedBars(times, y, x, y.copy(), x.copy(), age, age, yes, ~yes)

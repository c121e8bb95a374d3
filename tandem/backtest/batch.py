"""Many backtests over the same bars: only what the figures need is kept of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.backtest.metrics import Metrics, Periods, metrics
from tandem.core.bars import AlignedBars
from tandem.kernels import performance
from tandem.kernels.trading.batch import COUNTS, run_lean
from tandem.kernels.trading.records import ADJUSTED, CLOSED
from tandem.strategy.rules import rules_record
from tandem.strategy.signals import Setup, Signals, bars_in
from tandem.strategy.trader import columns, start

Floats = npt.NDArray[np.float64]

# Places of `BarsIn`'s columns that differ from model to model.
_Z, _BETA, _ALPHA = 5, 6, 10


class Lean:
    """One thread's runs over a stretch of bars; its buffers are used again and again.

    Parameters
    ----------
    bar_us : int
        Length of a bar.
    funding : (y, x), optional
        As in `tandem.backtest.run.run`.
    """

    def __init__(
        self, bars: AlignedBars, bar_us: int, funding: tuple[Floats, Floats] | None = None
    ) -> None:
        self._time_us = bars.time_us
        self._bar_us = bar_us
        nothing = np.empty(len(bars.time_us))
        blank = Signals(*(nothing,) * 6)
        self._columns: list[Any] = columns(bars_in(bars, blank, funding), np.iinfo(np.int64).min)
        self.equity = np.empty(len(bars.time_us))
        self._gross = np.empty(len(bars.time_us))
        self._figures = np.empty(performance.FIGURES)
        self._trade = np.empty(1, CLOSED)
        self._change = np.empty(1, ADJUSTED)

    def run(self, setup: Setup, said: Signals, cut: Periods, stop: int | None = None) -> Metrics:
        """Trade from bar ``cut.first`` up to `stop` and return the figures.

        `equity` holds the curve of those bars until the next run.
        """
        stop = len(self._time_us) if stop is None else stop
        self._columns[_Z], self._columns[_BETA] = said.z, said.beta
        self._columns[_ALPHA] = said.alpha
        given: Any = [column[:stop] if len(column) else column for column in self._columns]
        counts = np.zeros(COUNTS)
        equity, gross = self.equity[:stop], self._gross[:stop]
        self.equity[: cut.first] = setup.capital
        before: Any = start(setup.capital), rules_record(setup.rules, setup.costs, setup.limits)
        every: Any = (
            *(*before, cut.first, *given),
            *(self._trade, self._change, equity, gross, counts),
        )
        run_lean(*every)
        performance.measure(equity, gross, cut.first, cut.ends, setup.capital, self._figures)
        return metrics(
            self._figures, counts, cut, self._time_us[:stop], self._bar_us, setup.capital
        )

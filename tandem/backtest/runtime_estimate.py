"""How long will it take? A variant is timed once, and what is asked for is so many of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tandem.backtest.batch import Lean
from tandem.backtest.grid import Grid, by_signals
from tandem.backtest.metrics import periods
from tandem.backtest.null_test import Null, Surrogates
from tandem.backtest.run import bar_length
from tandem.core.bars import AlignedBars
from tandem.core.errors import DataError
from tandem.core.parallel import workers_for
from tandem.strategy.signals import Setup, Signals, signals

Floats = npt.NDArray[np.float64]


# What a thread more adds, beside everything else that goes on in the process.
SECOND_THREAD = 0.5


def _at_once() -> float:
    return 1.0 + SECOND_THREAD * (workers_for(None) - 1)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that parts of long work take on one thread, on bars and variants as they are.

    Attributes
    ----------
    models_s : float
        Working out the signals of all variants once.
    variants_s : float
        Trading all variants over all bars once.
    draw_s : float
        Making one surrogate; 0 where the bars do not allow one.
    """

    models_s: float
    variants_s: float
    draw_s: float

    def sweep_s(self) -> float:
        """Return the seconds a sweep is expected to take."""
        return (2.0 * self.models_s + self.variants_s) / _at_once()

    def walk_forward_s(self, n_bars: int, fit_bars: int, trade_bars: int, anchored: bool) -> float:
        """Return the seconds a walk-forward is expected to take."""
        folds = max((n_bars - fit_bars) // max(trade_bars, 1), 1)
        fitted = (0.5 * (n_bars + fit_bars) if anchored else fit_bars) * folds
        passes = 1.0 + fitted / max(n_bars, 1)
        return (2.0 * self.models_s + passes * self.variants_s) / _at_once()

    def null_s(self, count: int, nulls: int) -> float:
        """Return the seconds so many surrogates of each of so many nulls are expected to take."""
        each = self.draw_s + self.models_s + self.variants_s
        return nulls * (count + 1) * each / _at_once()


def pace_of(bars: AlignedBars, grid: Grid, funding: tuple[Floats, Floats] | None = None) -> Pace:
    """Time one variant of each model, and one surrogate.

    Parameters
    ----------
    bars, funding
        As in `run`.

    Raises
    ------
    DataError
        As `sweep`.
    """
    setups = grid.setups()
    groups = by_signals(setups)
    known: dict[str, tuple[float, float]] = {}
    for places in groups:
        setup = setups[places[0]]
        if setup.model not in known:
            known[setup.model] = _variant_s(bars, setup, funding)
    return Pace(
        models_s=sum(known[setups[places[0]].model][0] for places in groups),
        variants_s=sum(known[setup.model][1] for setup in setups),
        draw_s=_draw_s(bars),
    )


def _variant_s(
    bars: AlignedBars, setup: Setup, funding: tuple[Floats, Floats] | None
) -> tuple[float, float]:
    found: list[Signals] = []
    models_s = _seconds(lambda: found.append(signals(bars, setup)))
    lean, bar_us = Lean(bars, bar_length(bars.time_us), funding), bar_length(bars.time_us)
    cut = periods(bars.time_us, bar_us, min(found[0].first, len(bars.time_us) - 1))
    return models_s, _seconds(lambda: lean.run(setup, found[0], cut))


def _draw_s(bars: AlignedBars, null: Null = "no correction") -> float:
    try:
        made = Surrogates(bars, null)
    except DataError:
        return 0.0
    return _seconds(lambda: made.draw(0))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

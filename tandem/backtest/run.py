"""One backtest: bars and a setup in, trades, equity and figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tandem.backtest.metrics import Metrics, Period, Periods, metrics, periods
from tandem.core.bars import AlignedBars
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch, each
from tandem.kernels import performance
from tandem.kernels.trading.batch import BARS_IN, COUNTS, REFUSED, TRADED, count_trades
from tandem.strategy.pair_model import MODELS, Model
from tandem.strategy.signals import Setup, Signals, bars_in, require_known, signals
from tandem.strategy.trader import ClosedTrade, Fill, Position, Trader, TraderBars

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """A backtest from its first bar to its last.

    Attributes
    ----------
    bar_us : int
        Length of a bar.
    signals : Signals
        What the model said at each bar.
    done : TraderBars
        What the trader did at each bar; `equity` among it.
    trader : Trader
        The trader after the last bar.
    periods : Periods
        How returns were counted. Figures count from the first bar that has a z.
    """

    setup: Setup
    bars: AlignedBars
    bar_us: int
    signals: Signals
    done: TraderBars
    trader: Trader
    periods: Periods
    metrics: Metrics

    @cached_property
    def trades(self) -> tuple[ClosedTrade, ...]:
        """Closed round trips, oldest first."""
        return tuple(self.trader.trades)

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        """Every fill of each leg, oldest first; the open position's included."""
        return tuple(self.trader.fills)

    @property
    def position(self) -> Position | None:
        """What is held after the last bar, at marks: no exit is invented for it."""
        return self.trader.position

    @property
    def equity(self) -> Floats:
        """Cash plus the legs at their last prices, at each bar's close."""
        return self.done.equity

    @property
    def drawdown(self) -> Floats:
        """Fall below the highest equity so far, as a negative share of it, at each bar."""
        peak = np.maximum.accumulate(np.maximum(self.done.equity, self.setup.capital))
        fall: Floats = self.done.equity / peak - 1.0
        return fall

    @property
    def returns(self) -> Floats:
        """Return of each period, as a fraction of initial capital."""
        return period_returns(self.done.equity, self.periods, self.setup.capital)


def period_returns(equity: Floats, cut: Periods, capital: float) -> Floats:
    """Return the change of equity over each period, as a fraction of initial capital."""
    changes: Floats = np.diff(equity[cut.ends], prepend=capital) / capital
    return changes


def bar_length(time_us: npt.NDArray[np.int64]) -> int:
    """Return the usual distance of two bars."""
    if len(time_us) < 2:
        raise DataError(f"There are {len(time_us)} bars; a backtest needs at least two.")
    steps = np.diff(time_us)
    if steps.min() <= 0:
        raise DataError("Bars are not in increasing time order; sort them and drop duplicates.")
    return int(np.median(steps))


def run(
    bars: AlignedBars,
    setup: Setup,
    funding: tuple[Floats, Floats] | None = None,
    period: Period = "auto",
    said: Signals | None = None,
) -> Result:
    """Trade a pair by one setup.

    Parameters
    ----------
    funding : (y, x), ndarrays of shape (n_bars,), optional
        Fraction of each leg's value a long position pays at the bar (see `constant_funding`).
    period : {"auto", "bar", "day"}
        How returns are counted (see `periods`).
    said : Signals, optional
        What the setup's model says, where it is known already.

    Raises
    ------
    DataError
        Fewer than two bars, times that do not increase, or no bar with a z.
    """
    bar_us = bar_length(bars.time_us)
    said = said or signals(bars, setup)
    require_known(said.first, len(bars.time_us), setup)
    trader = Trader(setup.rules, setup.costs, setup.capital, setup.limits)
    done = trader.extend(bars_in(bars, said, funding))
    cut = periods(bars.time_us, bar_us, said.first, period)
    return Result(
        setup=setup,
        bars=bars,
        bar_us=bar_us,
        signals=said,
        done=done,
        trader=trader,
        periods=cut,
        metrics=_metrics(trader, done, cut, bars.time_us, bar_us, setup.capital),
    )


def compare(
    bars: AlignedBars,
    setup: Setup,
    models: Sequence[Model] = MODELS,
    funding: tuple[Floats, Floats] | None = None,
    period: Period = "auto",
) -> dict[Model, Result]:
    """Trade a pair by one setup under several models, all from the first bar at which each has a z.

    Parameters and errors as in `run`.
    """
    setups = {model: replace(setup, model=model) for model in models}
    said = {model: signals(bars, one) for model, one in setups.items()}
    slowest = max(said, key=lambda model: said[model].first)
    first = said[slowest].first
    require_known(first, len(bars.time_us), setups[slowest])
    return {
        model: run(bars, one, funding, period, said[model].since(first))
        for model, one in setups.items()
    }


def start_of(
    bars: AlignedBars, setups: list[Setup], watch: Watch = UNWATCHED, workers: int | None = None
) -> int:
    """Return the first bar at which every one of the setups has a z.

    Raises
    ------
    DataError
        If one never has.
    """

    def first(setup: Setup) -> int:
        return signals(bars, setup).first

    known = each(setups, first, watch.part(0.0, 0.1), workers)
    latest = int(np.argmax(known))
    require_known(known[latest], len(bars.time_us), setups[latest])
    return known[latest]


def _metrics(
    trader: Trader,
    done: TraderBars,
    cut: Periods,
    time_us: npt.NDArray[np.int64],
    bar_us: int,
    capital: float,
) -> Metrics:
    figures, counts = np.empty(performance.FIGURES), np.zeros(COUNTS)
    performance.measure(done.equity, done.gross, cut.first, cut.ends, capital, figures)
    count_trades(trader.closed, counts)
    counts[BARS_IN] = np.count_nonzero(done.position)
    counts[TRADED] = trader.traded
    counts[REFUSED] = trader.refused
    return metrics(figures, counts, cut, time_us, bar_us, capital)

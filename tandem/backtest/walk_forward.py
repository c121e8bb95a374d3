"""Walk-forward: parameters are chosen in-sample and judged out-of-sample alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.backtest.batch import Lean
from tandem.backtest.grid import Grid, best_place, by_signals
from tandem.backtest.metrics import Metrics, Period, Periods, metrics, periods
from tandem.backtest.run import bar_length, period_returns, start_of
from tandem.backtest.trials import Trial, trial
from tandem.core.bars import AlignedBars
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch, each
from tandem.kernels import performance
from tandem.kernels.trading.batch import BARS_IN, COUNTS, REFUSED, TRADED, count_trades
from tandem.strategy.signals import Setup, Signals, bars_in, signals
from tandem.strategy.trader import BarsIn, ClosedTrade, Trader

Floats = npt.NDArray[np.float64]

MOST_FOLDS = 1_000


@dataclass(frozen=True, slots=True)
class Fold:
    """An in-sample and the next out-of-sample window; bars `first` to `stop`, stop excluded.

    `setup` is the variant with the best figure (`chosen_by`) on the first stretch, None where none
    ever traded there; `trades` and `net` are what it did on the second.
    """

    fit_first: int
    fit_stop: int
    trade_first: int
    trade_stop: int
    setup: Setup | None
    chosen_by: float
    net: float
    trades: tuple[ClosedTrade, ...]


@dataclass(frozen=True, slots=True)
class WalkForward:
    """What choosing as one goes would have earned.

    Attributes
    ----------
    folds : tuple of Fold
    by : str
        The figure that chose.
    equity : ndarray of shape (n_bars,)
        Only bars from the first fold's trading on count; the capital before.
    metrics : Metrics
        Of the bars traded out of sample, all folds together.
    returns : ndarray
        Return of each period.
    fitted : float
        Mean over the folds of the chosen figure on the stretch it was chosen on: what the same
        figure out of sample is to be held against.
    trials : tuple of Trial
        Every variant over all bars, for the ledger: whoever chose on every stretch tried them all.
    """

    folds: tuple[Fold, ...]
    by: str
    equity: Floats
    periods: Periods
    metrics: Metrics
    returns: Floats
    fitted: float
    trials: tuple[Trial, ...]

    @property
    def trades(self) -> tuple[ClosedTrade, ...]:
        """Every trade out of sample, oldest first."""
        return tuple(one for fold in self.folds for one in fold.trades)


@dataclass(frozen=True, slots=True)
class _Traded:
    """A fold's trading: equity of its bars, what was held at their closes, the trader after."""

    equity: Floats
    gross: Floats
    bars_in: int
    trader: Trader


def walk_forward(
    bars: AlignedBars,
    grid: Grid,
    fit_bars: int,
    trade_bars: int,
    by: str = "sharpe",
    funding: tuple[Floats, Floats] | None = None,
    period: Period = "auto",
    anchored: bool = False,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
) -> WalkForward:
    """Choose a variant on each stretch of `fit_bars` and trade it over the next `trade_bars`.

    Models look back as they do live, over the bars before a stretch too, and never ahead. Each
    stretch starts flat. What is held in the last bar of a trading stretch in which both legs trade
    is sold at its close; costs are paid.

    Parameters
    ----------
    bars, funding, period
        As in `run`.
    grid : Grid
        The variants to choose from.
    fit_bars, trade_bars : int
        Lengths of the stretches; the last trading stretch may be shorter.
    by : str
        Field of `Metrics` that chooses, largest first.
    anchored : bool
        Whether every fitting stretch starts at the first bar rather than rolls along.
    watch, workers
        As in `sweep`.

    Raises
    ------
    DataError
        Stretches that do not fit into the bars; see also `sweep`.
    Cancelled
        When the watch says so.
    """
    setups = grid.setups()
    bar_us = bar_length(bars.time_us)
    if by not in Metrics.__slots__:
        raise DataError(f"{by!r:.40} is not a ranking metric; choose sharpe, net or calmar.")
    groups = by_signals(setups)
    first = start_of(bars, [setups[places[0]] for places in groups], watch, workers)
    spans = _spans(first, len(bars.time_us), fit_bars, trade_bars, anchored)
    cuts = [
        periods(bars.time_us[:fit_stop], bar_us, fit_first, period)
        for fit_first, fit_stop, _ in spans
    ]
    whole = periods(bars.time_us, bar_us, first, period)
    work = partial(_fit, bars, bar_us, funding, setups, cuts, whole, by)
    done = each(groups, work, watch.part(0.1, 0.9), workers)
    fits = np.concatenate([found for found, _ in done])
    table = np.empty_like(fits)  # a row per variant, a column per fold
    table[[place for group in groups for place in group]] = fits
    account = _Account(bars, funding, grid.base.capital)
    for fold, span in enumerate(spans):
        watch.part(0.9, 1.0).progress(fold, len(spans))
        watch.check()
        chosen = best_place(table[:, fold])
        known = (setups[chosen], float(table[chosen, fold])) if chosen >= 0 else (None, np.nan)
        account.trade(*span, *known)
    watch.progress(1, 1)
    tried = tuple(one for _, trials in done for one in trials)
    return account.close(periods(bars.time_us, bar_us, spans[0][1], period), bar_us, by, tried)


class _Account:
    """The money that passes from fold to fold."""

    def __init__(
        self, bars: AlignedBars, funding: tuple[Floats, Floats] | None, capital: float
    ) -> None:
        self._bars, self._funding, self._capital = bars, funding, capital
        self._equity = np.full(len(bars.time_us), capital)
        self._gross = np.zeros(len(bars.time_us))
        self._counts = np.zeros(COUNTS)
        self._said: dict[Any, Signals] = {}
        self._folds: list[Fold] = []

    def trade(
        self, fit_first: int, first: int, stop: int, setup: Setup | None, chosen_by: float
    ) -> None:
        """Trade one fold with the variant chosen for it, or not at all."""
        before = float(self._equity[first - 1])
        self._equity[first:stop] = before
        trades: tuple[ClosedTrade, ...] = ()
        if setup is not None:
            done = _trade(self._bars, setup, self._signals(setup), self._funding, first, stop)
            self._equity[first:stop] += done.equity - setup.capital
            self._gross[first:stop] = done.gross
            self._count(done)
            trades = tuple(done.trader.trades)
        net = float(self._equity[stop - 1]) - before
        self._folds.append(Fold(fit_first, first, first, stop, setup, chosen_by, net, trades))

    def _signals(self, setup: Setup) -> Signals:
        if setup.signal_key not in self._said:
            self._said[setup.signal_key] = signals(self._bars, setup)
        return self._said[setup.signal_key]

    def _count(self, done: _Traded) -> None:
        count_trades(done.trader.closed, self._counts)
        self._counts[BARS_IN] += done.bars_in
        self._counts[TRADED] += done.trader.traded
        self._counts[REFUSED] += done.trader.refused

    def close(self, cut: Periods, bar_us: int, by: str, tried: tuple[Trial, ...]) -> WalkForward:
        """Return what all folds together came to."""
        figures, capital = np.empty(performance.FIGURES), self._capital
        performance.measure(self._equity, self._gross, cut.first, cut.ends, capital, figures)
        known = [fold.chosen_by for fold in self._folds if np.isfinite(fold.chosen_by)]
        return WalkForward(
            folds=tuple(self._folds),
            by=by,
            equity=self._equity,
            periods=cut,
            metrics=metrics(figures, self._counts, cut, self._bars.time_us, bar_us, capital),
            returns=period_returns(self._equity, cut, capital),
            fitted=float(np.mean(known)) if known else float("nan"),
            trials=tried,
        )


def _spans(
    first: int, n_bars: int, fit_bars: int, trade_bars: int, anchored: bool
) -> list[tuple[int, int, int]]:
    """Return (first fitted, first traded, first after) of each fold."""
    if fit_bars < 10 or trade_bars < 1:
        raise DataError(
            f"Windows of {fit_bars} and {trade_bars} bars are too short; use at least 10 in-sample "
            "bars and 1 out-of-sample bar."
        )
    edges = range(first + fit_bars, n_bars, trade_bars)
    if not edges:
        raise DataError(
            f"{n_bars - first:,} bars remain after warm-up; an in-sample window of {fit_bars:,} "
            "leaves none to trade. Shorten it, or use more bars."
        )
    if len(edges) > MOST_FOLDS:
        raise DataError(
            f"{len(edges):,} folds exceed the limit of {MOST_FOLDS:,}. "
            "Use a longer out-of-sample window."
        )
    return [
        (first if anchored else edge - fit_bars, edge, min(edge + trade_bars, n_bars))
        for edge in edges
    ]


def _fit(
    bars: AlignedBars,
    bar_us: int,
    funding: tuple[Floats, Floats] | None,
    setups: list[Setup],
    cuts: list[Periods],
    whole: Periods,
    by: str,
    places: list[int],
) -> tuple[Floats, list[Trial]]:
    """Return the figure of variants with the same signals on every fitting stretch, and overall."""
    said = signals(bars, setups[places[0]])
    lean = Lean(bars, bar_us, funding)
    found, trials = np.empty((len(places), len(cuts))), []
    for row, place in enumerate(places):
        for fold, cut in enumerate(cuts):
            stop = int(cut.ends[-1]) + 1
            found[row, fold] = getattr(lean.run(setups[place], said, cut, stop), by)
        measured = lean.run(setups[place], said, whole)
        trials.append(trial(setups[place], measured, lean.equity, funding))
    return found, trials


def _trade(
    bars: AlignedBars,
    setup: Setup,
    said: Signals,
    funding: tuple[Floats, Floats] | None,
    first: int,
    stop: int,
) -> _Traded:
    """Trade one stretch from flat to flat."""
    whole = bars_in(bars, said, funding)
    can_trade = bars.usable & np.isfinite(bars.y_open) & np.isfinite(bars.x_open)
    last = np.flatnonzero(can_trade[first:stop])
    end = first + int(last[-1]) + 1 if len(last) else first
    trader = Trader(setup.rules, setup.costs, setup.capital, setup.limits)
    done = trader.extend(_cut(whole, first, end))
    equity, gross = np.full(stop - first, setup.capital), np.zeros(stop - first)
    equity[: end - first], gross[: end - first] = done.equity, done.gross
    if end > first:
        at = end - 1
        trader.leave(
            int(bars.time_us[at]), *(float(bars.y[at]), float(bars.x[at])),
            alpha=float(said.alpha[at]), beta=float(said.beta[at]),
        )  # fmt: skip
        equity[at - first :] = trader.cash
    return _Traded(equity, gross, int(np.count_nonzero(done.position)), trader)


def _cut(bars: BarsIn, first: int, stop: int) -> BarsIn:
    columns: dict[str, Any] = {name: getattr(bars, name) for name in BarsIn.__slots__}
    for name, column in columns.items():
        columns[name] = None if column is None else column[first:stop]
    return BarsIn(**columns)

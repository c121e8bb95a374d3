"""The null test: what would the same pipeline have found where there is nothing to find.

Surrogates keep what the pair has but its pull towards each other; the whole pipeline, selection
included, is run on each.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from tandem.backtest.batch import Lean
from tandem.backtest.grid import Grid, best_place, by_signals
from tandem.backtest.metrics import Metrics, Period, Periods, periods
from tandem.backtest.run import bar_length, start_of
from tandem.backtest.trials import Trial, trial
from tandem.core.bars import AlignedBars
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch, each
from tandem.kernels.surrogates import rebuild
from tandem.strategy.signals import Setup, signals

Floats = npt.NDArray[np.float64]
Null = Literal["no correction", "independent"]

NULLS: tuple[Null, ...] = ("no correction", "independent")
FEWEST_SURROGATES = 19
MOST_SURROGATES = 9_999
MOST_LAGS = 5
FEWEST_BARS = 50


@dataclass(frozen=True, slots=True)
class NullTest:
    """Where the real result falls among the surrogates'.

    Attributes
    ----------
    null : {"no correction", "independent"}
    by : str
        The figure, a field of `Metrics`: of the best variant, chosen anew on each surrogate.
    real : float
        Its value on the real bars; 0 where no variant traded.
    surrogates : ndarray of shape (count,)
        Its value on each surrogate, likewise.
    p_value : float
        ``(1 + k) / (count + 1)``, k surrogates at or above the real value.
    setup : Setup
        The variant chosen on the real bars.
    lags : tuple of int
        Lagged differences in the regression of each leg.
    trials : tuple of Trial
        Every variant on the real bars, for the ledger.
    """

    null: Null
    by: str
    real: float
    surrogates: Floats
    p_value: float
    setup: Setup
    lags: tuple[int, ...]
    trials: tuple[Trial, ...] = ()

    @property
    def rank(self) -> float:
        """Share of the surrogates below the real value."""
        return float(np.mean(self.surrogates < self.real))


class Surrogates:
    """Makes pairs like a given one, without error correction between its legs.

    The differences (of logs where all prices are above 0) are regressed on their own lags, as many
    as AIC says, and never on the distance of the levels. The shocks that this leaves get a random
    sign for each bar (a wild bootstrap: their sizes stay where they were, so calm and wild hours
    do), and the paths are put together again from the first price on. The way from a close to the
    next open is regressed on the same lags, and what is left of it gets the same sign.

    "no correction": both legs in one regression, one sign for both, which keeps their
    correlation at every bar. "independent": each leg by itself, with signs of its own.

    Bid-ask bounce is more than a few lags can say: with bounce half as large as a bar's move a 5 %
    test rejects 11 % of unrelated pairs (500 bars), with a fifth of it 6 %.

    Parameters
    ----------
    null : {"no correction", "independent"}

    Raises
    ------
    DataError
        Fewer than 50 usable bars, or a leg that never moves.
    """

    def __init__(self, bars: AlignedBars, null: Null = "no correction") -> None:
        if null not in NULLS:
            raise DataError(f"{null!r:.40} is not a null model; choose one of {', '.join(NULLS)}.")
        self._bars = bars
        self._at = np.flatnonzero(bars.usable & np.isfinite(bars.y) & np.isfinite(bars.x))
        if len(self._at) < FEWEST_BARS:
            raise DataError(
                f"{len(self._at)} bars have both legs fresh; the null test needs {FEWEST_BARS}."
            )
        prices = np.column_stack((bars.y[self._at], bars.x[self._at]))
        self._is_log = bool((prices > 0.0).all())
        levels = np.log(prices) if self._is_log else prices
        self._levels: Floats = np.ascontiguousarray(levels)
        changes = np.diff(self._levels, axis=0)
        if not np.all(np.ptp(changes, axis=0) > 0.0):
            raise DataError("A leg moves by the same step at every bar: no surrogate can be drawn.")
        opened = np.column_stack((bars.y_open[self._at], bars.x_open[self._at]))
        self._first_open = opened[0]
        ways = self._level(opened)[1:] - self._levels[:-1]
        legs = [[0, 1]] if null == "no correction" else [[0], [1]]
        self._parts = [_Part(changes[:, part].copy(), ways[:, part]) for part in legs]

    @property
    def lags(self) -> tuple[int, ...]:
        """Lagged differences in each regression."""
        return tuple(part.lags for part in self._parts)

    def draw(self, seed: int) -> AlignedBars:
        """Return one surrogate: the same grid and freshness, other prices."""
        random = np.random.default_rng(seed)
        drawn = [part.draw(random) for part in self._parts]
        changes = np.concatenate([path for path, _ in drawn], axis=1)
        ways = np.concatenate([way for _, way in drawn], axis=1)
        levels = np.concatenate((np.zeros((1, 2)), np.cumsum(changes, axis=0))) + self._levels[0]
        closes = self._price(levels)
        opens = np.concatenate((self._first_open[None], self._price(levels[:-1] + ways)))
        bars = self._bars
        y, y_open = self._leg(bars.y, bars.y_open, closes[:, 0], opens[:, 0])
        x, x_open = self._leg(bars.x, bars.x_open, closes[:, 1], opens[:, 1])
        return dataclasses.replace(bars, y=y, x=x, y_open=y_open, x_open=x_open)

    def _leg(
        self, price: Floats, opened: Floats, new: Floats, new_open: Floats
    ) -> tuple[Floats, Floats]:
        """Return closes and opens of all bars; one that was not usable carries the close before."""
        last = np.searchsorted(self._at, np.arange(len(price)), side="right") - 1
        closes, opens = price.copy(), opened.copy()
        closes[last >= 0] = new[last[last >= 0]]
        opens[self._at] = new_open
        return closes, opens

    def _level(self, price: Floats) -> Floats:
        if not self._is_log:
            return price
        return np.log(price, where=price > 0.0, out=np.full(price.shape, np.nan))

    def _price(self, level: Floats) -> Floats:
        price: Floats = np.exp(np.minimum(level, 700.0)) if self._is_log else level
        return price


class _Part:
    """The regressions of some legs' differences, and of their ways to the open, on their lags.

    The open is explained by the same lags as the whole difference: what can be foreseen of a bar is
    in its open as much as it is in the real one.
    """

    def __init__(self, changes: Floats, ways: Floats) -> None:
        self._changes, self._ways = changes, ways
        most = min(MOST_LAGS, len(changes) // 20)
        self.lags = int(np.argmin([_score(changes, lags, most) for lags in range(most + 1)]))
        terms, legs = _terms(changes, self.lags), changes.shape[1]
        found = np.linalg.lstsq(terms, changes[self.lags :], rcond=None)[0]
        self._constant = np.ascontiguousarray(found[0])
        weights = found[1:].reshape(self.lags, legs, legs).transpose(0, 2, 1)
        self._weights = np.ascontiguousarray(weights)
        self._shocks = np.ascontiguousarray(changes[self.lags :] - terms @ found)
        self._to_open = np.zeros((terms.shape[1], legs))
        for leg in range(legs):
            way = ways[self.lags :, leg]
            known = np.isfinite(way)
            if known.sum() > 2 * terms.shape[1]:
                fit = np.linalg.lstsq(terms[known], way[known], rcond=None)[0]
                self._to_open[:, leg] = fit
        self._open_shocks = ways[self.lags :] - terms @ self._to_open

    def draw(self, random: np.random.Generator) -> tuple[Floats, Floats]:
        """Return other differences, and their ways from the close before to the open."""
        count, legs = self._changes.shape
        drawn = random.integers(0, 2, count - self.lags) * 2.0 - 1.0
        signs = np.repeat(drawn[:, None], legs, axis=1)
        path, ways = np.empty_like(self._changes), self._ways.copy()
        rebuild(self._changes, self._constant, self._weights, self._shocks, signs, path)
        ways[self.lags :] = _terms(path, self.lags) @ self._to_open + signs * self._open_shocks
        return path, ways


def _terms(changes: Floats, lags: int, skip: int | None = None) -> Floats:
    """Return a constant and the lagged differences for the rows from `skip` (or `lags`) on."""
    skip = lags if skip is None else skip
    rows = len(changes) - skip
    lagged = [changes[skip - k : skip - k + rows] for k in range(1, lags + 1)]
    return np.concatenate((np.ones((rows, 1)), *lagged), axis=1)


def _score(changes: Floats, lags: int, most: int) -> float:
    """Return AIC of the regression on so many lags, over the rows that all of them share."""
    terms, target = _terms(changes, lags, most), changes[most:]
    found = np.linalg.lstsq(terms, target, rcond=None)[0]
    left = target - terms @ found
    size = np.linalg.det(np.atleast_2d(left.T @ left / len(target)))
    return len(target) * float(np.log(max(size, 1e-300))) + 2.0 * found.size


def null_test(
    bars: AlignedBars,
    grid: Grid,
    null: Null = "no correction",
    count: int = 199,
    by: str = "sharpe",
    funding: tuple[Floats, Floats] | None = None,
    period: Period = "auto",
    seed: int = 0,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
) -> NullTest:
    """Run a grid on the pair and on surrogates of it, choosing the best variant anew on each.

    Parameters
    ----------
    bars, funding, period
        As in `run`.
    grid : Grid
        The pipeline: every variant that was, or would have been, chosen from.
    null : {"no correction", "independent"}
        What a surrogate lacks (see `Surrogates`).
    count : int
        Surrogates, at least 19; 199 give p-values down to 0.005.
    by : str
        Field of `Metrics` that chooses and is compared.
    seed : int
        The same seed gives the same surrogates.
    watch, workers
        As in `sweep`.

    Raises
    ------
    DataError
        See `Surrogates` and `sweep`.
    Cancelled
        When the watch says so.
    """
    if not FEWEST_SURROGATES <= count <= MOST_SURROGATES:
        raise DataError(
            f"{count} surrogates requested; use {FEWEST_SURROGATES} to {MOST_SURROGATES:,}, "
            "199 is usual."
        )
    if by not in Metrics.__slots__:
        raise DataError(f"{by!r:.40} is not a ranking metric; choose sharpe, net or calmar.")
    setups = grid.setups()
    bar_us = bar_length(bars.time_us)
    made = Surrogates(bars, null)
    groups = by_signals(setups)
    first = start_of(bars, [setups[places[0]] for places in groups], watch, workers)
    cut = periods(bars.time_us, bar_us, first, period)
    pipeline = partial(_best, bar_us, funding, setups, groups, cut, by)

    tried: list[Trial] = []

    def one(draw: int) -> tuple[float, int]:
        if draw < 0:
            return pipeline(bars, tried)
        return pipeline(made.draw(seed * MOST_SURROGATES + draw))

    found = each(range(-1, count), one, watch.part(0.1, 1.0), workers)
    (real, chosen), drawn = found[0], np.array([value for value, _ in found[1:]])
    return NullTest(
        null=null,
        by=by,
        real=real,
        surrogates=drawn,
        p_value=(1 + int(np.count_nonzero(drawn >= real))) / (count + 1),
        setup=setups[chosen],
        lags=made.lags,
        trials=tuple(tried),
    )


def _best(
    bar_us: int,
    funding: tuple[Floats, Floats] | None,
    setups: list[Setup],
    groups: list[list[int]],
    cut: Periods,
    by: str,
    bars: AlignedBars,
    tried: list[Trial] | None = None,
) -> tuple[float, int]:
    """Return the best figure of all variants, and whose it is; 0 for one that never traded.

    Every variant is added to `tried` where it is given.
    """
    lean = Lean(bars, bar_us, funding)
    values = np.full(len(setups), np.nan)
    for places in groups:
        said = signals(bars, setups[places[0]])
        for place in places:
            measured = lean.run(setups[place], said, cut)
            values[place] = getattr(measured, by)
            if tried is not None:
                tried.append(trial(setups[place], measured, lean.equity, funding))
    values = np.where(np.isnan(values), 0.0, values)
    place = best_place(values)
    return float(values[place]), place

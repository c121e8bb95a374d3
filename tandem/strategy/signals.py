"""What a model says at every bar: hedge, spread and z, in one pass over a whole history.

The same numbers, to the last bit, as following the pair bar by bar on the live page.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.analytics.hedges import RollingHuber, RollingOls
from tandem.analytics.kalman_filter import KalmanHedge
from tandem.analytics.zscores import RollingZ, ZScore
from tandem.core.bars import AlignedBars
from tandem.core.clock import HOUR_US
from tandem.core.errors import DataError
from tandem.kernels.series import hold_before
from tandem.strategy.pair_model import Model, PairModel, ZKind
from tandem.strategy.rules import Limits
from tandem.strategy.trader import BarsIn

Floats = npt.NDArray[np.float64]
Hedging = RollingOls | RollingHuber | KalmanHedge


@dataclass(frozen=True, slots=True)
class Setup(PairModel):
    """Everything a backtest of two legs depends on but the bars: a pair model and an account.

    Attributes
    ----------
    capital : float
        Money at the start, the base of every return.
    """

    limits: Limits = field(default_factory=Limits)
    capital: float = 20_000.0

    def __post_init__(self) -> None:
        """Refuse what cannot give an answer."""
        PairModel.__post_init__(self)
        if not 0.0 < self.capital < np.inf:
            raise DataError(f"The capital is {self.capital:g}; it must be a positive amount.")

    @property
    def signal_key(self) -> tuple[Any, ...]:
        """What the signals depend on: setups with equal keys have the same z at every bar."""
        window = 0 if self.uses_innovation else self.z_window
        kind = "rolling" if self.z_kind == "model" and not self.uses_innovation else self.z_kind
        return (*self.hedge_key, kind, window)

    @property
    def hedge_key(self) -> tuple[Any, ...]:
        """What the hedge depends on."""
        return self.model, self.lookback, self.log_prices

    def with_rules(self, **changes: Any) -> Setup:
        """Return the same setup under other rules."""
        return replace(self, rules=replace(self.rules, **changes))


@dataclass(frozen=True, slots=True)
class Signals:
    """What the model says at each bar; arrays of shape (n_bars,), NaN while it warms up.

    `alpha` and `beta` are known before the bar; ``spread = y - (alpha + beta x)`` (of logs where
    the rules say so) and ``z = (spread - mean) / deviation``, mean and deviation known before.
    """

    alpha: Floats
    beta: Floats
    spread: Floats
    mean: Floats
    deviation: Floats
    z: Floats

    @property
    def first(self) -> int:
        """The first bar with a z; the number of bars where there is none."""
        known = np.isfinite(self.z)
        return int(np.argmax(known)) if known.any() else len(known)

    def since(self, first: int) -> Signals:
        """Return the same with no z before bar `first`: nothing is traded there."""
        z = self.z.copy()
        z[:first] = np.nan
        return replace(self, z=z)


@dataclass(frozen=True, slots=True)
class Hedged:
    """A hedge known before each bar, the spread it gives, and Kalman's own deviation."""

    alpha: Floats
    beta: Floats
    spread: Floats
    deviation: Floats


def known_before(values: Floats, last: float = np.nan) -> Floats:
    """Return, for each bar, the last value known strictly before it.

    Parameters
    ----------
    values : ndarray of shape (n_bars,)
        NaN where a bar gave none; the earlier value then stays.
    last : float
        The value known before the first bar; NaN if none.
    """
    known = np.concatenate(([last], values))
    before = np.empty(len(known))
    hold_before(known, before)
    return before[1:]


def levels(prices: Floats, log_prices: bool) -> Floats:
    """Return prices as the models take them: their logs where asked, NaN where there is none.

    A price of 0 or less has no log, and an infinite one is no price.
    """
    if not log_prices:
        return np.where(np.isfinite(prices), prices, np.nan)
    known = np.isfinite(prices) & (prices > 0.0)
    return np.log(prices, where=known, out=np.full(len(prices), np.nan))


def legs_of(bars: AlignedBars, log_prices: bool) -> tuple[Floats, Floats]:
    """Return both legs as the models take them, NaN where a bar is not usable."""
    y, x = (np.where(bars.usable, leg, np.nan) for leg in (bars.y, bars.x))
    return levels(y, log_prices), levels(x, log_prices)


def hedged(bars: AlignedBars, setup: Setup) -> Hedged:
    """Return the hedge of every bar. Unusable bars change nothing and have no spread."""
    y, x = legs_of(bars, setup.log_prices)
    found = hedging(setup.model, setup.lookback).extend(y, x)
    alpha, beta = known_before(found.alpha), known_before(found.beta)
    return Hedged(alpha, beta, y - (alpha + beta * x), np.sqrt(found.innovation_var))


def innovation_score(spread: Floats, deviation: Floats) -> ZScore:
    """Return the z of Kalman innovations: over the deviation the filter expected of them."""
    z = np.full(len(spread), np.nan)
    np.divide(spread, deviation, where=deviation > 0.0, out=z)
    return ZScore(z, np.where(np.isnan(deviation), np.nan, 0.0), deviation)


def hedging(model: Model, lookback: int) -> Hedging:
    """Return a model that has seen no bar yet, set up as everything here trades it."""
    if model == "ols":
        return RollingOls(lookback)
    if model == "huber":
        return RollingHuber(lookback)
    # Its sense of how loud the noise is follows the market, over ten lookbacks.
    return KalmanHedge(prefix=lookback, variance_memory=10 * lookback)


def zscoring(z_kind: ZKind, z_window: int) -> RollingZ:
    """Return the z-score of a spread, which the model's own is but for Kalman's innovation."""
    return RollingZ(z_window, "rolling" if z_kind == "model" else z_kind)


def scored(hedge: Hedged, setup: Setup) -> Signals:
    """Return the hedge with the z of its spread."""
    if setup.uses_innovation:
        score = innovation_score(hedge.spread, hedge.deviation)
    else:
        score = zscoring(setup.z_kind, setup.z_window).extend(hedge.spread)
    return Signals(hedge.alpha, hedge.beta, hedge.spread, score.mean, score.deviation, score.z)


def signals(bars: AlignedBars, setup: Setup) -> Signals:
    """Return what the setup's model says at every bar, each from what was known by then.

    Raises
    ------
    DataError
        If there are no bars.
    """
    if not len(bars.time_us):
        raise DataError("There are no bars; give both legs a time in common.")
    return scored(hedged(bars, setup), setup)


def bars_in(
    bars: AlignedBars, said: Signals, funding: tuple[Floats, Floats] | None = None
) -> BarsIn:
    """Return bars and signals as the trader takes them."""
    return BarsIn(
        time_us=bars.time_us,
        y=bars.y,
        x=bars.x,
        y_open=bars.y_open,
        x_open=bars.x_open,
        z=said.z,
        beta=said.beta,
        usable=bars.usable,
        funding_y=funding[0] if funding else None,
        funding_x=funding[1] if funding else None,
        alpha=said.alpha,
    )


def constant_funding(
    time_us: npt.NDArray[np.int64],
    bar_us: int,
    y_percent: float = 0.0,
    x_percent: float = 0.0,
    interval_hours: float = 8.0,
) -> tuple[Floats, Floats]:
    """Return the funding of each bar for rates that never change.

    Charges fall on multiples of the interval since midnight UTC. A bar is charged those after the
    end of the bar before it, up to its own end, so none is lost over a gap.

    Parameters
    ----------
    time_us : ndarray of shape (n_bars,)
        Starts of the bars, increasing.
    bar_us : int
        Length of a bar.
    y_percent, x_percent : float
        Percent of a long leg's value paid per charge; a negative rate is earned.
    interval_hours : float
        Hours between two charges.

    Returns
    -------
    y, x : ndarray of shape (n_bars,)
        Fractions of each leg's value, for `run` and `BarsIn`.
    """
    if not interval_hours > 0.0:
        raise DataError(f"The funding interval is {interval_hours:g} hours; use 8, 4 or 1.")
    step_us = round(interval_hours * HOUR_US)
    through = (time_us + bar_us) // step_us
    before = np.concatenate((time_us[:1] // step_us, through[:-1]))
    charges = np.maximum(through - before, 0).astype(np.float64)
    return charges * (y_percent / 100.0), charges * (x_percent / 100.0)


def require_known(first: int, n_bars: int, setup: Setup) -> None:
    """Raise DataError where a setup's first z lies beyond the last bar."""
    if first >= n_bars:
        raise DataError(
            f"{n_bars:,} bars are too few for {setup.model} with lookback {setup.lookback} and z "
            f"window {setup.z_window}: there is no z. Lower them or use more bars."
        )

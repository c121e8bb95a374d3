"""How fast, and whether, a spread comes back.

All of it is for the residual of *one fixed* regression (`EngleGranger.residual`) or for a spread
whose hedge was known beforehand. A rolling hedge's spread comes back by construction: on pure
noise its half-life is 0.22 times the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem.analytics.critical_values import Trend, root_table
from tandem.analytics.engle_granger import dickey_fuller
from tandem.analytics.inputs import Floats, flag, floats, usable, whole
from tandem.core.errors import DataError
from tandem.kernels.roots import roots_inside
from tandem.kernels.steps import mean_squared_steps, variance_ratio_parts

FEWEST = 20


@dataclass(frozen=True, slots=True)
class HalfLife:
    """The half-life of a deviation, in bars.

    Attributes
    ----------
    half_life : float
        The median-unbiased estimate, as often too long as too short; infinite where the data show
        no reversion. The one half-life that pages, commands and filters use.
    low, high : float
        95 % confidence interval, valid whether or not the spread reverts at all; `high` is
        infinite where the data cannot tell that it does.
    least_squares : float
        ``-log 2 / log(root)`` of the least-squares root; infinite for a root of 1 or more. Biased
        short near a unit root, for comparison with other tools only.
    root : float
        The largest autoregressive root, estimated.
    lags, n_obs : int
        Of the Dickey-Fuller regression.
    """

    half_life: float
    low: float
    high: float
    least_squares: float
    root: float
    lags: int
    n_obs: int


def half_life(residual: Any, estimated: bool = True, lags: int | None = None) -> HalfLife:
    """Estimate a spread's half-life with an interval that is honest near a unit root.

    The spread's change is regressed on its level and `lags` earlier changes; the root is
    ``1 + level's coefficient / (1 - sum of the lags' coefficients)``. The interval holds every
    root from 0 to 1 whose t-statistic is between the 2.5 and 97.5 % quantiles it would have, were
    that root the true one. Those quantiles depend on ``n (1 - root)`` alone and were simulated
    (`tandem/analytics/critical_values.py`), with the hedge estimated or known: a grid inversion
    as in Hansen (1999), "The grid bootstrap and the autoregressive model", Review of Economics and
    Statistics 81, and Stock (1991), Journal of Monetary Economics 28.

    Parameters
    ----------
    residual : array, Series or one-column DataFrame of shape (n_bars,)
        Residual of one fixed regression; NaN are left out.
    estimated : bool
        True if its hedge (a constant and one price) was estimated from these very bars.
    lags : int, optional
        Earlier changes; chosen by AIC if not given. Trade prices that bounce between bid and ask
        need some, or the bounce is taken for mean reversion.

    Raises
    ------
    DataError
        Fewer than 20 usable bars.
    """
    estimated = flag(estimated, "estimated")
    values = _series(residual)
    if not np.ptp(values) > 1e-14 * np.abs(values).max():
        return unknown_half_life(len(values))
    trend: Trend = "n" if estimated else "c"
    found = dickey_fuller(values, lags, trend)
    if lags is None and not found.damping > 0.0:
        # Lags that take the whole pull upon themselves leave no root: seen on noise without memory.
        found = dickey_fuller(values, 0, trend)
    if not found.error > 0.0 or not found.damping > 0.0:
        return unknown_half_life(len(values))
    root = 1.0 + found.coefficient / found.damping
    longest, shortest, median = roots_inside(
        found.coefficient, found.damping, found.error, found.n_obs, root_table(estimated)
    )
    half, low, high, plain = bars_to_half([median, shortest, longest, 1.0 - root]).tolist()
    return HalfLife(half, low, high, plain, root, found.lags, found.n_obs)


def unknown_half_life(n_obs: int) -> HalfLife:
    """Return the half-life of a residual that says nothing."""
    return HalfLife(math.nan, math.nan, math.nan, math.nan, math.nan, 0, n_obs)


def bars_to_half(distances: Any) -> Floats:
    """Return the half-lives, in bars, of roots this far below 1."""
    distance = np.asarray(distances, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        bars = -np.log(2.0) / np.log1p(-np.minimum(distance, 1.0))
    return np.where(distance <= 0.0, np.inf, np.abs(bars))


def hurst(residual: Any, most: int = 20) -> float:
    """Estimate the generalised Hurst exponent of order 2.

    Half the slope of ``log mean (residual[t + k] - residual[t])^2`` on ``log k`` for k = 1 ..
    `most` (Di Matteo, 2007, "Multi-scaling in finance", Quantitative Finance 7). 0.5 for a random
    walk, below for a spread that comes back within `most` bars, above for one that trends.

    Parameters
    ----------
    residual : array, Series or one-column DataFrame of shape (n_bars,)
        NaN are left out.
    most : int
        Longest step in bars, at least 2.

    Raises
    ------
    DataError
        Fewer usable bars than 20 or than twice `most`.
    """
    most = whole(most, "most", 2)
    values = _series(residual, 2 * most)
    squares = np.empty(most)
    mean_squared_steps(values, most, squares)
    if not (squares > 0.0).all():
        return math.nan
    log_step = np.log(np.arange(1, most + 1))
    log_step -= log_step.mean()
    return float(log_step @ np.log(squares) / (log_step @ log_step) / 2.0)


@dataclass(frozen=True, slots=True)
class VarianceRatio:
    """Variance of q-bar changes over q times that of one-bar changes.

    Attributes
    ----------
    ratio : float
        1 for a random walk, below for a spread that comes back.
    statistic, p_value : float
        Standard normal, two-sided; robust to changing volatility (Lo and MacKinlay 1988).
    q, n_obs : int
        Bars per long change, number of one-bar changes.
    """

    ratio: float
    statistic: float
    p_value: float
    q: int
    n_obs: int


def variance_ratio(residual: Any, q: int = 2) -> VarianceRatio:
    """Test whether a spread's changes are uncorrelated over q bars.

    Overlapping changes, unbiased variances and the heteroskedasticity-robust statistic of Lo and
    MacKinlay (1988), "Stock Market Prices Do Not Follow Random Walks", Review of Financial Studies
    1. The p-value is for an observed series; a residual whose hedge was estimated comes back a
    little by construction, so there it is a description, not a test.

    Parameters
    ----------
    residual : array, Series or one-column DataFrame of shape (n_bars,)
        NaN are left out.
    q : int
        Bars per long change, at least 2.

    Raises
    ------
    DataError
        Fewer usable bars than 20 or than twice q.
    """
    q = whole(q, "q", 2)
    values = _series(residual, 2 * q)
    ratio, statistic = variance_ratio_parts(values, q)
    p_value = math.erfc(abs(statistic) / math.sqrt(2.0))
    return VarianceRatio(ratio, statistic, p_value, q, len(values) - 1)


def zero_crossings(residual: Any) -> int:
    """Count how often a residual changes sign; zeros and NaN are passed over."""
    values = floats(residual, "residual")
    sign = np.sign(values[usable(values)])
    sign = sign[sign != 0.0]
    return int(np.count_nonzero(sign[1:] != sign[:-1]))


def _series(residual: Any, fewest: int = FEWEST) -> Floats:
    values = floats(residual, "residual")
    values = values[usable(values)]
    if len(values) < max(FEWEST, fewest):
        raise DataError(
            f"{len(values)} usable bars are too few; {max(FEWEST, fewest)} are needed. "
            "Wait, or take shorter bars."
        )
    return values

"""Prices on their own: momentum, correlation of returns, the spread hidden in trade prices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import kernels
from analytics.inputs import Floats, floats, like, positive, same_index, two_legs, usable, whole

SECONDS_PER_HOUR = 3_600.0
SECONDS_PER_YEAR = 365.0 * 24.0 * SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True)
class Momentum:
    """Slope of price against time.

    Attributes
    ----------
    slope : ndarray or Series of shape (n_bars,)
        Price per bar.
    percent_per_hour : ndarray or Series of shape (n_bars,)
        The same in percent of the bar's price per hour; NaN without `bar_seconds`.
    """

    slope: Any
    percent_per_hour: Any


def momentum(price: Any, window: int, bar_seconds: float | None = None) -> Momentum:
    """Fit a line through the last `window` usable prices against bar number.

    ``slope = 12 / (w (w^2 - 1)) * sum (i - (w - 1) / 2) * price[i]`` over i = 0 .. w - 1.

    Parameters
    ----------
    price : array or Series of shape (n_bars,)
        NaN and infinities are skipped (and get NaN).
    window : int
        Usable bars, at least 2; earlier bars are NaN.
    bar_seconds : float, optional
        Length of a bar, for percent per hour.
    """
    same_index(price)
    values = floats(price, "price")
    window = whole(window, "window", 2)
    mask = usable(values)
    kept = values[mask]
    fitted = np.empty(len(kept))
    kernels.slope_against_time(kept, window, fitted)
    slope = np.full(len(values), np.nan)
    slope[mask] = fitted
    percent = np.full(len(values), np.nan)
    if bar_seconds is not None:
        bars_per_hour = SECONDS_PER_HOUR / positive(bar_seconds, "bar_seconds")
        percent[mask] = 100.0 * bars_per_hour * _ratio(fitted, np.abs(kept))
    return Momentum(like(price, slope, "slope"), like(price, percent, "percent_per_hour"))


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio = np.full(len(above), np.nan)
    np.divide(above, below, out=ratio, where=below > 0.0)
    return ratio


def _returns(price: Floats) -> Floats:
    """Return the relative change from the bar before; NaN from a price of 0."""
    return _ratio(np.diff(price), np.abs(price[:-1]))


def correlation(y: Any, x: Any, window: int) -> Any:
    """Correlate the last `window` returns of both legs.

    Parameters
    ----------
    y, x : array or Series of shape (n_bars,)
        Prices. Returns run from one usable bar to the next.
    window : int
        Returns, at least 2; the first ``window`` usable bars are NaN, as are windows in which a
        leg's return never changes.

    Returns
    -------
    ndarray or Series of shape (n_bars,)
    """
    first, second = two_legs(y, x)
    window = whole(window, "window", 2)
    mask = usable(first, second)
    out = np.full(len(first), np.nan)
    places = np.flatnonzero(mask)[1:]
    if len(places):
        parts = np.zeros((2, window)), np.full(kernels.OLS_SUMS, np.nan)
        counts = np.zeros(kernels.OLS_COUNTS, dtype=np.int64)
        ry, rx = _returns(first[mask]), _returns(second[mask])
        a, b, r = (np.empty(len(ry)) for _ in range(3))
        kernels.roll_ols(ry, rx, parts[0][0], parts[0][1], parts[1], counts, a, b, r)
        out[places] = r
    return like(y, out, "correlation")


def rsi(price: Any, window: int = 14) -> Any:
    """Return Wilder's relative strength index of each bar, 0 to 100.

    ``100 * rise / (rise + fall)``, both averaged as Wilder does (1978, "New Concepts in Technical
    Trading Systems"): the plain mean of the first `window` changes, then
    ``average += (change - average) / window``.

    Parameters
    ----------
    price : array or Series of shape (n_bars,)
        NaN and infinities are skipped (and get NaN).
    window : int
        Changes, at least 2; the first `window` usable bars are NaN, as is a price that never moved.
    """
    same_index(price)
    values = floats(price, "price")
    window = whole(window, "window", 2)
    mask = usable(values)
    change = np.diff(values[mask])
    index = np.empty(len(change))
    kernels.relative_strength(change, window, index)
    out = np.full(len(values), np.nan)
    out[np.flatnonzero(mask)[1:]] = index
    return like(price, out, "rsi")


def realised_volatility(price: Any, window: int, bar_seconds: float | None = None) -> Any:
    """Return the root mean square log return of the last `window` returns.

    Parameters
    ----------
    price : array or Series of shape (n_bars,)
        Bars without a price above 0 are skipped (and get NaN); a return runs from one usable bar
        to the next.
    window : int
        Returns, at least 2; the first `window` usable bars are NaN.
    bar_seconds : float, optional
        Length of a bar: the result is then in percent per year of 365 days instead of a fraction
        per bar.
    """
    same_index(price)
    values = floats(price, "price")
    window = whole(window, "window", 2)
    mask = usable(values) & (values > 0.0)
    returns = np.diff(np.log(values[mask]))
    square = np.empty(len(returns))
    kernels.mean_square(returns, window, square)
    scale = 1.0
    if bar_seconds is not None:
        scale = 100.0 * math.sqrt(SECONDS_PER_YEAR / positive(bar_seconds, "bar_seconds"))
    out = np.full(len(values), np.nan)
    out[np.flatnonzero(mask)[1:]] = scale * np.sqrt(square)
    return like(price, out, "realised_volatility")


def roll_spread(price: Any) -> float:
    """Estimate the effective bid-ask spread from trade prices alone (Roll 1984).

    ``2 sqrt(-cov(change[t], change[t-1]))``, in units of the price: trades bounce between bid and
    ask, so successive changes tend to cancel. NaN where they do not (the estimate then says
    nothing), and for fewer than 3 prices.

    Parameters
    ----------
    price : array or Series of shape (n_trades,)
        Trade prices in order; NaN are left out.
    """
    values = floats(price, "price")
    change = np.diff(values[usable(values)])
    if len(change) < 2:
        return math.nan
    now, before = change[1:] - change[1:].mean(), change[:-1] - change[:-1].mean()
    covariance = float(now @ before) / len(now)
    return 2.0 * math.sqrt(-covariance) if covariance < 0.0 else math.nan

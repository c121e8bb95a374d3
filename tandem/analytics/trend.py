"""Prices on their own: momentum, correlation of returns, the spread hidden in trade prices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem.analytics.inputs import (
    PIECE,
    by_column,
    floats,
    is_frame,
    like,
    positive,
    two_legs,
    usable,
    whole,
)
from tandem.core.clock import SECOND_US, YEAR_US
from tandem.kernels.ols import OLS_COUNTS, OLS_SUMS, roll_ols
from tandem.kernels.series import (
    relative_changes,
    relative_strength,
    root_mean_square_return,
    slope_against_time,
)

SECONDS_PER_HOUR = 3_600.0
SECONDS_PER_YEAR = YEAR_US / SECOND_US


@dataclass(frozen=True, slots=True)
class Momentum:
    """Slope of price against time.

    Attributes
    ----------
    slope : ndarray, Series or DataFrame, as the price
        Price per bar.
    percent_per_hour : ndarray, Series or DataFrame, as the price
        The same in percent of the bar's price per hour; NaN without `bar_seconds`.
    """

    slope: Any
    percent_per_hour: Any


def momentum(price: Any, window: int, bar_seconds: float | None = None) -> Momentum:
    """Fit a line through the last `window` usable prices against bar number.

    ``slope = 12 / (w (w^2 - 1)) * sum (i - (w - 1) / 2) * price[i]`` over i = 0 .. w - 1.

    Parameters
    ----------
    price : array, Series or DataFrame of shape (n_bars,) or (n_bars, k)
        NaN and infinities are skipped (and get NaN).
        The columns of a DataFrame are prices of their own.
    window : int
        Usable bars, at least 2; earlier bars are NaN.
    bar_seconds : float, optional
        Length of a bar, for percent per hour.
    """
    if is_frame(price):
        slopes: Momentum = by_column(price, "price", lambda one: momentum(one, window, bar_seconds))
        return slopes
    values = floats(price, "price")
    window = whole(window, "window", 2)
    slope, percent, scale = np.empty(len(values)), np.empty(0), 0.0
    if bar_seconds is not None:
        percent = np.empty(len(values))
        scale = 100.0 * SECONDS_PER_HOUR / positive(bar_seconds, "bar_seconds")
    slope_against_time(values, window, scale, slope, percent)
    if bar_seconds is None:
        percent = np.broadcast_to(np.nan, slope.shape)
    return Momentum(like(price, slope, "slope"), like(price, percent, "percent_per_hour"))


def correlation(y: Any, x: Any, window: int) -> Any:
    """Correlate the last `window` returns of both legs.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices. Returns run from one usable bar to the next.
    window : int
        Returns, at least 2; the first ``window`` usable bars are NaN, as are windows in which a
        leg's return never changes.

    Returns
    -------
    ndarray, Series or DataFrame of shape (n_bars,)
    """
    first, second = two_legs(y, x)
    window = whole(window, "window", 2)
    out, last = np.empty(len(first)), np.full(2, np.nan)
    ring_y, ring_x = np.zeros(window), np.zeros(window)
    sums = np.full(OLS_SUMS, np.nan)
    counts = np.zeros(OLS_COUNTS, dtype=np.int64)
    for start in range(0, len(out), PIECE):
        part = slice(start, start + PIECE)
        change_y, change_x, alpha, beta = np.empty((4, len(out[part])))
        relative_changes(first[part], second[part], last, change_y, change_x)
        roll_ols(
            change_y, change_x, ring_y, ring_x, sums, counts, alpha, beta, out[part]
        )  # fmt: skip
    return like(y, out, "correlation")


def rsi(price: Any, window: int = 14) -> Any:
    """Return Wilder's relative strength index of each bar, 0 to 100.

    ``100 * rise / (rise + fall)``, both averaged as Wilder does (1978, "New Concepts in Technical
    Trading Systems"): the plain mean of the first `window` changes, then
    ``average += (change - average) / window``.

    Parameters
    ----------
    price : array, Series or DataFrame of shape (n_bars,) or (n_bars, k)
        NaN and infinities are skipped (and get NaN).
        The columns of a DataFrame are prices of their own.
    window : int
        Changes, at least 2; the first `window` usable bars are NaN, as is a price that never moved.
    """
    if is_frame(price):
        return by_column(price, "price", lambda one: rsi(one, window))
    values = floats(price, "price")
    window = whole(window, "window", 2)
    out = np.empty(len(values))
    relative_strength(values, window, out)
    return like(price, out, "rsi")


def realised_volatility(price: Any, window: int, bar_seconds: float | None = None) -> Any:
    """Return the root mean square log return of the last `window` returns.

    Parameters
    ----------
    price : array, Series or DataFrame of shape (n_bars,) or (n_bars, k)
        Bars without a price above 0 are skipped (and get NaN); a return runs from one usable bar
        to the next.
        The columns of a DataFrame are prices of their own.
    window : int
        Returns, at least 2; the first `window` usable bars are NaN.
    bar_seconds : float, optional
        Length of a bar: the result is then in percent per year of 365.25 days instead of a fraction
        per bar.
    """
    if is_frame(price):
        return by_column(price, "price", lambda one: realised_volatility(one, window, bar_seconds))
    values = floats(price, "price")
    window = whole(window, "window", 2)
    scale, out = 1.0, np.empty(len(values))
    if bar_seconds is not None:
        scale = 100.0 * math.sqrt(SECONDS_PER_YEAR / positive(bar_seconds, "bar_seconds"))
    root_mean_square_return(values, window, scale, out)
    return like(price, out, "realised_volatility")


def roll_spread(price: Any) -> float:
    """Estimate the effective bid-ask spread from trade prices alone (Roll 1984).

    ``2 sqrt(-cov(change[t], change[t-1]))``, in units of the price: trades bounce between bid and
    ask, so successive changes tend to cancel. NaN where they do not (the estimate then says
    nothing), and for fewer than 3 prices.

    Parameters
    ----------
    price : array, Series or one-column DataFrame of shape (n_trades,)
        Trade prices in order; NaN are left out.
    """
    values = floats(price, "price")
    change = np.diff(values[usable(values)])
    if len(change) < 2:
        return math.nan
    now, before = change[1:] - change[1:].mean(), change[:-1] - change[:-1].mean()
    covariance = float(now @ before) / len(now)
    return 2.0 * math.sqrt(-covariance) if covariance < 0.0 else math.nan

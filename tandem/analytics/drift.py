"""Whether a relation that held is breaking."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem.analytics.critical_values import LEVELS, Trend
from tandem.analytics.engle_granger import engle_granger
from tandem.analytics.inputs import Floats, like, two_legs, usable, whole
from tandem.core.errors import DataError
from tandem.kernels.adf import lag_sums, level_statistic
from tandem.kernels.regression import take_out

FEWEST = 50
# How far the residual's root lies below 1, times the bars; and the 1, 5 and 10 % critical values of
# the largest |partial sum|, for one random-walk regressor and a constant. Simulated by
# `tests/support/simulate.py` (2,000 bars, 100,000 repeats; standard error 0.002). The last row is
# the limit of Xiao and Phillips, which a slow spread's sums reach only after very many bars. The
# usual 1.36 at 5 % is for residuals of a regression that was known.
CRITICAL = (
    (15, 1.098, 0.852, 0.736),
    (20, 1.158, 0.903, 0.786),
    (25, 1.195, 0.939, 0.819),
    (32, 1.229, 0.973, 0.852),
    (40, 1.253, 1.000, 0.878),
    (50, 1.279, 1.023, 0.900),
    (65, 1.302, 1.046, 0.923),
    (80, 1.318, 1.063, 0.939),
    (100, 1.333, 1.078, 0.955),
    (150, 1.357, 1.102, 0.978),
    (200, 1.371, 1.115, 0.992),
    (300, 1.388, 1.130, 1.008),
    (500, 1.406, 1.146, 1.024),
    (math.inf, 1.439, 1.179, 1.056),
)


# In short samples leads, lags and AIC's search take the residual for quieter than it is: all limits
# are this much higher, by the bars. Simulated by `tests/support/simulate.py` at the 5 % limit, with
# the default leads; the half-life makes no difference to it.
SHORT = (725.0, 2.75e6)


@dataclass(frozen=True, slots=True)
class Cusum:
    """Test that y and x are, and stay, cointegrated.

    Attributes
    ----------
    statistic : float
        Largest absolute value of `path`. Large: the relation shifted, or there is none.
    critical_values : dict
        Keyed "1%", "5%", "10%", for so many bars and a residual that comes back as fast as this.
    path : ndarray, Series or DataFrame of shape (n_bars,)
        Partial sums of the residual over ``sqrt(n_obs)`` times its long-run deviation. NaN at
        unusable bars and at the edges that leads and lags take.
    long_run_deviation : float
        In units of y.
    n_obs : int
        Rows of the regression.
    note : str
        Why there is no statistic; empty where there is one.
    """

    statistic: float
    critical_values: dict[str, float]
    path: Any
    long_run_deviation: float
    n_obs: int
    note: str = ""

    @property
    def is_breaking(self) -> bool:
        """Whether stability is rejected at 5 %."""
        return self.statistic > self.critical_values["5%"]


def cusum(y: Any, x: Any, leads: int | None = None) -> Cusum:
    """Test the stability of a relation by the sums of its residual (Xiao and Phillips 2002).

    y is regressed on a constant, x and the changes of x from `leads` bars before to `leads` after
    (Saikkonen's dynamic regression, which makes the residual unrelated to x), and the residual's
    partial sums are divided by its long-run deviation, that of an autoregression with its order
    chosen by AIC. Here "no cointegration" is the alternative, in `engle_granger` it is what stands
    until rejected: the two complement each other. A spread with a half-life beyond about
    ``0.7 sqrt(n)`` bars is too slow to tell from none and is called breaking more often than 5 %.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices; bars with NaN or infinity in either leg are left out.
    leads : int, optional
        ``4 (n / 100)^(1/4)`` if not given.

    Raises
    ------
    DataError
        Fewer than 50 usable bars, or more leads than they allow.

    Notes
    -----
    Z. Xiao and P. C. B. Phillips, "A CUSUM test for cointegration using regression residuals",
    Journal of Econometrics 108 (2002). Their regression is fully modified least squares; the limit
    is the same.
    """
    first, second = two_legs(y, x)
    mask = usable(first, second)
    count = int(mask.sum())
    if count < FEWEST:
        raise DataError(f"{count} usable bars are too few; {FEWEST} are needed. Wait for more.")
    leads = math.ceil(4.0 * (count / 100.0) ** 0.25) if leads is None else leads
    leads = whole(leads, "leads", 0)
    if 6 * (leads + 1) > count:
        raise DataError(f"{leads} leads need {6 * (leads + 1)} bars, {count} exist; lower it.")
    path = np.full(len(first), np.nan)
    legs = first[mask], second[mask]
    residual = _dynamic_residual(*legs, leads)
    deviation, pull = _long_run_deviation(residual)
    critical = _critical(pull * len(residual), count)
    # Rounding leaves this much of a constant leg, and of a leg less its own multiple.
    moves = all(np.abs(leg - leg.mean()).max() > 1e-14 * np.abs(leg).max() for leg in legs)
    left = np.abs(residual).max() > 1e-10 * np.abs(legs[0] - legs[0].mean()).max()
    if not (moves and left and deviation > 0.0):
        note = "A leg is constant or the legs are one asset; no residual is left to sum."
        return Cusum(math.nan, critical, like(y, path, "cusum"), math.nan, len(residual), note)
    sums = np.cumsum(residual) / (deviation * math.sqrt(len(residual)))
    places = np.flatnonzero(mask)[leads + 1 : count - leads]
    path[places] = sums
    largest = float(np.abs(sums).max())
    return Cusum(largest, critical, like(y, path, "cusum"), deviation, len(residual))


def _dynamic_residual(y: Floats, x: Floats, leads: int) -> Floats:
    """Regress y on x and the changes of x around each bar; return the residual."""
    change = np.diff(x)
    rows = np.arange(leads + 1, len(x) - leads)
    columns = [x[rows]] + [change[rows - 1 + k] for k in range(-leads, leads + 1)]
    residual: Floats = y[rows] - y[rows].mean()
    take_out(np.array([column - column.mean() for column in columns]), residual)
    return residual


def _critical(decay: float, bars: int) -> dict[str, float]:
    """Return the critical values; in 1 / sqrt(decay) they are nearly straight."""
    short = 1.0 + SHORT[0] / bars**2 + SHORT[1] / bars**4
    table = np.array(CRITICAL[::-1])
    place = 1.0 / math.sqrt(decay) if decay > 0.0 else 0.0
    values = (np.interp(place, 1.0 / np.sqrt(table[:, 0]), table[:, k]) for k in (1, 2, 3))
    return {level: short * float(value) for level, value in zip(LEVELS, values, strict=True)}


def _long_run_deviation(residual: Floats) -> tuple[float, float]:
    """Return the root of the long-run variance, and how far the residual's root lies below 1.

    By an autoregression with its order chosen by AIC.

    The innovations' variance over the square of 1 less the coefficients' sum (den Haan and Levin
    1997, "A practitioner's guide to robust covariance matrix estimation", Handbook of Statistics
    15). A kernel after an autoregression of order one saw half of all sound pairs break where
    prices bounce between bid and ask; long autoregressions see through that.
    """
    before, change = residual[:-1], np.diff(residual)
    no_trend = np.empty((0, len(change)))
    most = min(math.ceil(12.0 * (len(residual) / 100.0) ** 0.25), len(residual) // 2 - 2)
    sums, answer = np.empty(most + 1), np.empty(3)
    if not lag_sums(before, change, no_trend, most, sums):
        return math.nan, math.nan
    rows = len(change) - most
    lags = int(np.argmin(rows * np.log(sums) + 2.0 * np.arange(most + 1)))
    if not level_statistic(before, change, no_trend, lags, answer):
        return math.nan, math.nan
    # A residual that hardly comes back is not taken at its word: a broken relation would otherwise
    # excuse itself by an endless long-run variance. The limit is a half-life of 0.7 sqrt(n) bars.
    pull = max(-float(answer[0]), 1.0 / math.sqrt(len(residual)))
    return math.sqrt(sums[lags] / rows) / pull, pull


def rolling_engle_granger(
    y: Any, x: Any, window: int, step: int = 1, trend: Trend = "c", max_lags: int | None = None
) -> Any:
    """Return Engle and Granger's p-value over the last `window` usable bars, every `step` bars.

    A picture of how the evidence moves, not a sequence of tests: windows overlap, and the lowest of
    many p-values is small by chance.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices; bars with NaN or infinity in either leg are skipped.
    window : int
        Usable bars, at least 50.
    step : int
        Usable bars from one test to the next.
    trend, max_lags
        As in `engle_granger`.

    Returns
    -------
    ndarray, Series or DataFrame of shape (n_bars,)
        `EngleGranger.p_value_searched`, NaN where no test was made or none could be. Where
        `max_lags` is not the default it is `p_value`, which does not allow for the search.
    """
    first, second = two_legs(y, x)
    window, step = whole(window, "window", FEWEST), whole(step, "step", 1)
    places = np.flatnonzero(usable(first, second))
    kept_y, kept_x = first[places], second[places]
    out = np.full(len(first), np.nan)
    for stop in range(window, len(places) + 1, step):
        part = slice(stop - window, stop)
        found = engle_granger(kept_y[part], kept_x[part], trend, max_lags)
        p_value = found.p_value if found.searched_note else found.p_value_searched
        out[places[stop - 1]] = p_value
    return like(y, out, "p_value")

"""Whether two prices belong together: unit roots and cointegration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tandem.analytics.critical_values import Trend, asymptotic_p, critical_values
from tandem.analytics.finite_sample import finite_p
from tandem.analytics.hedges import Hedge
from tandem.analytics.inputs import (
    SAME_ASSET_R2,
    Floats,
    by_column,
    check_trend,
    floats,
    is_frame,
    like,
    two_legs,
    usable,
    whole,
)
from tandem.core.errors import DataError
from tandem.kernels.adf import lag_sums, level_statistic, roll_adf

FEWEST = 20
# Squares of smaller changes lose digits, and of much smaller ones are 0.
SMALLEST = 1e-70


@dataclass(frozen=True, slots=True)
class AdfTest:
    """Augmented Dickey-Fuller test of a series whose hedge was not estimated.

    Attributes
    ----------
    statistic : float
        t of the level's coefficient; the more negative, the less a random walk.
    p_value : float
        For the number of bars there are (`tandem/analytics/finite_sample.py`); agrees with the
        critical values.
    p_value_searched : float
        The same with AIC's choice of the lags allowed for; `p_value` where `lags` was given.
    p_value_asymptotic : float
        MacKinnon (1994), of an endless sample: what statsmodels' ``adfuller`` gives.
    lags : int
        Lagged changes in the regression.
    n_obs : int
        Rows of the regression.
    critical_values : dict
        MacKinnon (2010) for `n_obs` rows, keyed "1%", "5%", "10%".
    trend : {"n", "c", "ct"}
    note : str
        Why there is no statistic; empty where there is one.
    """

    statistic: float
    p_value: float
    p_value_searched: float
    p_value_asymptotic: float
    lags: int
    n_obs: int
    critical_values: dict[str, float]
    trend: Trend
    note: str = ""


@dataclass(frozen=True, slots=True)
class EngleGranger:
    """Test of cointegration of y on x, in that direction.

    Attributes
    ----------
    statistic : float
        t of the residual's level in its Dickey-Fuller regression; NaN where `note` says why.
    p_value : float
        For two series and the number of bars there are (`tandem/analytics/finite_sample.py`);
        agrees with the critical values, which as all that were published are for a fixed number of
        lags.
    p_value_searched : float
        The same with AIC's choice of the lags allowed for: the honest one under 1,000 bars, where
        a 5 % test by `p_value` rejects more (7.6 % of unrelated pairs at 50 bars, 6.8 % at 100).
        Simulated for the default `max_lags`: NaN for any other, as `searched_note` says. `p_value`
        where `lags` was given or `max_lags` is 0, since nothing was searched then.
    p_value_asymptotic : float
        MacKinnon (1994), of an endless sample: what statsmodels' ``coint`` gives.
    lags : int
        Lagged changes of the residual in the regression.
    n_obs : int
        Bars tested.
    critical_values : dict
        MacKinnon (2010) for two series and this sample, keyed "1%", "5%", "10%".
    alpha, beta, trend_slope : float
        The fixed regression ``y = alpha + trend_slope * bar + beta * x`` (bar counts from 1).
    r_squared : float
        Of that regression (uncentred without a constant).
    residual : ndarray, Series or DataFrame of shape (n_bars,)
        y less the regression; NaN at unusable bars.
    same_asset : bool
        The columns are one asset to within rounding; such a residual cannot be tested.
    trend : {"n", "c", "ct"}
    note : str
        Why there is no statistic; empty where there is one.
    searched_note : str
        Why there is a statistic but no `p_value_searched`; empty otherwise.
    """

    statistic: float
    p_value: float
    p_value_searched: float
    p_value_asymptotic: float
    lags: int
    n_obs: int
    critical_values: dict[str, float]
    alpha: float
    beta: float
    trend_slope: float
    r_squared: float
    residual: Any = field(repr=False)
    same_asset: bool = False
    trend: Trend = "c"
    note: str = ""
    searched_note: str = ""


class DickeyFuller(NamedTuple):
    """The regression behind the tests: change on level before and `lags` changes before.

    `coefficient` and `error` are the level's; `damping` is 1 minus the sum of the lags'
    coefficients, so that ``coefficient / damping`` is the largest root less 1.
    """

    coefficient: float
    error: float
    damping: float
    lags: int
    n_obs: int

    @property
    def statistic(self) -> float:
        """The level's t."""
        return self.coefficient / self.error if self.error > 0.0 else math.nan


def adf(series: Any, lags: int | None = None, trend: Trend = "c") -> AdfTest:
    """Test a series for a unit root; equals statsmodels' ``adfuller``.

    Only for a series that was *observed*, or a spread whose hedge was fixed beforehand. The
    residual of a regression needs `engle_granger`, whose critical values know that the hedge was
    chosen to make the residual look stationary (these would reject 12 % of the time at 5 %). The
    spread of a rolling hedge can be tested by neither: it is stationary by construction.

    Parameters
    ----------
    series : array, Series or one-column DataFrame of shape (n_bars,)
        NaN and infinities are left out.
    lags : int, optional
        Lagged changes; by default chosen by AIC among 0 to ``12 (n / 100)^(1/4)``, all over the
        same rows.
    trend : {"n", "c", "ct"}
        Nothing, a constant, a constant and a trend.

    Raises
    ------
    DataError
        Fewer than 20 usable bars, too many lags for them, or a hedge or test result instead of a
        series.
    """
    if isinstance(series, Hedge | EngleGranger):
        raise DataError(
            f"A {type(series).__name__} was given, but adf is for a series whose hedge was not "
            "estimated; test a pair with engle_granger(y, x)."
        )
    values = floats(series, "series")
    values = values[usable(values)]
    check_trend(trend)
    _enough(len(values))
    found = dickey_fuller(values, lags, trend)
    statistic = found.statistic
    p = finite_p(statistic, trend, 1, found.n_obs + 1)
    searched = finite_p(statistic, trend, 1, len(values), True) if lags is None else p
    endless = asymptotic_p(statistic, trend, 1)
    note = "" if math.isfinite(statistic) else "The series is constant or follows itself exactly."
    critical = critical_values(trend, 1, found.n_obs)
    return AdfTest(statistic, p, searched, endless, found.lags, found.n_obs, critical, trend, note)


def rolling_adf(series: Any, window: int, lags: int = 1, trend: Trend = "c") -> Any:
    """Return Dickey-Fuller's t for every window, at a fixed number of lags.

    For an observed series only, as `adf`. Compare with `critical_values` of `adf`, and remember
    that windows overlap: one excursion shows in many of them.

    Parameters
    ----------
    series : array, Series or DataFrame of shape (n_bars,) or (n_bars, k)
        NaN and infinities are skipped (and get NaN). The columns of a DataFrame are tested each on
        its own.
    window : int
        Usable values per window, at least ``2 * lags + 10``.
    lags : int
        Lagged changes.
    trend : {"n", "c", "ct"}

    Returns
    -------
    ndarray, Series or DataFrame
        As `series`; NaN in the first ``window - 1`` usable bars and where a window is constant.
    """
    if is_frame(series):
        return by_column(series, "series", lambda one: rolling_adf(one, window, lags, trend))
    values = floats(series, "series")
    check_trend(trend)
    lags = whole(lags, "lags", 0)
    window = whole(window, "window", 2 * lags + 10)
    mask = usable(values)
    terms = 0 if trend == "n" else len(trend)
    statistic = np.full(len(values), np.nan)
    if mask.all():
        roll_adf(values, window, lags, terms, statistic)
    else:
        found = np.empty(int(mask.sum()))
        roll_adf(values[mask], window, lags, terms, found)
        statistic[mask] = found
    return like(series, statistic, "statistic")


def engle_granger(
    y: Any, x: Any, trend: Trend = "c", max_lags: int | None = None, lags: int | None = None
) -> EngleGranger:
    """Test whether y and x are cointegrated; equals statsmodels' ``coint(y, x)``.

    y is regressed on x once, over all bars, and the residual is tested for a unit root with
    critical values for two series. Direction matters and is yours to choose beforehand: keeping
    the better of both makes one false pair in eight instead of one in twenty. Give prices or log
    prices, never returns (returns are "cointegrated" always).

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Bars with NaN or infinity in either leg are left out.
    trend : {"c", "n", "ct"}
        Terms beside x in the regression: a constant, nothing, a constant and a trend.
    max_lags : int, optional
        Most lagged changes AIC may choose; by default ``12 (n / 100)^(1/4)``. For another number
        there is no `p_value_searched`.
    lags : int, optional
        Use exactly so many instead.

    Returns
    -------
    EngleGranger
        With NaN and a note instead of a statistic for constant legs and two columns of one asset.

    Raises
    ------
    DataError
        Fewer than 20 usable bars, legs that do not match, or too many lags.

    Examples
    --------
    >>> from tandem.backtest.examples import crude
    >>> bars, y, x = crude()
    >>> test = engle_granger(bars.y, bars.x)
    >>> f"{test.statistic:.2f} with {test.lags} lags, p {test.p_value_searched:.2f}"
    '-2.61 with 12 lags, p 0.24'
    """
    first, second = two_legs(y, x)
    check_trend(trend)
    lags = None if lags is None else whole(lags, "lags", 0)
    max_lags = None if max_lags is None else whole(max_lags, "max_lags", 0)
    mask = usable(first, second)
    _enough(int(mask.sum()))
    fit = _regress(first[mask], second[mask], trend)
    residual = np.full(len(first), np.nan)
    residual[mask] = fit.residual
    same = fit.r_squared >= SAME_ASSET_R2
    is_testable = math.isfinite(fit.beta) and not same
    found = (
        dickey_fuller(fit.residual, lags, "n", max_lags)
        if is_testable
        else DickeyFuller(math.nan, math.nan, math.nan, 0, 0)
    )
    statistic = found.statistic
    note = fit.note or (_SAME_ASSET if same else "")
    if is_testable and math.isnan(statistic):
        note = "The residual follows itself exactly; nothing random is left to test."
    searched = lags is None and max_lags != 0
    simulated = not searched or max_lags in (None, most_lags(len(fit.residual), 0))
    p_searched = finite_p(statistic, trend, 2, len(fit.residual), searched)
    return EngleGranger(
        statistic,
        finite_p(statistic, trend, 2, len(fit.residual)),
        p_searched if simulated else math.nan,
        asymptotic_p(statistic, trend, 2),
        found.lags,
        len(fit.residual),
        critical_values(trend, 2, len(fit.residual) - 1),
        fit.alpha,
        fit.beta,
        fit.trend_slope,
        fit.r_squared,
        like(y, residual, "residual"),
        same,
        trend,
        note,
        "" if simulated or math.isnan(statistic) else _NOT_SIMULATED,
    )


_SAME_ASSET = "The legs are one asset to within rounding (R2 above 0.9999985); nothing to test."
_NOT_SIMULATED = (
    "What the search for lags does was simulated for the default max_lags alone; leave max_lags "
    "out, or read p_value, which does not allow for the search."
)


class _Regression(NamedTuple):
    alpha: float
    beta: float
    trend_slope: float
    r_squared: float
    residual: Floats
    note: str


def _regress(y: Floats, x: Floats, trend: Trend) -> _Regression:
    """Regress y on x and the trend's terms: those are taken out of both first."""
    constant = trend != "n"
    mean_y, mean_x = (float(y.mean()), float(x.mean())) if constant else (0.0, 0.0)
    dy, dx = y - mean_y, x - mean_x
    for column, given, name in ((dx, x, "x"), (dy, y, "y")):
        # Rounding leaves this much in a constant column.
        size = float(np.abs(column).max())
        if not size > max(1e-14 * np.abs(given).max(), SMALLEST):
            nothing = np.full(len(y), np.nan)
            note = f"{name} is constant over all {len(y)} bars; nothing to test."
            if size > 1e-14 * np.abs(given).max():
                note = f"{name} moves by less than 1e-70; give it in larger units."
            return _Regression(math.nan, math.nan, 0.0, math.nan, nothing, note)
    total = float(dy @ dy)
    bar = np.arange(len(y)) - (len(y) - 1) / 2.0
    slope_y, slope_x = (bar @ dy / (bar @ bar), bar @ dx / (bar @ bar)) if trend == "ct" else (0, 0)
    if trend == "ct":
        dy, dx = dy - slope_y * bar, dx - slope_x * bar
    weight = float(dx @ dx)
    if not weight > 1e-28 * float(x @ x):
        nothing = np.full(len(y), np.nan)
        note = "x is a straight line, which the trend already is; nothing to test."
        return _Regression(math.nan, math.nan, 0.0, math.nan, nothing, note)
    beta = float(dx @ dy) / weight
    # Once more on the residual: the first beta is good to the square root of the digits at worst.
    beta += float(dx @ (dy - beta * dx)) / weight
    residual = dy - beta * dx
    slope = float(slope_y - beta * slope_x)
    alpha = mean_y - beta * mean_x - slope * (len(y) + 1) / 2.0
    return _Regression(alpha, beta, slope, 1.0 - float(residual @ residual) / total, residual, "")


def dickey_fuller(
    series: Floats, lags: int | None, trend: Trend, max_lags: int | None = None
) -> DickeyFuller:
    """Run the Dickey-Fuller regression on usable values, choosing the lags by AIC if not given.

    As in statsmodels, AIC compares all lags over the rows that have the most lagged changes, and
    the chosen regression then uses all rows it can. One factorisation gives every lag's residual
    sum of squares.
    """
    terms = 0 if trend == "n" else len(trend)
    room = len(series) // 2 - terms - 1
    given = lags if lags is not None else max_lags
    most = most_lags(len(series), terms) if given is None else whole(given, "lags", 0)
    if most > room:
        raise DataError(f"{most} lags need more than {len(series)} bars; at most {room} fit.")
    # With a constant any origin gives the same statistic; the mean keeps digits.
    level = series - series.mean() if terms else series
    change = np.diff(series)
    before = level[:-1]
    deterministic = _terms(len(change), terms)
    chosen = most if lags is not None else _by_aic(before, change, deterministic, most)
    answer = np.empty(3)
    rows = len(change) - chosen
    if chosen < 0 or not level_statistic(before, change, deterministic, chosen, answer):
        return DickeyFuller(math.nan, math.nan, math.nan, max(chosen, 0), rows)
    return DickeyFuller(float(answer[0]), float(answer[1]), float(answer[2]), chosen, rows)


def most_lags(bars: int, terms: int) -> int:
    """Return the most lagged changes AIC may choose unless told otherwise, as in statsmodels."""
    return min(bars // 2 - terms - 1, math.ceil(12.0 * math.pow(bars / 100.0, 0.25)))


def _by_aic(before: Floats, change: Floats, deterministic: Floats, most: int) -> int:
    """Return the number of lagged changes with the least AIC; -1 where a regression is singular."""
    sums = np.empty(most + 1)
    if not lag_sums(before, change, deterministic, most, sums):
        return -1
    rows = len(change) - most
    return int(np.argmin(rows * np.log(sums) + 2.0 * np.arange(most + 1)))


def _terms(rows: int, count: int) -> Floats:
    """Return the deterministic columns as rows: a constant, a centred trend."""
    bar = np.arange(rows, dtype=np.float64)
    return np.vstack([np.ones(rows), (bar - (rows - 1) / 2.0) / rows])[:count]


def _enough(count: int) -> None:
    if count < FEWEST:
        raise DataError(
            f"{count} usable bars are too few to test; {FEWEST} are the least, 1,000 are sensible. "
            "Wait, or take shorter bars."
        )

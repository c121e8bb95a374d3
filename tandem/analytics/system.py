"""Cointegration without a direction, or with another statistic: Johansen, Phillips-Ouliaris."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem.analytics.critical_values import Trend
from tandem.analytics.engle_granger import SMALLEST
from tandem.analytics.inputs import (
    Floats,
    check_trend,
    flag,
    numbers,
    same_index,
    two_legs,
    usable,
    whole,
)
from tandem.core.errors import DataError

# Critical values at 10, 5 and 1 % for 1, 2, ... prices left without a relation that have no drift,
# by `tests/support/simulate.py` (1,000 bars, 100,000 repeats; standard error of the 5 % column
# below 0.1). Statsmodels' are for prices that drift.
_TRACE = (
    (6.57, 8.17, 11.75),
    (15.83, 18.02, 22.68),
    (28.84, 31.71, 37.57),
    (45.90, 49.35, 56.32),
    (66.92, 71.00, 79.25),
    (91.81, 96.47, 105.57),
    (120.64, 126.04, 136.26),
    (153.48, 159.52, 171.32),
    (190.06, 196.78, 209.58),
    (230.85, 237.95, 252.19),
    (275.12, 282.90, 297.84),
    (323.64, 331.95, 348.20),
)
_MAX_EIGENVALUE = (
    (6.57, 8.17, 11.75),
    (12.99, 14.94, 18.99),
    (19.13, 21.42, 26.14),
    (25.16, 27.63, 32.79),
    (31.15, 33.79, 39.22),
    (37.06, 39.94, 45.67),
    (42.99, 46.00, 51.88),
    (48.92, 52.05, 58.20),
    (54.82, 57.96, 64.40),
    (60.53, 63.79, 70.45),
    (66.34, 69.70, 76.77),
    (72.21, 75.67, 82.70),
)


@dataclass(frozen=True, slots=True)
class Johansen:
    """Johansen's test of how many relations hold among k prices.

    Attributes
    ----------
    trace, max_eigenvalue : ndarray of shape (k,)
        Statistics of "at most r relations", r = 0 .. k - 1; the first that stays below its critical
        value gives the number of relations.
    trace_critical, max_eigenvalue_critical : ndarray of shape (k, 3)
        At 10, 5 and 1 %, asymptotic.
    eigenvalues : ndarray of shape (k,)
    vectors : ndarray of shape (k, k)
        Column r holds the weights of relation r, the first price's being 1.
    lags, n_obs : int
        Lagged changes, and rows of the regression.
    """

    trace: Floats
    max_eigenvalue: Floats
    trace_critical: Floats
    max_eigenvalue_critical: Floats
    eigenvalues: Floats
    vectors: Floats
    lags: int
    n_obs: int


def johansen(prices: Any, lags: int = 1, drift: bool = False) -> Johansen:
    """Test how many cointegrating relations hold, by statsmodels' ``coint_johansen``.

    A constant is in the model (its ``det_order=0``). Unlike `engle_granger` it has no direction.
    The statistics are the library's; its critical values (MacKinnon, Haug and Michelis 1999) are
    for prices with a drift, and on prices without one reject 12 % of the time at 5 %.

    Parameters
    ----------
    prices : array or DataFrame of shape (n_bars, k)
        Prices or log prices, k from 2 to 12. Rows with NaN or infinity are left out.
    lags : int
        Lagged changes.
    drift : bool
        True gives the critical values for prices that drift, False those for prices that do not,
        which are the larger and the safer.

    Raises
    ------
    DataError
        Another shape, too few rows, or columns of which one is constant, moves by less than 1e-70
        or follows exactly from the rest or from the past.
    """
    drift = flag(drift, "drift")
    same_index(prices)
    table = numbers(prices, "prices")
    lags = whole(lags, "lags", 0)
    if table.ndim != 2 or not 2 <= table.shape[1] <= 12:
        raise DataError(f"prices has shape {table.shape}; give bars by 2 to 12 prices.")
    table = table[usable(*table.T)]
    least = 20 + table.shape[1] * (lags + 2)
    if len(table) < least:
        raise DataError(f"{len(table)} usable bars are too few; {least} are needed.")
    centred, size = _in_their_own_units(table)
    found = _by_statsmodels(centred, lags)
    vectors = found.evec / size[:, None]
    # "At most r relations" leaves k - r prices without one.
    left = slice(table.shape[1] - 1, None, -1)
    return Johansen(
        found.lr1,
        found.lr2,
        found.cvt if drift else np.array(_TRACE)[left],
        found.cvm if drift else np.array(_MAX_EIGENVALUE)[left],
        found.eig,
        vectors / vectors[0],
        lags,
        len(table) - lags - 1,
    )


def _by_statsmodels(table: Floats, lags: int) -> Any:
    # Imported here: it takes a second and 60 MB, and the live page does not use it.
    from statsmodels.tsa.vector_ar.vecm import coint_johansen

    try:
        if _follow_exactly(table, lags):
            raise DataError(_EXACT)
        with np.errstate(all="ignore"):
            found = coint_johansen(table, 0, lags)
    except np.linalg.LinAlgError:
        raise DataError(_EXACT) from None
    if not (np.isfinite(found.lr1).all() and np.isfinite(found.evec).all()):
        raise DataError(_EXACT)
    return found


def _follow_exactly(table: Floats, lags: int) -> bool:
    """Tell whether a change, those before it and the level before are one another's combination.

    A sine is: the test's statistic would be whatever rounding leaves of its regressions.
    """
    change, rows = np.diff(table, axis=0), len(table) - 1 - lags
    columns = [change[k : k + rows] for k in range(lags + 1)] + [table[lags : lags + rows]]
    parts = np.hstack(columns)
    parts -= parts.mean(axis=0)
    size = np.abs(parts).max(axis=0)
    return not (size > 0.0).all() or bool(np.linalg.cond(parts / size) > 1e9)


_EXACT = (
    "The prices follow themselves or each other exactly, and nothing random is left to test; "
    "give observed prices."
)


@dataclass(frozen=True, slots=True)
class PhillipsOuliaris:
    """Phillips and Ouliaris' Z_t test of cointegration of y on x.

    Attributes
    ----------
    statistic, p_value : float
        The p-value is asymptotic.
    critical_values : dict
        Keyed "1%", "5%", "10%".
    bandwidth : float
        Of the kernel that estimates the residual's long-run variance.
    n_obs : int
        Bars tested.
    trend : {"n", "c", "ct"}
    """

    statistic: float
    p_value: float
    critical_values: dict[str, float]
    bandwidth: float
    n_obs: int
    trend: Trend


def phillips_ouliaris(y: Any, x: Any, trend: Trend = "c") -> PhillipsOuliaris:
    """Test y on x for cointegration by arch's ``phillips_ouliaris`` (Z_t).

    It corrects for serial correlation by a long-run variance instead of lagged changes: a second
    opinion on `engle_granger`, in the same direction.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices or log prices; bars with NaN or infinity in either leg are left out.
    trend : {"c", "n", "ct"}

    Raises
    ------
    DataError
        Fewer than 25 usable bars (30 with a trend), for which no critical values are tabled, or
        legs that are constant, move by less than 1e-70, are one asset or a straight line beside a
        trend.
    """
    first, second = two_legs(y, x)
    check_trend(trend)
    mask = usable(first, second)
    table = np.column_stack([first[mask], second[mask]])
    least = 30 if trend == "ct" else 25
    if len(table) < least:
        raise DataError(f"{len(table)} usable bars are too few to test; {least} are the least.")
    centred, size = _in_their_own_units(table, trend)
    # Imported here: arch takes a second and the live page does not use it.
    import pandas as pd
    from arch.unitroot.cointegration import phillips_ouliaris as by_arch

    frame = pd.DataFrame(centred if trend != "n" else table / size, columns=["y", "x"])
    found = by_arch(frame["y"], frame[["x"]], trend=trend, test_type="Zt")
    critical = {f"{level}%": float(found.critical_values[level]) for level in (1, 5, 10)}
    return PhillipsOuliaris(
        float(found.stat), float(found.pvalue), critical, float(found.bandwidth), len(table), trend
    )


_NOT_APART = (
    "A price is constant, or a straight line beside a trend, or follows from the others; "
    "leave it out."
)


def _in_their_own_units(table: Floats, trend: Trend = "c") -> tuple[Floats, Floats]:
    """Return the columns less their means, each over its largest size then, and those sizes.

    No test here depends on units, but the libraries' own arithmetic does.
    """
    centred = table - table.mean(axis=0)
    size = np.abs(centred).max(axis=0)
    # Rounding leaves this much of a constant column.
    if not (size > 1e-14 * np.abs(table).max(axis=0)).all():
        raise DataError(_NOT_APART)
    if not (size > SMALLEST).all():
        raise DataError("A price moves by less than 1e-70; give it in larger units.")
    centred /= size
    straight = np.linspace(-1.0, 1.0, len(table)) if trend == "ct" else np.empty((len(table), 0))
    if np.linalg.cond(np.column_stack([centred, straight])) > 1e7:
        raise DataError(_NOT_APART)
    return centred, size

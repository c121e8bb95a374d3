"""Cointegration without a direction, or with another statistic: Johansen, Phillips-Ouliaris."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analytics.inputs import LIMIT, Floats, two_legs, usable, whole
from analytics.mackinnon import Trend
from analytics.relation import check_trend
from market import DataError


@dataclass(frozen=True, slots=True)
class Johansen:
    """Johansen's test of how many relations hold among k prices.

    Attributes
    ----------
    trace, max_eigenvalue : ndarray of shape (k,)
        Statistics of "at most r relations", r = 0 .. k - 1; the first that stays below its critical
        value gives the number of relations.
    trace_critical, max_eigenvalue_critical : ndarray of shape (k, 3)
        At 10, 5 and 1 % (MacKinnon, Haug and Michelis), asymptotic.
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


def johansen(prices: Any, lags: int = 1) -> Johansen:
    """Test how many cointegrating relations hold, by statsmodels' ``coint_johansen``.

    A constant is in the model (its ``det_order=0``). Unlike `engle_granger` it has no direction.

    Parameters
    ----------
    prices : array or DataFrame of shape (n_bars, k)
        Prices or log prices, k from 2 to 12. Rows with NaN or infinity are left out.
    lags : int
        Lagged changes.

    Raises
    ------
    DataError
        Another shape, too few rows, or columns of which one is constant or follows from the rest.
    """
    try:
        table = np.asarray(prices, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("prices must be numbers; convert or drop the rest.") from None
    lags = whole(lags, "lags", 0)
    if table.ndim != 2 or not 2 <= table.shape[1] <= 12:
        raise DataError(f"prices has shape {table.shape}; give bars by 2 to 12 prices.")
    table = table[(np.abs(table) < LIMIT).all(axis=1)]
    least = 20 + table.shape[1] * (lags + 2)
    if len(table) < least:
        raise DataError(f"{len(table)} usable bars are too few; {least} are needed.")
    _refuse_collinear(table)
    # Imported here: it takes a second and 60 MB, and the live page does not use it.
    from statsmodels.tsa.vector_ar.vecm import coint_johansen

    found = coint_johansen(table, 0, lags)
    return Johansen(
        found.lr1,
        found.lr2,
        found.cvt,
        found.cvm,
        found.eig,
        found.evec / found.evec[0],
        lags,
        len(table) - lags - 1,
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
    y, x : array or Series of shape (n_bars,)
        Prices or log prices; bars with NaN or infinity in either leg are left out.
    trend : {"c", "n", "ct"}

    Raises
    ------
    DataError
        Fewer than 20 usable bars, or legs that are constant or one asset.
    """
    first, second = two_legs(y, x)
    check_trend(trend)
    mask = usable(first, second)
    table = np.column_stack([first[mask], second[mask]])
    if len(table) < 20:
        raise DataError(f"{len(table)} usable bars are too few to test; 20 are the least.")
    _refuse_collinear(table)
    # Imported here: arch takes a second and the live page does not use it.
    import pandas as pd
    from arch.unitroot.cointegration import phillips_ouliaris as by_arch

    frame = pd.DataFrame(table, columns=["y", "x"])
    found = by_arch(frame["y"], frame[["x"]], trend=trend, test_type="Zt")
    critical = {f"{level}%": float(found.critical_values[level]) for level in (1, 5, 10)}
    return PhillipsOuliaris(
        float(found.stat), float(found.pvalue), critical, float(found.bandwidth), len(table), trend
    )


def _refuse_collinear(table: Floats) -> None:
    centred = table - table.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    if not (size > 0.0).all() or np.linalg.cond(centred / size) > 1e7:
        raise DataError("A price is constant or follows from the others; leave it out.")

"""How good a pair's spread is to trade, in one result: all of one fixed regression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem.analytics.engle_granger import EngleGranger, engle_granger
from tandem.analytics.inputs import Floats, flag, floats, like, positive, two_legs, usable, whole
from tandem.analytics.persistence import (
    HalfLife,
    half_life,
    hurst,
    unknown_half_life,
    zero_crossings,
)
from tandem.core.errors import DataError

FEWEST = 50
SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SpreadQuality:
    """What the bars given say about a spread; a description of the past, not a forecast.

    Attributes
    ----------
    test : EngleGranger
        The fixed regression of y on x over all usable bars, and whether it holds.
    half_life : HalfLife
        Of its residual, with an interval that may contain infinity.
    hurst : float
        Of its residual.
    crossings_per_day : float
        How often the residual changes sign in 24 hours of usable bars.
    stale_share : float
        Share of all bars given that are not usable (masked as stale, or missing).
    beta_drift : float
        Relative change of the hedge ratio in use over the last `drift_bars` bars it was known at;
        NaN where it was not given or known for so long.
    r_squared : float
        Of the fixed regression.
    return_correlation : float
        Of the legs' log returns from bar to bar; NaN where a leg has none or never moves.
    n_obs : int
        Usable bars.
    note : str
        Why the residual says nothing (a constant leg, two tickers of one asset); its numbers are
        NaN then. Empty otherwise.
    """

    test: EngleGranger
    half_life: HalfLife
    hurst: float
    crossings_per_day: float
    stale_share: float
    beta_drift: float
    r_squared: float
    return_correlation: float
    n_obs: int
    note: str = ""


def spread_quality(
    y: Any,
    x: Any,
    bar_seconds: float,
    log_prices: bool = False,
    beta: Any = None,
    drift_bars: int = 100,
) -> SpreadQuality:
    """Describe the spread of y and x from the residual of one fixed regression.

    A rolling hedge's spread would look good whatever the legs are: its half-life on pure noise is
    0.22 times the window. Only `beta_drift` is of the rolling hedge.

    Parameters
    ----------
    y, x : array, Series or one-column DataFrame of shape (n_bars,)
        Prices, on a clock grid; NaN where a bar is masked.
    bar_seconds : float
        Length of a bar.
    log_prices : bool
        Regress log prices; prices of 0 or less are then not usable.
    beta : array, Series or one-column DataFrame of shape (n_bars,), optional
        The hedge ratio in use, by bar; NaN where there was none.
    drift_bars : int
        Bars over which its drift is told.

    Raises
    ------
    DataError
        Fewer than 50 usable bars, or columns that do not match.
    """
    log_prices = flag(log_prices, "log_prices")
    first, second = two_legs(y, x)
    seconds, drift_bars = positive(bar_seconds, "bar_seconds"), whole(drift_bars, "drift_bars", 1)
    drift = math.nan if beta is None else _drift(_as_long(beta, len(first)), drift_bars)
    logs = _log(first), _log(second)
    legs = logs if log_prices else (first, second)
    mask = usable(*legs)
    count = int(mask.sum())
    if count < FEWEST:
        raise DataError(f"{count} usable bars are too few; {FEWEST} are needed. Wait for more.")
    test = engle_granger(like(y, legs[0], "y"), legs[1])
    life, exponent, per_day = _of_residual(test, count * seconds / SECONDS_PER_DAY)
    return SpreadQuality(
        test=test,
        half_life=life,
        hurst=exponent,
        crossings_per_day=per_day,
        stale_share=1.0 - count / len(mask),
        beta_drift=drift,
        r_squared=test.r_squared,
        return_correlation=_return_correlation(*logs, mask),
        n_obs=count,
        note=test.note,
    )


def _of_residual(test: EngleGranger, days: float) -> tuple[HalfLife, float, float]:
    if math.isnan(test.statistic):
        return unknown_half_life(test.n_obs), math.nan, math.nan
    residual = test.residual
    return half_life(residual), hurst(residual), zero_crossings(residual) / days


def _as_long(beta: Any, bars: int) -> Floats:
    column = floats(beta, "beta")
    if len(column) != bars:
        raise DataError(f"beta has {len(column)} bars and the legs {bars}; align them first.")
    return column


def _drift(beta: Floats, bars: int) -> float:
    known = beta[usable(beta)]
    if len(known) <= bars or known[-1 - bars] == 0.0:
        return math.nan
    return float(known[-1] / known[-1 - bars] - 1.0)


def _log(price: Floats) -> Floats:
    """Return the logarithm, NaN where there is none."""
    out = np.full(len(price), np.nan)
    np.log(price, out=out, where=usable(price) & (price > 0.0))
    return out


def _return_correlation(y: Floats, x: Floats, mask: Any) -> float:
    """Correlate changes between neighbouring usable bars; a gap gives no return."""
    change_y, change_x = (np.diff(np.where(mask, column, np.nan)) for column in (y, x))
    both = usable(change_y, change_x)
    legs = change_y[both], change_x[both]
    if both.sum() < 3 or not all(np.ptp(leg) > 0.0 for leg in legs):
        return math.nan
    return float(np.corrcoef(*legs)[0, 1])

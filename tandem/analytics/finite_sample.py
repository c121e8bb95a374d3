"""P-values of unit-root and cointegration tests for the number of bars there are.

For each probability the quantile of Dickey-Fuller's t is a polynomial in 1 / bars, the form of
MacKinnon (1996), "Numerical Distribution Functions for Unit Root and Cointegration Tests", Journal
of Applied Econometrics 11. Simulated with independent normal increments and no lags by
`tests/support/simulate.py` (13 lengths from 25 to 2,000 bars, up to a million walks each). At
MacKinnon's 1, 5 and 10 % critical values of 2010 they give those p-values to within a twentieth.

Published values, these among them, are for a number of lags that was fixed. AIC's choice takes the
more negative statistic a little too often, and the more so the fewer the bars: at those values a
5 % test of 50 bars rejects 7.6 % of unrelated pairs, of 100 bars 6.8 %, of 1,000 bars 5.3 %. What
the search adds to the quantiles was simulated there too, as the difference between AIC's choice
and no lags on the same walks (14 lengths from 25 to 5,000 bars, up to a million walks each), with
at most ``12 (bars / 100)^(1/4)`` lags.

The coefficients are in `finite_sample.csv` beside this module.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]

FEWEST = 25
_COEFFICIENTS = 4


def _tables() -> tuple[Floats, dict[tuple[str, int], Floats], dict[tuple[str, int], Floats]]:
    """Read probabilities, and by trend and series the two tables of a row for each of them."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file)
    found: dict[tuple[str, int], list[list[float]]] = {}
    for trend, series, *numbers in lines:
        found.setdefault((trend, int(series)), []).append([float(one) for one in numbers])
    tables = {key: np.array(rows) for key, rows in found.items()}
    return (
        tables["c", 1][:, 0],
        {key: table[:, 1 : 1 + _COEFFICIENTS] for key, table in tables.items()},
        {key: table[:, 1 + _COEFFICIENTS :] for key, table in tables.items()},
    )


# By (trend, series), for each probability: the coefficients of 1, 1/T, 1/T^2, 1/T^3 of the
# quantile, and those of `shortness` of what the search for lags adds. One series: T bars of one
# walk. Two: the residual of one walk regressed on another.
PROBABILITIES, SURFACES, ADDED = _tables()
_NORMAL = NormalDist()
_SCORES = np.array([_NORMAL.inv_cdf(p) for p in PROBABILITIES])


def shortness(bars: float, terms: int) -> tuple[float, float, float, float]:
    """Return what the search's part of each quantile is linear in, all of it 0 in the limit.

    Powers of 1 / bars, and the square of 1 over the rows left to estimate from with the most lags
    and `terms` deterministic ones, which are very few below 40 bars.
    """
    most = min(math.ceil(12.0 * (bars / 100.0) ** 0.25), bars // 2 - terms - 1)
    left = bars - 1 - most - (most + 1 + terms)
    return 1.0 / bars, 1.0 / bars**2, 1.0 / bars**3, 1.0 / left**2


def finite_p(statistic: float, trend: str, series: int, bars: int, searched: bool = False) -> float:
    """Return the p-value of a statistic found on so many bars, its lags given or `searched` by AIC.

    Normal scores are interpolated linearly between the tabled quantiles and continued beyond them
    (below 0.01 % as above 99.9 % the value is an extrapolation). Under 25 bars it is that of 25.
    """
    return float(finite_ps(np.array([statistic]), trend, series, bars, searched)[0])


def _quantiles(trend: str, series: int, bars: int, searched: bool) -> Floats:
    powers = (1.0 / bars) ** np.arange(4)
    quantiles: Floats = SURFACES[trend, series] @ powers
    if searched:
        # A residual's regression has no deterministic terms of its own.
        terms = 0 if trend == "n" or series == 2 else len(trend)
        quantiles += ADDED[trend, series] @ shortness(bars, terms)
    return quantiles


def finite_ps(
    statistics: Floats, trend: str, series: int, bars: int, searched: bool = False
) -> Floats:
    """Return the p-values of many statistics of samples of one length; as `finite_p` each."""
    quantiles = _quantiles(trend, series, max(bars, FEWEST), searched)
    place = np.clip(np.searchsorted(quantiles, statistics), 1, len(quantiles) - 1)
    low, high = quantiles[place - 1], quantiles[place]
    share = (statistics - low) / (high - low)
    score = _SCORES[place - 1] + share * (_SCORES[place] - _SCORES[place - 1])
    p_values: Floats = ndtr(score)
    return p_values

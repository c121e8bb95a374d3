"""MacKinnon's approximations to the distribution of unit-root and cointegration tests.

Sources: p-values, J. G. MacKinnon (1994), "Approximate Asymptotic Distribution Functions for
Unit-Root and Cointegration Tests", Journal of Business & Economic Statistics 12, 167-176, tables 3
and 4. Critical values, J. G. MacKinnon (2010), "Critical Values for Cointegration Tests", Queen's
Economics Department Working Paper 1227, table 2; without a constant those of 1996. Tabled here for
one series (a plain unit-root test) and for two (the residual of one regressed on the other).
"""

from __future__ import annotations

import math
from typing import Literal

Trend = Literal["n", "c", "ct"]
LEVELS = ("1%", "5%", "10%")

# (trend, series): largest statistic of the table, smallest, where the two polynomials meet,
# polynomial below, polynomial above.
_P: dict[tuple[str, int], tuple[float, float, float, tuple[float, ...], tuple[float, ...]]] = {
    ("n", 1): (
        math.inf, -19.04, -1.04,
        (0.6344, 1.2378, 0.032496), (0.4797, 0.93557, -0.06999, 0.033066),
    ),
    ("c", 1): (
        2.74, -18.83, -1.61,
        (2.1659, 1.4412, 0.038269), (1.7339, 0.93202, -0.12745, -0.010368),
    ),
    ("ct", 1): (
        0.7, -16.18, -2.89,
        (3.2512, 1.6047, 0.049588), (2.5261, 0.61654, -0.37956, -0.060285),
    ),
    ("n", 2): (
        1.51, -19.62, -1.53,
        (1.9129, 1.3857, 0.035322), (1.5578, 0.8558, -0.2083, -0.033549),
    ),
    ("c", 2): (
        0.92, -18.86, -2.62,
        (2.92, 1.5012, 0.039796), (2.1945, 0.64695, -0.29198, -0.042377),
    ),
    ("ct", 2): (
        0.63, -21.15, -3.19,
        (3.6646, 1.5419, 0.036448), (2.85, 0.5272, -0.36622, -0.051695),
    ),
}  # fmt: skip

# (trend, series): for 1, 5 and 10 %, the coefficients of 1, 1/T, 1/T^2, 1/T^3.
_CRITICAL: dict[tuple[str, int], tuple[tuple[float, ...], ...]] = {
    ("n", 1): (
        (-2.56574, -2.2358, -3.627, 0.0),
        (-1.94100, -0.2686, -3.365, 31.223),
        (-1.61682, 0.2656, -2.714, 25.364),
    ),
    ("c", 1): (
        (-3.43035, -6.5393, -16.786, -79.433),
        (-2.86154, -2.8903, -4.234, -40.040),
        (-2.56677, -1.5384, -2.809, 0.0),
    ),
    ("ct", 1): (
        (-3.95877, -9.0531, -28.428, -134.155),
        (-3.41049, -4.3904, -9.036, -45.374),
        (-3.12705, -2.5856, -3.925, -22.380),
    ),
    ("c", 2): (
        (-3.89644, -10.9519, -33.527, 0.0),
        (-3.33613, -6.1101, -6.823, 0.0),
        (-3.04445, -4.2412, -2.720, 0.0),
    ),
    ("ct", 2): (
        (-4.32762, -15.4387, -35.679, 0.0),
        (-3.78057, -9.5106, -12.074, 0.0),
        (-3.49631, -7.0815, -7.538, 21.892),
    ),
}


def asymptotic_p(statistic: float, trend: Trend, series: int) -> float:
    """Return the p-value of a statistic in an endless sample (MacKinnon 1994)."""
    if math.isnan(statistic):
        return math.nan
    most, least, meet, below, above = _P[trend, series]
    if statistic > most:
        return 1.0
    if statistic < least:
        return 0.0
    total = 0.0
    for coefficient in reversed(below if statistic <= meet else above):
        total = total * statistic + coefficient
    return 0.5 * math.erfc(-total / math.sqrt(2.0))


def critical_values(trend: Trend, series: int, n_obs: float) -> dict[str, float]:
    """Return the 1, 5 and 10 % critical values for `n_obs` observations (MacKinnon 2010).

    NaN for two series without a constant: none are published.
    """
    rows = _CRITICAL.get((trend, series))
    if rows is None:
        return dict.fromkeys(LEVELS, math.nan)
    return {
        level: sum(b / n_obs**power for power, b in enumerate(row))
        for level, row in zip(LEVELS, rows, strict=True)
    }

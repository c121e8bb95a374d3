"""The distributions of unit-root and cointegration tests, from published and simulated tables.

MacKinnon's approximations: p-values, J. G. MacKinnon (1994), "Approximate Asymptotic Distribution
Functions for Unit-Root and Cointegration Tests", Journal of Business & Economic Statistics 12,
167-176, tables 3 and 4. Critical values, J. G. MacKinnon (2010), "Critical Values for Cointegration
Tests", Queen's Economics Department Working Paper 1227, table 2; without a constant those of 1996.
Tabled here for one series (a plain unit-root test) and for two (the residual of one regressed on
the other).

The t-statistic of an autoregressive root near 1, by how near: with n bars and root 1 - decay / n
its distribution depends on `decay` alone, and is far from normal where that is small. Simulated
with 1,000 bars and 100,000 repeats by `tests/support/simulate.py`, with the spread observed or its
hedge estimated; the quantiles' standard error is about 0.01.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

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

# A root near 1: decay, and the 2.5, 50 and 97.5 % quantiles. The change was regressed on a constant
# and the level.
OBSERVED = (
    (0, -3.134, -1.567, 0.241),
    (0.5, -3.063, -1.472, 0.291),
    (1, -2.996, -1.374, 0.361),
    (2, -2.897, -1.202, 0.532),
    (3, -2.810, -1.072, 0.692),
    (4, -2.746, -0.970, 0.829),
    (6, -2.647, -0.824, 1.027),
    (8, -2.583, -0.726, 1.159),
    (10, -2.534, -0.654, 1.253),
    (13, -2.479, -0.576, 1.350),
    (16, -2.425, -0.519, 1.419),
    (20, -2.383, -0.464, 1.479),
    (25, -2.343, -0.416, 1.536),
    (32, -2.302, -0.367, 1.592),
    (40, -2.273, -0.327, 1.636),
    (50, -2.234, -0.290, 1.672),
    (65, -2.197, -0.255, 1.705),
    (80, -2.169, -0.230, 1.727),
    (100, -2.152, -0.201, 1.761),
    (150, -2.115, -0.160, 1.799),
    (200, -2.090, -0.137, 1.828),
    (300, -2.064, -0.108, 1.858),
    (500, -2.028, -0.074, 1.887),
    (1000, -1.978, -0.035, 1.937),
)
# The spread is the residual of a regression on a constant and a random walk of its own; the change
# was regressed on the level alone.
ESTIMATED = (
    (0, -3.597, -2.056, -0.318),
    (0.5, -3.538, -1.964, -0.272),
    (1, -3.481, -1.874, -0.191),
    (2, -3.372, -1.714, -0.012),
    (3, -3.283, -1.581, 0.163),
    (4, -3.214, -1.471, 0.310),
    (6, -3.096, -1.297, 0.532),
    (8, -3.001, -1.167, 0.699),
    (10, -2.921, -1.068, 0.825),
    (13, -2.834, -0.953, 0.965),
    (16, -2.763, -0.863, 1.065),
    (20, -2.695, -0.779, 1.165),
    (25, -2.626, -0.697, 1.256),
    (32, -2.553, -0.619, 1.339),
    (40, -2.489, -0.553, 1.403),
    (50, -2.431, -0.494, 1.458),
    (65, -2.379, -0.430, 1.522),
    (80, -2.334, -0.386, 1.572),
    (100, -2.294, -0.342, 1.617),
    (150, -2.233, -0.274, 1.686),
    (200, -2.191, -0.232, 1.732),
    (300, -2.142, -0.185, 1.783),
    (500, -2.085, -0.129, 1.837),
    (1000, -2.011, -0.066, 1.911),
)


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


def root_table(estimated: bool) -> npt.NDArray[np.float64]:
    """Return the table's rows by the square root of the decay, in which it is nearly straight."""
    table = np.array(ESTIMATED if estimated else OBSERVED)
    table[:, 0] **= 0.5
    return table

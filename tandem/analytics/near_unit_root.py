"""The t-statistic of an autoregressive root near 1, by how near.

With n bars and root 1 - decay / n the statistic's distribution depends on `decay` alone, and is
far from normal where that is small. Simulated with 1,000 bars and 100,000 repeats by
`tests/simulate.py`, with the spread observed or its hedge estimated; the quantiles' standard error
is about 0.01.
"""

from __future__ import annotations

import numpy as np

from tandem.analytics.inputs import Floats

# decay, and the 2.5, 50 and 97.5 % quantiles. The change was regressed on a constant and the level.
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


def root_table(estimated: bool) -> Floats:
    """Return the table's rows; it is nearly straight in the square root of the decay."""
    return np.array(ESTIMATED if estimated else OBSERVED)

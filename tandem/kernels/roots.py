"""Which autoregressive roots near 1 a t-statistic does not rule out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]

# Roots tried below 1, and how far below 1 the nearest of them lies, times the rows.
GRID = 4_000
NEAREST = 1e-3


@compiled
def roots_inside(
    coefficient: float, damping: float, error: float, rows: int, table: Floats
) -> tuple[float, float, float]:
    """Return how far below 1 lie the interval's largest root, its smallest, and the median's.

    Roots are tried from 1 down to 0, finest near 1: those inside have a t between the low and the
    high quantile, and the median's is the first with a t of at least the middle one. `table` has
    rows of decay (rows times the distance from 1), low, middle and high quantile; between them they
    are taken as straight in the square root of the decay, beyond them as the last.
    """
    longest = shortest = median = np.nan
    above = False
    ratio = math.log(rows / NEAREST) / (GRID - 1)
    place, last = 0, len(table) - 1
    for step in range(-1, GRID):
        decay = 0.0 if step < 0 else NEAREST * math.exp(ratio * step)
        if step == GRID - 1:
            # A root of 0 exactly, whatever was rounded.
            decay = float(rows)
        distance = decay / rows
        t = (coefficient + distance * damping) / error
        while place < last - 1 and decay >= table[place + 1, 0]:
            place += 1
        left, right = math.sqrt(table[place, 0]), math.sqrt(table[place + 1, 0])
        share = min((math.sqrt(decay) - left) / (right - left), 1.0)
        low, middle, high = (
            table[place, 1] + share * (table[place + 1, 1] - table[place, 1]),
            table[place, 2] + share * (table[place + 1, 2] - table[place, 2]),
            table[place, 3] + share * (table[place + 1, 3] - table[place, 3]),
        )
        if step < 0:
            above = t > high
        if low <= t <= high:
            shortest = distance
            if math.isnan(longest):
                longest = distance
        if math.isnan(median) and t >= middle:
            median = distance
    if math.isnan(longest):
        longest = shortest = 0.0 if above else 1.0
    return longest, shortest, 1.0 if math.isnan(median) else median

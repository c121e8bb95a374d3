"""Which autoregressive roots near 1 a t-statistic does not rule out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]

# Columns of a table of quantiles.
LOW, MIDDLE, HIGH = 1, 2, 3


@compiled
def _stretch(rows: int, table: Floats, place: int) -> tuple[float, float]:
    """Return from where to where a row of the table holds, in s = sqrt(decay)."""
    end = math.sqrt(rows)
    if place + 1 < len(table):
        end = min(end, table[place + 1, 0])
    return table[place, 0], end


@compiled
def _above(
    coefficient: float,
    damping: float,
    error: float,
    rows: int,
    table: Floats,
    column: int,
    place: int,
) -> tuple[float, float, float]:
    """Return a, b and c of t less the quantile, ``a s^2 + b s + c``, where a row holds.

    t is straight in the decay and the quantile in its square root. a is above 0, so that t is below
    the quantile only between the two zeros.
    """
    value, slope = table[place, column], 0.0
    if place + 1 < len(table):
        start, end = table[place, 0], table[place + 1, 0]
        slope = (table[place + 1, column] - value) / (end - start)
        value -= slope * start
    return damping / error / rows, -slope, coefficient / error - value


@compiled
def _zeros(a: float, b: float, c: float) -> tuple[float, float]:
    """Return the zeros of a s^2 + b s + c, the smaller first; NaN where there are none."""
    inner = b * b - 4.0 * a * c
    if not inner >= 0.0:
        return math.nan, math.nan
    sum_alike = -0.5 * (b + math.copysign(math.sqrt(inner), b))
    if sum_alike == 0.0:
        return 0.0, 0.0
    one, other = sum_alike / a, c / sum_alike
    return min(one, other), max(one, other)


@compiled
def _distance(s: float, rows: int) -> float:
    """Return how far below 1 a root lies; a root of 0 is exactly 1 below, whatever was rounded."""
    return 1.0 if s >= math.sqrt(rows) else s * s / rows


@compiled
def median_root(
    coefficient: float, damping: float, error: float, rows: int, table: Floats
) -> float:
    """Return how far below 1 the median-unbiased root lies; see `roots_inside`."""
    for place in range(len(table)):
        start, end = _stretch(rows, table, place)
        if start > end:
            break
        a, b, c = _above(coefficient, damping, error, rows, table, MIDDLE, place)
        if (a * start + b) * start + c >= 0.0:
            return _distance(start, rows)
        _, zero = _zeros(a, b, c)
        if zero <= end:
            return _distance(zero, rows)
    return 1.0


@compiled
def roots_inside(
    coefficient: float, damping: float, error: float, rows: int, table: Floats
) -> tuple[float, float, float]:
    """Return how far below 1 lie the interval's largest root, its smallest, and the median's.

    Inside are the roots from 1 down to 0 with a t between the low and the high quantile; the
    median's is the nearest to 1 with a t of at least the middle one. `table` has rows of the square
    root of the decay (rows times the distance from 1), low, middle and high quantile; between them
    the quantiles are straight, beyond them as the last.
    """
    longest = shortest = math.nan
    for place in range(len(table)):
        start, end = _stretch(rows, table, place)
        if start > end:
            break
        a, b, c = _above(coefficient, damping, error, rows, table, LOW, place)
        low_first, low_last = _zeros(a, b, c)
        first, last = _zeros(*_above(coefficient, damping, error, rows, table, HIGH, place))
        if math.isnan(first):
            continue
        first, last = max(first, start), min(last, end)
        # Between the zeros of the low quantile t is below it.
        if low_first < first < low_last:
            first = low_last
        if low_first < last < low_last:
            last = low_first
        if first <= last:
            shortest = _distance(last, rows)
            if math.isnan(longest):
                longest = _distance(first, rows)
    if math.isnan(longest):
        longest = shortest = 0.0 if coefficient / error > table[0, HIGH] else 1.0
    median = median_root(coefficient, damping, error, rows, table)
    return longest, shortest, median

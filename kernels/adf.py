"""The regressions behind unit-root tests, all lags from one factorisation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kernels.compiled import compiled

Floats = npt.NDArray[np.float64]


@compiled
def _factor(gram: Floats) -> bool:
    """Replace the lower triangle by its Cholesky factor; False where it is singular.

    The columns are scaled to length one first and scaled back after: a level and its differences
    may differ by many orders of magnitude.
    """
    count = len(gram)
    scale = np.empty(count)
    for i in range(count):
        if not gram[i, i] > 0.0:
            return False
        scale[i] = math.sqrt(gram[i, i])
    for i in range(count):
        for j in range(i + 1):
            gram[i, j] /= scale[i] * scale[j]
    for j in range(count):
        pivot = gram[j, j]
        for k in range(j):
            pivot -= gram[j, k] * gram[j, k]
        # Below this the column is a combination of the earlier ones as far as doubles can tell.
        if not pivot > 1e-14:
            return False
        pivot = math.sqrt(pivot)
        gram[j, j] = pivot
        for i in range(j + 1, count):
            value = gram[i, j]
            for k in range(j):
                value -= gram[i, k] * gram[j, k]
            gram[i, j] = value / pivot
    for i in range(count):
        for j in range(i + 1):
            gram[i, j] *= scale[i]
    return True


@compiled
def _dot(a: Floats, b: Floats) -> float:
    """Sum products in four strands, which the processor works on at once."""
    s0 = s1 = s2 = s3 = 0.0
    stop = len(a) - len(a) % 4
    for i in range(0, stop, 4):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
    for i in range(stop, len(a)):
        s0 += a[i] * b[i]
    return (s0 + s1) + (s2 + s3)


@compiled
def _gram(level: Floats, change: Floats, trend: Floats, lags: int, most: int) -> Floats:
    """Return the cross products of [trend, level before, change k before for k=1..lags, change].

    The rows run over the bars that have `most` earlier changes. A product of two lagged changes
    one bar further back differs by its two ends only, so but the first row costs O(1) each.
    """
    rows = len(change) - most
    terms = trend.shape[0]
    count = terms + 1 + lags + 1
    last = count - 1
    gram = np.empty((count, count))
    now = change[most:]
    before = level[most : most + rows]
    for i in range(terms):
        row = trend[i, most : most + rows]
        for j in range(i + 1):
            gram[i, j] = _dot(row, trend[j, most : most + rows])
        gram[terms, i] = _dot(row, before)
        for k in range(1, lags + 1):
            gram[terms + k, i] = _dot(row, change[most - k : most - k + rows])
        gram[last, i] = _dot(row, now)
    gram[terms, terms] = _dot(before, before)
    for k in range(1, lags + 1):
        back = change[most - k : most - k + rows]
        gram[terms + k, terms] = _dot(back, before)
        gram[last, terms + k] = _dot(now, back)
    gram[last, terms] = _dot(now, before)
    gram[last, last] = _dot(now, now)
    for k in range(1, lags + 1):
        for j in range(1, k + 1):
            # Both one bar earlier than the product at (k - 1, j - 1): drop its last, add a first.
            up = gram[last, terms + k - 1] if j == 1 else gram[terms + k - 1, terms + j - 1]
            if j == 1 and k == 1:
                up = gram[last, last]
            first, end = most - 1, most - 1 + rows
            gram[terms + k, terms + j] = (
                up
                + change[first - k + 1] * change[first - j + 1]
                - change[end - k + 1] * change[end - j + 1]
            )
    return gram


@compiled
def lag_sums(level: Floats, change: Floats, trend: Floats, most: int, sums: Floats) -> bool:
    """Fill the residual sums of squares of the regressions with 0, 1, ... `most` lagged changes.

    `level` is the series without its last value, `change` its differences, `trend` has a row per
    deterministic term. All regressions use the same rows.
    """
    gram = _gram(level, change, trend, most, most)
    if not _factor(gram):
        return False
    last = len(gram) - 1
    terms = trend.shape[0]
    # Summed from the far end: nothing cancels.
    total = gram[last, last] * gram[last, last]
    for k in range(most, -1, -1):
        sums[k] = total
        total += gram[last, terms + k] * gram[last, terms + k]
    return True


@compiled
def level_statistic(
    level: Floats, change: Floats, trend: Floats, lags: int, answer: Floats
) -> bool:
    """Fill the level's coefficient, its standard error, and 1 minus the lags' coefficients.

    All rows with `lags` earlier changes are used.
    """
    gram = _gram(level, change, trend, lags, lags)
    if not _factor(gram):
        return False
    last = len(gram) - 1
    terms = trend.shape[0]
    rows = len(change) - lags
    freedom = rows - last
    if freedom < 1:
        return False
    coefficient = np.empty(last)
    for i in range(last - 1, -1, -1):
        value = gram[last, i]
        for j in range(i + 1, last):
            value -= gram[j, i] * coefficient[j]
        coefficient[i] = value / gram[i, i]
    # Row `terms` of the inverse factor gives the level's entry of the inverse of X'X.
    inverse = np.zeros(last)
    entry = 0.0
    for i in range(terms, last):
        value = 1.0 if i == terms else 0.0
        for j in range(terms, i):
            value -= gram[i, j] * inverse[j]
        inverse[i] = value / gram[i, i]
        entry += inverse[i] * inverse[i]
    variance = gram[last, last] * gram[last, last] / freedom
    answer[0] = coefficient[terms]
    answer[1] = math.sqrt(variance * entry)
    answer[2] = 1.0
    for i in range(terms + 1, last):
        answer[2] -= coefficient[i]
    return True

"""The regressions behind unit-root tests, all lags from one factorisation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

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
def _level(factor: Floats, terms: int, freedom: int, answer: Floats) -> None:
    """Fill the level's coefficient, its standard error, and 1 minus the lags' coefficients.

    Row `terms` of the factored columns is the level, the lags come after it, the change is last.
    """
    last = len(factor) - 1
    coefficient, inverse = np.empty(last), np.empty(last)
    entry, damping = 0.0, 1.0
    for i in range(last - 1, terms - 1, -1):
        value = factor[last, i]
        for j in range(i + 1, last):
            value -= factor[j, i] * coefficient[j]
        coefficient[i] = value / factor[i, i]
        if i > terms:
            damping -= coefficient[i]
    # Of the inverse of X'X only the level's own entry is needed.
    for i in range(terms, last):
        value = 1.0 if i == terms else 0.0
        for j in range(terms, i):
            value -= factor[i, j] * inverse[j]
        inverse[i] = value / factor[i, i]
        entry += inverse[i] * inverse[i]
    answer[0] = coefficient[terms]
    answer[1] = factor[last, last] * math.sqrt(entry / freedom)
    answer[2] = damping


@compiled
def level_statistic(
    level: Floats, change: Floats, trend: Floats, lags: int, answer: Floats
) -> bool:
    """Regress on `lags` lagged changes over all rows that have them; `answer` as in `_level`."""
    gram = _gram(level, change, trend, lags, lags)
    freedom = len(change) - lags - (len(gram) - 1)
    if freedom < 1 or not _factor(gram):
        return False
    _level(gram, trend.shape[0], freedom, answer)
    return True


# As in `tandem/kernels/ols.py`: how often, and on what loss of digits, a window is summed afresh.
REFRESH = 8
CANCELLED = 1e-3


@compiled
def _count_row(
    gram: Floats,
    values: Floats,
    j: int,
    lags: int,
    terms: int,
    origin: float,
    middle: int,
    sign: float,
    row: Floats,
) -> None:
    """Add (or take away) the row whose change is values[j + 1] - values[j]."""
    if terms > 0:
        row[0] = 1.0
    if terms > 1:
        row[1] = j - middle
    row[terms] = values[j] - origin
    for k in range(1, lags + 1):
        row[terms + k] = values[j - k + 1] - values[j - k]
    row[terms + lags + 1] = values[j + 1] - values[j]
    for i in range(len(row)):
        for k in range(i + 1):
            gram[i, k] += sign * row[i] * row[k]


@compiled
def _sum_window(
    gram: Floats, values: Floats, first: int, window: int, lags: int, terms: int, row: Floats
) -> float:
    """Sum the window's rows afresh; return the origin (its mean, where there is a constant)."""
    origin = 0.0
    if terms > 0:
        for i in range(first, first + window):
            origin += (values[i] - values[first]) / window
        origin += values[first]
    gram[:] = 0.0
    for j in range(first + lags, first + window - 1):
        _count_row(gram, values, j, lags, terms, origin, first, 1.0, row)
    return origin


@compiled
def _factor_copy(gram: Floats, terms: int, peaks: Floats, work: Floats) -> bool:
    """Factor a copy; False where that fails or digits have been lost to something gone by."""
    work[:] = gram
    if not _factor(work):
        return False
    sound = work[terms, terms] * work[terms, terms] > CANCELLED * peaks[terms]
    for k in range(terms, len(gram)):
        peaks[k] = max(peaks[k], gram[k, k])
        sound = sound and gram[k, k] > CANCELLED * peaks[k]
    return bool(sound)


@compiled
def roll_adf(values: Floats, window: int, lags: int, terms: int, statistic: Floats) -> None:
    """Fill Dickey-Fuller's t for every window of `window` usable values.

    Cross products gain one row and lose one per bar.
    """
    count = terms + lags + 2
    freedom = window - 1 - lags - (count - 1)
    gram, work = np.zeros((count, count)), np.empty((count, count))
    row, answer, peaks = np.empty(count), np.empty(3), np.zeros(count)
    origin, middle, age = 0.0, 0, REFRESH * window
    for t in range(len(values)):
        statistic[t] = np.nan
        first = t - window + 1
        if first < 0:
            continue
        age += 1
        sound = False
        if age < REFRESH * window:
            _count_row(gram, values, t - 1, lags, terms, origin, middle, 1.0, row)
            _count_row(gram, values, first - 1 + lags, lags, terms, origin, middle, -1.0, row)
            sound = _factor_copy(gram, terms, peaks, work)
        if not sound:
            origin = _sum_window(gram, values, first, window, lags, terms, row)
            middle, age = first, 0
            peaks[:] = 0.0
            sound = _factor_copy(gram, terms, peaks, work)
        if sound:
            _level(work, terms, freedom, answer)
            statistic[t] = answer[0] / answer[1] if answer[1] > 0.0 else np.nan

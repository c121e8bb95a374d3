"""Location and spread of the last bars: rolling, exponentially weighted, robust."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Places in `sums`. MEAN and DEVIATION are those of the bars seen so far, NaN while warming up.
MEAN, DEVIATION, REF, S1, S2, PEAK = range(6)
# The exponential kind keeps its own: running mean and biased variance, the decayed weight of the
# past, and the sums of weights and of their squares.
EW_MEAN, EW_VAR, EW_OLD, EW_WEIGHT, EW_WEIGHT2 = range(2, 7)
Z_SUMS = 7
SEEN, HEAD, AGE, RUN = range(4)
Z_COUNTS = 4

# One comparison finds NaN, infinities and numbers whose squares would overflow: not usable.
LIMIT = 1e50

REFRESH = 8
CANCELLED = 1e-3
# The MAD of a normal sample times this is its standard deviation: 1 / Phi^-1(3/4).
MAD_TO_DEVIATION = 1.482602218505602


@compiled
def _refresh(ring: Floats) -> tuple[float, float, float]:
    """Centre on the window's mean and sum afresh."""
    count = len(ring)
    mean = 0.0
    for i in range(count):
        mean += ring[i] - ring[0]
    ref = ring[0] + mean / count
    s1 = s2 = 0.0
    for i in range(count):
        d = ring[i] - ref
        s1 += d
        s2 += d * d
    return ref, s1, s2


@compiled
def _score(value: float, sums: Floats) -> float:
    deviation = sums[DEVIATION]
    return (value - sums[MEAN]) / deviation if deviation > 0.0 else np.nan


@compiled
def roll_z(
    values: Floats,
    lag: int,
    ring: Floats,
    sums: Floats,
    counts: Counts,
    z: Floats,
    mean: Floats,
    deviation: Floats,
) -> None:
    """Score each value with the mean and deviation of the `window` usable ones ending `lag` ago."""
    window = len(ring)
    share, freedom = 1.0 / window, 1.0 / (window - 1)
    seen, head, age, run = counts[SEEN], counts[HEAD], counts[AGE], counts[RUN]
    centre, size, ref = sums[MEAN], sums[DEVIATION], sums[REF]
    s1, s2, peak = sums[S1], sums[S2], sums[PEAK]
    before = ring[head - 1 if head > 0 else window - 1]
    for t in range(len(values)):
        z[t] = mean[t] = deviation[t] = np.nan
        value = values[t]
        if not abs(value) < LIMIT:
            continue
        if lag == 1:
            mean[t], deviation[t] = centre, size
            if size > 0.0:
                z[t] = (value - centre) / size
        run = run + 1 if seen > 0 and before == value else 1
        before = value
        old = ring[head]
        ring[head] = value
        head = head + 1 if head + 1 < window else 0
        seen += 1
        age += 1
        if seen >= window:
            if seen == window or age >= REFRESH * window:
                ref, s1, s2 = _refresh(ring)
                peak, age = s2, 0
            else:
                d, g = value - ref, old - ref
                s1 += d - g
                s2 += d * d - g * g
                peak = max(peak, s2)
            centred = s2 - s1 * s1 * share
            if run >= window:
                centre, size = value, 0.0
            else:
                if age > 0 and not centred > CANCELLED * peak:
                    ref, s1, s2 = _refresh(ring)
                    peak, age = s2, 0
                    centred = s2 - s1 * s1 * share
                centre = ref + s1 * share
                size = math.sqrt(centred * freedom) if centred > 0.0 else 0.0
        if lag == 0:
            mean[t], deviation[t] = centre, size
            if size > 0.0:
                z[t] = (value - centre) / size
    counts[SEEN], counts[HEAD], counts[AGE], counts[RUN] = seen, head, age, run
    sums[MEAN], sums[DEVIATION], sums[REF] = centre, size, ref
    sums[S1], sums[S2], sums[PEAK] = s1, s2, peak


@compiled
def ewm_z(
    values: Floats,
    lag: int,
    window: int,
    sums: Floats,
    counts: Counts,
    z: Floats,
    mean: Floats,
    deviation: Floats,
) -> None:
    """Score each value with the exponentially weighted mean and deviation ending `lag` ago.

    The weights are those of a span of `window` bars, 1 for the newest and (1 - 2/(window+1))^k
    for the one k before; the deviation is bias-corrected. No term cancels, so nothing drifts. (The
    state lives in local variables: in the arrays it would go through memory at every bar.)
    """
    decay = 1.0 - 2.0 / (window + 1.0)
    seen, centre, size = counts[SEEN], sums[MEAN], sums[DEVIATION]
    running, biased = sums[EW_MEAN], sums[EW_VAR]
    past, weight, weight2 = sums[EW_OLD], sums[EW_WEIGHT], sums[EW_WEIGHT2]
    for t in range(len(values)):
        z[t] = mean[t] = deviation[t] = np.nan
        value = values[t]
        if not abs(value) < LIMIT:
            continue
        if lag == 1:
            mean[t], deviation[t] = centre, size
            if size > 0.0:
                z[t] = (value - centre) / size
        seen += 1
        if seen == 1:
            running, biased = value, 0.0
            past = weight = weight2 = 1.0
        else:
            past *= decay
            step = value - running
            share = 1.0 / (past + 1.0)
            biased = (1.0 - share) * (biased + share * step * step)
            running += share * step
            past += 1.0
            weight = weight * decay + 1.0
            weight2 = weight2 * decay * decay + 1.0
        if seen >= window:
            square = weight * weight
            centre, size = running, math.sqrt(biased * square / (square - weight2))
        if lag == 0:
            mean[t], deviation[t] = centre, size
            if size > 0.0:
                z[t] = (value - centre) / size
    counts[SEEN] = seen
    sums[MEAN], sums[DEVIATION], sums[EW_MEAN], sums[EW_VAR] = centre, size, running, biased
    sums[EW_OLD], sums[EW_WEIGHT], sums[EW_WEIGHT2] = past, weight, weight2


@compiled
def _place(ordered: Floats, count: int, value: float) -> int:
    """Return the first place among the first `count` whose value is not below `value`."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _kth_distance(ordered: Floats, centre: float, k: int) -> float:
    """Return the k-th smallest (from 0) of |ordered - centre|, in O(log n).

    Left of the centre distances fall, right of it they rise: two sorted lists, of which the first
    k + 1 of the merged list take `left` from the one and the rest from the other.
    """
    count = len(ordered)
    split = _place(ordered, count, centre)
    low, high = max(0, k + 1 - (count - split)), min(split, k + 1)
    while low < high:
        left = (low + high) // 2
        right = k + 1 - left
        if centre - ordered[split - 1 - left] < ordered[split + right - 1] - centre:
            low = left + 1
        else:
            high = left
    left, right = low, k + 1 - low
    distance = 0.0
    if left > 0:
        distance = centre - ordered[split - left]
    if right > 0:
        distance = max(distance, ordered[split + right - 1] - centre)
    return distance


@compiled
def _push_robust(value: float, ring: Floats, ordered: Floats, sums: Floats, counts: Counts) -> None:
    """Take one usable value into the window's median and MAD."""
    window = len(ring)
    filled = min(counts[SEEN], window)
    if filled == window:
        gone = _place(ordered, window, ring[counts[HEAD]])
        for i in range(gone, window - 1):
            ordered[i] = ordered[i + 1]
        filled -= 1
    place = _place(ordered, filled, value)
    for i in range(filled, place, -1):
        ordered[i] = ordered[i - 1]
    ordered[place] = value
    ring[counts[HEAD]] = value
    counts[HEAD] = counts[HEAD] + 1 if counts[HEAD] + 1 < window else 0
    counts[SEEN] += 1
    if counts[SEEN] < window:
        return
    low, high = (window - 1) // 2, window // 2
    median = ordered[low] + 0.5 * (ordered[high] - ordered[low])
    near = _kth_distance(ordered, median, low)
    far = _kth_distance(ordered, median, high)
    sums[MEAN] = median
    sums[DEVIATION] = MAD_TO_DEVIATION * (near + 0.5 * (far - near))


@compiled
def robust_z(
    values: Floats,
    lag: int,
    ring: Floats,
    ordered: Floats,
    sums: Floats,
    counts: Counts,
    z: Floats,
    mean: Floats,
    deviation: Floats,
) -> None:
    """Score each value with the median and MAD of the `window` usable ones ending `lag` ago."""
    for t in range(len(values)):
        z[t] = mean[t] = deviation[t] = np.nan
        value = values[t]
        if not abs(value) < LIMIT:
            continue
        if lag == 0:
            _push_robust(value, ring, ordered, sums, counts)
        z[t], mean[t], deviation[t] = _score(value, sums), sums[MEAN], sums[DEVIATION]
        if lag == 1:
            _push_robust(value, ring, ordered, sums, counts)

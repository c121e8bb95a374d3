"""Rolling least squares of y on x, one bar at a time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kernels.compiled import compiled

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Places in `sums`: the point the sums are centred on, the sums, the largest squares since the last
# refresh, and the last hedge that was finite.
REF_Y, REF_X, SY, SX, SYY, SXX, SXY, PEAK_Y, PEAK_X, LAST_ALPHA, LAST_BETA = range(11)
OLS_SUMS = 11
# Places in `counts`: usable bars seen, next place in the rings, bars since the last refresh,
# length of the run of equal x at the end.
SEEN, HEAD, AGE, RUN = range(4)
OLS_COUNTS = 4

# One comparison finds NaN, infinities and numbers whose squares would overflow: not usable.
LIMIT = 1e100

# Adding and dropping bars leaves rounding errors behind. They are cleared every REFRESH windows,
# and at once when the window's own variance is small beside what has passed through the sums
# (a price that has wandered off, a bad print that has left the window).
REFRESH = 8
CANCELLED = 1e-3


@compiled
def _refresh(ring_y: Floats, ring_x: Floats, sums: Floats) -> None:
    """Centre on the window's means and sum afresh."""
    count = len(ring_y)
    mean_y = mean_x = 0.0
    for i in range(count):
        mean_y += (ring_y[i] - ring_y[0]) / count
        mean_x += (ring_x[i] - ring_x[0]) / count
    ref_y, ref_x = ring_y[0] + mean_y, ring_x[0] + mean_x
    sy = sx = syy = sxx = sxy = 0.0
    for i in range(count):
        dy, dx = ring_y[i] - ref_y, ring_x[i] - ref_x
        sy += dy
        sx += dx
        syy += dy * dy
        sxx += dx * dx
        sxy += dx * dy
    sums[REF_Y], sums[REF_X] = ref_y, ref_x
    sums[SY], sums[SX] = sy, sx
    sums[SYY], sums[SXX], sums[SXY] = syy, sxx, sxy
    sums[PEAK_Y], sums[PEAK_X] = syy, sxx


@compiled
def roll_ols(
    y: Floats,
    x: Floats,
    ring_y: Floats,
    ring_x: Floats,
    sums: Floats,
    counts: Counts,
    alpha: Floats,
    beta: Floats,
    correlation: Floats,
) -> None:
    """Follow the window over new bars; fills alpha, beta and, unless empty, correlation.

    The rings hold the last `window` usable bars. Everything is a function of the bars alone, never
    of how they were cut into calls. A window of one single x gives NaN.
    """
    window = len(ring_y)
    seen, head, age, run = counts[SEEN], counts[HEAD], counts[AGE], counts[RUN]
    wants_correlation = len(correlation) > 0
    for t in range(len(y)):
        alpha[t] = beta[t] = np.nan
        if wants_correlation:
            correlation[t] = np.nan
        new_y, new_x = y[t], x[t]
        if not (abs(new_y) < LIMIT and abs(new_x) < LIMIT):
            continue
        before = head - 1 if head > 0 else window - 1
        run = run + 1 if seen > 0 and ring_x[before] == new_x else 1
        old_y, old_x = ring_y[head], ring_x[head]
        ring_y[head], ring_x[head] = new_y, new_x
        head = head + 1 if head + 1 < window else 0
        seen += 1
        age += 1
        if seen < window:
            continue
        if seen == window or age >= REFRESH * window:
            _refresh(ring_y, ring_x, sums)
            age = 0
        else:
            dy, dx = new_y - sums[REF_Y], new_x - sums[REF_X]
            gy, gx = old_y - sums[REF_Y], old_x - sums[REF_X]
            sums[SY] += dy - gy
            sums[SX] += dx - gx
            sums[SYY] += dy * dy - gy * gy
            sums[SXX] += dx * dx - gx * gx
            sums[SXY] += dx * dy - gx * gy
            sums[PEAK_Y] = max(sums[PEAK_Y], sums[SYY])
            sums[PEAK_X] = max(sums[PEAK_X], sums[SXX])
        if run >= window:
            continue
        cxx = sums[SXX] - sums[SX] * sums[SX] / window
        cyy = sums[SYY] - sums[SY] * sums[SY] / window
        lost = not (cxx > CANCELLED * sums[PEAK_X] and cyy > CANCELLED * sums[PEAK_Y])
        if age > 0 and lost:
            _refresh(ring_y, ring_x, sums)
            age = 0
            cxx = sums[SXX] - sums[SX] * sums[SX] / window
            cyy = sums[SYY] - sums[SY] * sums[SY] / window
        if not cxx > 0.0:
            continue
        cxy = sums[SXY] - sums[SX] * sums[SY] / window
        slope = cxy / cxx
        level = (sums[REF_Y] + sums[SY] / window) - slope * (sums[REF_X] + sums[SX] / window)
        alpha[t], beta[t] = level, slope
        sums[LAST_ALPHA], sums[LAST_BETA] = level, slope
        if wants_correlation and cyy > 0.0:
            correlation[t] = min(1.0, max(-1.0, cxy / math.sqrt(cxx) / math.sqrt(cyy)))
    counts[SEEN], counts[HEAD], counts[AGE], counts[RUN] = seen, head, age, run

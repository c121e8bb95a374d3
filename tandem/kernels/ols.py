"""Rolling least squares of y on x, one bar at a time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

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
LIMIT = 1e50

# Adding and dropping bars leaves rounding errors behind. They are cleared every REFRESH windows,
# and at once when the window's own variance is small beside what has passed through the sums
# (a price that has wandered off, a bad print that has left the window).
REFRESH = 8
CANCELLED = 1e-3


@compiled
def _refresh(
    ring_y: Floats, ring_x: Floats
) -> tuple[float, float, float, float, float, float, float]:
    """Centre on the window's means and sum afresh."""
    count = len(ring_y)
    mean_y = mean_x = 0.0
    for i in range(count):
        mean_y += ring_y[i] - ring_y[0]
        mean_x += ring_x[i] - ring_x[0]
    ref_y, ref_x = ring_y[0] + mean_y / count, ring_x[0] + mean_x / count
    sy = sx = syy = sxx = sxy = 0.0
    for i in range(count):
        dy, dx = ring_y[i] - ref_y, ring_x[i] - ref_x
        sy += dy
        sx += dx
        syy += dy * dy
        sxx += dx * dx
        sxy += dx * dy
    return ref_y, ref_x, sy, sx, syy, sxx, sxy


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
    of how they were cut into calls. A window of one single x gives NaN. (The state lives in local
    variables: in the arrays it would go through memory twice per bar, at twice the time.)
    """
    window = len(ring_y)
    share = 1.0 / window
    seen, head, age, run = counts[SEEN], counts[HEAD], counts[AGE], counts[RUN]
    ref_y, ref_x, sy, sx = sums[REF_Y], sums[REF_X], sums[SY], sums[SX]
    syy, sxx, sxy = sums[SYY], sums[SXX], sums[SXY]
    peak_y, peak_x = sums[PEAK_Y], sums[PEAK_X]
    last_alpha, last_beta = sums[LAST_ALPHA], sums[LAST_BETA]
    before = ring_x[head - 1 if head > 0 else window - 1]
    wants_correlation = len(correlation) > 0
    for t in range(len(y)):
        alpha[t] = beta[t] = np.nan
        if wants_correlation:
            correlation[t] = np.nan
        new_y, new_x = y[t], x[t]
        if not (abs(new_y) < LIMIT and abs(new_x) < LIMIT):
            continue
        run = run + 1 if seen > 0 and before == new_x else 1
        before = new_x
        old_y, old_x = ring_y[head], ring_x[head]
        ring_y[head], ring_x[head] = new_y, new_x
        head = head + 1 if head + 1 < window else 0
        seen += 1
        age += 1
        if seen < window:
            continue
        if seen == window or age >= REFRESH * window:
            ref_y, ref_x, sy, sx, syy, sxx, sxy = _refresh(ring_y, ring_x)
            peak_y, peak_x, age = syy, sxx, 0
        else:
            dy, dx = new_y - ref_y, new_x - ref_x
            gy, gx = old_y - ref_y, old_x - ref_x
            sy += dy - gy
            sx += dx - gx
            syy += dy * dy - gy * gy
            sxx += dx * dx - gx * gx
            sxy += dx * dy - gx * gy
            peak_y, peak_x = max(peak_y, syy), max(peak_x, sxx)
        if run >= window:
            continue
        cxx, cyy = sxx - sx * sx * share, syy - sy * sy * share
        if age > 0 and not (cxx > CANCELLED * peak_x and cyy > CANCELLED * peak_y):
            ref_y, ref_x, sy, sx, syy, sxx, sxy = _refresh(ring_y, ring_x)
            peak_y, peak_x, age = syy, sxx, 0
            cxx, cyy = sxx - sx * sx * share, syy - sy * sy * share
        if not cxx > 0.0:
            continue
        cxy = sxy - sx * sy * share
        last_beta = cxy / cxx
        last_alpha = (ref_y + sy * share) - last_beta * (ref_x + sx * share)
        alpha[t], beta[t] = last_alpha, last_beta
        if wants_correlation and cyy > 0.0:
            correlation[t] = min(1.0, max(-1.0, cxy / math.sqrt(cxx) / math.sqrt(cyy)))
    counts[SEEN], counts[HEAD], counts[AGE], counts[RUN] = seen, head, age, run
    sums[REF_Y], sums[REF_X], sums[SY], sums[SX] = ref_y, ref_x, sy, sx
    sums[SYY], sums[SXX], sums[SXY] = syy, sxx, sxy
    sums[PEAK_Y], sums[PEAK_X] = peak_y, peak_x
    sums[LAST_ALPHA], sums[LAST_BETA] = last_alpha, last_beta

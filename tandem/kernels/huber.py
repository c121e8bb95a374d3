"""Rolling Huber regression with its scale estimated jointly, every window solved to convergence.

The objective is Huber's (1981, section 7.7), the one scikit-learn's HuberRegressor minimises:

    sum_i  sigma + sigma * rho((y_i - a - b x_i) / sigma),
    rho(z) = z^2 if |z| < epsilon else 2 epsilon |z| - epsilon^2

It is jointly convex in a, b and sigma. Once it is known which bars lie outside (and on which side)
the minimum has a closed form, so the solver steps from one such set to the next (Newton's method on
a piecewise smooth function) and ends when the set it solved for is the set it finds. A step that
does not lower the objective is replaced by one of iterated reweighting, which always does.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]

# Places in `fit`: the point y and x are centred on, level there, slope, scale, the last hedge that
# was finite.
REF_Y, REF_X, LEVEL, SLOPE, SIGMA, LAST_ALPHA, LAST_BETA = range(7)
HUBER_FIT = 7
# Places in `counts`: usable bars seen, next place in the rings, run of equal x at the end, whether
# `fit` holds the solution of the window before, and windows given up unconverged.
SEEN, HEAD, RUN, WARM, GIVEN_UP = range(5)
HUBER_COUNTS = 5
# Places in `moments`, over the bars inside unless said otherwise.
N_IN, SX, SXX, R0, R1, RR, T0, T1, ABS_OUT, CHANGED, FLOOR = range(11)
MOMENTS = 11

LIMIT = 1e50
MOST_STEPS = 500
# Where more than 45 % of the bars lie exactly on one line the scale tends to 0 and the problem to
# least absolute deviations; it is stopped at this fraction of the largest |y| in the window.
SCALE_FLOOR = 1e-10
FALL = 0.125
# Windows that converge do so in fewer steps than this; then a collapsed scale is looked for.
PATIENCE = 25
NOTHING, APPROACHED, SOLVED = range(3)


@compiled
def _measure(
    ring_y: Floats, ring_x: Floats, epsilon: float, fit: Floats, codes: Codes, moments: Floats
) -> float:
    """Sort the bars into below, inside and above, sum them, and return the objective."""
    ref_y, ref_x = fit[REF_Y] + fit[LEVEL], fit[REF_X]
    slope, sigma = fit[SLOPE], fit[SIGMA]
    edge = epsilon * sigma
    n_in = changed = 0
    sx = sxx = r0 = r1 = rr = t0 = t1 = absolute = 0.0
    for i in range(len(ring_y)):
        dx = ring_x[i] - ref_x
        r = (ring_y[i] - ref_y) - slope * dx
        code = 1 if r > edge else (-1 if r < -edge else 0)
        changed += code != codes[i]
        codes[i] = code
        if code == 0:
            n_in += 1
            sx += dx
            sxx += dx * dx
            r0 += r
            r1 += r * dx
            rr += r * r
        else:
            t0 += code
            t1 += code * dx
            absolute += code * r
    moments[N_IN], moments[CHANGED] = n_in, changed
    moments[SX], moments[SXX], moments[R0], moments[R1], moments[RR] = sx, sxx, r0, r1, rr
    moments[T0], moments[T1], moments[ABS_OUT] = t0, t1, absolute
    n = len(ring_y)
    outside = n - n_in
    value = n * sigma + rr / sigma + epsilon * (2.0 * absolute - epsilon * sigma * outside)
    return float(value)


@compiled
def _newton(n: int, epsilon: float, floor: float, fit: Floats, moments: Floats) -> int:
    """Step to the minimum for the set just measured: SOLVED, or NOTHING where it has none.

    Sigma falls by at most FALL per step (APPROACHED): at once, it could collapse onto the few bars
    that happen to lie on the current line.
    """
    n_in, sx, sxx = moments[N_IN], moments[SX], moments[SXX]
    if n_in < 2:
        return NOTHING
    mean = sx / n_in
    centred = sxx - sx * mean
    if not centred > 1e-12 * sxx:
        return NOTHING
    # Both right-hand sides with x centred on the bars inside: level and slope then decouple.
    r0, t0 = moments[R0], epsilon * moments[T0]
    r1, t1 = moments[R1] - mean * r0, epsilon * moments[T1] - mean * t0
    room = n - epsilon * epsilon * (n - n_in) - t0 * t0 / n_in - t1 * t1 / centred
    left = moments[RR] - r0 * r0 / n_in - r1 * r1 / centred
    if not room > 0.0:
        return NOTHING
    wanted = max(math.sqrt(left / room) if left > 0.0 else 0.0, floor)
    sigma = max(wanted, FALL * fit[SIGMA])
    slope = (r1 + sigma * t1) / centred
    fit[SLOPE] += slope
    fit[LEVEL] += (r0 + sigma * t0) / n_in - slope * mean
    fit[SIGMA] = sigma
    return SOLVED if sigma == wanted else APPROACHED


@compiled
def _reweight(ring_y: Floats, ring_x: Floats, epsilon: float, floor: float, fit: Floats) -> None:
    """Do one step of iterated reweighting, which never raises the objective."""
    ref_y, ref_x = fit[REF_Y] + fit[LEVEL], fit[REF_X]
    slope, sigma = fit[SLOPE], fit[SIGMA]
    edge = epsilon * sigma
    sw = swx = swr = 0.0
    constant = float(len(ring_y))
    for i in range(len(ring_y)):
        dx = ring_x[i] - ref_x
        r = (ring_y[i] - ref_y) - slope * dx
        size = abs(r)
        w = edge / size if size > edge else 1.0
        if size > edge:
            constant += epsilon * (size / sigma - epsilon)
        sw += w
        swx += w * dx
        swr += w * r
    mean_x, mean_r = swx / sw, swr / sw
    sxx = sxr = 0.0
    for i in range(len(ring_y)):
        dx = ring_x[i] - ref_x
        r = (ring_y[i] - ref_y) - slope * dx
        w = edge / abs(r) if abs(r) > edge else 1.0
        sxx += w * (dx - mean_x) ** 2
        sxr += w * (dx - mean_x) * (r - mean_r)
    step = sxr / sxx if sxx > 0.0 else 0.0
    level = mean_r - step * mean_x
    srr = 0.0
    for i in range(len(ring_y)):
        dx = ring_x[i] - ref_x
        r = (ring_y[i] - ref_y) - slope * dx
        w = edge / abs(r) if abs(r) > edge else 1.0
        srr += w * (r - level - step * dx) ** 2
    fit[SLOPE] += step
    fit[LEVEL] += level
    fit[SIGMA] = max(math.sqrt(srr / constant), floor, FALL * sigma)


@compiled
def _stride(
    ring_y: Floats,
    ring_x: Floats,
    epsilon: float,
    floor: float,
    fit: Floats,
    codes: Codes,
    moments: Floats,
) -> None:
    """Reweight, then go on in the same direction, twice as far each time, while it pays.

    Reweighting alone creeps where the bars inside share one x (a price that stood still), since
    nothing there holds the slope.
    """
    level, slope, sigma = fit[LEVEL], fit[SLOPE], fit[SIGMA]
    _reweight(ring_y, ring_x, epsilon, floor, fit)
    to_level, to_slope, to_sigma = fit[LEVEL] - level, fit[SLOPE] - slope, fit[SIGMA] - sigma
    best = _measure(ring_y, ring_x, epsilon, fit, codes, moments)
    times = 2.0
    for _ in range(60):
        kept_level, kept_slope, kept_sigma = fit[LEVEL], fit[SLOPE], fit[SIGMA]
        fit[LEVEL], fit[SLOPE] = level + times * to_level, slope + times * to_slope
        fit[SIGMA] = max(sigma + times * to_sigma, floor, FALL * kept_sigma)
        value = _measure(ring_y, ring_x, epsilon, fit, codes, moments)
        if not value < best:
            fit[LEVEL], fit[SLOPE], fit[SIGMA] = kept_level, kept_slope, kept_sigma
            return
        best = value
        times *= 2.0


@compiled
def _turn(dy: Floats, dx: Floats, pivot: int) -> float:
    """Return the slope of the line through one bar with the least absolute residuals.

    It is the median of the slopes to the other bars, each weighted by its distance in x.
    """
    slopes, weights = np.zeros(len(dy)), np.zeros(len(dy))
    for i in range(len(dy)):
        if dx[i] != dx[pivot]:
            weights[i] = abs(dx[i] - dx[pivot])
            slopes[i] = (dy[i] - dy[pivot]) / (dx[i] - dx[pivot])
    order = np.argsort(slopes)
    half, passed = 0.5 * weights.sum(), 0.0
    for i in order:
        passed += weights[i]
        if weights[i] > 0.0 and passed >= half:
            return float(slopes[i])
    return 0.0


@compiled
def _least_absolute(ring_y: Floats, ring_x: Floats, fit: Floats, codes: Codes) -> None:
    """Put the line of least absolute residuals into `fit`, exactly.

    The best line goes through two bars. A line through some bars is turned about each of them in
    turn; once no turn shortens the residuals, none of its neighbours is better, and by convexity
    no line is.
    """
    dy, dx = ring_y - (fit[REF_Y] + fit[LEVEL]), ring_x - fit[REF_X]
    slope = fit[SLOPE]
    pivot = int(np.argmin(np.abs(dy - slope * dx)))
    level = dy[pivot] - slope * dx[pivot]
    least, close = np.inf, 1e-12 * (np.abs(dy).max() + abs(slope) * np.abs(dx).max())
    codes[:] = 0
    for _ in range(MOST_STEPS):
        turned = _turn(dy, dx, pivot)
        new_level = dy[pivot] - turned * dx[pivot]
        total = np.abs(dy - new_level - turned * dx).sum()
        if total < least * (1.0 - 1e-14):
            least, slope, level = total, turned, new_level
            codes[:] = 0
        for i in range(len(dx)):
            if dx[i] == dx[pivot]:
                codes[i] = 1
        pivot = -1
        for i in range(len(dx)):
            if codes[i] == 0 and abs(dy[i] - level - slope * dx[i]) <= close:
                pivot = i
        if pivot < 0:
            break
    fit[LEVEL] += level
    fit[SLOPE] = slope


@compiled
def _collapse(
    ring_y: Floats,
    ring_x: Floats,
    epsilon: float,
    floor: float,
    fit: Floats,
    codes: Codes,
    moments: Floats,
    best: float,
) -> bool:
    """Try whether the scale tends to 0: the minimum is then the line of least absolutes.

    It is if sigma grows the objective there, which is what `room` in `_newton` says of the bars on
    the line. Where it is not, `fit` stays as it was.
    """
    level, slope, sigma = fit[LEVEL], fit[SLOPE], fit[SIGMA]
    _least_absolute(ring_y, ring_x, fit, codes)
    # Wide enough to count the bars on the line as inside whatever was rounded.
    fit[SIGMA] = 10.0 * floor
    value = _measure(ring_y, ring_x, epsilon, fit, codes, moments)
    line_level, line_slope = fit[LEVEL], fit[SLOPE]
    # The wider scale alone costs so much. Descent that has ended up at the floor needs no more
    # proof: ties between bars can leave many lines equally good.
    near = best + 20.0 * len(ring_y) * floor
    sound = value <= near and (
        sigma <= 100.0 * floor or _newton(len(ring_y), epsilon, floor, fit, moments) > 0
    )
    if sound:
        fit[LEVEL], fit[SLOPE], fit[SIGMA] = line_level, line_slope, floor
    else:
        fit[LEVEL], fit[SLOPE], fit[SIGMA] = level, slope, sigma
    return bool(sound)


@compiled
def _start(ring_y: Floats, ring_x: Floats, fit: Floats) -> None:
    """Put the window's least-squares line into `fit`."""
    n = len(ring_y)
    mean_y = mean_x = 0.0
    for i in range(n):
        mean_y += (ring_y[i] - ring_y[0]) / n
        mean_x += (ring_x[i] - ring_x[0]) / n
    fit[REF_Y], fit[REF_X], fit[LEVEL] = ring_y[0] + mean_y, ring_x[0] + mean_x, 0.0
    sxx = sxy = syy = 0.0
    for i in range(n):
        dy, dx = ring_y[i] - fit[REF_Y], ring_x[i] - fit[REF_X]
        sxx += dx * dx
        sxy += dx * dy
        syy += dy * dy
    fit[SLOPE] = sxy / sxx if sxx > 0.0 else 0.0
    fit[SIGMA] = math.sqrt(max(syy - fit[SLOPE] * sxy, 0.0) / n)


@compiled
def _solve(
    ring_y: Floats, ring_x: Floats, epsilon: float, fit: Floats, codes: Codes, moments: Floats
) -> bool:
    """Minimise over level, slope and sigma, starting from what `fit` holds."""
    n = len(ring_y)
    largest = 0.0
    for i in range(n):
        largest = max(largest, abs(ring_y[i] - fit[REF_Y]))
    floor = max(SCALE_FLOOR * largest, 1e-150)
    moments[FLOOR] = floor
    fit[SIGMA] = max(fit[SIGMA], floor)
    best = np.inf
    level, slope, sigma = fit[LEVEL], fit[SLOPE], fit[SIGMA]
    step, earlier = NOTHING, np.inf
    codes[:] = 2
    for count in range(MOST_STEPS):
        if count % PATIENCE == PATIENCE - 1:
            if _collapse(ring_y, ring_x, epsilon, floor, fit, codes, moments, best):
                return True
            # Ties between bars can leave many lines equally good: the objective is then flat.
            if earlier - best <= 1e-9 * best:
                return True
            earlier = best
        value = _measure(ring_y, ring_x, epsilon, fit, codes, moments)
        if step == SOLVED and moments[CHANGED] == 0.0:
            return True
        if value > best + 1e-13 * abs(best):
            if step != NOTHING:
                fit[LEVEL], fit[SLOPE], fit[SIGMA] = level, slope, sigma
                _stride(ring_y, ring_x, epsilon, floor, fit, codes, moments)
                step = NOTHING
                continue
            return True
        moved = abs(fit[LEVEL] - level) + abs(fit[SLOPE] - slope) * math.sqrt(
            moments[SXX] / max(moments[N_IN], 1.0)
        )
        if best < np.inf and moved <= 1e-12 * fit[SIGMA] and best - value <= 1e-15 * abs(best):
            return True
        best = value
        level, slope, sigma = fit[LEVEL], fit[SLOPE], fit[SIGMA]
        step = _newton(n, epsilon, floor, fit, moments)
        if step == NOTHING:
            _stride(ring_y, ring_x, epsilon, floor, fit, codes, moments)
    return False


@compiled
def roll_huber(
    y: Floats,
    x: Floats,
    epsilon: float,
    ring_y: Floats,
    ring_x: Floats,
    fit: Floats,
    counts: Counts,
    alpha: Floats,
    beta: Floats,
    scale: Floats,
) -> None:
    """Follow the window over new bars; fills alpha, beta and sigma. One single x gives NaN."""
    window = len(ring_y)
    codes = np.empty(window, np.int8)
    moments = np.empty(MOMENTS)
    for t in range(len(y)):
        alpha[t] = beta[t] = scale[t] = np.nan
        if not (abs(y[t]) < LIMIT and abs(x[t]) < LIMIT):
            continue
        head = counts[HEAD]
        before = head - 1 if head > 0 else window - 1
        counts[RUN] = counts[RUN] + 1 if counts[SEEN] > 0 and ring_x[before] == x[t] else 1
        ring_y[head], ring_x[head] = y[t], x[t]
        counts[HEAD] = head + 1 if head + 1 < window else 0
        counts[SEEN] += 1
        if counts[SEEN] < window:
            continue
        if counts[RUN] >= window:
            counts[WARM] = 0
            continue
        if counts[WARM] == 0:
            _start(ring_y, ring_x, fit)
        if not _solve(ring_y, ring_x, epsilon, fit, codes, moments):
            _start(ring_y, ring_x, fit)
            if not _solve(ring_y, ring_x, epsilon, fit, codes, moments):
                counts[GIVEN_UP] += 1
                counts[WARM] = 0
                continue
        # From a collapsed scale there is no way back: begin the next window afresh.
        counts[WARM] = 1 if fit[SIGMA] > moments[FLOOR] else 0
        if moments[N_IN] > 0.0:
            # Follow the price: centre the next window on the bars inside this one.
            move = moments[SX] / moments[N_IN]
            fit[REF_X] += move
            fit[REF_Y] += fit[LEVEL] + fit[SLOPE] * move
            fit[LEVEL] = 0.0
        beta[t], scale[t] = fit[SLOPE], fit[SIGMA]
        alpha[t] = (fit[REF_Y] + fit[LEVEL]) - fit[SLOPE] * fit[REF_X]
        fit[LAST_ALPHA], fit[LAST_BETA] = alpha[t], beta[t]

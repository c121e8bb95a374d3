"""Kalman filter for a hedge whose level and slope wander, one bar at a time.

    y[t] = offset + level[t] + slope[t] * u[t] + noise,    u[t] = (x[t] - centre[t]) / scale

level and slope are random walks. In raw units centre and offset are 0 and scale is 1. Otherwise
the centre follows x slowly and the level is carried along with it, so that "level" stays the
level where the price is now, however far that is from where the filter started.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Places in `state`: coordinates; state and covariance before the next bar; process covariance,
# observation variance, the factor all variances share; how fast centre and factor follow; the
# hedge after the last bar.
(
    CENTRE, SCALE, OFFSET, LEVEL, SLOPE, P00, P01, P11, W00, W01, W11, NOISE, FACTOR,
    CENTRE_GAIN, FACTOR_GAIN, LAST_ALPHA, LAST_BETA,
) = range(17)  # fmt: skip
KALMAN_STATE = 17

LIMIT = 1e50
# A level and slope of which nothing is known: this many times the noise, in standard deviations.
DIFFUSE = 1e6


@compiled
def _update(
    y: float, u: float, level: float, slope: float, p00: float, p01: float, p11: float, noise: float
) -> tuple[float, float, float, float, float, float, float]:
    """Take one bar in: innovation, its variance, and the state and covariance after the bar.

    The covariance given is *prior* to the bar. The update is Joseph's form, which stays positive
    definite whatever is rounded. Without a variance above 0 the state stays as it is.
    """
    h0, h1 = p00 + u * p01, p01 + u * p11
    variance = h0 + u * h1 + noise
    innovation = y - (level + slope * u)
    if not variance > 0.0:
        return innovation, np.nan, level, slope, p00, p01, p11
    share = 1.0 / variance
    k0, k1 = h0 * share, h1 * share
    a, b, c, d = 1.0 - k0, -k0 * u, -k1, 1.0 - k1 * u
    q00, q01 = a * p00 + b * p01, a * p01 + b * p11
    q10, q11 = c * p00 + d * p01, c * p01 + d * p11
    return (
        innovation,
        variance,
        level + k0 * innovation,
        slope + k1 * innovation,
        q00 * a + q01 * b + k0 * k0 * noise,
        q00 * c + q01 * d + k0 * k1 * noise,
        q10 * c + q11 * d + k1 * k1 * noise,
    )


@compiled
def _write_state(
    states: Floats, t: int, first: int, centre: float, scale: float, offset: float, factor: float,
    level: float, slope: float, p00: float, p01: float, p11: float,
) -> None:  # fmt: skip
    """Write (alpha, beta), their variances and covariance (first, last, middle) in raw units."""
    arm = centre / scale
    states[t, first] = offset + level - slope * arm
    states[t, first + 1] = slope / scale
    states[t, first + 2] = factor * (p00 - arm * (2.0 * p01 - arm * p11))
    states[t, first + 3] = factor * (p01 - arm * p11) / scale
    states[t, first + 4] = factor * p11 / (scale * scale)


@compiled
def run_kalman(
    y: Floats,
    x: Floats,
    state: Floats,
    alpha: Floats,
    beta: Floats,
    innovation: Floats,
    innovation_var: Floats,
    states: Floats,
) -> int:
    """Follow the hedge over new bars, starting from and leaving the prior of the next bar.

    `states`, unless empty, gets a row per bar: the state before it and after it, each as
    `_write_state` has it. Returns how many bars were usable.

    (The state lives in local variables: in the array it would go through memory at every bar.)
    """
    centre, scale, offset = state[CENTRE], state[SCALE], state[OFFSET]
    level, slope = state[LEVEL], state[SLOPE]
    p00, p01, p11 = state[P00], state[P01], state[P11]
    w00, w01, w11 = state[W00], state[W01], state[W11]
    noise, factor = state[NOISE], state[FACTOR]
    centre_gain, factor_gain = state[CENTRE_GAIN], state[FACTOR_GAIN]
    last_alpha, last_beta = state[LAST_ALPHA], state[LAST_BETA]
    per_unit = 1.0 / scale
    taken, kept = 0, len(states) > 0
    for t in range(len(y)):
        if not (abs(y[t]) < LIMIT and abs(x[t]) < LIMIT):
            alpha[t] = beta[t] = innovation[t] = innovation_var[t] = np.nan
            if kept:
                states[t] = np.nan
            continue
        taken += 1
        if kept:
            _write_state(
                states, t, 0, centre, scale, offset, factor, level, slope, p00, p01, p11
            )  # fmt: skip
        away = x[t] - centre
        e, variance, level, slope, p00, p01, p11 = _update(
            y[t] - offset, away * per_unit, level, slope, p00, p01, p11, noise
        )
        innovation[t], innovation_var[t] = e, variance * factor
        if kept:
            _write_state(
                states, t, 5, centre, scale, offset, factor, level, slope, p00, p01, p11
            )  # fmt: skip
        last_beta = slope * per_unit
        last_alpha = offset + level - last_beta * centre
        alpha[t], beta[t] = last_alpha, last_beta
        if factor_gain > 0.0 and variance > 0.0:
            factor += factor_gain * (e * e / variance - factor)
        # On to the next bar: the centre follows x, the level goes with it, the hedge may wander.
        move = centre_gain * away * per_unit
        centre += centre_gain * away
        level += move * slope
        p00 += move * (2.0 * p01 + move * p11) + w00
        p01 += move * p11 + w01
        p11 += w11
    state[CENTRE], state[FACTOR] = centre, factor
    state[LEVEL], state[SLOPE] = level, slope
    state[P00], state[P01], state[P11] = p00, p01, p11
    state[LAST_ALPHA], state[LAST_BETA] = last_alpha, last_beta
    return taken


@compiled
def _set_up(y: Floats, x: Floats, level_ratio: float, slope_ratio: float, state: Floats) -> bool:
    """Set coordinates, ratios and a diffuse state from usable bars; False where there is no scale.

    The start is diffuse around the bars' own line, so that it need not outweigh the size of y.
    """
    count = len(y)
    mean_y = mean_x = 0.0
    for t in range(count):
        mean_y += (y[t] - y[0]) / count
        mean_x += (x[t] - x[0]) / count
    mean_y, mean_x = y[0] + mean_y, x[0] + mean_x
    sxx = syy = sxy = 0.0
    for t in range(count):
        dy, dx = y[t] - mean_y, x[t] - mean_x
        sxx += dx * dx
        syy += dy * dy
        sxy += dx * dy
    # Rounding leaves a variance of this order in a constant column, and in a perfect fit.
    if not (sxx > count * (1e-14 * mean_x) ** 2 and sxx > 0.0):
        return False
    if not (syy - sxy * sxy / sxx > 1e-24 * (syy + count * mean_y * mean_y)):
        return False
    state[:] = 0.0
    state[CENTRE], state[SCALE], state[OFFSET] = mean_x, np.sqrt(sxx / count), mean_y
    state[W00], state[W11], state[NOISE], state[FACTOR] = level_ratio, slope_ratio, 1.0, 1.0
    state[SLOPE] = sxy / sxx * state[SCALE]
    state[P00] = state[P11] = DIFFUSE
    return True


@compiled
def _over_prefix(y: Floats, x: Floats, settle: int, state: Floats) -> tuple[float, float]:
    """Filter with the centre standing still, leaving state and covariance *after* the last bar.

    Returns, from bar `settle` on, the sums of the squared standardised innovations and of the
    logarithms of their variances.
    """
    level, slope = state[LEVEL], state[SLOPE]
    p00, p01, p11 = state[P00], state[P01], state[P11]
    total = logs = 0.0
    for t in range(len(y)):
        if t > 0:
            p00 += state[W00]
            p11 += state[W11]
        u = (x[t] - state[CENTRE]) / state[SCALE]
        e, variance, level, slope, p00, p01, p11 = _update(
            y[t] - state[OFFSET], u, level, slope, p00, p01, p11, state[NOISE]
        )
        if t >= settle:
            total += e * e / variance
            logs += np.log(variance)
    state[LEVEL], state[SLOPE] = level, slope
    state[P00], state[P01], state[P11] = p00, p01, p11
    return total, logs


@compiled
def start_kalman(
    y: Floats,
    x: Floats,
    level_ratio: float,
    slope_ratio: float,
    settle: int,
    centre_gain: float,
    factor_gain: float,
    state: Floats,
) -> bool:
    """Set coordinates, variances and state from a prefix of usable bars.

    x is centred on the prefix's mean and scaled by its standard deviation, so nothing depends on
    units. The filter then runs over the prefix with noise variance 1; the mean of its squared
    standardised innovations after the first `settle` bars is the factor that all variances share
    (the maximum-likelihood one, given the ratios). Returns False, leaving `state` undefined, where
    x is constant or the fit is perfect: there is no scale then.
    """
    if not _set_up(y, x, level_ratio, slope_ratio, state):
        return False
    total, _ = _over_prefix(y, x, settle, state)
    away = x[-1] - state[CENTRE]
    state[LAST_BETA] = state[SLOPE] / state[SCALE]
    state[LAST_ALPHA] = state[OFFSET] + state[LEVEL] - state[LAST_BETA] * state[CENTRE]
    d = centre_gain * away / state[SCALE]
    state[CENTRE] += centre_gain * away
    state[LEVEL] += d * state[SLOPE]
    state[P00] += d * (2.0 * state[P01] + d * state[P11]) + state[W00]
    state[P01] += d * state[P11]
    state[P11] += state[W11]
    state[FACTOR] = total / (len(y) - settle)
    state[CENTRE_GAIN], state[FACTOR_GAIN] = centre_gain, factor_gain
    return bool(state[FACTOR] > 0.0)


@compiled
def kalman_likelihood(
    y: Floats, x: Floats, level_ratio: float, slope_ratio: float, state: Floats
) -> float:
    """Return the log-likelihood of the ratios, the shared factor at its best; NaN without scale.

    The first two innovations only settle the diffuse start and are left out. `state` ends as in
    `start_kalman` with a fixed centre.
    """
    if not _set_up(y, x, level_ratio, slope_ratio, state):
        return np.nan
    total, logs = _over_prefix(y, x, 2, state)
    state[P00] += state[W00]
    state[P11] += state[W11]
    terms = len(y) - 2
    state[FACTOR] = total / terms
    return float(-0.5 * (terms * (np.log(2.0 * np.pi * state[FACTOR]) + 1.0) + logs))

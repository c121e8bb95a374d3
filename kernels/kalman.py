"""Kalman filter for a hedge whose level and slope wander, one bar at a time.

    y[t] = offset + level[t] + slope[t] * u[t] + noise,    u[t] = (x[t] - centre[t]) / scale

level and slope are random walks. In raw units centre and offset are 0 and scale is 1. Otherwise
the centre follows x slowly and the level is carried along with it, so that "level" stays the
level where the price is now, however far that is from where the filter started.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kernels.compiled import compiled

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

LIMIT = 1e100
# A level and slope of which nothing is known: this many times the noise, in standard deviations.
DIFFUSE = 1e6


@compiled
def _update(y: float, x: float, state: Floats) -> tuple[float, float]:
    """Take one bar in; return the innovation and its variance before the shared factor.

    `state` comes with the covariance *prior* to the bar. The update is Joseph's form, which stays
    positive definite whatever is rounded.
    """
    u = (x - state[CENTRE]) / state[SCALE]
    p00, p01, p11, noise = state[P00], state[P01], state[P11], state[NOISE]
    h0, h1 = p00 + u * p01, p01 + u * p11
    variance = h0 + u * h1 + noise
    innovation = (y - state[OFFSET]) - (state[LEVEL] + state[SLOPE] * u)
    if not variance > 0.0:
        return innovation, np.nan
    k0, k1 = h0 / variance, h1 / variance
    state[LEVEL] += k0 * innovation
    state[SLOPE] += k1 * innovation
    a, b, c, d = 1.0 - k0, -k0 * u, -k1, 1.0 - k1 * u
    q00, q01 = a * p00 + b * p01, a * p01 + b * p11
    q10, q11 = c * p00 + d * p01, c * p01 + d * p11
    state[P00] = q00 * a + q01 * b + k0 * k0 * noise
    state[P01] = q00 * c + q01 * d + k0 * k1 * noise
    state[P11] = q10 * c + q11 * d + k1 * k1 * noise
    return innovation, variance


@compiled
def _note_hedge(state: Floats) -> None:
    state[LAST_BETA] = state[SLOPE] / state[SCALE]
    state[LAST_ALPHA] = state[OFFSET] + state[LEVEL] - state[LAST_BETA] * state[CENTRE]


@compiled
def _predict(x: float, state: Floats) -> None:
    """Move on to the next bar: the centre follows x, and the hedge may have wandered."""
    move = state[CENTRE_GAIN] * (x - state[CENTRE])
    if move != 0.0:
        d = move / state[SCALE]
        state[CENTRE] += move
        state[LEVEL] += d * state[SLOPE]
        state[P00] += d * (2.0 * state[P01] + d * state[P11])
        state[P01] += d * state[P11]
    state[P00] += state[W00]
    state[P01] += state[W01]
    state[P11] += state[W11]


@compiled
def run_kalman(
    y: Floats,
    x: Floats,
    state: Floats,
    alpha: Floats,
    beta: Floats,
    innovation: Floats,
    innovation_var: Floats,
) -> None:
    """Follow the hedge over new bars, starting from and leaving the prior of the next bar."""
    for t in range(len(y)):
        alpha[t] = beta[t] = innovation[t] = innovation_var[t] = np.nan
        if not (abs(y[t]) < LIMIT and abs(x[t]) < LIMIT):
            continue
        factor = state[FACTOR]
        e, variance = _update(y[t], x[t], state)
        innovation[t] = e
        innovation_var[t] = variance * factor
        _note_hedge(state)
        alpha[t], beta[t] = state[LAST_ALPHA], state[LAST_BETA]
        if state[FACTOR_GAIN] > 0.0 and variance > 0.0:
            state[FACTOR] += state[FACTOR_GAIN] * (e * e / variance - factor)
        _predict(x[t], state)


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
    count, total = len(y), 0.0
    for t in range(count):
        e, variance = _update(y[t], x[t], state)
        if t >= settle:
            total += e * e / variance
        if t + 1 == count:
            _note_hedge(state)
            state[CENTRE_GAIN] = centre_gain
        _predict(x[t], state)
    state[FACTOR] = total / (count - settle)
    state[FACTOR_GAIN] = factor_gain
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
    total = logs = 0.0
    for t in range(len(y)):
        e, variance = _update(y[t], x[t], state)
        if t >= 2:
            total += e * e / variance
            logs += np.log(variance)
        _predict(x[t], state)
    terms = len(y) - 2
    state[FACTOR] = total / terms
    return float(-0.5 * (terms * (np.log(2.0 * np.pi * state[FACTOR]) + 1.0) + logs))

"""Small loops over one or two series. Bars that are not usable get NaN and change nothing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]

# As everywhere: one comparison finds NaN, infinities and numbers whose squares would overflow.
LIMIT = 1e50
# As in `tandem/kernels/ols.py`: how often, and on what loss of digits, a window is summed afresh.
REFRESH = 8
CANCELLED = 1e-3


@compiled
def less_hedge(y: Floats, x: Floats, alpha: Floats, beta: Floats, lag: int, spread: Floats) -> None:
    """Fill y less alpha + beta x: the bar's own hedge (lag 0) or the last one before it (lag 1)."""
    known_alpha = known_beta = np.nan
    for t in range(len(y)):
        if lag == 0:
            known_alpha, known_beta = alpha[t], beta[t]
        value = y[t] - (known_alpha + known_beta * x[t])
        spread[t] = value if math.isfinite(value) else np.nan
        if not math.isnan(alpha[t]):
            known_alpha = alpha[t]
        if not math.isnan(beta[t]):
            known_beta = beta[t]


@compiled
def slope_against_time(
    price: Floats, window: int, percent: float, slope: Floats, relative: Floats
) -> None:
    """Fill the least-squares slope of the last `window` usable prices against 0, 1, 2, ...

    `relative`, unless empty, gets `percent` times the slope over the price. Summed anew for every
    bar: the weights are known, so it costs one multiplication per bar of the window and never
    drifts. The prices are taken relative to the newest one, in four strands, which the processor
    works on at once.
    """
    middle = (window - 1) / 2.0
    weight = window * (float(window) * window - 1.0) / 12.0
    # Every price stands here twice, so that the window is always one piece.
    ring = np.empty(2 * window)
    head = seen = 0
    for t in range(len(price)):
        now = price[t]
        slope[t] = np.nan
        if len(relative) > 0:
            relative[t] = np.nan
        if not abs(now) < LIMIT:
            continue
        ring[head] = ring[head + window] = now
        head = head + 1 if head + 1 < window else 0
        seen += 1
        if seen < window:
            continue
        s0 = s1 = s2 = s3 = 0.0
        stop = window - window % 4
        for i in range(0, stop, 4):
            s0 += (i - middle) * (ring[head + i] - now)
            s1 += (i + 1 - middle) * (ring[head + i + 1] - now)
            s2 += (i + 2 - middle) * (ring[head + i + 2] - now)
            s3 += (i + 3 - middle) * (ring[head + i + 3] - now)
        for i in range(stop, window):
            s0 += (i - middle) * (ring[head + i] - now)
        slope[t] = ((s0 + s1) + (s2 + s3)) / weight
        if len(relative) > 0 and now != 0.0:
            relative[t] = percent * slope[t] / abs(now)


@compiled
def root_mean_square_return(price: Floats, window: int, scale: float, out: Floats) -> None:
    """Fill `scale` times the root mean square of the last `window` log returns.

    Squares enter and leave a sum, which is summed afresh every eight windows, and at once where
    what has left was far larger than what is there.
    """
    ring = np.zeros(window)
    last, total, peak = np.nan, 0.0, 0.0
    head = seen = age = 0
    for t in range(len(price)):
        out[t] = np.nan
        if not 0.0 < price[t] < LIMIT:
            continue
        now = math.log(price[t])
        if seen > 0:
            square = (now - last) * (now - last)
            total += square - ring[head]
            ring[head] = square
            head = head + 1 if head + 1 < window else 0
            peak = max(peak, total)
            age += 1
            if age >= REFRESH * window or not total > CANCELLED * peak:
                total = 0.0
                for i in range(window):
                    total += ring[i]
                peak, age = total, 0
            if seen >= window:
                out[t] = scale * math.sqrt(total / window)
        last = now
        seen += 1


@compiled
def relative_changes(
    y: Floats, x: Floats, last: Floats, change_y: Floats, change_x: Floats
) -> None:
    """Fill the changes of both legs from the usable bar before, over its prices.

    NaN at unusable bars and from a price of 0. `last` holds the two prices of the last usable bar,
    NaN before the first.
    """
    last_y, last_x = last[0], last[1]
    for t in range(len(y)):
        change_y[t] = change_x[t] = np.nan
        if not (abs(y[t]) < LIMIT and abs(x[t]) < LIMIT):
            continue
        if last_y != 0.0 and last_x != 0.0:
            change_y[t] = (y[t] - last_y) / abs(last_y)
            change_x[t] = (x[t] - last_x) / abs(last_x)
        last_y, last_x = y[t], x[t]
    last[0], last[1] = last_y, last_x


@compiled
def relative_strength(price: Floats, window: int, out: Floats) -> None:
    """Fill Wilder's index: 100 times the smoothed rises over rises and falls together."""
    rise = fall = 0.0
    last = np.nan
    changes = -1
    share = 1.0 / window
    for t in range(len(price)):
        out[t] = np.nan
        if not abs(price[t]) < LIMIT:
            continue
        changes += 1
        if changes > 0:
            change = price[t] - last
            up, down = max(change, 0.0), max(-change, 0.0)
            if changes <= window:
                rise += up * share
                fall += down * share
            else:
                rise += (up - rise) * share
                fall += (down - fall) * share
            if changes >= window and rise + fall > 0.0:
                out[t] = 100.0 * rise / (rise + fall)
        last = price[t]


@compiled
def hold_before(values: Floats, before: Floats) -> None:
    """Fill each bar with the last value known strictly before it; NaN before the first."""
    last = np.nan
    for t in range(len(values)):
        before[t] = last
        if not np.isnan(values[t]):
            last = values[t]

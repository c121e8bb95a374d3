"""Small loops over one series."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kernels.compiled import compiled

Floats = npt.NDArray[np.float64]


@compiled
def slope_against_time(price: Floats, window: int, slope: Floats) -> None:
    """Fill the least-squares slope of the last `window` prices against 0, 1, 2, ...

    Summed anew for every bar: the weights are known, so it costs one multiplication per bar of the
    window and never drifts. The prices are taken relative to the newest one.
    """
    middle = (window - 1) / 2.0
    weight = window * (float(window) * window - 1.0) / 12.0
    for t in range(len(price)):
        slope[t] = np.nan
        if t + 1 < window:
            continue
        total = 0.0
        for i in range(window):
            total += (i - middle) * (price[t - window + 1 + i] - price[t])
        slope[t] = total / weight


@compiled
def mean_square(values: Floats, window: int, out: Floats) -> None:
    """Fill the mean square of the last `window` values, summed anew for every bar."""
    for t in range(len(values)):
        out[t] = np.nan
        if t + 1 >= window:
            total = 0.0
            for i in range(t - window + 1, t + 1):
                total += values[i] * values[i]
            out[t] = total / window


@compiled
def relative_strength(change: Floats, window: int, out: Floats) -> None:
    """Fill Wilder's index: 100 times the smoothed rises over rises and falls together."""
    rise = fall = 0.0
    for t in range(len(change)):
        out[t] = np.nan
        up, down = max(change[t], 0.0), max(-change[t], 0.0)
        if t < window:
            rise += up / window
            fall += down / window
        else:
            rise += (up - rise) / window
            fall += (down - fall) / window
        if t + 1 >= window and rise + fall > 0.0:
            out[t] = 100.0 * rise / (rise + fall)

"""Sums over the changes of one series, for its Hurst exponent and its variance ratio."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

Floats = npt.NDArray[np.float64]


@compiled
def mean_squared_steps(values: Floats, most: int, out: Floats) -> None:
    """Fill the mean squared change over 1, 2, ... `most` bars."""
    for k in range(1, most + 1):
        total = 0.0
        for t in range(k, len(values)):
            step = values[t] - values[t - k]
            total += step * step
        out[k - 1] = total / (len(values) - k)


@compiled
def variance_ratio_parts(values: Floats, q: int) -> tuple[float, float]:
    """Return Lo and MacKinlay's ratio over q bars and its robust statistic; NaN without changes."""
    count = len(values) - 1
    mean = (values[count] - values[0]) / count
    squares = np.empty(count)
    total = 0.0
    for t in range(count):
        step = values[t + 1] - values[t] - mean
        squares[t] = step * step
        total += squares[t]
    if not total * total > 0.0:
        return np.nan, np.nan
    long = 0.0
    for t in range(q, count + 1):
        step = values[t] - values[t - q] - q * mean
        long += step * step
    scale = q * (count - q + 1) * (1.0 - q / count)
    ratio = long / scale / (total / (count - 1))
    variance = 0.0
    for k in range(1, q):
        together = 0.0
        for t in range(k, count):
            together += squares[t] * squares[t - k]
        variance += (2.0 * (q - k) / q) ** 2 * (together / total) * (count / total)
    if not variance > 0.0:
        return ratio, np.nan
    return ratio, math.sqrt(count) * (ratio - 1.0) / math.sqrt(variance)

"""Rolling z-scores of what is watched, several in one call that keeps the GIL.

A call is about one bar or a few trades and takes microseconds; each call that let the GIL go would
wait for it behind whatever thread is busy.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kernels import zscore
from kernels.compiled import held_over

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

# Columns of what is filled in for each price; the first is the caller's. After the price and after
# the return come its z, and the mean and deviation that is of.
PRICE, MOVED = 1, 5
PRICE_OUTPUTS = 9


@held_over(zscore)
def watch_prices(
    price: Floats, last: Floats, rings: Floats, sums: Floats, counts: Whole, out: Floats
) -> None:
    """Fill the z-score of each price and of its log return, and what they were computed from.

    `last` holds the last price's log; the first row of the other states is the price's, the second
    the return's. A price that is none changes nothing.
    """
    many = len(price)
    parts = np.empty((2, many))
    z, mean, deviation = np.empty(many), np.empty(many), np.empty(many)
    for t in range(many):
        out[t, PRICE] = price[t]
        parts[:, t] = np.nan
        if price[t] > 0.0 and price[t] < 1e50:
            log = math.log(price[t])
            parts[0, t], parts[1, t] = price[t], log - last[0]
            last[0] = log
        out[t, MOVED] = parts[1, t]
    for i in range(2):
        zscore.roll_z(parts[i], 1, rings[i], sums[i], counts[i], z, mean, deviation)
        for t in range(many):
            first = PRICE if i == 0 else MOVED
            out[t, first + 1], out[t, first + 2] = z[t], mean[t]
            out[t, first + 3] = deviation[t]


@held_over(zscore)
def watch_columns(
    columns: Floats,
    rings: Floats,
    sums: Floats,
    counts: Whole,
    z: Floats,
    mean: Floats,
    deviation: Floats,
) -> None:
    """Fill the z-scores of several columns, each a row of every array."""
    for i in range(len(columns)):
        zscore.roll_z(columns[i], 1, rings[i], sums[i], counts[i], z[i], mean[i], deviation[i])

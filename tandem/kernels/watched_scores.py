"""Rolling z-scores of what is watched, several in one call that keeps the GIL.

A call is about one bar or a few trades and takes microseconds; each call that let the GIL go would
wait for it behind whatever thread is busy.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels import zscore
from tandem.kernels.compiled import held_over

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

# Columns of what is filled in for each price; the first is the caller's. After the price and after
# the return come its z, and the mean and deviation that is of.
PRICE, MOVED = 1, 5
PRICE_OUTPUTS = 9


# The last price's log and time in seconds, the usual time between prices, and how many there were.
LAST_PRICE, LAST_TIME, SPACING, PRICES = range(4)
LAST_STATE = 4
# A price is after a hole where it comes later than this, and later than so many usual spacings;
# what is usual is known after so many prices, and learned from about the last fifty.
HOLE_S = 60.0
_HOLE_SPACINGS, _SPACING_KNOWN, _SPACING_MEMORY = 20.0, 20, 50
# A hole counts as no more than this many usual spacings, or one would hide the next.
_SPACING_MOST = 10.0


@held_over(zscore)
def watch_prices(
    time_us: Whole,
    price: Floats,
    last: Floats,
    rings: Floats,
    sums: Floats,
    counts: Whole,
    holes: npt.NDArray[np.bool_],
    out: Floats,
) -> None:
    """Fill the z-score of each price and of its log return, and what they were computed from.

    `last` holds what is above; the first row of the other states is the price's, the second the
    return's. A price that is none changes nothing. A return over a hole is none: it is of minutes,
    and would be measured by those of moments.
    """
    many = len(price)
    parts = np.empty((2, many))
    z, mean, deviation = np.empty(many), np.empty(many), np.empty(many)
    for t in range(many):
        out[t, PRICE] = price[t]
        parts[:, t], holes[t] = np.nan, False
        if price[t] > 0.0 and price[t] < 1e50:
            log = math.log(price[t])
            holes[t] = _follow(time_us[t] / 1e6, last)
            parts[0, t] = price[t]
            if not holes[t]:
                parts[1, t] = log - last[LAST_PRICE]
            last[LAST_PRICE] = log
        out[t, MOVED] = parts[1, t]
    for i in range(2):
        zscore.roll_z(parts[i], 1, rings[i], sums[i], counts[i], z, mean, deviation)
        for t in range(many):
            first = PRICE if i == 0 else MOVED
            out[t, first + 1], out[t, first + 2] = z[t], mean[t]
            out[t, first + 3] = deviation[t]


@held_over(zscore)
def _follow(now_s: float, last: Floats) -> bool:
    """Learn from a price's time how far apart prices are; tell whether it is after a hole."""
    is_hole = False
    if last[PRICES] > 0.0:
        gap = max(now_s - last[LAST_TIME], 0.0)
        if last[PRICES] > _SPACING_KNOWN:
            is_hole = gap > max(HOLE_S, _HOLE_SPACINGS * last[SPACING])
            gap = min(gap, _SPACING_MOST * max(last[SPACING], 1e-3))
        last[SPACING] += (gap - last[SPACING]) / min(last[PRICES], _SPACING_MEMORY)
    last[PRICES] += 1.0
    last[LAST_TIME] = max(now_s, last[LAST_TIME]) if last[PRICES] > 1.0 else now_s
    return is_hole


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

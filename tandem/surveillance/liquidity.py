"""Where volume traded, and what trading moves: by price and over a stretch of bars."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tandem.core.errors import DataError

Floats = npt.NDArray[np.float64]
MOST_BUCKETS = 10_000
_MOST = 1e50


@dataclass(frozen=True, slots=True)
class VolumeProfile:
    """Volume by price.

    Attributes
    ----------
    edges : ndarray of shape (n + 1,)
        Prices between which the volume of each bucket traded.
    volume : ndarray of shape (n,)
    control : float
        Middle of the bucket with the most volume (point of control).
    low, high : float
        The value area: the buckets around it with the asked share of the volume.
    """

    edges: Floats
    volume: Floats
    control: float
    low: float
    high: float


def volume_profile(
    price: npt.ArrayLike, quantity: npt.ArrayLike, buckets: int = 50, share: float = 0.7
) -> VolumeProfile:
    """Return the volume by price, its point of control and its value area.

    The value area grows from the point of control by the neighbour with more volume, upwards where
    both have the same.

    Parameters
    ----------
    price, quantity : array of shape (n_trades,)
        Trades without a price above 0 or a quantity of at least 0 are left out.
    buckets : int
        Of equal width between the lowest and the highest price.
    share : float
        Of the volume that the value area holds at least.

    Raises
    ------
    DataError
        There is no volume (a source of prices alone), or a number is out of range.
    """
    if not 1 <= buckets <= MOST_BUCKETS or not 0.0 < share <= 1.0:
        raise DataError("A volume profile needs 1 to 10,000 buckets and a share from 0 to 1.")
    prices, volumes = np.asarray(price, np.float64), np.asarray(quantity, np.float64)
    usable = (prices > 0.0) & (prices < _MOST) & (volumes >= 0.0) & (volumes < _MOST)
    prices, volumes = prices[usable], volumes[usable]
    if not volumes.sum() > 0.0:
        raise DataError("There is no volume: nothing traded, or the source provides prices only.")
    low, high = float(prices.min()), float(prices.max())
    if not high - low > 2.0 * buckets * math.ulp(high):
        # One price, or so close that there are no numbers between.
        high = max(high, math.nextafter(low, math.inf))
        buckets = 1
    volume, edges = np.histogram(prices, buckets, (low, high), weights=volumes)
    best = int(np.argmax(volume))
    first, last, held = best, best, float(volume[best])
    while held < share * float(volume.sum()) and (first > 0 or last < buckets - 1):
        below = float(volume[first - 1]) if first > 0 else -1.0
        above = float(volume[last + 1]) if last < buckets - 1 else -1.0
        if above >= below:
            last, held = last + 1, held + above
        else:
            first, held = first - 1, held + below
    middle = float(edges[best] + edges[best + 1]) / 2.0
    return VolumeProfile(edges, volume, middle, float(edges[first]), float(edges[last + 1]))

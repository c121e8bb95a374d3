"""A bundled example, so that there is always something to test."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.core.bars import AlignedBars, join
from tandem.core.events import BAR

# Monthly averages: bars of about this length, named by the day the source gives.
MONTH_US = 30 * 86_400_000_000
CRUDE_Y, CRUDE_X = "WTI", "Brent"


def crude() -> tuple[AlignedBars, str, str]:
    """Return monthly crude oil prices: WTI (y) and Brent (x), dollars a barrel.

    Spot prices from May 1987 to January 2020 as published by the US Energy Information
    Administration, from the copy inside the arch package. They have no opens: a bar opens at its
    close, so an order fills at the next month's price.

    Returns
    -------
    bars, y, x : AlignedBars and the names of its legs
    """
    from arch.data import crude as source

    table: Any = source.load()
    times = table.index.to_numpy().astype("M8[us]").astype(np.int64)
    y, x = (_bars(times, table[name].to_numpy(np.float64)) for name in (CRUDE_Y, CRUDE_X))
    return join(y, x, MONTH_US), CRUDE_Y, CRUDE_X


def _bars(times: npt.NDArray[np.int64], price: npt.NDArray[np.float64]) -> npt.NDArray[np.void]:
    bars = np.zeros(len(times), BAR)
    bars["time_us"], bars["last_us"] = times, times + MONTH_US
    for name in ("open", "high", "low", "close"):
        bars[name] = price
    for name in ("volume", "buy_volume", "notional"):
        bars[name] = np.nan
    return bars

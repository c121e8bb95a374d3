"""Times read from cells, and the years they must be in."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Times = npt.NDArray[np.int64]

# Years 1900 to 2100: a time outside is a misread one.
EARLIEST_US = -2_208_988_800_000_000
LATEST_US = 4_102_444_800_000_000

SHOWN = datetime(2024, 12, 31, 17, 45)  # tells the day from the month, and the clock's kind

# By the first part of a date.
ORDERS = {
    "%d": "day first",
    "%m": "month first",
    "%y": "year first",
    "%Y": "year first",
}


class ReadTimes(NamedTuple):
    """Times in microseconds, which of them were understood, and as what.

    `taken_for` is for the screen; `unit` and `date_order` are what `Corrections` calls it.
    `local_us` is the clock on the wall, where it is not UTC's and rows are a day apart or longer;
    `are_dates` says that cells are dates without a clock.
    """

    time_us: Times
    valid: npt.NDArray[np.bool_]
    taken_for: str
    zone: str = ""
    note: str = ""
    unit: str = ""
    date_order: str = ""
    local_us: Times | None = None
    are_dates: bool = False


def by_format(text: pd.Series[Any], pattern: str) -> ReadTimes:
    """Return the times of texts in one notation."""
    return from_parsed(pd.to_datetime(text, format=pattern, utc=True, errors="coerce"), pattern)


def from_parsed(parsed: pd.Series[Any], pattern: str) -> ReadTimes:
    """Return parsed times with their notation."""
    valid = parsed.notna().to_numpy(bool)
    stamps = parsed.dt.tz_localize(None).to_numpy("datetime64[us]")
    time_us = np.where(valid, stamps.astype(np.int64), 0)
    valid = valid & (time_us >= EARLIEST_US) & (time_us < LATEST_US)
    taken_for, order = f"dates written like {SHOWN:{pattern}}", ORDERS.get(pattern[:2], "")
    return ReadTimes(time_us, valid, taken_for, date_order=order)

"""Times that are numbers: seconds since 1970, days since 1899, ticks of other years, and digits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.clock import DAY_US
from tandem.core.errors import DataError
from tandem.io.read_times import LATEST_US, ReadTimes, by_format


class Epoch(NamedTuple):
    """A unit of numeric times: the values it is recognised by, and its length."""

    unit: str
    low: float
    high: float
    us_numerator: int
    us_denominator: int


_NUMERIC = "UTC: the times count from 1970"

EPOCHS = (
    Epoch("seconds", 1e8, 1e10, 1_000_000, 1),
    Epoch("milliseconds", 1e11, 1e13, 1_000, 1),
    Epoch("microseconds", 1e14, 1e16, 1, 1),
    Epoch("nanoseconds", 1e17, 1e19, 1, 1_000),
)

# Day numbers: a spreadsheet's from 1990 to 2100 where most are, and those since 1970 from 1990 to
# 2030. Those between could be either, years apart.
_SERIAL_LOW, _SERIAL_HIGH, _SERIAL_1970 = 32_874, 73_051, 25_569
_SERIAL_1954 = 20_000
_EPOCH_DAYS_LOW, _EPOCH_DAYS_HIGH = 7_305, 21_915


class Count(NamedTuple):
    """Numbers of another count: the values it is recognised by, that of 1970, and a step.

    `least` is the lowest that is read where most are higher, if that is not `low`.
    """

    name: str
    low: float
    high: float
    zero: int
    us: float
    least: float = 0.0


COUNTS = (
    Count("days since 1970", _EPOCH_DAYS_LOW, _EPOCH_DAYS_HIGH, 0, DAY_US, 1),
    Count(
        "day numbers of a spreadsheet",
        _SERIAL_LOW,
        _SERIAL_HIGH,
        _SERIAL_1970,
        DAY_US,
        _SERIAL_1954,
    ),
    Count("day numbers of MATLAB", 726_834, 767_011, 719_529, DAY_US),
    Count("ticks of 100 ns since the year 1", 6.277e17, 6.627e17, 621_355_968_000_000_000, 0.1),
    Count("ticks of 100 ns since 1601", 1.2275e17, 1.5780e17, 116_444_736_000_000_000, 0.1),
)
# Dates as digits, down to the year, month, day, hour, minute, second and millisecond.
_DIGIT_DATES = (
    (1_900, 2_101, "%Y"),
    (190_001, 210_013, "%Y%m"),
    (1.9e7, 2.1013e7, "%Y%m%d"),
    (1.9e9, 2.1013e9, "%Y%m%d%H"),
    (1.9e11, 2.1013e11, "%Y%m%d%H%M"),
    (1.9e13, 2.1013e13, "%Y%m%d%H%M%S"),
    (1.9e16, 2.1013e16, "%Y%m%d%H%M%S%f"),
)
_DIGITS_PROVE = 0.95
# Numbers of an earlier time are unlikely to be seconds since 1970.
_EPOCH_1990_S = 6.31e8


def read_epochs(values: npt.NDArray[Any], told: Epoch | None = None) -> ReadTimes:
    """Return the times that numbers are, in the unit they show or the one that is told."""
    nothing = ReadTimes(np.zeros(len(values), np.int64), np.zeros(len(values), bool), "")
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not len(known):
        return nothing
    if told is not None:
        return _in_unit(values, told._replace(low=0.0, high=LATEST_US / told.us_numerator * 1e3))
    typical = float(np.median(known))
    for low, high, pattern in _DIGIT_DATES:
        if low <= typical < high:
            found = _digits(values, pattern)
            if found.valid.mean() > _DIGITS_PROVE:
                return found
    for count in COUNTS:
        if count.low <= typical < count.high:
            return _counted(values, count)
    if _EPOCH_DAYS_HIGH <= typical < _SERIAL_LOW:
        raise DataError(
            f"Times like {typical:.0f} may be days since 1970 or a spreadsheet's since 1900; write "
            "dates as 2024-12-31."
        )
    units = [unit for unit in EPOCHS if unit.low <= typical < unit.high]
    if units and typical >= _EPOCH_1990_S * units[0].low / EPOCHS[0].low:
        return _in_units(values, units[0])
    return nothing


def _digits(values: npt.NDArray[Any], pattern: str) -> ReadTimes:
    texts = pd.Series(values).astype(str).str.replace(r"\.0$", "", regex=True)
    if pattern.endswith("%f"):
        texts = texts + "000"
    elif pattern == "%Y%m":
        texts, pattern = texts + "01", "%Y%m%d"
    return by_format(texts, pattern)


def _in_units(values: npt.NDArray[Any], usual: Epoch) -> ReadTimes:
    """Read numbers of a unit, and those of another, as after a vendor changed it, by theirs."""
    found = _in_unit(values, usual)
    if found.valid.all():
        return found
    also = []
    for unit in EPOCHS:
        if unit is usual:
            continue
        other = _in_unit(values, unit._replace(low=unit.low * _EPOCH_1990_S / EPOCHS[0].low))
        if other.valid.any():
            also.append(unit.unit)
            found = found._replace(
                time_us=np.where(other.valid, other.time_us, found.time_us),
                valid=found.valid | other.valid,
            )
    if not also:
        return found
    names = " and ".join((usual.unit, *also))
    return found._replace(
        taken_for=f"{names} since 1970",
        note=f"The unit of time changes within the file: {names}.",
        unit="",
    )


def _counted(values: npt.NDArray[Any], count: Count) -> ReadTimes:
    """Read numbers that count from another day than the first of 1970."""
    valid = (values >= (count.least or count.low)) & (values < count.high)
    safe = np.where(valid, values, count.zero)
    if safe.dtype.kind == "f":
        time_us = np.round((safe - count.zero) * (count.us / 1e6)).astype(np.int64) * 1_000_000
    else:
        time_us = (safe - count.zero) * int(count.us * 10) // 10
    return ReadTimes(
        time_us,
        valid,
        count.name,
        note=f"The times are {count.name}{'; they are read to the second' * (count.us > 1)}.",
    )


def _in_unit(values: npt.NDArray[Any], unit: Epoch) -> ReadTimes:
    valid = (values >= unit.low) & (values < unit.high)
    safe = np.where(valid, values, 0)
    if safe.dtype.kind == "f":
        safe = np.round(safe * (unit.us_numerator / unit.us_denominator))
        time_us = safe.astype(np.int64)
    else:
        time_us = safe * unit.us_numerator // unit.us_denominator
    valid &= time_us < LATEST_US
    taken_for = f"{unit.unit} since 1970"
    return ReadTimes(time_us, valid, taken_for, _NUMERIC, unit=unit.unit)


def mixed_epochs(column: pd.Series[Any], numeric: pd.Series[Any], told: Epoch | None) -> ReadTimes:
    """Return the times of a column whose numbers are of several units, or stand beside texts."""
    texts = column.str.strip(" ")
    whole = texts.str.fullmatch(r"[0-9]{1,18}").to_numpy(bool)
    if whole[numeric.notna().to_numpy(bool)].all():
        texts = texts.where(whole, "0")
        return read_epochs(texts.astype(np.int64).to_numpy(), told)
    return read_epochs(numeric.to_numpy(np.float64), told)

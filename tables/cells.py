"""From cells to numbers and times, in the notations people's files have."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from market import DataError

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

# Years 1900 to 2100: a time outside is a misread one.
EARLIEST_US = -2_208_988_800_000_000
LATEST_US = 4_102_444_800_000_000

MISSING = {"", "-", "--", "nan", "null", "none", "na", "n/a", "#n/a", "."}

_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_SYMBOLS = r"[\s$€£¥₿'’\u00a0\u202f%]"
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII)


class Epoch(NamedTuple):
    """A unit of numeric times: the values it is recognised by, and its length."""

    name: str
    low: float
    high: float
    us_numerator: int
    us_denominator: int


# From March 1973 (seconds) on, where the ranges of the units do not meet.
EPOCHS = (
    Epoch("seconds since 1970", 1e8, 1e10, 1_000_000, 1),
    Epoch("milliseconds since 1970", 1e11, 1e13, 1_000, 1),
    Epoch("microseconds since 1970", 1e14, 1e16, 1, 1),
    Epoch("nanoseconds since 1970", 1e17, 1e19, 1, 1_000),
)

FORMATS = (
    "%Y-%m-%d %I-%p",
    "%Y-%m-%d %I:%M %p",
    "%Y-%m-%d %I:%M:%S %p",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%B %d, %Y",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y.%m.%d",
    "%Y.%m.%d %H:%M",
    "%Y.%m.%d %H:%M:%S",
    "%Y%m%d",
    "%Y%m%d %H:%M",
    "%Y%m%d %H:%M:%S",
    "%Y%m%d %H%M%S",
    "%a %b %d %Y",
)
# Day and month first, which only the values can tell apart.
_DAY_FIRST = re.compile(r"^\s*(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(.*)")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


class ReadTimes(NamedTuple):
    """Times in microseconds, which of them were understood, and as what."""

    time_us: Times
    valid: npt.NDArray[np.bool_]
    taken_for: str


# Numbers ----------------------------------------------------------------------------------


def decimal_of(texts: pd.Series[Any]) -> str:
    """Return the decimal mark that the cells prove: ``"."``, ``","``, or ``""`` if none does.

    Raises
    ------
    DataError
        If some cells prove a comma and others a point.
    """
    cells = texts.astype(object).value_counts()
    proofs: Counter[str] = Counter()
    for cell, count in cells.items():
        proofs[_decimal_of_cell(cell)] += int(count)
    del proofs[""]
    if not proofs:
        return ""
    mark, count = proofs.most_common(1)[0]
    if count < 0.95 * proofs.total():
        raise DataError(
            "Some numbers have a decimal comma and some a decimal point; write them all in one way."
        )
    return mark


def _decimal_of_cell(cell: Any) -> str:
    text = re.sub(_SYMBOLS + "|[kmbtKMBT]$", "", str(cell))
    if not text or not re.fullmatch(r"[-+]?[\d.,]+", text):
        return ""
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    if comma < 0 and point < 0:
        return ""
    mark, at = (",", comma) if comma >= 0 else (".", point)
    if text.count(mark) > 1:  # thousands, so the other one would be the decimal mark
        return "." if mark == "," else ","
    grouped = len(text) - at - 1 == 3 and re.fullmatch(r"[-+]?[1-9]\d{0,2}", text[:at])
    return "" if grouped else mark


def ambiguous_comma(texts: pd.Series[Any]) -> str:
    """Return a cell like 1,234 whose comma may be decimal or group thousands, or ""."""
    for cell in texts.astype(object).unique():
        text = re.sub(_SYMBOLS + "|[kmbtKMBT]$", "", str(cell))
        if re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", text):
            return str(cell)
    return ""


def numbers(column: pd.Series[Any], decimal: str = ".") -> Floats:
    """Read a column of cells as numbers; NaN where a cell is none.

    Parameters
    ----------
    column : Series
        Numbers as the parser read them, or text: with thousands separators, currency signs, ``%``
        (left out, not divided), or one of K, M, B, T behind.
    decimal : {".", ","}
    """
    if pd.api.types.is_bool_dtype(column.dtype):  # a column of True and False is no number
        return np.full(len(column), np.nan)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan)
    # Codes: a column of text has few distinct cells or is short enough not to care.
    codes, cells = pd.factorize(column.astype(object))
    values = np.array([_number(cell, decimal) for cell in cells] + [np.nan])
    found: Floats = values[codes]
    return found


def _number(cell: Any, decimal: str) -> float:
    text = re.sub(_SYMBOLS, "", str(cell)).lower()
    if text in MISSING:
        return float("nan")
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1]
    scale = _SCALE.get(text[-1], 1.0)
    if text[-1] in _SCALE:
        text = text[:-1]
    thousands = "." if decimal == "," else ","
    if thousands in text and not re.fullmatch(
        rf"[-+]?\d{{1,3}}({re.escape(thousands)}\d{{2,3}})+({re.escape(decimal)}\d*)?", text
    ):
        return float("nan")
    text = text.replace(thousands, "").replace(decimal, ".")
    return float(text) * scale if _PLAIN.fullmatch(text) else float("nan")


# Times ------------------------------------------------------------------------------------


def times(column: pd.Series[Any], name: str) -> ReadTimes:
    """Read a column as times.

    Parameters
    ----------
    column : Series
        Epoch numbers of any unit, yyyymmdd numbers, or text.
    name : str
        The column's name, for messages.

    Raises
    ------
    DataError
        If it cannot be told whether the day or the month comes first.
    """
    if pd.api.types.is_integer_dtype(column.dtype) and not column.hasnans:
        return _epochs(column.to_numpy(np.int64))
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _epochs(column.to_numpy(np.float64, na_value=np.nan))
    short = column.astype(str).where(column.astype(str).str.len() < 40, "")
    numeric = pd.to_numeric(short, errors="coerce")
    if numeric.notna().mean() > 0.5:  # epochs among junk; exact where the text is a whole number
        return _mixed_epochs(short, numeric)
    return _texts(column, name)


def _epochs(values: npt.NDArray[Any]) -> ReadTimes:
    nothing = ReadTimes(np.zeros(len(values), np.int64), np.zeros(len(values), bool), "")
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not len(known):
        return nothing
    typical = float(np.median(known))
    if 1.9e7 <= typical < 2.1001e7 or 1.9e13 <= typical < 2.1001e13:
        texts = pd.Series(values).astype(str).str.replace(r"\.0$", "", regex=True)
        return _by_format(texts, "%Y%m%d" if typical < 1e9 else "%Y%m%d%H%M%S")
    for unit in EPOCHS:
        if unit.low <= typical < unit.high:
            return _in_unit(values, unit)
    return nothing


def _in_unit(values: npt.NDArray[Any], unit: Epoch) -> ReadTimes:
    valid = (values >= unit.low) & (values < unit.high)
    safe = np.where(valid, values, 0)
    if safe.dtype.kind == "f":
        safe = np.round(safe * (unit.us_numerator / unit.us_denominator))
        time_us = safe.astype(np.int64)
    else:
        time_us = safe * unit.us_numerator // unit.us_denominator
    valid &= time_us < LATEST_US
    return ReadTimes(time_us, valid, unit.name)


def _mixed_epochs(column: pd.Series[Any], numeric: pd.Series[Any]) -> ReadTimes:
    texts = column.str.strip(" ")
    whole = texts.str.fullmatch(r"[0-9]{1,18}").to_numpy(bool)
    if whole[numeric.notna().to_numpy(bool)].all():
        texts = texts.where(whole, "0")
        return _epochs(texts.astype(np.int64).to_numpy())
    return _epochs(numeric.to_numpy(np.float64))


def _texts(column: pd.Series[Any], name: str) -> ReadTimes:
    text = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    # pandas reads "now" and "today" as this moment.
    text = text.where(text.str.contains(r"[0-9]", regex=True), "")
    text = text.str.replace(r"\s+", " ", regex=True)
    text = text.str.replace(r"(?<=\d) ?(?:UTC|GMT|Z)$", "+00:00", regex=True)
    best = _iso(text)
    if best.valid.mean() > 0.5:
        return best
    some = text.iloc[:: max(len(text) // 200, 1)]
    found = {pattern: _by_format(some, pattern) for pattern in _candidates(text, name)}
    pattern = max(found, key=lambda name: found[name].valid.sum())
    return max(best, _by_format(text, pattern), key=lambda result: result.valid.sum())


def _iso(text: pd.Series[Any]) -> ReadTimes:
    """Read ISO 8601; a time without an offset is UTC."""
    # Bare digits would be read as a year or as yyyymmdd.
    dashed = text.where(text.str.contains(r"^\d{4}-\d{2}-\d{2}", regex=True), "")
    found = _from(pd.to_datetime(dashed, format="ISO8601", utc=True, errors="coerce"), "date")
    offset = text.str.contains(r"\d{2}:\d{2}.*[+-]\d{2}:?\d{2}$", regex=True)
    where = "with offset" if bool(offset[found.valid].any()) else "taken as UTC"
    return found._replace(taken_for=f"ISO date and time, {where}")


def _candidates(text: pd.Series[Any], name: str) -> list[str]:
    """Return the formats that may fit; day or month first is decided by all values together."""
    parts = text.str.extract(_DAY_FIRST)
    known = parts[parts[0].notna()]
    if len(known) < 0.5 * len(text):
        return list(FORMATS)
    first, second = known[0].astype(int), known[2].astype(int)
    mark = str(known[1].iloc[0])
    year = "%Y" if len(str(known[3].iloc[0])) == 4 else "%y"
    day_first = bool((first > 12).any()) or (mark == "." and not bool((second > 12).any()))
    month_first = bool((second > 12).any())
    if not day_first and not month_first:
        example = str(text[parts[0].notna()].iloc[0])
        raise DataError(
            f"In column {name[:40]!r} it cannot be told whether {example[:30]!r} has the day or "
            "the month first; write dates as 2024-12-31."
        )
    date = mark.join(["%d", "%m", year] if day_first else ["%m", "%d", year])
    return [date + clock for clock in _CLOCKS]


def _by_format(text: pd.Series[Any], pattern: str) -> ReadTimes:
    return _from(pd.to_datetime(text, format=pattern, utc=True, errors="coerce"), pattern)


def _from(parsed: pd.Series[Any], pattern: str) -> ReadTimes:
    valid = parsed.notna().to_numpy(bool)
    stamps = parsed.dt.tz_localize(None).to_numpy("datetime64[us]")
    time_us = np.where(valid, stamps.astype(np.int64), 0)
    valid = valid & (time_us >= EARLIEST_US) & (time_us < LATEST_US)
    return ReadTimes(time_us, valid, f"dates written {pattern}, taken as UTC")

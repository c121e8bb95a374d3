"""From cells to numbers and times, in the notations people's files have."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.clock import DAY_US, HOUR_US
from tandem.core.errors import DataError
from tandem.io import written_times, zones
from tandem.io.bar_times import are_trading_days
from tandem.io.model import Corrections
from tandem.io.zones import zone

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

# Years 1900 to 2100: a time outside is a misread one.
EARLIEST_US = -2_208_988_800_000_000
LATEST_US = 4_102_444_800_000_000

MISSING = {"", "-", "--", "nan", "null", "none", "na", "n/a", "#n/a", "."}

_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_SYMBOLS = r"[\s$€£¥₿₩₹'’\u00a0\u202f%*†‡]"
_CURRENCIES = (
    "usdt|usdc|usd|eur|gbp|jpy|chf|cny|rmb|krw|inr|brl|pln|rub|try|cad|aud|sek|nok|dkk|twd|hkd|kr"
)
_CURRENCY = re.compile(rf"(?i)^(?:{_CURRENCIES})\s?(?=[-+(\d])|(?<=[\d)])\s?(?:{_CURRENCIES})$")
# 110'16, 110-16+ and 110'16.5: whole points, 32nds or 64ths, and eighths or a half of one; 600'2:
# eighths of a point.
_POINTS = re.compile(r"(-?\d{1,4})['’-](\d\d)([0-9+]?|\.(?:0|25|5|50|75))")
_GRAIN = re.compile(r"(-?\d{1,4})['’-]([0-7])()")
_EIGHTHS = {
    "": 0.0,
    "0": 0.0,
    "1": 0.125,
    "2": 0.25,
    "3": 0.375,
    "4": 0.5,
    "5": 0.5,
    "6": 0.75,
    "7": 0.75,
    "8": 0.875,
    "9": 0.875,
    "+": 0.5,
    ".0": 0.0,
    ".25": 0.25,
    ".5": 0.5,
    ".50": 0.5,
    ".75": 0.75,
}
_FEWEST_POINTS = 8
_RATIO = r"(?i)^\s*(\d+(?:\.\d+)?)(?:\s*[:/]\s*|[\s-]*(?:for|to)[\s-]*)(\d+(?:\.\d+)?)\s*$"
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII)


class Epoch(NamedTuple):
    """A unit of numeric times: the values it is recognised by, and its length."""

    unit: str
    low: float
    high: float
    us_numerator: int
    us_denominator: int


# From March 1973 (seconds) on, where the ranges of the units do not meet.
_HEAD = 5_000
_DATE_LENGTH = 10  # dd/mm/yyyy
# A whole number of which a spreadsheet kept six digits at most.
SHORTENED = r"(?i)\d(?:[.,]\d{1,5})?e\+?\d{2}"

SHOWN = datetime(2024, 12, 31, 17, 45)  # tells the day from the month, and the clock's kind
ASSUMED = "UTC, assumed: the file names no zone"
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
    "%Y%m%d %H%M",
    "%Y%m%d %H%M%S",
    "%a %b %d %Y",
)
# Day and month first, which only the values can tell apart.
_DAY_FIRST = re.compile(r"^\s*(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(.*)")
_ISO_FORMS = (
    (r"\d{4}-\d\d-\d\d", "%Y-%m-%d"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "%Y-%m-%d %H:%M:%S"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "%Y-%m-%dT%H:%M:%S"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", "%Y-%m-%d %H:%M:%S%z"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", "%Y-%m-%dT%H:%M:%S%z"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9}", "%Y-%m-%d %H:%M:%S.%f"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}", "%Y-%m-%dT%H:%M:%S.%f"),
    (
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9}(Z|[+-]\d\d:\d\d)",
        "%Y-%m-%d %H:%M:%S.%f%z",
    ),
    (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}(Z|[+-]\d\d:\d\d)",
        "%Y-%m-%dT%H:%M:%S.%f%z",
    ),
)
# By the first part of a date.
_ORDERS = {
    "%d": "day first",
    "%m": "month first",
    "%y": "year first",
    "%Y": "year first",
}
OFFSETS = "UTC: the times have offsets"
_OFFSET = r"\s*(?:Z|UTC|GMT)?\s*(?:[+-]\d{1,2}:?\d{2})?$"
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


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
    text = re.sub(_SYMBOLS + "|[kmbtKMBT]$", "", _CURRENCY.sub("", str(cell).strip()))
    text, power = re.subn(r"(?i)e[-+]?\d+$", "", text)
    if not text or not re.fullmatch(r"[-+]?[\d.,]+", text):
        return ""
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    if comma < 0 and point < 0:
        return ""
    mark, at = (",", comma) if comma >= 0 else (".", point)
    if power and text.count(mark) == 1:  # nobody groups thousands before a power of ten
        return mark
    if text.count(mark) > 1:  # thousands, so the other one would be the decimal mark
        return "." if mark == "," else ","
    grouped = len(text) - at - 1 == 3 and re.fullmatch(r"[-+]?[1-9]\d{0,2}", text[:at])
    return "" if grouped else mark


def ambiguous_comma(texts: pd.Series[Any]) -> str:
    """Return a cell like 1,234 whose comma may be decimal or group thousands, or ""."""
    return _ambiguous(texts, ",")


def ambiguous_mark(texts: pd.Series[Any]) -> str:
    """Return a cell like 1,234 or 1.234, whose mark may be decimal or group thousands, or ""."""
    return _ambiguous(texts, "[.,]")


def _ambiguous(texts: pd.Series[Any], mark: str) -> str:
    for cell in texts.astype(object).unique():
        text = re.sub(_SYMBOLS + "|[kmbtKMBT]$", "", str(cell))
        if re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}{mark}\d{{3}}", text):
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
    parts = points_of(cells)
    read = [_points(cell, parts) if parts else _number(cell, decimal) for cell in cells]
    values = np.array([*read, np.nan])
    found: Floats = values[codes]
    return found


def ratios(column: pd.Series[Any], decimal: str = ".") -> Floats:
    """Read ratios of splits, also such as 4:1, 2/1 and 2-for-1; NaN where a cell is none."""
    found = numbers(column, decimal)
    if column.dtype.kind in "iufb":
        return found
    parts = column.astype(str).str.extract(_RATIO).astype(float)
    new, old = parts[0].to_numpy(), parts[1].to_numpy()
    there = np.isnan(found) & (new > 0) & (old > 0)
    return np.where(there, new / np.where(old > 0, old, 1.0), found)


def points_of(cells: Any) -> int:
    """Return into how many parts points are divided in cells like 110'16: 8, 32 or 64; else 0.

    A part has two digits, or an eighth of it behind (110'162), which has to be proved, since
    thousands may be grouped so; an eighth of a point has one digit (600'2).
    """
    texts = [str(cell).strip() for cell in cells if str(cell).strip()]
    if texts and all(map(_GRAIN.fullmatch, texts)):
        return 8
    found = _parts_in(texts)
    if not found:
        return 0
    if _have_eighths(found) and not _are_eighths(found):
        return 0
    largest = max(int(match[2]) for match in found)
    return 0 if largest > 63 else 32 if largest < 32 else 64


def doubtful_points(cells: Any) -> str:
    """Return a cell like 11'200 that may be thousands or 32nds; "" where none is doubtful."""
    texts = [str(cell).strip() for cell in cells if str(cell).strip()]
    found = _parts_in(texts)
    could_be = bool(found) and _have_eighths(found) and _could_be_eighths(found)
    return texts[0] if could_be and not _are_eighths(found) else ""


def _parts_in(texts: list[str]) -> list[re.Match[str]]:
    """Return what the cells are made of; empty where one is no point with parts."""
    found = [match for match in map(_POINTS.fullmatch, texts) if match]
    return found if len(found) == len(texts) else []


def _have_eighths(found: list[re.Match[str]]) -> bool:
    return all(match[3].isdigit() for match in found)


def _could_be_eighths(found: list[re.Match[str]]) -> bool:
    endings = {match[3] for match in found}
    return endings <= {"0", "2", "5", "7"} and max(int(match[2]) for match in found) < 32


def _are_eighths(found: list[re.Match[str]]) -> bool:
    """Tell whether eighths are proved: round thousands end in 0 or 5, too."""
    endings = {match[3] for match in found}
    is_enough = len(found) >= _FEWEST_POINTS and bool(endings & {"2", "7"})
    return is_enough and _could_be_eighths(found)


def _points(cell: Any, parts: int) -> float:
    match = (_GRAIN if parts == 8 else _POINTS).fullmatch(str(cell).strip())
    if match is None:
        return float("nan")
    part = (int(match[2]) + _EIGHTHS[match[3]]) / parts
    return float(match[1]) + (-part if match[1].startswith("-") else part)


def _number(cell: Any, decimal: str) -> float:
    text = _CURRENCY.sub("", str(cell).strip().replace("\u2212", "-"))
    text = re.sub(_SYMBOLS, "", text).lower()
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


def times(column: pd.Series[Any], name: str, told: Corrections | None = None) -> ReadTimes:
    """Read a column as times.

    Parameters
    ----------
    column : Series
        Epoch numbers of any unit, yyyymmdd numbers, a spreadsheet's day numbers, or text.
    name : str
        The column's name, for messages.
    told : Corrections, optional
        Unit of numbers, order of dates, and zone, where known.

    Raises
    ------
    DataError
        If it cannot be told whether the day or the month comes first.
    """
    told = told or Corrections()
    found = _times(column, name, told)
    found = found._replace(are_dates=_are_dates(column, found))
    if told.time_zone and told.time_zone != "UTC" and found.local_us is None:
        return _in_zone(found, told.time_zone)
    if found.zone == OFFSETS and _is_daily(found):
        return found._replace(local_us=_local(column, found))
    if found.zone:
        return found
    if told.time_zone:
        return found._replace(zone=f"{told.time_zone}, as corrected")
    return _in_zone_of_name(found, name)


def _are_dates(column: pd.Series[Any], found: ReadTimes) -> bool:
    """Return whether cells are dates without a clock."""
    if found.unit or (len(column) and ":" in str(column.iloc[0])):
        return False
    return not bool((found.time_us % DAY_US).any())


def _is_daily(found: ReadTimes) -> bool:
    """Return whether rows are most of a day apart, or longer."""
    steps = np.abs(np.diff(found.time_us[found.valid]))
    steps = steps[steps > 0]
    return bool(len(steps)) and float(np.median(steps)) > 20 * HOUR_US


def _local(column: pd.Series[Any], found: ReadTimes) -> Times:
    """Return the times as their cells have them, without the offset behind."""
    text = column.astype(str).str.strip().str.replace(_OFFSET, "", regex=True)
    local = _texts(text, "", Corrections(date_order=found.date_order))
    return np.where(local.valid, local.time_us, found.time_us)


def _in_zone_of_name(found: ReadTimes, name: str) -> ReadTimes:
    """Take times for those of the zone that the column's name has in it."""
    named = zones.named_in(name)
    if zones.is_doubtful(named):
        if not are_trading_dates(found):
            raise zones.doubt(named, f"Column {name[:40]!r}")
        named = ""
    if not named:
        return found._replace(zone=ASSUMED)
    placed = found if named == "UTC" else _in_zone(found, named)
    return placed._replace(zone=f"{named}: the column's name says so")


def are_trading_dates(found: ReadTimes) -> bool:
    """Return whether times are dates of trading days, the same in every zone."""
    days = np.unique(found.time_us[found.valid] // DAY_US)
    return found.are_dates and are_trading_days(days)


def _in_zone(found: ReadTimes, name: str) -> ReadTimes:
    """Take times without an offset for a zone's own; others keep their moment."""
    if found.zone:
        stamps = pd.Series(found.time_us.astype("M8[us]")).dt.tz_localize("UTC")
        there = stamps.dt.tz_convert(zone(name)).dt.tz_localize(None)
        local_us = there.to_numpy("datetime64[us]").astype(np.int64)
        return found._replace(local_us=local_us if _is_daily(found) else None)
    local_times = pd.Series(found.time_us.astype("M8[us]"))
    placed = local_times.dt.tz_localize(zone(name), ambiguous="NaT", nonexistent="shift_forward")
    twice = placed.isna().to_numpy() & found.valid
    lost = twice
    if twice.any():
        is_first, lost = _which_pass(found.time_us, twice)
        placed = local_times.dt.tz_localize(
            zone(name), ambiguous=is_first, nonexistent="shift_forward"
        )
    utc = placed.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
    count = int(lost.sum())
    note = f"{count:,} times are there twice as clocks went back; they are left out." * bool(count)
    return found._replace(
        time_us=np.where(lost, 0, utc.astype(np.int64)),
        valid=found.valid & ~lost,
        zone=f"{name}, as corrected",
        note=note or found.note,
        local_us=found.time_us if _is_daily(found) else None,
    )


def _which_pass(
    local_us: Times, twice: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell the two passes of an hour that clocks repeat apart by the order of rows.

    Returns
    -------
    is_first, unknown : ndarray of bool
        Whether a row is of the first pass, and where its order does not tell.
    """
    is_first, unknown = np.zeros((2, len(local_us)), np.bool_)
    steps = np.diff(local_us)
    is_falling = int((steps < 0).sum()) > int((steps > 0).sum())
    places = np.flatnonzero(twice)
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    for run in runs:
        order = run[::-1] if is_falling else run
        there = local_us[order]
        back = np.flatnonzero(np.diff(there) < 0)
        # Where every row of the hour has the same time, one half is each pass.
        half = len(order) // 2 if there[0] == there[-1] and len(order) % 2 == 0 else 0
        if len(back) == 1:
            is_first[order[: back[0] + 1]] = True
        elif not len(back) and half and not bool((np.diff(there) > 0).any()):
            is_first[order[:half]] = True
        else:
            unknown[order] = True
    return is_first, unknown


def _times(column: pd.Series[Any], name: str, told: Corrections) -> ReadTimes:
    unit = next((one for one in EPOCHS if one.unit == told.time_unit), None)
    if pd.api.types.is_integer_dtype(column.dtype) and not column.hasnans:
        return _epochs(column.to_numpy(np.int64), unit)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _epochs(column.to_numpy(np.float64, na_value=np.nan), unit)
    clean = _iso_alike(column)
    if clean is not None:
        return clean
    text = column.astype(str)
    short = text.where((text.str.len() < 40) & ~text.str.fullmatch(SHORTENED), "")
    numeric = pd.to_numeric(short, errors="coerce")
    if numeric.notna().mean() > 0.5:  # epochs among junk; exact where the text is a whole number
        return _mixed_epochs(short, numeric, unit)
    return _texts(column, name, told)


def _iso_alike(column: pd.Series[Any]) -> ReadTimes | None:
    """Read a column in which every cell is ISO and written as the first, which is usual."""
    if column.dtype == object or column.hasnans or not len(column):
        return None
    first = str(column.iloc[0])
    form = next((form for pattern, form in _ISO_FORMS if re.fullmatch(pattern, first)), None)
    if form is None:
        return None
    try:
        parsed = pd.to_datetime(column, format=form, utc=True)
    except ValueError:
        return None
    found = _from(parsed, "date")
    if form.endswith("%z"):
        return found._replace(taken_for="ISO date and time, with offset", zone=OFFSETS)
    return found._replace(taken_for="ISO date and time")


def _epochs(values: npt.NDArray[Any], told: Epoch | None = None) -> ReadTimes:
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
    return _by_format(texts, pattern)


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


def _mixed_epochs(column: pd.Series[Any], numeric: pd.Series[Any], told: Epoch | None) -> ReadTimes:
    texts = column.str.strip(" ")
    whole = texts.str.fullmatch(r"[0-9]{1,18}").to_numpy(bool)
    if whole[numeric.notna().to_numpy(bool)].all():
        texts = texts.where(whole, "0")
        return _epochs(texts.astype(np.int64).to_numpy(), told)
    return _epochs(numeric.to_numpy(np.float64), told)


def _texts(column: pd.Series[Any], name: str, told: Corrections) -> ReadTimes:
    text = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    # pandas reads "now" and "today" as this moment.
    text = text.where(text.str.contains(r"[0-9]", regex=True), "")
    text = text.str.replace(r"\s+", " ", regex=True)
    zones_there = text.str.extract(written_times.ZONE_NAME)[0]
    named = zones_there.dropna().unique()
    if len(named):
        _require_alike(text, zones_there.notna().to_numpy(), (text != "").to_numpy(), False)
        return _with_zone(text, name, told, [str(one) for one in named])
    text = text.str.replace(r"(?<=\d) ?(?:UTC|GMT|Z)$", "+00:00", regex=True)
    text = text.str.replace(r"^(\d{4}-\d\d-\d\d)D(?=\d\d:)", r"\1T", regex=True)
    text = _western(text)
    best = _iso(text)
    if best.valid.all():
        return best
    some = text.iloc[:: max(len(text) // 200, 1)]
    patterns, note = _candidates(text, name, told)
    found = {pattern: _by_format(some, pattern) for pattern in patterns}
    pattern = max(found, key=lambda name: found[name].valid.sum())
    chosen = _by_format(text, pattern)._replace(note=note)
    best = max(best, chosen, key=lambda result: result.valid.sum())
    if best.valid.all() or not (text[~best.valid] != "").any():
        return best
    order = told.date_order or _ORDERS.get(patterns[0][:2], "")
    if not order:
        order = _ORDERS.get(pattern[:2], "day first")
    return max(best, _written(text, order, note), key=lambda result: result.valid.sum())


def _written(text: pd.Series[Any], order: str, note: str) -> ReadTimes:
    time_us, valid, offsets_us = written_times.read(text, order)
    valid = valid & (time_us >= EARLIEST_US) & (time_us < LATEST_US)
    has_offset = offsets_us != written_times.NO_OFFSET
    _require_alike(text, has_offset, valid, bool((offsets_us[has_offset] == 0).all()))
    example = next((str(cell) for cell in text[valid]), "")
    return ReadTimes(
        np.where(valid, time_us, 0),
        valid,
        f"dates written like {example:.40}",
        OFFSETS if has_offset.any() else "",
        note,
        date_order=order if note else "",
    )


def _with_zone(text: pd.Series[Any], name: str, told: Corrections, zones: list[str]) -> ReadTimes:
    """Read times with the name of a zone behind, as US/Eastern."""
    if len(zones) > 1:
        raise DataError(f"The times in column {name[:40]!r} are in several zones; use one.")
    bare = text.str.replace(written_times.ZONE_NAME, "", regex=True)
    found = _in_zone(_texts(bare, name, told), zones[0])
    return found._replace(zone=f"{zones[0]}: the times name it")


def _western(text: pd.Series[Any]) -> pd.Series[Any]:
    """Bring dates like 2024年3月4日 and 2024- 03- 04, and months named in other languages, over."""
    first = str(text.iloc[0]) if len(text) else ""
    if re.search("[年년]", first):
        text = text.str.replace("[年月년월] ?", "-", regex=True).str.replace(
            "[日일]", "", regex=True
        )
        text = text.str.replace(r"(?<=-)(\d)(?=[- ]|$)", r"0\1", regex=True).str.rstrip("-")
    elif re.match(r"\d{4}- \d", first):
        text = text.str.replace("- ", "-", regex=False)
    elif re.match(r"\d{4}-\d{1,2}-\d{1,2}(?!\d)", first):
        text = text.str.replace(r"(?<=-)(\d)(?=[- T]|$)", r"0\1", regex=True)
    return text


def _iso(text: pd.Series[Any]) -> ReadTimes:
    """Read ISO 8601; a time without an offset is UTC."""
    # Bare digits would be read as a year or as yyyymmdd.
    dashed = text.where(text.str.contains(r"^\d{4}-\d{2}-\d{2}", regex=True), "")
    found = _from(pd.to_datetime(dashed, format="ISO8601", utc=True, errors="coerce"), "date")
    offset = text.str.contains(r"\d{2}:\d{2}.*[+-]\d{2}:?\d{2}$", regex=True).to_numpy(bool)
    if bool(offset[found.valid].any()):
        are_utc = text[offset].str.endswith(("+00:00", "+0000"))
        _require_alike(text, offset, found.valid, bool(are_utc.all()))
        return found._replace(taken_for="ISO date and time, with offset", zone=OFFSETS)
    return found._replace(taken_for="ISO date and time")


def _require_alike(
    text: pd.Series[Any],
    has_offset: npt.NDArray[np.bool_],
    valid: npt.NDArray[np.bool_],
    are_utc: bool,
) -> None:
    """Refuse times of which some have an offset other than UTC's and others have none."""
    bare = valid & ~has_offset
    if are_utc or not bare.any() or not (valid & has_offset).any():
        return
    one, other = (str(text[which].iloc[0]) for which in (valid & has_offset, bare))
    raise DataError(
        f"Some times have an offset ({one[:40]!r}) and some have none ({other[:40]!r}), so that "
        "their zone is not known; write them all in one way."
    )


def _candidates(text: pd.Series[Any], name: str, told: Corrections) -> tuple[list[str], str]:
    """Return the formats that may fit, and a sentence where day and month were hard to tell."""
    # Few differ up to here, however many rows there are.
    starts = pd.Series(text.str.slice(0, _DATE_LENGTH).unique())
    parts = starts.str.extract(_DAY_FIRST)
    known = parts[parts[0].notna()]
    if len(known) < 0.5 * len(starts):
        return list(FORMATS), ""
    mark = str(known[1].iloc[0])
    year = "%Y" if len(str(known[3].iloc[0])) == 4 else "%y"
    forms = {
        "day first": mark.join(["%d", "%m", year]),
        "month first": mark.join(["%m", "%d", year]),
        "year first": mark.join(["%y", "%m", "%d"]),
    }
    order, note = told.date_order, ""
    if not order:
        order, note = _date_order(known, forms, name, text)
    return [forms[order] + clock for clock in _CLOCKS], note


def _date_order(
    known: pd.DataFrame, forms: dict[str, str], name: str, text: pd.Series[Any]
) -> tuple[str, str]:
    """Return whether the day or the month comes first: by what is no month, or by even steps.

    Raises
    ------
    DataError
        If both are as likely.
    """
    first, second = known[0].astype(int), known[2].astype(int)
    if bool((first > 12).any()):
        return "day first", ""
    if bool((second > 12).any()):
        return "month first", ""
    example = str("".join(known.iloc[0][[0, 1, 2, 1, 3]]))
    orders = ("day first", "month first")
    head = text.iloc[:_HEAD]
    uneven = {order: _unevenness(head, forms[order]) for order in orders}
    if 4 * uneven["day first"] < uneven["month first"]:
        order, why = "day first", "then the rows are evenly spaced"
    elif 4 * uneven["month first"] < uneven["day first"]:
        order, why = "month first", "then the rows are evenly spaced"
    elif known[1].iloc[0] == ".":
        order, why = "day first", "as is usual with points"
    else:
        raise DataError(
            f"In column {name[:40]!r} it cannot be told whether {example!r} has the day or "
            "the month first; write dates as 2024-12-31 or say so (--day-first, --month-first)."
        )
    return order, (
        f"No date proves whether {example!r} has the day or the month first; it was taken as "
        f"{order}: {why}. Correct it if that is wrong."
    )


def _unevenness(text: pd.Series[Any], date: str) -> float:
    """Return the longest step in units of the usual one, over what is read as a time."""
    read = [_by_format(text, date + clock) for clock in _CLOCKS]
    found = max(read, key=lambda one: one.valid.sum())
    steps = np.abs(np.diff(found.time_us[found.valid]))
    usual = float(np.median(steps)) if len(steps) else 0.0
    return float(steps.max()) / usual if usual else 1.0


def _by_format(text: pd.Series[Any], pattern: str) -> ReadTimes:
    return _from(pd.to_datetime(text, format=pattern, utc=True, errors="coerce"), pattern)


def _from(parsed: pd.Series[Any], pattern: str) -> ReadTimes:
    valid = parsed.notna().to_numpy(bool)
    stamps = parsed.dt.tz_localize(None).to_numpy("datetime64[us]")
    time_us = np.where(valid, stamps.astype(np.int64), 0)
    valid = valid & (time_us >= EARLIEST_US) & (time_us < LATEST_US)
    taken_for, order = f"dates written like {SHOWN:{pattern}}", _ORDERS.get(pattern[:2], "")
    return ReadTimes(time_us, valid, taken_for, date_order=order)

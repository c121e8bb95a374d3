"""Times in writing, in any order and language: cut into date, clock and offset, then put together.

Slower than one format for all cells, so it is used where no such format reads them.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.io.contents import month_of

Times = npt.NDArray[np.int64]

# Abbreviations that mean one offset everywhere; CST, IST and BST mean several.
_ABBREVIATIONS = {
    **{"EST": -5, "EDT": -4, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AEST": 10, "AEDT": 11},
    **{"UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"MSK": 3, "HKT": 8, "SGT": 8, "JST": 9, "KST": 9},
}
ZONE_NAME = r"\s*\[?((?:[A-Z][A-Za-z]+/)[A-Za-z_]+(?:/[A-Za-z_]+)?)\]?$"
_HALF = r"(?:[ -]?(?P<half>[ap])\.?m\.?)?"
_CLOCK = r"(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?|\d{1,2}(?= ?-?[ap]m))" + _HALF
_BARE = (
    r"(?:(?<=[-./]\d\d[ T_-])|(?<=\d{4}[ T_])|(?<=\d{8}-)|(?<=[./-]\d{4}-))(?P<bare>\d{3,6}|\d{9})"
)
_OFFSET = r"\s*(?P<offset>Z|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?|[A-Z]{3,4})?"
_PARTS = rf"(?P<date>.*?)(?:(?:^|[ T,D_:-]+)(?:{_CLOCK}|{_BARE}){_OFFSET})?"
_YEAR_FIRST = re.compile(r"(\d{4})[-./年년 ]+(\d{1,2})[-./月월 ]+(\d{1,2})[日일.]?")
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")
_MONTHLY = re.compile(r"(\d{4})(?:[-./]|년 ?|年)(\d{1,2})[月월]?|(\d{4})M(\d{1,2})", re.IGNORECASE)
_QUARTERLY = re.compile(r"(\d{4})[- ]?Q([1-4])|Q([1-4])[- /](\d{4})", re.IGNORECASE)
_MONTH_FIRST = re.compile(r"(\d{1,2})[/-](\d{4})")
_WEEKLY = re.compile(r"(\d{4})[- ]?W(\d{2})(?:-?([1-7]))?", re.IGNORECASE)
_ORDINAL = re.compile(r"(\d{4})-(\d{3})")
# A month with a year of two digits, which might be a day.
_SHORT_MONTH = r"[^\W\d_]{3,}\.?[-/ '’]+\d{2}"
_MONTH_DAYS = (28, 92)
_REPUBLIC = re.compile(r"(1\d\d)/(\d{1,2})/(\d{1,2})")
_TWO_FIRST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})")
_REPUBLIC_YEAR = 1911
NO_OFFSET = np.iinfo(np.int64).min
# Where year, month and day stand.
_PLACES = {"day first": (2, 1, 0), "month first": (2, 0, 1), "year first": (0, 1, 2)}


def read(text: pd.Series[Any], order: str) -> tuple[Times, npt.NDArray[np.bool_], Times]:
    """Read cells as times.

    Parameters
    ----------
    text : Series of str
    order : str
        What comes first in dates like 01/02/2024: ``"day first"``, ``"month first"`` or
        ``"year first"``.

    Returns
    -------
    time_us : ndarray of int64
        By the cell's own clock where it has no offset, else in UTC.
    valid : ndarray of bool
    offsets_us : ndarray of int64
        `NO_OFFSET` where the cell has none.
    """
    parts = text.str.extract(rf"^{_PARTS}$", flags=re.IGNORECASE)
    days, dated = _mapped(parts["date"], lambda cell: _day(cell.strip(" ,"), order))
    dated &= _are_no_days(parts["date"].str.strip(" ,"), days, dated)
    clocks, timed = _mapped(parts["clock"], _clock)
    bare, plain = _mapped(parts["bare"], _bare_clock)
    offsets, zoned = _mapped(parts["offset"], _offset)
    halves = parts["half"].str.lower()
    twelve = clocks >= 12 * HOUR_US
    clocks = clocks + np.where((halves == "p").to_numpy(bool) & ~twelve, 12 * HOUR_US, 0)
    clocks -= np.where((halves == "a").to_numpy(bool) & twelve, 12 * HOUR_US, 0)
    time_us = days * DAY_US + clocks + bare - offsets
    given = parts["offset"].notna().to_numpy(bool)
    return time_us, dated & timed & plain & zoned, np.where(given, offsets, NO_OFFSET)


def _are_no_days(
    dates: pd.Series[Any], days: Times, dated: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return which dates are no Jan-15 that may be a day of January: rows are months apart."""
    short = dates.str.fullmatch(_SHORT_MONTH).to_numpy(bool)
    if not short.any():
        return ~short
    steps = np.abs(np.diff(days[dated]))
    steps = steps[steps > 0]
    low, high = _MONTH_DAYS
    are_months = bool(len(steps)) and low <= float(np.median(steps)) <= high
    return ~short | are_months


def _mapped(cells: pd.Series[Any], parse: Any) -> tuple[Times, npt.NDArray[np.bool_]]:
    """Parse each distinct cell once; where there is none the value is 0, and valid."""
    codes, distinct = pd.factorize(cells)
    values = [parse(str(cell)) for cell in distinct]
    known = np.array([value is not None for value in values] + [True])
    found = np.array([value or 0 for value in values] + [0], np.int64)
    return found[codes], known[codes]


def _day(text: str, order: str) -> int | None:
    """Return a date as days since 1970; None where it is none."""
    for pattern in (_YEAR_FIRST, _DIGITS):
        if match := pattern.fullmatch(text):
            return _days(*map(int, match.groups()))
    if match := _MONTHLY.fullmatch(text):
        year, month = (int(one) for one in match.groups() if one)
        return _days(year, month, 1)
    if match := _MONTH_FIRST.fullmatch(text):
        return _days(int(match[2]), int(match[1]), 1)
    if match := _WEEKLY.fullmatch(text):
        return _iso_week(*(int(one or 1) for one in match.groups()))
    if match := _ORDINAL.fullmatch(text):
        first = _days(int(match[1]), 1, 1)
        return None if first is None or not 1 <= int(match[2]) <= 366 else first + int(match[2]) - 1
    if match := _QUARTERLY.fullmatch(text):
        first, second = (int(one) for one in match.groups() if one)
        year, quarter = max(first, second), min(first, second)
        return _days(year, 3 * quarter - 2, 1)
    if match := _REPUBLIC.fullmatch(text):
        year, month, day = map(int, match.groups())
        return _days(year + _REPUBLIC_YEAR, month, day)
    if match := _TWO_FIRST.fullmatch(text):
        return _ordered([int(one) for one in match.groups()], order)
    return _named(text)


def _ordered(numbers: list[int], order: str) -> int | None:
    year, month, day = (numbers[place] for place in _PLACES[order])
    return _days(_full(year), month, day)


def _full(year: int) -> int:
    return year if year > 99 else year + (1900 if year > 68 else 2000)


def _named(text: str) -> int | None:
    """Read a date whose month has a name, with its weekday or without."""
    words = re.findall(r"[^\W\d_]{3,}", text)
    months = [month_of(word) for word in words]
    # A weekday comes before; of two words that could be months the last one is.
    month = next((one for one in reversed(months) if one), 0)
    numbers = [int(one) for one in re.findall(r"\d+", text)]
    if not month or not 1 <= len(numbers) <= 2:
        return None
    if len(numbers) == 1:
        is_short = bool(re.fullmatch(_SHORT_MONTH, text))
        return _days(_full(numbers[0]), month, 1) if numbers[0] > 99 or is_short else None
    day, year = (numbers[1], numbers[0]) if numbers[0] > 31 else (numbers[0], numbers[1])
    return _days(_full(year), month, day)


def _iso_week(year: int, week: int, day: int) -> int | None:
    try:
        return date.fromisocalendar(year, week, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None


def _days(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None


def _clock(text: str) -> int | None:
    """Return a clock's time in microseconds; 24:00 ends the day."""
    hours, minutes, seconds = [*text.replace(",", ".").split(":"), "0", "0"][:3]
    whole, _, part = seconds.partition(".")
    if int(hours) > 24 or int(minutes) > 59 or int(whole) > 60:
        return None
    fraction = int(part[:6].ljust(6, "0"))
    return int(hours) * HOUR_US + int(minutes) * MINUTE_US + int(whole) * SECOND_US + fraction


def _bare_clock(text: str) -> int | None:
    """Return the time of digits like 930, 0930, 93000, 093000 or 093000123."""
    digits = text.zfill(4 if len(text) <= 4 else 6)
    return _clock(f"{digits[:2]}:{digits[2:4]}:{digits[4:6] or 0}.{digits[6:] or 0}")


def _offset(text: str) -> int | None:
    match = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", text, re.IGNORECASE)
    if match:
        size = int(match[2]) * HOUR_US + int(match[3] or 0) * MINUTE_US
        return -size if match[1] == "-" else size
    hours = 0 if text.upper() == "Z" else _ABBREVIATIONS.get(text.upper())
    return None if hours is None else hours * HOUR_US

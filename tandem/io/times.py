"""Times as files write them: which notation, which zone, day or month first."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.clock import DAY_US, HOUR_US
from tandem.core.errors import DataError
from tandem.io import written_times, zones
from tandem.io.bar_times import are_trading_days
from tandem.io.epochs import EPOCHS, mixed_epochs, read_epochs
from tandem.io.model import Corrections
from tandem.io.read_times import (
    EARLIEST_US,
    LATEST_US,
    ORDERS,
    ReadTimes,
    Times,
    by_format,
    from_parsed,
)
from tandem.io.zones import zone

# From March 1973 (seconds) on, where the ranges of the units do not meet.
_HEAD = 5_000
_DATE_LENGTH = 10  # dd/mm/yyyy
# A whole number of which a spreadsheet kept six digits at most.
SHORTENED = r"(?i)\d(?:[.,]\d{1,5})?e\+?\d{2}"

ASSUMED = "UTC, assumed: the file names no zone"

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

OFFSETS = "UTC: the times have offsets"
_OFFSET = r"\s*(?:Z|UTC|GMT)?\s*(?:[+-]\d{1,2}:?\d{2})?$"
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


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
        return read_epochs(column.to_numpy(np.int64), unit)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return read_epochs(column.to_numpy(np.float64, na_value=np.nan), unit)
    clean = _iso_alike(column)
    if clean is not None:
        return clean
    text = column.astype(str)
    short = text.where((text.str.len() < 40) & ~text.str.fullmatch(SHORTENED), "")
    numeric = pd.to_numeric(short, errors="coerce")
    if numeric.notna().mean() > 0.5:  # epochs among junk; exact where the text is a whole number
        return mixed_epochs(short, numeric, unit)
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
    found = from_parsed(parsed, "date")
    if form.endswith("%z"):
        return found._replace(taken_for="ISO date and time, with offset", zone=OFFSETS)
    return found._replace(taken_for="ISO date and time")


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
    found = {pattern: by_format(some, pattern) for pattern in patterns}
    pattern = max(found, key=lambda name: found[name].valid.sum())
    chosen = by_format(text, pattern)._replace(note=note)
    best = max(best, chosen, key=lambda result: result.valid.sum())
    if best.valid.all() or not (text[~best.valid] != "").any():
        return best
    order = told.date_order or ORDERS.get(patterns[0][:2], "")
    if not order:
        order = ORDERS.get(pattern[:2], "day first")
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
    found = from_parsed(pd.to_datetime(dashed, format="ISO8601", utc=True, errors="coerce"), "date")
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
    read = [by_format(text, date + clock) for clock in _CLOCKS]
    found = max(read, key=lambda one: one.valid.sum())
    steps = np.abs(np.diff(found.time_us[found.valid]))
    usual = float(np.median(steps)) if len(steps) else 0.0
    return float(steps.max()) / usual if usual else 1.0

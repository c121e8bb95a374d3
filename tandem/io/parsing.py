"""From a table's cells to times and numbers: dates, clocks and zones, and what cannot be read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.io import zones
from tandem.io.bare_clocks import bare_clocks, clocks_in_full
from tandem.io.column import Column, key_of
from tandem.io.column_names import AMOUNTS, DATED, END_NAMES, END_OF_HOUR, EVENTS, PRICES, plain
from tandem.io.model import BEFORE_TABLE
from tandem.io.numbers import MISSING, doubtful_points, numbers, points_of, ratios
from tandem.io.read_times import ReadTimes
from tandem.io.sheet import NARROW, Sheet, texts_of
from tandem.io.text import shown
from tandem.io.times import ASSUMED, SHORTENED, are_trading_dates, times

# Names of a column that tells the zone of the times, or how far it is from UTC.
ZONE_COLUMNS = ("timezone", "time_zone", "timezone_name")
OFFSET_COLUMNS = ("gmt_offset", "utc_offset", "gmtoffset", "utcoffset", "tz_offset")

NO_TIME = "the time could not be parsed"


def data(sheet: Sheet, frame: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """Return one row per line with a valid time, numbers as floats, `row` its position."""
    time_column = next(c for c in columns if c.role == "time")
    text = frame[time_column.index]
    text = _whole_dates(text, frame, columns)
    clock = next((c for c in columns if c.role == "clock"), None)
    if clock is not None:
        text = text.astype(str).str.cat(_clocks(sheet, frame[clock.index], clock), sep=" ")
    _require_whole_times(sheet, time_column)
    found = _times(sheet, text, time_column.name)
    sheet.times, sheet.zone = found.taken_for, found.zone
    sheet.time_unit, sheet.date_order = found.unit, found.date_order
    sheet.local_us, sheet.are_dates = found.local_us, found.are_dates
    sheet.notes += [found.note] if found.note else []
    if not found.valid.any():
        example = next((str(cell) for cell in text if str(cell)), "")
        raise DataError(
            f"{shown(sheet.name)}: the times in column {shown(time_column.name)} could not "
            f"be parsed, for example {shown(example)}. Write them as 2024-12-31 23:59:59 "
            "or in milliseconds since 1970."
        )
    _set_aside_times(sheet, text, found)
    data: dict[str, npt.NDArray[Any]] = {
        "row": np.arange(len(frame)),
        "time_us": found.time_us,
    }
    for column in columns:
        if column.role in (*PRICES, *AMOUNTS, *EVENTS, "age"):
            decimal = sheet.decimals.get(column.index, sheet.decimal)
            read = ratios if column.role == "split" else numbers
            data[key_of(column)] = read(frame[column.index], decimal)
            if frame[column.index].dtype.kind not in "iufb":
                sheet.texts[key_of(column)] = frame[column.index]
            _note_points(sheet, frame[column.index], column)
            _note_no_numbers(sheet, frame[column.index], data[key_of(column)], column)
        elif column.role in ("last_trade", "received"):
            data[key_of(column)] = times(frame[column.index], column.name, sheet.told).time_us
        elif column.role == "symbol":
            data[key_of(column)] = _stripped(frame[column.index])
        elif column.role and column.role not in DATED:
            data[key_of(column)] = frame[column.index].to_numpy()
    whole = pd.DataFrame(data, copy=False)
    return whole if found.valid.all() else whole[found.valid]


def _whole_dates(
    years: pd.Series[Any], frame: pd.DataFrame, columns: list[Column]
) -> pd.Series[Any]:
    """Put years together with months and days in columns of their own."""
    if not any(column.role == "month" for column in columns):
        return years
    for role in ("month", "day"):
        for column in columns:
            if column.role == role:
                parts = frame[column.index].astype(str).str.strip().str.zfill(2)
                years = years.astype(str).str.cat(parts, sep="-")
    return years


def _clocks(sheet: Sheet, cells_there: pd.Series[Any], column: Column) -> pd.Series[Any]:
    """Return clocks with colons; where they are the ends of bars, that is remembered."""
    texts = cells_there.astype(str)
    form = bare_clocks([str(one) for one in cells_there.dropna().unique()])
    if plain(column.name) in END_NAMES:
        sheet.end_name = column.name
    if form is None:
        return texts
    if form.are_to_24:
        sheet.end_name = END_OF_HOUR
        sheet.notes.append("Hours are counted from 1 to 24: each is the one that ends then.")
    return clocks_in_full(texts, form)


def _times(sheet: Sheet, text: pd.Series[Any], name: str) -> ReadTimes:
    """Read times in the zone that they, their column's name, or else the file names."""
    found = times(text, name, sheet.told)
    if found.zone != ASSUMED:
        return found
    named, where = _zone_of_file(sheet)
    if not named or are_trading_dates(found):
        return found
    if zones.is_doubtful(named):
        raise zones.doubt(named, where)
    found = times(text, name, replace(sheet.told, time_zone=named))
    return found._replace(zone=f"{named}: {where} says so")


def _zone_of_file(sheet: Sheet) -> tuple[str, str]:
    """Return the zone named in a column of its own or above the table, and where that is."""
    for index, name in enumerate(sheet.lines.header or ()):
        if plain(name) not in (*ZONE_COLUMNS, *OFFSET_COLUMNS):
            continue
        there = texts_of(sheet, [index])[index].dropna().str.strip().unique()
        if not len(there):
            continue
        if len(there) > 1 or plain(name) in OFFSET_COLUMNS:
            raise DataError(
                f"Column {shown(name)} has {shown(str(there[0]))}{' and others' * (len(there) > 1)}"
                "; it is not clear whether the times are UTC or in that zone. Give their zone, as "
                "UTC, America/New_York or UTC-5 (Time zone; --time-zone)."
            )
        return str(there[0]), f"column {shown(name)}"
    for entry in sheet.lines.aside:
        if entry.reason == BEFORE_TABLE and (named := zones.stated(entry.text)):
            return named, f"line {entry.line}"
    return "", ""


def _stripped(column: pd.Series[Any]) -> npt.NDArray[Any]:
    """Return names without blanks around them, which would make two instruments of one."""
    codes, names = pd.factorize(column)
    stripped = [str(name).strip() for name in names]
    if stripped == list(names):
        return column.to_numpy()
    return np.array([*(name or None for name in stripped), None], object)[codes]


def _require_whole_times(sheet: Sheet, column: Column) -> None:
    """Refuse times like 1.7E+12: what is left of them is the same for weeks."""
    sample = [row[column.index] for row in sheet.lines.sample if row[column.index]]
    ruined = [cell for cell in sample if re.fullmatch(SHORTENED, cell)]
    if len(ruined) > 0.5 * len(sample):
        raise DataError(
            f"A spreadsheet shortened the times in column {shown(column.name)} to a few digits "
            f"(like {shown(ruined[0])}); they are lost. Use the file as it was downloaded."
        )


def _set_aside_times(sheet: Sheet, text: pd.Series[Any], found: ReadTimes) -> None:
    """Set aside the rows without a time, those apart whose time a spreadsheet cut short."""
    wrong = ~found.valid
    if not wrong.any():
        return
    texts = text[wrong].astype(str)
    for pattern, reason in (
        (SHORTENED, "a spreadsheet shortened the time to a few digits"),
        NARROW,
    ):
        ruined = wrong.copy()
        ruined[wrong] = texts.str.fullmatch(pattern).to_numpy(bool)
        sheet.set_aside(ruined, reason, np.arange(len(text)))
        wrong &= ~ruined
        texts = text[wrong].astype(str)
    sheet.set_aside(wrong, NO_TIME, np.arange(len(text)))


def _note_points(sheet: Sheet, text: pd.Series[Any], column: Column) -> None:
    """Say where points are divided into parts; raise DataError where that cannot be told."""
    if column.role not in PRICES or text.dtype.kind in "iufb":
        return
    distinct = pd.unique(text.dropna())
    doubt = doubtful_points(distinct)
    if doubt:
        raise DataError(
            f"In column {shown(column.name)} it cannot be told whether {shown(doubt)} has "
            "thousands or 32nds; write numbers as 1234.5."
        )
    parts = points_of(distinct)
    if parts:
        ending = "nds" if parts == 32 else "ths"
        sheet.notes.append(f"Prices in column {shown(column.name)} are in {parts}{ending}.")


def _note_no_numbers(
    sheet: Sheet, text: pd.Series[Any], values: npt.NDArray[np.float64], column: Column
) -> None:
    """Say where amounts, and prices of a wide table, are left empty.

    Another price that is no number sets its row aside.
    """
    if not (column.role in AMOUNTS or column.symbol) or text.dtype.kind in "iuf":
        return
    given = text[np.isnan(values) & text.notna().to_numpy()].astype(str)
    count = int((~given.str.strip().str.lower().isin(MISSING)).sum())
    if count:
        several = "s" * (count > 1)
        sheet.notes.append(
            f"{count:,} cell{several} of column {shown(column.name)} left empty: no number."
        )

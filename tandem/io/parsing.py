"""From the lines of a file to times and numbers, each row with its line."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.io import cells
from tandem.io.columns import Column
from tandem.io.model import AMOUNTS, PRICES
from tandem.io.naming import key_of
from tandem.io.sheet import NARROW, Sheet, sorted_note
from tandem.io.text import shown

# Floats to the last bit: the default from pandas 3.1 on, where naming it is deprecated.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_EXACT_FLOATS: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}


def frame(sheet: Sheet, columns: list[Column]) -> pd.DataFrame:
    """Parse the used columns; text stays text where it is no plain number."""
    used = [column for column in columns if column.role]
    texts_of = {"symbol", "side"}
    if any(column.role == "clock" for column in used):
        texts_of |= {"time", "clock"}  # 093000 has a zero in front
    as_text: dict[int, type] = {c.index: str for c in used if c.role in texts_of}
    frame = _parse(sheet, [column.index for column in used], as_text)
    times = [c.index for c in used if c.role == "time" and frame[c.index].dtype.kind == "f"]
    if times and (b"E+" in sheet.lines.text or b"e+" in sheet.lines.text):
        as_text |= dict.fromkeys(times, str)  # to see which times a spreadsheet shortened
        frame = _parse(sheet, [column.index for column in used], as_text)
    number_columns = [c for c in used if c.role in (*PRICES, *AMOUNTS)]
    texts = [frame[c.index] for c in number_columns if frame[c.index].dtype.kind not in "iufb"]
    cells_of_text = pd.concat(texts).dropna() if texts else pd.Series([], dtype=object)
    proved = sheet.told.decimal or cells.decimal_of(cells_of_text)
    sheet.decimal = proved or "."
    if sheet.decimal == ",":  # columns that looked like plain numbers have thousands points
        as_text |= {c.index: str for c in number_columns}
        frame = _parse(sheet, [column.index for column in used], as_text)
    elif not proved:
        doubt = cells.ambiguous_comma(cells_of_text)
        if doubt:
            raise DataError(
                f"In {shown(sheet.name)} it cannot be told whether the comma in {shown(doubt)} "
                "is a decimal comma or groups thousands; write numbers as 1234.5."
            )
    return frame


def _parse(sheet: Sheet, indexes: list[int], as_text: dict[int, type]) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(sheet.lines.text),
            sep=sheet.lines.delimiter,
            header=None,
            names=list(range(sheet.lines.width)),
            usecols=indexes,
            dtype=as_text,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            skipinitialspace=True,
            low_memory=False,
            index_col=False,
            encoding="utf-8",
            **_EXACT_FLOATS,
        )
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        raise DataError(
            f"{shown(sheet.name)} cannot be read as a table: {shown(str(error), 80)}."
        ) from None
    if len(frame) != len(sheet.lines.numbers):
        raise DataError(
            f"{shown(sheet.name)} has cells that run over several lines; write one row a line."
        )
    return frame


def data(sheet: Sheet, frame: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """Return one row per line with a valid time, numbers as floats, `row` its position."""
    time_column = next(c for c in columns if c.role == "time")
    text = frame[time_column.index]
    clock = next((c for c in columns if c.role == "clock"), None)
    if clock is not None:
        text = text.astype(str).str.cat(frame[clock.index].astype(str), sep=" ")
    _require_whole_times(sheet, time_column)
    found = cells.times(text, time_column.name, sheet.told)
    sheet.times, sheet.zone = found.taken_for, found.zone
    sheet.notes += [found.note] if found.note else []
    if not found.valid.any():
        example = next((str(cell) for cell in text if str(cell)), "")
        raise DataError(
            f"{shown(sheet.name)}: the times in column {shown(time_column.name)} are not "
            f"understood, for example {shown(example)}. Write them as 2024-12-31 23:59:59 "
            "or in milliseconds since 1970."
        )
    _set_aside_times(sheet, text, found)
    data: dict[str, npt.NDArray[Any]] = {
        "row": np.arange(len(frame)),
        "time_us": found.time_us,
    }
    for column in columns:
        if column.role in (*PRICES, *AMOUNTS, "age"):
            data[key_of(column)] = cells.numbers(frame[column.index], sheet.decimal)
            if frame[column.index].dtype.kind not in "iufb":
                sheet.texts[key_of(column)] = frame[column.index]
            _note_no_numbers(sheet, frame[column.index], data[key_of(column)], column)
        elif column.role in ("last_trade", "received"):
            data[key_of(column)] = cells.times(frame[column.index], column.name, sheet.told).time_us
        elif column.role and column.role not in ("time", "clock"):
            data[key_of(column)] = frame[column.index].to_numpy()
    whole = pd.DataFrame(data, copy=False)
    return whole if found.valid.all() else whole[found.valid]


def _require_whole_times(sheet: Sheet, column: Column) -> None:
    """Refuse times like 1.7E+12: what is left of them is the same for weeks."""
    sample = [row[column.index] for row in sheet.lines.sample if row[column.index]]
    ruined = [cell for cell in sample if re.fullmatch(cells.SHORTENED, cell)]
    if len(ruined) > 0.5 * len(sample):
        raise DataError(
            f"A spreadsheet shortened the times in column {shown(column.name)} to a few digits "
            f"(like {shown(ruined[0])}); they are lost. Use the file as it was downloaded."
        )


def _set_aside_times(sheet: Sheet, text: pd.Series[Any], found: cells.ReadTimes) -> None:
    """Set aside the rows without a time, those apart whose time a spreadsheet cut short."""
    wrong = ~found.valid
    if not wrong.any():
        return
    texts = text[wrong].astype(str)
    for pattern, reason in (
        (cells.SHORTENED, "a spreadsheet shortened the time to a few digits"),
        NARROW,
    ):
        ruined = wrong.copy()
        ruined[wrong] = texts.str.fullmatch(pattern).to_numpy(bool)
        sheet.set_aside(ruined, reason, np.arange(len(text)))
        wrong &= ~ruined
        texts = text[wrong].astype(str)
    sheet.set_aside(wrong, "the time is not understood", np.arange(len(text)))


def _note_no_numbers(
    sheet: Sheet, text: pd.Series[Any], values: npt.NDArray[np.float64], column: Column
) -> None:
    """Say where amounts are left empty; a price that is no number sets its row aside."""
    if column.role not in AMOUNTS or text.dtype.kind in "iuf":
        return
    given = text[np.isnan(values) & text.notna().to_numpy()].astype(str)
    count = int((~given.str.strip().str.lower().isin(cells.MISSING)).sum())
    if count:
        sheet.notes.append(
            f"{count:,} cells of column {shown(column.name)} are no numbers; they stay empty."
        )


def in_order(sheet: Sheet, data: pd.DataFrame) -> pd.DataFrame:
    """Sort by time; rows of one time stay in file order, also where the newest come first."""
    steps = np.diff(data["time_us"].to_numpy())
    if "symbol" in data:  # one instrument below the other is in order
        symbols = data["symbol"].to_numpy()
        steps = steps[symbols[1:] == symbols[:-1]]
        if not (steps < 0).any():
            return data.sort_values("time_us", kind="stable")
    back, forth = int((steps < 0).sum()), int((steps > 0).sum())
    if not back:
        return data
    if back > forth:
        data = data[::-1]
        sheet.notes.append("The newest rows came first; they were turned round.")
        back = forth
    if back:
        sheet.notes.append(sorted_note(back))
    return data.sort_values("time_us", kind="stable")

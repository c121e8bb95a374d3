"""A table of text on its way to numbers: its lines, what it was taken for, and its cells."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.io.column import Column, taken
from tandem.io.column_names import AMOUNTS, DATED, EVENTS, PRICES
from tandem.io.model import ASIDE_SHOWN, TEXT_SHOWN, Aside, Corrections, Unclear
from tandem.io.numbers import ambiguous_comma, ambiguous_mark, decimal_of
from tandem.io.text import Lines, shown

SAMPLE_ROWS = 5

# What a spreadsheet writes where a column is too narrow for its number.
NARROW = (r"#{3,}", "a spreadsheet wrote ##### because its column was too narrow")

# Floats to the last bit: the default from pandas 3.1 on, where naming it is deprecated.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
EXACT_FLOATS: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}


@dataclass
class Sheet:
    """The lines of a table, and what is found out about them.

    Attributes
    ----------
    lines : Lines
    name : str
    told : Corrections
    aside : list of Aside
        The first lines that cannot be used.
    more : Counter
        Lines not used that are not among `lines`, by reason.
    notes : list of str
        Sentences for the report.
    decimal, times, zone, time_unit, date_order, label : str
        As in `Report`.
    has_quotes : bool
        Whether prices are the mid of bid and ask.
    time_notes : tuple of str
        What was done to the times of bars.
    local_us : ndarray of int64 or None
    are_dates : bool
        As in `ReadTimes`.
    end_name : str
        What the clock's column is called, where it has the ends of bars.
    decimals : dict of int to str
        The decimal mark of columns, by index, that prove another than `decimal`.
    texts : dict of str to Series
        Columns of numbers, by key, that were not written as plain numbers.
    kept : ndarray of bool
        Which lines are used for at least one instrument.
    """

    lines: Lines
    name: str
    told: Corrections = field(default_factory=Corrections)
    aside: list[Aside] = field(default_factory=list)
    more: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    decimal: str = "."
    decimals: dict[int, str] = field(default_factory=dict)
    times: str = ""
    zone: str = ""
    time_unit: str = ""
    date_order: str = ""
    label: str = ""
    has_quotes: bool = False
    time_notes: tuple[str, ...] = ()
    local_us: npt.NDArray[np.int64] | None = None
    are_dates: bool = False
    end_name: str = ""
    texts: dict[str, pd.Series[Any]] = field(default_factory=dict)
    kept: npt.NDArray[np.bool_] = field(init=False)
    _wrong: dict[str, list[npt.NDArray[np.int64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept = np.zeros(len(self.lines.numbers), bool)

    def set_aside(self, wrong: npt.NDArray[np.bool_], reason: str, rows: Any) -> None:
        """Note the rows (positions in the data) that are wrong."""
        positions = np.asarray(rows)[wrong]
        if not len(positions):
            return
        self._wrong.setdefault(reason, []).append(positions)
        for position in positions[: max(ASIDE_SHOWN - len(self.aside), 0)]:
            start, end = self._line_ends[position : position + 2]
            text = self.lines.text[start + 1 : end].decode(errors="replace")
            self.aside.append(Aside(int(self.lines.numbers[position]), reason, text))

    def reasons(self, *, is_lost: bool = False) -> Counter[str]:
        """Return how many lines are not used, by reason; a line counts once for all its legs.

        Parameters
        ----------
        is_lost : bool
            Whether to count only lines of which no leg uses anything.
        """
        found = Counter(entry.reason for entry in self.lines.aside) + self.more
        for reason, positions in self._wrong.items():
            lines = np.unique(np.concatenate(positions))
            found[reason] += int((~self.kept[lines]).sum()) if is_lost else len(lines)
        return +found

    def sample(self) -> tuple[tuple[str, ...], ...]:
        """Return the first rows as text."""
        rows = self.lines.sample[:SAMPLE_ROWS]
        return tuple(tuple(cell[:TEXT_SHOWN] for cell in row) for row in rows)

    @cached_property
    def _line_ends(self) -> npt.NDArray[np.int64]:
        ends = np.flatnonzero(np.frombuffer(self.lines.text, np.uint8) == ord("\n"))
        return np.concatenate((np.array([-1]), ends))


def frame(sheet: Sheet, columns: list[Column]) -> pd.DataFrame:
    """Parse the used columns; text stays text where it is no plain number."""
    used = [column for column in columns if column.role]
    texts_of = {"symbol", "side"}
    if any(column.role in ("clock", "month") for column in used):
        texts_of |= set(DATED)  # 093000 has a zero in front
    as_text: dict[int, type] = {c.index: str for c in used if c.role in texts_of}
    frame = _parse(sheet, [column.index for column in used], as_text)
    times = [c.index for c in used if c.role == "time" and frame[c.index].dtype.kind == "f"]
    if times and (b"E+" in sheet.lines.text or b"e+" in sheet.lines.text):
        as_text |= dict.fromkeys(times, str)  # to see which times a spreadsheet shortened
        frame = _parse(sheet, [column.index for column in used], as_text)
    number_columns = [c for c in used if c.role in (*PRICES, *AMOUNTS, *EVENTS)]
    texts = [frame[c.index] for c in number_columns if frame[c.index].dtype.kind not in "iufb"]
    cells_of_text = pd.concat(texts).dropna() if texts else pd.Series([], dtype=object)
    marks = Counter(decimal_of(text.dropna()) for text in texts)
    del marks[""]
    proved = sheet.told.decimal or next((mark for mark, _ in marks.most_common(1)), "")
    sheet.decimal = proved or "."
    if "," in marks or sheet.decimal == ",":  # plain numbers may have thousands points
        as_text |= {c.index: str for c in number_columns}
        frame = _parse(sheet, [column.index for column in used], as_text)
        if not sheet.told.decimal:
            _set_decimals(sheet, frame, number_columns)
    elif not proved:
        doubt = ambiguous_comma(cells_of_text)
        if doubt and not _is_point_proved(sheet, number_columns):
            raise DataError(
                f"In {shown(sheet.name)} it cannot be told whether the comma in {shown(doubt)} "
                "is a decimal comma or groups thousands; write numbers as 1234.5 or give the "
                "decimal mark (--decimal)."
            )
    return frame


def _set_decimals(sheet: Sheet, frame: pd.DataFrame, columns: list[Column]) -> None:
    """Judge each column by its own cells; raise DataError where some leave a mark in doubt."""
    found = {column: decimal_of(frame[column.index].dropna()) for column in columns}
    if len(set(found.values()) - {""}) < 2:
        return
    for column, mark in found.items():
        doubt = "" if mark else ambiguous_mark(frame[column.index].dropna())
        if doubt:
            raise DataError(
                f"In {shown(sheet.name)} some columns have a decimal comma and some a point, and "
                f"column {shown(column.name)} does not tell what {shown(doubt)} is; give the "
                "decimal mark (--decimal)."
            )
    sheet.decimals = {column.index: mark for column, mark in found.items() if mark}
    sheet.notes.append("Some columns have a decimal comma and some a decimal point.")


def _is_point_proved(sheet: Sheet, columns: list[Column]) -> bool:
    """Tell whether the first rows prove a decimal point, in columns of plain numbers too."""
    cells_there = [row[column.index] for row in sheet.lines.sample for column in columns]
    return decimal_of(pd.Series(cells_there, dtype=object)) == "."


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
            **EXACT_FLOATS,
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


def texts_of(sheet: Sheet, indexes: list[int]) -> pd.DataFrame:
    """Return the cells of columns as text, a row for each line."""
    return _parse(sheet, indexes, dict.fromkeys(indexes, str))


def without(
    sheet: Sheet, part: pd.DataFrame, wrong: npt.NDArray[np.bool_], reason: str
) -> pd.DataFrame:
    """Set rows aside; the others are copied only where some are."""
    if not wrong.any():
        return part
    sheet.set_aside(wrong, reason, part["row"])
    return part[~wrong]


def amount_of(part: pd.DataFrame, keys: dict[str, str]) -> str | None:
    """Return the column that holds the quantity of each trade, if one does."""
    # Prices that are only told come with no quantity at all: it is unknown.
    amount = keys.get("quantity", keys.get("volume"))
    return None if amount and (part[amount] == 0.0).all() else amount


def unclear(sheet: Sheet, text: str, columns: list[Column]) -> Unclear:
    """Return the error with what is needed to correct it."""
    return Unclear(text, taken(columns), sheet.sample())

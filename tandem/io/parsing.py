"""From the lines of a file to rows that can be used: times and numbers, each with its line."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.io import cells, zones
from tandem.io.bare_clocks import bare_clocks, clocks_in_full
from tandem.io.columns import (
    AMOUNTS,
    DATED,
    END_NAMES,
    END_OF_HOUR,
    EVENTS,
    PRICES,
    Column,
    key_of,
    plain,
)
from tandem.io.model import (
    AGAIN,
    ASIDE_SHOWN,
    BEFORE_TABLE,
    NO_TRADE,
    OLDER_QUOTE,
    TEXT_SHOWN,
    Aside,
    Corrections,
)
from tandem.io.text import Lines, shown

SAMPLE_ROWS = 5

# Names of a column that tells the zone of the times, or how far it is from UTC.
ZONE_COLUMNS = ("timezone", "time_zone", "timezone_name")
OFFSET_COLUMNS = ("gmt_offset", "utc_offset", "gmtoffset", "utcoffset", "tz_offset")

CURRENCY_COLUMNS = ("currency", "ccy", "price_currency", "currency_code", "waehrung", "wahrung")

REVERSED = "The newest rows came first; their order was reversed."
NO_TIME = "the time could not be parsed"
# What a spreadsheet writes where a column is too narrow for its number.
NARROW = (r"#{3,}", "a spreadsheet wrote ##### because its column was too narrow")
_EXCEL = (
    NARROW,
    (
        r"(?i)\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
        r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*-\d{2,4}",
        "a spreadsheet turned the number into a date",
    ),
    (r"(?i)#(value|ref|name|num|div/0|null)[!?]?", "a spreadsheet wrote an error for the number"),
)

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
        As in `cells.ReadTimes`.
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


# Times and numbers ------------------------------------------------------------------------


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
    marks = Counter(cells.decimal_of(text.dropna()) for text in texts)
    del marks[""]
    proved = sheet.told.decimal or next((mark for mark, _ in marks.most_common(1)), "")
    sheet.decimal = proved or "."
    if "," in marks or sheet.decimal == ",":  # plain numbers may have thousands points
        as_text |= {c.index: str for c in number_columns}
        frame = _parse(sheet, [column.index for column in used], as_text)
        if not sheet.told.decimal:
            _set_decimals(sheet, frame, number_columns)
    elif not proved:
        doubt = cells.ambiguous_comma(cells_of_text)
        if doubt and not _is_point_proved(sheet, number_columns):
            raise DataError(
                f"In {shown(sheet.name)} it cannot be told whether the comma in {shown(doubt)} "
                "is a decimal comma or groups thousands; write numbers as 1234.5 or give the "
                "decimal mark (--decimal)."
            )
    return frame


def _set_decimals(sheet: Sheet, frame: pd.DataFrame, columns: list[Column]) -> None:
    """Judge each column by its own cells; raise DataError where some leave a mark in doubt."""
    found = {column: cells.decimal_of(frame[column.index].dropna()) for column in columns}
    if len(set(found.values()) - {""}) < 2:
        return
    for column, mark in found.items():
        doubt = "" if mark else cells.ambiguous_mark(frame[column.index].dropna())
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
    return cells.decimal_of(pd.Series(cells_there, dtype=object)) == "."


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
            read = cells.ratios if column.role == "split" else cells.numbers
            data[key_of(column)] = read(frame[column.index], decimal)
            if frame[column.index].dtype.kind not in "iufb":
                sheet.texts[key_of(column)] = frame[column.index]
            _note_points(sheet, frame[column.index], column)
            _note_no_numbers(sheet, frame[column.index], data[key_of(column)], column)
        elif column.role in ("last_trade", "received"):
            data[key_of(column)] = cells.times(frame[column.index], column.name, sheet.told).time_us
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


def _times(sheet: Sheet, text: pd.Series[Any], name: str) -> cells.ReadTimes:
    """Read times in the zone that they, their column's name, or else the file names."""
    found = cells.times(text, name, sheet.told)
    if found.zone != cells.ASSUMED:
        return found
    named, where = _zone_of_file(sheet)
    if not named or cells.are_trading_dates(found):
        return found
    if zones.is_doubtful(named):
        raise zones.doubt(named, where)
    found = cells.times(text, name, replace(sheet.told, time_zone=named))
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
    sheet.set_aside(wrong, NO_TIME, np.arange(len(text)))


def _note_points(sheet: Sheet, text: pd.Series[Any], column: Column) -> None:
    """Say where points are divided into parts; raise DataError where that cannot be told."""
    if column.role not in PRICES or text.dtype.kind in "iufb":
        return
    distinct = pd.unique(text.dropna())
    doubt = cells.doubtful_points(distinct)
    if doubt:
        raise DataError(
            f"In column {shown(column.name)} it cannot be told whether {shown(doubt)} has "
            "thousands or 32nds; write numbers as 1234.5."
        )
    parts = cells.points_of(distinct)
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
    count = int((~given.str.strip().str.lower().isin(cells.MISSING)).sum())
    if count:
        several = "s" * (count > 1)
        sheet.notes.append(
            f"{count:,} cell{several} of column {shown(column.name)} left empty: no number."
        )


def note_currencies(sheet: Sheet, rows: pd.DataFrame) -> None:
    """Say where the prices of an instrument change their currency."""
    for index, name in enumerate(sheet.lines.header or ()):
        if plain(name) not in CURRENCY_COLUMNS:
            continue
        currencies = texts_of(sheet, [index])[index].iloc[rows["row"].to_numpy()].to_numpy()
        found = pd.DataFrame({"instrument": rows.get("symbol", ""), "currency": currencies})
        several = found.dropna().groupby("instrument")["currency"].unique()
        several = several[several.map(len) > 1]
        if len(several):
            sheet.notes.append(
                f"Prices change their currency ({', '.join(map(shown, several.iloc[0][:4]))} in "
                f"column {shown(name)}); they are not converted."
            )


def sorted_note(back: int) -> str:
    """Say that so many rows had a later one before them."""
    if back == 1:
        return "1 row was out of time order; the rows were sorted."
    return f"{back:,} rows were out of time order; they were sorted."


def time_order(
    time_us: npt.NDArray[np.int64], steps: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp] | None, list[str]]:
    """Return the order that sorts rows by time, and what to say of it; None where they are sorted.

    Rows of one time stay in file order, or are reversed with all others where the newest come
    first, so that the newest of them is the last.

    Parameters
    ----------
    time_us : ndarray of shape (n_rows,)
    steps : ndarray
        Changes of time from row to row, within an instrument.
    """
    back, forth = int((steps < 0).sum()), int((steps > 0).sum())
    if not back:
        return None, []
    notes, rows = [], np.arange(len(time_us))
    if back > forth:
        rows = rows[::-1]
        notes.append(REVERSED)
        back = forth
    if back:
        notes.append(sorted_note(back))
    return rows[np.argsort(time_us[rows], kind="stable")], notes


def in_order(sheet: Sheet, data: pd.DataFrame) -> pd.DataFrame:
    """Sort by time; see `time_order`."""
    time_us = data["time_us"].to_numpy()
    steps = np.diff(time_us)
    if "symbol" in data:  # one instrument below the other, or rows of several in turn
        codes = pd.factorize(data["symbol"])[0]
        together = np.argsort(codes, kind="stable")
        is_same = np.diff(codes[together]) == 0
        steps = np.diff(time_us[together])[is_same]
        if not (steps < 0).any():
            return data.sort_values("time_us", kind="stable")
    order, notes = time_order(time_us, steps)
    sheet.notes += notes
    return data if order is None else data.iloc[order]


# Rows that can be used --------------------------------------------------------------------


def valid_prices(
    sheet: Sheet, part: pd.DataFrame, names: list[str], are_bars: bool = False
) -> pd.DataFrame:
    """Set aside the rows in which one of these columns has no number above zero.

    The price of a bar may be below zero, as that of oil was; 0 stands for no price.
    """
    checks: tuple[tuple[Callable[[Any], Any], str], ...] = (
        (np.isnan, "a price or quantity is missing or is no number"),
        (np.isinf, "a price or quantity is infinite"),
        (
            (lambda values: values == 0) if are_bars else (lambda values: values <= 0),
            "a price or quantity is not above zero",
        ),
    )
    part = _ruined(sheet, part, names)
    for check, reason in checks:
        wrong = check(part[names].to_numpy()).any(axis=1)
        part = without(sheet, part, wrong, reason)
    return part


def without(
    sheet: Sheet, part: pd.DataFrame, wrong: npt.NDArray[np.bool_], reason: str
) -> pd.DataFrame:
    """Set rows aside; the others are copied only where some are."""
    if not wrong.any():
        return part
    sheet.set_aside(wrong, reason, part["row"])
    return part[~wrong]


def _ruined(sheet: Sheet, part: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Set aside the rows in whose price a spreadsheet put something else."""
    for name in names:
        if name not in sheet.texts:
            continue
        missing = part[name].isna().to_numpy()
        rows = part["row"].to_numpy()
        cells_there = sheet.texts[name].iloc[rows[missing]].astype(str).str.strip()
        for pattern, reason in _EXCEL:
            wrong = missing.copy()
            wrong[missing] = cells_there.str.fullmatch(pattern).to_numpy(bool)
            sheet.set_aside(wrong, reason, part["row"])
            part, missing = part[~wrong], missing[~wrong]
            rows = part["row"].to_numpy()
            cells_there = sheet.texts[name].iloc[rows[missing]].astype(str).str.strip()
    return part


def traded(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Leave out bars in which nothing traded: they only repeat the last price."""
    if "volume" not in keys or not {"open", "high", "low"} <= set(keys):
        return part
    dead = (part[keys["volume"]] == 0).to_numpy()
    flat = (part[keys["high"]] == part[keys["low"]]).to_numpy()
    if dead.all():
        return part
    return without(sheet, part, dead & flat, NO_TRADE)


def once(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the newest bar of each time: an unfinished candle may come before the finished one."""
    again, same = repeats(part["time_us"].to_numpy(), part[keys["close"]].to_numpy())
    if not again.any():
        return part
    other = OLDER_QUOTE if sheet.has_quotes else AGAIN[1]
    sheet.set_aside(again & same, AGAIN[0], part["row"])
    sheet.set_aside(again & ~same, other, part["row"])
    return part[~again]


def repeats(
    time_us: npt.NDArray[np.int64], close: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which rows are of a time that comes again, and which of them say the same as that.

    Of rows of one time, in the order of `time_order`, the last counts, whatever reads the file.
    """
    if bool((time_us[1:] > time_us[:-1]).all()):
        nothing = np.zeros(len(time_us), np.bool_)
        return nothing, nothing
    rows = pd.DataFrame({"time_us": time_us, "close": close}, copy=False)
    again = rows.duplicated("time_us", keep="last").to_numpy()
    return again, rows.duplicated(keep="last").to_numpy()


def valid_trades(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Set aside the rows without a price or a quantity; `keys` is the column of each role."""
    amount = amount_of(part, keys)
    return valid_prices(sheet, part, [keys["price"]] + ([amount] if amount else []))


def amount_of(part: pd.DataFrame, keys: dict[str, str]) -> str | None:
    """Return the column that holds the quantity of each trade, if one does."""
    # Prices that are only told come with no quantity at all: it is unknown.
    amount = keys.get("quantity", keys.get("volume"))
    return None if amount and (part[amount] == 0.0).all() else amount


def once_by_id(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the first trade of each id."""
    if "id" not in keys or _are_ids_ruined(sheet, part[keys["id"]]):
        return part
    again = (part.duplicated(keys["id"]) & part[keys["id"]].notna()).to_numpy()
    return without(sheet, part, again, AGAIN[2])


def _are_ids_ruined(sheet: Sheet, ids: pd.Series[Any]) -> bool:
    """Tell ids a spreadsheet cut short, as 1.23E+11: many are then alike, and prove nothing."""
    if ids.dtype.kind in "iu":
        return False
    texts = ids.iloc[:10_000].map(
        lambda cell: f"{cell:.15g}" if isinstance(cell, float) else str(cell)
    )
    shortened = texts.str.fullmatch(cells.SHORTENED) | texts.str.fullmatch(r"[1-9]\d{0,5}0{5,}")
    if shortened.mean() < 0.5:
        return False
    sheet.notes.append(
        "A spreadsheet shortened the trade ids to a few digits (like 1.23E+11); they are not "
        "used, so that trades that are there twice count twice."
    )
    return True

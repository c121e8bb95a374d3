"""A universe out of a file: a wide table, or any file of bars that `tables` can read."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.analytics.defects import DefectKind, find_defects
from tandem.core.errors import DataError
from tandem.core.memory import give_back_large_arrays
from tandem.core.parallel import UNWATCHED, Watch
from tandem.io.bar_times import settle
from tandem.io.column_names import plain
from tandem.io.columns import by_name
from tandem.io.containers import contents
from tandem.io.contents import is_number
from tandem.io.date_columns import own_dates
from tandem.io.files import read_files
from tandem.io.model import AGAIN, Corrections, left_out, loss_text, lost, require_bearable
from tandem.io.numbers import MISSING, numbers
from tandem.io.pairing import apart, on_one_grid
from tandem.io.parsing import NO_TIME, OFFSET_COLUMNS, ZONE_COLUMNS
from tandem.io.read_times import ReadTimes
from tandem.io.row_order import repeats, time_order
from tandem.io.sheet import EXACT_FLOATS
from tandem.io.text import SAMPLE_LINES
from tandem.io.times import times
from tandem.scanner.columns import MOST_INSTRUMENTS, counted

LARGEST_FILE = 400 * 2**20
# What cuts a wide table's cells.
SEPARATORS = ",;\t"
# A wide table's first column is one of these or has no name; others are left to `tables`.
TIME_NAMES = frozenset(
    ("", "time", "date", "datetime", "timestamp", "time_us", "open_time", "unnamed: 0", "index")
)
# Names of a bar's parts: a table with one of these has a row per instrument and time, or one each.
PARTS = frozenset(
    (
        "open",
        "high",
        "low",
        "close",
        "price",
        "volume",
        "quantity",
        "symbol",
        "instrument",
        "ticker",
    )
)
SHOWN = 60
MOST_NAMED = 3
SUSPECT = (DefectKind.BAD_PRINT, DefectKind.SPLIT)
_GUESS = Corrections()


class Universe(NamedTuple):
    """A universe out of a file.

    Attributes
    ----------
    prices : DataFrame of shape (bars, instruments)
    notes : tuple of str
        What was done to the file's rows, in the words of `tandem.io`'s reports.
    loss : str
        What to say first where many rows were set aside.
    """

    prices: pd.DataFrame
    notes: tuple[str, ...] = ()
    loss: str = ""


class _Watched(io.BytesIO):
    """A file's bytes whose reader shows how far it is and may be told to stop."""

    def __init__(self, raw: bytes, watch: Watch) -> None:
        super().__init__(raw)
        self._size, self._watch = len(raw), watch

    def read1(self, size: int | None = -1, /) -> bytes:
        self._watch.check()
        self._watch.progress(self.tell(), self._size)
        return super().read1(-1 if size is None else size)

    def read(self, size: int | None = -1, /) -> bytes:
        self._watch.check()
        self._watch.progress(self.tell(), self._size)
        return super().read(size)


def read_prices(data: bytes | Path, name: str, watch: Watch = UNWATCHED) -> pd.DataFrame:
    """Read a universe's prices; see `read_universe`, which also says what was done to the rows."""
    return read_universe(data, name, watch).prices


def read_universe(
    data: bytes | Path, name: str, watch: Watch = UNWATCHED, corrections: Corrections = _GUESS
) -> Universe:
    """Read a universe: a column of times and one of prices per instrument, or a list of bars.

    Parameters
    ----------
    name : str
        What the file is called.
    watch : Watch
        Shown progress and asked whether to go on, at every piece of the file.
    corrections : Corrections
        What is known about the file and need not be guessed.

    Returns
    -------
    Universe
        On ascending UTC times; an empty cell is NaN, and what is no number is kept as text, so
        that `scan` can say which column has some. Of prices of one time the newest counts; a
        row without a time is left out; a column without a name gets that of its place.

    Raises
    ------
    DataError
        A file too large, without times, or with fewer than two instruments.
    Cancelled
        When the watch says so.
    """
    give_back_large_arrays()
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    if size > LARGEST_FILE:
        raise DataError(
            f"{name:.{SHOWN}} has {size / 1e6:,.0f} MB; {LARGEST_FILE / 1e6:,.0f} are the most. "
            "Take fewer bars or instruments."
        )
    raw = data if isinstance(data, bytes) else data.read_bytes()
    found = _read(raw, name, watch, corrections)
    return found._replace(notes=(*found.notes, *_suspect(found.prices, watch)))


def _suspect(prices: pd.DataFrame, watch: Watch) -> tuple[str, ...]:
    """Say which columns hold prices that look like no market's; see `analytics.find_defects`.

    Frozen prices are the scan's own business (`ScanSettings.most_unchanged`).
    """
    named = []
    for name in prices.columns:
        watch.check()
        column = pd.to_numeric(prices[name], errors="coerce")
        kinds = Counter(one.kind for one in find_defects(column.to_numpy(np.float64)))
        told = [counted(kinds[kind], kind.value) for kind in SUSPECT if kinds[kind]]
        if told:
            named.append(f"{name:.{SHOWN}} ({', '.join(told)})")
    if not named:
        return ()
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    names = ", ".join(named[:MOST_NAMED])
    return (f"Suspect prices in {names}{more}; they are tested as they are.",)


def _read(raw: bytes, name: str, watch: Watch, corrections: Corrections) -> Universe:
    inside = contents(raw, name, LARGEST_FILE)
    if len(inside) > 1 or corrections not in (_GUESS, Corrections(accept_loss=True)):
        return _from_tables(raw, name, watch, corrections)
    text = inside[0].raw
    row = text[:1_000_000].split(b"\n", 2)[1:2]
    for separator in SEPARATORS:
        header = _wide_header(text, separator)
        # Beside another separator a comma is a decimal one, which `tables` reads.
        if header and (separator == "," or b"," not in b"".join(row)):
            return _wide(text, name, header, separator, watch, corrections)
    return _from_tables(raw, name, watch, corrections)


def _wide_header(raw: bytes, separator: str) -> list[str]:
    """Return the names of a wide table's columns; empty if this is none with this delimiter."""
    line = raw[:1_000_000].partition(b"\n")[0]
    try:
        cells = next(csv.reader([line.decode("utf-8-sig").strip("\r")], delimiter=separator), [])
    except (UnicodeDecodeError, csv.Error):
        return []
    names = [cell.strip() or f"column {place}" for place, cell in enumerate(cells, 1)]
    if cells and not cells[0].strip():
        names[0] = ""
    lower = [cell.lower() for cell in names]
    parts = PARTS.union(ZONE_COLUMNS, OFFSET_COLUMNS)
    is_wide = len(names) > 2 and lower[0] in TIME_NAMES and parts.isdisjoint(map(plain, names))
    # A first row of numbers is data.
    if not is_wide or any(_is_number(cell) for cell in names[1:]):
        return []
    return names if _are_instruments(raw, names, separator) else []


def _are_instruments(raw: bytes, names: list[str], separator: str) -> bool:
    """Tell whether all columns are taken for instruments, as any other reader would.

    One that is not used has no numbers.
    """
    lines = raw[:1_000_000].decode(errors="replace").splitlines()[1:SAMPLE_LINES]
    rows = [row for row in csv.reader(lines, delimiter=separator) if len(row) == len(names)]
    sample = [[cell.strip() for cell in row] for row in rows]
    found = by_name(names, sample)
    if len(set(names)) < len(names):  # which `_wide` refuses
        return all(column.role in ("", "close") for column in found[1:])
    if own_dates(found, sample) is not None:
        return False
    return all(
        column.symbol == column.name
        if column.role
        else _is_text(row[column.index] for row in sample)
        for column in found[1:]
    )


def _is_text(cells: Iterable[str]) -> bool:
    there = [cell for cell in cells if cell]
    return sum(map(is_number, there)) < 0.5 * len(there) or not there


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _wide(
    raw: bytes,
    name: str,
    header: list[str],
    separator: str,
    watch: Watch,
    corrections: Corrections,
) -> Universe:
    if len(header) - 1 > MOST_INSTRUMENTS:
        raise DataError(
            f"{name:.{SHOWN}} has {len(header) - 1:,} instruments; {MOST_INSTRUMENTS:,} are the "
            "most."
        )
    if len(set(header)) < len(header):
        twice = next(cell for place, cell in enumerate(header) if cell in header[:place])
        raise DataError(
            f"{name:.{SHOWN}} names two columns {twice!r:.{SHOWN}}; give each a name of its own."
        )
    first = raw[:1_000_000].split(b"\n", 2)[1:2]
    # What stands between quotation marks is no separator.
    outside = b"".join(first[0].split(b'"')[::2]) if first else b""
    if outside.count(separator.encode()) >= len(header):
        raise DataError(f"{name:.{SHOWN}} has more cells in a row than names; name every column.")
    table = _parsed(raw, name, header, separator, watch.part(0.0, 0.8))
    watch.check()
    found = times(table.iloc[:, 0], header[0] or "time")
    if not found.valid.any():
        raise DataError(f"{name:.{SHOWN}} has no times in its first column; put them there.")
    watch.check()
    universe, losses = _in_order(table.iloc[np.flatnonzero(found.valid), 1:], found, header[0])
    text = loss_text(name, len(table), losses)
    require_bearable(text, lost(losses) / len(table), corrections)
    return universe._replace(loss=text)


def _parsed(raw: bytes, name: str, header: list[str], separator: str, watch: Watch) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pd.read_csv(
            _Watched(raw, watch),
            header=None,
            skiprows=1,
            names=header,
            sep=separator,
            index_col=False,
            low_memory=False,
            encoding="utf-8",
            skipinitialspace=True,
            **EXACT_FLOATS,
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{name:.{SHOWN}} cannot be read: {_told(raw, error)}") from None
    if not len(table):
        raise DataError(f"{name:.{SHOWN}} has names of columns but no rows; give prices below.")
    return table


def _in_order(table: pd.DataFrame, found: ReadTimes, name: str) -> tuple[Universe, dict[str, int]]:
    """Return the rows that have a time, sorted, each time once; and why others are lost."""
    local_us = found.local_us[found.valid] if found.local_us is not None else None
    settled = settle(found.time_us[found.valid], local_us, name=name, are_dates=found.are_dates)
    time_us = settled.time_us
    order, notes = time_order(time_us, np.diff(time_us))
    if order is not None:
        table, time_us = table.iloc[order], time_us[order]
    for place, dtype in enumerate(table.dtypes):
        if dtype.kind not in "iuf":
            table.isetitem(place, _numbers_or_text(table.iloc[:, place]))
    table.index = _index(time_us)
    untimed = {NO_TIME: int(np.count_nonzero(~found.valid))}
    table, repeated, lost_again = _last_of_each_time(table, time_us)
    reasons = {reason: count for reason, count in (untimed | repeated).items() if count}
    return Universe(table, (*left_out(reasons), *notes, *settled.notes)), untimed | lost_again


def _numbers_or_text(column: pd.Series[Any]) -> Any:
    """Return a column's numbers, whatever signs they are written with; text if any is no number."""
    values = numbers(column)
    written = column[np.isnan(values) & column.notna().to_numpy()].astype(str)
    return values if written.str.strip().str.lower().isin(MISSING).all() else column


def _last_of_each_time(
    table: pd.DataFrame, time_us: npt.NDArray[np.int64]
) -> tuple[pd.DataFrame, dict[str, int], dict[str, int]]:
    """Keep each instrument's last price of a time; count the rows before it, by reason.

    The second counts are of the rows of which no instrument uses anything.
    """
    shared = table.index.duplicated(keep=False)
    if not shared.any():
        return table, {}, {}
    several, moments = table[shared], time_us[shared]
    same_again, other_again, is_used = np.zeros((3, len(several)), np.bool_)
    for place in range(several.shape[1]):
        column = several.iloc[:, place]
        there = np.flatnonzero(column.notna())
        again, same = repeats(moments[there], column.iloc[there].to_numpy())
        same_again[there] |= again & same
        other_again[there] |= again & ~same
        is_used[there] |= ~again
    lasts = several.groupby(level=0).last()
    table = pd.concat([table[~shared], lasts]).sort_index()
    repeated = dict(zip(AGAIN[:2], (same_again, other_again), strict=True))
    counts = {reason: int(np.count_nonzero(rows)) for reason, rows in repeated.items()}
    losses = {reason: int(np.count_nonzero(rows & ~is_used)) for reason, rows in repeated.items()}
    return table, counts, losses


def _told(raw: bytes, error: Exception) -> str:
    """Say what the reader of tables met, in words for somebody who has only the file."""
    if raw.count(b'"') % 2:
        return "a quotation mark is opened and never closed."
    text = str(error).splitlines()[0] if str(error) else "it is no table"
    return f"{text:.120}"


def _index(time_us: object) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(time_us).astype("datetime64[us]"), tz="UTC", name="time")


def _from_tables(raw: bytes, name: str, watch: Watch, corrections: Corrections) -> Universe:
    """Put the closes of a list of bars, or of several, side by side."""
    found = apart(read_files(raw, name, LARGEST_FILE, corrections, watch))
    watch.check()
    if any(table.trades for table in found):
        raise DataError(f"{name:.{SHOWN}} holds trades; give bars, with a column per instrument.")
    legs, _ = on_one_grid({name: table for table in found for name in table.bars})
    closes = {
        instrument.partition(":")[2] or instrument: pd.Series(
            bars["close"], index=_index(bars["time_us"])
        )
        for instrument, bars in legs.items()
    }
    if len(closes) < 2:
        raise DataError(
            f"{name:.{SHOWN}} was read as the bars of one instrument; a pair needs two. Give a "
            "table whose first column is called time and holds times, with a column of prices for "
            "each instrument, as UTF-8 text."
        )
    notes = tuple(note for table in found for note in table.report.corrections)
    loss = " ".join(table.report.loss for table in found if table.report.loss)
    return Universe(pd.DataFrame(closes).sort_index(), notes, loss)

"""A universe out of a file: a wide table, or any file of bars that `tables` can read."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.core.memory import give_back_large_arrays
from tandem.core.parallel import UNWATCHED, Watch
from tandem.io.cells import times
from tandem.io.containers import contents
from tandem.io.files import read
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


class Universe(NamedTuple):
    """A universe out of a file.

    Attributes
    ----------
    prices : DataFrame of shape (bars, instruments)
    notes : tuple of str
        What was done to the file's rows, in sentences.
    """

    prices: pd.DataFrame
    notes: tuple[str, ...] = ()


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


def read_universe(data: bytes | Path, name: str, watch: Watch = UNWATCHED) -> Universe:
    """Read a universe: a column of times and one of prices per instrument, or a list of bars.

    Parameters
    ----------
    data : bytes or Path
    name : str
        What the file is called.
    watch : Watch
        Shown progress and asked whether to go on, at every piece of the file.

    Returns
    -------
    Universe
        On ascending UTC times; an empty cell is NaN, and what is no number is kept as text, so
        that `scan` can say which column has some. Of rows of one time the last one counts; a row
        without a time is left out; a column without a name gets that of its place.

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
    inside = contents(raw, name, LARGEST_FILE)
    if len(inside) > 1:
        return _from_tables(raw, name, watch)
    text = inside[0].raw
    row = text[:1_000_000].split(b"\n", 2)[1:2]
    for separator in SEPARATORS:
        header = _wide_header(text, separator)
        # Beside another separator a comma is a decimal one, which `tables` reads.
        if header and (separator == "," or b"," not in b"".join(row)):
            return _wide(text, name, header, separator, watch)
    return _from_tables(raw, name, watch)


def _wide_header(raw: bytes, separator: str) -> list[str]:
    """Return the names of a wide table's columns; empty if this is none, cut by this separator."""
    line = raw[:1_000_000].partition(b"\n")[0]
    try:
        cells = next(csv.reader([line.decode("utf-8-sig").strip("\r")], delimiter=separator), [])
    except (UnicodeDecodeError, csv.Error):
        return []
    names = [cell.strip() or f"column {place}" for place, cell in enumerate(cells, 1)]
    if cells and not cells[0].strip():
        names[0] = ""
    lower = [cell.lower() for cell in names]
    is_wide = len(names) > 2 and lower[0] in TIME_NAMES and not PARTS.intersection(lower)
    # A first row of numbers is data.
    return names if is_wide and not any(_is_number(cell) for cell in names[1:]) else []


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _wide(raw: bytes, name: str, header: list[str], separator: str, watch: Watch) -> Universe:
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
    try:
        table = pd.read_csv(
            _Watched(raw, watch.part(0.0, 0.8)),
            header=None,
            skiprows=1,
            names=header,
            sep=separator,
            index_col=False,
            low_memory=False,
            encoding="utf-8",
            skipinitialspace=True,
        )
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{name:.{SHOWN}} cannot be read: {_told(error)}") from None
    if not len(table):
        raise DataError(f"{name:.{SHOWN}} has names of columns but no rows; give prices below.")
    watch.check()
    found = times(table.iloc[:, 0], header[0] or "time")
    if not found.valid.any():
        raise DataError(f"{name:.{SHOWN}} has no times in its first column; put them there.")
    table = table.iloc[np.flatnonzero(found.valid), 1:]
    table.index = _index(found.time_us[found.valid])
    watch.check()
    notes = []
    if not found.valid.all():
        notes.append(f"{_rows(~found.valid)} left out: no time can be read in it.")
    if not table.index.is_monotonic_increasing:
        notes.append("The rows did not stand in the order of their times; they were sorted.")
        # Of rows of one time the one that stands last in the file comes last.
        table = table.sort_index(kind="stable")
    is_earlier = table.index.duplicated(keep="last")
    if is_earlier.any():
        notes.append(
            f"{_rows(is_earlier)} left out: another row has the same time, and the last one counts."
        )
        table = table[~is_earlier]
    return Universe(table, tuple(notes))


def _rows(which: npt.NDArray[np.bool_]) -> str:
    return counted(int(np.count_nonzero(which)), "row")


def _told(error: Exception) -> str:
    """Say what the reader of tables met, in words for somebody who has only the file."""
    text = str(error).splitlines()[0] if str(error) else "it is no table"
    if "EOF inside string" in text:
        return "a quotation mark is opened and never closed."
    return f"{text:.120}"


def _index(time_us: object) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.asarray(time_us).astype("datetime64[us]"), tz="UTC", name="time")


def _from_tables(raw: bytes, name: str, watch: Watch) -> Universe:
    """Put the closes of a list of bars side by side."""
    found = read(raw, name, LARGEST_FILE, watch=watch)
    watch.check()
    if not found.bars:
        raise DataError(f"{name:.{SHOWN}} holds trades; give bars, with a column per instrument.")
    closes = {
        instrument.partition(":")[2] or instrument: pd.Series(
            bars["close"], index=_index(bars["time_us"])
        )
        for instrument, bars in found.bars.items()
    }
    if len(closes) < 2:
        raise DataError(
            f"{name:.{SHOWN}} was read as the bars of one instrument; a pair needs two. Give a "
            "table whose first column is called time and holds times, with a column of prices for "
            "each instrument, as UTF-8 text."
        )
    return Universe(pd.DataFrame(closes).sort_index())

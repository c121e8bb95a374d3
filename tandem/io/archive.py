"""Files of trades and bars too large for memory: written and read in pieces.

`save_trades` and `save_bars` write CSV or Parquet; `TradeArchive` reads a vendor's archive of
trades (CSV, also in a zip or gzip), or what `save_trades` wrote; `import_trades` hands one over to
a database. Column names carry the unit as in `io.writer`.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count
from typing import IO, Any, Literal, Protocol, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tandem.core.clock import DAY_US, now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.events import Trade
from tandem.core.instruments import split_instrument
from tandem.io.model import ASIDE_SHOWN, FILE_VENUE, TEXT_SHOWN, Aside, Bars, Report
from tandem.io.text import shown
from tandem.io.writer import BAR_COLUMNS, write_bars, write_trades
from tandem.venues.replay_rows import Layout, checked, recognise, symbol_in

Form = Literal["csv", "parquet"]

BATCH_ROWS = 5_000
MOST_ROWS = 500_000_000
MOST_BYTES = 32 * 2**30
MOST_LINE = 4_096
# Text packs to a tenth; what packs to less than a hundredth is made to fill a memory.
_MOST_RATIO = 100
# What libraries raise on files that are not what they say; bad text and sizes are ValueErrors.
_DAMAGE = (
    *(OSError, EOFError, ValueError, NotImplementedError, OverflowError),
    *(zlib.error, zipfile.BadZipFile, csv.Error, pa.ArrowException),
)
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_GROUP_ROWS = 100_000
_GROUP_BYTES = 512 * 2**20
_FLUSH_S = 60.0

_TEXTS = ["instrument", "trade_id_text"]
_MOST_TEXT_BYTES = 400
_TRADES = pa.schema(
    [
        ("time_us", pa.int64()),
        ("instrument", pa.string()),
        # One of the two: a number and the same digits as text are two ids.
        ("trade_id", pa.int64()),
        ("trade_id_text", pa.string()),
        ("price", pa.float64()),
        ("quantity", pa.float64()),
        ("side", pa.int8()),
        ("received_us", pa.int64()),
    ]
)
_BARS = pa.schema(
    [
        ("time_us", pa.int64()),
        ("instrument", pa.string()),
        *(
            (column, pa.int64() if field in ("trades", "last_us") else pa.float64())
            for field, column in BAR_COLUMNS.items()
        ),
    ]
)


class Sink(Protocol):
    """What trades are imported into."""

    def submit(self, events: Sequence[Trade]) -> None:
        """Take trades to be recorded."""
        ...

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is recorded; False where it was not in time."""
        ...


# Out ------------------------------------------------------------------------------------


def save_trades(batches: Iterable[Sequence[Trade]], file: IO[bytes], form: Form) -> int:
    """Write trades as they come, holding one batch; returns how many there were.

    Parameters
    ----------
    batches : iterable of sequence of Trade
        For example `storage.Reader.stream_trades`.
    file : binary file
        Left open.
    form : {"csv", "parquet"}
        Both are read again by `TradeArchive`; CSV by `io.files.read` and the replay venue, too.
    """
    rows = 0

    def counted() -> Iterator[Sequence[Trade]]:
        nonlocal rows
        for batch in batches:
            rows += len(batch)
            yield batch

    if form == "csv":
        file.writelines(write_trades(chain.from_iterable(counted())))
    else:
        _save_parquet(map(_trade_table, counted()), _TRADES, file)
    return rows


def save_bars(parts: Iterable[tuple[str, Bars]], file: IO[bytes], form: Form) -> int:
    """Write bars (dtype BAR), each part with its instrument; returns how many there were."""
    rows = 0

    def counted() -> Iterator[tuple[str, Bars]]:
        nonlocal rows
        for name, bars in parts:
            rows += len(bars)
            yield name, bars

    if form == "csv":
        file.writelines(write_bars(counted()))
    else:
        _save_parquet((_bar_table(*part) for part in counted()), _BARS, file)
    return rows


def _trade_table(trades: Sequence[Trade]) -> Any:
    columns: list[Sequence[Any]] = list(zip(*trades, strict=True)) or [()] * 7
    names, ids, times, prices, quantities, sides, received = columns
    numbers = [one if isinstance(one, int) else None for one in ids]
    texts = [one if isinstance(one, str) else None for one in ids]
    values = (times, names, numbers, texts, prices, quantities, sides, received)
    return pa.table(list(map(pa.array, values, _TRADES.types)), _TRADES)


def _bar_table(name: str, bars: Bars) -> Any:
    columns = [bars["time_us"], np.full(len(bars), name, object)]
    columns += [np.ascontiguousarray(bars[field]) for field in BAR_COLUMNS]
    return pa.table(list(map(pa.array, columns, _BARS.types)), _BARS)


def _save_parquet(tables: Iterable[Any], schema: Any, file: IO[bytes]) -> None:
    """Write tables as row groups of a size that reads well."""
    with pq.ParquetWriter(file, schema) as writer:
        waiting: list[Any] = []
        rows = 0
        for table in tables:
            waiting.append(table)
            rows += len(table)
            if rows >= _GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting, rows = [], 0
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


# In -------------------------------------------------------------------------------------


def import_trades(
    archive: TradeArchive, sink: Sink, progress: Callable[[int], None] = lambda rows: None
) -> Report:
    """Hand an archive's trades to a database, a batch at a time, each waiting for its commit.

    What is recorded live shares the queue and comes in between. Trades that are there already are
    recognised by their ids, so an import that broke off can be repeated.

    Parameters
    ----------
    progress : callable
        Told after each batch how many trades were handed over.

    Raises
    ------
    DataError
        The archive cannot be read, or holds no trade.
    StoreError
        The database does not take them now.
    """
    rows = 0
    for batch in archive:
        sink.submit(batch)
        if not sink.flush(_FLUSH_S):
            raise StoreError(
                f"The database did not take the trades of {shown(archive.name)} after the first "
                f"{rows:,}. Import it again when recording goes on; none is taken twice."
            )
        rows += len(batch)
        progress(rows)
    if not rows:
        aside = archive.report().aside
        reason = f" (line {aside[0].line}: {aside[0].reason})" if aside else ""
        raise DataError(f"{shown(archive.name)} holds no trade that can be used{reason}.")
    return archive.report()


class TradeArchive:
    """A file of trades, read once, in batches, under one instrument.

    Reads CSV in the layouts of `tandem.venues.replay_rows`, plain, in a gzip or as the only CSV of
    a zip, and Parquet as written by `save_trades`. A row that is no trade is set aside and
    reported.

    Parameters
    ----------
    file : binary file
        Seekable.
    name : str
        The file's name; text from outside.
    instrument : str
        Where the trades belong. Ids of another venue may not be mixed into it, so this is the
        archive's own instrument, or one of the venue ``file``.
    batch_rows : int
        Trades in a batch at most.

    Raises
    ------
    DataError
        The instrument is no instrument. While iterating: the file is of no known layout, belongs
        to another instrument, is damaged, or exceeds a limit.
    """

    def __init__(
        self, file: IO[bytes], name: str, instrument: str, batch_rows: int = BATCH_ROWS
    ) -> None:
        split_instrument(instrument)
        self.name = name
        self._file = file
        self._instrument = instrument
        self._batch_rows = batch_rows
        self._layout = self._source = ""
        self._rows_read = self._rows_kept = 0
        self._aside: list[Aside] = []
        self._reasons: Counter[str] = Counter()
        self._first_us = self._last_us = 0
        self._notes: list[str] = []
        self._latest_us = now_us() + DAY_US

    def __iter__(self) -> Iterator[list[Trade]]:
        """Yield the trades in the file's order."""
        try:
            self._file.seek(0)
            head = self._file.read(4)
            self._file.seek(0)
            if head == b"PAR1":
                batches = self._from_parquet()
            else:
                batches = self._from_lines(
                    _lines(*_unpacked(self._file, head, self.name), self.name)
                )
            for batch in batches:
                times = [trade.time_us for trade in batch]
                self._first_us = min(self._first_us or times[0], *times)
                self._last_us = max(self._last_us, *times)
                self._rows_kept += len(batch)
                yield batch
        except DataError:
            raise
        except _DAMAGE as error:
            raise DataError(
                f"{shown(self.name)} is damaged or cannot be read ({str(error)[:80]}); "
                f"{self._rows_kept:,} trades came before. Fetch it again."
            ) from None

    def report(self) -> Report:
        """Return what was read so far, and what was set aside and why."""
        return Report(
            name=self.name,
            kind="trades",
            layout=self._layout,
            rows_read=self._rows_read,
            rows_kept=self._rows_kept,
            aside=tuple(self._aside),
            reasons=dict(self._reasons),
            columns=(),
            first_us=self._first_us,
            last_us=self._last_us,
            interval_us=0,
            gaps=0,
            encoding="utf-8",
            delimiter=",",
            decimal=".",
            times="",
            notes=tuple(self._notes),
        )

    # Lines ------------------------------------------------------------------------------

    def _from_lines(self, lines: Iterator[tuple[int, str | None]]) -> Iterator[list[Trade]]:
        number, first = next(lines, (0, ""))
        cells = _cells(first or "")
        layout = recognise(cells)
        if layout is None:
            start = "not text" if first is None else first
            raise DataError(
                f"{shown(self.name)} is not an archive of trades; its first line is "
                f"{shown(start)}. Give a Binance aggTrades archive, or trades downloaded here as "
                "CSV or Parquet."
            )
        self._layout = layout.title
        if layout.instrument is None:
            self._check_vendor(layout)
        if not layout.has_header:
            lines = chain([(number, first)], lines)
        batch: list[Trade] = []
        for number, text in lines:
            if text == "":
                continue
            self._count()
            try:
                batch.append(self._trade(text, layout))
            except DataError as error:
                self._set_aside(number, str(error), text or "")
            if len(batch) >= self._batch_rows:
                yield batch
                batch = []
        if batch:
            yield batch

    def _trade(self, text: str | None, layout: Layout) -> Trade:
        if text is None:
            raise DataError(f"it is not UTF-8 text of at most {MOST_LINE} bytes")
        cells = _cells(text)
        if layout.instrument is not None:
            if layout.instrument >= len(cells):
                raise DataError("columns are missing")
            self._check_own(cells[layout.instrument])
        return self._past(layout.trade(cells, self._instrument))

    def _past(self, trade: Trade) -> Trade:
        """Let no trade in from after today: what comes live would count as long over."""
        if trade.time_us > self._latest_us:
            raise DataError("it is dated after today")
        return trade

    def _check_own(self, named: str) -> None:
        """Let only one recorded instrument in: ids of two would be taken for each other's."""
        if not self._source:
            is_file = self._instrument == f"{FILE_VENUE}:{named.partition(':')[2]}"
            self._source = named if is_file else self._instrument
        if named != self._source:
            raise DataError(f"it does not belong to {self._source}")

    def _check_vendor(self, layout: Layout) -> None:
        """Refuse ids that would be taken for others of the same record."""
        venue, symbol = split_instrument(self._instrument)
        if venue not in (layout.venue, FILE_VENUE):
            belongs = f"to {layout.venue}" if layout.venue else "to no feed recorded here"
            raise DataError(
                f"{shown(self.name)} has {layout.title}, whose ids belong {belongs}: in "
                f"{self._instrument} they would be taken for other trades. Import it as "
                f"{layout.venue or FILE_VENUE}:{symbol}, or as {FILE_VENUE}:{symbol}."
            )
        named = symbol_in(self.name)
        if named not in (None, symbol):
            raise DataError(
                f"{shown(self.name)} holds {named} by its name, not {symbol}. Choose the "
                "instrument it belongs to, or give the file the right name."
            )

    def _count(self) -> None:
        self._rows_read += 1
        if self._rows_read > MOST_ROWS:
            raise DataError(
                f"{shown(self.name)} has more than {MOST_ROWS:,} rows, which is the limit. "
                "Import it in parts."
            )

    def _set_aside(self, line: int, reason: str, text: str) -> None:
        self._reasons[reason] += 1
        if len(self._aside) < ASIDE_SHOWN:
            self._aside.append(Aside(line, reason, text[:TEXT_SHOWN]))

    # Parquet ----------------------------------------------------------------------------

    def _from_parquet(self) -> Iterator[list[Trade]]:
        with pq.ParquetFile(self._file) as file:
            self._check_parquet(file)
        # Texts stay in their dictionaries: one long text said a million times is still one.
        with pq.ParquetFile(self._file, read_dictionary=_TEXTS) as file:
            self._layout = "Parquet downloaded from Tandem"
            for piece in file.iter_batches(self._batch_rows):
                self._check_texts(piece)
                batch = []
                for row in zip(*(piece[name].to_pylist() for name in _TRADES.names), strict=True):
                    self._count()
                    try:
                        batch.append(self._parquet_trade(row))
                    except DataError as error:
                        self._set_aside(self._rows_read, str(error), str(row))
                if batch:
                    yield batch

    def _check_parquet(self, file: Any) -> None:
        schema = file.schema_arrow
        if schema.names != _TRADES.names or schema.types != _TRADES.types:
            raise DataError(
                f"{shown(self.name)} is a Parquet file of another program, with the columns "
                f"{shown(', '.join(schema.names), 120)}; only trades downloaded here can be read."
            )
        for group in range(file.metadata.num_row_groups):
            if file.metadata.row_group(group).total_byte_size > _GROUP_BYTES:
                raise DataError(
                    f"{shown(self.name)} has a row group above {_GROUP_BYTES >> 20} MB, which is "
                    "the limit. Write it with smaller row groups."
                )

    def _check_texts(self, piece: Any) -> None:
        """Refuse texts no instrument or trade id has, before each row is given its own."""
        for name in _TEXTS:
            lengths = pc.binary_length(piece[name].dictionary)
            if (pc.max(lengths).as_py() or 0) > _MOST_TEXT_BYTES:
                raise DataError(
                    f"{shown(self.name)} has a text of over {_MOST_TEXT_BYTES} bytes in its column "
                    f"{name}; only trades downloaded here can be read."
                )

    def _parquet_trade(self, row: tuple[Any, ...]) -> Trade:
        time_us, named, number, text, price, quantity, side, received_us = row
        trade_id = text if number is None else number
        if None in (time_us, named, trade_id, price, quantity, side, received_us):
            raise DataError("a value is missing")
        if side not in (-1, 0, 1):
            raise DataError("a value is not what its column holds")
        self._check_own(named)
        trade = Trade(self._instrument, trade_id, time_us, price, quantity, side, received_us)
        return self._past(checked(trade))


def _cells(text: str) -> list[str]:
    return next(csv.reader([text]), []) if '"' in text else text.split(",")


# Bytes from outside ---------------------------------------------------------------------


def _unpacked(file: IO[bytes], head: bytes, name: str) -> tuple[IO[bytes], int]:
    """Return the file's text as bytes, and how many there may be."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if head == b"PK\x03\x04":
        return _from_zip(file, name)
    if head[:2] == b"\x1f\x8b":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file)), _limit(size)
    return file, MOST_BYTES


def _from_zip(file: IO[bytes], name: str) -> tuple[IO[bytes], int]:
    """Open the only file in a zip. Nothing is ever unpacked onto the disk."""
    archive = zipfile.ZipFile(file)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise DataError(f"{shown(name)} holds {len(members)} files; give a zip with one CSV in it.")
    (member,) = members
    if member.filename.startswith(("/", "\\")) or ".." in member.filename:
        raise DataError(
            f"{shown(name)} holds {shown(member.filename)}, a path that leads outside; give a zip "
            "with one CSV in it."
        )
    if member.flag_bits & 1 or member.compress_type not in _PACKED:
        raise DataError(f"{shown(name)} is encrypted, or packed in a way not read here; unpack it.")
    limit = _limit(member.compress_size)
    if member.file_size > limit:
        raise _too_large(name, limit)
    return archive.open(member), limit


def _limit(packed_bytes: int) -> int:
    return min(MOST_BYTES, 2**20 + _MOST_RATIO * packed_bytes)


def _too_large(name: str, limit: int) -> DataError:
    return DataError(
        f"{shown(name)} unpacks to more than {limit / 1e6:,.0f} MB, which is the limit for a file "
        f"of its size ({_MOST_RATIO} times, and {MOST_BYTES >> 30} GB altogether). Unpack it, look "
        "whether it is what it should be, and import it in parts."
    )


def _lines(file: IO[bytes], limit: int, name: str) -> Iterator[tuple[int, str | None]]:
    """Yield each line's number and text; None for one that is too long or not UTF-8."""
    size = 0
    for number in count(1):
        line = file.readline(MOST_LINE)
        if not line:
            return
        size += len(line)
        is_long = False
        rest = line
        while rest and not rest.endswith(b"\n") and size <= limit:
            rest = file.readline(MOST_LINE)
            size += len(rest)
            is_long |= bool(rest)
        if size > limit:
            raise _too_large(name, limit)
        yield number, None if is_long else _text(line, number == 1)


def _text(line: bytes, is_first: bool) -> str | None:
    try:
        return line.decode("utf-8-sig" if is_first else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return None

"""Maintenance of a database, beside the process that records into it: check, backup, compaction."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import SECOND_US, iso
from tandem.core.errors import Cancelled, StoreError, StoreFull
from tandem.core.files import PRIVATE, take
from tandem.core.instruments import split_instrument
from tandem.core.parallel import UNWATCHED, Watch
from tandem.storage import schema
from tandem.storage.codec import SECOND_BYTES
from tandem.storage.files import check_readable, check_there, size_of
from tandem.storage.lock import WriterLock, is_locked
from tandem.storage.reader import Reader
from tandem.storage.schema import (
    check_format,
    error_code,
    explain,
    open_reader,
    open_writer,
    transaction,
)

_PIECE_TRADES = 20_000
_PIECE_MINUTES = 60
# Seconds a recorder may still be adding to; earlier ones are read again before they are reported.
_RUNNING_S = 2
_READINGS = 3
_MOST_FAULTS = 20
# 4 MB, after each of which whoever records goes first.
_BACKUP_PAGES = 1_024
_BACKUP_YIELD_S = 0.001
_TICK_STEPS = 200_000
_SUMS = ("volume", "buy_volume", "notional")

Bars = npt.NDArray[np.void]


class FileFacts(NamedTuple):
    """The file of a database.

    Attributes
    ----------
    bytes : int
        With its write-ahead log.
    free_bytes : int
        Of pages that deleted rows left; used again before the file grows.
    format : int
        Number of the last migration applied.
    is_recorded : bool
        Whether a process records into it now.
    """

    bytes: int
    free_bytes: int
    format: int
    is_recorded: bool


def file_facts(path: Path) -> FileFacts:
    """Return what the file of a database says of itself; raises StoreError as `check_readable`."""
    check_readable(path)
    with _reading(path) as connection:
        pages, size, version = (
            connection.execute(query).fetchone()[0]
            for query in (
                "PRAGMA freelist_count",
                "PRAGMA page_size",
                "SELECT max(id) FROM migrations",
            )
        )
    return FileFacts(size_of(path), pages * size, version, is_locked(path))


# Check ----------------------------------------------------------------------------------


class Checked(NamedTuple):
    """What was found in a database, and in how much.

    Attributes
    ----------
    faults : list of str
        A sentence for each fault, at most 20 for an instrument; empty where there is none.
    trades : int
        Those compared with their bars; what is recorded meanwhile is not counted. 0 where the file
        is damaged.
    """

    faults: list[str]
    trades: int


def check(path: Path, consecutive: Collection[str] = (), watch: Watch = UNWATCHED) -> Checked:
    """Look for damage: in the file, between bars and trades, and for ids missing from both.

    A recorder may go on meanwhile; the log grows until the file itself has been looked at.

    Parameters
    ----------
    path : Path
    consecutive : collection of str
        Venues whose trade ids count up by one: there a number that is missing must be in a gap.
    watch : Watch

    Returns
    -------
    Checked

    Raises
    ------
    StoreUnusable, StoreFull, StoreInUse
        The file cannot be read.
    """
    check_there(path)
    with _reading(path) as connection:
        check_format(connection, path, read_only=True)
        _tick(connection, watch, 0)
        faults = _damage(connection)
        if faults:
            return Checked(faults, 0)
    reader = Reader(path)
    held = [one for one in reader.inventory() if one.trades]
    total = sum(one.trades for one in held)
    end_us = {one.instrument: one.last_us // SECOND_US * SECOND_US + SECOND_US for one in held}
    done = 0
    for one in held:
        name = one.instrument
        with _reading(path) as connection:
            _tick(connection, watch, total, done)
            connection.execute("BEGIN")
            found = _miscounted(connection, name)
            if split_instrument(name)[0] in consecutive:
                found += _unknown_gaps(connection, name)
        stop_us = end_us[name] - (_RUNNING_S * SECOND_US if is_locked(path) else 0)
        start_us = max(one.kept_from_us, one.first_us // SECOND_US * SECOND_US)
        seconds = []
        for trades, differing in _compared(reader, name, start_us, stop_us):
            done += trades
            seconds += differing
            watch.progress(min(done, total), total)
            watch.check()
        found += [f"{name}: the bar of {iso(at)} is not that of its trades." for at in seconds]
        faults += found[:_MOST_FAULTS]
        if len(found) > _MOST_FAULTS:
            faults.append(f"{name}: {len(found) - _MOST_FAULTS:,} faults more.")
    return Checked(faults, total)


def _damage(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(f"PRAGMA integrity_check({_MOST_FAULTS})").fetchall()
    return [f"The file is damaged: {' '.join(text.split())}." for (text,) in rows if text != "ok"]


def _miscounted(connection: sqlite3.Connection, name: str) -> list[str]:
    """Compare what is counted of an instrument with what is there."""
    row = connection.execute(
        f"""
        SELECT trades, (SELECT count(*) FROM trades WHERE instrument_id = one.id),
            seconds, (SELECT coalesce(sum(length(seconds)), 0) / {SECOND_BYTES} FROM bars_1s
                WHERE slot BETWEEN one.id << 32 AND (one.id << 32) + 4294967295),
            minutes, (SELECT count(*) FROM candles
                WHERE slot BETWEEN one.id << 32 AND (one.id << 32) + 4294967295)
        FROM instruments AS one WHERE name = ?
        """,
        (name,),
    ).fetchone()
    kinds = ("trades", "seconds of bars", "candles")
    return [
        f"{name}: {counted:,} {kind} are counted, {there:,} are there."
        for kind, counted, there in zip(kinds, row[::2], row[1::2], strict=True)
        if counted != there
    ]


def _unknown_gaps(connection: sqlite3.Connection, name: str) -> list[str]:
    """Find numbers missing between trades that no gap covers."""
    jumps = connection.execute(
        """
        SELECT previous + 1, trade_id - 1, previous_us, time_us FROM (
            SELECT trade_id, time_us, kept_from_us,
                lag(trade_id) OVER numbered AS previous, lag(time_us) OVER numbered AS previous_us
            FROM trades JOIN instruments ON instruments.id = trades.instrument_id
            WHERE name = ? AND typeof(trade_id) = 'integer' AND time_us >= kept_from_us
            WINDOW numbered AS (ORDER BY trade_id)
        )
        -- Backwards in time: the venue began to count anew. At the edge of retention, numbers
        -- out of order were removed with their time.
        WHERE trade_id > previous + 1 AND time_us >= previous_us
            AND previous_us >= kept_from_us + (kept_from_us > 0) * 1000000
        """,
        (name,),
    )
    gaps = connection.execute(
        "SELECT first_id, last_id, start_us, end_us FROM gaps JOIN instruments "
        "ON instruments.id = gaps.instrument_id WHERE name = ?",
        (name,),
    ).fetchall()
    numbered = _Ranges((gap[0], gap[1]) for gap in gaps if gap[0] >= 0)
    # Known by their time only.
    timed = _Ranges((gap[2], gap[3]) for gap in gaps if gap[0] < 0)
    return [
        f"{name}: trades {first_id} to {last_id} ({iso(start_us)} to {iso(end_us)}) are missing "
        "and in no gap."
        for first_id, last_id, start_us, end_us in jumps
        if numbered.reach(first_id) < last_id and timed.reach(end_us) < start_us
    ]


class _Ranges:
    """Ranges of non-negative numbers, ends included; those that touch are one."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(ranges):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def reach(self, number: int) -> int:
        """Return the end of the last range that begins at a number or before; -1 without one."""
        at = bisect_right(self._firsts, number)
        return self._lasts[at - 1] if at else -1


def _compared(
    reader: Reader, name: str, start_us: int, end_us: int
) -> Iterator[tuple[int, list[int]]]:
    """Yield pieces of a range: trades in it, and the seconds whose bar is not that of its trades.

    A recorder may add to a second between the reading of its bar and of its trades: what differs is
    read again.
    """
    for bars in reader.stream_bars(name, start_us, end_us, _PIECE_MINUTES):
        for piece in _pieces(bars):
            span = int(piece["time_us"][0]), int(piece["time_us"][-1]) + SECOND_US
            differing = _differing(piece, _of_trades(reader, name, *span))
            for _ in range(_READINGS):
                if not differing:
                    break
                differing = _differing(reader.bars(name, *span), _of_trades(reader, name, *span))
            yield int(piece["trades"].sum()), differing


def _pieces(bars: Bars) -> Iterator[Bars]:
    """Split bars so that each part has few trades; a busy second is a part of its own."""
    parts = np.cumsum(bars["trades"]) // _PIECE_TRADES
    edges = np.flatnonzero(parts[1:] != parts[:-1]) + 1
    yield from np.split(bars, edges)


def _of_trades(reader: Reader, name: str, start_us: int, end_us: int) -> Bars:
    return aggregate(trade_array(reader.arrivals(name, start_us, end_us)), SECOND_US)


def _differing(bars: Bars, made: Bars) -> list[int]:
    """Return the seconds in which two series of bars differ; sums may by rounding."""
    common, at, made_at = np.intersect1d(bars["time_us"], made["time_us"], return_indices=True)
    one, other = bars[at], made[made_at]
    same = np.ones(len(common), bool)
    for column in ("open", "high", "low", "close", "last_us", "trades"):
        same &= one[column] == other[column]
    for column in _SUMS:
        same &= np.isclose(one[column], other[column], rtol=1e-9, atol=0.0)
    alone = np.setxor1d(bars["time_us"], made["time_us"])
    return sorted([*common[~same].tolist(), *alone.tolist()])


# Gaps -----------------------------------------------------------------------------------


def reopen_lost(path: Path, instrument: str | None = None) -> int:
    """Have lost gaps tried again, of every instrument where none is named; returns how many.

    Backfill of the recording process finds them open within seconds, or at its next start.

    Raises
    ------
    StoreUnusable, StoreFull, StoreInUse
        The file cannot be written.
    """
    check_readable(path)
    with (
        _explaining(path),
        closing(sqlite3.connect(path, isolation_level=None, timeout=schema.LOCKED_S)) as connection,
        transaction(connection),
    ):
        return connection.execute(
            "UPDATE gaps SET state = 'open' WHERE state = 'lost' AND (?1 IS NULL "
            "OR instrument_id = (SELECT id FROM instruments WHERE name = ?1))",
            (instrument,),
        ).rowcount


# Backup ---------------------------------------------------------------------------------


@contextmanager
def finished_whole(target: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """Give a file of its own to write into; it gets the target's name only once it is whole.

    What fails is deleted.

    Raises
    ------
    StoreError
        The target exists, also if it came meanwhile: nothing is overwritten. Or nothing can be
        written in its folder.
    """
    if target.exists():
        raise _exists(target)
    try:
        handle, name = tempfile.mkstemp(".partial", f"{target.name}.", target.parent)
    except OSError as error:
        raise StoreError(
            f"Nothing can be written in the folder {target.parent} ({error.strerror}). Create it, "
            "or choose another."
        ) from error
    os.close(handle)
    partial = Path(name)
    try:
        take(partial, mode)
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        _publish(partial, target, mode)
    finally:
        partial.unlink(missing_ok=True)


def _publish(partial: Path, target: Path, mode: int) -> None:
    """Give a file its name, which nobody else may have taken meanwhile."""
    try:
        try:
            os.link(partial, target)
        except FileExistsError:
            raise
        except OSError:
            # A file system without links: an empty file takes the name first.
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
            partial.replace(target)
    except FileExistsError:
        raise _exists(target) from None


def _exists(target: Path) -> StoreError:
    return StoreError(f"{target} exists already; choose another name, or move it aside.")


def back_up(
    path: Path,
    target: Path,
    mode: int = PRIVATE,
    watch: Watch = UNWATCHED,
    pages: int = _BACKUP_PAGES,
) -> int:
    """Copy a database as it is at one moment, also while it is recorded into; returns its bytes.

    The copy is made from one snapshot: what is committed meanwhile neither begins it anew nor waits
    for it, but stays in the write-ahead log until it is done.

    The database may be of an earlier or a later format: it is copied as it is.

    Parameters
    ----------
    path, target : Path
        `target` must not exist; it has its name only once it is whole.
    mode : int
        Of the copy.
    watch : Watch
    pages : int
        Pages copied at a time.

    Raises
    ------
    StoreUnusable, StoreFull, StoreInUse
        A file cannot be read or written.
    StoreError
        `target` exists.
    Cancelled
        The watch said so; nothing is left behind.
    """
    check_readable(path, any_format=True)

    def progress(_status: int, left: int, total: int) -> None:
        watch.progress(total - left, total)
        watch.check()

    with finished_whole(target, mode) as partial, _reading(path, target) as source:
        # A snapshot of its own: without it every commit of a recorder would begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(partial)) as copy:
            # What fails is deleted, not rolled back: a journal would be left beside it.
            copy.execute("PRAGMA journal_mode = OFF")
            source.backup(copy, pages=pages, progress=progress, sleep=_BACKUP_YIELD_S)
        return partial.stat().st_size


# Compaction -----------------------------------------------------------------------------


def compact(path: Path, mode: int = PRIVATE, watch: Watch = UNWATCHED) -> tuple[int, int]:
    """Rewrite a database without free space and in order; returns its bytes before and after.

    A recorder gives free pages back by itself, a few at a time, and keeps some: this needs the
    database for itself.

    Raises
    ------
    StoreInUse
        A process records into it, or another program has it open; nothing was changed.
    StoreUnusable
        It is damaged, or no database.
    StoreFull
        There is no room for the copy that is made.
    Cancelled
        The watch said so; the database is as it was.
    """
    check_readable(path)
    lock = WriterLock(path, mode)
    try:
        before = size_of(path)
        free = shutil.disk_usage(path.absolute().parent).free
        if free < 2 * before:
            raise StoreFull(
                f"Compaction of {path} needs {2 * before / 1e6:,.0f} MB of free space and there "
                f"are {free / 1e6:,.0f} MB. Free some space first; nothing was changed."
            )
        with closing(open_writer(path)) as connection, _explaining(path):
            # Without a log nobody reads meanwhile: for a reader the earlier pages would stay.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
            try:
                _tick(connection, watch, 0)
                connection.execute("VACUUM")
            finally:
                connection.set_progress_handler(None, 0)
                connection.execute("PRAGMA journal_mode = WAL")
    finally:
        lock.release()
    return before, size_of(path)


# What these share -----------------------------------------------------------------------


@contextmanager
def _reading(path: Path, target: Path | None = None) -> Iterator[sqlite3.Connection]:
    with closing(open_reader(path)) as connection, _explaining(path, target):
        yield connection


@contextmanager
def _explaining(path: Path, target: Path | None = None) -> Iterator[None]:
    """Turn errors of SQLite into sentences: a full disk is that of the file written."""
    try:
        yield
    except sqlite3.Error as error:
        if error_code(error) == sqlite3.SQLITE_INTERRUPT:
            raise Cancelled("Cancelled; nothing was changed.") from None
        explained = explain(error, path)
        if target is not None and isinstance(explained, StoreFull):
            explained = explain(error, target)
        raise explained from error


def _tick(connection: sqlite3.Connection, watch: Watch, total: int, done: int = 0) -> None:
    """Ask whether to go on during long statements."""

    def tick() -> bool:
        watch.progress(done, total)
        return watch.is_cancelled()

    connection.set_progress_handler(tick, _TICK_STEPS)

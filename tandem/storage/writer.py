"""The one connection that writes: a batch in one transaction, into a file that is still there."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tandem.core.errors import StoreInUse, StoreUnusable
from tandem.core.events import Trade
from tandem.storage.records import Entry
from tandem.storage.retention import Keeper
from tandem.storage.schema import open_writer, transaction
from tandem.storage.tables import Instruments, OtherTables, TradeTable


class Writer:
    """The one connection that writes. Not shared between threads at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()
        self._file = _identity(path)
        self._logs = self._find_logs()
        self.keeper = Keeper(self._connection, path)
        self.expired = 0
        # How often the log was deleted under the database, and all of it saved.
        self.saved_logs = 0
        # By instrument, trades that came under the number of another; replaced, never changed.
        self.renumbered: dict[str, int] = {}

    def _open(self) -> None:
        self._connection = open_writer(self._path)
        self._instruments = Instruments(self._connection)
        self._trades = TradeTable(self._connection)
        self._others = OtherTables(self._connection, self._instruments)

    def keep(self, seconds: float) -> bool:
        """Remove what is not kept for so long at most; False where nothing was to be done.

        Raises
        ------
        sqlite3.Error, StoreError
            It can be tried again.
        """
        self._check_in_place()
        end = time.monotonic() + seconds
        while worked := self.keeper.step():
            if time.monotonic() >= end:
                break
        if self.keeper.has_raised:
            self.keeper.has_raised = False
            self._instruments.forget()
        return worked

    def close(self) -> None:
        """Close the connection; SQLite then folds the write-ahead log into the file.

        That of a file which was moved it leaves beside the old name: it is folded before, so that
        whoever puts the file back finds all of it. Where that cannot be done the log is put aside:
        SQLite would play it into whatever file took the place.
        """
        log = self._path.with_name(self._path.name + "-wal")
        own_log = _identity(log)
        is_moved = _identity(self._path) != self._file
        if is_moved:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        if is_moved and own_log and _identity(log) == own_log:
            if not log.stat().st_size:
                log.unlink()
                self._path.with_name(self._path.name + "-shm").unlink(missing_ok=True)
                return
            log.rename(self._path.with_name(f"{self._path.name}-wal-left-{time.time_ns()}"))
            self._path.with_name(self._path.name + "-shm").unlink(missing_ok=True)

    def write(self, entries: Iterable[Entry], states: Mapping[str, bytes]) -> int:
        """Commit everything given and return how many trades were new.

        Raises
        ------
        sqlite3.Error
            Nothing was written.
        StoreUnusable
            The file is no longer where it was.
        StoreInUse
            Its log is not, and a reader is in the way of saving what is in it.
        ValueError, OverflowError, TypeError
            An entry cannot be stored (`storable` tells which); nothing was written.
        """
        self._check_in_place()
        trades: dict[str, list[Trade]] = {}
        others: list[Entry] = []
        for entry in entries:
            if type(entry) is Trade:
                trades.setdefault(entry.instrument, []).append(entry)
            else:
                others.append(entry)
        try:
            with transaction(self._connection):
                written = expired = 0
                anew: dict[str, int] = {}
                for name, group in trades.items():
                    instrument = self._instruments.get(name)
                    kept = group
                    if instrument.kept_from_us:
                        kept = [one for one in group if one.time_us >= instrument.kept_from_us]
                    expired += len(group) - len(kept)
                    if kept:
                        before = instrument.renumbered
                        written += self._trades.write(instrument, kept)
                        anew[name] = instrument.renumbered - before
                self._others.write(others)
                self._others.write_states(states)
        except BaseException:
            # What was rolled back must not be remembered.
            self._instruments.forget()
            raise
        self.expired += expired
        if any(anew.values()):
            known = self.renumbered
            self.renumbered = known | {
                name: known.get(name, 0) + more for name, more in anew.items() if more
            }
        return written

    def _check_in_place(self) -> None:
        """Refuse to write into a file that was deleted or replaced: nobody would find it."""
        if _identity(self._path) != self._file:
            raise StoreUnusable(
                f"{self._path} was moved or deleted while it was recorded into. Put it back, or "
                "leave it: a restart begins a new one."
            )
        if self._find_logs() != self._logs:
            self._save_log()

    def _find_logs(self) -> list[tuple[int, int] | None]:
        return [_identity(self._path.with_name(self._path.name + end)) for end in ("-wal", "-shm")]

    def _save_log(self) -> None:
        """Write what is in a deleted log into the file, and begin a new log.

        The deleted one can be written and read by this connection alone: nobody else would see what
        is recorded, and with the process all of it since the last fold would be gone.
        """
        (is_busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise StoreInUse(
                f"The log beside {self._path} was deleted while it was recorded into, and a reader "
                "holds the file. All of it is written into the file as soon as that lets go."
            )
        self._connection.close()
        self._open()
        self.keeper.connection = self._connection
        self._logs = self._find_logs()
        self.saved_logs += 1


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino

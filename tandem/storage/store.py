"""The database while it is being written: what is submitted, the writer thread, and its health."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tandem.core.clock import now_us, steady_s
from tandem.core.errors import DataError, StoreError, StoreFull, StoreUnusable
from tandem.core.events import Gap
from tandem.core.files import PRIVATE
from tandem.core.histogram import Histogram
from tandem.storage.files import check_readable, move_aside, size_of, take_files
from tandem.storage.lock import WriterLock
from tandem.storage.reader import Reader
from tandem.storage.records import (
    Candles,
    Document,
    Policy,
    Recordable,
    Replacement,
    SignalRow,
    Signals,
    StoreHealth,
    StoreState,
    is_plain,
    storable,
)
from tandem.storage.schema import check_file, explain, make_place
from tandem.storage.write_queue import Backlog, Batch
from tandem.storage.writer import Writer

log = logging.getLogger("tandem.storage")

STATE_BYTES = 8 * 2**20
DOCUMENT_BYTES = 2**20
_SLOW_S = 2.0
# How old the size of the files may be that is told.
_SIZED_S = 1.0
# Between two batches so long is spent on removing what is not kept, and so long waited for more.
_KEEPING_S = 0.01
_BUSY_S, _IDLE_S, _FAILED_S = 0.02, 1.0, 30.0
_FIRST_RETRY_S = 0.25
_LAST_RETRY_S = 5.0

_SAVED = (
    "The database's log was deleted during recording; its content is in the file. Leave "
    "the files that end in -wal and -shm alone while Tandem runs."
)

# The entry's fault, not the file's.
_BAD_ENTRY = (
    ValueError,
    OverflowError,
    TypeError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
)


class Store(Reader):
    """A SQLite record, written by one thread of its own and read by any.

    Acknowledged means committed: `flush` returns True, and `health().written` counts, only what a
    killed process would find again. A power cut may lose the last moments, never the file.

    When the disk is full or refuses, recording pauses: what waits is kept up to the limit of the
    queue and written when the disk allows; what finds no room is counted and recorded as a gap.
    """

    def __init__(
        self,
        path: Path,
        writer: Writer | None,
        lock: WriterLock | None,
        backlog: Backlog,
        commits: Histogram | None = None,
    ) -> None:
        super().__init__(path)
        self._writer = writer
        self._lock = lock
        self._backlog = backlog
        self._written = self._refused = self._last_commit_us = 0
        self._sized = -math.inf, 0
        self._unwritten: int | None = None
        self._commits = commits
        self._keep_after_s = 0.0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    @classmethod
    def open(
        cls,
        path: Path | str,
        batch_ms: int = 100,
        queue_trades: int = 500_000,
        read_only: bool = False,
        file_mode: int = PRIVATE,
        commits: Histogram | None = None,
    ) -> Store:
        """Open the database at `path`, creating it and its folder where there is none.

        Parameters
        ----------
        batch_ms : int
            How long the writer gathers entries before it commits.
        queue_trades : int
            Entries that may wait for the writer.
        read_only : bool
            Only read, beside another process that records.
        file_mode : int
            Of the database, its log and its lock, also where they exist.
        commits : Histogram, optional
            Observes the duration of commits in seconds.

        Raises
        ------
        StoreInUse
            Another process is recording into it (it can be opened `read_only`).
        StoreUnusable
            It is damaged, not a database of Tandem, or of a newer one. Nothing was changed.
        StoreFull
            The disk is full or the place cannot be written.
        """
        path = Path(path)
        if read_only:
            check_readable(path)
            return cls(path, None, None, Backlog(0.0, 0))
        make_place(path, file_mode)
        check_file(path)
        lock = WriterLock(path, file_mode)
        try:
            take_files(path, file_mode)
            writer = Writer(path)
        except StoreError:
            lock.release()
            raise
        store = cls(path, writer, lock, Backlog(batch_ms / 1_000, queue_trades), commits)
        store._thread.start()
        return store

    @staticmethod
    def move_aside(path: Path | str) -> Path:
        """Move a file that cannot be used out of the way, so that a new one can begin.

        Only ever with the user's consent. The file keeps its content, with its log beside it, under
        a new name in the same folder; nothing is overwritten.

        Returns
        -------
        Path
            Where it is now.

        Raises
        ------
        StoreInUse
            A process is recording into it.
        StoreFull
            The folder does not allow it, or there is no such file.
        """
        path = Path(path)
        lock = WriterLock(path)
        try:
            return move_aside(path)
        except OSError as error:
            raise StoreFull(
                f"{path} cannot be quarantined ({error.strerror}). Move it by hand, or choose "
                "another file with TANDEM_DATABASE."
            ) from error
        finally:
            lock.release()

    def submit(self, events: Sequence[Recordable]) -> None:
        """Hand events to the writer; one call's events are committed together.

        Returns at once, unless the queue is full because the disk is slower than the market: then
        it waits for room, and nothing is dropped. While recording is paused it does not wait:
        what finds no room is counted as lost and its place recorded as a gap.

        Raises
        ------
        StoreError
            The database is closed, or open for reading only.
        """
        self._check_writable()
        if events:
            self._backlog.put(list(events))

    def save_signals(self, pair: str, rows: Sequence[SignalRow]) -> None:
        """Record signals as they were shown; one that is already there is never changed.

        Raises
        ------
        DataError
            The pair or a kind is no plain text, or a number is no number.
        """
        self._check_writable()
        if not rows:
            return
        signals = Signals(pair, tuple(rows))
        if not storable(signals):
            raise DataError(
                f"Signals of {pair!r:.60} cannot be recorded: the pair and each kind must be plain "
                "text, times whole numbers. Recording goes on without them."
            )
        self._backlog.put([signals])

    def put_candles(self, instrument: str, rows: npt.NDArray[np.void]) -> None:
        """Record one-minute bars (dtype BAR) as a venue tells them, apart from those of trades.

        A minute that is there already is replaced. Shares the queue with everything submitted.
        """
        self._check_writable()
        if len(rows):
            self._backlog.put([Candles(instrument, rows.copy())])

    def replace_gap(self, old: Gap, pieces: Sequence[Gap]) -> None:
        """Record what became of a gap, after everything that was submitted before.

        Parameters
        ----------
        old : Gap
            As recorded; one that is not there any more is no error.
        pieces : sequence of Gap
            Its parts, each in its state; none where it turned out to be no gap.
        """
        self._check_writable()
        self._backlog.put([Replacement(old, tuple(pieces))])

    def save_documents(self, documents: Sequence[Document]) -> None:
        """Keep, replace or remove documents, all of them together; shares the queue of trades.

        Raises
        ------
        DataError
            A kind or key is no plain text, or a body is over 1 MB or no bytes.
        """
        self._check_writable()
        for one in documents:
            is_body = one.body is None or isinstance(one.body, bytes)
            if not (storable(one) and is_body and len(one.body or b"") <= DOCUMENT_BYTES):
                raise DataError(
                    f"A document under {one.key!r:.60} cannot be recorded: its kind and key must "
                    f"be plain text and its body at most {DOCUMENT_BYTES} bytes."
                )
        if documents:
            self._backlog.put(list(documents))

    def save_state(self, key: str, blob: bytes) -> None:
        """Keep a small blob under a key; the oldest beyond 500 keys are forgotten.

        Raises
        ------
        DataError
            The blob is over 8 MB or no bytes, or the key is no plain text.
        """
        self._check_writable()
        if not (isinstance(blob, bytes) and is_plain(key)):
            raise DataError(
                f"A state under {key!r:.60} cannot be recorded: the key must be plain text and the "
                "state bytes. Recording goes on without it."
            )
        if len(blob) > STATE_BYTES:
            raise DataError(
                f"The state of {key:.60} has {len(blob)} bytes and at most {STATE_BYTES} are kept; "
                "keep fewer bars."
            )
        self._backlog.put_state(key, blob)

    def load_state(self, key: str) -> bytes | None:
        """Return what was last saved under a key, committed or not."""
        waiting = self._backlog.state(key)
        return super().load_state(key) if waiting is None else waiting

    def load_state_dated(self, key: str) -> tuple[bytes, int] | None:
        """Return what was last saved under a key, and when, in microseconds."""
        waiting = self._backlog.state(key)
        return super().load_state_dated(key) if waiting is None else (waiting, now_us())

    def keep(self, days: float = 0.0, bars_days: float = 0.0, gigabytes: float = 0.0) -> None:
        """Change the limits of retention (`tandem.storage.Policy`). Deleted rows do not return.

        Raises
        ------
        DataError
            A number is negative.
        StoreError
            The database is open for reading only.
        """
        if self._writer is None:
            raise StoreError(f"{self.path} is open read-only; retention cannot be changed.")
        if not min(days, bars_days, gigabytes) >= 0:
            raise DataError(
                "Retention must be given in days and gigabytes of 0 (everything) or more."
            )
        self._writer.keeper.policy = Policy(days, bars_days, gigabytes)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything submitted before is committed; False where it was not in time."""
        return self._backlog.flush(timeout) if self._writer else True

    def close(self, timeout: float = 5.0) -> int:
        """Write what waits, for at most `timeout` seconds; return how many trades are missing.

        Those that are neither in the file nor in its table of gaps.
        """
        if self._writer is None:
            return 0
        self._backlog.shut(timeout)
        # A disk that hangs holds the thread, not the program: it is left behind.
        self._thread.join(timeout + 1.0)
        if self._unwritten is None:
            self._unwritten = self._backlog.trades
            if self._unwritten:
                log.error("The database closed with %d trades not written.", self._unwritten)
        return self._unwritten

    def health(self) -> StoreHealth:
        """Return how recording is going."""
        waited_s = self._backlog.waited_s
        state, text = self._describe(waited_s)
        return StoreHealth(
            state=state,
            text=text,
            queued=self._backlog.queued,
            written=self._written,
            oldest_waiting_s=waited_s,
            bytes=self._bytes(),
            last_commit_us=self._last_commit_us,
            lost=self._backlog.lost,
            refused=self._refused,
            expired=self._writer.expired if self._writer else 0,
            pruned=self._writer.keeper.pruned if self._writer else 0,
            kept=self._writer.keeper.policy if self._writer else Policy(),
            renumbered=self._writer.renumbered if self._writer else {},
            notes=_notes(self._writer) if self._writer else (),
            commits=self._commits,
        )

    def _bytes(self) -> int:
        """Return the size of the files, looked at once a second: many pages ask."""
        at_s, size = self._sized
        if steady_s() - at_s >= _SIZED_S:
            size = size_of(self.path)
            self._sized = steady_s(), size
        return size

    @property
    def is_alive(self) -> bool:
        """Whether the thread that writes runs, where there is one."""
        return self._writer is None or self._thread.is_alive()

    @property
    def failure(self) -> StoreUnusable | None:
        """Why nothing can be recorded into this file any more, if that is so."""
        problem = self._backlog.problem
        return problem if isinstance(problem, StoreUnusable) else None

    def _describe(self, waited_s: float) -> tuple[StoreState, str]:
        queued, problem = self._backlog.queued, self._backlog.problem
        if self._writer is None:
            return "reading", f"Reading {self.path}; nothing is recorded from here."
        if self._unwritten is not None:
            left = f" {self._unwritten} trades were not written." if self._unwritten else ""
            return "closed", f"The database {self.path} is closed.{left}"
        if problem is not None:
            then = (
                "Recording has stopped; restart Tandem afterwards."
                if isinstance(problem, StoreUnusable)
                else f"Recording is paused with {queued:,} entries in memory and resumes "
                "automatically."
            )
            lost = (
                f" {self._backlog.lost:,} trades were dropped (queue full)."
                if self._backlog.lost
                else ""
            )
            return "paused", f"{problem} Live prices and signals continue. {then}{lost}"
        if waited_s > _SLOW_S + self._backlog.batch_s:
            return "recording", (
                f"Recording into {self.path} is {waited_s:.0f} s behind: "
                f"{queued} entries are waiting to be written."
            )
        return "recording", f"Recording into {self.path}."

    def _check_writable(self) -> None:
        if self._writer is None:
            raise StoreError(f"{self.path} is open read-only; nothing can be recorded.")

    # The writer thread ------------------------------------------------------------------

    def _run(self) -> None:
        assert self._writer is not None
        assert self._lock is not None
        try:
            patience_s = _BUSY_S
            while (batch := self._backlog.take(patience_s)) is not None:
                if (batch.entries or batch.states) and not self._commit(self._writer, batch):
                    break
                patience_s = self._keep(self._writer)
        except BaseException as error:
            # Whatever it is, the screen may not go on saying that all is recorded.
            self._backlog.pause(_unexpected(self.path, error), 0.0)
            raise
        finally:
            self._backlog.end()
            self._writer.close()
            self._lock.release()

    def _commit(self, writer: Writer, batch: Batch) -> bool:
        """Write a batch, however often that takes; False where it will never be written."""
        retry_s = _FIRST_RETRY_S
        while True:
            began = time.perf_counter()
            try:
                new = writer.write(batch.entries, batch.states)
            except _BAD_ENTRY as error:
                problem = self._refuse(batch, error)
                if problem is None:
                    continue
            except sqlite3.Error as error:
                problem = explain(error, self.path)
            except StoreError as error:
                problem = error
            else:
                if self._commits is not None:
                    self._commits.observe(time.perf_counter() - began)
                self._written += new
                self._last_commit_us = now_us()
                self._backlog.done(batch)
                return True
            log.warning("Recording is paused: %s", problem)
            if not self._backlog.pause(problem, retry_s):
                return False
            retry_s = min(2 * retry_s, _LAST_RETRY_S)

    def _keep(self, writer: Writer) -> float:
        """Remove a little of what is not kept; returns how long to wait for the next time."""
        if time.monotonic() < self._keep_after_s:
            return _IDLE_S
        try:
            return _BUSY_S if writer.keep(_KEEPING_S) else _IDLE_S
        except (sqlite3.Error, StoreError) as error:
            # It can wait; what matters is recording, which tells of the file's troubles itself.
            log.warning("Nothing was removed from %s: %s", self.path, error)
            self._keep_after_s = time.monotonic() + _FAILED_S
            return _IDLE_S

    def _refuse(self, batch: Batch, error: Exception) -> StoreError | None:
        """Take out what no database could hold; an error where that is not the cause."""
        kept = [entry for entry in batch.entries if storable(entry)]
        refused = len(batch.entries) - len(kept)
        if not refused:
            return StoreUnusable(f"{self.path} does not take what is recorded ({error}).")
        log.error("%d entries cannot be recorded (%s); they are left out.", refused, error)
        self._refused += refused
        batch.entries = kept
        return None


def _unexpected(path: Path, error: BaseException) -> StoreUnusable:
    return StoreUnusable(
        f"Recording into {path} failed unexpectedly ({error!r}); please report it."
    )


def _notes(writer: Writer) -> tuple[str, ...]:
    """Say what happened to the database although it goes on."""
    notes = [_SAVED] if writer.saved_logs else []
    if anew := writer.renumbered:
        names = ", ".join(sorted(anew)[:3]) + (
            f" and {len(anew) - 3} more" if len(anew) > 3 else ""
        )
        notes.append(
            f"The venue has restarted its trade ids for {names}: {sum(anew.values())} trades "
            "reused recorded ids and are stored by id and time."
        )
    return tuple(notes)

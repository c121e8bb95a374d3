"""What waits for the disk: bounded, in order, and never dropped while the disk keeps up."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from tandem.core.errors import StoreError, StoreInUse, StoreUnusable
from tandem.core.events import Gap, Trade
from tandem.storage.records import Candles, Entry, Replacement

_BATCH_ENTRIES = 20_000
# Between two attempts to write into a locked file while closing.
_LOCKED_S = 0.05


@dataclass(slots=True)
class Batch:
    """What goes into one commit.

    Attributes
    ----------
    ticket : int
        The last call to `Backlog.put` it answers.
    since_s : float
        When the oldest of it was put (monotonic).
    queued : int
        Entries it took from the queue, whatever became of them.
    lost : int
        Trades lost so far, whose gaps are committed with it at the latest.
    """

    ticket: int
    since_s: float
    entries: list[Entry]
    states: dict[str, bytes]
    queued: int = 0
    lost: int = 0

    @property
    def trades(self) -> int:
        """How many trades it holds."""
        return sum(1 for entry in self.entries if isinstance(entry, Trade))


class Backlog:
    """A queue from many threads to the one that writes.

    A full queue makes the threads that fill it wait. While writing is paused they do not wait, for
    prices must go on: what finds no room is counted and kept as a gap per instrument.

    Parameters
    ----------
    batch_s : float
        How long entries are gathered before they are handed out.
    limit : int
        Entries that may wait.
    """

    def __init__(self, batch_s: float, limit: int) -> None:
        self.batch_s = batch_s
        self._limit = limit
        # Guards everything below; notified whenever any of it changes.
        self._changed = threading.Condition()
        self._waiting: deque[Batch] = deque()
        self._states: dict[str, bytes] = {}
        self._holes: dict[str, Gap] = {}
        self._taken: Batch | None = None
        self._tickets = self._done = self._flush_to = 0
        self._close_by_s: float | None = None
        self._in_gaps = 0
        self.queued = 0
        self.lost = 0
        self.problem: StoreError | None = None
        self.is_ended = False

    # For the threads that record --------------------------------------------------------

    def put(self, entries: list[Entry]) -> None:
        """Add what is to be committed together; waits while the queue is full."""
        with self._changed:
            self._check_open()
            while self._is_full(len(entries)) and self.problem is None:
                self._changed.wait()
                self._check_open()
            # What is said to fill a gap of this instrument may be what found no room.
            entries = [entry for entry in entries if not self._is_doubtful(entry)]
            if self._is_full(len(entries)):
                self._lose(entries)
                return
            self._tickets += 1
            self._waiting.append(Batch(self._tickets, time.monotonic(), entries, {}))
            self.queued += len(entries)
            # Between the first entry and a full batch there is nothing to wake the writer for:
            # a feed that hands on thousands of lone trades a second would do so every time.
            if len(self._waiting) == 1 or self._is_pressing():
                self._changed.notify_all()

    def put_state(self, key: str, blob: bytes) -> None:
        """Add a blob; a newer one of the same key takes its place."""
        with self._changed:
            self._check_open()
            self._states[key] = blob
            self._tickets += 1
            self._changed.notify_all()

    def state(self, key: str) -> bytes | None:
        """Return a blob that is not committed yet."""
        with self._changed:
            taken = self._taken.states.get(key) if self._taken else None
            return self._states.get(key, taken)

    def flush(self, timeout: float | None) -> bool:
        """Wait until everything put before is committed; False if that did not come in time."""
        with self._changed:
            ticket = self._tickets
            self._flush_to = max(self._flush_to, ticket)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._done >= ticket or self.is_ended, timeout)
            return self._done >= ticket

    def shut(self, timeout: float) -> None:
        """Take nothing more; what waits may still be written for `timeout` seconds."""
        with self._changed:
            if self._close_by_s is None:
                self._close_by_s = time.monotonic() + timeout
            self._changed.notify_all()

    @property
    def waited_s(self) -> float:
        """How long the oldest entry has waited."""
        with self._changed:
            oldest = self._taken or (self._waiting[0] if self._waiting else None)
            return time.monotonic() - oldest.since_s if oldest else 0.0

    @property
    def trades(self) -> int:
        """How many trades are neither committed nor in a gap that is."""
        with self._changed:
            taken = self._taken.trades if self._taken else 0
            waiting = sum(batch.trades for batch in self._waiting)
            return taken + waiting + self.lost - self._in_gaps

    def _is_full(self, more: int) -> bool:
        # Entries above the limit by themselves go through alone.
        return self.queued > 0 and self.queued + more > self._limit

    def _check_open(self) -> None:
        if self._close_by_s is not None:
            raise StoreError("The database is closed; nothing more can be recorded.")

    def _is_doubtful(self, entry: Entry) -> bool:
        return isinstance(entry, Replacement) and entry.old.instrument in self._holes

    def _lose(self, entries: list[Entry]) -> None:
        """Count trades that find no room, and widen the hole of each instrument by them.

        A gap that finds none is part of the hole, too: it must not be forgotten.
        """
        for entry in entries:
            if isinstance(entry, Trade):
                self.lost += 1
                number = entry.trade_id if isinstance(entry.trade_id, int) else -1
                self._widen(entry.instrument, number, number, entry.time_us, entry.time_us)
            elif isinstance(entry, Gap):
                self._widen(*entry[:5])
            elif isinstance(entry, Candles):
                self.lost += len(entry.rows)

    def _widen(
        self, instrument: str, first_id: int, last_id: int, start_us: int, end_us: int
    ) -> None:
        hole = self._holes.get(instrument)
        if hole is not None:
            # -1, an id that is no number, makes it a hole known by its time only.
            is_counted = min(hole.first_id, first_id) >= 0
            first_id = min(hole.first_id, first_id)
            last_id = max(hole.last_id, last_id) if is_counted else -1
            start_us = min(hole.start_us, start_us)
            end_us = max(hole.end_us, end_us)
        self._holes[instrument] = Gap(instrument, first_id, last_id, start_us, end_us, "open")

    # For the thread that writes ---------------------------------------------------------

    def take(self, patience_s: float | None = None) -> Batch | None:
        """Wait for the next batch; None when all is done, or closing allows no more time.

        With nothing to write for `patience_s` the batch is an empty one.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._has_work() or self._close_by_s is not None, patience_s
            ):
                return Batch(self._done, time.monotonic(), [], {})
            if not self._has_work() or self.is_overdue:
                return None
            since_s = self._waiting[0].since_s if self._waiting else time.monotonic()
            self._changed.wait_for(self._is_pressing, since_s + self.batch_s - time.monotonic())
            self._taken = self._gather(since_s)
            return self._taken

    def done(self, batch: Batch) -> None:
        """Note that a batch is committed."""
        with self._changed:
            self._done = batch.ticket
            self.queued -= batch.queued
            self._in_gaps = batch.lost
            self.problem = self._taken = None
            self._changed.notify_all()

    def pause(self, problem: StoreError, retry_s: float) -> bool:
        """Say why a batch was not written; wait, and tell whether to try again."""
        with self._changed:
            self.problem = problem
            self._changed.notify_all()
            if isinstance(problem, StoreUnusable) or self.is_overdue:
                return False
            if self._close_by_s is not None:
                # A lock is released; a full disk is not worth the wait.
                self._changed.wait(_LOCKED_S)
                return isinstance(problem, StoreInUse)
            self._changed.wait_for(lambda: self._close_by_s is not None, retry_s)
            # When closing began meanwhile: once more, the disk may have room by now.
            return True

    def end(self) -> None:
        """Note that nothing will be written any more."""
        with self._changed:
            self.is_ended = True
            self._changed.notify_all()

    @property
    def is_overdue(self) -> bool:
        """Whether the time for closing is over."""
        return self._close_by_s is not None and time.monotonic() > self._close_by_s

    def _has_work(self) -> bool:
        return bool(self._waiting or self._states or self._holes)

    def _is_pressing(self) -> bool:
        return (
            self.queued >= min(_BATCH_ENTRIES, self._limit)
            or self._flush_to > self._done
            or self._close_by_s is not None
        )

    def _gather(self, since_s: float) -> Batch:
        batch = Batch(self._done, since_s, [], self._states)
        self._states = {}
        while self._waiting and len(batch.entries) < _BATCH_ENTRIES:
            first = self._waiting.popleft()
            batch.entries.extend(first.entries)
            batch.ticket = first.ticket
        if not self._waiting:
            batch.ticket = self._tickets
        batch.queued = len(batch.entries)
        batch.entries.extend(self._holes.values())
        self._holes = {}
        batch.lost = self.lost
        return batch

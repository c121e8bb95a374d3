"""Retention: old rows go in small pieces, and the log and the file stay small.

Everything here runs on the writer's connection between two batches, each piece in a transaction
of its own, so that recording waits for milliseconds at most.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.storage.codec import LAST_MINUTE, SECOND_BYTES, unpack
from tandem.storage.records import Policy
from tandem.storage.schema import TRADES_BETWEEN, slot, transaction

LOG_BYTES = 64 * 2**20

_DUE_S = 60.0
_LOG_RETRY_S = 1.0
_LOG_WAIT_MS = 20
_ROWS = 500
_SLOTS = 30
_PAGES = 64
# Pages that deleting leaves free are used again; only what is beyond goes back to the disk.
_SPARE_PAGES = 256


class Keeper:
    """Brings the database back to its policy, a small piece at a time.

    Trades before an instrument's `kept_from_us` are not part of the database any more: none is
    taken, and no gap is left there. `pruned_to_us` tells how far they are removed from the file.
    Ages count back from the newest trade where the machine's clock is ahead of it: a clock set
    wrong must not empty the database.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self._log = path.with_name(path.name + "-wal")
        self._policy = Policy()
        self._due = self._log_due = 0.0
        self._old: dict[int, int] = {}
        self._old_bars: dict[int, int] = {}
        self.pruned = 0
        self.has_raised = False

    @property
    def policy(self) -> Policy:
        """The limits; may be set by any thread."""
        return self._policy

    @policy.setter
    def policy(self, policy: Policy) -> None:
        self._policy = policy
        self._due = 0.0

    def step(self) -> bool:
        """Do one small piece of work; False where nothing was to be done now."""
        return (
            self._fold_log()
            or self._prune_trades()
            or self._drop_old()
            or self._drop_bars()
            or self._look()
            or self._shrink()
        )

    # What goes --------------------------------------------------------------------------

    def _look(self) -> bool:
        """Find what the policy lets go, now and then; only notes it."""
        policy = self._policy
        if time.monotonic() < self._due or policy == Policy():
            return False
        self._due = time.monotonic() + _DUE_S
        newest_us = self._one("SELECT max(last_us) FROM instruments")
        if newest_us is None:
            return False
        now = min(now_us(), int(newest_us))
        if policy.days:
            self._raise(now - int(policy.days * DAY_US))
        if policy.gigabytes and self._used_bytes() > policy.gigabytes * 1e9:
            self._raise_oldest(now)
        if policy.bars_days:
            before = (now - int(policy.bars_days * DAY_US)) // MINUTE_US
            for number, first_us in self._rows("SELECT id, first_us FROM instruments"):
                first = LAST_MINUTE if first_us is None else first_us // MINUTE_US
                self._old_bars[number] = min(before, first)
        return self.has_raised or bool(self._old_bars)

    def _raise(self, cutoff_us: int, number: int | None = None) -> bool:
        """Let trades before a time go; each instrument's last second stays, to go on from."""
        with transaction(self.connection):
            raised = self._rows(
                "SELECT id, min(:cutoff, last_us / 1000000 * 1000000) AS edge FROM instruments "
                "WHERE last_us IS NOT NULL AND (:id IS NULL OR id = :id) "
                "AND min(:cutoff, last_us / 1000000 * 1000000) > max(kept_from_us, first_us)",
                {"cutoff": cutoff_us // SECOND_US * SECOND_US, "id": number},
            )
            for one, edge_us in raised:
                self.connection.execute(
                    "UPDATE instruments SET kept_from_us = ? WHERE id = ?", (edge_us, one)
                )
                # A hole among trades that are not kept is none.
                self.connection.execute(
                    "DELETE FROM gaps WHERE instrument_id = ? AND end_us < ?", (one, edge_us)
                )
                self._note_first(one, edge_us)
                self._old[one] = edge_us
        self.has_raised |= bool(raised)
        return bool(raised)

    def _raise_oldest(self, now: int) -> None:
        """Let the oldest hour of trades go, or where only the newest are left, a day of bars."""
        self._due = 0.0
        for number, first_us in self._rows(
            "SELECT id, first_us FROM instruments WHERE first_us < ? ORDER BY first_us",
            (now - HOUR_US,),
        ):
            if self._raise(min(first_us + HOUR_US, now - HOUR_US), number):
                return
        for number, first_us in self._rows(
            "SELECT id, first_us FROM instruments WHERE first_us IS NOT NULL ORDER BY first_us"
        ):
            stop = slot(number, first_us // MINUTE_US)
            oldest = self._one(
                "SELECT min(slot) FROM bars_1s WHERE slot >= ? AND slot < ?", slot(number, 0), stop
            )
            if oldest is not None:
                day_later = (oldest & LAST_MINUTE) + DAY_US // MINUTE_US
                self._old_bars[number] = min(day_later, first_us // MINUTE_US)
                return
        # Nothing more may go; look again when something has been added.
        self._due = time.monotonic() + _DUE_S

    def _prune_trades(self) -> bool:
        row = self.connection.execute(
            "SELECT id, pruned_to_us, kept_from_us FROM instruments "
            "WHERE pruned_to_us < kept_from_us LIMIT 1"
        ).fetchone()
        if row is None:
            return False
        number, start_us, stop_us = row
        found = self.connection.execute(
            "SELECT slot, seconds FROM bars_1s WHERE slot BETWEEN ? AND ? ORDER BY slot LIMIT 1",
            (
                slot(number, start_us // MINUTE_US),
                slot(number, (stop_us - 1) // MINUTE_US),
            ),
        ).fetchone()
        with transaction(self.connection):
            end_us, removed = (
                (stop_us, 0)
                if found is None
                else self._prune_minute(number, start_us, stop_us, *found)
            )
            self.connection.execute(
                "UPDATE instruments SET trades = trades - ?, pruned_to_us = ? WHERE id = ?",
                (removed, end_us, number),
            )
        self.pruned += removed
        return True

    def _prune_minute(
        self, number: int, start_us: int, stop_us: int, key: int, blob: bytes
    ) -> tuple[int, int]:
        """Remove some trades of a minute; returns up to when none is left, and how many went."""
        bars, lowest, highest = unpack([key & LAST_MINUTE], [blob])
        inside = (bars["time_us"] >= start_us // SECOND_US * SECOND_US) & (
            bars["time_us"] < stop_us
        )
        places = np.flatnonzero(inside)
        if not len(places):
            return min(stop_us, ((key & LAST_MINUTE) + 1) * MINUTE_US), 0
        # Whole seconds that together hold few trades; a busy second alone is split by the limit.
        through = np.cumsum(bars["trades"][places])
        places = places[: max(1, int(np.searchsorted(through, _ROWS, side="right")))]
        end_us = min(int(bars["time_us"][places[-1]]) + SECOND_US, stop_us)
        names = {
            "id": number,
            "lowest": int(lowest[places].min()),
            "highest": int(highest[places].max()),
            "start": start_us,
            "end": end_us,
            "most": _ROWS,
        }
        removed = sum(self.connection.execute(statement, names).rowcount for statement in _PRUNE)
        return (end_us if removed < _ROWS else start_us), removed

    def _note_first(self, number: int, from_us: int) -> None:
        """Bring up to date when an instrument's first trade was."""
        row = self.connection.execute(
            "SELECT slot, seconds FROM bars_1s WHERE slot BETWEEN ? AND ? ORDER BY slot LIMIT 2",
            (slot(number, from_us // MINUTE_US), slot(number, LAST_MINUTE)),
        ).fetchall()
        bars, lowest, highest = unpack([key & LAST_MINUTE for key, _ in row], [b for _, b in row])
        at = int(np.searchsorted(bars["time_us"], from_us))
        if at == len(bars):
            return
        names = {
            "id": number,
            "lowest": int(lowest[at]),
            "highest": int(highest[at]),
            "start": from_us,
            "end": int(bars["time_us"][at]) + SECOND_US,
        }
        self.connection.execute(
            "UPDATE instruments SET first_us = "
            f"(SELECT min(time_us) FROM ({TRADES_BETWEEN})) WHERE id = :id",
            names,
        )

    def _drop_old(self) -> bool:
        """Remove quotes and funding rates beyond the limit; the last rate stays."""
        if not self._old:
            return False
        number, before_us = next(iter(self._old.items()))
        with transaction(self.connection):
            removed = self.connection.execute(
                "DELETE FROM quotes WHERE instrument_id = ?1 AND second IN "
                "(SELECT second FROM quotes WHERE instrument_id = ?1 AND second < ?2 LIMIT ?3)",
                (number, before_us // SECOND_US, _ROWS),
            ).rowcount
            removed += self.connection.execute(
                "DELETE FROM funding WHERE instrument_id = ?1 AND time_us IN "
                "(SELECT time_us FROM funding WHERE instrument_id = ?1 AND time_us < ?2 "
                "AND time_us < (SELECT max(time_us) FROM funding WHERE instrument_id = ?1) "
                "LIMIT ?3)",
                (number, before_us, _ROWS),
            ).rowcount
        if not removed:
            del self._old[number]
        return True

    def _drop_bars(self) -> bool:
        if not self._old_bars:
            return False
        number, before = next(iter(self._old_bars.items()))
        ends = (slot(number, 0), slot(number, before), _SLOTS)
        with transaction(self.connection):
            old = self._rows(
                "SELECT slot, length(seconds) FROM bars_1s WHERE slot >= ? AND slot < ? LIMIT ?",
                ends,
            )
            self.connection.executemany(
                "DELETE FROM bars_1s WHERE slot = ?", [(key,) for key, _ in old]
            )
            if old:
                self.connection.execute(
                    "UPDATE instruments SET seconds = seconds - ? WHERE id = ?",
                    (sum(size for _, size in old) // SECOND_BYTES, number),
                )
            removed = (
                len(old)
                + self.connection.execute(
                    "DELETE FROM candles WHERE slot IN "
                    "(SELECT slot FROM candles WHERE slot >= ? AND slot < ? LIMIT ?)",
                    ends,
                ).rowcount
            )
        if not removed:
            del self._old_bars[number]
        return True

    # The file ---------------------------------------------------------------------------

    def _fold_log(self) -> bool:
        """Fold a log that grew under a long reader back into the file, when its readers end.

        SQLite does so by itself after every thousand pages, but begins the log anew only in a
        moment without a reader, which many short ones may never leave.
        """
        if time.monotonic() < self._log_due or self._log_bytes() <= LOG_BYTES:
            return False
        self._log_due = time.monotonic() + _LOG_RETRY_S
        self.connection.execute(f"PRAGMA busy_timeout = {_LOG_WAIT_MS}")
        try:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self.connection.execute("PRAGMA busy_timeout = 1000")
        return False

    def _shrink(self) -> bool:
        """Give free pages back to the disk, a few at a time."""
        free = int(self._one("PRAGMA freelist_count"))
        if free <= _SPARE_PAGES:
            return False
        # Stepping through it once, as `execute` does, would free one page only.
        self.connection.executescript(
            f"PRAGMA incremental_vacuum({min(_PAGES, free - _SPARE_PAGES)})"
        )
        return True

    def _log_bytes(self) -> int:
        try:
            return os.stat(self._log).st_size
        except FileNotFoundError:
            return 0

    def _used_bytes(self) -> int:
        pages = int(self._one("PRAGMA page_count")) - int(self._one("PRAGMA freelist_count"))
        return pages * int(self._one("PRAGMA page_size"))

    def _one(self, query: str, *values: int) -> Any:
        return self.connection.execute(query, values).fetchone()[0]

    def _rows(self, query: str, values: Any = ()) -> list[Any]:
        return self.connection.execute(query, values).fetchall()


_PRUNE = (
    """
    DELETE FROM trades WHERE instrument_id = :id AND trade_id IN (
        SELECT trade_id FROM trades
        WHERE instrument_id = :id AND trade_id BETWEEN :lowest AND :highest
            AND time_us >= :start AND time_us < :end LIMIT :most
    )
    """,
    """
    DELETE FROM trades WHERE instrument_id = :id AND trade_id IN (
        SELECT trade_id FROM trades
        WHERE instrument_id = :id AND typeof(trade_id) = 'text'
            AND time_us >= :start AND time_us < :end LIMIT :most
    )
    """,
)

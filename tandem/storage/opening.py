"""Opening a process's database: to record into it, to read it beside another, or not at all."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import NamedTuple

from tandem.core.errors import StoreError, StoreFull, StoreInUse
from tandem.core.events import Trade
from tandem.core.files import PRIVATE
from tandem.core.histogram import Histogram
from tandem.storage.lock import is_locked
from tandem.storage.null import ForeignStore, NullStore
from tandem.storage.store import Store

log = logging.getLogger("tandem.storage")

_READ_TRIES = 5
_READ_WAIT_S = 0.2


class Opened(NamedTuple):
    """A database, and what stood in the way of recording into it.

    Attributes
    ----------
    store : Store or NullStore
        `ForeignStore` where another process records into the file.
    refusal : StoreError, optional
        Why nothing is recorded; None while all is well.
    trades : int
        What was recorded before.
    """

    store: Store | NullStore
    refusal: StoreError | None
    trades: int


def open_database(
    path: Path,
    batch_ms: int,
    queue_trades: int,
    file_mode: int = PRIVATE,
    commits: Histogram | None = None,
) -> Opened:
    """Open the database as `Store.open` does; where that fails, prices and signals go on."""
    try:
        store = Store.open(path, batch_ms, queue_trades, file_mode=file_mode, commits=commits)
        try:
            # A large database is not searched for damage before it is read.
            trades = sum(span.trades for span in store.spans().values())
        except StoreError:
            store.close()
            raise
        return Opened(store, None, trades)
    except StoreInUse as error:
        log.error("Recording is off: %s", error)
        beside = _beside(path, error)
        return Opened(beside, error, _count(beside))
    except StoreError as error:
        log.error("Recording is off: %s", error)
        text = f"{error} Live prices and signals work; nothing is recorded."
        return Opened(NullStore(text), error, 0)


def may_pass(refusal: StoreError | None) -> bool:
    """Return whether what keeps a database from being recorded into may end by itself."""
    return isinstance(refusal, (StoreInUse, StoreFull))


def could_record(path: Path, file_mode: int = PRIVATE) -> bool:
    """Return whether a database could be recorded into now; nothing is kept open."""
    if is_locked(path):
        return False
    try:
        Store.open(path, file_mode=file_mode).close()
    except StoreError:
        return False
    return True


def last_recorded(
    store: Store | NullStore, instrument: str, stopping: threading.Event
) -> Trade | None:
    """Return the newest recorded trade of an instrument; None where it is unknown.

    Without it the gap since then would not be found: a database that is busy is asked again.
    """
    for _ in range(_READ_TRIES):
        try:
            return store.last_trade(instrument)
        except StoreError as error:
            problem = error
            stopping.wait(_READ_WAIT_S)
    log.error("The last recorded trade of %s is unknown: %s", instrument, problem)
    return None


def _count(store: NullStore) -> int:
    try:
        return sum(span.trades for span in store.spans().values())
    except StoreError as error:
        log.error("What was recorded before is not counted: %s", error)
        return 0


def _beside(path: Path, reason: StoreInUse) -> NullStore:
    """Show the database of the process that has it, beside this one's own live prices."""
    try:
        return ForeignStore(
            path,
            f"{reason} Its data is shown, with prices and signals of this process; "
            "nothing is recorded from here.",
        )
    except StoreError as error:
        return NullStore(f"{reason} Live prices and signals work; nothing is recorded. {error}")

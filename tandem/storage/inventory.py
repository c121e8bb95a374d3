"""What the database holds and what it lacks, read every few seconds however many sessions look."""

from __future__ import annotations

import threading
from typing import NamedTuple

from tandem.core.clock import steady_s
from tandem.core.errors import StoreError
from tandem.core.events import Gap
from tandem.storage.protocols import Records
from tandem.storage.records import Held

FRESH_S = 3.0
MOST_GAPS = 200


class Holdings(NamedTuple):
    """The database at one moment.

    Attributes
    ----------
    held : tuple of Held
    missing : tuple of Gap
        Holes that no trade fills: open, covered by candles or lost; the newest 200 of them.
    missing_us : dict
        By instrument, how much time its open holes and those lost span.
    problem : str
        Why this could not be read anew; what was read before stays. Empty while all is well.
    """

    held: tuple[Held, ...] = ()
    missing: tuple[Gap, ...] = ()
    missing_us: dict[str, int] = {}
    problem: str = ""


class Inventory:
    """Asks the database at most once in `FRESH_S`; whoever comes meanwhile gets the last answer."""

    def __init__(self, record: Records) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._at: float | None = None
        self._last = Holdings()

    def now(self) -> Holdings:
        """Return what is held; never older than a few seconds when nobody else is reading."""
        # The first answer is waited for; later ones only by whoever fetches them.
        if self._is_due() and self._lock.acquire(blocking=self._at is None):
            try:
                if self._is_due():
                    self._last = self._read()
                    self._at = steady_s()
            finally:
                self._lock.release()
        return self._last

    def _is_due(self) -> bool:
        return self._at is None or steady_s() - self._at > FRESH_S

    def _read(self) -> Holdings:
        try:
            held = self._record.inventory()
            gaps = self._record.gaps(states=("open", "candles", "lost"))
        except StoreError as error:
            return self._last._replace(problem=str(error))
        missing_us: dict[str, int] = {}
        for gap in gaps:
            if gap.state != "candles":
                span_us = max(gap.end_us - gap.start_us, 0)
                missing_us[gap.instrument] = missing_us.get(gap.instrument, 0) + span_us
        newest = sorted(gaps, key=lambda gap: (gap.state == "open", gap.end_us), reverse=True)
        return Holdings(tuple(held), tuple(newest[:MOST_GAPS]), missing_us)

"""What a venue complained about and what was not understood of it: kept, and sampled into a log."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque

from tandem.core.clock import steady_s

log = logging.getLogger("tandem.recorder")

_LOG_EVERY_S = 10.0
_KEPT = 5
_KEPT_S = 600.0


class Complaints:
    """The latest complaints about one venue. Any thread may add to them and read them.

    Parameters
    ----------
    title : str
        The venue's name in the log.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._lock = threading.Lock()
        self._kept: deque[tuple[float, str]] = deque(maxlen=_KEPT)
        self._said_s = self._misunderstood_s = -math.inf

    def note(self, text: str) -> None:
        """Keep a sentence for the screen; one that is there already is only renewed."""
        with self._lock:
            others = [(at, said) for at, said in self._kept if said != text]
            self._kept = deque([*others, (steady_s(), text)], _KEPT)

    def recent(self) -> tuple[str, ...]:
        """Return the sentences of the last ten minutes, oldest first."""
        oldest = steady_s() - _KEPT_S
        with self._lock:
            return tuple(text for at, text in self._kept if at > oldest)

    def said(self, text: str) -> None:
        """Take what the venue said; a venue that goes on and on fills no log."""
        now = steady_s()
        if now - self._said_s >= _LOG_EVERY_S:
            self._said_s = now
            log.warning("%s said: %s", self._title, text)
        self.note(text)

    def not_understood(self, count: int, cause: str, sample: bytes = b"") -> None:
        """Log that messages were not understood, with the beginning of one, now and then."""
        now = steady_s()
        if now - self._misunderstood_s < _LOG_EVERY_S:
            return
        self._misunderstood_s = now
        log.warning(
            "%s: %d of the last messages not understood (%s); one begins %r",
            self._title,
            count,
            cause,
            sample[:80],
        )

"""A thread that says so when an unexpected error ends it, and begins again where it can."""

from __future__ import annotations

import logging
import random
import threading
import traceback
from collections.abc import Callable, Iterator

from tandem.core.clock import steady_s

log = logging.getLogger("tandem.supervisor")

# Work that has not failed for so long is sound again: failures in a row are counted anew.
CALM_S = 120.0
# So many failures in a row and it will not mend by itself.
HOPELESS = 5


def backoff(first_s: float = 0.5, most_s: float = 30.0) -> Iterator[float]:
    """Yield waits before each new attempt: doubling, capped, and jittered from the first one.

    The jitter keeps a thousand clients that lost the same server from returning together.
    """
    limit = first_s
    while True:
        yield random.uniform(0.1, 1.0) * limit
        limit = min(2.0 * limit, most_s)


class Supervisor:
    """Runs a thread's work and remembers whether it died.

    Parameters
    ----------
    said : str
        For the screen: what happened, what still works, what to do.
    backoff : callable, optional
        Makes the iterator of waits before `keep` begins again.

    Attributes
    ----------
    deaths : int
        Unexpected errors that ended the work.
    """

    def __init__(self, said: str, backoff: Callable[[], Iterator[float]] = backoff) -> None:
        self._said = said
        self._backoff = backoff
        self._in_a_row = 0
        self._died_s = 0.0
        self._is_kept = False
        self.deaths = 0

    @property
    def problem(self) -> str:
        """What happened; empty while nothing did, or once what was begun again has lasted."""
        if not self.deaths or (self._is_kept and not self._is_recent()):
            return ""
        return self._said

    @property
    def is_hopeless(self) -> bool:
        """Whether the work failed time and again as soon as it was begun."""
        return self._in_a_row >= HOPELESS and self._is_recent()

    def watch(self, work: Callable[[], None]) -> None:
        """Do a thread's whole work; an unexpected error ends it and becomes `problem`."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread's last word
            self.lose(error)

    def keep(self, work: Callable[[], None], stop: threading.Event) -> None:
        """Do a thread's whole work; after an unexpected error again, ever later, until `stop`."""
        self._is_kept = True
        waits = self._backoff()
        while not stop.is_set():
            before = self.deaths
            self.watch(work)
            if self.deaths == before:
                return
            if self._in_a_row == 1:
                waits = self._backoff()
            stop.wait(next(waits))

    def lose(self, error: BaseException) -> None:
        """Note an unexpected error: where it was goes into the log.

        Its own words do not: they may hold what the work was given, an address with a key too.
        """
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s (%s)\n%s", self._said, type(error).__name__, where)
        self._in_a_row = self._in_a_row + 1 if self._is_recent() else 1
        self._died_s = steady_s()
        # Last: who reads on screen that there is something in the log finds it there.
        self.deaths += 1

    def _is_recent(self) -> bool:
        return self.deaths > 0 and steady_s() - self._died_s < CALM_S

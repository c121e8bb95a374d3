"""A thread that says so when an unexpected error ends it: on screen in a sentence, in the log."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

log = logging.getLogger("tandem.lifeline")


class Supervisor:
    """Runs a thread's work and remembers whether it died.

    Parameters
    ----------
    said : str
        For the screen: what happened, what still works, what to do.
    """

    def __init__(self, said: str) -> None:
        self._said = said
        self.problem = ""

    def watch(self, work: Callable[[], None]) -> None:
        """Do a thread's whole work; an unexpected error ends it and becomes `problem`."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread's last word
            self.lose(error)

    def lose(self, error: BaseException) -> None:
        """Note an unexpected error: where it was goes into the log.

        Its own words do not: they may hold what the work was given, an address with a key too.
        """
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s (%s)\n%s", self._said, type(error).__name__, where)
        # Last: who reads on screen that there is something in the log finds it there.
        self.problem = self._said

"""The past of what is watched, from the venue's candles, one instrument after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tandem.core.clock import MINUTE_US, now_us
from tandem.core.errors import FeedError, MessageError, VenueRefused
from tandem.scanner.live.minute_prices import MinuteBoard

log = logging.getLogger("tandem.universe")

WAIT_S = 1.0
# Requests that may fail in a row before the rest is left to what trades from now on.
MOST_FAILURES = 5


# Fetches an instrument's one-minute bars from a time to another, within the venue's budget and on
# the caller's thread, as many as one answer holds; None where the venue has no candles to ask for.
# Raises FeedError or MessageError.
Candles = Callable[[str, int, int, threading.Event], npt.NDArray[np.void] | None]


class History:
    """Fills a board in a thread of its own.

    Attributes
    ----------
    done : int
        Instruments asked for.
    text : str
        What it does, or why it stopped early.
    """

    def __init__(
        self,
        candles: Candles,
        is_busy: Callable[[], bool],
        board: MinuteBoard,
        stop: threading.Event,
    ) -> None:
        self._candles = candles
        self._is_busy = is_busy
        self._board = board
        self._stop = stop
        self._thread = threading.Thread(target=self._run, name="universe-history", daemon=True)
        self.done = 0
        self.text = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the end, once the board's owner has said stop."""
        self._thread.join(timeout)

    @property
    def is_over(self) -> bool:
        """Whether nothing more of the past will come."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        names = self._board.names
        for name in names:
            self.text = f"Fetching the past of {len(names)} instruments: {self.done} are in."
            while self._is_busy() and not self._stop.wait(WAIT_S):
                self.text = "The past of these instruments waits for that of the pairs on screen."
            if self._stop.is_set():
                return
            try:
                if not self._fetch(name):
                    self.text = "This venue gives no candles: the past begins now."
                    return
                failures = 0
            except VenueRefused as error:
                self.text = f"{error} What trades from now on is scanned."
                return
            except (FeedError, MessageError) as error:
                failures += 1
                log.warning("No past of %s: %s", name, error)
                if failures == MOST_FAILURES:
                    self.text = (
                        f"The past of {len(names) - self.done} instruments is missing: {error} "
                        "They are scanned once enough has been watched."
                    )
                    return
            self.done += 1
        self.text = ""

    def _fetch(self, name: str) -> bool:
        """Fetch one instrument's minutes; False where there are none to be had."""
        end_us = now_us() // MINUTE_US * MINUTE_US
        start_us = end_us - self._board.minutes * MINUTE_US
        while start_us < end_us and not self._stop.is_set():
            bars = self._candles(name, start_us, end_us, self._stop)
            if bars is None:
                return False
            if not len(bars):
                return True
            self._board.fill(name, bars, end_us)
            following = int(bars["time_us"][-1]) + MINUTE_US
            if following <= start_us:
                return True
            start_us = following
        return True

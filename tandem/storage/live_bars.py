"""The one-second bars of every instrument in the hot buffer, closed once for all who read them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tandem.core.bars import BarBuilder, Bars
from tandem.core.clock import SECOND_US
from tandem.core.events import BAR
from tandem.core.ring import RingBuffer
from tandem.storage.hot_buffer import HotBuffer

MEMORY_SECONDS = 43_200


class SecondBars:
    """One instrument's last closed seconds, of this process's life; any thread may read.

    Parameters
    ----------
    keep : int
        Seconds in memory, 90 bytes each; older ones are in the database.

    Attributes
    ----------
    first_us : int
        Start of the second of the first trade; 0 before there is one.
    closed_until_us : int
        End of the last closed second, with or without a trade; 0 before the first trade.
    """

    def __init__(self, instrument: str, grace_us: int, keep: int = MEMORY_SECONDS) -> None:
        self.first_us = 0
        self.closed_until_us = 0
        self._builder = BarBuilder(instrument, grace_us)
        self._closed = RingBuffer(BAR, keep)
        self._cursor = 0

    def follow(self, buffer: HotBuffer, now_us: int) -> None:
        """Take what is new in the buffer and close the seconds that are over; one thread at once.

        Parameters
        ----------
        now_us : int
            This machine's time, taken before the call.
        """
        while True:
            trades, self._cursor = buffer.rows_since(self._builder.instrument, self._cursor)
            if not len(trades):
                break
            if not self.first_us:
                self.first_us = int(trades["time_us"][0]) // SECOND_US * SECOND_US
            self._builder.add(trades)
        self._closed.append(self._builder.close(now_us))
        # Last: who has read this end finds every bar before it.
        self.closed_until_us = self._builder.closed_until_us

    def closed(self) -> Bars:
        """Return the bars in memory as they closed, oldest first, read-only."""
        return self._closed.view()

    def clock_us(self, now_us: int) -> int:
        """Return the exchange's time at this machine's time `now_us`."""
        return self._builder.clock_us(now_us)


class LiveBars:
    """The `SecondBars` of every instrument in the buffer.

    Pairs and surveillance follow them on threads of their own; whichever comes first closes a
    second for both.

    Parameters
    ----------
    grace_us : callable
        How long an instrument's second waits for late trades.
    keep : int
        Seconds of each instrument in memory.
    """

    def __init__(
        self, buffer: HotBuffer, grace_us: Callable[[str], int], keep: int = MEMORY_SECONDS
    ) -> None:
        self._keep = keep
        self._buffer = buffer
        self._grace_us = grace_us
        self._bars: dict[str, SecondBars] = {}
        self._lock = threading.Lock()

    def follow(self, clock: Callable[[str], int]) -> dict[str, SecondBars]:
        """Bring every instrument of the buffer up to date and return their bars.

        Parameters
        ----------
        clock : callable
            Tells what time it is for a venue's trades, in microseconds: a recording has its own.
        """
        with self._lock:
            # Read before the buffer is: a trade that arrives meanwhile must not find its second
            # closed.
            names = self._buffer.instruments()
            times = {venue: clock(venue) for venue in {name.partition(":")[0] for name in names}}
            for name in names:
                if name not in self._bars:
                    self._bars[name] = SecondBars(name, self._grace_us(name), self._keep)
                self._bars[name].follow(self._buffer, times[name.partition(":")[0]])
            return {name: self._bars[name] for name in names}

    def forget(self, instrument: str) -> None:
        """Drop an instrument; called after it has been dropped from the buffer."""
        with self._lock:
            self._bars.pop(instrument, None)

"""The hot buffer: the newest trades of every instrument, in memory, for readers in a hurry."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import groupby, islice
from operator import itemgetter

from tandem.core.events import Funding, Quote, Trade

_instrument = itemgetter(0)


class _Ring:
    """One instrument's newest trades; `count` is how many there ever were."""

    def __init__(self, limit: int) -> None:
        self.lock = threading.Lock()
        self.trades: deque[Trade] = deque(maxlen=limit)
        self.count = 0

    def append(self, trades: list[Trade]) -> int:
        """Add trades; returns by how many there are more than before."""
        with self.lock:
            before = len(self.trades)
            self.trades.extend(trades)
            self.count += len(trades)
            return len(self.trades) - before

    def shorten(self, count: int) -> int:
        """Drop the oldest; returns how many there were to drop."""
        with self.lock:
            dropped = min(count, len(self.trades))
            for _ in range(dropped):
                self.trades.popleft()
            return dropped

    def slice(self, cursor: int, most: int) -> tuple[list[Trade], int]:
        """Return up to `most` trades from number `cursor` on, and the number after them."""
        with self.lock:
            kept = len(self.trades)
            start = min(max(cursor - (self.count - kept), 0), kept)
            stop = min(start + max(most, 0), kept)
            following = self.count - kept + stop
            if start <= kept - start:
                return list(islice(self.trades, start, stop)), following
            # Walk from the nearer end: the usual reader wants the last few of very many.
            newest_first = list(islice(reversed(self.trades), kept - stop, kept - start))
        newest_first.reverse()
        return newest_first, following

    def tail(self, count: int) -> list[Trade]:
        with self.lock:
            newest_first = list(islice(reversed(self.trades), max(count, 0)))
        newest_first.reverse()
        return newest_first


class HotBuffer:
    """Per instrument the newest trades, bounded by count, plus the newest quote and funding.

    All instruments together are bounded too: beyond that, whoever has most gives up its oldest.

    Appending costs what is appended and reading what is returned, whatever is kept. Any thread
    may append and read.

    Parameters
    ----------
    limit : int
        Trades kept per instrument.
    total : int
        Trades kept altogether (some 300 bytes each).
    """

    def __init__(self, limit: int, total: int = 600_000) -> None:
        self._limit = limit
        self._total = total
        self._kept = 0
        self._lock = threading.Lock()
        self._rings: dict[str, _Ring] = {}
        self._quotes: dict[str, Quote] = {}
        self._fundings: dict[str, Funding] = {}

    def append(self, trades: Sequence[Trade]) -> None:
        """Add trades in the order they arrived; instruments may be mixed."""
        grown = 0
        for instrument, run in groupby(trades, _instrument):
            grown += self._ring(instrument).append(list(run))
        if grown:
            with self._lock:
                self._kept += grown
                if self._kept > self._total:
                    self._make_room()

    def forget(self, instrument: str) -> None:
        """Drop all that is kept of an instrument; what arrives later is counted from 0 again."""
        with self._lock:
            ring = self._rings.pop(instrument, None)
            self._quotes.pop(instrument, None)
            self._fundings.pop(instrument, None)
            if ring is not None:
                self._kept -= ring.shorten(len(ring.trades))

    def _make_room(self) -> None:
        """Take a little more than the excess from the longest ring, so that it is seldom done."""
        # Counted anew: a batch may have gone to a ring just as it was forgotten.
        self._kept = sum(len(ring.trades) for ring in self._rings.values())
        while self._kept > self._total:
            longest = max(self._rings.values(), key=lambda ring: len(ring.trades))
            excess = self._kept - self._total + self._total // 64
            dropped = longest.shorten(min(excess, len(longest.trades) // 2 + 1))
            if not dropped:
                break
            self._kept -= dropped

    def since(self, instrument: str, cursor: int, most: int = 10_000) -> tuple[list[Trade], int]:
        """Return what was appended after `cursor`, oldest first, and the cursor to go on from.

        Parameters
        ----------
        cursor : int
            Number of trades already read; 0 starts with the oldest kept. Trades that were pushed
            out before they were read are passed over.
        most : int
            Return at most so many; the rest comes with the next call.
        """
        ring = self._rings.get(instrument)
        return ring.slice(cursor, most) if ring else ([], 0)

    def tail(self, instrument: str, count: int) -> list[Trade]:
        """Return the last `count` trades, oldest first."""
        ring = self._rings.get(instrument)
        return ring.tail(count) if ring else []

    def last(self, instrument: str) -> Trade | None:
        """Return the trade that arrived last."""
        newest = self.tail(instrument, 1)
        return newest[0] if newest else None

    def count(self, instrument: str) -> int:
        """Return how many trades were ever appended."""
        ring = self._rings.get(instrument)
        return ring.count if ring else 0

    def instruments(self) -> list[str]:
        """Return every instrument that has traded, in the order they first did."""
        with self._lock:
            return list(self._rings)

    def put_quote(self, quote: Quote) -> None:
        """Keep the newest best bid and ask of an instrument."""
        self._quotes[quote.instrument] = quote

    def quote(self, instrument: str) -> Quote | None:
        """Return the newest best bid and ask."""
        return self._quotes.get(instrument)

    def put_funding(self, funding: Funding) -> None:
        """Keep the newest funding rate of an instrument."""
        self._fundings[funding.instrument] = funding

    def funding(self, instrument: str) -> Funding | None:
        """Return the newest funding rate."""
        return self._fundings.get(instrument)

    def _ring(self, instrument: str) -> _Ring:
        with self._lock:
            if instrument not in self._rings:
                self._rings[instrument] = _Ring(self._limit)
            return self._rings[instrument]

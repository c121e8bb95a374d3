"""The hot buffer: the newest trades of every instrument, in memory, for readers in a hurry."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.core.bars import Trades, trade_array
from tandem.core.events import TRADE, Funding, NoQuote, Quote, Trade

_instrument = itemgetter(0)

# Trades that are packed into rows at once. As many to twice as many per instrument stay as they
# came: they are what readers ask for, and making a trade of a row takes most of a microsecond.
_BLOCK = 64


def _row(trade_id: npt.DTypeLike) -> np.dtype[Any]:
    return np.dtype([("trade_id", trade_id), *((name, TRADE[name]) for name in TRADE.names or ())])


_NUMBERED, _NAMED = _row(np.int64), _row(object)


def _pack(trades: list[Trade]) -> npt.NDArray[Any]:
    """Return trades of one instrument as rows: 41 bytes each, more where an id is text."""
    _, *columns = zip(*trades, strict=True)
    is_numbered = set(map(type, columns[0])) == {int}
    rows = np.empty(len(trades), _NUMBERED if is_numbered else _NAMED)
    for name, column in zip(rows.dtype.names or (), columns, strict=True):
        rows[name] = column
    return rows


class _Ring:
    """One instrument's newest trades; `count` is how many there ever were, `kept` how many are.

    The older ones are rows, which the garbage collector does not see: as objects they take 325
    bytes each, and 600,000 of them hold up the process for 80 ms at every full collection.
    """

    def __init__(self, instrument: str, limit: int) -> None:
        self.lock = threading.Lock()
        self.kept = self.count = 0
        self._instrument = instrument
        self._limit = limit
        self._blocks: deque[npt.NDArray[Any]] = deque()
        self._newest: list[Trade] = []

    def append(self, trades: list[Trade]) -> int:
        """Add trades; returns by how many there are more than before."""
        with self.lock:
            before = self.kept
            self._newest += trades
            self.kept += len(trades)
            self.count += len(trades)
            self._shorten(self.kept - self._limit)
            packed = len(self._newest) // _BLOCK - 1
            if packed > 0:
                for start in range(0, packed * _BLOCK, _BLOCK):
                    self._blocks.append(_pack(self._newest[start : start + _BLOCK]))
                del self._newest[: packed * _BLOCK]
            return self.kept - before

    def shorten(self, count: int) -> int:
        """Drop the oldest; returns how many there were to drop."""
        with self.lock:
            return self._shorten(count)

    def slice(self, cursor: int, most: int) -> tuple[list[Trade], int]:
        """Return up to `most` trades from number `cursor` on, and the number after them."""
        blocks, newest, stop = self._after(cursor, most)
        return [*self._trades(blocks), *newest], stop

    def rows(self, cursor: int, most: int) -> tuple[Trades, int]:
        """Return what `slice` does, as rows."""
        blocks, newest, stop = self._after(cursor, most)
        if not blocks:
            return trade_array(newest), stop
        rows = np.empty(sum(map(len, blocks)) + len(newest), TRADE)
        end = len(rows) - len(newest)
        rows[end:] = trade_array(newest)
        for name in TRADE.names or ():
            np.concatenate([block[name] for block in blocks], out=rows[name][:end])
        return rows, stop

    def _after(self, cursor: int, most: int) -> tuple[list[npt.NDArray[Any]], list[Trade], int]:
        with self.lock:
            start = min(max(cursor, self.count - self.kept), self.count)
            stop = min(start + max(most, 0), self.count)
            return *self._between(start, stop), stop

    def tail(self, count: int) -> list[Trade]:
        with self.lock:
            start = self.count - min(max(count, 0), self.kept)
            rows, newest = self._between(start, self.count)
        return [*self._trades(rows), *newest]

    def _shorten(self, count: int) -> int:
        dropped = min(max(count, 0), self.kept)
        self.kept -= dropped
        while self._blocks and self._held - self.kept >= _BLOCK:
            self._blocks.popleft()
        if not self._blocks:
            del self._newest[: len(self._newest) - self.kept]
        return dropped

    @property
    def _held(self) -> int:
        """How many trades are in memory: those kept, and those dropped from the oldest block."""
        return len(self._blocks) * _BLOCK + len(self._newest)

    def _between(self, start: int, stop: int) -> tuple[list[npt.NDArray[Any]], list[Trade]]:
        """Return the trades numbered `start` to before `stop`: rows, then those as they came."""
        newest = self.count - len(self._newest)
        if start >= newest:
            return [], self._newest[start - newest : stop - newest]
        oldest = newest - len(self._blocks) * _BLOCK
        first, last = start - oldest, min(stop, newest) - oldest
        rows = [
            self._blocks[which][max(first - which * _BLOCK, 0) : last - which * _BLOCK]
            for which in range(first // _BLOCK, -(-last // _BLOCK))
        ]
        return rows, self._newest[: max(stop - newest, 0)]

    def _trades(self, blocks: list[npt.NDArray[Any]]) -> Iterator[Trade]:
        for rows in blocks:
            columns = (rows[name].tolist() for name in rows.dtype.names or ())
            yield from map(Trade._make, zip(repeat(self._instrument), *columns, strict=False))


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
        Trades kept altogether (some 50 bytes each, 140 with text ids).
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
                self._kept -= ring.shorten(ring.kept)

    def _make_room(self) -> None:
        """Take a little more than the excess from the longest ring, so that it is seldom done."""
        # Counted anew: a batch may have gone to a ring just as it was forgotten.
        self._kept = sum(ring.kept for ring in self._rings.values())
        while self._kept > self._total:
            longest = max(self._rings.values(), key=lambda ring: ring.kept)
            excess = self._kept - self._total + self._total // 64
            dropped = longest.shorten(min(excess, longest.kept // 2 + 1))
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

    def rows_since(self, instrument: str, cursor: int, most: int = 10_000) -> tuple[Trades, int]:
        """Return what `since` does as an array of dtype TRADE, a tenth of the work for many."""
        ring = self._rings.get(instrument)
        return ring.rows(cursor, most) if ring else (np.empty(0, TRADE), 0)

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

    def put_quote(self, quote: Quote | NoQuote) -> None:
        """Keep the newest best bid and ask of an instrument, or none where there is none."""
        if type(quote) is Quote:
            self._quotes[quote.instrument] = quote
        else:
            self._quotes.pop(quote.instrument, None)

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
                self._rings[instrument] = _Ring(instrument, self._limit)
            return self._rings[instrument]

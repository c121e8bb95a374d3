"""Every trade of a database in order of arrival, for a replay."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

from tandem.core.clock import HOUR_US
from tandem.core.events import Trade
from tandem.storage.files import check_readable
from tandem.storage.reader import Reader


def stored_trades(path: Path) -> Iterator[Trade]:
    """Return the trades of a Tandem database in order of arrival."""
    check_readable(path)
    reader = Reader(path)
    streams = [
        _arrivals(reader, name, span.first_us, span.last_us)
        for name, span in reader.spans().items()
    ]
    yield from heapq.merge(*streams, key=lambda trade: trade.received_us)


def _arrivals(reader: Reader, name: str, first_us: int, last_us: int) -> Iterator[Trade]:
    for start_us in range(first_us, last_us + 1, HOUR_US):
        yield from reader.arrivals(name, start_us, min(start_us + HOUR_US, last_us + 1))

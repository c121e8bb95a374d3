"""Every trade of a database in order of arrival, for a replay."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator
from pathlib import Path

from tandem.core.clock import HOUR_US
from tandem.core.events import Trade
from tandem.storage.store import Store


def stored_trades(path: Path) -> Iterator[Trade]:
    """Return the trades of a Tandem database in order of arrival."""
    with contextlib.closing(Store.open(path, 1_000, 1_000, read_only=True)) as store:
        spans = store.spans()
        streams = [
            _arrivals(store, name, span.first_us, span.last_us) for name, span in spans.items()
        ]
        yield from heapq.merge(*streams, key=lambda trade: trade.received_us)


def _arrivals(store: Store, name: str, first_us: int, last_us: int) -> Iterator[Trade]:
    for start_us in range(first_us, last_us + 1, HOUR_US):
        yield from store.arrivals(name, start_us, min(start_us + HOUR_US, last_us + 1))

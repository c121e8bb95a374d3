"""What is known of one instrument's stream of trades."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence

from market import Trade, TradeId

# Text ids kept per instrument. A venue repeats what is some seconds old, and no instrument of a
# venue with such ids trades more often than a hundred times a second for long.
REMEMBERED = 1_000


class Recent:
    """The newest ids of an instrument whose ids have no order, bounded by count."""

    __slots__ = ("_ids", "_order")

    def __init__(self, most: int = REMEMBERED) -> None:
        self._order: deque[str] = deque(maxlen=most)
        self._ids: set[str] = set()

    def add(self, trade_id: str) -> bool:
        """Remember an id; returns whether it was new."""
        if trade_id in self._ids:
            return False
        if len(self._order) == self._order.maxlen:
            self._ids.discard(self._order[0])
        self._order.append(trade_id)
        self._ids.add(trade_id)
        return True

    def __len__(self) -> int:
        return len(self._ids)


class Track:
    """One instrument's stream, as far as it was seen. Written by one thread only.

    Parameters
    ----------
    known : sequence of Trade
        The newest trades the hot buffer holds already, oldest first.
    """

    __slots__ = ("heard", "last_id", "last_us", "recent", "since")

    def __init__(self, known: Sequence[Trade]) -> None:
        self.last_id: TradeId | None = known[-1].trade_id if known else None
        self.last_us = known[-1].time_us if known else 0
        self.recent = Recent()
        for trade in known:
            if isinstance(trade.trade_id, str):
                self.recent.add(trade.trade_id)
        self.since = time.monotonic()
        self.heard = -math.inf

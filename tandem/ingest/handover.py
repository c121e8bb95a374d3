"""Replacing a connection before the venue cuts it, without losing or doubling a trade.

A new connection is opened while the old one is still read. What the new one brings is held back
until it has shown that it brings everything: then what was held follows on what the old one
brought, and repetitions are known by their ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from tandem.core.events import Event, Notice, Trade, TradeId

Verdict = Literal["wait", "ready", "useless"]


class Handover:
    """Decides when the new connection may take over; keeps its trades until then.

    It may once the first trade it brought of each instrument came over the old one as well: from
    there on it has all that the old one has. An instrument that trades on the old connection must
    have shown up on the new one.

    Attributes
    ----------
    held : list of Trade
        What the new connection brought.
    """

    def __init__(self) -> None:
        self.held: list[Trade] = []
        self._old: set[tuple[str, TradeId]] = set()
        self._first: dict[str, TradeId] = {}
        self._due: set[str] = set()
        self._open = False
        self._new_speaks = False
        self._old_speaks = False
        self._began = math.inf

    def opened(self) -> None:
        """Note that the new connection is subscribed: from now on it ought to bring trades."""
        self._open = True

    def from_old(self, events: Iterable[Event], now: float) -> None:
        """Take note of what the old connection brought, also while the new one is opening."""
        for event in events:
            if type(event) is Trade:
                self._old.add((event.instrument, event.trade_id))
                if self._open:
                    self._due.add(event.instrument)
            if self._open and type(event) is not Notice:
                self._old_speaks = True
                self._began = min(self._began, now)

    def from_new(self, events: Iterable[Event], now: float) -> None:
        """Take what the new connection brought. Quotes and funding come over the old one too."""
        for event in events:
            if type(event) is Trade:
                self.held.append(event)
                self._first.setdefault(event.instrument, event.trade_id)
            if type(event) is not Notice:
                self._new_speaks = True
                self._began = min(self._began, now)

    def verdict(self, now: float, limit_s: float) -> Verdict:
        """Say whether to wait, to take over, or to give the new connection up.

        `limit_s` after either brought something, the wait is over: two paths through the same
        network do not differ by more. A market in which nothing trades is waited for.
        """
        if self._new_speaks and self._first.keys() >= self._due and self._joined():
            return "ready"
        if now - self._began < limit_s or self._began == math.inf:
            return "wait"
        return "ready" if self._new_speaks else "useless"

    def _joined(self) -> bool:
        return all((name, trade_id) in self._old for name, trade_id in self._first.items())

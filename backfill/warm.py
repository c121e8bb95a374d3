"""A fresh instrument's past: candles at once, then trades back as far as a small budget goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feeds.rest.base import RestVenue
from market import MINUTE_US, Gap, Trade, steady_s

# Trades that are fetched for an instrument nobody recorded before.
WARM_TRADES = 20_000
# The first stretch tells how much trades; the next is as long as the budget allows.
_FIRST_US = MINUTE_US
_FIRST_TRADES = 1_000
_MOST_GROWTH = 60
# The stream of a fresh instrument should have given a trade by then.
_PATIENCE_S = 300.0


@dataclass(eq=False)
class WarmUp:
    """One instrument being given a past, stretch by stretch, newest first.

    A stretch is put into the record's table as an open hole, so it is filled, and survives a
    restart, as any other.
    """

    instrument: str
    start_us: int
    since_s: float
    left: int = WARM_TRADES
    stretch: Gap | None = None
    reached_us: int = 0

    @classmethod
    def begin(cls, instrument: str, start_us: int) -> WarmUp:
        """Return a warm-up that begins now."""
        return cls(instrument, start_us, steady_s())

    @property
    def is_late(self) -> bool:
        """Whether the first trade was waited for long enough."""
        return steady_s() - self.since_s > _PATIENCE_S

    def next(self, venue: RestVenue, first: Trade, received: int) -> Gap | None:
        """Return the next stretch to fill, as an open hole; None where there is enough.

        Parameters
        ----------
        first : Trade
            The earliest recorded trade.
        received : int
            Trades recorded in the last stretch.
        """
        self.left -= received
        if first.time_us <= self.start_us or self.left < 1 or not venue.has_trades:
            return None
        counts_down = venue.backwards and venue.consecutive_ids
        if self.stretch is not None:
            has_moved = first.time_us < self.reached_us
            if received and not has_moved:
                return None
            # By time, a stretch without a trade is no end, but for the last one.
            if not has_moved and (counts_down or self.stretch.start_us <= self.start_us):
                return None
        self.reached_us = first.time_us
        make = self._by_id if counts_down else self._by_time
        self.stretch = make(first, received)
        return self.stretch

    def _by_id(self, first: Trade, received: int) -> Gap | None:
        if not isinstance(first.trade_id, int) or first.trade_id <= 1:
            return None
        count = _FIRST_TRADES if self.stretch is None else self.left
        if received and self.stretch is not None:
            rate = received / max(self.stretch.end_us - first.time_us, 1)
            count = min(count, round(rate * (first.time_us - self.start_us)) + 1)
        first_id = max(1, first.trade_id - count)
        return Gap(
            *(self.instrument, first_id, first.trade_id - 1, self.start_us, first.time_us, "open")
        )

    def _by_time(self, first: Trade, received: int) -> Gap:
        length_us = _FIRST_US
        if self.stretch is not None:
            last_us = max(self.stretch.end_us - self.stretch.start_us, 1)
            growth = min(self.left // received if received else _MOST_GROWTH, _MOST_GROWTH)
            length_us = last_us * max(1, growth)
        begin_us = max(self.start_us, first.time_us - length_us)
        return Gap(self.instrument, -1, -1, begin_us, first.time_us, "open")


def is_settled(stretch: Gap, gaps: Sequence[Gap]) -> bool | None:
    """Tell whether a stretch was filled by trades; None while part of it is open."""
    inside = [
        gap for gap in gaps if gap.end_us >= stretch.start_us and gap.start_us <= stretch.end_us
    ]
    if any(gap.state == "open" for gap in inside):
        return None
    return all(gap.state == "filled" for gap in inside)

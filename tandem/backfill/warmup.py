"""A fresh instrument's past: candles at once, then trades back as far as a small budget goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tandem.core.clock import HOUR_US, MINUTE_US, now_us, steady_s
from tandem.core.events import Gap, Trade
from tandem.core.instruments import split_instrument
from tandem.net.venue_client import VenueClients
from tandem.storage.protocols import Database
from tandem.storage.records import Span
from tandem.venues.rest import RestVenue

# Trades that are fetched for an instrument nobody recorded before.
WARM_TRADES = 20_000
# The first stretch tells how much trades; the next is as long as the budget allows.
_FIRST_US = MINUTE_US
_FIRST_TRADES = 1_000
_MOST_GROWTH = 60
# The stream of a fresh instrument should have given a trade by then.
_PATIENCE_S = 300.0
# A clock of this machine that is wrong by less costs no past worth asking for again.
_WRONG_US = HOUR_US


@dataclass(eq=False)
class WarmUp:
    """One instrument being given a past, stretch by stretch, newest first.

    A stretch is put into the database's table as an open gap, so it is filled, and survives a
    restart, as any other.
    """

    instrument: str
    start_us: int
    since_s: float
    left: int = WARM_TRADES
    stretch: Gap | None = None
    reached_us: int = 0
    ahead_us: int = 0
    is_dated: bool = False

    @classmethod
    def begin(cls, instrument: str, start_us: int) -> WarmUp:
        """Return a warm-up that begins now."""
        return cls(instrument, start_us, steady_s())

    @property
    def is_late(self) -> bool:
        """Whether the first trade was waited for long enough."""
        return steady_s() - self.since_s > _PATIENCE_S

    def next(self, venue: RestVenue, first: Trade, received: int) -> Gap | None:
        """Return the next stretch to fill, as an open gap; None where there is enough.

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
        if counts_down:
            self.stretch = self._by_id(first, received, venue.reach_us)
        else:
            self.stretch = self._by_time(first, received)
        return self.stretch

    def _by_id(self, first: Trade, received: int, reach_us: int | None) -> Gap | None:
        if not isinstance(first.trade_id, int) or first.trade_id <= 1:
            return None
        count = _FIRST_TRADES if self.stretch is None else self.left
        if received and self.stretch is not None:
            rate = received / max(self.stretch.end_us - first.time_us, 1)
            count = min(count, round(rate * (first.time_us - self.start_us)) + 1)
        first_id = max(1, first.trade_id - count)
        # When the first of them was is not known: no earlier than the venue can tell.
        since_us = self.start_us
        if reach_us:
            since_us = max(since_us, first.time_us - reach_us // 2)
        return Gap(
            *(self.instrument, first_id, first.trade_id - 1, since_us, first.time_us, "open")
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


class Pasts:
    """The fresh instruments, each given its past once.

    Parameters
    ----------
    add : callable
        Takes the span of an instrument's past that candles are to cover.
    changed : callable
        Called when a stretch was put into the database's table.
    """

    def __init__(
        self,
        store: Database,
        clients: VenueClients,
        add: Callable[[Gap], None],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clients = clients
        self._add = add
        self._changed = changed
        self._lock = threading.Lock()
        self._asked: list[tuple[str, int]] = []
        self._warming: dict[str, WarmUp] = {}

    def ask(self, instrument: str, start_us: int) -> None:
        """Ask for an instrument's past; any thread may."""
        with self._lock:
            self._asked.append((instrument, start_us))

    def is_under_way(self, instrument: str) -> bool:
        """Tell whether more of an instrument's past may come."""
        return instrument in self._warming and self._warming[instrument].left > 0

    def covers(self, gap: Gap) -> bool:
        """Tell whether a gap is a stretch from before its instrument was recorded."""
        warm_up = self._warming.get(gap.instrument)
        stretch = warm_up.stretch if warm_up else None
        if stretch is None:
            return False
        return stretch.start_us <= gap.start_us and gap.end_us <= stretch.end_us

    def step(self) -> None:
        """Begin what was asked for, and go on with what is under way."""
        under_way = [one for one in self._warming.values() if one.left > 0]
        undated = [name for name, one in self._warming.items() if not one.is_dated]
        if not self._asked and not under_way and not undated:
            return
        # Read before anything is taken: a database that cannot be read now may be later.
        spans = self._store.spans()
        with self._lock:
            asked, self._asked = self._asked, []
        for name in filter(self._is_misdated, undated):
            # It was asked for by a clock that has turned out wrong.
            start_us = self._warming[name].start_us - self._warming.pop(name).ahead_us
            asked.append((name, start_us))
            under_way = [one for one in under_way if one.instrument != name]
        for name, start_us in asked:
            if name not in self._warming:
                self._begin_warm_up(name, start_us, spans.get(name))
                under_way.append(self._warming[name])
        for warm_up in under_way:
            if not self._extend(warm_up, spans.get(warm_up.instrument)):
                # Remembered, so that it is not asked for twice.
                warm_up.left = 0

    def _begin_warm_up(self, name: str, start_us: int, span: Span | None) -> None:
        ahead_us = self._ahead_us(name, span)
        start_us += ahead_us
        warm_up = self._warming[name] = WarmUp.begin(name, start_us)
        warm_up.ahead_us = ahead_us
        venue = self._clients.get(split_instrument(name)[0])
        if venue is None or (span is not None and span.first_us <= start_us):
            warm_up.left = 0
            return
        end_us = venue[1].now_us() if span is None else span.first_us
        # The minute still going on is the stream's.
        end_us = min(end_us, venue[1].now_us() // MINUTE_US * MINUTE_US - 1)
        reach_us = venue[0].candle_reach_us
        if reach_us is not None:
            start_us = max(start_us, venue[1].now_us() - reach_us)
        if start_us < end_us:
            self._add(Gap(name, -1, -1, start_us, end_us, "open"))

    def _is_misdated(self, name: str) -> bool:
        """Tell whether the venue has meanwhile told another time than a past was asked by."""
        warm_up = self._warming[name]
        venue = self._clients.get(split_instrument(name)[0])
        warm_up.is_dated = venue is None or venue[1].ahead_us is not None
        return warm_up.is_dated and self._ahead_us(name, None) != warm_up.ahead_us

    def _ahead_us(self, name: str, span: Span | None) -> int:
        """Return how far the venue's clock is ahead of this machine's; 0 where they agree.

        As the venue's REST told; before it did, as the newest trade shows if it came just now.
        """
        venue = self._clients.get(split_instrument(name)[0])
        ahead_us = venue[1].ahead_us if venue else None
        if ahead_us is None and span is not None:
            last = self._store.trades(name, span.last_us, span.last_us + 1, 1)
            if last and abs(last[0].received_us - now_us()) < _WRONG_US:
                ahead_us = last[0].time_us - last[0].received_us
        # To the hour, so that no second's difference is taken for a change.
        return round((ahead_us or 0) / _WRONG_US) * _WRONG_US

    def _extend(self, warm_up: WarmUp, span: Span | None) -> bool:
        """Put the next stretch of an instrument's past into the table; False where it is done."""
        if warm_up.left < 1:
            return False
        if span is None:
            return not warm_up.is_late
        name, received = warm_up.instrument, 0
        venue = self._clients.get(split_instrument(name)[0])
        if venue is None:
            return False
        if warm_up.stretch is not None:
            settled = is_settled(
                warm_up.stretch, self._store.gaps(name, warm_up.stretch.start_us - 1)
            )
            if settled is None:
                return True
            if not settled:
                return False
            bars = self._store.bars(name, warm_up.stretch.start_us, warm_up.reached_us)
            received = int(bars["trades"].sum())
        first = self._store.trades(name, span.first_us, span.first_us + 1, 1)
        if not first:
            return False
        stretch = warm_up.next(venue[0], first[0], received)
        if stretch is None:
            return False
        self._store.submit([stretch])
        self._changed()
        return True

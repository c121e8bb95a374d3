"""What is known of each instrument's stream of trades, and what a batch adds to it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from tandem.core.clock import SECOND_US, steady_s
from tandem.core.events import Gap, Trade, TradeId, venue_id

# Trades of one moment may arrive out of order by this much.
DISORDER_US = SECOND_US
# Text ids kept per instrument. A venue repeats what is some seconds old, and no instrument of a
# venue with such ids trades more often than a hundred times a second for long.
REMEMBERED = 1_000
# A silence is unlike an instrument's own where it is so many times the longest of lately. So many
# silences must have ended before, and every look back weighs less.
_UNLIKE, _FEWEST, _FADING = 5.0, 10, 0.99
# Jumps that late trades may still close, and how many ids each may miss.
_JUMPS, _MOST_MISSING = 16, 1_000


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
        The newest trades the hot buffer or the database holds already, oldest first.
    may_miss : bool
        Whether trades may be missing since then: what is generated has no gaps.

    Attributes
    ----------
    is_cut : bool
        Trades may be missing between the last one and the next, and no id would tell.
    jumps : deque
        The latest short jumps of the ids, each with the ids that did not come yet.
    """

    __slots__ = (
        *("_ended", "_heard_before", "_longest_s", "_missed_us", "_patience"),
        *("heard", "is_cut", "jumps", "last_id", "last_us", "recent", "since"),
    )

    def __init__(self, known: Sequence[Trade], may_miss: bool) -> None:
        self.is_cut = may_miss and bool(known)
        self.last_id: TradeId | None = venue_id(known[-1].trade_id) if known else None
        self.last_us = known[-1].time_us if known else 0
        self.recent = Recent()
        for trade in known:
            if isinstance(trade.trade_id, str):
                self.recent.add(trade.trade_id)
        self.jumps: deque[tuple[Gap, set[int]]] = deque(maxlen=_JUMPS)
        self.since = steady_s()
        self.heard = -math.inf
        # Up to when the last gap around trades that came and could not be kept reaches.
        self._missed_us = 0
        self._heard_before = -math.inf
        self._longest_s = 0.0
        self._ended, self._patience = 0, 1.0

    def is_stalled(self, now: float, least_s: float) -> bool:
        """Tell whether it has been silent unlike ever lately; to be asked every second or so.

        Once told, a silence is told again only when it is twice as long.
        """
        if self.heard == -math.inf:
            return False
        if self.heard > self._heard_before:
            silence_s = self.heard - self._heard_before
            if self._heard_before > -math.inf:
                self._longest_s = max(_FADING * self._longest_s, silence_s)
            self._heard_before = self.heard
            self._ended, self._patience = self._ended + 1, 1.0
        limit_s = max(least_s, _UNLIKE * self._longest_s) * self._patience
        if self._ended < _FEWEST or now - self.heard <= limit_s:
            return False
        self._patience *= 2.0
        return True

    def miss(self, name: str, start_us: int, end_us: int) -> list[Gap]:
        """Return the gap around a trade that came and cannot be kept; none where the last has it.

        It happened after the trade before it and up to `end_us`, as far as clocks and order tell.
        """
        end_us = max(end_us, self.last_us)
        if end_us <= self._missed_us:
            return []
        self._missed_us = end_us + DISORDER_US
        start_us = min(start_us, self.last_us or start_us) - DISORDER_US
        return [Gap(name, -1, -1, start_us, end_us + 2 * DISORDER_US, "open")]

    def forget(self, trade: Trade) -> None:
        """Go back to before a trade, so that it is missing unless it comes again."""
        self.is_cut, self.last_us = True, min(self.last_us or trade.time_us, trade.time_us)
        if isinstance(trade.trade_id, int):
            last_id = self.last_id if isinstance(self.last_id, int) else trade.trade_id
            self.last_id = min(last_id, trade.trade_id - 1)

    def jump(self, trade: Trade, first_id: int, last_id: int) -> Gap:
        """Return the gap before a trade, and remember which ids are missing."""
        gap = Gap(trade.instrument, first_id, last_id, self.last_us, trade.time_us, "open")
        if last_id - first_id < _MOST_MISSING:
            self.jumps.append((gap, set(range(first_id, last_id + 1))))
        return gap

    def late(self, trade_id: int) -> list[Gap]:
        """Note a trade that came out of order; returns the gap it was the last missing of."""
        for place, (gap, missing) in enumerate(self.jumps):
            if trade_id in missing:
                missing.discard(trade_id)
                if missing:
                    return []
                del self.jumps[place]
                return [gap._replace(state="filled")]
        return []


def sift(
    trades: Sequence[Trade], tracks: Mapping[str, Track], consecutive: bool
) -> tuple[list[Trade], list[Trade], list[Gap]]:
    """Tell trades that are wanted, those of them seen for the first time, and the gaps.

    A trade whose id and time are not above the last is a repetition (or fills a gap that is
    already recorded): the store knows it or takes it, the buffer must not get it twice. A
    lower id with a later time means that the venue began to count anew: how far it had counted
    nobody tells, so that the time between is a gap, unless the connection held and it is no
    longer than a second (trades of one moment may come out of order). Ids that are text
    have no order: each is looked for among the newest ones. Where ids do not count up, the
    trade that came last coming again shows that nothing is missing after a cut; otherwise the gap
    reaches a second beyond both trades around the cut, whichever is dated later. A short jump of
    the ids whose trades all come late is told again, as filled.

    Parameters
    ----------
    trades : sequence of Trade
        As they arrived.
    tracks : mapping
        The instruments wanted; brought up to date.
    consecutive : bool
        Whether ids count up by one.
    """
    passed: list[Trade] = []
    fresh: list[Trade] = []
    gaps: list[Gap] = []
    heard = steady_s()
    for trade in trades:
        name = trade[0]  # by place: a name costs twice as much, and this loop is the busiest
        track = tracks.get(name)
        if track is None:
            continue
        trade_id, time_us = trade[1], trade[2]
        passed.append(trade)
        track.heard = heard
        last_id = track.last_id
        is_unknown = track.is_cut and not consecutive
        if isinstance(trade_id, str):
            if not track.recent.add(trade_id):
                track.is_cut &= trade_id != last_id
                continue
        elif isinstance(last_id, int):
            if trade_id > last_id:
                if consecutive and trade_id > last_id + 1:
                    gaps.append(track.jump(trade, last_id + 1, trade_id - 1))
            elif time_us <= track.last_us:
                if track.jumps:
                    gaps += track.late(trade_id)
                track.is_cut &= trade_id < last_id
                continue
            elif consecutive:
                is_unknown = track.is_cut or time_us - track.last_us > DISORDER_US
        if is_unknown:
            start_us = min(time_us, track.last_us) - DISORDER_US
            end_us = max(time_us, track.last_us) + DISORDER_US
            gaps.append(Gap(name, -1, -1, start_us, end_us, "open"))
        track.is_cut = False
        track.last_id = trade_id
        if time_us > track.last_us:
            track.last_us = time_us
        fresh.append(trade)
    return passed, fresh, gaps

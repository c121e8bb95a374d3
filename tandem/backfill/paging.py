"""One gap being filled, page by page. Nothing here opens a socket or touches the database."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.backfill.planner import TRADES_PER_PAGE, missing_ids, pieces_by_id, pieces_by_time
from tandem.core.clock import DAY_US, MINUTE_US
from tandem.core.errors import MessageError
from tandem.core.events import Gap, Trade
from tandem.venues.rest import Request, RestVenue, is_by_id

# The minute is over at the venue and its candle is out.
_SETTLED_US = 3_000_000


class Settled(NamedTuple):
    """What a walk has done to a gap since it was last asked.

    Attributes
    ----------
    old : Gap
        The open gap as the database has it.
    pieces : list of Gap
        What it is now, together exactly `old` (and ids found missing beside it).
    """

    old: Gap
    pieces: list[Gap]


class TradePages:
    """Fills an open gap with trades.

    Parameters
    ----------
    gap : Gap
        The gap as the database has it.
    ask : Gap
        What to ask for: the gap, or its newest part.
    cost : int
        About how many trades that means; a venue that gives many more is not followed.

    Attributes
    ----------
    request : Request or None
        The next page; None when the walk is over.
    gap : Gap
        What of the gap is still open ahead of the walk.
    has_taken : bool
        Whether it brought any trade of the gap.
    cause : str
        Why the last trade that could not be parsed could not be; empty where there was none.
    is_stuck : bool
        The venue repeated itself or gave pages without end; what was asked for is not complete.
    """

    kind = "trades"

    def __init__(self, venue: RestVenue, gap: Gap, ask: Gap, cost: int) -> None:
        self.gap = gap
        self.has_taken = False
        self.is_stuck = False
        self.cause = ""
        self.request = venue.trades(gap.instrument, ask)
        self._venue = venue
        self._ask = ask
        self._pages_left = 20 + 4 * (cost // TRADES_PER_PAGE + 1)
        self._fresh: list[tuple[int, int]] = []
        self._jumps: list[Gap] = []
        self._last_page: set[int | str] = set()
        self._edge: tuple[int, int] | None = None
        self._edge_trade: Trade | None = None
        self._covered: tuple[int, int] | None = None
        # Where ids count up by one, they tell what is missing better.
        self._unread: tuple[tuple[int, int], ...] = ()

    def take(self, body: bytes, received_us: int) -> list[Trade]:
        """Understand a page and return the trades of the gap in it; `request` is then the next.

        Raises
        ------
        MessageError
            Nothing was taken, and `request` is as before.
        """
        instrument = self.gap.instrument
        parsed = self._venue.parse_page(body, instrument, received_us)
        self.cause = parsed.cause or self.cause
        page = [trade for trade in parsed.trades if not self._is_dated_ahead(trade)]
        if len(page) < len(parsed.trades):
            self.cause = "a trade is dated over a day after those that follow it"
            if not page:
                raise MessageError(self.cause)
        following = self._venue.more(instrument, self._ask, page)
        self._pages_left -= 1
        if following is not None and (self._pages_left < 1 or not self._has_moved(page)):
            self.is_stuck, following = True, None
        distinct = {trade.trade_id: trade for trade in page}
        fresh = [trade for key, trade in distinct.items() if key not in self._last_page]
        inside = [trade for trade in fresh if self._is_inside(trade)]
        self._last_page = set(distinct)
        self._fresh.extend(
            (trade.trade_id, trade.time_us)
            for trade in inside
            if isinstance(trade.trade_id, int) and is_by_id(self.gap)
        )
        if not is_by_id(self.gap):
            if not self._venue.consecutive_ids:
                self._unread += parsed.unread
            self._cover(page, following)
            self._check_ids(page)
        self.request = following
        self.has_taken |= bool(inside)
        return inside

    def settle(self) -> Settled | None:
        """Return what was done since the last call, and look ahead from there; None if nothing."""
        old = self.gap
        if is_by_id(old):
            if not self._fresh:
                return None
            pieces = pieces_by_id(old, self._fresh)
            self._fresh = []
        elif self._covered is not None:
            pieces = pieces_by_time(old, *self._covered, self._unread)
            self._covered, self._unread = None, ()
        else:
            return None
        pieces += self._jumps
        self._jumps = []
        ahead = pieces_ahead(pieces, old, self._venue.backwards)
        if ahead is not None:
            self.gap = ahead
        return Settled(old, pieces)

    def _is_dated_ahead(self, trade: Trade) -> bool:
        """Tell whether a trade would be the newest of the database for long, by its date alone."""
        gap = self.gap
        return is_by_id(gap) and self._is_inside(trade) and trade.time_us > gap.end_us + DAY_US

    def _is_inside(self, trade: Trade) -> bool:
        gap, trade_id = self.gap, trade.trade_id
        if is_by_id(gap):
            return isinstance(trade_id, int) and gap.first_id <= trade_id <= gap.last_id
        return gap.start_us - self._venue.time_step_us < trade.time_us <= gap.end_us

    def _has_moved(self, page: list[Trade]) -> bool:
        """Tell whether a page goes beyond all before it; one that does not would come again."""
        keys = [self._key(trade) for trade in page]
        if not keys:
            return False
        furthest = min(keys) if self._venue.backwards else max(keys)
        before, self._edge = self._edge, furthest
        if before is None:
            return True
        return furthest < before if self._venue.backwards else furthest > before

    def _key(self, trade: Trade) -> tuple[int, int]:
        number = trade.trade_id if isinstance(trade.trade_id, int) else 0
        return (number, 0) if is_by_id(self.gap) else (trade.time_us, number)

    def _cover(self, page: list[Trade], following: Request | None) -> None:
        """Note from when to when a gap by time is complete so far."""
        if not page:
            # Silence proves nothing: the trades before and after a gap are there.
            return
        start_us, end_us = self._covered or (self.gap.start_us, self.gap.end_us)
        if not self._venue.backwards:
            if self._covered is None:
                start_us = max(start_us, self._ask.start_us)
            # A page may end between trades of one moment; that moment is not complete.
            end_us = page[-1].time_us - (following is not None or self.is_stuck)
        elif following is not None or self.is_stuck:
            start_us = page[0].time_us + 1
        else:
            start_us = max(self._ask.start_us, self._venue.complete_since(self._ask, page))
            end_us = self.gap.end_us
        self._covered = (start_us, end_us)

    def _check_ids(self, page: list[Trade]) -> None:
        """Note ids a venue left out that counts its trades by one."""
        if not self._venue.consecutive_ids or not page:
            return
        before, backwards = self._edge_trade, self._venue.backwards
        self._edge_trade = page[0] if backwards else page[-1]
        joined = [*page] if before is None else [*page, before] if backwards else [before, *page]
        self._jumps += [
            jump
            for jump in missing_ids(joined)
            if jump not in self._jumps
            and jump.end_us >= self.gap.start_us
            and jump.start_us <= self.gap.end_us
        ]


def pieces_ahead(pieces: list[Gap], old: Gap, backwards: bool) -> Gap | None:
    """Return the open piece a walk has still to go through; None where it has none."""
    for piece in pieces:
        if piece.state != "open" or is_by_id(piece) != is_by_id(old):
            continue
        if is_by_id(old):
            is_ahead = piece.first_id == old.first_id if backwards else piece.last_id == old.last_id
        else:
            is_ahead = piece.start_us == old.start_us if backwards else piece.end_us == old.end_us
        if is_ahead:
            return piece
    return None


class Middle:
    """Finds out with a page or two whether a venue has ids of a long gap at all.

    Ids also jump where nothing was traded. The middle is asked for first, then the beginning and
    the end, until an id of the gap comes or all of it is seen to be absent.

    Attributes
    ----------
    request : Request or None
        The next page; None when enough is known.
    absent : (int, int) or None
        First and last of the ids that the venue's answers left out in one stretch.
    """

    kind = "middle"

    def __init__(self, venue: RestVenue, gap: Gap) -> None:
        self._venue = venue
        self._gap = gap
        middle = (gap.first_id + gap.last_id) // 2
        self._points = [middle, gap.first_id, gap.last_id + 1 - TRADES_PER_PAGE]
        self.absent: tuple[int, int] | None = None
        self.request: Request | None = None
        self._ask()

    def take(self, body: bytes, received_us: int) -> None:
        """Understand a page; `request` is then the next.

        Raises
        ------
        MessageError
            Nothing was learnt, and `request` is as before.
        """
        page = self._venue.parse_page(body, self._gap.instrument, received_us)
        point = self._points.pop(0)
        gap = self._gap
        ids = sorted(one.trade_id for one in page.trades if isinstance(one.trade_id, int))
        above = next((one for one in ids if one >= point), None)
        below = next((one for one in reversed(ids) if one < point + TRADES_PER_PAGE), None)
        # Venues answer with the ids from the one asked for on, or with those up to it.
        if above is not None:
            self._leave_out(point, above - 1)
        elif below is not None:
            self._leave_out(below + 1, point + TRADES_PER_PAGE - 1)
        is_there = any(gap.first_id <= one <= gap.last_id for one in ids)
        if not ids or is_there or self.absent == (gap.first_id, gap.last_id):
            self._points.clear()
        self._ask()

    def _leave_out(self, first_id: int, last_id: int) -> None:
        first_id, last_id = max(first_id, self._gap.first_id), min(last_id, self._gap.last_id)
        if first_id > last_id:
            return
        if self.absent and first_id <= self.absent[1] + 1 and self.absent[0] <= last_id + 1:
            first_id, last_id = min(first_id, self.absent[0]), max(last_id, self.absent[1])
        found = (first_id, last_id)
        self.absent = max(self.absent or found, found, key=lambda one: one[1] - one[0])

    def _ask(self) -> None:
        self.request = None
        if self._points:
            last_id = self._points[0] + TRADES_PER_PAGE - 1
            part = self._gap._replace(first_id=self._points[0], last_id=last_id)
            self.request = self._venue.trades(self._gap.instrument, part)


class CandlePages:
    """Covers a span with one-minute candles, oldest first.

    Parameters
    ----------
    start_us, end_us : int
        Every minute that these two and the time between them touch.

    Attributes
    ----------
    request : Request or None
        The next page; None when all minutes were given.
    minutes : int
        Minutes asked for so far.
    total : int
        Minutes to ask for.
    """

    kind = "candles"

    def __init__(self, venue: RestVenue, instrument: str, start_us: int, end_us: int) -> None:
        self._venue = venue
        self._instrument = instrument
        self._next_us = start_us // MINUTE_US * MINUTE_US
        self._end_us = end_us // MINUTE_US * MINUTE_US + MINUTE_US
        self.total = (self._end_us - self._next_us) // MINUTE_US
        self.minutes = 0
        self.request: Request | None = None
        self._ask()

    @property
    def is_over_us(self) -> int:
        """The venue's time from which all minutes are over."""
        return self._end_us + _SETTLED_US

    def take(self, body: bytes) -> npt.NDArray[np.void]:
        """Understand a page and return its minutes, as bars; `request` is then the next.

        Raises
        ------
        MessageError
            Nothing was taken, and `request` is as before.
        """
        bars = self._venue.parse_candles(body, self._instrument)
        stop_us = self._stop_us()
        times = bars["time_us"]
        bars = bars[(times >= self._next_us) & (times < stop_us)]
        self.minutes += (stop_us - self._next_us) // MINUTE_US
        self._next_us = stop_us
        self._ask()
        return bars

    def _stop_us(self) -> int:
        return min(self._end_us, self._next_us + self._venue.candles_per_page * MINUTE_US)

    def _ask(self) -> None:
        self.request = (
            self._venue.candles(self._instrument, self._next_us, self._stop_us())
            if self._next_us < self._end_us
            else None
        )

"""What a venue brings, on its way in: dated, told from repetitions, buffered and recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from operator import itemgetter

from tandem.core.clock import MINUTE_US, SECOND_US, now_us, steady_s
from tandem.core.errors import MessageError, StoreError, UnknownKind
from tandem.core.events import (
    Event,
    Funding,
    Gap,
    NoQuote,
    Notice,
    OffBook,
    PastTrade,
    Quote,
    Trade,
    Unread,
)
from tandem.ingest.clock import VenueClock
from tandem.ingest.sequence import REMEMBERED, Track, sift
from tandem.ingest.status import Delays, Rate, VenueErrors
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.protocols import Sink
from tandem.venues.base import Kind, RecordedFeed

_AHEAD = "dated ahead of the exchange's clock"
_instrument = itemgetter(0)


class Intake:
    """Takes what the connections of one venue bring, and counts it.

    Parameters
    ----------
    feed, sink, buffer, recorded
        As of a `Recorder`.

    Attributes
    ----------
    wanted, quoted : frozenset of str
        Instruments whose trades, and whose quotes, are taken.
    tracks : dict
        What is known of each wanted instrument's stream.
    errors : VenueErrors
        What could not be read, and what the venue or the database complained about.
    lock : threading.Lock
        Held while the counts below change.
    messages, not_understood, ahead, off_book, trades, gaps : int
        As of a `FeedStatus`.
    """

    def __init__(
        self,
        feed: RecordedFeed,
        sink: Sink,
        buffer: HotBuffer,
        recorded: Callable[[str], Trade | None],
    ) -> None:
        self.wanted: frozenset[str] = frozenset()
        self.quoted: frozenset[str] = frozenset()
        self.tracks: dict[str, Track] = {}
        self.errors = VenueErrors(feed.title)
        self.delays = Delays()
        self.rate = Rate()
        self.lock = threading.Lock()
        self.messages = self.not_understood = self.ahead = self.trades = self.gaps = 0
        self.off_book = 0
        self._feed = feed
        self._sink = sink
        self._buffer = buffer
        self._recorded = recorded
        # What is generated is whole, and of its own time.
        self._clock = None if feed.kind == "generated" else VenueClock()
        self._consecutive = feed.kind == "streamed" and feed.consecutive_ids
        self._past_first = feed.kind == "generated" and feed.begins_with_past
        self._submitting: list[float] = []

    def watch(self, instruments: frozenset[str], quoted: frozenset[str]) -> None:
        """Set what is taken; what is known of instruments that stay is kept."""
        self.tracks = {
            name: self.tracks.get(name) or Track(self._known(name), self._clock is not None)
            for name in sorted(instruments)
        }
        self.wanted, self.quoted = instruments, quoted & instruments

    def reopened(self) -> None:
        """Note that trades come over a new connection: some may be missing before it.

        Ids that count up tell which; elsewhere the time between the last trade before and the
        first one after becomes a gap.
        """
        for track in self.tracks.values():
            track.is_cut = track.last_us > 0

    def understand(self, messages: Sequence[bytes], received_us: int) -> list[Event]:
        """Return the events in messages; what cannot be parsed is counted and skipped."""
        assert self._feed.kind == "streamed"
        parse = self._feed.parse
        events: list[Event] = []
        for raw in messages:
            try:
                events += parse(raw, received_us)
            except UnknownKind as error:
                self._not_understood(1, str(error), raw)
            except MessageError as error:
                self.errors.not_understood(1, str(error), raw)
                events.append(Unread("", received_us, str(error)))
        with self.lock:
            self.messages += len(messages)
        return events

    def take(self, events: Sequence[Event], kind: Kind = "trades") -> bool:
        """Sort a batch, give it to the buffer, then to the sink.

        Returns whether the venue said goodbye. Trades on the quotes' connection were not asked for
        and are left out: what is known of a stream of trades belongs to one thread.
        """
        trades: list[Trade] = []
        past: list[Trade] = []
        unread: list[Unread] = []
        quotes: dict[str, Quote | NoQuote] = {}
        funding: dict[str, Funding] = {}
        closing = False
        off_book = 0
        for event in events:
            if type(event) is Trade:
                trades.append(event)
            elif type(event) is Quote or type(event) is NoQuote:
                if event.instrument in self.quoted and self._is_timely(event):
                    quotes[event.instrument] = event
            elif type(event) is Funding:
                if event.instrument in self.wanted and self._is_timely(event):
                    funding[event.instrument] = event
            elif type(event) is PastTrade:
                past.append(Trade._make(event))
            elif type(event) is Unread:
                unread.append(event)
            elif type(event) is OffBook:
                off_book += 1
            elif type(event) is Notice:
                closing |= event.kind == "closing"
                if event.kind != "alive":
                    self.errors.said(event.text)
        if off_book:
            with self.lock:
                self.off_book += off_book
        if unread:
            self._not_understood(len(unread), unread[-1].cause)
        done = False
        try:
            taken = self._take_trades(past, trades, unread) if kind == "trades" else []
            for quote in quotes.values():
                self._buffer.put_quote(quote)
            best = [quote for quote in quotes.values() if type(quote) is Quote]
            for rate in funding.values():
                self._buffer.put_funding(rate)
            if taken or best or funding:
                self._submit([*taken, *best, *funding.values()])
            done = True
        finally:
            # Not reached on purpose: whoever begins again must find these missing.
            if not done:
                self._forget([*past, *trades])
        return closing

    def is_stalled(self, least_s: float) -> bool:
        """Tell whether an instrument is silent for longer than `least_s`, and than it ever is."""
        now = steady_s()
        return any([track.is_stalled(now, least_s) for track in self.tracks.values()])

    def waiting_s(self) -> float:
        """Return for how long a batch has been waiting for the sink."""
        began = list(self._submitting)
        return steady_s() - min(began) if began else 0.0

    def _known(self, instrument: str) -> list[Trade]:
        """Return the newest trades of an instrument that the process, or else the database, has."""
        known = self._buffer.tail(instrument, REMEMBERED)
        if known or self._clock is None:
            return known
        last = self._recorded(instrument)
        return [last] if last is not None else []

    # Trades -------------------------------------------------------------------------------

    def _take_trades(
        self, past: Sequence[Trade], trades: Sequence[Trade], unread: Sequence[Unread]
    ) -> list[Trade | Gap]:
        """Buffer the trades that are new, and return what goes to the database."""
        passed, fresh, gaps = self._sift(past, trades, unread)
        if fresh:
            # Each instrument's in one run: the buffer takes a lock for every run.
            self._buffer.append(sorted(fresh, key=_instrument))
        if fresh or gaps:
            before = set(past)
            live = [trade for trade in fresh if trade not in before] if past else fresh
            self._count(len(fresh), live, sum(gap.state == "open" for gap in gaps))
        return [*passed, *gaps]

    def _forget(self, trades: Sequence[Trade]) -> None:
        """Know nothing of a batch that may not have reached the database."""
        for trade in trades:
            if track := self.tracks.get(trade.instrument):
                track.forget(trade)

    def _sift(
        self, past: Sequence[Trade], trades: Sequence[Trade], unread: Sequence[Unread]
    ) -> tuple[list[Trade], list[Trade], list[Gap]]:
        """Return the trades to record, those of them to buffer, and the gaps."""
        missing: list[Gap] = []
        if (clock := self._clock) is not None:
            trades, ahead = clock.admit(trades, steady_s())
            liars = [one for one in past if clock.is_known and clock.is_ahead(one[2], one[6])]
            refused = [*ahead, *liars]
            past = [one for one in past if one not in liars]
            if refused:
                self._not_understood(len(refused), _AHEAD)
            if (refused or unread) and not self._consecutive:
                missing = self._missing(refused, unread, clock)
        passed, fresh, gaps = sift(
            [*past, *trades] if past else trades, self.tracks, self._consecutive
        )
        return passed, fresh, gaps + missing

    def _missing(
        self, refused: Sequence[Trade], unread: Sequence[Unread], clock: VenueClock
    ) -> list[Gap]:
        """Return gaps around trades that arrived and are not recorded, where no id will tell.

        When such a trade happened is told by its arrival, and by its date where that is near.
        """
        gaps: list[Gap] = []
        for one in unread:
            at_us = clock.venue_us(one.received_us)
            for name in [one.instrument] if one.instrument else self.tracks:
                if track := self.tracks.get(name):
                    gaps += track.miss(name, at_us, at_us)
        for trade in refused:
            at_us = clock.venue_us(trade.received_us)
            end_us = trade.time_us if trade.time_us - at_us < MINUTE_US else at_us
            if track := self.tracks.get(trade.instrument):
                gaps += track.miss(trade.instrument, at_us, end_us)
        return gaps

    def _is_timely(self, event: Quote | NoQuote | Funding) -> bool:
        if self._clock is None or not self._clock.is_ahead(event.time_us, event.received_us):
            return True
        self._not_understood(1, _AHEAD)
        return False

    def _not_understood(self, count: int, cause: str, sample: bytes = b"") -> None:
        with self.lock:
            self.not_understood += count
            self.ahead += count if cause == _AHEAD else 0
        self.errors.not_understood(count, cause, sample)

    # On to the database -----------------------------------------------------------------------

    def _submit(self, events: Sequence[Trade | Quote | Funding | Gap]) -> None:
        began = steady_s()
        self._submitting.append(began)
        try:
            self._sink.submit(events)
        except StoreError as error:
            self.errors.note(str(error))
        finally:
            self._submitting.remove(began)

    def _count(self, fresh: int, live: Sequence[Trade], gaps: int) -> None:
        rated = live
        if self._past_first:
            recent = now_us() - SECOND_US
            rated = [trade for trade in live if trade.received_us > recent]
        with self.lock:
            self.trades += fresh
            self.gaps += gaps
            if live:
                self.rate.add(len(rated))
                self.delays.add(live)

"""Which pairs are computed and which instruments recorded: who looks at what, within the limits."""

from __future__ import annotations

import time
from dataclasses import replace

from tandem.backfill.service import BackfillService
from tandem.config import Settings
from tandem.core.instruments import split_instrument
from tandem.ingest.service import Ingest
from tandem.pairs.cointegration import CointegrationTests
from tandem.pairs.pinned import PinnedPairs
from tandem.pairs.sessions import Sessions
from tandem.pairs.stream import PairSettings
from tandem.pairs.tracker import PairTracker
from tandem.pairs.venue_facts import VenueFacts
from tandem.storage.hot_buffer import HotBuffer
from tandem.venues.registry import VENUES

SESSION_S = 20.0
LINGER_S = 90.0
# Listings and connections change by themselves: all is said anew so often where nobody moved.
REPEAT_S = 1.0


class Subscriptions:
    """Turns what sessions look at, and the pairs that always run, into subscriptions.

    One thread calls `update`; any thread may ask the rest.
    """

    def __init__(
        self,
        settings: Settings,
        venues: VenueFacts,
        ingest: Ingest,
        backfill: BackfillService,
        pinned: PinnedPairs,
        sessions: Sessions,
        tracker: PairTracker,
        tests: CointegrationTests,
        buffer: HotBuffer,
    ) -> None:
        self._settings = settings
        self._facts = venues
        self._ingest = ingest
        self._backfill = backfill
        self._pinned = pinned
        self._sessions = sessions
        self._tracker = tracker
        self._tests = tests
        self._buffer = buffer
        self._venues: set[str] = set()
        # What the subscriptions were made of, and when.
        self._asked: tuple[object, ...] = ()
        self._made = 0.0
        # Instruments in memory that nobody reads -> since when.
        self._unread: dict[str, float] = {}

    def default_pairs(self) -> tuple[PairSettings, ...]:
        """Return the pairs watched from the start: every other asset against the second one.

        Assets the venue does not list are left out.
        """
        names = self._facts.own_instruments(self._ingest.choice().venue)
        if len(names) < 2:
            return ()
        hedge = names[1]
        pairs = [PairSettings(name, hedge) for name in dict.fromkeys(names) if name != hedge]
        return tuple(
            replace(pair, bar_us=self._facts.least_bar_us(pair.bar_us, pair.y, pair.x))
            for pair in pairs
        )

    def resolve(self, venue: str, text: str) -> str:
        """Return the instrument a user means; ``venue:symbol`` names one on another venue.

        Raises
        ------
        UnknownSymbol
            The venue is known not to list it, or it cannot be a symbol.
        """
        named, colon, symbol = text.strip().partition(":")
        if colon and named.lower() in VENUES and named.lower() != venue:
            venue, text = named.lower(), symbol
        return self._backfill.catalogue.resolve(venue, text)

    def update(self) -> None:
        """Subscribe to what is looked at now, and forget sessions that went away."""
        now = time.monotonic()
        active, lingering = self._sessions.attention(SESSION_S, LINGER_S)
        asked = (active, lingering, self._pinned.pairs(), self._ingest.choice().venue)
        if asked == self._asked and now - self._made < REPEAT_S:
            return
        self._asked, self._made = asked, now
        pinned = tuple(dict.fromkeys((*self.default_pairs(), *self._pinned.pairs())))
        wanted = active | set(pinned)
        self._tests.keep_only(wanted)
        self._tracker.want(wanted, pinned)
        # On screen before what merely runs along.
        ranked = list(dict.fromkeys(leg for pair in (*active, *pinned) for leg in (pair.y, pair.x)))
        self._backfill.attend(ranked, ranked)
        legs = set(ranked)
        # Newest first, as far as the limit goes: a pair looked at again finds its feed running.
        for leg in reversed(lingering):
            if len(legs) < self._settings.max_instruments:
                legs.add(leg)
        self._watch(legs)
        self._forget_all_but(legs, now)

    def _watch(self, legs: set[str]) -> None:
        venues: dict[str, set[str]] = {}
        for leg in legs:
            venues.setdefault(split_instrument(leg)[0], set()).add(leg)
        for venue in self._venues - venues.keys():
            self._ingest.watch(venue, frozenset())
        self._venues = set(venues)
        for venue, names in venues.items():
            self._ingest.watch(venue, frozenset(names), frozenset(names))

    def _forget_all_but(self, legs: set[str], now: float) -> None:
        """Drop from memory what nobody has read for a while; the database keeps it."""
        unread = set(self._buffer.instruments()) - legs
        self._unread = {name: self._unread.get(name, now) for name in unread}
        for name in [name for name, since in self._unread.items() if now - since > LINGER_S]:
            self._buffer.forget(name)
            self._tracker.forget(name)

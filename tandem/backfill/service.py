"""Keeping the database whole: gaps filled, fresh instruments given a past, symbol lists renewed.

What the desk records live is one thread's work; this is the other: what was missed is fetched from
the venues' REST interfaces, in the background, within their limits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from tandem.backfill.progress import Progress
from tandem.backfill.worker import Backfill
from tandem.config import Settings
from tandem.core.clock import MINUTE_US, now_us
from tandem.core.errors import FeedError, MessageError
from tandem.core.events import Filled
from tandem.core.instruments import split_instrument
from tandem.core.threads import Supervisor
from tandem.net.venue_client import VenueClients
from tandem.storage.protocols import Database
from tandem.storage.stored_trades import stored_trades
from tandem.venues.listings import Catalogue
from tandem.venues.registry import create_feed, venue_of
from tandem.venues.rest import Listing

log = logging.getLogger("tandem.backfill")

CHECK_S = 1.0
# A pair that waits for its past should find that it was asked for.
_ASKED_S = 2.0
_LISTS_DIED = (
    "Renewing symbol lists was ended by an internal error (see the log) and begun again; recording "
    "goes on with the lists at hand. Please report it."
)
_ARRIVING = ("waiting", "filling", "candles")


class BackfillService:
    """Gaps, pasts and symbol lists; start with `start`, say what matters with `attend`.

    Parameters
    ----------
    database : Database
        Where what is fetched goes.
    clients : VenueClients
        Closed by `stop`.
    """

    def __init__(self, settings: Settings, database: Database, clients: VenueClients) -> None:
        self._settings = settings
        self._clients = clients
        self._backfill = Backfill(settings, database, clients)
        self.catalogue = Catalogue(
            database.load_state_dated,
            database.save_state,
            self._listings,
            lambda venue: create_feed(venue, settings, stored_trades),
        )
        self._warmed: dict[str, float] = {}
        self._venues: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._life = Supervisor(_LISTS_DIED)
        self._thread = threading.Thread(
            target=self._life.keep, args=(self._run, self._stop), name="catalogue", daemon=True
        )

    def start(self) -> None:
        """Begin; nothing is asked of any venue before `attend`."""
        self._backfill.start()
        self._thread.start()

    def stop(self) -> None:
        """End within two seconds; call it before the database is closed."""
        self._stop.set()
        self._backfill.stop()
        if self._thread.is_alive():
            self._thread.join(0.5)

    def attend(self, instruments: Sequence[str], fresh: Iterable[str]) -> None:
        """Say what is read now; cheap.

        Parameters
        ----------
        instruments : sequence of str
            Most important first: whose gaps are filled first.
        fresh : iterable of str
            Those of them that should have a past: as many one-minute bars as a pair keeps.
        """
        self._backfill.want(instruments)
        self._venues = frozenset(split_instrument(name)[0] for name in instruments)
        start_us = now_us() - self._settings.history_bars * MINUTE_US
        for name in fresh:
            if name not in self._warmed and self._clients.get(split_instrument(name)[0]):
                self._warmed[name] = time.monotonic()
                self._backfill.warm(name, start_us)

    def is_arriving(self, instrument: str) -> bool:
        """Tell whether more of an instrument's past is on its way."""
        asked = self._warmed.get(instrument)
        if asked is not None and time.monotonic() - asked < _ASKED_S:
            return True
        return any(
            one.instrument == instrument and one.state in _ARRIVING
            for one in self._backfill.progress()
        )

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each of the threads that an unexpected error ended."""
        return tuple(text for text in (self._backfill.problem, self._life.problem) if text)

    def progress(self) -> tuple[Progress, ...]:
        """Return how filling goes, per instrument."""
        return self._backfill.progress()

    def take_filled(self) -> list[Filled]:
        """Return what the database holds since the last call."""
        return self._backfill.take_filled()

    def members(self, venue: str) -> list[str]:
        """Return a venue's instruments for a scan, renewing its list where that is due."""
        if self.catalogue.due(venue):
            self.catalogue.refresh(venue)
        return self.catalogue.members(venue)

    def is_busy(self) -> bool:
        """Tell whether gaps or pasts of what is recorded are being fetched."""
        return any(one.state in _ARRIVING for one in self._backfill.progress())

    def _listings(self, venue: str) -> list[Listing] | None:
        source = venue_of(venue).source(self._settings)
        return None if source is None else self._clients.fetch_listing(source, self._stop)

    def _run(self) -> None:
        while not self._stop.wait(CHECK_S):
            for venue in self._venues:
                if not self._stop.is_set() and self.catalogue.due(venue):
                    self._renew(venue)

    def _renew(self, venue: str) -> None:
        try:
            self.catalogue.refresh(venue)
        except (FeedError, MessageError) as error:
            log.warning("The symbols of %s are taken as typed for now: %s", venue, error)

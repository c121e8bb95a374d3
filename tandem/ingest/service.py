"""Bring the market in: one recorder per venue in use, and the choice of venue behind ``auto``."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies

from tandem.config import AUTO, Settings
from tandem.core.clock import now_us
from tandem.core.errors import FeedError, TandemError, UnknownSymbol
from tandem.core.events import Trade
from tandem.core.instruments import SIMULATED_VENUE
from tandem.core.threads import backoff
from tandem.ingest.connection import Timing
from tandem.ingest.errors import explain
from tandem.ingest.poller import Poller
from tandem.ingest.recorder import Recorder
from tandem.ingest.status import Choice, FeedStatus
from tandem.net.factory import venue_clients
from tandem.net.venue_client import VenueClients
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.protocols import Sink
from tandem.storage.stored_trades import stored_trades
from tandem.venues.base import WebsocketFeed
from tandem.venues.registry import create_feed, tried, venue_of
from tandem.venues.venue import Feed

log = logging.getLogger("tandem.ingest")


# One per process ----------------------------------------------------------------------------


class Ingest:
    """Every recorder of the process, and the choice of venue behind ``auto``.

    Parameters
    ----------
    settings : Settings
        Addresses, symbols and limits.
    buffer, sink
        Handed to every recorder.
    timing, backoff, recorded
        As in `Recorder`.
    clients : VenueClients, optional
        By whom venues are asked, where others ask them too.
    """

    def __init__(
        self,
        settings: Settings,
        buffer: HotBuffer,
        sink: Sink,
        timing: Timing | None = None,
        backoff: Callable[[], Iterator[float]] = backoff,
        recorded: Callable[[str], Trade | None] = lambda instrument: None,
        clients: VenueClients | None = None,
    ) -> None:
        self._settings = settings
        self._recorded = recorded
        self._clients = clients or venue_clients(settings)
        self._buffer = buffer
        self._sink = sink
        self._timing = timing or Timing.under(settings)
        self._backoff = backoff
        self._lock = threading.Lock()
        self._recorders: dict[str, Recorder | Poller] = {}
        self._asked: set[str] = set()
        self._choice = Choice(None)
        self._stopping = threading.Event()

    def watch(
        self, venue: str, instruments: frozenset[str], quoted: frozenset[str] = frozenset()
    ) -> None:
        """Set what is read of one venue; starts its recorder, or stops it when nothing is left."""
        with self._lock:
            if instruments:
                self._asked.add(venue)
            else:
                self._asked.discard(venue)
        if instruments:
            self._read(venue, instruments, quoted)
        else:
            self._drop(venue)

    def status(self, venue: str) -> FeedStatus:
        """Return how one venue stands."""
        recorder = self._recorders.get(venue)
        if recorder is None:
            title = venue_of(venue).title
            return FeedStatus(venue, title, "stopped", f"{title} is not being read.", now_us())
        return recorder.status()

    def now_us(self, venue: str) -> int:
        """Return what time it is for a venue's trades: this machine's, or the recording's.

        Bars of a replay must be closed by the recording's time, not by today's.
        """
        recorder = self._recorders.get(venue)
        return recorder.clock_us() if recorder else now_us()

    def statuses(self) -> tuple[FeedStatus, ...]:
        """Return how every venue in use stands."""
        with self._lock:
            recorders = list(self._recorders.values())
        return tuple(recorder.status() for recorder in recorders)

    def stop(self, timeout: float = 2.0) -> bool:
        """Stop everything within about `timeout` seconds.

        Returns whether every thread ended that may hold what a venue sent.
        """
        self._stopping.set()
        with self._lock:
            recorders = list(self._recorders.values())
            self._recorders.clear()
        for recorder in recorders:
            recorder.stop(0.0)
        deadline = time.monotonic() + timeout
        ended = [recorder.stop(max(0.0, deadline - time.monotonic())) for recorder in recorders]
        return all(
            has_ended or recorder.feed.kind == "generated"
            for recorder, has_ended in zip(recorders, ended, strict=True)
        )

    # The automatic choice ----------------------------------------------------------------

    def choice(self) -> Choice:
        """Return the venue chosen, or the one being tried."""
        return self._choice

    def resolve(self, setting: str) -> None:
        """Settle the venue: at once where one is named, in the background for ``auto``.

        ``auto`` reads the first venue of those it tries that brings a trade, else the simulation.
        """
        if setting != AUTO:
            self._choice = Choice(setting)
            return
        self._choice = Choice(None, tried()[0].title)
        threading.Thread(target=self._resolve, name="ingest-choice", daemon=True).start()

    def _resolve(self) -> None:
        feeds = [create_feed(venue.name, self._settings) for venue in tried()]
        unreachable = _unreachable(feeds, self._timing.reach_s)
        reasons: list[str] = []
        for feed in feeds:
            if self._stopping.is_set():
                return
            self._choice = Choice(None, feed.title, tuple(reasons))
            failure = unreachable.get(feed.venue) or self._attempt(feed)
            if failure is None:
                self._choose(feed.venue, reasons)
                return
            reasons.append(str(failure))
            log.info("%s", failure)
        self._choose(SIMULATED_VENUE, reasons)

    def _choose(self, venue: str, reasons: Sequence[str]) -> None:
        log.info("reading %s", venue)
        self._choice = Choice(venue, "", tuple(reasons))

    def _attempt(self, feed: Feed) -> TandemError | None:
        """Read a venue until its first trade; return what failed, or None."""
        with self._lock:
            recorder = self._recorders.get(feed.venue)
        if recorder is None:
            names = self._first_instruments(feed)
            recorder = self._read(feed.venue, names, names)
        failure = self._wait_for_trade(recorder)
        with self._lock:
            asked = feed.venue in self._asked
        if failure is not None and not asked:
            self._drop(feed.venue)
        return failure

    def _wait_for_trade(self, recorder: Recorder | Poller) -> TandemError | None:
        timing, title = self._timing, recorder.feed.title
        start = time.monotonic()
        while not self._stopping.wait(0.01):
            if recorder.status().trades:
                return None
            failure = recorder.failure()
            if failure is not None:
                return failure
            if recorder.open_for() > timing.silence_s:
                return FeedError(
                    f"{title} connected but sent no trade within {timing.silence_s:g} s"
                )
            if time.monotonic() - start > 2.0 * timing.connect_s + timing.silence_s:
                return FeedError(f"{title} timed out")
        return FeedError(f"{title} was not waited for: Tandem is stopping")

    def _first_instruments(self, feed: Feed) -> frozenset[str]:
        """Return the assets of the settings as this venue calls them, without those it lacks."""
        names = []
        for text in self._settings.symbols.split(","):
            with contextlib.suppress(UnknownSymbol):
                names.append(feed.instrument(text))
        return frozenset(names or map(feed.instrument, feed.popular[:2]))

    # Recorders ---------------------------------------------------------------------------

    def _read(
        self, venue: str, instruments: frozenset[str], quoted: frozenset[str]
    ) -> Recorder | Poller:
        """Have a venue read, by the recorder it has or by a new one."""
        with self._lock:
            recorder = self._recorders.get(venue)
            if recorder is not None:
                recorder.watch(instruments, quoted)
                return recorder
            recorder = self._recorders[venue] = create_recorder(
                create_feed(venue, self._settings, stored_trades),
                self._settings,
                self._sink,
                self._buffer,
                self._clients,
                self._timing,
                self._backoff,
                self._recorded,
            )
            # Before it starts: a replay at full speed would be over with nothing wanted.
            recorder.watch(instruments, quoted)
            if not self._stopping.is_set():
                recorder.start()
        return recorder

    def _drop(self, venue: str) -> None:
        with self._lock:
            recorder = self._recorders.pop(venue, None)
        if recorder is not None:
            recorder.stop(0.0)


def create_recorder(
    feed: Feed,
    settings: Settings,
    sink: Sink,
    buffer: HotBuffer,
    clients: VenueClients,
    timing: Timing | None = None,
    backoff: Callable[[], Iterator[float]] = backoff,
    recorded: Callable[[str], Trade | None] = lambda instrument: None,
) -> Recorder | Poller:
    """Return what reads a feed, not yet started; parameters as of `Ingest`."""
    timing = timing or Timing.under(settings)
    if feed.kind == "polled":
        return Poller(feed, clients.prices(feed), sink, buffer, timing, recorded)
    asked = clients.get(feed.venue)
    client = asked[1] if asked else None
    return Recorder(feed, sink, buffer, settings, timing, backoff, recorded=recorded, client=client)


def _unreachable(feeds: Sequence[Feed], limit_s: float) -> dict[str, FeedError]:
    """Return an error for each venue whose address does not even take a connection.

    All are tried at once, so that a machine without a network knows within `limit_s` and not
    after one limit for each. Behind a proxy nothing can be said this way.
    """
    if getproxies().keys() & {"http", "https", "all"}:
        return {}
    answers: dict[str, FeedError | None] = {}
    probes = []
    for feed in feeds:
        if feed.kind != "streamed":
            continue
        url = feed.trade_route(()).url
        answers[feed.venue] = explain(TimeoutError(), feed.title, url)
        probe = threading.Thread(
            target=_probe, args=(feed, url, limit_s, answers), name="ingest-probe", daemon=True
        )
        probe.start()
        probes.append(probe)
    deadline = time.monotonic() + limit_s
    for probe in probes:
        probe.join(max(0.0, deadline - time.monotonic()))
    return {venue: failure for venue, failure in answers.items() if failure is not None}


def _probe(
    feed: WebsocketFeed, url: str, limit_s: float, answers: dict[str, FeedError | None]
) -> None:
    """Open and close a bare connection; leave in `answers` what came of it."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        socket.create_connection((parts.hostname or "", port), limit_s).close()
    except (OSError, ValueError) as error:
        answers[feed.venue] = explain(error, feed.title, url)
    else:
        answers[feed.venue] = None

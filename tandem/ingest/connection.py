"""One connection of a recorder: a thread that opens it, reads it and opens it again.

A `Line` is the thread and how it stands. It reads a `Link`, which is one open websocket. Where a
venue cuts old connections, a `Successor` is opened while the old one is still read. What the new
one brings waits (`Handover`) until it has shown that it brings everything: then what was
held follows on what the old one brought, and repetitions are known by their ids. What all of them
need of the recorder is a `Source`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from websocket import WebSocketException

from tandem.config import Settings
from tandem.core.clock import steady_s
from tandem.core.errors import FeedError, VenueRefused
from tandem.core.events import Event, Notice, Trade, TradeId, Unread
from tandem.core.instruments import split_instrument
from tandem.core.threads import Supervisor
from tandem.ingest.errors import explain
from tandem.ingest.intake import Intake
from tandem.ingest.socket import Wire
from tandem.ingest.status import SLOW_S
from tandem.venues.base import Kind, RecordedFeed, Route

log = logging.getLogger("tandem.recorder")

Verdict = Literal["wait", "ready", "useless"]

_OVERLAP_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a recorder is, in seconds; tests are less patient than markets.

    Attributes
    ----------
    connect_s : float
        Limit for each step of opening a connection.
    silence_s : float
        Without a trade for so long an instrument is called silent.
    ping_s, dead_s : float
        A ping every so often; nothing heard for so long and the connection is given up.
    refused_s : float
        Wait after a refusal that does not say how long.
    settled_s : float
        A connection that lasted so long starts the waits between attempts over. One that is
        accepted and dropped at once does not: venues ban clients that come back too often.
    reach_s : float
        Limit for finding out, before ``auto`` tries a venue, whether its address answers at all.
    stalled_s : float
        A connection that brings nothing of an instrument for so long, and for much longer than is
        usual with it, has a new one opened beside it, although pings are answered.
    overlap_s : float
        Limit for an old and a new connection to show that they bring the same.
    renew_again_s : float
        Wait before a connection is renewed that could not be.
    poll_s : float
        How often a quiet connection looks at its timers.
    """

    connect_s: float = 10.0
    silence_s: float = 20.0
    ping_s: float = 10.0
    dead_s: float = 25.0
    refused_s: float = 300.0
    settled_s: float = 30.0
    reach_s: float = 2.0
    stalled_s: float = 60.0
    overlap_s: float = 3.0
    renew_again_s: float = 60.0
    poll_s: float = 0.5

    @classmethod
    def under(cls, settings: Settings) -> Timing:
        """Return how patient the settings are."""
        return cls(connect_s=settings.connect_timeout_s, silence_s=settings.silence_s)


class Source(Protocol):
    """What a connection asks of whoever it reads for."""

    @property
    def feed(self) -> RecordedFeed:
        """The venue."""

    @property
    def timing(self) -> Timing:
        """How patient to be with it."""

    @property
    def intake(self) -> Intake:
        """Takes what the connections bring."""

    @property
    def stopping(self) -> threading.Event:
        """Set once nothing more is to be read."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds that never go back, by which the age of a connection is told."""

    @property
    def backoff(self) -> Callable[[], Iterator[float]]:
        """Makes the iterator of waits between attempts."""

    def banned_for(self) -> float:
        """Return the seconds for which the venue, asked by others, bans this address."""

    def refused(self, failure: VenueRefused) -> None:
        """Tell others who ask this venue that it wants to be left alone."""

    def wanted(self, kind: Kind) -> frozenset[str]:
        """Return the instruments a connection of this kind should carry."""

    def route(self, kind: Kind, instruments: frozenset[str]) -> Route:
        """Return the connection to open for these instruments."""

    def change(self, route: Route, added: frozenset[str], removed: frozenset[str]) -> Sequence[str]:
        """Return the frames that change a subscription."""


# One websocket --------------------------------------------------------------------------


class Link:
    """One open websocket. One thread opens it, one thread (then) reads and maintains it.

    Parameters
    ----------
    source : Source
        Knows the venue and the limits.
    route : Route
        Where to connect and what to say there.
    subscribed : frozenset of str
        The instruments the route asks for.

    Attributes
    ----------
    renew_at : float
        When, by the source's clock, a new connection should take its place.
    """

    def __init__(self, source: Source, route: Route, subscribed: frozenset[str]) -> None:
        self.route = route
        self.renew_at = math.inf
        self._opened = -math.inf
        self._source = source
        self._subscribed = subscribed
        # As many as may be answered yet.
        self._frames = deque(route.frames, 64)
        self._refused: set[str] = set()
        self._wire = Wire()
        self._ping_at = math.inf
        self._keepalive_at = math.inf

    def open(self) -> None:
        """Connect and subscribe."""
        # Before the venue can have begun to count: a renewal may be early, never late.
        began = self._source.clock()
        self._wire.open(self.route.url, self._source.timing.connect_s)
        for frame in self.route.frames:
            self._wire.send(frame)
        self._opened = began
        self.renew_at = self._opened + self.route.renew_s
        now = steady_s()
        self._ping_at = now + self._source.timing.ping_s
        if self.route.keepalive is not None:
            self._keepalive_at = now + self.route.keepalive.every_s

    def age(self) -> float:
        """Return for how many seconds it has been open, by the source's clock."""
        return self._source.clock() - self._opened

    def read(self, wait_s: float) -> list[Event]:
        """Return the events that are here, waiting up to `wait_s` for the first message."""
        messages = self._wire.gather(wait_s)
        if not messages:
            return []
        events = self._source.intake.understand(messages, self._wire.arrived_us)
        if self._source.feed.kind == "streamed" and self._source.feed.refuses_whole:
            for event in events:
                if type(event) is Notice and event.kind == "error":
                    self._ask_again(event.text)
        return events

    def _ask_again(self, refusal: str) -> None:
        """Ask once more for what was in one request with a name that the venue refuses."""
        named = {name for name in self._subscribed if _names(refusal, name)} - self._refused
        spoiled = [frame for frame in self._frames if any(_names(frame, name) for name in named)]
        self._refused |= named
        again = {n for n in self._subscribed - self._refused if any(_names(f, n) for f in spoiled)}
        self._send(self._source.change(self.route, frozenset(again), frozenset()))

    def _send(self, frames: Iterable[str]) -> None:
        for frame in frames:
            self._wire.send(frame)
            self._frames.append(frame)

    def maintain(self, wanted: frozenset[str]) -> None:
        """Tell the venue what is wanted now, send what is due; FeedError if nobody is there."""
        if wanted != self._subscribed:
            added, removed = wanted - self._subscribed, self._subscribed - wanted
            self._send(self._source.change(self.route, added, removed))
            self._subscribed = wanted
        now, timing = steady_s(), self._source.timing
        if now >= self._ping_at:
            self._wire.ping()
            self._ping_at = now + timing.ping_s
        keepalive = self.route.keepalive
        if keepalive is not None and now >= self._keepalive_at:
            self._wire.send(keepalive.text)
            self._keepalive_at = now + keepalive.every_s
        if now - self._wire.heard > timing.dead_s:
            raise FeedError(
                f"{self._source.feed.title}: connection timed out (no data and no reply to "
                f"pings for {timing.dead_s:g} s)"
            )

    def excuse(self, seconds: float) -> None:
        """Leave time in which nothing was read out of the account of how long nothing was heard."""
        self._wire.heard += seconds

    def wake(self) -> None:
        """End a waiting `read`; callable from any thread."""
        self._wire.wake()

    def abort(self) -> None:
        """Cut the connection; callable from any thread."""
        self._wire.abort()

    def close(self) -> None:
        """Say goodbye if that is free, and close."""
        self._wire.release()


def _names(text: str, instrument: str) -> bool:
    """Tell whether a text speaks of an instrument."""
    symbol = split_instrument(instrument)[1]
    return re.search(rf"(?<![\w/-]){re.escape(symbol)}(?![\w/-])", text) is not None


# Taking an old connection's place --------------------------------------------------------


class Handover:
    """Decides when the new connection may take over; keeps its trades until then.

    It may once the first trade it brought of each instrument came over the old one as well: from
    there on it has all that the old one has. An instrument that trades on the old connection must
    have shown up on the new one.

    Attributes
    ----------
    held : list of Trade and Unread
        What the new connection brought.
    """

    def __init__(self) -> None:
        self.held: list[Trade | Unread] = []
        self._old: set[tuple[str, TradeId]] = set()
        self._first: dict[str, TradeId] = {}
        self._due: set[str] = set()
        self._open = False
        self._new_speaks = False
        self._began = math.inf

    def opened(self) -> None:
        """Note that the new connection is subscribed: from now on it ought to bring trades."""
        self._open = True

    def from_old(self, events: Iterable[Event], now: float) -> None:
        """Take note of what the old connection brought, also while the new one is opening."""
        for event in events:
            if isinstance(event, Trade):
                self._old.add((event.instrument, event.trade_id))
                if self._open:
                    self._due.add(event.instrument)
            if self._open and type(event) is not Notice:
                self._began = min(self._began, now)

    def from_new(self, events: Iterable[Event], now: float) -> None:
        """Take what the new connection brought. Quotes and funding come over the old one too."""
        for event in events:
            if isinstance(event, Trade):
                self.held.append(event)
                self._first.setdefault(event.instrument, event.trade_id)
            elif type(event) is Unread:
                self.held.append(event)
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

    @property
    def is_joined(self) -> bool:
        """Whether trades show that nothing is missing between the old one and the new one."""
        return bool(self._first) and self._joined()

    def _joined(self) -> bool:
        return all((name, trade_id) in self._old for name, trade_id in self._first.items())


class Successor:
    """A connection that opens in a thread of its own, so that the old one is read meanwhile.

    Attributes
    ----------
    state : {"opening", "open", "failed"}
        How far it is.
    """

    def __init__(self, link: Link, name: str) -> None:
        self.link = link
        self.handover = Handover()
        self.state: Literal["opening", "open", "failed"] = "opening"
        self._lock = threading.Lock()
        self._abandoned = False
        threading.Thread(target=self._open, name=name, daemon=True).start()

    def abandon(self) -> None:
        """Close it, now or as soon as its handshake ends."""
        with self._lock:
            self._abandoned = True
            if self.state != "opening":
                self.link.close()
                return
        self.link.abort()

    def _open(self) -> None:
        state: Literal["open", "failed"] = "failed"
        try:
            self.link.open()
            state = "open"
        except (FeedError, WebSocketException, OSError) as error:
            log.info("the replacement connection could not be opened: %s", type(error).__name__)
        finally:
            with self._lock:
                self.state = state
                if self._abandoned:
                    self.link.close()


# The thread -------------------------------------------------------------------------------


class Line:
    """One connection of a recorder: its thread, and how it stands."""

    def __init__(self, source: Source, kind: Kind) -> None:
        self._source = source
        self._kind = kind
        self._link: Link | None = None
        self._successor: Successor | None = None
        self.stir = threading.Event()
        self.opened: float | None = None
        self.failure: FeedError | None = None
        self.failures = 0
        self.attempts = 0
        self.reconnects = 0
        self.renewals = 0
        self._look_s = 0.0
        venue, title = source.feed.venue, source.feed.title
        self.life = Supervisor(
            f"{title}: reading {kind} was ended by an internal error (see the log) and begun "
            "again. What was missed meanwhile is recorded as a gap. Please report it.",
            source.backoff,
        )
        self.thread = threading.Thread(target=self._run, name=f"ingest-{venue}-{kind}", daemon=True)

    def wake(self, stop: bool = False) -> None:
        """Make the thread look at what is wanted now; to stop, cut a handshake short as well."""
        self.stir.set()
        link = self._link
        if link is not None:
            link.wake()
            if stop and self.opened is None:
                link.abort()
        successor = self._successor
        if successor is not None and stop:
            successor.link.abort()

    def _run(self) -> None:
        self.life.keep(self._keep_connected, self._source.stopping)

    def _keep_connected(self) -> None:
        source = self._source
        waits = source.backoff()
        while True:
            self.stir.clear()
            if source.stopping.is_set():
                return
            wanted = source.wanted(self._kind)
            if not wanted:
                self.stir.wait()
                continue
            if banned_s := source.banned_for():
                text = f"{source.feed.title} has banned this address (HTTP 418)"
                self._failed(VenueRefused(text, 418, banned_s), waits)
                continue
            link = self._link = Link(source, source.route(self._kind, wanted), wanted)
            try:
                self._read(link)
            except (FeedError, WebSocketException, OSError) as error:
                opened = self.opened
                if opened is not None and steady_s() - opened > source.timing.settled_s:
                    waits = source.backoff()
                self._failed(explain(error, source.feed.title, link.route.url), waits)
            finally:
                self._close()

    def _failed(self, failure: FeedError, waits: Iterator[float]) -> None:
        """Remember a failure and wait before the next attempt."""
        source = self._source
        if source.stopping.is_set():
            return
        wait = next(waits)
        if isinstance(failure, VenueRefused):
            wait = source.timing.refused_s if failure.wait_s is None else max(failure.wait_s, wait)
            source.refused(failure)
        self.failure = failure
        self.failures += 1
        self.attempts += 1
        self.opened = None
        log.warning("%s; retrying in %.1f s", failure, wait)
        source.stopping.wait(wait)

    def _read(self, link: Link) -> None:
        """Open a connection and read it, and those that take its place, while it is wanted."""
        source = self._source
        link.open()
        self._opened()
        while source.wanted(self._kind) and not source.stopping.is_set():
            link = self._turn(link)

    def _turn(self, link: Link) -> Link:
        """Read once and do what is due; returns the connection to go on with."""
        source, successor = self._source, self._successor
        try:
            events = link.read(_OVERLAP_POLL_S if successor else source.timing.poll_s)
            if self._hand_on(link, events):
                self._renew_soon(link)
            wanted = source.wanted(self._kind)
            link.maintain(wanted)
        except (FeedError, WebSocketException, OSError) as error:
            if successor is None or successor.state != "open" or source.stopping.is_set():
                raise
            log.info("%s: the old connection ended (%s)", source.feed.title, type(error).__name__)
            return self._take_over(link, successor)
        if successor is not None:
            return self._compare(link, successor, events, wanted)
        if self._is_stalled():
            log.warning("%s: silent for unusually long; connecting anew", source.feed.title)
            link.renew_at = source.clock()
        if wanted and source.clock() >= link.renew_at:
            self._renew(wanted)
        return link

    def _is_stalled(self) -> bool:
        """Look every now and then whether trades have stopped coming."""
        now, timing = steady_s(), self._source.timing
        if self._kind != "trades" or now < self._look_s:
            return False
        self._look_s = now + min(1.0, timing.stalled_s / 10.0)
        return self._source.intake.is_stalled(timing.stalled_s)

    def _hand_on(self, link: Link, events: list[Event]) -> bool:
        """Hand a batch on; returns whether the venue said goodbye."""
        began = time.monotonic()
        closing = self._source.intake.take(events, self._kind)
        # While the database is full nothing is read: the venue is not to blame for that silence.
        waited_s = time.monotonic() - began
        link.excuse(waited_s)
        if waited_s > SLOW_S:
            self._look_s = steady_s() + self._source.timing.stalled_s
        return closing

    def _renew_soon(self, link: Link) -> None:
        """Have a new connection opened, as the venue asked; with a wait if it asks all the time."""
        if link.age() < self._source.timing.settled_s:
            raise FeedError(f"{self._source.feed.title}: the server requested a reconnect")
        link.renew_at = self._source.clock()

    # Taking an old connection's place ------------------------------------------------------

    def _renew(self, wanted: frozenset[str]) -> None:
        source = self._source
        log.info("%s: opening a new connection (%s)", source.feed.title, self._kind)
        link = Link(source, source.route(self._kind, wanted), wanted)
        self._successor = Successor(link, f"{self.thread.name}-next")

    def _compare(
        self, link: Link, successor: Successor, events: list[Event], wanted: frozenset[str]
    ) -> Link:
        """Read the new connection beside the old one until it may take over."""
        source, handover = self._source, successor.handover
        now = steady_s()
        handover.from_old(events, now)
        if successor.state == "opening":
            return link
        try:
            if successor.state == "failed":
                raise FeedError("it could not be opened")
            handover.opened()
            fresh = successor.link.read(0.0)
            successor.link.maintain(wanted)
            if source.intake.take([e for e in fresh if type(e) is Notice], self._kind):
                raise FeedError("the server closed it at once")
            handover.from_new(fresh, now)
            verdict = handover.verdict(now, source.timing.overlap_s)
            if verdict == "useless":
                raise FeedError("it delivered no data")
        except (FeedError, WebSocketException, OSError) as error:
            log.warning("%s: the new connection was discarded (%s)", source.feed.title, error)
            self._successor = None
            successor.abandon()
            link.renew_at = source.clock() + source.timing.renew_again_s
            return link
        return self._take_over(link, successor) if verdict == "ready" else link

    def _take_over(self, old: Link, successor: Successor) -> Link:
        """Go on with the new connection after whatever the old one still has."""
        source = self._source
        with contextlib.suppress(FeedError, WebSocketException, OSError):
            while (events := old.read(0.0)) and not source.stopping.is_set():
                source.intake.take(events, self._kind)
        self._link, self._successor = successor.link, None
        old.close()
        if self._kind == "trades" and not successor.handover.is_joined:
            # The old one was deaf or has ended: some may be missing between them.
            source.intake.reopened()
        source.intake.take(successor.handover.held, self._kind)
        self.renewals += 1
        log.info("%s: switched to a new connection (%s)", source.feed.title, self._kind)
        return successor.link

    def _close(self) -> None:
        """Close what is open."""
        link, successor = self._link, self._successor
        self._link = self._successor = self.opened = None
        if successor is not None:
            successor.abandon()
        if link is not None:
            link.close()

    def _opened(self) -> None:
        if self.failures or self.life.deaths:
            self.reconnects += 1
        self.failure = None
        self.attempts = 0
        self.opened = steady_s()
        if self._kind == "trades":
            self._source.intake.reopened()
        log.info("%s: connected (%s)", self._source.feed.title, self._kind)

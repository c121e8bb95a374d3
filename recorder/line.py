"""One connection of a recorder: a thread that opens it, reads it and opens it again."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from websocket import WebSocketException

from recorder.failures import explain
from recorder.link import Link
from recorder.renewal import Successor
from tandem.core.clock import steady_s
from tandem.core.errors import FeedError, VenueRefused
from tandem.core.events import Event, Notice

if TYPE_CHECKING:
    from recorder.recorder import Recorder

log = logging.getLogger("tandem.recorder")

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
        Wait after a refusal.
    settled_s : float
        A connection that lasted so long starts the waits between attempts over. One that is
        accepted and dropped at once does not: venues ban clients that come back too often.
    reach_s : float
        Limit for finding out, before ``auto`` tries a venue, whether its address answers at all.
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
    overlap_s: float = 3.0
    renew_again_s: float = 60.0
    poll_s: float = 0.5


class Line:
    """One connection of a recorder: its thread, and how it stands."""

    def __init__(self, recorder: Recorder, kind: Literal["trades", "quotes"]) -> None:
        self._recorder = recorder
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
        self.broken = False
        venue = recorder.feed.venue
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
        done = False
        try:
            self._keep_connected()
            done = True
        finally:
            # Not reached on purpose: the traceback is in the log, the screen must not show calm.
            self.broken = not done

    def _keep_connected(self) -> None:
        recorder = self._recorder
        waits = recorder.backoff()
        while True:
            self.stir.clear()
            if recorder.stopping.is_set():
                return
            wanted = recorder.wanted(self._kind)
            if not wanted:
                self.stir.wait()
                continue
            link = self._link = Link(recorder, recorder.route(self._kind, wanted), wanted)
            try:
                self._read(link)
            except (FeedError, WebSocketException, OSError) as error:
                opened = self.opened
                if opened is not None and steady_s() - opened > recorder.timing.settled_s:
                    waits = recorder.backoff()
                self._failed(explain(error, recorder.feed.title, link.route.url), waits)
            finally:
                self._close()

    def _failed(self, failure: FeedError, waits: Iterator[float]) -> None:
        """Remember a failure and wait before the next attempt."""
        recorder = self._recorder
        if recorder.stopping.is_set():
            return
        refused = isinstance(failure, VenueRefused)
        wait = recorder.timing.refused_s if refused else next(waits)
        self.failure = failure
        self.failures += 1
        self.attempts += 1
        self.opened = None
        log.warning("%s; next try in %.1f s", failure, wait)
        recorder.stopping.wait(wait)

    def _read(self, link: Link) -> None:
        """Open a connection and read it, and those that take its place, while it is wanted."""
        recorder = self._recorder
        link.open()
        self._opened()
        while recorder.wanted(self._kind) and not recorder.stopping.is_set():
            link = self._turn(link)

    def _turn(self, link: Link) -> Link:
        """Read once and tend to what is due; returns the connection to go on with."""
        recorder, successor = self._recorder, self._successor
        try:
            events = link.read(_OVERLAP_POLL_S if successor else recorder.timing.poll_s)
            if self._hand_on(link, events):
                self._heed_goodbye(link)
            wanted = recorder.wanted(self._kind)
            link.tend(wanted)
        except (FeedError, WebSocketException, OSError) as error:
            if successor is None or successor.state != "open" or recorder.stopping.is_set():
                raise
            log.info("%s: the old connection ended (%s)", recorder.feed.title, type(error).__name__)
            return self._take_over(link, successor)
        if successor is not None:
            return self._compare(link, successor, events, wanted)
        if wanted and recorder.clock() >= link.renew_at:
            self._renew(wanted)
        return link

    def _hand_on(self, link: Link, events: list[Event]) -> bool:
        """Hand a batch on; returns whether the venue said goodbye."""
        began = time.monotonic()
        closing = self._recorder.hand_on(events, self._kind)
        # While the record is full nothing is read: the venue is not to blame for that silence.
        link.excuse(time.monotonic() - began)
        return closing

    def _heed_goodbye(self, link: Link) -> None:
        """Have a new connection opened, as the venue asked; with a wait if it asks all the time."""
        if link.age() < self._recorder.timing.settled_s:
            raise FeedError(f"{self._recorder.feed.title}: it asked us to connect anew")
        link.renew_at = self._recorder.clock()

    # Taking an old connection's place ------------------------------------------------------

    def _renew(self, wanted: frozenset[str]) -> None:
        recorder = self._recorder
        log.info("%s: opening a new connection (%s)", recorder.feed.title, self._kind)
        link = Link(recorder, recorder.route(self._kind, wanted), wanted)
        self._successor = Successor(link, f"{self.thread.name}-next")

    def _compare(
        self, link: Link, successor: Successor, events: list[Event], wanted: frozenset[str]
    ) -> Link:
        """Read the new connection beside the old one until it may take over."""
        recorder, handover = self._recorder, successor.handover
        now = steady_s()
        handover.from_old(events, now)
        if successor.state == "opening":
            return link
        try:
            if successor.state == "failed":
                raise FeedError("it could not be opened")
            handover.opened()
            fresh = successor.link.read(0.0)
            successor.link.tend(wanted)
            if recorder.hand_on([e for e in fresh if type(e) is Notice], self._kind):
                raise FeedError("it said goodbye at once")
            handover.from_new(fresh, now)
            verdict = handover.verdict(now, recorder.timing.overlap_s)
            if verdict == "useless":
                raise FeedError("it brought nothing")
        except (FeedError, WebSocketException, OSError) as error:
            log.warning("%s: the new connection is of no use (%s)", recorder.feed.title, error)
            self._successor = None
            successor.abandon()
            link.renew_at = recorder.clock() + recorder.timing.renew_again_s
            return link
        return self._take_over(link, successor) if verdict == "ready" else link

    def _take_over(self, old: Link, successor: Successor) -> Link:
        """Go on with the new connection after whatever the old one still has."""
        recorder = self._recorder
        with contextlib.suppress(FeedError, WebSocketException, OSError):
            while (events := old.read(0.0)) and not recorder.stopping.is_set():
                recorder.hand_on(events, self._kind)
        self._link, self._successor = successor.link, None
        old.close()
        recorder.hand_on(successor.handover.held, self._kind)
        self.renewals += 1
        log.info("%s: went on with a new connection (%s)", recorder.feed.title, self._kind)
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
        if self.failures:
            self.reconnects += 1
        self.failure = None
        self.attempts = 0
        self.opened = steady_s()
        if self._kind == "trades":
            self._recorder.connected()
        log.info("%s: connected (%s)", self._recorder.feed.title, self._kind)

"""One connection of a recorder: a thread that opens it, reads it and opens it again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from websocket import WebSocketException

from feeds import Route
from market import FeedError, VenueRefused
from recorder.failures import explain
from recorder.wire import Wire

if TYPE_CHECKING:
    from recorder.recorder import Recorder

log = logging.getLogger("tandem.recorder")


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
    poll_s: float = 0.5


class Line:
    """One connection of a recorder: its thread, and how it stands."""

    def __init__(self, recorder: Recorder, kind: Literal["trades", "quotes"]) -> None:
        self._recorder = recorder
        self._kind = kind
        self._wire: Wire | None = None
        self.stir = threading.Event()
        self.opened: float | None = None
        self.failure: FeedError | None = None
        self.failures = 0
        self.attempts = 0
        self.reconnects = 0
        self.broken = False
        venue = recorder.feed.venue
        self.thread = threading.Thread(target=self._run, name=f"ingest-{venue}-{kind}", daemon=True)

    def wake(self, stop: bool = False) -> None:
        """Make the thread look at what is wanted now; to stop, cut a handshake short as well."""
        self.stir.set()
        wire = self._wire
        if wire is not None:
            wire.wake()
            if stop and self.opened is None:
                wire.abort()

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
            route = recorder.route(self._kind, wanted)
            try:
                self._read(route, wanted)
            except (FeedError, WebSocketException, OSError) as error:
                opened = self.opened
                if opened is not None and time.monotonic() - opened > recorder.timing.settled_s:
                    waits = recorder.backoff()
                self._failed(explain(error, recorder.feed.title, route.url), waits)
            finally:
                self._wire = None
                self.opened = None

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

    def _read(self, route: Route, subscribed: frozenset[str]) -> None:
        """Open one connection and read it until it fails, is not wanted or a stop is asked."""
        recorder, timing = self._recorder, self._recorder.timing
        wire = self._wire = Wire()
        try:
            wire.open(route.url, timing.connect_s)
            for frame in route.frames:
                wire.send(frame)
            self._opened()
            ping_at = time.monotonic() + timing.ping_s
            while not recorder.stopping.is_set():
                messages = wire.gather(timing.poll_s)
                if messages and recorder.take(messages, wire.arrived_us):
                    raise FeedError(f"{recorder.feed.title}: it asked us to connect anew")
                wanted = recorder.wanted(self._kind)
                if wanted != subscribed:
                    for frame in recorder.change(route, wanted - subscribed, subscribed - wanted):
                        wire.send(frame)
                    subscribed = wanted
                    if not wanted:
                        return
                now = time.monotonic()
                if now >= ping_at:
                    wire.ping()
                    ping_at = now + timing.ping_s
                if now - wire.heard > timing.dead_s:
                    raise FeedError(
                        f"{recorder.feed.title}: the line went dead (no data and no answer to "
                        f"pings for {timing.dead_s:g} s)"
                    )
        finally:
            wire.release()

    def _opened(self) -> None:
        if self.failures:
            self.reconnects += 1
        self.failure = None
        self.attempts = 0
        self.opened = time.monotonic()
        log.info("%s: connected (%s)", self._recorder.feed.title, self._kind)

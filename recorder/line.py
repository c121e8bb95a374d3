"""One connection of a recorder: a thread that opens it, reads it and opens it again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from websocket import WebSocketException

from market import FeedError, VenueRefused
from recorder.failures import explain
from recorder.link import Link

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
        self._link: Link | None = None
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
        link = self._link
        if link is not None:
            link.wake()
            if stop and self.opened is None:
                link.abort()

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
                if opened is not None and time.monotonic() - opened > recorder.timing.settled_s:
                    waits = recorder.backoff()
                self._failed(explain(error, recorder.feed.title, link.route.url), waits)
            finally:
                self._link = None
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

    def _read(self, link: Link) -> None:
        """Open one connection and read it until it fails, is not wanted or a stop is asked."""
        recorder = self._recorder
        try:
            link.open()
            self._opened()
            while not recorder.stopping.is_set():
                events = link.read(recorder.timing.poll_s)
                if recorder.hand_on(events):
                    raise FeedError(f"{recorder.feed.title}: it asked us to connect anew")
                wanted = recorder.wanted(self._kind)
                link.tend(wanted)
                if not wanted:
                    return
        finally:
            link.close()

    def _opened(self) -> None:
        if self.failures:
            self.reconnects += 1
        self.failure = None
        self.attempts = 0
        self.opened = time.monotonic()
        log.info("%s: connected (%s)", self._recorder.feed.title, self._kind)

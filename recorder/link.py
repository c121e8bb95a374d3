"""One connection to a venue: opened, subscribed, kept alive and read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from recorder.wire import Wire
from tandem.core.clock import steady_s
from tandem.core.errors import FeedError
from tandem.core.events import Event
from tandem.venues.base import Route

if TYPE_CHECKING:
    from recorder.recorder import Recorder


class Link:
    """A wire with what runs over it. One thread opens it, one thread (then) reads and tends it.

    Parameters
    ----------
    recorder : Recorder
        Knows the venue and the limits.
    route : Route
        Where to connect and what to say there.
    subscribed : frozenset of str
        The instruments the route asks for.

    Attributes
    ----------
    renew_at : float
        When, by the recorder's clock, a new connection should take its place.
    """

    def __init__(self, recorder: Recorder, route: Route, subscribed: frozenset[str]) -> None:
        self.route = route
        self.renew_at = math.inf
        self._opened = -math.inf
        self._recorder = recorder
        self._subscribed = subscribed
        self._wire = Wire()
        self._ping_at = math.inf
        self._keepalive_at = math.inf

    def open(self) -> None:
        """Connect and subscribe."""
        # Before the venue can have begun to count: a renewal may be early, never late.
        began = self._recorder.clock()
        self._wire.open(self.route.url, self._recorder.timing.connect_s)
        for frame in self.route.frames:
            self._wire.send(frame)
        self._opened = began
        self.renew_at = self._opened + self.route.renew_s
        now = steady_s()
        self._ping_at = now + self._recorder.timing.ping_s
        if self.route.keepalive is not None:
            self._keepalive_at = now + self.route.keepalive.every_s

    def age(self) -> float:
        """Return for how many seconds it has been open, by the recorder's clock."""
        return self._recorder.clock() - self._opened

    def read(self, wait_s: float) -> list[Event]:
        """Return the events that are here, waiting up to `wait_s` for the first message."""
        messages = self._wire.gather(wait_s)
        return self._recorder.understand(messages, self._wire.arrived_us) if messages else []

    def tend(self, wanted: frozenset[str]) -> None:
        """Tell the venue what is wanted now, send what is due; FeedError if nobody is there."""
        if wanted != self._subscribed:
            added, removed = wanted - self._subscribed, self._subscribed - wanted
            for frame in self._recorder.change(self.route, added, removed):
                self._wire.send(frame)
            self._subscribed = wanted
        now, timing = steady_s(), self._recorder.timing
        if now >= self._ping_at:
            self._wire.ping()
            self._ping_at = now + timing.ping_s
        keepalive = self.route.keepalive
        if keepalive is not None and now >= self._keepalive_at:
            self._wire.send(keepalive.text)
            self._keepalive_at = now + keepalive.every_s
        if now - self._wire.heard > timing.dead_s:
            raise FeedError(
                f"{self._recorder.feed.title}: the line went dead (no data and no answer to "
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

"""The way to a price feed that is polled: a client, and a gate that keeps the venue's budget.

Prices and the list of assets are asked for by different threads, of one venue that counts them all:
each has a client of its own, which it may close, and all go through the venue's one gate.
"""

from __future__ import annotations

import threading

from tandem.core.clock import now_us
from tandem.core.errors import FeedError, VenueRefused
from tandem.net.http import Client
from tandem.net.venue_client import Gate
from tandem.venues.rest import PolledFeed, Request


class PriceGates:
    """One gate per polled venue, which outlasts those who ask through it. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: dict[str, Gate] = {}

    def door(self, feed: PolledFeed, client: Client) -> PriceDoor:
        """Return a new door through the venue's gate."""
        with self._lock:
            gate = self._gates.get(feed.venue)
            if gate is None:
                gate = Gate(feed.title, feed.budget, client, feed.throttled)
                self._gates[feed.venue] = gate
        return PriceDoor(feed, client, gate)


class PriceDoor:
    """Fetches what a polled feed asks for. One thread asks; any may close.

    Parameters
    ----------
    feed : PolledFeed
        Gives the budget and the headers, which are sent and never shown.
    client : Client
        Closed with the door.
    gate : Gate
        Of the venue, shared with everybody who asks it.
    """

    def __init__(self, feed: PolledFeed, client: Client, gate: Gate) -> None:
        self._feed = feed
        self._client = client
        self._gate = gate

    @property
    def paused_for(self) -> float:
        """Seconds for which nothing may be asked: after a refusal, a failure, or on request."""
        return self._gate.paused_for

    def ahead_us(self) -> int:
        """Return how far the feed's clock is ahead of this machine's, to the second."""
        return self._gate.now_us() - now_us()

    def fetch(self, request: Request, stop: threading.Event, limit_s: float) -> bytes:
        """Return the body of an answer, waiting for at most `limit_s` until it may be asked for.

        Raises
        ------
        VenueRefused
            This address, or the key, is not served.
        FeedError
            No answer in time, or one that is none.
        """
        self._gate.wait_turn(request.weight, stop, limit_s)
        answer = self._gate.ask(request, self._feed.headers(), self._client)
        if answer.status == 401:
            raise VenueRefused(f"{self._feed.title} does not take the key in the settings", 401)
        if answer.status != 200:
            raise FeedError(f"{self._feed.title} gave no prices (HTTP {answer.status})")
        return answer.body

    def close(self) -> None:
        """Cut what is under way and ask nothing more; closing twice is harmless."""
        self._client.close()

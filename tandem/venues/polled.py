"""What a feed is that has no stream: asked for its prices every so often. No sockets live here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal, Protocol

from tandem.core.events import Trade
from tandem.venues.rest import Budget, Request


class PolledFeed(Protocol):
    """A price feed: it says what to ask for and understands the answer.

    Attributes
    ----------
    polled : True
        What tells it from a venue that is read as it trades.
    venue, title, popular, max_instruments
        As of a `WebsocketFeed`.
    every_s : float
        Seconds from one poll to the next.
    stale_s : float
        Age of the last price from which it says nothing about now.
    grace_s : float
        How much later than another's a price may become known after it was made.
    budget : Budget
        What may be asked.
    """

    polled: ClassVar[Literal[True]]
    venue: ClassVar[str]
    title: ClassVar[str]
    popular: ClassVar[tuple[str, ...]]
    max_instruments: ClassVar[int]
    grace_s: ClassVar[float]
    every_s: float
    stale_s: float
    budget: Budget

    def instrument(self, text: str) -> str:
        """Return the instrument a user means by `text`."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Return the headers of every request; they may hold a key and are never shown."""
        ...

    def requests(self, instruments: Iterable[str]) -> tuple[Request, ...]:
        """Return the requests for the prices of some instruments."""
        ...

    def parse(self, body: bytes, received_us: int) -> list[Trade]:
        """Return the prices of an answer that are new; raises MessageError if not understood."""
        ...

    def throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too much was asked."""
        ...

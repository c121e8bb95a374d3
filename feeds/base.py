"""What a feed is: addresses, subscriptions and a pure parser. No sockets live here."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol

from market import Event, UnknownSymbol


class Route(NamedTuple):
    """One websocket connection to open.

    Attributes
    ----------
    url : str
        Address, complete with its query.
    frames : tuple of str
        Text frames to send once the connection is open.
    carries : frozenset of str
        Instruments whose trades must arrive on it; the watchdog listens for each.
        Empty on a connection that brings quotes or funding only.
    """

    url: str
    frames: tuple[str, ...]
    carries: frozenset[str]


class WebsocketFeed(Protocol):
    """A venue read over a websocket: it says what to send and understands what comes back.

    Attributes
    ----------
    venue, title : str
        Name in instruments (``binance-usdm``) and on screen (``Binance USD-M``).
    consecutive_ids : bool
        True where trade ids of an instrument count up by one, so that a jump is a gap.
    quotes : bool
        True where the venue sends the best bid and ask.
    popular : tuple of str
        Symbols offered before anything was typed, most traded first.
    max_instruments : int
        How many one connection may carry.
    """

    venue: ClassVar[str]
    title: ClassVar[str]
    consecutive_ids: ClassVar[bool]
    quotes: ClassVar[bool]
    popular: ClassVar[tuple[str, ...]]
    max_instruments: ClassVar[int]

    def instrument(self, text: str) -> str:
        """Return the instrument a user means by `text` ("btc", "BTC/USDT", "btcusdt")."""
        ...

    def trade_route(self, instruments: Iterable[str]) -> Route:
        """Return the connection that brings trades (and funding) of `instruments`."""
        ...

    def quote_route(self, instruments: Iterable[str]) -> Route | None:
        """Return the connection that brings quotes; None where trades' own brings them, or none."""
        ...

    def change(self, route: Route, added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
        """Return the frames that add and remove instruments on an open connection."""
        ...

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it is not understood."""
        ...


class GeneratedFeed(Protocol):
    """A source that makes its own events: the simulation, or a recording played back."""

    venue: ClassVar[str]
    title: ClassVar[str]
    popular: tuple[str, ...]

    def instrument(self, text: str) -> str:
        """Return the instrument a user means by `text`."""
        ...

    def batches(
        self, wanted: Callable[[], frozenset[str]], stop: threading.Event
    ) -> Iterator[Sequence[Event]]:
        """Yield batches of events when they are due, until `stop` is set or the end is reached."""
        ...


def common_symbol(text: str, venue: str) -> str:
    """Return what a user typed as bare capitals: "btc/usdt", "BTC-USDT", "sim:BTCUSDT" alike.

    Parameters
    ----------
    text : str
        A symbol, an asset or an instrument.
    venue : str
        The venue that is asked; an instrument of another venue is refused.

    Raises
    ------
    UnknownSymbol
        If nothing is left that can be a symbol, or it names another venue.
    """
    named, colon, symbol = text.strip().rpartition(":")
    if colon and named.lower() != venue:
        raise UnknownSymbol(f"{text!r:.60} is on another venue; {venue} was asked.")
    bare = re.sub(r"[\s/_-]", "", symbol).upper()
    if not re.fullmatch(r"[^\W_]{1,30}", bare):
        raise UnknownSymbol(f"{text!r:.60} is not a symbol; write one like BTC or BTCUSDT.")
    return bare

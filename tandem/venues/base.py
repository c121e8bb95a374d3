"""What a feed is: addresses, subscriptions and a pure parser. No sockets live here."""

from __future__ import annotations

import math
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

from tandem.core.errors import DataError, MessageError, UnknownSymbol
from tandem.core.events import Event, OffBook, Trade, Unread
from tandem.core.instruments import instrument

Kind = Literal["trades", "quotes"]
Method = Literal["subscribe", "unsubscribe"]


class Keepalive(NamedTuple):
    """What a venue wants to hear from its client now and then, besides the protocol's own pings.

    `text` is sent every `every_s` seconds.
    """

    text: str
    every_s: float


class Route(NamedTuple):
    """One websocket connection to open.

    Attributes
    ----------
    kind : {"trades", "quotes"}
        What it brings.
    url : str
        Address, complete with its query.
    frames : tuple of str
        Text frames to send once the connection is open.
    carries : frozenset of str
        Instruments whose trades must arrive on it; the watchdog listens for each.
        Empty on a connection that brings quotes only.
    keepalive : Keepalive or None
        Text to send now and then, where the venue hangs up on a client it does not hear.
    renew_s : float
        Age in seconds at which a new connection takes the place of this one, where the venue
        cuts old ones.
    """

    kind: Kind
    url: str
    frames: tuple[str, ...]
    carries: frozenset[str]
    keepalive: Keepalive | None = None
    renew_s: float = math.inf


class WebsocketFeed(ABC):
    """A venue read over a websocket: it says what to send and understands what comes back.

    Attributes
    ----------
    kind : "streamed"
        What tells it from feeds of other kinds.
    venue, title : str
        Name in instruments (``binance-usdm``) and on screen (``Binance USD-M``).
    consecutive_ids : bool
        True where trade ids of an instrument count up by one, so that a jump is a gap.
    quotes : bool
        True where the venue sends the best bid and ask.
    charges_funding : bool
        True where what is traded are perpetual futures.
    refuses_whole : bool
        True where one name that is not listed spoils the whole request it is in.
    popular : tuple of str
        Symbols offered before anything was typed, most traded first.
    max_instruments : int
        How many one connection may carry.
    keepalive, renew_s
        As of a `Route`.
    """

    kind: ClassVar[Literal["streamed"]] = "streamed"
    venue: ClassVar[str]
    title: ClassVar[str]
    consecutive_ids: ClassVar[bool]
    quotes: ClassVar[bool] = True
    charges_funding: ClassVar[bool] = False
    refuses_whole: ClassVar[bool] = False
    popular: ClassVar[tuple[str, ...]]
    max_instruments: ClassVar[int]
    keepalive: ClassVar[Keepalive | None] = None
    renew_s: ClassVar[float] = math.inf

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = Names(self.venue)

    @abstractmethod
    def instrument(self, text: str) -> str:
        """Return the instrument a user means by `text` ("btc", "BTC/USDT", "btcusdt")."""

    @abstractmethod
    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it cannot be parsed."""

    @abstractmethod
    def frames(self, method: Method, kind: Kind, names: list[str]) -> tuple[str, ...]:
        """Return the frames that subscribe to instruments, or no longer; none for none.

        At most ten of them, unless the venue is known to take more: others hang up on a client
        that talks too fast.
        """

    def trade_route(self, instruments: Iterable[str]) -> Route:
        """Return the connection that brings trades (and funding) of `instruments`."""
        return self._route("trades", sorted(instruments))

    def quote_route(self, instruments: Iterable[str]) -> Route | None:
        """Return the connection that brings quotes; None where trades' own brings them, or none."""
        return self._route("quotes", sorted(instruments)) if self.quotes else None

    def change(self, route: Route, added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
        """Return the frames that add and remove instruments on an open connection."""
        return (
            *self.frames("unsubscribe", route.kind, sorted(removed)),
            *self.frames("subscribe", route.kind, sorted(added)),
        )

    def _route(self, kind: Kind, names: list[str]) -> Route:
        carried = frozenset(names) if kind == "trades" else frozenset[str]()
        frames = self.frames("subscribe", kind, names)
        return Route(kind, self._url, frames, carried, self.keepalive, self.renew_s)


class GeneratedFeed(Protocol):
    """A source that makes its own events: the simulation, or a recording played back.

    Attributes
    ----------
    kind : "generated"
        What tells it from feeds of other kinds.
    venue, title
        As of a `WebsocketFeed`.
    begins_with_past : bool
        True where the first batches bring what happened before the start, as quickly as it can.
    charges_funding : bool
        True where what is traded are, or may be, perpetual futures.
    """

    kind: ClassVar[Literal["generated"]]
    venue: ClassVar[str]
    title: ClassVar[str]
    begins_with_past: ClassVar[bool]
    charges_funding: ClassVar[bool]

    @property
    def popular(self) -> tuple[str, ...]:
        """Symbols offered before anything was typed, most traded first."""
        ...

    def instrument(self, text: str) -> str:
        """Return the instrument a user means by `text`."""
        ...

    def clock_us(self) -> int:
        """Return what time it is there: a recording has its own now."""
        ...

    def batches(
        self, wanted: Callable[[], frozenset[str]], stop: threading.Event
    ) -> Iterator[Sequence[Event]]:
        """Yield batches of events when they are due, until `stop` is set or the end is reached."""
        ...


class Names(dict[str, str]):
    """Instrument names of one venue by the symbol in its messages, each checked once.

    A dict, so that a known symbol costs no Python call. A symbol that cannot be an instrument
    raises MessageError (one that is not even hashable, TypeError).
    """

    _MOST = 10_000

    def __init__(self, venue: str) -> None:
        super().__init__()
        self._venue = venue

    def __missing__(self, symbol: object) -> str:
        """Check a symbol seen for the first time."""
        if type(symbol) is not str:
            raise MessageError("the symbol is not text")
        try:
            name = instrument(self._venue, symbol)
        except DataError:
            raise MessageError("the symbol is not one") from None
        if len(self) < self._MOST:
            self[symbol] = name
        return name


def plain_text(text: object, most: int = 200) -> str:
    """Return what a venue said as one short line without control characters."""
    if isinstance(text, (dict, list)):
        # Nested a thousand deep, as JSON may be, it could not be written out.
        return "(details that are not text)"
    line = " ".join(str(text)[: 4 * most].split())
    return "".join(c for c in line if c.isprintable())[:most]


T = TypeVar("T", Trade, Trade | OffBook)


def each_trade(
    items: Any, received_us: int, name: str, read: Callable[[Any, int], T]
) -> list[T | Unread]:
    """Return what `read` makes of each trade of a message; a bad one costs only itself.

    Parameters
    ----------
    name : str
        The instrument they are of; empty where only they say.
    """
    if type(items) is not list:
        raise MessageError("data is not a list")
    events: list[T | Unread] = []
    for item in items:
        try:
            events.append(read(item, received_us))
        except KeyError as missing:
            events.append(Unread(name, received_us, f"a trade without {missing}"))
        except MessageError as error:
            events.append(Unread(name, received_us, str(error)))
        except (TypeError, IndexError):
            events.append(Unread(name, received_us, "a trade with a field of the wrong type"))
    return events


_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "TRY", "BRL", "JPY")
_CROSSES = ("BTC", "ETH", "BNB")


def read_symbol(text: str, venue: str) -> tuple[str, str]:
    """Take what a user typed apart into an asset and the currency it is quoted in.

    "btc/usdt", "BTC-USDT", "BTCUSDT" and "sim:BTCUSDT" (asked of ``sim``) all give
    ``("BTC", "USDT")``; "btc" gives ``("BTC", "")``.

    Raises
    ------
    UnknownSymbol
        If it cannot be a symbol, or names another venue.
    """
    named, colon, symbol = text.strip().rpartition(":")
    if colon and named.lower() != venue:
        raise UnknownSymbol(f"{text!r:.60} is on another venue; this is {venue}.")
    parts = [part.upper() for part in re.split(r"\s*[/\s_-]\s*", symbol)]
    if len(parts) > 2 or not all(re.fullmatch(r"[^\W_]{1,20}", part) for part in parts):
        raise UnknownSymbol(f"{text!r:.60} is not a symbol; write one like BTC or BTC/USDT.")
    if len(parts) == 2:
        return parts[0], parts[1]
    whole = parts[0]
    for quote in _QUOTES:
        if whole.endswith(quote) and whole != quote:
            return whole.removesuffix(quote), quote
    for quote in _CROSSES:
        # Six letters and more: WBTC and STETH are assets, ETHBTC is a pair.
        if whole.endswith(quote) and len(whole) >= 6:
            return whole.removesuffix(quote), quote
    return whole, ""


RecordedFeed = WebsocketFeed | GeneratedFeed
# Reads a Tandem database: gives every trade in order of arrival.
StoredTrades = Callable[[Path], Iterable[Trade]]

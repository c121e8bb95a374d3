"""Coinbase Exchange: trades and quotes without a key, served in the United States.

A real trade::

    {"type":"match","trade_id":82007,"maker_order_id":"...","taker_order_id":"...","side":"buy",
     "size":"1008.2","price":"0.5752","product_id":"SKL-GBP","sequence":27883326,
     "time":"2021-04-17T16:43:29.571587Z"}

Trade ids count up by one per product. Side is the *maker's*, so it is flipped here. One
``last_match`` per product comes first: the latest trade before the subscription. Liveness: a
heartbeat a second per product. A subscription must be sent within 5 seconds. An unknown product
is answered with an ``error`` message and spoils its whole request, so products are asked for in
as many requests as the limit on requests allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import orjson

from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Event, Notice, Quote, Trade
from tandem.core.instruments import instrument
from tandem.venues.base import Names, Route, plain_text, read_symbol
from tandem.venues.fields import amount, iso_time, json_object, positive, trade_number

_TAKER = {"sell": BUY, "buy": SELL}
_CHANNELS = {"trades": ["matches", "heartbeat"], "quotes": ["ticker", "heartbeat"]}
# Eight requests a second and address are allowed.
_REQUESTS = 6


class Coinbase:
    """Coinbase Exchange."""

    generated: ClassVar[Literal[False]] = False
    venue: ClassVar[str] = "coinbase"
    title: ClassVar[str] = "Coinbase"
    consecutive_ids: ClassVar[bool] = True
    quotes: ClassVar[bool] = True
    charges_funding: ClassVar[bool] = False
    popular: ClassVar[tuple[str, ...]] = (
        *("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD", "LINK-USD"),
        *("AVAX-USD", "LTC-USD", "BCH-USD", "ETH-BTC"),
    )
    max_instruments: ClassVar[int] = 100

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = Names(self.venue)

    def instrument(self, text: str) -> str:
        """Return the product meant by `text`: in dollars unless it says otherwise.

        Tether pairs are thin here, so "BTCUSDT" means BTC-USD; "BTC-USDT" is taken literally.
        """
        asset, quote = read_symbol(text, self.venue)
        if quote == "" or (quote == "USDT" and "-" not in text):
            quote = "USD"
        return instrument(self.venue, f"{asset}-{quote}")

    def trade_route(self, instruments: Iterable[str]) -> Route:
        """Return the connection that brings trades."""
        wanted = sorted(instruments)
        return Route("trades", self._url, self._frames("trades", wanted, []), frozenset(wanted))

    def quote_route(self, instruments: Iterable[str]) -> Route | None:
        """Return the connection that brings the best bid and ask, as of each trade."""
        frames = self._frames("quotes", sorted(instruments), [])
        return Route("quotes", self._url, frames, frozenset())

    def change(self, route: Route, added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
        """Return the frames that add and remove products on an open connection."""
        return self._frames(route.kind, sorted(added), sorted(removed))

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it is not understood."""
        message = json_object(raw)
        kind = message.get("type")
        try:
            if kind == "match" or kind == "last_match":
                return (self._trade(message, received_us),)
            if kind == "ticker":
                return (self._quote(message, received_us),)
        except KeyError as missing:
            raise MessageError(f"{kind} without {missing}") from None
        except TypeError:
            raise MessageError(f"{kind} with a field of the wrong type") from None
        if kind == "heartbeat":
            return (Notice("alive", ""),)
        if kind == "subscriptions":
            return ()
        if kind == "error":
            said = plain_text(f"{message.get('message', '')}: {message.get('reason', '')}")
            return (Notice("error", f"{self.title}: {said}"),)
        raise MessageError("a message of no known kind")

    def _trade(self, message: dict[str, Any], received_us: int) -> Trade:
        side = message["side"]
        if type(side) is not str or side not in _TAKER:
            raise MessageError("the side is not buy or sell")
        return Trade(
            self._names[message["product_id"]],
            trade_number(message["trade_id"]),
            iso_time(message["time"]),
            positive(message["price"]),
            positive(message["size"]),
            _TAKER[side],
            received_us,
        )

    def _quote(self, message: dict[str, Any], received_us: int) -> Quote:
        bid, ask = positive(message["best_bid"]), positive(message["best_ask"])
        if bid > ask:
            raise MessageError("the bid is above the ask")
        return Quote(
            self._names[message["product_id"]],
            iso_time(message["time"]),
            bid,
            amount(message["best_bid_size"]),
            ask,
            amount(message["best_ask_size"]),
            received_us,
        )

    def _frames(
        self, kind: Literal["trades", "quotes"], added: list[str], removed: list[str]
    ) -> tuple[str, ...]:
        requests = [("unsubscribe", removed)] if removed else []
        requests += [("subscribe", added[n::_REQUESTS]) for n in range(min(_REQUESTS, len(added)))]
        return tuple(
            orjson.dumps(
                {
                    "type": what,
                    "product_ids": [name.partition(":")[2] for name in names],
                    "channels": _CHANNELS[kind],
                }
            ).decode()
            for what, names in requests
        )

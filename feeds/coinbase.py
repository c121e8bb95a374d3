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
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

import orjson

from feeds.base import (
    EARLIEST_US,
    LATEST_US,
    MOST_ID,
    MOST_PRICE,
    Names,
    Route,
    plain_text,
    read_symbol,
)
from market import BUY, SELL, Event, MessageError, Notice, Quote, Trade, instrument

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
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
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise MessageError("not JSON") from None
        if type(message) is not dict:
            raise MessageError("not an object")
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
        trade_id, side = message["trade_id"], message["side"]
        if type(trade_id) is not int or not 0 <= trade_id <= MOST_ID:
            raise MessageError("the trade id is not a whole number")
        if type(side) is not str or side not in _TAKER:
            raise MessageError("the side is not buy or sell")
        price, quantity = _number(message["price"]), _number(message["size"])
        if not (price > 0.0 and quantity > 0.0):
            raise MessageError("price or quantity is not positive")
        name, time_us = self._names[message["product_id"]], _time_us(message["time"])
        return Trade(name, trade_id, time_us, price, quantity, _TAKER[side], received_us)

    def _quote(self, message: dict[str, Any], received_us: int) -> Quote:
        bid, ask = _number(message["best_bid"]), _number(message["best_ask"])
        if not 0.0 < bid <= ask:
            raise MessageError("bid and ask are not positive and in order")
        return Quote(
            self._names[message["product_id"]],
            _time_us(message["time"]),
            bid,
            _number(message["best_bid_size"]),
            ask,
            _number(message["best_ask_size"]),
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


def _number(text: Any) -> float:
    if type(text) is not str:
        raise MessageError("a number is not text")
    try:
        number = float(text)
    except ValueError:
        raise MessageError("a number is not one") from None
    if not 0.0 <= number < MOST_PRICE:
        raise MessageError("a number is negative or not finite")
    return number


def _time_us(text: Any) -> int:
    if type(text) is not str or not text.endswith("Z"):
        raise MessageError("the time is not a UTC time")
    try:
        time_us = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise MessageError("the time is not a UTC time") from None
    if not EARLIEST_US <= time_us <= LATEST_US:
        raise MessageError("the time is not plausible")
    return time_us

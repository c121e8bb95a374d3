"""Kraken, websocket v2: trades and quotes without a key, served in the United States.

The documented messages::

    {"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.5117,
     "qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}
    {"channel":"ticker","type":"update","data":[{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.0,
     "ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,
     "timestamp":"2023-09-25T09:04:31.742648Z"}]}
    {"channel":"heartbeat"}
    {"channel":"status","type":"update","data":[{"version":"2.0.4","system":"online",
     "api_version":"v2","connection_id":13834774380200032777}]}
    {"method":"subscribe","success":false,"error":"Currency pair not supported FOO/USD",
     "symbol":"FOO/USD","time_in":"2023-09-25T09:04:31.742599Z"}

Trade ids are a sequence per pair, so a jump is a gap. Side: the taker's. A ``snapshot`` of the last
50 trades answers each subscription, so a short cut leaves no hole. Prices and quantities are
numbers, not text. Liveness: a heartbeat a second while subscribed; a connection is dropped after a
minute of silence. Limits: about 150 connections in ten minutes from one address. Every symbol of a
request is answered on its own, so an unknown one spoils nothing. Bitcoin is BTC here, not XBT.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import orjson

from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Event, Notice, Quote, Trade, TradeId
from tandem.core.instruments import instrument
from tandem.venues.base import MOST_PRICE, Names, Route, plain_text, read_symbol
from tandem.venues.fields import iso_time, json_object, trade_number

_TAKER = {"buy": BUY, "sell": SELL}
_CHANNELS: dict[str, dict[str, Any]] = {
    "trades": {"channel": "trade"},
    "quotes": {"channel": "ticker", "event_trigger": "bbo"},
}
# Names of version 1, which people still type.
_OLD_NAMES = {"XBT": "BTC", "XDG": "DOGE"}


class Kraken:
    """Kraken spot."""

    generated: ClassVar[Literal[False]] = False
    venue: ClassVar[str] = "kraken"
    title: ClassVar[str] = "Kraken"
    consecutive_ids: ClassVar[bool] = True
    quotes: ClassVar[bool] = True
    charges_funding: ClassVar[bool] = False
    popular: ClassVar[tuple[str, ...]] = (
        *("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "DOGE/USD", "ADA/USD", "LINK/USD"),
        *("AVAX/USD", "LTC/USD", "BCH/USD", "DOT/USD", "ETH/BTC"),
    )
    max_instruments: ClassVar[int] = 300

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = Names(self.venue)

    def instrument(self, text: str) -> str:
        """Return the pair meant by `text`: in dollars unless it says otherwise.

        Tether pairs are thin here, so "BTCUSDT" means BTC/USD; "BTC/USDT" is taken literally.
        """
        asset, quote = (_OLD_NAMES.get(part, part) for part in read_symbol(text, self.venue))
        if quote == "" or (quote == "USDT" and "/" not in text):
            quote = "USD"
        return instrument(self.venue, f"{asset}/{quote}")

    def trade_route(self, instruments: Iterable[str]) -> Route:
        """Return the connection that brings trades."""
        wanted = sorted(instruments)
        frames = self._frames("subscribe", "trades", wanted)
        return Route("trades", self._url, frames, frozenset(wanted))

    def quote_route(self, instruments: Iterable[str]) -> Route | None:
        """Return the connection that brings the best bid and ask."""
        frames = self._frames("subscribe", "quotes", sorted(instruments))
        return Route("quotes", self._url, frames, frozenset())

    def change(self, route: Route, added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
        """Return the frames that add and remove pairs on an open connection."""
        return (
            *self._frames("unsubscribe", route.kind, sorted(removed)),
            *self._frames("subscribe", route.kind, sorted(added)),
        )

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it is not understood."""
        message = json_object(raw)
        channel = message.get("channel")
        try:
            if channel == "trade":
                trades = [self._trade(data, received_us) for data in _items(message)]
                if message.get("type") == "snapshot":  # its order is not documented
                    trades.sort(key=_by_id)
                return trades
            if channel == "ticker":
                return [self._quote(data, received_us) for data in _items(message)]
            if channel == "status":
                return self._status(_items(message)[0])
        except KeyError as missing:
            raise MessageError(f"{channel} without {missing}") from None
        except (TypeError, IndexError):
            raise MessageError(f"{channel} with a field of the wrong type") from None
        if channel == "heartbeat":
            return (Notice("alive", ""),)
        if channel is None:
            return self._answer(message)
        raise MessageError("a channel not asked for")

    def _trade(self, data: dict[str, Any], received_us: int) -> Trade:
        side = data["side"]
        if type(side) is not str or side not in _TAKER:
            raise MessageError("the side is not buy or sell")
        price, quantity = _number(data["price"]), _number(data["qty"])
        if not (price > 0.0 and quantity > 0.0):
            raise MessageError("price or quantity is not positive")
        return Trade(
            self._names[data["symbol"]],
            trade_number(data["trade_id"]),
            iso_time(data["timestamp"]),
            price,
            quantity,
            _TAKER[side],
            received_us,
        )

    def _quote(self, data: dict[str, Any], received_us: int) -> Quote:
        bid, ask = _number(data["bid"]), _number(data["ask"])
        if not 0.0 < bid <= ask:
            raise MessageError("bid and ask are not positive and in order")
        # Its time came to the ticker later than its other fields.
        stamp = data.get("timestamp")
        time_us = received_us if stamp is None else iso_time(stamp)
        sizes = _number(data["bid_qty"]), _number(data["ask_qty"])
        return Quote(
            self._names[data["symbol"]], time_us, bid, sizes[0], ask, sizes[1], received_us
        )

    def _status(self, data: dict[str, Any]) -> Sequence[Event]:
        if data["system"] == "online":
            return ()
        return (Notice("error", f"{self.title}: its market is in {plain_text(data['system'])}"),)

    def _answer(self, message: dict[str, Any]) -> Sequence[Event]:
        if message.get("success") is False or "error" in message:
            return (Notice("error", f"{self.title}: {plain_text(message.get('error'))}"),)
        if "method" in message:
            return ()
        raise MessageError("a message of no known kind")

    def _frames(
        self, method: str, kind: Literal["trades", "quotes"], names: list[str]
    ) -> tuple[str, ...]:
        if not names:
            return ()
        params = _CHANNELS[kind] | {"symbol": [name.partition(":")[2] for name in names]}
        if method == "subscribe":
            params["snapshot"] = True
        return (orjson.dumps({"method": method, "params": params}).decode(),)


def _items(message: dict[str, Any]) -> list[dict[str, Any]]:
    data = message["data"]
    if type(data) is not list or not all(type(item) is dict for item in data):
        raise MessageError("data is not a list of objects")
    return data


def _by_id(trade: Trade) -> tuple[str, TradeId]:
    return trade.instrument, trade.trade_id


def _number(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise MessageError("a number is not one")
    if not 0.0 <= value < MOST_PRICE:
        raise MessageError("a number is negative or not finite")
    return float(value)

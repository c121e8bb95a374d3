"""Bybit, websocket v5: linear perpetuals, trades and quotes without a key.

The documented messages::

    {"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,
     "s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick",
     "i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false}]}
    {"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT",
     "b":[["16493.50","0.006"]],"a":[["16611.00","0.029"]],"u":18521288,"seq":7961638724},
     "cts":1672304484976}
    {"success":true,"ret_msg":"","conn_id":"d266e4e6","req_id":"","op":"subscribe"}
    {"success":true,"ret_msg":"pong","conn_id":"0970e817","op":"ping"}
    {"success":false,"ret_msg":"error:handler not found,topic:publicTrade.FOOUSDT",
     "conn_id":"d266e4e6","op":"subscribe"}

Trade ids are UUIDs: unique, in no order, so trades lost on the way leave no sign. Side: the
taker's. ``T`` is the trade's time, ``ts`` the message's. Liveness: ``{"op":"ping"}`` every 20
seconds, or the connection is cut. Limits: 21,000 characters of topics on a connection, 500
connections in five minutes. A message may bring 1,024 trades. The best bid and ask come whole each
time. An unknown topic may fail its whole request, so topics are asked for in several. Addresses in
the United States and some other countries are refused with HTTP 403.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

import orjson

from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Event, Notice, Quote, Trade
from tandem.core.instruments import instrument
from tandem.venues.base import Keepalive, Names, Route, plain_text, read_symbol
from tandem.venues.fields import amount, json_object, milliseconds, positive

_TAKER = {"Buy": BUY, "Sell": SELL}
_TOPICS = {"trades": "publicTrade.", "quotes": "orderbook.1."}
_KEEPALIVE = Keepalive('{"op":"ping"}', 20.0)
_REQUESTS = 5

_TRADE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_DATED = re.compile(r"[A-Z0-9]{2,20}-[0-9]{2}[A-Z]{3}[0-9]{2}")
# Listed by the thousand.
_THOUSANDS = {"PEPE": "1000PEPE", "BONK": "1000BONK", "FLOKI": "1000FLOKI", "SHIB": "SHIB1000"}


class Bybit:
    """Bybit's linear perpetuals, settled in USDT or USDC."""

    generated: ClassVar[Literal[False]] = False
    venue: ClassVar[str] = "bybit"
    title: ClassVar[str] = "Bybit"
    consecutive_ids: ClassVar[bool] = False
    quotes: ClassVar[bool] = True
    charges_funding: ClassVar[bool] = True
    popular: ClassVar[tuple[str, ...]] = (
        *("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT", "ADAUSDT"),
        *("LINKUSDT", "AVAXUSDT", "LTCUSDT", "BCHUSDT", "DOTUSDT", "SUIUSDT", "1000PEPEUSDT"),
    )
    max_instruments: ClassVar[int] = 500

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = Names(self.venue)

    def instrument(self, text: str) -> str:
        """Return the contract meant by `text`: settled in USDT unless it says otherwise.

        "BTC/USDC" is BTCPERP here; "BTCUSDT-25DEC26" names a dated future.
        """
        symbol = text.strip().upper().removeprefix(self.venue.upper() + ":")
        if _DATED.fullmatch(symbol):
            return instrument(self.venue, symbol)
        asset, quote = read_symbol(text, self.venue)
        asset = _THOUSANDS.get(asset, asset)
        if quote == "USDC":
            return instrument(self.venue, f"{asset}PERP")
        if quote == "" and asset.endswith("PERP") and asset != "PERP":
            return instrument(self.venue, asset)
        return instrument(self.venue, asset + ("USDT" if quote in ("", "USD") else quote))

    def trade_route(self, instruments: Iterable[str]) -> Route:
        """Return the connection that brings trades."""
        wanted = sorted(instruments)
        frames = self._frames("subscribe", "trades", wanted)
        return Route("trades", self._url, frames, frozenset(wanted), _KEEPALIVE)

    def quote_route(self, instruments: Iterable[str]) -> Route | None:
        """Return the connection that brings the best bid and ask."""
        frames = self._frames("subscribe", "quotes", sorted(instruments))
        return Route("quotes", self._url, frames, frozenset(), _KEEPALIVE)

    def change(self, route: Route, added: Iterable[str], removed: Iterable[str]) -> tuple[str, ...]:
        """Return the frames that add and remove contracts on an open connection."""
        return (
            *self._frames("unsubscribe", route.kind, sorted(removed)),
            *self._frames("subscribe", route.kind, sorted(added)),
        )

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it is not understood."""
        message = json_object(raw)
        topic = message.get("topic")
        if type(topic) is not str:
            return self._answer(message)
        try:
            if topic.startswith("publicTrade."):
                items = message["data"]
                if type(items) is not list:
                    raise MessageError("data is not a list")
                return [self._trade(data, received_us) for data in items]
            if topic.startswith("orderbook.1."):
                return self._quote(message, message["data"], received_us)
        except KeyError as missing:
            raise MessageError(f"a message without {missing}") from None
        except (TypeError, IndexError):
            raise MessageError("a field of the wrong type") from None
        raise MessageError("a topic not asked for")

    def _trade(self, data: dict[str, Any], received_us: int) -> Trade:
        side, trade_id = data["S"], data["i"]
        if type(side) is not str or side not in _TAKER:
            raise MessageError("the side is not Buy or Sell")
        if type(trade_id) is not str or not _TRADE_ID.fullmatch(trade_id):
            raise MessageError("the trade id is not one")
        return Trade(
            self._names[data["s"]],
            trade_id,
            milliseconds(data["T"]),
            positive(data["p"]),
            positive(data["v"]),
            _TAKER[side],
            received_us,
        )

    def _quote(
        self, message: dict[str, Any], data: dict[str, Any], received_us: int
    ) -> Sequence[Event]:
        bids, asks = data["b"], data["a"]
        if bids == [] or asks == []:  # one side of the book is empty
            return ()
        bid, ask = positive(bids[0][0]), positive(asks[0][0])
        if bid > ask:
            raise MessageError("the bid is above the ask")
        time_us = milliseconds(message["ts"])
        sizes = amount(bids[0][1]), amount(asks[0][1])
        name = self._names[data["s"]]
        return (Quote(name, time_us, bid, sizes[0], ask, sizes[1], received_us),)

    def _answer(self, message: dict[str, Any]) -> Sequence[Event]:
        if message.get("success") is False:
            said = plain_text(message.get("ret_msg", "an error"))
            return (Notice("error", f"{self.title}: {said}"),)
        operation = message.get("op")
        if operation in ("ping", "pong"):
            return (Notice("alive", ""),)
        if operation in ("subscribe", "unsubscribe"):
            return ()
        raise MessageError("a message of no known kind")

    def _frames(
        self, what: str, kind: Literal["trades", "quotes"], names: list[str]
    ) -> tuple[str, ...]:
        topics = [_TOPICS[kind] + name.partition(":")[2] for name in names]
        return tuple(
            orjson.dumps({"op": what, "args": topics[start::_REQUESTS]}).decode()
            for start in range(min(_REQUESTS, len(topics)))
        )

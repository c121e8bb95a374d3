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

By REST, without a key:

``GET /v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000``, newest first::

    {"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{
     "execId":"5706445b-8543-59bc-8988-93e0f4a3f0f9","symbol":"BTCUSDT","price":"16814.50",
     "size":"0.001","side":"Buy","time":"1671970297430","isBlockTrade":false}]}}

``GET /v5/market/kline?category=linear&symbol=BTCUSDT&interval=1&start=..&end=..&limit=1000``,
newest first: time, open, high, low, close, volume, turnover in the quote currency::

    {"retCode":0,"retMsg":"OK","result":{"category":"linear","symbol":"BTCUSDT","list":[
     ["1670608800000","17071","17073","17027","17055.5","268.611","4584216.2"]]}}

``GET /v5/market/instruments-info?category=linear&limit=1000``, shortened::

    {"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[{"symbol":"BTCUSDT",
     "contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT",
     "priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"0.001",
     "minNotionalValue":"5"}}],"nextPageCursor":""}}

What is wrong is told with HTTP 200: ``{"retCode":10001,"retMsg":"...","result":{}}``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote as url_quote
from urllib.parse import urlencode

import orjson

from tandem.core.errors import MessageError, UnknownKind
from tandem.core.events import BUY, SELL, Event, Gap, Notice, OffBook, Trade
from tandem.core.instruments import instrument
from tandem.venues.base import (
    Keepalive,
    Kind,
    Method,
    WebsocketFeed,
    each_trade,
    plain_text,
    read_symbol,
)
from tandem.venues.fields import (
    amount,
    json_object,
    milliseconds,
    moment,
    positive,
    quote_of,
    side_of,
    top,
    whole,
)
from tandem.venues.rest import (
    Budget,
    Candle,
    Listing,
    Request,
    RestVenue,
    asset,
    candle,
    json_dict,
    json_or_empty,
    listed,
    reached_by,
    symbol_of,
)
from tandem.venues.venue import exchange

_TAKER = {"Buy": BUY, "Sell": SELL}
_TOPICS = {"trades": "publicTrade.", "quotes": "orderbook.1."}
_REQUESTS = 5

_TRADE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_DATED = re.compile(r"[A-Z0-9]{2,20}-[0-9]{2}[A-Z]{3}[0-9]{2}")
# Listed by the thousand.
_THOUSANDS = {"PEPE": "1000PEPE", "BONK": "1000BONK", "FLOKI": "1000FLOKI", "SHIB": "SHIB1000"}
_PAGE = 1000
_CURSOR = re.compile(r"[\w%.=-]{1,500}")


# Over the websocket -----------------------------------------------------------------------


class Bybit(WebsocketFeed):
    """Bybit's linear perpetuals, settled in USDT or USDC."""

    venue: ClassVar[str] = "bybit"
    title: ClassVar[str] = "Bybit"
    consecutive_ids: ClassVar[bool] = False
    charges_funding: ClassVar[bool] = True
    refuses_whole: ClassVar[bool] = True
    popular: ClassVar[tuple[str, ...]] = (
        *("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT", "ADAUSDT"),
        *("LINKUSDT", "AVAXUSDT", "LTCUSDT", "BCHUSDT", "DOTUSDT", "SUIUSDT", "1000PEPEUSDT"),
    )
    keepalive: ClassVar[Keepalive | None] = Keepalive('{"op":"ping"}', 20.0)
    max_instruments: ClassVar[int] = 500

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

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it cannot be parsed."""
        message = json_object(raw)
        topic = message.get("topic")
        if type(topic) is not str:
            return self._answer(message)
        try:
            if topic.startswith("publicTrade."):
                name = self._names[topic.removeprefix("publicTrade.")]
                return each_trade(message["data"], received_us, name, self._trade)
            if topic.startswith("orderbook.1."):
                return self._quote(message, message["data"], received_us)
        except KeyError as missing:
            raise MessageError(f"a message without {missing}") from None
        except (TypeError, IndexError):
            raise MessageError("a field of the wrong type") from None
        raise UnknownKind("a topic not asked for")

    def _trade(self, data: dict[str, Any], received_us: int) -> Trade | OffBook:
        if "BT" in data and data["BT"] is True:
            return OffBook(self._names[data["s"]], received_us)
        side, trade_id = side_of(data["S"], _TAKER), data["i"]
        if type(trade_id) is not str or not _TRADE_ID.fullmatch(trade_id):
            raise MessageError("the trade id is not one")
        return Trade(
            self._names[data["s"]],
            trade_id,
            milliseconds(data["T"]),
            positive(data["p"]),
            positive(data["v"]),
            side,
            received_us,
        )

    def _quote(
        self, message: dict[str, Any], data: dict[str, Any], received_us: int
    ) -> Sequence[Event]:
        bid, ask = map(top, (data["b"], data["a"]))
        time_us = milliseconds(message["ts"])
        return (quote_of(self._names[data["s"]], time_us, bid, ask, received_us),)

    def _answer(self, message: dict[str, Any]) -> Sequence[Event]:
        if message.get("success") is False:
            said = plain_text(message.get("ret_msg", "an error"))
            return (Notice("error", f"{self.title}: {said}"),)
        operation = message.get("op")
        if operation in ("ping", "pong"):
            return (Notice("alive", ""),)
        if operation in ("subscribe", "unsubscribe"):
            return ()
        raise UnknownKind("a message of no known kind")

    def frames(self, method: Method, kind: Kind, names: list[str]) -> tuple[str, ...]:
        """Return several requests: an unknown topic may fail its whole one."""
        topics = [_TOPICS[kind] + name.partition(":")[2] for name in names]
        return tuple(
            orjson.dumps({"op": method, "args": topics[start::_REQUESTS]}).decode()
            for start in range(min(_REQUESTS, len(topics)))
        )


# By REST ----------------------------------------------------------------------------------


class BybitRest(RestVenue):
    """Bybit's linear perpetuals by REST.

    Trade ids: ``execId``, a UUID as the stream's ``i``; in no order. Side: the taker's. Liveness:
    HTTP alone; addresses in the United States and some other countries get 403. Limits: 600
    requests in five seconds and address; whoever asks more gets 403 with "access too frequent" and
    must be quiet for ten minutes. Only the latest thousand trades are given, whenever asked, which
    on a busy contract is seconds: a gap is filled from its end as far as they reach. Candles say
    the notional, and not what takers bought.
    """

    venue: ClassVar[str] = Bybit.venue
    title: ClassVar[str] = Bybit.title
    budget = Budget(600, 5.0, 0.02)
    reach_us: ClassVar[int | None] = 0
    backwards: ClassVar[bool] = True
    consecutive_ids: ClassVar[bool] = False
    candles_per_page: ClassVar[int] = 1000
    _code: ClassVar[str] = "retCode"
    _throttling: ClassVar[tuple[object, ...]] = (10006, 10018)

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the latest thousand trades."""
        return self._ask("recent-trade", symbol=symbol_of(instrument), limit=_PAGE)

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return None: there is one page."""
        return None

    def complete_since(self, gap: Gap, page: Sequence[Trade]) -> int:
        """Return the gap's start, or the millisecond after the first trade where it is later."""
        return reached_by(gap, page, 1_000)

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to a thousand minutes."""
        return self._ask(
            "kline",
            symbol=symbol_of(instrument),
            interval=1,
            start=start_us // 1000,
            end=end_us // 1000 - 1,
            limit=self.candles_per_page,
        )

    def _rows(self, body: bytes, most: int) -> list[Any]:
        answer = json_dict(body)
        if answer["retCode"] != 0:
            raise MessageError("the venue answered with an error")
        return listed(answer["result"]["list"], most)

    def _trade_rows(self, body: bytes) -> list[Any]:
        # Newest first: those of one millisecond are then in their order. Block trades are left out.
        rows = super()._trade_rows(body)[::-1]
        return [row for row in rows if type(row) is not dict or row.get("isBlockTrade") is not True]

    @staticmethod
    def _order(trade: Trade) -> int:
        return trade.time_us

    def listing(self) -> Request:
        """Return the request for the first thousand contracts."""
        return self._ask("instruments-info", limit=1000)

    def more_listing(self, body: bytes) -> Request | None:
        """Return the request for the next thousand contracts."""
        result = json_or_empty(body).get("result")
        cursor = result.get("nextPageCursor") if type(result) is dict else None
        if type(cursor) is not str or not _CURSOR.fullmatch(cursor):
            return None
        request = self.listing()
        return Request(f"{request.url}&cursor={url_quote(cursor, safe='%')}")

    def throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too much was asked, in its status or its body."""
        is_blocked = status == 403 and b"too frequent" in body[:1_000]
        return is_blocked or super().throttled(status, body)

    def _ask(self, what: str, **query: str | int) -> Request:
        return Request(f"{self._url}/v5/market/{what}?{urlencode({'category': 'linear', **query})}")

    @staticmethod
    def _trade(data: Any, instrument: str, received_us: int) -> Trade:
        side, trade_id = side_of(data["side"], _TAKER), data["execId"]
        if type(trade_id) is not str or not _TRADE_ID.fullmatch(trade_id):
            raise MessageError("the trade id is not one")
        return Trade(
            instrument,
            trade_id,
            moment(whole(data["time"]) * 1000),
            positive(data["price"]),
            positive(data["size"]),
            side,
            received_us,
        )

    @staticmethod
    def _candle(row: Any) -> Candle:
        return candle(moment(whole(row[0]) * 1000), row[1:5], row[5], row[6])

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        kind = _KINDS.get(entry["contractType"])
        if entry["status"] != "Trading" or kind is None:
            return None
        lots = entry["lotSizeFilter"]
        return Listing(
            entry["symbol"],
            asset(entry["baseCoin"]),
            asset(entry["quoteCoin"]),
            kind,
            amount(entry["priceFilter"]["tickSize"]),
            amount(lots["qtyStep"]),
            amount(lots.get("minNotionalValue") or "0"),
        )


_KINDS: dict[str, Literal["perpetual", "future"]] = {
    "LinearPerpetual": "perpetual",
    "LinearFutures": "future",
}


VENUE = exchange(
    Bybit, BybitRest, "wss://stream.bybit.com/v5/public/linear", "https://api.bybit.com"
)

"""OKX, websocket v5: spot trades and quotes without a key.

The documented messages::

    {"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",
     "tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897",
     "count":"3"}]}
    {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["105252.6","0.16271274",
     "0","5"]],"bids":[["105252.5","1.1133491","0","19"]],"ts":"1749044565306","seqId":55729075884}]}
    {"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55"}
    {"event":"error","code":"60018","msg":"...","connId":"a4d3ae55"}
    {"event":"notice","code":"64008","msg":"The connection will soon be closed for a service
     upgrade. Please reconnect.","connId":"a4d3ae55"}
    pong

Trade ids are numbers written as text. One message stands for all that one order took at one price
(``count`` of them) and has the last one's id, so ids rise with jumps that are no gaps. Side: the
taker's. Liveness: a client from which nothing came for 30 seconds is cut off, so the text ``ping``
is sent every 20; the answer is the text ``pong``, which is not JSON. Limits: 3 connections a second
from one address, 480 requests an hour on a connection, 4,096 bytes a request. Spot only: on swaps
``sz`` counts contracts.

By REST, without a key, candles and symbols:

``GET /api/v5/market/history-candles?instId=BTC-USDT&bar=1m&before=..&after=..&limit=100``, newest
first, times between the two, both excluded: time, open, high, low, close, volume, volume and
volume again in the quote currency, finished or not::

    {"code":"0","msg":"","data":[["1597026383085","3.721","3.743","3.677","3.708","8422410",
     "22698348.04828491","12698348.04828491","1"]]}

``GET /api/v5/market/candles`` is the same for the last day, and fresher.

``GET /api/v5/public/instruments?instType=SPOT``, shortened::

    {"code":"0","msg":"","data":[{"instType":"SPOT","instId":"LTC-USDT","baseCcy":"LTC",
     "quoteCcy":"USDT","tickSz":"0.01","lotSz":"0.0001","minSz":"0.1","state":"live"}]}

What is wrong is told as ``{"code":"50011","msg":"...","data":[]}``, that one meaning too many.

Trades are not asked for. The stream gives one message for all that one order took at one price,
with the last id and the sum; ``history-trades`` gives every fill with an id of its own, and nothing
in it says which fills belong together. Filled from there, a gap's edges would count twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson

from tandem.core.clock import HOUR_US, MINUTE_US
from tandem.core.errors import MessageError, UnknownKind
from tandem.core.events import BUY, SELL, Event, NoQuote, Notice, Quote, Trade
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
    CandlesOnly,
    Listing,
    Request,
    asset,
    candle,
    json_dict,
    listed,
    symbol_of,
)
from tandem.venues.venue import exchange

_TAKER = {"buy": BUY, "sell": SELL}
_CHANNELS = {"trades": "trades", "quotes": "bbo-tbt"}
_PONG = (b"pong", "pong")
# A name takes up to 55 bytes of a request's 4,096.
_NAMES_IN_FRAME = 60
# The latest 1,440 minutes are served by another address; some room is left to the edge.
_LATEST_US = 23 * HOUR_US


# Over the websocket -----------------------------------------------------------------------


class Okx(WebsocketFeed):
    """OKX spot."""

    venue: ClassVar[str] = "okx"
    title: ClassVar[str] = "OKX"
    consecutive_ids: ClassVar[bool] = False
    popular: ClassVar[tuple[str, ...]] = (
        *("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT", "DOGE-USDT", "ADA-USDT", "LINK-USDT"),
        *("AVAX-USDT", "LTC-USDT", "BCH-USDT", "DOT-USDT", "ETH-BTC"),
    )
    keepalive: ClassVar[Keepalive | None] = Keepalive("ping", 20.0)
    max_instruments: ClassVar[int] = 300

    def instrument(self, text: str) -> str:
        """Return the pair meant by `text`: in USDT unless it says otherwise.

        Dollar pairs are thin here, so "BTCUSD" means BTC-USDT; "BTC-USD" is taken literally.
        """
        asset, quote = read_symbol(text, self.venue)
        if quote == "" or (quote == "USD" and "-" not in text):
            quote = "USDT"
        return instrument(self.venue, f"{asset}-{quote}")

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it cannot be parsed."""
        if raw in _PONG:
            return (Notice("alive", ""),)
        message = json_object(raw)
        try:
            if "event" in message:
                return self._event(message)
            arg, items = message["arg"], message["data"]
            name = self._names[arg["instId"]]
            if arg["channel"] == "trades":
                return each_trade(items, received_us, name, self._trade)
            if arg["channel"] == "bbo-tbt":
                return [_quote(name, data, received_us) for data in items]
        except KeyError as missing:
            raise MessageError(f"a message without {missing}") from None
        except (TypeError, IndexError):
            raise MessageError("a field of the wrong type") from None
        raise UnknownKind("a channel not asked for")

    def _trade(self, data: dict[str, Any], received_us: int) -> Trade:
        side = side_of(data["side"], _TAKER)
        return Trade(
            self._names[data["instId"]],
            whole(data["tradeId"]),
            moment(whole(data["ts"]) * 1000),
            positive(data["px"]),
            positive(data["sz"]),
            side,
            received_us,
        )

    def _event(self, message: dict[str, Any]) -> Sequence[Event]:
        event = message["event"]
        if event in ("subscribe", "unsubscribe", "channel-conn-count"):
            return ()
        said = plain_text(message.get("msg", "an error"))
        if event == "error" or event == "channel-conn-count-error":
            return (Notice("error", f"{self.title}: {said}"),)
        if event == "notice":
            return (Notice("closing", f"{self.title}: {said}"),)
        raise UnknownKind("an event of a kind not asked for")

    def frames(self, method: Method, kind: Kind, names: list[str]) -> tuple[str, ...]:
        """Return requests, each as long as the venue takes."""
        args = [{"channel": _CHANNELS[kind], "instId": name.partition(":")[2]} for name in names]
        return tuple(
            orjson.dumps({"op": method, "args": args[start : start + _NAMES_IN_FRAME]}).decode()
            for start in range(0, len(args), _NAMES_IN_FRAME)
        )


def _quote(name: str, data: dict[str, Any], received_us: int) -> Quote | NoQuote:
    bid, ask = map(top, (data["bids"], data["asks"]))
    return quote_of(name, moment(whole(data["ts"]) * 1000), bid, ask, received_us)


# By REST ----------------------------------------------------------------------------------


class OkxRest(CandlesOnly):
    """OKX spot by REST.

    Trade ids: not the stream's, so no trades are asked for. Side: none in candles. Liveness: HTTP
    alone. Limits: 20 requests in two seconds and address, 429 or code 50011 beyond. Candles go
    back for years, and say the notional but not what takers bought.
    """

    venue: ClassVar[str] = Okx.venue
    title: ClassVar[str] = Okx.title
    budget = Budget(20, 2.0, 0.1)
    consecutive_ids: ClassVar[bool] = False
    # 300 are documented for a page; 100 were, and are given in any case.
    candles_per_page: ClassVar[int] = 100
    _throttling: ClassVar[tuple[object, ...]] = ("50011",)

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to a hundred minutes."""
        recent = start_us > self._clock() - _LATEST_US
        end_us = min(end_us, start_us + self.candles_per_page * MINUTE_US)
        query = {
            "instId": symbol_of(instrument),
            "bar": "1m",
            "before": start_us // 1000 - 1,
            "after": end_us // 1000,
            "limit": self.candles_per_page,
        }
        path = "candles" if recent else "history-candles"
        return Request(f"{self._url}/api/v5/market/{path}?{urlencode(query)}")

    def _rows(self, body: bytes, most: int) -> list[Any]:
        answer = json_dict(body)
        if answer["code"] != "0":
            raise MessageError("the venue answered with an error")
        return listed(answer["data"], most)

    def listing(self) -> Request:
        """Return the request for all spot pairs."""
        return Request(f"{self._url}/api/v5/public/instruments?instType=SPOT")

    @staticmethod
    def _candle(row: Any) -> Candle:
        return candle(moment(whole(row[0]) * 1000), row[1:5], row[5], row[7])

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        if entry["state"] != "live" or entry["instType"] != "SPOT":
            return None
        return Listing(
            entry["instId"],
            asset(entry["baseCcy"]),
            asset(entry["quoteCcy"]),
            "spot",
            amount(entry["tickSz"]),
            amount(entry["lotSz"]),
            0.0,
        )


VENUE = exchange(Okx, OkxRest, "wss://ws.okx.com:8443/ws/v5/public", "https://www.okx.com")

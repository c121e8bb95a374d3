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
50 trades answers each subscription, so a short cut leaves no gap. Prices and quantities are
numbers, not text. Liveness: a heartbeat a second while subscribed; a connection is dropped after a
minute of silence. Limits: about 150 connections in ten minutes from one address. Every symbol of a
request is answered on its own, so an unknown one spoils nothing. Bitcoin is BTC here, not XBT.

By REST, without a key:

``GET /0/public/Trades?pair=XBTUSD&since=1688669597827736900&count=1000``: price, volume, time in
seconds, buy or sell, market or limit, a remark, trade id; ascending. ``since`` is in nanoseconds::

    {"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",
     61044952]],"last":"1688671969993150842"}}

``GET /0/public/OHLC?pair=XBTUSD&interval=1&since=1688671140``: time, open, high, low, close, vwap,
volume, trades; ascending, the last one still going on::

    {"error":[],"result":{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7",
     "30306.1","3.39243896",23]],"last":1688672160}}

``GET /0/public/AssetPairs``, shortened::

    {"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","lot_decimals":8,
     "ordermin":"0.0001","costmin":"0.5","tick_size":"0.1","status":"online"}}}

What is wrong is told with HTTP 200: ``{"error":["EQuery:Unknown asset pair"]}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import MessageError, UnknownKind
from tandem.core.events import (
    BUY,
    SELL,
    Event,
    Gap,
    NoQuote,
    Notice,
    PastTrade,
    Quote,
    Trade,
    TradeId,
    Unread,
)
from tandem.core.instruments import instrument
from tandem.venues.base import Kind, Method, WebsocketFeed, each_trade, plain_text, read_symbol
from tandem.venues.fields import (
    amount,
    iso_time,
    json_object,
    moment,
    positive,
    quote_of,
    side_of,
    trade_number,
)
from tandem.venues.rest import (
    MOST_LISTINGS,
    Budget,
    Candle,
    Listing,
    Request,
    RestVenue,
    asset,
    candle,
    decimal_step,
    is_by_id,
    json_dict,
    json_or_empty,
    listed,
    plain_number,
    symbol_of,
)
from tandem.venues.venue import exchange

_TAKER = {"buy": BUY, "sell": SELL}
_CHANNELS: dict[str, dict[str, Any]] = {
    "trades": {"channel": "trade"},
    "quotes": {"channel": "ticker", "event_trigger": "bbo"},
}
# Names of version 1, which people still type and REST still speaks of.
_NEW_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
_OLD_NAMES = {new: old for old, new in _NEW_NAMES.items()}
_REST_TAKER = {"b": BUY, "s": SELL}
_PAGE = 1000
_THROTTLED = ("Rate limit exceeded", "Too many requests", "Throttled", "Temporary lockout")


# Over the websocket -----------------------------------------------------------------------


class Kraken(WebsocketFeed):
    """Kraken spot."""

    venue: ClassVar[str] = "kraken"
    title: ClassVar[str] = "Kraken"
    consecutive_ids: ClassVar[bool] = True
    popular: ClassVar[tuple[str, ...]] = (
        *("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "DOGE/USD", "ADA/USD", "LINK/USD"),
        *("AVAX/USD", "LTC/USD", "BCH/USD", "DOT/USD", "ETH/BTC"),
    )
    max_instruments: ClassVar[int] = 300

    def instrument(self, text: str) -> str:
        """Return the pair meant by `text`: in dollars unless it says otherwise.

        Tether pairs are thin here, so "BTCUSDT" means BTC/USD; "BTC/USDT" is taken literally.
        """
        asset, quote = (_NEW_NAMES.get(part, part) for part in read_symbol(text, self.venue))
        if quote == "" or (quote == "USDT" and "/" not in text):
            quote = "USD"
        return instrument(self.venue, f"{asset}/{quote}")

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it cannot be parsed."""
        message = json_object(raw)
        channel = message.get("channel")
        try:
            if channel == "trade":
                trades = each_trade(message["data"], received_us, "", self._trade)
                if message.get("type") != "snapshot":
                    return trades
                # Its order is not documented.
                return [
                    PastTrade._make(one) if type(one) is Trade else one
                    for one in sorted(trades, key=_by_id)
                ]
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
        raise UnknownKind("a channel not asked for")

    def _trade(self, data: dict[str, Any], received_us: int) -> Trade:
        side = side_of(data["side"], _TAKER)
        price, quantity = plain_number(data["price"]), plain_number(data["qty"])
        if not (price > 0.0 and quantity > 0.0):
            raise MessageError("price or quantity is not positive")
        return Trade(
            self._names[data["symbol"]],
            trade_number(data["trade_id"]),
            iso_time(data["timestamp"]),
            price,
            quantity,
            side,
            received_us,
        )

    def _quote(self, data: dict[str, Any], received_us: int) -> Quote | NoQuote:
        # Its time came to the ticker later than its other fields.
        stamp = data.get("timestamp")
        time_us = received_us if stamp is None else iso_time(stamp)
        bid = plain_number(data["bid"]), plain_number(data["bid_qty"])
        ask = plain_number(data["ask"]), plain_number(data["ask_qty"])
        return quote_of(self._names[data["symbol"]], time_us, bid, ask, received_us)

    def _status(self, data: dict[str, Any]) -> Sequence[Event]:
        if data["system"] == "online":
            return ()
        return (Notice("error", f"{self.title}: its market is in {plain_text(data['system'])}"),)

    def _answer(self, message: dict[str, Any]) -> Sequence[Event]:
        if message.get("success") is False or "error" in message:
            return (Notice("error", f"{self.title}: {plain_text(message.get('error'))}"),)
        if "method" in message:
            return ()
        raise UnknownKind("a message of no known kind")

    def frames(self, method: Method, kind: Kind, names: list[str]) -> tuple[str, ...]:
        """Return one request, which the venue answers symbol by symbol."""
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


def _by_id(trade: Trade | Unread) -> tuple[str, TradeId]:
    return trade.instrument, trade.trade_id if type(trade) is Trade else 0


# By REST ----------------------------------------------------------------------------------


class KrakenRest(RestVenue):
    """Kraken by REST.

    Trade ids: as the stream's, a sequence per pair; they cannot be asked for, so a gap is found by
    its time. Side: the taker's. Liveness: HTTP alone. Limits: about one request a second and
    address; too many are told in the body, with HTTP 200. Trades go back to the first one, candles
    for 720 minutes whatever is asked. Candles say the vwap, and not what takers bought.
    """

    venue: ClassVar[str] = Kraken.venue
    title: ClassVar[str] = Kraken.title
    budget = Budget(15, 15.0, 1.0)
    consecutive_ids: ClassVar[bool] = True
    candles_per_page: ClassVar[int] = 720
    candle_reach_us: ClassVar[int | None] = 720 * MINUTE_US

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the first thousand trades from the gap's start."""
        return self._trades(instrument, gap.start_us - 1)

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return the request for the next thousand; None after a page that is not full.

        It begins with the last moment of the page again: trades of one order share their time,
        and a page may end between them.
        """
        if len(page) < _PAGE:
            return None
        first, last = page[0], page[-1]
        if last.time_us > gap.end_us:
            return None
        if is_by_id(gap) and isinstance(last.trade_id, int) and last.trade_id >= gap.last_id:
            return None
        stuck = first.time_us == last.time_us
        return self._trades(instrument, last.time_us if stuck else last.time_us - 1)

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for the minutes from `start_us`; the venue has no end to give."""
        return self._ask("OHLC", instrument, interval=1, since=start_us // SECOND_US - 60)

    def _rows(self, body: bytes, most: int) -> list[Any]:
        """Return the rows of the one pair in an answer, which has a name of its own there."""
        lists = [value for key, value in _result(body).items() if key != "last"]
        if len(lists) != 1:
            raise MessageError("an answer for more or less than one pair")
        return listed(lists[0], most)

    def _listing_rows(self, body: bytes) -> list[Any]:
        return listed(list(_result(body).values()), MOST_LISTINGS)

    def listing(self) -> Request:
        """Return the request for all pairs."""
        return Request(f"{self._url}/0/public/AssetPairs")

    def throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too much was asked, in its status or its body."""
        if super().throttled(status, body):
            return True
        errors = json_or_empty(body[:10_000]).get("error")
        return type(errors) is list and any(
            type(error) is str and any(words in error for words in _THROTTLED) for error in errors
        )

    def _trades(self, instrument: str, since_us: int) -> Request:
        return self._ask("Trades", instrument, since=max(0, since_us) * 1000, count=_PAGE)

    def _ask(self, what: str, instrument: str, **query: int) -> Request:
        base, _, counter = symbol_of(instrument).partition("/")
        pair = "".join(_OLD_NAMES.get(part, part) for part in (base, counter))
        return Request(f"{self._url}/0/public/{what}?{urlencode({'pair': pair, **query})}")

    @staticmethod
    def _trade(row: Any, instrument: str, received_us: int) -> Trade:
        side = side_of(row[3], _REST_TAKER)
        return Trade(
            instrument,
            trade_number(row[6]),
            moment(round(plain_number(row[2]) * SECOND_US)),
            positive(row[0]),
            positive(row[1]),
            side,
            received_us,
        )

    @staticmethod
    def _candle(row: Any) -> Candle:
        time_us = moment(round(plain_number(row[0])) * SECOND_US)
        found = candle(time_us, row[1:5], row[6])
        return found._replace(notional=amount(row[5]) * found.volume)

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        if entry["status"] != "online":
            return None
        base, _, counter = entry["wsname"].partition("/")
        base, counter = (_NEW_NAMES.get(part, part) for part in (base, counter))
        return Listing(
            f"{base}/{counter}",
            asset(base),
            asset(counter),
            "spot",
            amount(entry["tick_size"]),
            decimal_step(entry["lot_decimals"]),
            amount(entry.get("costmin") or "0"),
        )


def _result(body: bytes) -> dict[str, Any]:
    answer = json_dict(body)
    if answer["error"] != []:
        raise MessageError("the venue answered with an error")
    result = answer["result"]
    if type(result) is not dict:
        raise MessageError("the result is not an object")
    return result


VENUE = exchange(
    Kraken,
    KrakenRest,
    "wss://ws.kraken.com/v2",
    "https://api.kraken.com",
    is_tried=True,
)

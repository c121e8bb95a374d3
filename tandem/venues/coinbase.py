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

By REST, without a key:

``GET /products/BTC-USD/trades?limit=1000&after=86326523``, newest first, ids below ``after``::

    [{"trade_id":86326522,"side":"sell","size":"0.00698254","price":"268.262",
      "time":"2020-03-20T00:22:57.833897Z"}]

``GET /products/BTC-USD/candles?granularity=60&start=..&end=..``, newest first: time, low, high,
open, close, volume, all numbers; minutes without a trade are left out::

    [[1396224000,0.32,4.2,0.35,4.2,12.3]]

``GET /products``, shortened::

    [{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.01",
      "base_increment":"0.00000001","min_market_funds":"1","status":"online",
      "trading_disabled":false}]

What is wrong is told as ``{"message":"NotFound"}``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote as url_quote

import orjson

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import MessageError, UnknownKind
from tandem.core.events import BUY, SELL, Event, Gap, NoQuote, Notice, PastTrade, Quote, Trade
from tandem.core.instruments import instrument
from tandem.venues.base import Kind, Method, WebsocketFeed, plain_text, read_symbol
from tandem.venues.fields import (
    amount,
    best,
    iso_time,
    json_object,
    moment,
    positive,
    quote_of,
    side_of,
    trade_number,
)
from tandem.venues.rest import (
    Budget,
    Candle,
    Listing,
    Request,
    RestVenue,
    asset,
    is_by_id,
    plain_number,
    symbol_of,
)
from tandem.venues.venue import exchange

_TAKER = {"sell": BUY, "buy": SELL}
_CHANNELS = {"trades": ["matches", "heartbeat"], "quotes": ["ticker", "heartbeat"]}
# Eight requests a second and address are allowed.
_REQUESTS = 6
_PAGE = 1000


# Over the websocket -----------------------------------------------------------------------


class Coinbase(WebsocketFeed):
    """Coinbase Exchange."""

    venue: ClassVar[str] = "coinbase"
    title: ClassVar[str] = "Coinbase"
    consecutive_ids: ClassVar[bool] = True
    refuses_whole: ClassVar[bool] = True
    popular: ClassVar[tuple[str, ...]] = (
        *("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD", "LINK-USD"),
        *("AVAX-USD", "LTC-USD", "BCH-USD", "ETH-BTC"),
    )
    max_instruments: ClassVar[int] = 100

    def instrument(self, text: str) -> str:
        """Return the product meant by `text`: in dollars unless it says otherwise.

        Tether pairs are thin here, so "BTCUSDT" means BTC-USD; "BTC-USDT" is taken literally.
        """
        asset, quote = read_symbol(text, self.venue)
        if quote == "" or (quote == "USDT" and "-" not in text):
            quote = "USD"
        return instrument(self.venue, f"{asset}-{quote}")

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it cannot be parsed."""
        message = json_object(raw)
        kind = message.get("type")
        try:
            if kind == "match":
                return (self._trade(message, received_us),)
            if kind == "last_match":
                return (PastTrade._make(self._trade(message, received_us)),)
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
            said, why = (plain_text(message.get(key, "")) for key in ("message", "reason"))
            return (Notice("error", plain_text(f"{self.title}: {said}: {why}")),)
        raise UnknownKind("a message of no known kind")

    def _trade(self, message: dict[str, Any], received_us: int) -> Trade:
        side = side_of(message["side"], _TAKER)
        return Trade(
            self._names[message["product_id"]],
            trade_number(message["trade_id"]),
            iso_time(message["time"]),
            positive(message["price"]),
            positive(message["size"]),
            side,
            received_us,
        )

    def _quote(self, message: dict[str, Any], received_us: int) -> Quote | NoQuote:
        bid = best(message["best_bid"]), best(message["best_bid_size"])
        ask = best(message["best_ask"]), best(message["best_ask_size"])
        name, time_us = self._names[message["product_id"]], iso_time(message["time"])
        return quote_of(name, time_us, bid, ask, received_us)

    def frames(self, method: Method, kind: Kind, names: list[str]) -> tuple[str, ...]:
        """Return as many requests as are allowed: an unknown product spoils its whole one."""
        parts = min(_REQUESTS if method == "subscribe" else 1, len(names))
        return tuple(
            orjson.dumps(
                {
                    "type": method,
                    "product_ids": [name.partition(":")[2] for name in names[first::parts]],
                    "channels": _CHANNELS[kind],
                }
            ).decode()
            for first in range(parts)
        )


# By REST ----------------------------------------------------------------------------------


class CoinbaseRest(RestVenue):
    """Coinbase Exchange by REST.

    Trade ids: ``trade_id`` as in the stream, consecutive per product. Side: the *maker's*, so it
    is flipped here. Liveness: HTTP alone. Limits: 10 requests a second and address, 429 beyond.
    Pages go back from the newest; a gap known only by its time is looked for from now on
    backwards, so one long ago costs many pages. 300 candles an answer, more are refused; they say
    neither what takers bought nor the notional.
    """

    venue: ClassVar[str] = Coinbase.venue
    title: ClassVar[str] = Coinbase.title
    budget = Budget(10, 1.0, 0.1)
    backwards: ClassVar[bool] = True
    consecutive_ids: ClassVar[bool] = True
    candles_per_page: ClassVar[int] = 300

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the newest thousand trades of the gap."""
        return self._trades(instrument, gap.last_id + 1 if is_by_id(gap) else None)

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return the request for the thousand trades before the page."""
        if not page or not isinstance(page[0].trade_id, int) or page[0].trade_id <= 1:
            return None
        covered = (
            page[0].trade_id <= gap.first_id if is_by_id(gap) else page[0].time_us < gap.start_us
        )
        return None if covered else self._trades(instrument, page[0].trade_id)

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to 300 minutes; both ends are included by the venue."""
        end_us = min(end_us, start_us + self.candles_per_page * MINUTE_US) - MINUTE_US
        span = f"start={_iso(start_us)}&end={_iso(max(start_us, end_us))}"
        return Request(f"{self._product(instrument)}/candles?granularity=60&{span}")

    def listing(self) -> Request:
        """Return the request for all products."""
        return Request(f"{self._url}/products")

    def _product(self, instrument: str) -> str:
        return f"{self._url}/products/{url_quote(symbol_of(instrument), safe='')}"

    def _trades(self, instrument: str, after: int | None) -> Request:
        cursor = "" if after is None else f"&after={after}"
        return Request(f"{self._product(instrument)}/trades?limit={_PAGE}{cursor}")

    @staticmethod
    def _trade(data: Any, instrument: str, received_us: int) -> Trade:
        side = side_of(data["side"], _TAKER)
        return Trade(
            instrument,
            trade_number(data["trade_id"]),
            iso_time(data["time"]),
            positive(data["price"]),
            positive(data["size"]),
            side,
            received_us,
        )

    @staticmethod
    def _candle(row: Any) -> Candle:
        begin, low, high, open_, close, volume = (plain_number(value) for value in row[:6])
        if low <= 0.0:
            raise MessageError("a price is not positive")
        time_us = moment(round(begin) * SECOND_US)
        return Candle(time_us, open_, high, low, close, volume, math.nan, math.nan)

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        if entry["status"] != "online" or entry.get("trading_disabled") is True:
            return None
        return Listing(
            entry["id"],
            asset(entry["base_currency"]),
            asset(entry["quote_currency"]),
            "spot",
            amount(entry["quote_increment"]),
            amount(entry["base_increment"]),
            amount(entry.get("min_market_funds") or "0"),
        )


def _iso(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // SECOND_US, UTC):%Y-%m-%dT%H:%M:%SZ}"


VENUE = exchange(
    Coinbase,
    CoinbaseRest,
    "wss://ws-feed.exchange.coinbase.com",
    "https://api.exchange.coinbase.com",
    is_tried=True,
)

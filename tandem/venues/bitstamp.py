"""Bitstamp, websocket v2: trades without a key, served in the United States.

Real messages::

    {"data":{"id":216000477,"timestamp":"1641343699","amount":0.0792,"amount_str":"0.07920000",
     "price":3805.44,"price_str":"3805.44","type":0,"microtimestamp":"1641343699596000",
     "buy_order_id":1443875737346049,"sell_order_id":1443875731320832},
     "channel":"live_trades_ethusd","event":"trade"}
    {"event":"bts:subscription_succeeded","channel":"live_trades_ethusd","data":{}}

and documented ones::

    {"event":"bts:heartbeat","channel":"","data":{"status":"success"}}
    {"event":"bts:request_reconnect","channel":"","data":""}
    {"event":"bts:error","channel":"","data":{"code":null,"message":"Incorrect JSON format."}}

Trade ids are numbers that rise over all pairs together, so a jump is no gap. Side: ``type`` is the
taker's, 0 bought, 1 sold. Liveness: a ``bts:heartbeat`` every 20 seconds is answered, pair or no
pair. Limits: a connection lives for 90 days at most; before maintenance the server asks for a new
one. A channel is subscribed by a frame of its own (the recorded session sent twenty within a
millisecond and had them all), so twenty pairs at most. Quotes: none; the book comes only by the
hundred levels.

By REST, without a key:

``GET /api/v2/transactions/btcusd/?time=hour``, newest first, whole seconds; the last minute, hour
or day::

    [{"date":"1551814435","tid":"83581898","price":"0.03532850","type":"1","amount":"0.85945907"}]

``GET /api/v2/ohlc/btcusd/?step=60&start=..&end=..&limit=1000``, ascending, both ends included::

    {"data":{"pair":"BTC/USD","ohlc":[{"high":"9064.77","timestamp":"1593961440",
     "volume":"18.49436608","low":"9040.87","close":"9064.77","open":"9040.87"}]}}

``GET /api/v2/markets/``, shortened::

    [{"name":"BTC/USD","market_symbol":"btcusd","base_currency":"BTC","base_decimals":8,
      "counter_currency":"USD","counter_decimals":0,"minimum_order_value":"10",
      "trading":"Enabled","market_type":"SPOT"}]

What is wrong is told as ``{"status":"error","reason":"...","code":"404.002"}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote as url_quote
from urllib.parse import urlencode

import orjson

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import UnknownKind
from tandem.core.events import BUY, SELL, Event, Gap, Notice, Trade
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
from tandem.venues.fields import amount, json_object, moment, positive, side_of, trade_number, whole
from tandem.venues.rest import (
    MOST_CANDLES,
    Budget,
    Candle,
    Listing,
    Request,
    RestVenue,
    asset,
    candle,
    decimal_step,
    json_dict,
    listed,
    reached_by,
    symbol_of,
)
from tandem.venues.venue import exchange

_CHANNEL = "live_trades_"
_TAKER = {0: BUY, 1: SELL}
_ACKNOWLEDGED = ("bts:subscription_succeeded", "bts:unsubscription_succeeded")
_REST_TAKER = {"0": BUY, "1": SELL}
# Room between what is asked for and the edge of the span the venue gives.
_MARGIN_US = 2 * MINUTE_US


# Over the websocket -----------------------------------------------------------------------


class Bitstamp(WebsocketFeed):
    """Bitstamp spot. Symbols are shown in capitals and sent in small letters."""

    venue: ClassVar[str] = "bitstamp"
    title: ClassVar[str] = "Bitstamp"
    consecutive_ids: ClassVar[bool] = False
    quotes: ClassVar[bool] = False
    popular: ClassVar[tuple[str, ...]] = (
        *("BTCUSD", "ETHUSD", "XRPUSD", "SOLUSD", "LTCUSD", "ADAUSD", "LINKUSD", "DOGEUSD"),
        *("BTCEUR", "ETHEUR", "ETHBTC"),
    )
    keepalive: ClassVar[Keepalive | None] = Keepalive('{"event":"bts:heartbeat"}', 20.0)
    renew_s: ClassVar[float] = 89 * 86_400.0
    max_instruments: ClassVar[int] = 20

    def instrument(self, text: str) -> str:
        """Return the pair meant by `text`: in dollars unless it says otherwise."""
        asset, quote = read_symbol(text, self.venue)
        return instrument(self.venue, asset + (quote or "USD"))

    def frames(self, method: Method, kind: Kind, names: list[str]) -> tuple[str, ...]:
        """Return one request for each pair."""
        channels = [_CHANNEL + name.partition(":")[2].lower() for name in names]
        return tuple(
            orjson.dumps({"event": f"bts:{method}", "data": {"channel": one}}).decode()
            for one in channels
        )

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it cannot be parsed."""
        message = json_object(raw)
        event = message.get("event")
        if event == "trade":
            channel = message.get("channel")
            if type(channel) is not str or not channel.startswith(_CHANNEL):
                raise UnknownKind("a trade of a channel not asked for")
            name = self._names[channel.removeprefix(_CHANNEL)]
            return each_trade(
                [message.get("data")], received_us, name, partial(_streamed_trade, name)
            )
        if event == "bts:heartbeat":
            return (Notice("alive", ""),)
        if event == "bts:request_reconnect":
            return (Notice("closing", f"{self.title} is about to restart this server."),)
        if event == "bts:error":
            data = message.get("data")
            said = data.get("message", "an error") if type(data) is dict else "an error"
            return (Notice("error", f"{self.title}: {plain_text(said)}"),)
        if event in _ACKNOWLEDGED:
            return ()
        raise UnknownKind("an event of a kind not asked for")


def _streamed_trade(name: str, data: dict[str, Any], received_us: int) -> Trade:
    side = side_of(data["type"], _TAKER)
    return Trade(
        name,
        trade_number(data["id"]),
        moment(whole(data["microtimestamp"])),
        positive(data["price_str"]),
        positive(data["amount_str"]),
        side,
        received_us,
    )


# By REST ----------------------------------------------------------------------------------


class BitstampRest(RestVenue):
    """Bitstamp spot by REST.

    Trade ids: ``tid``, the stream's ``id``; they rise over all pairs together. Side: ``type`` is
    the taker's, 0 bought, 1 sold. Liveness: HTTP alone. Limits: 400 requests a second and 10,000 in
    ten minutes. Times of trades are whole seconds, so within one only the id tells the order.
    Trades of the last day at most, a whole hour or day in one answer. Candles say neither what
    takers bought nor the notional.
    """

    venue: ClassVar[str] = Bitstamp.venue
    title: ClassVar[str] = Bitstamp.title
    budget = Budget(10_000, 600.0, 0.05)
    reach_us: ClassVar[int | None] = DAY_US - _MARGIN_US
    backwards: ClassVar[bool] = True
    consecutive_ids: ClassVar[bool] = False
    time_step_us: ClassVar[int] = SECOND_US
    candles_per_page: ClassVar[int] = 1000
    _throttling: ClassVar[tuple[object, ...]] = ("400.002", "400.067", "400.068")

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the hour or day the gap lies in; None if it began before."""
        age_us = self._clock() - gap.start_us + _MARGIN_US
        span = "hour" if age_us < HOUR_US else "day" if age_us < DAY_US else None
        if span is None:
            return None
        return Request(f"{self._url}/api/v2/transactions/{_pair(instrument)}/?time={span}")

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return None: there is one page."""
        return None

    def complete_since(self, gap: Gap, page: Sequence[Trade]) -> int:
        """Return the gap's start, or the second after the first trade where it is later."""
        return reached_by(gap, page, SECOND_US)

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to a thousand minutes; both ends are included."""
        end_us = min(end_us, start_us + self.candles_per_page * MINUTE_US) - MINUTE_US
        query = {
            "step": 60,
            "start": start_us // SECOND_US,
            "end": max(start_us, end_us) // SECOND_US,
            "limit": self.candles_per_page,
        }
        return Request(f"{self._url}/api/v2/ohlc/{_pair(instrument)}/?{urlencode(query)}")

    def _candle_rows(self, body: bytes) -> list[Any]:
        return listed(json_dict(body)["data"]["ohlc"], MOST_CANDLES)

    def listing(self) -> Request:
        """Return the request for all markets."""
        return Request(f"{self._url}/api/v2/markets/")

    @staticmethod
    def _trade(data: Any, instrument: str, received_us: int) -> Trade:
        side = side_of(data["type"], _REST_TAKER)
        return Trade(
            instrument,
            trade_number(whole(data["tid"])),
            moment(whole(data["date"]) * SECOND_US),
            positive(data["price"]),
            positive(data["amount"]),
            side,
            received_us,
        )

    @staticmethod
    def _candle(row: Any) -> Candle:
        prices = [row[name] for name in ("open", "high", "low", "close")]
        return candle(moment(whole(row["timestamp"]) * SECOND_US), prices, row["volume"])

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        if entry["trading"] != "Enabled" or entry["market_type"] != "SPOT":
            return None
        return Listing(
            entry["market_symbol"],
            asset(entry["base_currency"]),
            asset(entry["counter_currency"]),
            "spot",
            decimal_step(entry["counter_decimals"]),
            decimal_step(entry["base_decimals"]),
            amount(entry.get("minimum_order_value") or "0"),
        )


def _pair(instrument: str) -> str:
    return url_quote(symbol_of(instrument).lower(), safe="")


VENUE = exchange(Bitstamp, BitstampRest, "wss://ws.bitstamp.net", "https://www.bitstamp.net")

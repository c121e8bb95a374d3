"""Binance: USD-M futures and spot, and Binance.US.

Both send combined-stream frames; these are real ones::

    {"stream":"akrousdt@aggTrade","data":{"e":"aggTrade","E":1626992742291,"a":14888302,
     "s":"AKROUSDT","p":"0.01731","q":"312","f":27931348,"l":27931348,"T":1626992742134,"m":true}}
    {"stream":"sushiusdt@bookTicker","data":{"e":"bookTicker","u":600859600576,"s":"SUSHIUSDT",
     "b":"7.6110","B":"2","a":"7.6120","A":"297","T":1626992741012,"E":1626992741017}}
    {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,
     "s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}

Trade ids: ``a`` counts up by one per symbol, so a jump is a gap. Side: ``m`` is true where the
buyer was the maker, so the taker sold. Liveness: the server pings every 3 minutes (USD-M) or
20 seconds (spot). Limits: 1,024 streams a connection, 10 messages a second from us, and the
connection ends after 24 hours, so a new one takes over after 23.

A misspelt symbol is acknowledged like any other and stays silent for ever.

Binance.US is spot only and speaks like spot (pings every 3 minutes, 5 messages a second from us).
Where it serves, the other two answer HTTP 451, sometimes 403.

USD-M futures are served by route: trades and mark prices on ``/market``, best bid and ask on
``/public``. The address without a route still connects and acknowledges, and delivers nothing.

By REST, without a key:

``GET /fapi/v1/aggTrades?symbol=BTCUSDT&fromId=26129&limit=1000`` answers (spot adds ``M``)::

    [{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true}]

``GET /fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=..&endTime=..&limit=1000``: opening time,
open, high, low, close, volume, closing time, quote volume, trades, volume and quote volume of the
takers that bought, and a field to ignore::

    [[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",
      1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","17928899.62484339"]]

``GET /fapi/v1/exchangeInfo``, shortened::

    {"symbols":[{"symbol":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING",
     "baseAsset":"BTC","quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER",
     "tickSize":"0.10"},{"filterType":"LOT_SIZE","stepSize":"0.001"},
     {"filterType":"MIN_NOTIONAL","notional":"100"}]}]}

``GET /fapi/v1/fundingRate?symbol=BTCUSDT&startTime=..&endTime=..&limit=1000``, USD-M only::

    [{"symbol":"BTCUSDT","fundingRate":"-0.03750000","fundingTime":1570608000000,
     "markPrice":"34287.54619963"}]

What is wrong is told as ``{"code":-1121,"msg":"Invalid symbol."}`` with HTTP 400.

Trade ids: the aggregate trade id ``a``, the same as the stream's, consecutive per symbol. Side:
``m`` is true where the buyer was the maker, so the taker sold. Liveness: a request is answered or
it is not; 451, sometimes 403, means the region is refused. Limits: weights are counted by address
and minute and told in ``X-MBX-USED-WEIGHT-1M``; beyond them 429, and whoever goes on gets 418 for
minutes up to days, both with ``Retry-After``. USD-M gives trades of the last 48 hours only and says
code -4166 beyond; ids and times must not be asked for together.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote as url_quote
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import orjson

from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import MessageError, UnknownKind
from tandem.core.events import BUY, SELL, Event, Funding, Gap, Notice, OffBook, Trade
from tandem.core.instruments import instrument
from tandem.venues.base import Kind, Method, Route, WebsocketFeed, plain_text, read_symbol
from tandem.venues.fields import (
    MOST_ID,
    MOST_PRICE,
    amount,
    best,
    json_object,
    milliseconds,
    moment,
    number,
    positive,
    quote_of,
    trade_number,
)
from tandem.venues.rest import (
    MOST_CANDLES,
    MOST_LISTINGS,
    Budget,
    Candle,
    Listing,
    Request,
    RestVenue,
    asset,
    candle,
    candle_bars,
    is_by_id,
    json_dict,
    json_list,
    json_or_empty,
    listed,
    reading,
    symbol_of,
)
from tandem.venues.venue import exchange

# Addresses longer than some thousand characters are refused; the rest is subscribed by frame.
_STREAMS_IN_URL = 50
_STREAMS_IN_FRAME = 200
# Half of what calling the type costs.
_new_trade = tuple.__new__

_DATED = re.compile(r"[A-Z0-9]{2,20}_[0-9]{6}")
_PAGE = 1000
_USED_HEADER = "X-MBX-USED-WEIGHT-1M"
_TOO_FAR_BACK = -4166
# Far beyond any; a larger one is no number of trades.
MOST_TRADES_OF_CANDLE = 2**31


# Over the websocket -----------------------------------------------------------------------


class _Binance(WebsocketFeed):
    """What USD-M futures and spot have in common."""

    consecutive_ids: ClassVar[bool] = True
    # An hour before the venue's own cut, so that there is time to try again.
    renew_s: ClassVar[float] = 23 * 3_600.0

    _trade_path: ClassVar[str]
    _quote_path: ClassVar[str]
    _trade_streams: ClassVar[tuple[str, ...]]

    def __init__(self, url: str) -> None:
        super().__init__(url.rstrip("/"))
        self._request = itertools.count(1)
        self._parsers: dict[str, Callable[[dict[str, Any], int], Event]] = {
            "trade": self._single_trade,
            "bookTicker": self._quote,
            "markPriceUpdate": self._funding,
            "serverShutdown": _closing,
        }

    def instrument(self, text: str) -> str:
        """Return the instrument meant by `text`: quoted in USDT unless it says otherwise."""
        asset, quote = read_symbol(text, self.venue)
        return instrument(self.venue, asset + ("USDT" if quote in ("", "USD") else quote))

    def parse(self, raw: bytes | str, received_us: int) -> Sequence[Event]:
        """Turn one message into events; raises MessageError if it cannot be parsed."""
        message = json_object(raw)
        data = message.get("data", message)
        if type(data) is not dict:
            raise MessageError("data is not an object")
        kind = data.get("e")
        try:
            if kind == "aggTrade":
                return (self._trade(data, data["a"], received_us),)
            if kind is None:
                return self._without_kind(message, data, received_us)
            parser = self._parsers.get(kind)
            if parser is None:
                raise UnknownKind("an event of a kind not asked for")
            return (parser(data, received_us),)
        except KeyError as missing:
            raise MessageError(f"a message without {missing}") from None
        except TypeError:
            raise MessageError("a field of the wrong type") from None

    def _single_trade(self, data: dict[str, Any], received_us: int) -> Event:
        # Aggregated trades are of the order book alone.
        if data.get("X", "MARKET") != "MARKET":
            return OffBook(self._names[data["s"]], received_us)
        return self._trade(data, data["t"], received_us)

    def _trade(self, data: dict[str, Any], trade_id: Any, received_us: int) -> Event:
        # The checks are written out: a helper per field would double the cost of a trade.
        price_text, quantity_text = data["p"], data["q"]
        time_ms, buyer_made = data["T"], data["m"]
        if type(price_text) is not str or type(quantity_text) is not str:
            raise MessageError("price or quantity is not text")
        try:
            price, quantity = float(price_text), float(quantity_text)
        except ValueError:
            raise MessageError("price or quantity is not a number") from None
        if not (0.0 < price < MOST_PRICE and 0.0 < quantity < MOST_PRICE):
            raise MessageError("price or quantity is not positive and finite")
        if type(trade_id) is not int or not 0 <= trade_id <= MOST_ID:
            raise MessageError("the trade id is not a whole number")
        if type(time_ms) is not int:
            raise MessageError("the trade time is not a whole number")
        if buyer_made is not True and buyer_made is not False:
            raise MessageError("the side is not true or false")
        time_us = moment(time_ms * 1000)
        side = SELL if buyer_made else BUY
        name = self._names[data["s"]]
        return _new_trade(Trade, (name, trade_id, time_us, price, quantity, side, received_us))

    def _quote(self, data: dict[str, Any], received_us: int) -> Event:
        # Spot quotes carry no time of their own.
        time_us = milliseconds(data["T"]) if "T" in data else received_us
        bid, ask = (best(data["b"]), best(data["B"])), (best(data["a"]), best(data["A"]))
        return quote_of(self._names[data["s"]], time_us, bid, ask, received_us)

    def _funding(self, data: dict[str, Any], received_us: int) -> Event:
        # Delivery contracts pay no funding: their rate is empty and the next time 0.
        rate = number(data["r"]) if data["r"] != "" else 0.0
        if not -1.0 < rate < 1.0:
            raise MessageError("the funding rate is not plausible")
        next_us = milliseconds(data["T"]) if data["T"] != 0 else 0
        mark = positive(data["p"])
        name, time_us = self._names[data["s"]], milliseconds(data["E"])
        return Funding(name, time_us, rate, next_us, mark, received_us)

    def _without_kind(
        self, message: dict[str, Any], data: dict[str, Any], received_us: int
    ) -> Sequence[Event]:
        error = message.get("error")
        if error is not None or "code" in message:
            said = error if type(error) is dict else message
            return (Notice("error", f"{self.title}: {plain_text(said.get('msg', 'an error'))}"),)
        if "result" in message and "id" in message:
            return ()
        if "b" in data and "a" in data and "u" in data:
            return (self._quote(data, received_us),)
        raise UnknownKind("a message of no known kind")

    def frames(self, method: Method, kind: Kind, names: list[str]) -> tuple[str, ...]:
        """Return requests, each as long as the venue takes."""
        return self._requests(method, self._streams(kind, names))

    def _requests(self, method: Method, streams: list[str]) -> tuple[str, ...]:
        starts = range(0, len(streams), _STREAMS_IN_FRAME)
        asked = [streams[start : start + _STREAMS_IN_FRAME] for start in starts]
        said = {"method": method.upper()}
        return tuple(
            orjson.dumps(said | {"params": names, "id": next(self._request)}).decode()
            for names in asked
        )

    def _route(self, kind: Kind, names: list[str]) -> Route:
        streams = self._streams(kind, names)
        first = "/".join(url_quote(name, safe="@") for name in streams[:_STREAMS_IN_URL])
        path = self._trade_path if kind == "trades" else self._quote_path
        return (
            super()
            ._route(kind, names)
            ._replace(
                url=f"{self._url}{path}?streams={first}",
                frames=self._requests("subscribe", streams[_STREAMS_IN_URL:]),
            )
        )

    def _streams(self, kind: Kind, names: list[str]) -> list[str]:
        kinds = self._trade_streams if kind == "trades" else ("@bookTicker",)
        symbols = [name.partition(":")[2].lower() for name in names]
        return [symbol + one for symbol in symbols for one in kinds]


class BinanceUsdm(_Binance):
    """Binance USD-M perpetual futures."""

    venue: ClassVar[str] = "binance-usdm"
    title: ClassVar[str] = "Binance USD-M"
    charges_funding: ClassVar[bool] = True
    popular: ClassVar[tuple[str, ...]] = (
        *("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT"),
        *("LINKUSDT", "AVAXUSDT", "LTCUSDT", "BCHUSDT", "DOTUSDT", "SUIUSDT", "1000PEPEUSDT"),
    )
    max_instruments: ClassVar[int] = 500

    _trade_path: ClassVar[str] = "/market/stream"
    _quote_path: ClassVar[str] = "/public/stream"
    _trade_streams: ClassVar[tuple[str, ...]] = ("@aggTrade", "@markPrice")

    # Listed by the thousand.
    _thousands = frozenset({"PEPE", "SHIB", "BONK", "FLOKI"})

    def instrument(self, text: str) -> str:
        """Return the perpetual meant by `text`; "BTCUSDT_261225" names a dated future."""
        symbol = text.strip().upper().removeprefix(self.venue.upper() + ":")
        if _DATED.fullmatch(symbol):
            return instrument(self.venue, symbol)
        name = super().instrument(text)
        asset = name.partition(":")[2].removesuffix("USDT")
        return f"{self.venue}:1000{asset}USDT" if asset in self._thousands else name


class BinanceSpot(_Binance):
    """Binance spot. Quotes bring no time of their own and there is no funding."""

    venue: ClassVar[str] = "binance-spot"
    title: ClassVar[str] = "Binance spot"
    popular: ClassVar[tuple[str, ...]] = (
        *("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT"),
        *("LINKUSDT", "AVAXUSDT", "LTCUSDT", "ETHBTC", "SOLBTC"),
    )
    max_instruments: ClassVar[int] = 1000

    _trade_path: ClassVar[str] = "/stream"
    _quote_path: ClassVar[str] = "/stream"
    _trade_streams: ClassVar[tuple[str, ...]] = ("@aggTrade",)


class BinanceUs(BinanceSpot):
    """Binance.US: spot for the United States."""

    venue: ClassVar[str] = "binance-us"
    title: ClassVar[str] = "Binance.US"
    popular: ClassVar[tuple[str, ...]] = (
        *("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT"),
        *("LINKUSDT", "AVAXUSDT", "LTCUSDT", "ETHBTC"),
    )
    # Two frames beside the address: five a second are allowed, and a change may need twice two.
    max_instruments: ClassVar[int] = 400

    def instrument(self, text: str) -> str:
        """Return the pair meant by `text`: in USDT unless it says otherwise.

        Dollar pairs exist beside those in USDT here, so "BTCUSD" is taken literally.
        """
        asset, quote = read_symbol(text, self.venue)
        return instrument(self.venue, asset + (quote or "USDT"))


def _closing(data: dict[str, Any], received_us: int) -> Event:
    return Notice("closing", "Binance is restarting this server; reconnecting to another.")


# By REST ----------------------------------------------------------------------------------


class _BinanceRest(RestVenue):
    """What the three have in common."""

    backwards: ClassVar[bool] = True
    consecutive_ids: ClassVar[bool] = True
    candles_per_page: ClassVar[int] = 1000

    _path: ClassVar[str]
    _trades_weight: ClassVar[int]
    _listing_weight: ClassVar[int]
    _listing_query: ClassVar[str] = ""

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the gap's last thousand trades, or for the latest there are.

        A gap known only by its time is walked from now back: with times the venue's limit has
        been seen to count from their end, so a page's beginning would prove nothing.
        """
        if not is_by_id(gap):
            return self._trades(instrument, limit=_PAGE)
        return self._before(instrument, gap, gap.last_id + 1)

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return the request for the thousand trades before the page; None at the gap's start."""
        if not page or not isinstance(page[0].trade_id, int):
            return None
        # Ids begin at 0 or 1.
        if not is_by_id(gap) and (page[0].time_us < gap.start_us or page[0].trade_id <= 1):
            return None
        return self._before(instrument, gap, page[0].trade_id)

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to a thousand minutes; few are cheaper on USD-M."""
        return self._klines(instrument, start_us, end_us, "1m", MINUTE_US)

    def _klines(
        self, instrument: str, start_us: int, end_us: int, interval: str, interval_us: int
    ) -> Request:
        count = -(-(end_us - start_us) // interval_us)
        limit = min(max(count, 1), self.candles_per_page)
        query = {
            "symbol": symbol_of(instrument),
            "interval": interval,
            "startTime": start_us // 1000,
            "endTime": end_us // 1000 - 1,
            "limit": limit,
        }
        url = f"{self._url}{self._path}/klines?{urlencode(query)}"
        return Request(url, self._candles_weight(limit))

    def listing(self) -> Request:
        """Return the request for all symbols."""
        url = f"{self._url}{self._path}/exchangeInfo{self._listing_query}"
        return Request(url, self._listing_weight)

    def _listing_rows(self, body: bytes) -> list[Any]:
        return listed(json_dict(body)["symbols"], MOST_LISTINGS)

    def _candles_weight(self, limit: int) -> int:
        return 2

    def _before(self, instrument: str, gap: Gap, end_id: int) -> Request | None:
        """Return the request for up to a thousand trades of a gap with ids below `end_id`."""
        first = max(end_id - _PAGE, gap.first_id, 0)
        if first >= end_id:
            return None
        return self._trades(instrument, fromId=first, limit=end_id - first)

    def _trades(self, instrument: str, **query: int) -> Request:
        address = urlencode({"symbol": symbol_of(instrument), **query})
        return Request(f"{self._url}{self._path}/aggTrades?{address}", self._trades_weight)

    @staticmethod
    def _trade(data: Any, instrument: str, received_us: int) -> Trade:
        buyer_made = data["m"]
        if buyer_made is not True and buyer_made is not False:
            raise MessageError("the side is not true or false")
        return Trade(
            instrument,
            trade_number(data["a"]),
            milliseconds(data["T"]),
            positive(data["p"]),
            positive(data["q"]),
            SELL if buyer_made else BUY,
            received_us,
        )

    @staticmethod
    def _candle(row: Any) -> Candle:
        return candle(milliseconds(row[0]), row[1:5], row[5], row[7], row[9])

    @staticmethod
    def _listing(entry: Any) -> Listing | None:
        if entry["status"] != "TRADING":
            return None
        # Only futures have a kind of contract.
        kind = _KINDS.get(entry["contractType"]) if "contractType" in entry else "spot"
        if kind is None:
            return None
        filters = {item["filterType"]: item for item in entry["filters"]}
        least = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
        return Listing(
            entry["symbol"],
            asset(entry["baseAsset"]),
            asset(entry["quoteAsset"]),
            kind,
            amount(filters["PRICE_FILTER"]["tickSize"]),
            amount(filters["LOT_SIZE"]["stepSize"]),
            amount(least.get("notional") or least.get("minNotional") or "0"),
        )


class BinanceUsdmRest(_BinanceRest):
    """Binance USD-M futures by REST.

    Trade ids: as the stream's, consecutive. Side: the taker's, from ``m``. Liveness: HTTP alone.
    Limits: 2,400 of weight a minute, 20 for a thousand trades (120,000 trades a minute), trades
    of the last 48 hours.
    """

    venue: ClassVar[str] = BinanceUsdm.venue
    title: ClassVar[str] = BinanceUsdm.title
    budget = Budget(2_400, 60.0, 0.0, _USED_HEADER)
    reach_us: ClassVar[int | None] = 48 * HOUR_US
    has_funding: ClassVar[bool] = True
    funding_per_page: ClassVar[int] = 1_000

    _path: ClassVar[str] = "/fapi/v1"
    _trades_weight: ClassVar[int] = 20
    _listing_weight: ClassVar[int] = 1

    def _candles_weight(self, limit: int) -> int:
        return 1 if limit < 100 else 2 if limit < 500 else 5

    def funding(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for the first thousand rates charged from a time on."""
        query = {
            "symbol": symbol_of(instrument),
            "startTime": start_us // 1_000,
            "endTime": end_us // 1_000 - 1,
            "limit": self.funding_per_page,
        }
        return Request(f"{self._url}{self._path}/fundingRate?{urlencode(query)}")

    def parse_funding(self, body: bytes, instrument: str) -> list[Funding]:
        """Return rates with the mark price, NaN where it is left out."""
        with reading("a funding rate"):
            rows = json_list(body, MOST_CANDLES)
            return [_past_funding(row, instrument) for row in rows]

    def beyond_reach(self, status: int, body: bytes) -> bool:
        """Tell whether the answer is the refusal of trades older than 48 hours."""
        return status == 400 and json_or_empty(body).get("code") == _TOO_FAR_BACK


class BinanceSpotRest(_BinanceRest):
    """Binance spot by REST.

    Trade ids: as the stream's, consecutive. Side: the taker's, from ``m``. Liveness: HTTP alone.
    Limits: 6,000 of weight a minute, 4 for a thousand trades; trades since the beginning.
    """

    venue: ClassVar[str] = BinanceSpot.venue
    title: ClassVar[str] = BinanceSpot.title
    budget = Budget(6_000, 60.0, 0.0, _USED_HEADER)
    has_seconds: ClassVar[bool] = True

    _path: ClassVar[str] = "/api/v3"
    _trades_weight: ClassVar[int] = 4
    _listing_weight: ClassVar[int] = 20
    # Without these the list is several times as long.
    _listing_query: ClassVar[str] = "?symbolStatus=TRADING&showPermissionSets=false"

    def seconds(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to a thousand seconds; futures have none."""
        return self._klines(instrument, start_us, end_us, "1s", SECOND_US)

    def parse_seconds(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return one-second candles with their number of trades."""
        with reading("a candle"):
            rows = json_list(body, MOST_CANDLES)
            return candle_bars([_second(row) for row in rows], SECOND_US)


class BinanceUsRest(BinanceSpotRest):
    """Binance.US by REST: as spot, with a fifth of its budget.

    Trade ids: as the stream's, consecutive. Side: the taker's, from ``m``. Liveness: HTTP alone.
    Limits: 1,200 of weight a minute; requests are charged what spot charges, which is not less.
    """

    venue: ClassVar[str] = BinanceUs.venue
    title: ClassVar[str] = BinanceUs.title
    budget = Budget(1_200, 60.0, 0.0, _USED_HEADER)

    _listing_query: ClassVar[str] = ""


def _past_funding(row: Any, instrument: str) -> Funding:
    time_us, rate = milliseconds(row["fundingTime"]), number(row["fundingRate"])
    if not -1.0 < rate < 1.0:
        raise MessageError("the funding rate is not plausible")
    mark = positive(row["markPrice"]) if row.get("markPrice") else float("nan")
    return Funding(instrument, time_us, rate, time_us, mark, time_us)


def _second(row: Any) -> Candle:
    count = row[8]
    if type(count) is not int or not 0 <= count <= MOST_TRADES_OF_CANDLE:
        raise MessageError("a number of trades that is none")
    return BinanceSpotRest._candle(row)._replace(trades=count)


_KINDS: dict[str, Literal["spot", "perpetual", "future"]] = {
    "PERPETUAL": "perpetual",
    "TRADIFI_PERPETUAL": "perpetual",
    "CURRENT_MONTH": "future",
    "NEXT_MONTH": "future",
    "CURRENT_QUARTER": "future",
    "NEXT_QUARTER": "future",
}


USDM = exchange(
    BinanceUsdm,
    BinanceUsdmRest,
    "wss://fstream.binance.com",
    "https://fapi.binance.com",
    is_tried=True,
)
SPOT = exchange(
    BinanceSpot,
    BinanceSpotRest,
    "wss://data-stream.binance.vision",
    "https://data-api.binance.vision",
    is_tried=True,
)
US = exchange(BinanceUs, BinanceUsRest, "wss://stream.binance.us:9443", "https://api.binance.us")

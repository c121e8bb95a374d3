"""Binance by REST: USD-M futures, spot and Binance.US. No key.

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

What is wrong is told as ``{"code":-1121,"msg":"Invalid symbol."}`` with HTTP 400.

Trade ids: the aggregate trade id ``a``, the same as the stream's, consecutive per symbol. Side:
``m`` is true where the buyer was the maker, so the taker sold. Liveness: a request is answered or
it is not; 451, sometimes 403, means the region is refused. Limits: weights are counted by address
and minute and told in ``X-MBX-USED-WEIGHT-1M``; beyond them 429, and whoever goes on gets 418 for
minutes up to days, both with ``Retry-After``. USD-M gives trades of the last 48 hours only and says
code -4166 beyond; ids and times must not be asked for together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Gap, Trade
from tandem.venues.fields import amount, milliseconds, positive, trade_number
from tandem.venues.rest import (
    MOST_CANDLES,
    MOST_LISTINGS,
    MOST_TRADES,
    Budget,
    Candle,
    Listing,
    Request,
    RestVenue,
    asset,
    by_id,
    candle_bars,
    is_by_id,
    json_dict,
    json_list,
    json_or_empty,
    listed,
    listings,
    reading,
    symbol_of,
)

_PAGE = 1000
_USED_HEADER = "X-MBX-USED-WEIGHT-1M"
_TOO_FAR_BACK = -4166
# Far beyond any; a larger one is no number of trades.
MOST_TRADES_OF_CANDLE = 2**31


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
        """Return the request for the hole's last thousand trades, or for the latest there are.

        A hole known only by its time is walked from now back: with times the venue's limit has
        been seen to count from their end, so a page's beginning would prove nothing.
        """
        if not is_by_id(gap):
            return self._trades(instrument, limit=_PAGE)
        return self._before(instrument, gap, gap.last_id + 1)

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return the request for the thousand trades before the page; None at the hole's start."""
        if not page or not isinstance(page[0].trade_id, int):
            return None
        # Ids begin at 0 or 1.
        if not is_by_id(gap) and (page[0].time_us < gap.start_us or page[0].trade_id <= 1):
            return None
        return self._before(instrument, gap, page[0].trade_id)

    def parse_trades(self, body: bytes, instrument: str, received_us: int) -> list[Trade]:
        """Return aggregate trades, ascending by id."""
        with reading("a trade"):
            trades = [
                _trade(data, instrument, received_us) for data in json_list(body, MOST_TRADES)
            ]
        trades.sort(key=by_id)
        return trades

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to a thousand minutes; few are cheaper on USD-M."""
        return self._klines(instrument, start_us, end_us, "1m", MINUTE_US)

    def parse_candles(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return candles with what takers bought and the exact notional."""
        with reading("a candle"):
            return candle_bars([_candle(row) for row in json_list(body, MOST_CANDLES)])

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

    def parse_listing(self, body: bytes) -> list[Listing]:
        """Return the symbols whose status is ``TRADING``."""
        with reading("the list of symbols"):
            entries = listed(json_dict(body)["symbols"], MOST_LISTINGS)
        return listings(self.venue, entries, _listing)

    def _candles_weight(self, limit: int) -> int:
        return 2

    def _before(self, instrument: str, gap: Gap, end_id: int) -> Request | None:
        """Return the request for up to a thousand trades of a hole with ids below `end_id`."""
        first = max(end_id - _PAGE, gap.first_id, 0)
        if first >= end_id:
            return None
        return self._trades(instrument, fromId=first, limit=end_id - first)

    def _trades(self, instrument: str, **query: int) -> Request:
        address = urlencode({"symbol": symbol_of(instrument), **query})
        return Request(f"{self._url}{self._path}/aggTrades?{address}", self._trades_weight)


class BinanceUsdmRest(_BinanceRest):
    """Binance USD-M futures by REST.

    Trade ids: as the stream's, consecutive. Side: the taker's, from ``m``. Liveness: HTTP alone.
    Limits: 2,400 of weight a minute, 20 for a thousand trades (120,000 trades a minute), trades
    of the last 48 hours.
    """

    venue: ClassVar[str] = "binance-usdm"
    budget: ClassVar[Budget] = Budget(2_400, 60.0, 0.0, _USED_HEADER)
    reach_us: ClassVar[int | None] = 48 * HOUR_US

    _path: ClassVar[str] = "/fapi/v1"
    _trades_weight: ClassVar[int] = 20
    _listing_weight: ClassVar[int] = 1

    def _candles_weight(self, limit: int) -> int:
        return 1 if limit < 100 else 2 if limit < 500 else 5

    def beyond_reach(self, status: int, body: bytes) -> bool:
        """Tell whether the answer is the refusal of trades older than 48 hours."""
        return status == 400 and json_or_empty(body).get("code") == _TOO_FAR_BACK


class BinanceSpotRest(_BinanceRest):
    """Binance spot by REST.

    Trade ids: as the stream's, consecutive. Side: the taker's, from ``m``. Liveness: HTTP alone.
    Limits: 6,000 of weight a minute, 4 for a thousand trades; trades since the beginning.
    """

    venue: ClassVar[str] = "binance-spot"
    budget: ClassVar[Budget] = Budget(6_000, 60.0, 0.0, _USED_HEADER)
    has_seconds: ClassVar[bool] = True

    _path: ClassVar[str] = "/api/v3"
    _trades_weight: ClassVar[int] = 4
    _listing_weight: ClassVar[int] = 20
    # Without these the list is several times as long.
    _listing_query: ClassVar[str] = "?symbolStatus=TRADING&showPermissionSets=false"

    def seconds(self, instrument: str, start_us: int, end_us: int) -> Request | None:
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

    venue: ClassVar[str] = "binance-us"
    budget: ClassVar[Budget] = Budget(1_200, 60.0, 0.0, _USED_HEADER)

    _listing_query: ClassVar[str] = ""


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


def _candle(row: Any) -> Candle:
    prices = [positive(text) for text in row[1:5]]
    return Candle(
        milliseconds(row[0]),
        *(prices[0], prices[1], prices[2], prices[3]),
        amount(row[5]),
        amount(row[9]),
        amount(row[7]),
    )


def _second(row: Any) -> Candle:
    count = row[8]
    if type(count) is not int or not 0 <= count <= MOST_TRADES_OF_CANDLE:
        raise MessageError("a number of trades that is none")
    return _candle(row)._replace(trades=count)


_KINDS: dict[str, Literal["spot", "perpetual", "future"]] = {
    "PERPETUAL": "perpetual",
    "TRADIFI_PERPETUAL": "perpetual",
    "CURRENT_MONTH": "future",
    "NEXT_MONTH": "future",
    "CURRENT_QUARTER": "future",
    "NEXT_QUARTER": "future",
}


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

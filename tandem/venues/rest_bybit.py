"""Bybit by REST, without a key: linear perpetuals.

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
from urllib.parse import quote, urlencode

import numpy as np
import numpy.typing as npt

from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Gap, Trade
from tandem.venues.fields import amount, moment, positive, whole
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
    candle_bars,
    json_dict,
    json_or_empty,
    listed,
    listings,
    reached_by,
    reading,
    symbol_of,
)

_TAKER = {"Buy": BUY, "Sell": SELL}
_PAGE = 1000
_TRADE_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_CURSOR = re.compile(r"[\w%.=-]{1,500}")
_TOO_MANY = (10006, 10018)


class BybitRest(RestVenue):
    """Bybit's linear perpetuals by REST.

    Trade ids: ``execId``, a UUID as the stream's ``i``; in no order. Side: the taker's. Liveness:
    HTTP alone; addresses in the United States and some other countries get 403. Limits: 600
    requests in five seconds and address; whoever asks more gets 403 with "access too frequent" and
    must be quiet for ten minutes. Only the latest thousand trades are given, whenever asked, which
    on a busy contract is seconds: a hole is filled from its end as far as they reach. Candles say
    the notional, and not what takers bought.
    """

    venue: ClassVar[str] = "bybit"
    budget: ClassVar[Budget] = Budget(600, 5.0, 0.02)
    reach_us: ClassVar[int | None] = 0
    backwards: ClassVar[bool] = True
    consecutive_ids: ClassVar[bool] = False
    candles_per_page: ClassVar[int] = 1000

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the latest thousand trades."""
        return self._ask("recent-trade", symbol=symbol_of(instrument), limit=_PAGE)

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return None: there is one page."""
        return None

    def parse_trades(self, body: bytes, instrument: str, received_us: int) -> list[Trade]:
        """Return trades, ascending by time."""
        with reading("a trade"):
            trades = [_trade(data, instrument, received_us) for data in _list(body, MOST_TRADES)]
        trades.reverse()
        trades.sort(key=_by_time)
        return trades

    def complete_since(self, gap: Gap, page: Sequence[Trade]) -> int:
        """Return the hole's start, or the millisecond after the first trade where it is later."""
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

    def parse_candles(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return candles with the notional; what takers bought is NaN."""
        with reading("a candle"):
            return candle_bars([_candle(row) for row in _list(body, MOST_CANDLES)])

    def listing(self) -> Request:
        """Return the request for the first thousand contracts."""
        return self._ask("instruments-info", limit=1000)

    def parse_listing(self, body: bytes) -> list[Listing]:
        """Return the contracts that trade."""
        with reading("the list of contracts"):
            entries = _list(body, MOST_LISTINGS)
        return listings(self.venue, entries, _listing)

    def more_listing(self, body: bytes) -> Request | None:
        """Return the request for the next thousand contracts."""
        result = json_or_empty(body).get("result")
        cursor = result.get("nextPageCursor") if type(result) is dict else None
        if type(cursor) is not str or not _CURSOR.fullmatch(cursor):
            return None
        request = self.listing()
        return Request(f"{request.url}&cursor={quote(cursor, safe='%')}")

    def throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too much was asked, in its status or its body."""
        if super().throttled(status, body) or (status == 403 and b"too frequent" in body[:1_000]):
            return True
        return len(body) < 1_000 and json_or_empty(body).get("retCode") in _TOO_MANY

    def _ask(self, what: str, **query: str | int) -> Request:
        return Request(f"{self._url}/v5/market/{what}?{urlencode({'category': 'linear', **query})}")


def _list(body: bytes, most: int) -> list[Any]:
    answer = json_dict(body)
    if answer["retCode"] != 0:
        raise MessageError("the venue answered with an error")
    return listed(answer["result"]["list"], most)


def _by_time(trade: Trade) -> int:
    return trade.time_us


def _trade(data: Any, instrument: str, received_us: int) -> Trade:
    side, trade_id = data["side"], data["execId"]
    if type(side) is not str or side not in _TAKER:
        raise MessageError("the side is not Buy or Sell")
    if type(trade_id) is not str or not _TRADE_ID.fullmatch(trade_id):
        raise MessageError("the trade id is not one")
    return Trade(
        instrument,
        trade_id,
        moment(whole(data["time"]) * 1000),
        positive(data["price"]),
        positive(data["size"]),
        _TAKER[side],
        received_us,
    )


def _candle(row: Any) -> Candle:
    prices = [positive(text) for text in row[1:5]]
    return Candle(
        moment(whole(row[0]) * 1000),
        *(prices[0], prices[1], prices[2], prices[3]),
        amount(row[5]),
        float("nan"),
        amount(row[6]),
    )


_KINDS: dict[str, Literal["perpetual", "future"]] = {
    "LinearPerpetual": "perpetual",
    "LinearFutures": "future",
}


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

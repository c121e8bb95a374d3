"""Kraken by REST, without a key.

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

import math
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Gap, Trade
from tandem.venues.fields import amount, moment, positive, trade_number
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
    decimal_step,
    is_by_id,
    json_dict,
    json_or_empty,
    listed,
    listings,
    plain_number,
    reading,
    symbol_of,
)

_TAKER = {"b": BUY, "s": SELL}
_PAGE = 1000
# REST still speaks of Bitcoin and Dogecoin as version 1 did.
_OLD_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_NEW_NAMES = {old: new for new, old in _OLD_NAMES.items()}
_THROTTLED = ("Rate limit exceeded", "Too many requests", "Throttled")


class KrakenRest(RestVenue):
    """Kraken by REST.

    Trade ids: as the stream's, a sequence per pair; they cannot be asked for, so a hole is found by
    its time. Side: the taker's. Liveness: HTTP alone. Limits: about one request a second and
    address; too many are told in the body, with HTTP 200. Trades go back to the first one, candles
    for 720 minutes whatever is asked. Candles say the vwap, and not what takers bought.
    """

    venue: ClassVar[str] = "kraken"
    budget: ClassVar[Budget] = Budget(15, 15.0, 1.0)
    consecutive_ids: ClassVar[bool] = True
    candles_per_page: ClassVar[int] = 720
    candle_reach_us: ClassVar[int | None] = 720 * MINUTE_US

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the first thousand trades from the hole's start."""
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

    def parse_trades(self, body: bytes, instrument: str, received_us: int) -> list[Trade]:
        """Return trades, ascending by id."""
        with reading("a trade"):
            trades = [_trade(row, instrument, received_us) for row in _rows(body, MOST_TRADES)]
        trades.sort(key=by_id)
        return trades

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for the minutes from `start_us`; the venue has no end to give."""
        return self._ask("OHLC", instrument, interval=1, since=start_us // SECOND_US - 60)

    def parse_candles(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return candles with the notional; what takers bought is NaN."""
        with reading("a candle"):
            return candle_bars([_candle(row) for row in _rows(body, MOST_CANDLES)])

    def listing(self) -> Request:
        """Return the request for all pairs."""
        return Request(f"{self._url}/0/public/AssetPairs")

    def parse_listing(self, body: bytes) -> list[Listing]:
        """Return the pairs that are online, under the names of the stream."""
        with reading("the list of pairs"):
            entries = list(_result(body).values())
        return listings(self.venue, listed(entries, MOST_LISTINGS), _listing)

    def throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too much was asked, in its status or its body."""
        if super().throttled(status, body):
            return True
        errors = json_or_empty(body[:10_000]).get("error")
        return type(errors) is list and any(
            type(error) is str and error.endswith(_THROTTLED) for error in errors
        )

    def _trades(self, instrument: str, since_us: int) -> Request:
        return self._ask("Trades", instrument, since=max(0, since_us) * 1000, count=_PAGE)

    def _ask(self, what: str, instrument: str, **query: int) -> Request:
        base, _, counter = symbol_of(instrument).partition("/")
        pair = "".join(_OLD_NAMES.get(part, part) for part in (base, counter))
        return Request(f"{self._url}/0/public/{what}?{urlencode({'pair': pair, **query})}")


def _result(body: bytes) -> dict[str, Any]:
    answer = json_dict(body)
    if answer["error"] != []:
        raise MessageError("the venue answered with an error")
    result = answer["result"]
    if type(result) is not dict:
        raise MessageError("the result is not an object")
    return result


def _rows(body: bytes, most: int) -> list[Any]:
    """Return the rows of the one pair in an answer, which has a name of its own there."""
    lists = [value for key, value in _result(body).items() if key != "last"]
    if len(lists) != 1:
        raise MessageError("an answer for more or less than one pair")
    return listed(lists[0], most)


def _trade(row: Any, instrument: str, received_us: int) -> Trade:
    side = row[3]
    if type(side) is not str or side not in _TAKER:
        raise MessageError("the side is not b or s")
    return Trade(
        instrument,
        trade_number(row[6]),
        moment(round(plain_number(row[2]) * SECOND_US)),
        positive(row[0]),
        positive(row[1]),
        _TAKER[side],
        received_us,
    )


def _candle(row: Any) -> Candle:
    prices = [positive(text) for text in row[1:5]]
    volume = amount(row[6])
    time_us = moment(round(plain_number(row[0])) * SECOND_US)
    return Candle(
        time_us,
        *(prices[0], prices[1], prices[2], prices[3]),
        volume,
        math.nan,
        amount(row[5]) * volume,
    )


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

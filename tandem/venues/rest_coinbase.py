"""Coinbase Exchange by REST, without a key.

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
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import MessageError
from tandem.core.events import BUY, SELL, Gap, Trade
from tandem.venues.fields import amount, iso_time, moment, positive, trade_number
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
    json_list,
    listings,
    plain_number,
    reading,
    symbol_of,
)

_TAKER = {"sell": BUY, "buy": SELL}
_PAGE = 1000


class CoinbaseRest(RestVenue):
    """Coinbase Exchange by REST.

    Trade ids: ``trade_id`` as in the stream, consecutive per product. Side: the *maker's*, so it
    is flipped here. Liveness: HTTP alone. Limits: 10 requests a second and address, 429 beyond.
    Pages go back from the newest; a hole known only by its time is looked for from now on
    backwards, so one long ago costs many pages. 300 candles an answer, more are refused; they say
    neither what takers bought nor the notional.
    """

    venue: ClassVar[str] = "coinbase"
    budget: ClassVar[Budget] = Budget(10, 1.0, 0.1)
    backwards: ClassVar[bool] = True
    consecutive_ids: ClassVar[bool] = True
    candles_per_page: ClassVar[int] = 300

    def trades(self, instrument: str, gap: Gap) -> Request | None:
        """Return the request for the newest thousand trades of the hole."""
        return self._trades(instrument, gap.last_id + 1 if is_by_id(gap) else None)

    def more(self, instrument: str, gap: Gap, page: Sequence[Trade]) -> Request | None:
        """Return the request for the thousand trades before the page."""
        if not page or not isinstance(page[0].trade_id, int) or page[0].trade_id <= 1:
            return None
        covered = (
            page[0].trade_id <= gap.first_id if is_by_id(gap) else page[0].time_us < gap.start_us
        )
        return None if covered else self._trades(instrument, page[0].trade_id)

    def parse_trades(self, body: bytes, instrument: str, received_us: int) -> list[Trade]:
        """Return trades, ascending by id."""
        with reading("a trade"):
            trades = [
                _trade(data, instrument, received_us) for data in json_list(body, MOST_TRADES)
            ]
        trades.sort(key=by_id)
        return trades

    def candles(self, instrument: str, start_us: int, end_us: int) -> Request:
        """Return the request for up to 300 minutes; both ends are included by the venue."""
        end_us = min(end_us, start_us + self.candles_per_page * MINUTE_US) - MINUTE_US
        span = f"start={_iso(start_us)}&end={_iso(max(start_us, end_us))}"
        return Request(f"{self._product(instrument)}/candles?granularity=60&{span}")

    def parse_candles(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return candles; what takers bought and the notional are NaN."""
        with reading("a candle"):
            return candle_bars([_candle(row) for row in json_list(body, MOST_CANDLES)])

    def listing(self) -> Request:
        """Return the request for all products."""
        return Request(f"{self._url}/products")

    def parse_listing(self, body: bytes) -> list[Listing]:
        """Return the products that are online and may be traded."""
        return listings(self.venue, json_list(body, MOST_LISTINGS), _listing)

    def _product(self, instrument: str) -> str:
        return f"{self._url}/products/{quote(symbol_of(instrument), safe='')}"

    def _trades(self, instrument: str, after: int | None) -> Request:
        cursor = "" if after is None else f"&after={after}"
        return Request(f"{self._product(instrument)}/trades?limit={_PAGE}{cursor}")


def _iso(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // SECOND_US, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _trade(data: Any, instrument: str, received_us: int) -> Trade:
    side = data["side"]
    if type(side) is not str or side not in _TAKER:
        raise MessageError("the side is not buy or sell")
    return Trade(
        instrument,
        trade_number(data["trade_id"]),
        iso_time(data["time"]),
        positive(data["price"]),
        positive(data["size"]),
        _TAKER[side],
        received_us,
    )


def _candle(row: Any) -> Candle:
    begin, low, high, open_, close, volume = (plain_number(value) for value in row[:6])
    if low <= 0.0:
        raise MessageError("a price is not positive")
    time_us = moment(round(begin) * SECOND_US)
    return Candle(time_us, open_, high, low, close, volume, math.nan, math.nan)


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

"""OKX by REST, without a key: candles and symbols.

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
in it says which fills belong together. Filled from there, a hole's edges would count twice.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from tandem.core.clock import HOUR_US, MINUTE_US
from tandem.core.errors import MessageError
from tandem.venues.fields import amount, moment, positive, whole
from tandem.venues.rest import (
    MOST_CANDLES,
    MOST_LISTINGS,
    Budget,
    Candle,
    CandlesOnly,
    Listing,
    Request,
    asset,
    candle_bars,
    json_dict,
    json_or_empty,
    listed,
    listings,
    reading,
    symbol_of,
)

# The latest 1,440 minutes are served by another address; some room is left to the edge.
_LATEST_US = 23 * HOUR_US


class OkxRest(CandlesOnly):
    """OKX spot by REST.

    Trade ids: not the stream's, so no trades are asked for. Side: none in candles. Liveness: HTTP
    alone. Limits: 20 requests in two seconds and address, 429 or code 50011 beyond. Candles go
    back for years, and say the notional but not what takers bought.
    """

    venue: ClassVar[str] = "okx"
    budget: ClassVar[Budget] = Budget(20, 2.0, 0.1)
    consecutive_ids: ClassVar[bool] = False
    # 300 are documented for a page; 100 were, and are given in any case.
    candles_per_page: ClassVar[int] = 100

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

    def parse_candles(self, body: bytes, instrument: str) -> npt.NDArray[np.void]:
        """Return candles with the notional; what takers bought is NaN."""
        with reading("a candle"):
            return candle_bars([_candle(row) for row in _data(body, MOST_CANDLES)])

    def listing(self) -> Request:
        """Return the request for all spot pairs."""
        return Request(f"{self._url}/api/v5/public/instruments?instType=SPOT")

    def parse_listing(self, body: bytes) -> list[Listing]:
        """Return the pairs that are live."""
        with reading("the list of pairs"):
            entries = _data(body, MOST_LISTINGS)
        return listings(self.venue, entries, _listing)

    def throttled(self, status: int, body: bytes) -> bool:
        """Tell whether an answer says that too much was asked, in its status or its body."""
        if super().throttled(status, body):
            return True
        return len(body) < 1_000 and json_or_empty(body).get("code") == "50011"


def _data(body: bytes, most: int) -> list[Any]:
    answer = json_dict(body)
    if answer["code"] != "0":
        raise MessageError("the venue answered with an error")
    return listed(answer["data"], most)


def _candle(row: Any) -> Candle:
    prices = [positive(text) for text in row[1:5]]
    return Candle(
        moment(whole(row[0]) * 1000),
        *(prices[0], prices[1], prices[2], prices[3]),
        amount(row[5]),
        float("nan"),
        amount(row[7]),
    )


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

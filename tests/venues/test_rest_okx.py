"""OKX's REST formats: the documented answers, why there are no trades, hostile answers."""

import numpy as np
import orjson

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.venues.okx import OkxRest
from tests.support.examples.okx import CANDLES, NAME
from tests.support.rest_answers import NOW_US, clock, hole, refuses


def venue() -> OkxRest:
    return OkxRest("https://okx.test", clock)


def test_trades_are_not_asked_for() -> None:
    gap = hole(NAME, NOW_US - MINUTE_US, NOW_US)
    assert not venue().has_trades
    assert venue().trades(NAME, gap) is None
    assert venue().more(NAME, gap, []) is None
    refuses(lambda: venue().parse_trades(b'{"code":"0","data":[]}', NAME, NOW_US), "not asked")


def test_the_documented_candle() -> None:
    (bar,) = venue().parse_candles(orjson.dumps(CANDLES), NAME)
    assert bar["time_us"] == 1597026360000000
    assert tuple(bar[["open", "high", "low", "close"]]) == (3.721, 3.743, 3.677, 3.708)
    assert bar["volume"] == 8422410
    assert bar["notional"] == 12698348.04828491
    assert np.isnan(bar["buy_volume"])


def test_both_ends_are_excluded_by_the_venue() -> None:
    start = 1_790_000_040_000_000
    url = venue().candles(NAME, start, start + 10 * MINUTE_US).url
    assert url == (
        "https://okx.test/api/v5/market/history-candles?instId=BTC-USDT&bar=1m"
        "&before=1790000039999&after=1790000640000&limit=100"
    )
    assert "after=1790006040000" in venue().candles(NAME, start, start + DAY_US).url


def test_the_last_day_is_asked_of_the_fresher_address() -> None:
    assert "/market/candles?" in venue().candles(NAME, NOW_US - 22 * HOUR_US, NOW_US).url
    assert "/history-candles?" in venue().candles(NAME, NOW_US - 24 * HOUR_US, NOW_US).url


def test_errors_have_codes() -> None:
    limited = b'{"code":"50011","msg":"Too Many Requests","data":[]}'
    refuses(lambda: venue().parse_candles(limited, NAME), "answered with an error")
    assert venue().throttled(200, limited)
    assert venue().throttled(429, b"")
    assert not venue().throttled(200, orjson.dumps(CANDLES))

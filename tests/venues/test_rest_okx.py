"""OKX's REST formats: the documented answers, why there are no trades, hostile answers."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.venues.okx import OkxRest
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import Listing
from tests.support.rest_answers import NOW_US, RAW, clock, hole, mutations, refuses, survives

NAME = "okx:BTC-USDT"
# The documented row begins at 1597026383085, which is not the beginning of a minute.
ROW = [
    *("1597026360000", "3.721", "3.743", "3.677", "3.708", "8422410", "22698348.04828491"),
    *("12698348.04828491", "1"),
]
CANDLES = {"code": "0", "msg": "", "data": [ROW]}
PAIR = {
    "instType": "SPOT",
    "instId": "LTC-USDT",
    "baseCcy": "LTC",
    "quoteCcy": "USDT",
    "tickSz": "0.01",
    "lotSz": "0.0001",
    "minSz": "0.1",
    "state": "live",
}
PAIRS = {"code": "0", "msg": "", "data": [PAIR]}


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


def test_the_documented_pair() -> None:
    assert venue().parse_listing(orjson.dumps(PAIRS)) == [
        Listing("LTC-USDT", "LTC", "USDT", "spot", 0.01, 0.0001, 0.0)
    ]


@pytest.mark.parametrize(
    "changes", [{"state": "suspend"}, {"instType": "SWAP"}, {"tickSz": ""}, {"instId": None}]
)
def test_only_what_trades_and_is_understood_is_listed(changes: dict[str, Any]) -> None:
    answer = PAIRS | {"data": [PAIR, PAIR | {"instId": "ETH-USDT"} | changes]}
    assert len(venue().parse_listing(orjson.dumps(answer))) == 1


def test_errors_have_codes() -> None:
    limited = b'{"code":"50011","msg":"Too Many Requests","data":[]}'
    refuses(lambda: venue().parse_candles(limited, NAME), "answered with an error")
    assert venue().throttled(200, limited)
    assert venue().throttled(429, b"")
    assert not venue().throttled(200, orjson.dumps(CANDLES))


def test_it_is_found_by_its_venue() -> None:
    assert type(create("okx", "https://okx.test")) is OkxRest


@given(RAW)
def test_raw_junk(body: bytes) -> None:
    survives(venue(), NAME, body)


@given(mutations(CANDLES) | mutations(PAIRS))
def test_mutated_answers(body: bytes) -> None:
    survives(venue(), NAME, body)

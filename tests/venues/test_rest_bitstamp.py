"""Bitstamp's REST formats: known answers, how a hole is asked for, hostile answers."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.core.events import Trade
from tandem.venues.bitstamp import BitstampRest
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import Listing
from tests.support.rest_answers import NOW_US, RAW, clock, hole, mutations, refuses, survives, url

NAME = "bitstamp:BTCUSD"
TRADES = [
    {
        "date": "1551814435",
        "tid": "83581898",
        "price": "0.03532850",
        "type": "1",
        "amount": "0.85945907",
    },
    {
        "date": "1551814434",
        "tid": "83581896",
        "price": "0.03532851",
        "type": "0",
        "amount": "11.34130961",
    },
]
OHLC = {
    "data": {
        "pair": "BTC/USD",
        "ohlc": [
            {
                "high": "9064.77",
                "timestamp": "1593961440",
                "volume": "18.49436608",
                "low": "9040.87",
                "close": "9064.77",
                "open": "9040.87",
            }
        ],
    }
}
MARKET = {
    "name": "BTC/USD",
    "market_symbol": "btcusd",
    "base_currency": "BTC",
    "base_decimals": 8,
    "counter_currency": "USD",
    "counter_decimals": 0,
    "minimum_order_value": "10",
    "trading": "Enabled",
    "instant_order_counter_decimals": 2,
    "instant_and_market_orders": "Enabled",
    "description": "Bitcoin / U.S. dollar",
    "market_type": "SPOT",
}


def venue() -> BitstampRest:
    return BitstampRest("https://bitstamp.test", clock)


def test_known_trades_come_ascending() -> None:
    assert venue().parse_trades(orjson.dumps(TRADES), NAME, NOW_US) == [
        Trade(NAME, 83581896, 1551814434000000, 0.03532851, 11.34130961, 1, NOW_US),
        Trade(NAME, 83581898, 1551814435000000, 0.0353285, 0.85945907, -1, NOW_US),
    ]


def test_an_id_that_no_store_could_hold_is_refused() -> None:
    body = orjson.dumps([TRADES[0] | {"tid": "9999999999999999999"}])
    refuses(lambda: venue().parse_trades(body, NAME, NOW_US), "trade id")


@pytest.mark.parametrize(
    ("age_us", "span"),
    [
        (MINUTE_US, "hour"),
        (57 * MINUTE_US, "hour"),
        (59 * MINUTE_US, "day"),
        (23 * HOUR_US, "day"),
    ],
)
def test_the_span_that_holds_the_hole_is_asked_for(age_us: int, span: str) -> None:
    gap = hole(NAME, NOW_US - age_us, NOW_US)
    asked = url(venue().trades(NAME, gap))
    assert asked == f"https://bitstamp.test/api/v2/transactions/btcusd/?time={span}"
    assert venue().more(NAME, gap, []) is None
    assert venue().complete_since(gap, []) > gap.end_us


def test_a_hole_older_than_a_day_is_out_of_reach() -> None:
    assert venue().trades(NAME, hole(NAME, NOW_US - DAY_US + MINUTE_US, NOW_US)) is None


def test_known_candles() -> None:
    (bar,) = venue().parse_candles(orjson.dumps(OHLC), NAME)
    assert bar["time_us"] == 1593961440000000
    assert tuple(bar[["open", "high", "low", "close"]]) == (9040.87, 9064.77, 9040.87, 9064.77)
    assert np.isnan(bar["notional"])


def test_candles_include_both_ends_so_the_end_is_drawn_in() -> None:
    start = 1_790_000_040_000_000
    assert venue().candles(NAME, start, start + 10 * MINUTE_US).url == (
        "https://bitstamp.test/api/v2/ohlc/btcusd/?step=60&start=1790000040&end=1790000580"
        "&limit=1000"
    )


def test_known_markets() -> None:
    assert venue().parse_listing(orjson.dumps([MARKET])) == [
        Listing("BTCUSD", "BTC", "USD", "spot", 1.0, 1e-8, 10.0)
    ]


@pytest.mark.parametrize(
    "changes", [{"trading": "Disabled"}, {"market_type": "PERPETUAL"}, {"base_decimals": "8"}]
)
def test_only_what_trades_and_is_understood_is_listed(changes: dict[str, Any]) -> None:
    other = MARKET | {"market_symbol": "ethusd"} | changes
    assert len(venue().parse_listing(orjson.dumps([MARKET, other]))) == 1


def test_too_many_requests_are_told_by_code() -> None:
    limited = b'{"status":"error","reason":"Request rejected","code":"400.002"}'
    assert venue().throttled(400, limited)
    assert not venue().throttled(400, b'{"code":"404.002"}')
    refuses(lambda: venue().parse_candles(limited, NAME), "without 'data'")


def test_it_is_found_by_its_venue() -> None:
    assert type(create("bitstamp", "https://bitstamp.test")) is BitstampRest


@given(RAW)
def test_raw_junk(body: bytes) -> None:
    survives(venue(), NAME, body)


@given(mutations(TRADES) | mutations(OHLC) | mutations([MARKET]))
def test_mutated_answers(body: bytes) -> None:
    survives(venue(), NAME, body)

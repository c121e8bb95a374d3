"""Binance's REST formats: the documented answers, how a hole is asked for, hostile answers."""

import csv
from typing import Any

import numpy as np
import orjson
import pytest

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.events import Trade
from tandem.venues.binance import BinanceSpotRest, BinanceUsdmRest, BinanceUsRest
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import RestVenue
from tests.support.examples.binance import CANDLE, FUTURES, NAME, TRADE
from tests.support.paths import SHARED
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url

VENDOR = SHARED / "data" / "ticks" / "um_BTCUSDT-aggTrades-2026-09-15.csv"


def venue() -> RestVenue:
    return BinanceUsdmRest("https://binance.test/", clock)


def with_symbol(**changes: Any) -> bytes:
    good = FUTURES["symbols"][0]  # type: ignore[index]
    return orjson.dumps({"symbols": [good, {**good, "symbol": "ETHUSDT", **changes}]})


def test_trades_come_ascending() -> None:
    body = orjson.dumps([TRADE | {"a": 3}, TRADE | {"a": 1}, TRADE | {"a": 2}])
    assert [trade.trade_id for trade in venue().parse_trades(body, NAME, NOW_US)] == [1, 2, 3]


def test_a_vendors_rows_read_as_rest_would_give_them() -> None:
    if not VENDOR.exists():
        pytest.skip("the shared recordings are not here")
    with VENDOR.open(newline="") as file:
        rows = list(csv.DictReader(file))[:1000]
    body = orjson.dumps(
        [
            {
                "a": int(row["agg_trade_id"]),
                "p": row["price"],
                "q": row["quantity"],
                "T": int(row["transact_time"]),
                "m": row["is_buyer_maker"] == "true",
            }
            for row in rows
        ]
    )
    trades = venue().parse_trades(body, NAME, NOW_US)
    assert len(trades) == len(rows)
    assert trades[-1].trade_id == int(rows[-1]["agg_trade_id"])


def test_a_hole_with_ids_is_walked_from_its_end_back() -> None:
    gap = hole(NAME, NOW_US - 60 * SECOND_US, NOW_US, (5_000, 6_499))
    assert venue().trades(NAME, gap) == (
        "https://binance.test/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=5500&limit=1000",
        20,
    )
    page = [Trade(NAME, n, NOW_US, 1.0, 1.0, 1, NOW_US) for n in range(5_500, 6_500)]
    assert url(venue().more(NAME, gap, page)).endswith("&fromId=5000&limit=500")
    assert venue().more(NAME, gap, [page[0]._replace(trade_id=5_000)]) is None
    assert venue().more(NAME, gap, []) is None


def test_a_hole_without_ids_is_walked_from_now_back() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, 1_794_000_060_000_000)
    assert url(venue().trades(NAME, gap)).endswith("/aggTrades?symbol=BTCUSDT&limit=1000")
    inside = Trade(NAME, 7_700, gap.start_us, 1.0, 1.0, 1, NOW_US)
    assert url(venue().more(NAME, gap, [inside])).endswith("&fromId=6700&limit=1000")
    assert venue().more(NAME, gap, [inside._replace(time_us=gap.start_us - 1)]) is None
    near_first = url(venue().more(NAME, gap, [inside._replace(trade_id=30)]))
    assert near_first.endswith("&fromId=0&limit=30")
    assert venue().more(NAME, gap, [inside._replace(trade_id=1)]) is None


def test_a_page_from_before_the_hole_ends_the_walk() -> None:
    gap = hole(NAME, 0, NOW_US, (5_000, 6_499))
    assert venue().more(NAME, gap, [Trade(NAME, 3, 1, 1.0, 1.0, 1, NOW_US)]) is None


def test_the_documented_candle() -> None:
    (bar,) = venue().parse_candles(orjson.dumps([CANDLE]), NAME)
    assert bar["time_us"] == 1499040000000000
    assert bar["last_us"] == 1499040000000000 + MINUTE_US - 1
    assert tuple(bar[["open", "high", "low", "close"]]) == (0.0163479, 0.8, 0.015758, 0.015771)
    assert bar["volume"] == 148976.11427815
    assert bar["notional"] == 2434.19055334
    assert bar["buy_volume"] == 1756.87402397
    assert bar["trades"] == -1


def test_quiet_minutes_are_no_candles_and_order_does_not_matter() -> None:
    quiet = [*CANDLE]
    quiet[0], quiet[5], quiet[7], quiet[9] = CANDLE[0] + 60_000, "0", "0", "0"
    later = [CANDLE[0] + 120_000, *CANDLE[1:]]
    bars = venue().parse_candles(orjson.dumps([later, quiet, CANDLE]), NAME)
    assert list(np.diff(bars["time_us"])) == [2 * MINUTE_US]
    assert len(venue().parse_candles(b"[]", NAME)) == 0


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        (0, 1499040000001, "begin with a minute"),
        (0, "1499040000000", "not a whole number"),
        (2, "0.001", "high or low"),
        (3, "-1", "positive"),
        (5, "nan", "not finite"),
        (9, "999999999", "bought more"),
    ],
)
def test_candles_that_cannot_be(field: int, value: Any, cause: str) -> None:
    row = [*CANDLE]
    row[field] = value
    refuses(lambda: venue().parse_candles(orjson.dumps([row]), NAME), cause)


def test_candles_are_asked_for_with_both_ends() -> None:
    request = venue().candles(NAME, 1_794_000_000_000_000, 1_794_000_600_000_000)
    assert request.url == (
        "https://binance.test/fapi/v1/klines?symbol=BTCUSDT&interval=1m"
        "&startTime=1794000000000&endTime=1794000599999&limit=10"
    )


@pytest.mark.parametrize(
    ("minutes", "limit", "weight"), [(0, 1, 1), (99, 99, 1), (100, 100, 2), (500, 500, 5)]
)
def test_few_candles_weigh_less_on_usdm(minutes: int, limit: int, weight: int) -> None:
    request = venue().candles(NAME, 0, minutes * MINUTE_US)
    assert request.url.endswith(f"&limit={limit}")
    assert request.weight == weight
    spot = BinanceSpotRest("https://binance.test", clock)
    assert spot.candles("binance-spot:BTCUSDT", 0, minutes * MINUTE_US).weight == 2


def test_a_long_span_is_cut_at_its_end() -> None:
    assert venue().candles(NAME, 0, 9_999 * MINUTE_US).url.endswith("&limit=1000")


def test_dated_futures_are_told_apart() -> None:
    body = with_symbol(symbol="BTCUSDT_261225", contractType="CURRENT_QUARTER")
    found = venue().parse_listing(body)
    assert [(entry.symbol, entry.kind) for entry in found][1] == ("BTCUSDT_261225", "future")


def test_a_list_of_nothing_is_an_error() -> None:
    refuses(lambda: venue().parse_listing(b'{"symbols":[]}'), "none of 0 symbols")
    refuses(lambda: venue().parse_listing(b'{"code":-1121,"msg":"x"}'), "without 'symbols'")


def test_too_far_back_is_told_by_its_code() -> None:
    answer = b'{"code":-4166,"msg":"Search window is restricted to recent 2 days."}'
    assert venue().beyond_reach(400, answer)
    assert not venue().beyond_reach(200, answer)
    assert not venue().beyond_reach(400, b'{"code":-1121}')
    assert not venue().beyond_reach(400, b"<html>")
    assert not BinanceSpotRest("https://binance.test", clock).beyond_reach(400, answer)


def test_each_is_found_by_its_venue() -> None:
    for kind in (BinanceUsdmRest, BinanceSpotRest, BinanceUsRest):
        assert type(create(kind.venue, "https://binance.test")) is kind
    assert create("sim", "https://binance.test") is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}", b"[1]", b"[null]", b'["a"]', b'[{"a":1}]', b"[[]]", b"\xff"],
)
def test_what_is_not_an_answer_is_refused(body: bytes) -> None:
    refuses(lambda: venue().parse_trades(body, NAME, NOW_US))
    refuses(lambda: venue().parse_candles(body, NAME))


def test_a_buyer_who_takes_is_plus_one() -> None:
    (bought,) = venue().parse_trades(orjson.dumps([TRADE | {"m": False}]), NAME, NOW_US)
    assert bought.side == 1

"""Kraken's REST formats: documented and real answers, how a hole is asked for, hostile ones."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given

from tandem.core.events import Trade
from tandem.venues.kraken import Kraken, KrakenRest
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import Listing
from tests.support.paths import SHARED
from tests.support.rest_answers import NOW_US, RAW, clock, hole, mutations, refuses, survives, url

CAPTURE = SHARED / "data" / "ticks" / "http_trades.json"

NAME = "kraken:BTC/USD"
ROWS = [
    ["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", 61044952],
    ["30243.30000", "0.00376960", 1688669598.2804112, "s", "l", "", 61044953],
    ["30243.30000", "0.01235716", 1688669602.698379, "s", "m", "", 61044956],
]
TRADES = {"error": [], "result": {"XXBTZUSD": ROWS, "last": "1688671969993150842"}}
OHLC = {
    "error": [],
    "result": {
        "XXBTZUSD": [
            *([1688671200, "30306.1", "30306.2", "30305.7", "30305.7", "30306.1", "3.39", 23],),
            *([1688671260, "30304.5", "30304.5", "30300.0", "30300.0", "30300.0", "4.42", 18],),
        ],
        "last": 1688672160,
    },
}
PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "quote": "ZUSD",
    "pair_decimals": 1,
    "lot_decimals": 8,
    "ordermin": "0.0001",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
}
PAIRS = {"error": [], "result": {"XXBTZUSD": PAIR, "XETHZUSD": PAIR | {"wsname": "ETH/USD"}}}


def venue() -> KrakenRest:
    return KrakenRest("https://kraken.test", clock)


def page_of(count: int, first_id: int = 1) -> list[Trade]:
    return [
        Trade(NAME, first_id + n, 1_794_000_000_000_000 + n, 1.0, 1.0, 1, NOW_US)
        for n in range(count)
    ]


def test_the_documented_trades() -> None:
    first, _, last = venue().parse_trades(orjson.dumps(TRADES), NAME, NOW_US)
    assert first == Trade(NAME, 61044952, 1688669597827737, 30243.4, 0.34507674, 1, NOW_US)
    assert (last.trade_id, last.side) == (61044956, -1)


def test_a_trade_by_rest_is_the_trade_of_the_stream() -> None:
    frame = {
        "channel": "trade",
        "type": "update",
        "data": [
            {
                "symbol": "BTC/USD",
                "side": "buy",
                "price": 30243.4,
                "qty": 0.34507674,
                "ord_type": "market",
                "trade_id": 61044952,
                "timestamp": "2023-07-06T18:53:17.827737Z",
            }
        ],
    }
    (streamed,) = Kraken("wss://kraken.test").parse(orjson.dumps(frame), NOW_US)
    assert venue().parse_trades(orjson.dumps(TRADES), NAME, NOW_US)[0] == streamed


def test_a_real_answer() -> None:
    if not CAPTURE.exists():
        pytest.skip("the shared recordings are not here")
    trades = venue().parse_trades(CAPTURE.read_bytes(), "kraken:BTC/USDT", NOW_US)
    assert len(trades) == 1000
    ids = [int(trade.trade_id) for trade in trades]
    assert ids == list(range(ids[0], ids[0] + 1000))
    assert trades[0].time_us == 1762795433971744


def test_names_of_version_one_are_sent() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, 1_794_000_060_000_000)
    assert url(venue().trades(NAME, gap)) == (
        "https://kraken.test/0/public/Trades?pair=XBTUSD&since=1793999999999999000&count=1000"
    )
    assert "pair=ETHXBT&" in url(venue().trades("kraken:ETH/BTC", gap))
    assert "pair=XDGUSD&" in venue().candles("kraken:DOGE/USD", 0, NOW_US).url


def test_a_full_page_is_followed_from_its_last_moment() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, NOW_US)
    page = page_of(1000)
    second = url(venue().more(NAME, gap, page))
    assert f"since={(page[-1].time_us - 1) * 1000}&" in second
    same = [trade._replace(time_us=page[0].time_us) for trade in page]
    third = url(venue().more(NAME, gap, same))
    assert f"since={page[0].time_us * 1000}&" in third


def test_the_walk_ends_with_the_hole_or_with_the_venue() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, NOW_US)
    assert venue().more(NAME, gap, page_of(999)) is None
    assert venue().more(NAME, gap, []) is None
    past = hole(NAME, 0, 1_794_000_000_000_000)
    assert venue().more(NAME, past, page_of(1000)) is None
    known = hole(NAME, 0, NOW_US, (1, 1000))
    assert venue().more(NAME, known, page_of(1000)) is None
    assert venue().more(NAME, known, page_of(1000, first_id=0)) is not None


def test_the_documented_candles() -> None:
    bar, _ = venue().parse_candles(orjson.dumps(OHLC), NAME)
    assert bar["time_us"] == 1688671200000000
    assert tuple(bar[["open", "high", "low", "close"]]) == (30306.1, 30306.2, 30305.7, 30305.7)
    assert bar["notional"] == 30306.1 * 3.39
    assert np.isnan(bar["buy_volume"])


def test_the_documented_pair_under_the_streams_name() -> None:
    assert venue().parse_listing(orjson.dumps(PAIRS)) == [
        Listing("BTC/USD", "BTC", "USD", "spot", 0.1, 1e-8, 0.5),
        Listing("ETH/USD", "ETH", "USD", "spot", 0.1, 1e-8, 0.5),
    ]


@pytest.mark.parametrize(
    "changes",
    [{"status": "cancel_only"}, {"wsname": "XBTUSD"}, {"lot_decimals": 99}, {"wsname": None}],
)
def test_only_what_trades_and_is_understood_is_listed(changes: dict[str, Any]) -> None:
    answer = {"error": [], "result": {"A": PAIR, "B": PAIR | {"wsname": "A/B"} | changes}}
    assert len(venue().parse_listing(orjson.dumps(answer))) == 1


def test_errors_come_with_status_200() -> None:
    limited = b'{"error":["EAPI:Rate limit exceeded"]}'
    unknown = b'{"error":["EQuery:Unknown asset pair"]}'
    refuses(lambda: venue().parse_trades(limited, NAME, NOW_US), "answered with an error")
    assert venue().throttled(200, limited)
    assert venue().throttled(429, b"")
    assert not venue().throttled(200, unknown)
    assert not venue().throttled(200, orjson.dumps(TRADES))
    assert not venue().throttled(200, b"[")


def test_two_pairs_in_one_answer_are_refused() -> None:
    body = orjson.dumps({"error": [], "result": {"A": ROWS, "B": ROWS}})
    refuses(lambda: venue().parse_trades(body, NAME, NOW_US), "one pair")


def test_it_is_found_by_its_venue() -> None:
    assert type(create("kraken", "https://kraken.test")) is KrakenRest


@given(RAW)
def test_raw_junk(body: bytes) -> None:
    survives(venue(), NAME, body)


@given(mutations(TRADES) | mutations(OHLC) | mutations(PAIRS))
def test_mutated_answers(body: bytes) -> None:
    survives(venue(), NAME, body)

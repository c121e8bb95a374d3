"""What is OKX's own, beside what every venue does: its notices, requests and answers."""

from typing import Any

import numpy as np
import orjson
import pytest

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.core.errors import UnknownSymbol
from tandem.core.events import NoQuote, Notice, Quote
from tandem.venues.base import Keepalive
from tandem.venues.okx import Okx, OkxRest
from tests.support.examples.okx import BOOK, CANDLES, ERROR, NAME, TOP
from tests.support.hostile_messages import RECEIVED_US
from tests.support.rest_answers import NOW_US, clock, hole, refuses


def feed() -> Okx:
    return Okx("wss://okx.test/ws/v5/public")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_ids_are_not_said_to_be_consecutive_because_one_message_stands_for_several_trades() -> None:
    assert Okx.consecutive_ids is False


def test_quote_and_an_empty_or_crossed_side() -> None:
    assert parse(BOOK) == [
        Quote(
            *("okx:BTC-USDT", 1749044565306000, 105252.5, 1.1133491, 105252.6, 0.16271274),
            RECEIVED_US,
        )
    ]
    ended = [NoQuote("okx:BTC-USDT", 1749044565306000, RECEIVED_US)]
    assert parse(BOOK | {"data": [TOP | {"asks": []}]}) == ended
    assert parse(BOOK | {"data": [TOP | {"bids": [["200000", "1", "0", "1"]]}]}) == ended


@pytest.mark.parametrize("raw", ["pong", b"pong"])
def test_the_answer_to_a_ping_is_not_json(raw: bytes | str) -> None:
    assert feed().parse(raw, RECEIVED_US) == (Notice("alive", ""),)


def test_what_is_not_market_data() -> None:
    assert parse({"event": "subscribe", "arg": {"channel": "trades"}, "connId": "a4d3ae55"}) == ()
    assert parse(ERROR) == (
        Notice("error", "OKX: Wrong URL or channel:trades,instId:FOO-USDT doesn't exist."),
    )
    (notice,) = parse({"event": "notice", "code": "64008", "msg": "Please reconnect."})
    assert notice == Notice("closing", "OKX: Please reconnect.")


def test_routes_and_changes() -> None:
    route = feed().trade_route(["okx:ETH-USDT", "okx:BTC-USDT"])
    assert route.keepalive == Keepalive("ping", 20.0)
    assert [orjson.loads(text) for text in route.frames] == [
        {
            "op": "subscribe",
            "args": [
                {"channel": "trades", "instId": "BTC-USDT"},
                {"channel": "trades", "instId": "ETH-USDT"},
            ],
        }
    ]
    quotes = feed().quote_route(["okx:BTC-USDT"])
    assert quotes is not None
    assert orjson.loads(quotes.frames[0])["args"][0]["channel"] == "bbo-tbt"
    frames = feed().change(route, ["okx:SOL-USDT"], ["okx:ETH-USDT"])
    assert [orjson.loads(text)["op"] for text in frames] == ["unsubscribe", "subscribe"]
    assert feed().change(route, [], []) == ()


def test_hundreds_of_pairs_are_subscribed_within_the_limits() -> None:
    names = [f"okx:ASSET{n}-USDT" for n in range(Okx.max_instruments)]
    frames = feed().trade_route(names).frames
    assert len(frames) <= 5
    assert all(len(text) < 4_096 for text in frames)
    assert sum(len(orjson.loads(text)["args"]) for text in frames) == len(names)


def test_a_swap_is_no_spot_pair() -> None:
    with pytest.raises(UnknownSymbol):
        feed().instrument("BTC-USDT-SWAP")


# By REST ------------------------------------------------------------------------------


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

"""What is Coinbase's own, beside what every venue does: its notices, requests and answers."""

import numpy as np
import orjson
import pytest

from tandem.core.clock import MINUTE_US
from tandem.core.events import NoQuote, Notice, Quote, Trade
from tandem.venues.coinbase import Coinbase, CoinbaseRest
from tests.support.examples.coinbase import CANDLE, NAME, TICKER, TRADE
from tests.support.paths import SHARED
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url

CAPTURE = SHARED / "data" / "ticks" / "coinbase_2021.ws.txt"

RECEIVED_US = 1_795_000_000_000_000


def feed() -> Coinbase:
    return Coinbase("wss://coinbase.test")


@pytest.mark.skipif(not CAPTURE.is_file(), reason=f"no capture at {CAPTURE}")
def test_the_capture() -> None:
    trades = []
    for line in CAPTURE.read_text().splitlines():
        if " <- " in line or "<->" in line:
            continue
        trades += feed().parse(line.partition(": ")[2], RECEIVED_US)
    assert len(trades) == 97 + 10
    assert all(isinstance(trade, Trade) for trade in trades)


def test_quote_comes_from_the_ticker() -> None:
    assert feed().parse(orjson.dumps(TICKER), RECEIVED_US) == (
        Quote(
            *("coinbase:ETH-USD", 1666222102061769, 1285.04, 0.46688654, 1285.27, 1.5663704),
            RECEIVED_US,
        ),
    )


@pytest.mark.parametrize(("bid", "ask"), [("", "1285.27"), ("1285.04", "0"), ("1300", "1285.27")])
def test_a_side_that_is_empty_and_sides_that_cross_are_no_quote(bid: str, ask: str) -> None:
    raw = orjson.dumps(TICKER | {"best_bid": bid, "best_ask": ask})
    ended = NoQuote("coinbase:ETH-USD", 1666222102061769, RECEIVED_US)
    assert feed().parse(raw, RECEIVED_US) == (ended,)


def test_heartbeat_subscriptions_and_errors() -> None:
    assert feed().parse(b'{"type":"heartbeat","sequence":90}', RECEIVED_US) == (
        Notice("alive", ""),
    )
    assert feed().parse(b'{"type":"subscriptions","channels":[]}', RECEIVED_US) == ()
    raw = orjson.dumps(
        {
            "type": "error",
            "message": "Failed to subscribe",
            "reason": "FOO-USD is not a valid product",
        }
    )
    assert feed().parse(raw, RECEIVED_US) == (
        Notice("error", "Coinbase: Failed to subscribe: FOO-USD is not a valid product"),
    )


def test_routes_and_changes() -> None:
    route = feed().trade_route(["coinbase:ETH-USD", "coinbase:BTC-USD"])
    assert route.url == "wss://coinbase.test"
    assert [orjson.loads(text) for text in route.frames] == [
        {"type": "subscribe", "product_ids": [name], "channels": ["matches", "heartbeat"]}
        for name in ("BTC-USD", "ETH-USD")
    ]
    many = feed().trade_route([f"coinbase:A{n}-USD" for n in range(100)]).frames
    assert len(many) <= 8
    assert sum(len(orjson.loads(text)["product_ids"]) for text in many) == 100
    quotes = feed().quote_route(["coinbase:BTC-USD"])
    assert quotes is not None
    assert orjson.loads(quotes.frames[0])["channels"] == ["ticker", "heartbeat"]
    frames = feed().change(route, ["coinbase:SOL-USD"], ["coinbase:ETH-USD"])
    assert [orjson.loads(text)["type"] for text in frames] == ["unsubscribe", "subscribe"]
    assert feed().change(route, [], []) == ()


# By REST ------------------------------------------------------------------------------


def venue() -> CoinbaseRest:
    return CoinbaseRest("https://coinbase.test", clock)


def test_newest_first_is_turned_round() -> None:
    body = orjson.dumps([TRADE | {"trade_id": n} for n in (9, 8, 7)])
    assert [trade.trade_id for trade in venue().parse_trades(body, NAME, NOW_US)] == [7, 8, 9]


def test_a_hole_with_ids_is_walked_from_its_end_back() -> None:
    gap = hole(NAME, 0, NOW_US, (5_000, 6_499))
    assert (
        url(venue().trades(NAME, gap))
        == "https://coinbase.test/products/BTC-USD/trades?limit=1000&after=6500"
    )
    page = [Trade(NAME, n, NOW_US, 1.0, 1.0, 1, NOW_US) for n in range(5_500, 6_500)]
    second = url(venue().more(NAME, gap, page))
    assert second.endswith("after=5500")
    assert venue().more(NAME, gap, [page[0]._replace(trade_id=5_000)]) is None
    assert venue().more(NAME, gap, []) is None


def test_a_hole_without_ids_is_walked_from_now_back() -> None:
    gap = hole(NAME, NOW_US - 60_000_000, NOW_US)
    assert url(venue().trades(NAME, gap)).endswith("/trades?limit=1000")
    inside = Trade(NAME, 77, gap.start_us, 1.0, 1.0, 1, NOW_US)
    assert venue().more(NAME, gap, [inside]) is not None
    assert venue().more(NAME, gap, [inside._replace(time_us=gap.start_us - 1)]) is None
    assert venue().more(NAME, gap, [inside._replace(trade_id=1)]) is None


def test_the_documented_candle() -> None:
    (bar,) = venue().parse_candles(orjson.dumps([CANDLE]), NAME)
    assert bar["time_us"] == 1396224000000000
    assert tuple(bar[["low", "high", "open", "close"]]) == (0.32, 4.2, 0.35, 4.2)
    assert bar["volume"] == 12.3
    assert np.isnan(bar["buy_volume"])
    assert np.isnan(bar["notional"])
    assert bar["trades"] == -1


def test_candles_include_both_ends_so_the_end_is_drawn_in() -> None:
    start = 1_794_000_000_000_000
    request = venue().candles(NAME, start, start + 10 * MINUTE_US)
    assert request.url == (
        "https://coinbase.test/products/BTC-USD/candles?granularity=60"
        "&start=2026-11-06T21:20:00Z&end=2026-11-06T21:29:00Z"
    )
    long = venue().candles(NAME, start, start + 5_000 * MINUTE_US)
    assert long.url.endswith("end=2026-11-07T02:19:00Z")  # the three hundredth minute


def test_an_error_is_not_an_answer() -> None:
    refuses(lambda: venue().parse_trades(b'{"message":"NotFound"}', NAME, NOW_US), "not a list")


def test_the_makers_side_is_flipped() -> None:
    (sold,) = venue().parse_trades(orjson.dumps([TRADE | {"side": "buy"}]), NAME, NOW_US)
    assert sold.side == -1

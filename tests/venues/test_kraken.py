"""What is Kraken's own, beside what every venue does: its notices, requests and answers."""

from typing import Any

import numpy as np
import orjson
import pytest

from tandem.core.events import NoQuote, Notice, Quote, Trade
from tandem.venues.kraken import Kraken, KrakenRest
from tests.support.examples.kraken import (
    NAME,
    OHLC,
    REFUSAL,
    ROWS,
    STATUS,
    TICKER,
    TRADE,
    TRADES,
    UPDATE,
)
from tests.support.hostile_messages import RECEIVED_US
from tests.support.paths import SHARED
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url


def feed() -> Kraken:
    return Kraken("wss://kraken.test/v2")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_a_message_brings_several_trades_and_a_snapshot_is_put_in_order() -> None:
    trades = [TRADE | {"trade_id": number} for number in (9, 8, 7)]
    assert [t.trade_id for t in parse(UPDATE | {"data": trades})] == [9, 8, 7]
    snapshot = parse(UPDATE | {"data": trades, "type": "snapshot"})
    assert [t.trade_id for t in snapshot] == [7, 8, 9]


def test_quote_with_and_without_a_time_of_its_own() -> None:
    quote = Quote(
        "kraken:ALGO/USD", RECEIVED_US, 0.10025, 740.0, 0.10036, 1361.44813783, RECEIVED_US
    )
    assert parse(TICKER) == [quote]
    timed = TICKER["data"][0] | {"timestamp": "2023-09-25T07:49:37.708706Z"}
    assert parse(TICKER | {"data": [timed]}) == [quote._replace(time_us=1695628177708706)]


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 0.10036), (0.2, 0.10036)])
def test_a_side_that_is_empty_and_sides_that_cross_are_no_quote(bid: float, ask: float) -> None:
    data = TICKER["data"][0] | {"bid": bid, "ask": ask}
    ended = NoQuote("kraken:ALGO/USD", RECEIVED_US, RECEIVED_US)
    assert parse(TICKER | {"data": [data]}) == [ended]


def test_what_is_not_market_data() -> None:
    assert parse({"channel": "heartbeat"}) == (Notice("alive", ""),)
    assert parse(STATUS) == ()
    assert parse({"method": "subscribe", "success": True, "result": {"channel": "trade"}}) == ()
    assert parse({"method": "pong", "req_id": 101}) == ()
    assert parse(REFUSAL) == (Notice("error", "Kraken: Currency pair not supported FOO/USD"),)
    down = STATUS | {"data": [{"system": "maintenance"}]}
    assert parse(down) == (Notice("error", "Kraken: its market is in maintenance"),)


def test_routes_and_changes() -> None:
    route = feed().trade_route(["kraken:ETH/USD", "kraken:BTC/USD"])
    assert route.url == "wss://kraken.test/v2"
    assert route.keepalive is None
    assert [orjson.loads(text) for text in route.frames] == [
        {
            "method": "subscribe",
            "params": {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"], "snapshot": True},
        }
    ]
    quotes = feed().quote_route(["kraken:BTC/USD"])
    assert quotes is not None
    assert orjson.loads(quotes.frames[0])["params"] == {
        **{"channel": "ticker", "event_trigger": "bbo"},
        **{"symbol": ["BTC/USD"], "snapshot": True},
    }
    frames = feed().change(route, ["kraken:SOL/USD"], ["kraken:ETH/USD"])
    assert [orjson.loads(text)["method"] for text in frames] == ["unsubscribe", "subscribe"]
    assert feed().change(route, [], []) == ()
    assert feed().trade_route([]).frames == ()


def test_whole_numbers_are_prices_too() -> None:
    (trade,) = parse(UPDATE | {"data": [TRADE | {"price": 61000, "qty": 1}]})
    assert (trade.price, trade.quantity) == (61000.0, 1.0)
    assert type(trade.price) is float


# By REST ------------------------------------------------------------------------------

CAPTURE = SHARED / "data" / "ticks" / "http_trades.json"


def venue() -> KrakenRest:
    return KrakenRest("https://kraken.test", clock)


def page_of(count: int, first_id: int = 1) -> list[Trade]:
    return [
        Trade(NAME, first_id + n, 1_794_000_000_000_000 + n, 1.0, 1.0, 1, NOW_US)
        for n in range(count)
    ]


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


def test_errors_come_with_status_200() -> None:
    limited = b'{"error":["EAPI:Rate limit exceeded"]}'
    unknown = b'{"error":["EQuery:Unknown asset pair"]}'
    refuses(lambda: venue().parse_trades(limited, NAME, NOW_US), "answered with an error")
    assert venue().throttled(200, limited)
    assert venue().throttled(200, b'{"error":["EService: Throttled: 1795240805"]}')
    assert venue().throttled(200, b'{"error":["EGeneral:Temporary lockout"]}')
    assert venue().throttled(429, b"")
    assert not venue().throttled(200, unknown)
    assert not venue().throttled(200, orjson.dumps(TRADES))
    assert not venue().throttled(200, b"[")


def test_two_pairs_in_one_answer_are_refused() -> None:
    body = orjson.dumps({"error": [], "result": {"A": ROWS, "B": ROWS}})
    refuses(lambda: venue().parse_trades(body, NAME, NOW_US), "one pair")

"""What is Bybit's own, beside what every venue does: its notices, requests and answers."""

from typing import Any

import numpy as np
import orjson

from tandem.core.clock import MINUTE_US
from tandem.core.events import Gap, NoQuote, Notice, OffBook, Quote, Trade
from tandem.venues.base import Keepalive
from tandem.venues.bitstamp import BitstampRest
from tandem.venues.bybit import Bybit, BybitRest
from tests.support.examples.bybit import (
    BOOK,
    CONTRACTS,
    KLINES,
    NAME,
    PAST_TRADE,
    PUSH,
    REFUSAL,
    TRADE,
    TRADES,
)
from tests.support.hostile_messages import RECEIVED_US
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url


def feed() -> Bybit:
    return Bybit("wss://bybit.test/v5/public/linear")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_a_block_trade_is_outside_the_book_on_both_ways() -> None:
    off, traded = parse(PUSH | {"data": [TRADE | {"BT": True}, TRADE]})
    assert off == OffBook("bybit:BTCUSDT", RECEIVED_US)
    assert isinstance(traded, Trade)
    rows = [PAST_TRADE | {"isBlockTrade": True, "execId": "block"}, PAST_TRADE]
    body = orjson.dumps(TRADES | {"result": {"category": "linear", "list": rows}})
    (past,) = BybitRest("https://bybit.test").parse_trades(body, NAME, NOW_US)
    assert past.trade_id == PAST_TRADE["execId"]


def test_quote_and_an_empty_or_crossed_side() -> None:
    assert parse(BOOK) == (
        Quote(
            *("bybit:BTCUSDT", 1672304484978000, 16493.5, 0.006, 16611.0, 0.029),
            RECEIVED_US,
        ),
    )
    ended = (NoQuote("bybit:BTCUSDT", 1672304484978000, RECEIVED_US),)
    assert parse(BOOK | {"data": BOOK["data"] | {"b": []}}) == ended
    assert parse(BOOK | {"data": BOOK["data"] | {"b": [["17000", "1"]]}}) == ended


def test_what_is_not_market_data() -> None:
    assert parse({"success": True, "ret_msg": "", "conn_id": "d266e4e6", "op": "subscribe"}) == ()
    pong = {"success": True, "ret_msg": "pong", "conn_id": "0970e817", "op": "ping"}
    assert parse(pong) == (Notice("alive", ""),)
    assert parse(REFUSAL) == (
        Notice("error", "Bybit: error:handler not found,topic:publicTrade.FOOUSDT"),
    )


def test_routes_and_changes() -> None:
    route = feed().trade_route(["bybit:ETHUSDT", "bybit:BTCUSDT"])
    assert route.keepalive == Keepalive('{"op":"ping"}', 20.0)
    assert [orjson.loads(text) for text in route.frames] == [
        {"op": "subscribe", "args": [f"publicTrade.{name}"]} for name in ("BTCUSDT", "ETHUSDT")
    ]
    quotes = feed().quote_route(["bybit:BTCUSDT"])
    assert quotes is not None
    assert orjson.loads(quotes.frames[0])["args"] == ["orderbook.1.BTCUSDT"]
    frames = feed().change(route, ["bybit:SOLUSDT"], ["bybit:ETHUSDT"])
    assert [orjson.loads(text)["op"] for text in frames] == ["unsubscribe", "subscribe"]
    assert feed().change(route, [], []) == ()


def test_hundreds_of_contracts_are_subscribed_within_the_limits() -> None:
    names = [f"bybit:ASSET{n}USDT" for n in range(Bybit.max_instruments)]
    frames = feed().trade_route(names).frames
    topics = [topic for text in frames for topic in orjson.loads(text)["args"]]
    assert len(frames) <= 5
    assert len(set(topics)) == len(names)
    assert sum(map(len, topics)) < 21_000


# By REST ------------------------------------------------------------------------------


def venue() -> BybitRest:
    return BybitRest("https://bybit.test", clock)


def contracts(*entries: dict[str, Any]) -> bytes:
    return orjson.dumps({"retCode": 0, "result": {"list": list(entries), "nextPageCursor": ""}})


def page_of(count: int, begin_us: int) -> list[Trade]:
    return [Trade(NAME, f"id-{n}", begin_us + n, 1.0, 1.0, 1, NOW_US) for n in range(count)]


def test_newest_first_is_turned_round_even_within_a_millisecond() -> None:
    newest_first = [PAST_TRADE | {"execId": f"id-{n}"} for n in (3, 2, 1)]
    body = orjson.dumps(TRADES | {"result": {"list": newest_first}})
    trades = venue().parse_trades(body, NAME, NOW_US)
    assert [trade.trade_id for trade in trades] == ["id-1", "id-2", "id-3"]


def test_there_is_one_page_and_it_says_how_far_it_reaches() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, 1_794_000_060_000_000)
    assert url(venue().trades(NAME, gap)) == (
        "https://bybit.test/v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000"
    )
    assert venue().more(NAME, gap, page_of(1000, gap.end_us)) is None
    begun_inside = page_of(1000, gap.start_us + 5_000_000)
    assert venue().complete_since(gap, begun_inside) == gap.start_us + 5_001_000
    assert venue().complete_since(gap, page_of(1000, gap.start_us - 1)) == gap.start_us
    assert venue().complete_since(gap, page_of(3, gap.start_us + 5_000_000)) == (
        gap.start_us + 5_001_000
    )


def test_the_documented_candle() -> None:
    (bar,) = venue().parse_candles(orjson.dumps(KLINES), NAME)
    assert bar["time_us"] == 1670608800000000
    assert tuple(bar[["open", "high", "low", "close"]]) == (17071.0, 17073.0, 17027.0, 17055.5)
    assert (bar["volume"], bar["notional"]) == (268.611, 4584216.2)
    assert np.isnan(bar["buy_volume"])


def test_candles_are_asked_for_with_both_ends() -> None:
    start = 1_790_000_040_000_000
    assert venue().candles(NAME, start, start + 10 * MINUTE_US).url == (
        "https://bybit.test/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1"
        "&start=1790000040000&end=1790000639999&limit=1000"
    )


def test_a_list_goes_on_where_its_cursor_says() -> None:
    assert venue().more_listing(orjson.dumps(CONTRACTS)) is None
    answer = {"retCode": 0, "result": {"list": [], "nextPageCursor": "first%3DBTC%26last%3D"}}
    more = url(venue().more_listing(orjson.dumps(answer)))
    assert more.endswith("?category=linear&limit=1000&cursor=first%3DBTC%26last%3D")
    answer["result"]["nextPageCursor"] = "a b&category=spot"  # type: ignore[index]
    assert venue().more_listing(orjson.dumps(answer)) is None
    assert venue().more_listing(b"[]") is None


def test_too_many_requests_have_several_forms() -> None:
    limited = b'{"retCode":10006,"retMsg":"Too many visits!","result":{}}'
    refuses(lambda: venue().parse_trades(limited, NAME, NOW_US), "answered with an error")
    assert venue().throttled(200, limited)
    assert venue().throttled(403, b"403, access too frequent")
    assert not venue().throttled(403, b"The Amazon CloudFront distribution is configured to block")
    assert not venue().throttled(200, orjson.dumps(TRADES))


def test_the_latest_trades_are_believed_no_further_back_than_they_go():
    gap = Gap("bybit:BTCUSDT", -1, -1, 1_000_000, 9_000_000, "open")

    def page(*times):
        return [Trade("bybit:BTCUSDT", str(time), time, 1.0, 1.0, 1, time) for time in times]

    for venue, step in ((BybitRest("https://x"), 1_000), (BitstampRest("https://x"), 1_000_000)):
        assert venue.complete_since(gap, page(900_000, 2_000_000)) == gap.start_us
        assert venue.complete_since(gap, page(5_000_000, 8_000_000)) == 5_000_000 + step
        assert venue.complete_since(gap, []) > gap.end_us

"""Kraken's parser on documented messages and on hostile ones."""

from typing import Any

import orjson

from tandem.core.events import Notice, Quote
from tandem.venues.kraken import Kraken
from tests.support.examples.kraken import REFUSAL, STATUS, TICKER, TRADE, UPDATE
from tests.support.hostile_messages import RECEIVED_US


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

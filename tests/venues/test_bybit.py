"""Bybit's parser on documented messages and on hostile ones."""

from typing import Any

import orjson
import pytest

from tandem.core.errors import MessageError
from tandem.core.events import Notice, Quote
from tandem.venues.base import Keepalive
from tandem.venues.bybit import Bybit
from tests.support.examples.bybit import BOOK, REFUSAL
from tests.support.hostile_messages import RECEIVED_US


def feed() -> Bybit:
    return Bybit("wss://bybit.test/v5/public/linear")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_quote_and_an_empty_side() -> None:
    assert parse(BOOK) == (
        Quote(
            *("bybit:BTCUSDT", 1672304484978000, 16493.5, 0.006, 16611.0, 0.029),
            RECEIVED_US,
        ),
    )
    assert parse(BOOK | {"data": BOOK["data"] | {"b": []}}) == ()
    with pytest.raises(MessageError, match="above the ask"):
        parse(BOOK | {"data": BOOK["data"] | {"b": [["17000", "1"]]}})


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

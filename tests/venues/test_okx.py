"""OKX's parser on documented messages and on hostile ones."""

from typing import Any

import orjson
import pytest

from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Notice, Quote
from tandem.venues.base import Keepalive
from tandem.venues.okx import Okx
from tests.support.examples.okx import BOOK, ERROR, TOP
from tests.support.hostile_messages import RECEIVED_US


def feed() -> Okx:
    return Okx("wss://okx.test/ws/v5/public")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_ids_are_not_said_to_be_consecutive_because_one_message_stands_for_several_trades() -> None:
    assert Okx.consecutive_ids is False


def test_quote_and_an_empty_side() -> None:
    assert parse(BOOK) == [
        Quote(
            *("okx:BTC-USDT", 1749044565306000, 105252.5, 1.1133491, 105252.6, 0.16271274),
            RECEIVED_US,
        )
    ]
    assert parse(BOOK | {"data": [TOP | {"asks": []}]}) == []
    with pytest.raises(MessageError, match="above the ask"):
        parse(BOOK | {"data": [TOP | {"bids": [["200000", "1", "0", "1"]]}]})


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

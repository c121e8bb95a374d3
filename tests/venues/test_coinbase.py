"""Coinbase's parser on a real capture, on documented messages and on hostile ones."""

import orjson
import pytest

from tandem.core.events import Notice, Quote, Trade
from tandem.venues.coinbase import Coinbase
from tests.support.examples.coinbase import TICKER
from tests.support.paths import SHARED

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

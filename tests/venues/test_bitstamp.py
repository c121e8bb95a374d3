"""Bitstamp's parser on a real capture, on documented messages and on hostile ones."""

from typing import Any

import orjson
import pytest

from tandem.core.errors import MessageError
from tandem.core.events import Notice, Trade
from tandem.venues.base import Keepalive
from tandem.venues.bitstamp import Bitstamp
from tests.support.examples.bitstamp import ERROR
from tests.support.hostile_messages import RECEIVED_US
from tests.support.paths import SHARED

CAPTURE = SHARED / "data" / "ticks" / "bitstamp_2021.ws.txt"


def feed() -> Bitstamp:
    return Bitstamp("wss://bitstamp.test")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


@pytest.mark.skipif(not CAPTURE.is_file(), reason=f"no capture at {CAPTURE}")
def test_the_capture_gives_its_trade_and_refuses_the_books_it_also_asked_for() -> None:
    events, refused = [], 0
    for line in CAPTURE.read_text().splitlines():
        if " <- " in line or "<->" in line:
            continue
        try:
            events += feed().parse(line.partition(": ")[2], RECEIVED_US)
        except MessageError:
            refused += 1
    assert [type(event) for event in events] == [Trade]
    assert refused == 358


def test_what_is_not_market_data() -> None:
    beat = {"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}}
    assert parse(beat) == (Notice("alive", ""),)
    done = {"event": "bts:subscription_succeeded", "channel": "live_trades_ethusd", "data": {}}
    assert parse(done) == ()
    (closing,) = parse({"event": "bts:request_reconnect", "channel": "", "data": ""})
    assert closing.kind == "closing"
    assert parse(ERROR) == (Notice("error", "Bitstamp: Incorrect JSON format."),)
    assert parse(ERROR | {"data": 7}) == (Notice("error", "Bitstamp: an error"),)


def test_routes_and_changes() -> None:
    route = feed().trade_route(["bitstamp:ETHUSD", "bitstamp:BTCUSD"])
    assert route.keepalive == Keepalive('{"event":"bts:heartbeat"}', 20.0)
    assert [orjson.loads(text) for text in route.frames] == [
        {"event": "bts:subscribe", "data": {"channel": f"live_trades_{name}"}}
        for name in ("btcusd", "ethusd")
    ]
    assert feed().quote_route(["bitstamp:BTCUSD"]) is None
    frames = feed().change(route, ["bitstamp:SOLUSD"], ["bitstamp:ETHUSD"])
    assert [orjson.loads(text)["event"] for text in frames] == ["bts:unsubscribe", "bts:subscribe"]
    assert feed().change(route, [], []) == ()

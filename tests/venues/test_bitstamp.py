"""Bitstamp's parser on a real capture, on documented messages and on hostile ones."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Notice, Trade
from tandem.venues.base import Keepalive
from tandem.venues.bitstamp import Bitstamp
from tests.support import hostile_messages
from tests.support.hostile_messages import RECEIVED_US
from tests.support.paths import SHARED

CAPTURE = SHARED / "data" / "ticks" / "bitstamp_2021.ws.txt"

DATA = {
    **{"id": 216000477, "timestamp": "1641343699", "amount": 0.0792, "amount_str": "0.07920000"},
    **{"price": 3805.44, "price_str": "3805.44", "type": 0},
    **{"microtimestamp": "1641343699596000", "buy_order_id": 1443875737346049},
}
TRADE: dict[str, Any] = {"data": DATA, "channel": "live_trades_ethusd", "event": "trade"}
ERROR: dict[str, Any] = {
    **{"event": "bts:error", "channel": ""},
    "data": {"code": None, "message": "Incorrect JSON format."},
}


def feed() -> Bitstamp:
    return Bitstamp("wss://bitstamp.test")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_type_0_is_a_taker_who_bought() -> None:
    bought = Trade("bitstamp:ETHUSD", 216000477, 1641343699596000, 3805.44, 0.0792, 1, RECEIVED_US)
    assert parse(TRADE) == (bought,)
    assert parse(TRADE | {"data": DATA | {"type": 1}}) == (bought._replace(side=-1),)
    assert Bitstamp.consecutive_ids is False


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


@pytest.mark.parametrize(
    "change",
    [
        *({"price_str": bad} for bad in (3805.44, "0", "-1", "nan", None)),
        *({"amount_str": bad} for bad in (1, "0", "inf", ["1"])),
        *({"id": bad} for bad in ("216000477", -1, 1.5, True, 2**63)),
        *({"type": bad} for bad in (2, "0", True, None, [0])),
        *({"microtimestamp": bad} for bad in (1641343699596000, "0", "1641343699", "9" * 16)),
    ],
)
def test_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse(TRADE | {"data": DATA | change})


@pytest.mark.parametrize(
    "channel", ["", "live_trades_", "live_orders_ethusd", 7, "live_trades_<b>"]
)
def test_a_wrong_channel_is_refused(channel: object) -> None:
    with pytest.raises(MessageError):
        parse(TRADE | {"channel": channel})


@pytest.mark.parametrize("missing", ["id", "price_str", "amount_str", "type", "microtimestamp"])
def test_a_missing_field_is_named(missing: str) -> None:
    data = {name: value for name, value in DATA.items() if name != missing}
    with pytest.raises(MessageError, match=missing):
        parse(TRADE | {"data": data})


@given(hostile_messages.RAW)
def test_only_message_errors_escape_from_any_bytes(raw: bytes | str) -> None:
    hostile_messages.survives(feed(), raw)


@given(hostile_messages.mutations([TRADE, ERROR]))
def test_only_message_errors_escape_from_any_fields(raw: bytes) -> None:
    hostile_messages.survives(feed(), raw)


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


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("btc", "BTCUSD"),
        ("BTC/USD", "BTCUSD"),
        ("btc/usdt", "BTCUSDT"),
        ("eth-btc", "ETHBTC"),
        ("bitstamp:BTCUSD", "BTCUSD"),
    ],
)
def test_common_names(text: str, symbol: str) -> None:
    assert feed().instrument(text) == f"bitstamp:{symbol}"


@pytest.mark.parametrize("text", ["", "sim:BTCUSDT", "a/b/c", "<b>"])
def test_names_that_cannot_be(text: str) -> None:
    with pytest.raises(UnknownSymbol):
        feed().instrument(text)

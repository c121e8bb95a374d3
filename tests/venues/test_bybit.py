"""Bybit's parser on documented messages and on hostile ones."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Notice, Quote, Trade
from tandem.venues.base import Keepalive
from tandem.venues.bybit import Bybit
from tests.support import hostile_messages
from tests.support.hostile_messages import RECEIVED_US

TRADE = {
    **{"T": 1672304486865, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50"},
    **{"L": "PlusTick", "i": "20f43950-d8dd-5b31-9112-a178eb6023af", "BT": False},
}
PUSH: dict[str, Any] = {
    **{"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1672304486868},
    "data": [TRADE],
}
BOOK: dict[str, Any] = {
    **{"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": 1672304484978},
    "data": {
        **{"s": "BTCUSDT", "b": [["16493.50", "0.006"]], "a": [["16611.00", "0.029"]]},
        **{"u": 18521288, "seq": 7961638724},
    },
    "cts": 1672304484976,
}
REFUSAL: dict[str, Any] = {
    **{"success": False, "conn_id": "d266e4e6", "op": "subscribe"},
    "ret_msg": "error:handler not found,topic:publicTrade.FOOUSDT",
}


def feed() -> Bybit:
    return Bybit("wss://bybit.test/v5/public/linear")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_the_side_is_the_takers_the_time_the_trades_own_and_the_id_text() -> None:
    assert parse(PUSH) == [
        Trade(
            *("bybit:BTCUSDT", "20f43950-d8dd-5b31-9112-a178eb6023af", 1672304486865000),
            *(16578.5, 0.001, 1, RECEIVED_US),
        )
    ]
    (sold,) = parse(PUSH | {"data": [TRADE | {"S": "Sell"}]})
    assert sold.side == -1
    assert Bybit.consecutive_ids is False


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


@pytest.mark.parametrize(
    "change",
    [
        *({"p": bad} for bad in (16578.5, "0", "-1", "nan", None)),
        *({"v": bad} for bad in (1, "0", "inf", ["1"])),
        *({"i": bad} for bad in (7, "", "x" * 65, "<script>", None)),
        *({"S": bad} for bad in ("buy", "", ["Buy"], None)),
        *({"s": bad} for bad in ("", 7, "<b>", None)),
        *({"T": bad} for bad in ("1672304486865", 0, 1672304486, 4200000000000, 1.5)),
    ],
)
def test_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse(PUSH | {"data": [TRADE | change]})


@pytest.mark.parametrize("missing", ["s", "S", "p", "v", "i", "T"])
def test_a_missing_field_is_named(missing: str) -> None:
    data = {name: value for name, value in TRADE.items() if name != missing}
    with pytest.raises(MessageError, match=missing):
        parse(PUSH | {"data": [data]})


@pytest.mark.parametrize(
    "message", [{}, PUSH | {"topic": "tickers.BTCUSDT"}, PUSH | {"topic": 7}, {"op": "auth"}]
)
def test_what_was_not_asked_for_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse(message)


@given(hostile_messages.RAW)
def test_only_message_errors_escape_from_any_bytes(raw: bytes | str) -> None:
    hostile_messages.survives(feed(), raw)


@given(hostile_messages.mutations([PUSH, BOOK, REFUSAL]))
def test_only_message_errors_escape_from_any_fields(raw: bytes) -> None:
    hostile_messages.survives(feed(), raw)


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


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("btc", "BTCUSDT"),
        ("BTC/USDT", "BTCUSDT"),
        ("btc-usd", "BTCUSDT"),
        ("btc/usdc", "BTCPERP"),
        ("BTCPERP", "BTCPERP"),
        ("perp", "PERPUSDT"),
        ("shib", "SHIB1000USDT"),
        ("pepe", "1000PEPEUSDT"),
        ("1000PEPEUSDT", "1000PEPEUSDT"),
        ("BTCUSDT-25DEC26", "BTCUSDT-25DEC26"),
        ("bybit:BTCUSDT", "BTCUSDT"),
    ],
)
def test_common_names(text: str, symbol: str) -> None:
    assert feed().instrument(text) == f"bybit:{symbol}"


@pytest.mark.parametrize("text", ["", "sim:BTCUSDT", "a/b/c", "<b>"])
def test_names_that_cannot_be(text: str) -> None:
    with pytest.raises(UnknownSymbol):
        feed().instrument(text)

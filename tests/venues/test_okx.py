"""OKX's parser on documented messages and on hostile ones."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Notice, Quote, Trade
from tandem.venues.base import Keepalive
from tandem.venues.okx import Okx
from tests.support import hostile_messages
from tests.support.hostile_messages import RECEIVED_US

TRADE = {
    **{"instId": "BTC-USDT", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306"},
    **{"side": "buy", "ts": "1630048897897", "count": "3", "source": "0", "seqId": 1234},
}
PUSH: dict[str, Any] = {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [TRADE]}
TOP = {
    "asks": [["105252.6", "0.16271274", "0", "5"]],
    "bids": [["105252.5", "1.1133491", "0", "19"]],
    "ts": "1749044565306",
    "seqId": 55729075884,
}
BOOK: dict[str, Any] = {"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": [TOP]}
ERROR: dict[str, Any] = {
    **{"event": "error", "code": "60018", "connId": "a4d3ae55"},
    "msg": "Wrong URL or channel:trades,instId:FOO-USDT doesn't exist.",
}


def feed() -> Okx:
    return Okx("wss://okx.test/ws/v5/public")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_the_side_is_the_takers_and_the_id_a_number() -> None:
    assert parse(PUSH) == [
        Trade("okx:BTC-USDT", 130639474, 1630048897897000, 42219.9, 0.12060306, 1, RECEIVED_US)
    ]
    (sold,) = parse(PUSH | {"data": [TRADE | {"side": "sell"}]})
    assert sold.side == -1


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


@pytest.mark.parametrize(
    "change",
    [
        *({"px": bad} for bad in (42219.9, "0", "-1", "nan", None)),
        *({"sz": bad} for bad in (1, "0", "inf", ["1"])),
        *({"tradeId": bad} for bad in (130639474, "-1", "1.5", "", "9" * 20, "a")),
        *({"side": bad} for bad in ("hold", "Buy", ["buy"], None)),
        *({"instId": bad} for bad in ("", 7, "<b>", None)),
        *({"ts": bad} for bad in (1630048897897, "0", "yesterday", "4200000000000")),
    ],
)
def test_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse(PUSH | {"data": [TRADE | change]})


@pytest.mark.parametrize("missing", ["instId", "side", "px", "sz", "tradeId", "ts"])
def test_a_missing_field_is_named(missing: str) -> None:
    data = {name: value for name, value in TRADE.items() if name != missing}
    with pytest.raises(MessageError, match=missing):
        parse(PUSH | {"data": [data]})


@pytest.mark.parametrize(
    "message", [{}, PUSH | {"arg": {"channel": "books"}}, PUSH | {"arg": []}, {"event": "login"}]
)
def test_what_was_not_asked_for_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse(message)


@given(hostile_messages.RAW)
def test_only_message_errors_escape_from_any_bytes(raw: bytes | str) -> None:
    hostile_messages.survives(feed(), raw)


@given(hostile_messages.mutations([PUSH, BOOK, ERROR]))
def test_only_message_errors_escape_from_any_fields(raw: bytes) -> None:
    hostile_messages.survives(feed(), raw)


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


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("btc", "BTC-USDT"),
        ("BTC/USDT", "BTC-USDT"),
        ("BTCUSDT", "BTC-USDT"),
        ("btcusd", "BTC-USDT"),
        ("BTC-USD", "BTC-USD"),
        ("eth/btc", "ETH-BTC"),
        ("okx:BTC-USDT", "BTC-USDT"),
    ],
)
def test_common_names(text: str, symbol: str) -> None:
    assert feed().instrument(text) == f"okx:{symbol}"


@pytest.mark.parametrize("text", ["", "sim:BTCUSDT", "BTC-USDT-SWAP", "<b>"])
def test_names_that_cannot_be(text: str) -> None:
    with pytest.raises(UnknownSymbol):
        feed().instrument(text)

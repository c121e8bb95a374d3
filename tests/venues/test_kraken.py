"""Kraken's parser on documented messages and on hostile ones."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Notice, Quote, Trade
from tandem.venues.kraken import Kraken
from tests.support import hostile_messages
from tests.support.hostile_messages import RECEIVED_US

TRADE = {
    "symbol": "MATIC/USD",
    "side": "sell",
    "price": 0.5117,
    "qty": 40.0,
    "ord_type": "market",
    "trade_id": 4665906,
    "timestamp": "2023-09-25T07:49:37.708706Z",
}
UPDATE: dict[str, Any] = {"channel": "trade", "type": "update", "data": [TRADE]}
TICKER: dict[str, Any] = {
    "channel": "ticker",
    "type": "snapshot",
    "data": [
        {
            **{"symbol": "ALGO/USD", "bid": 0.10025, "bid_qty": 740.0, "ask": 0.10036},
            **{"ask_qty": 1361.44813783, "last": 0.10035, "volume": 997038.98383185},
            **{"vwap": 0.10148, "low": 0.09979, "high": 0.10285, "change": -0.00017},
        }
    ],
}
STATUS: dict[str, Any] = {
    "channel": "status",
    "type": "update",
    "data": [{"version": "2.0.4", "system": "online", "api_version": "v2", "connection_id": 1}],
}
REFUSAL: dict[str, Any] = {
    "error": "Currency pair not supported FOO/USD",
    **{"method": "subscribe", "success": False, "symbol": "FOO/USD"},
}


def feed() -> Kraken:
    return Kraken("wss://kraken.test/v2")


def parse(message: object) -> Any:
    return feed().parse(orjson.dumps(message), RECEIVED_US)


def test_the_side_is_the_takers() -> None:
    assert parse(UPDATE) == [
        Trade("kraken:MATIC/USD", 4665906, 1695628177708706, 0.5117, 40.0, -1, RECEIVED_US)
    ]
    (bought,) = parse(UPDATE | {"data": [TRADE | {"side": "buy", "price": 61000, "qty": 1}]})
    assert (bought.side, bought.price, bought.quantity) == (1, 61000.0, 1.0)
    assert type(bought.price) is float


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


@pytest.mark.parametrize(
    "change",
    [
        *({"price": bad} for bad in ("0.5", 0, -1, True, None, 1e300)),
        *({"qty": bad} for bad in ("40", 0, [40])),
        *({"trade_id": bad} for bad in ("1", -1, 1.5, 2**63)),
        *({"side": bad} for bad in ("hold", "Sell", ["sell"], None)),
        *({"symbol": bad} for bad in ("", 7, "<b>", None)),
        *({"timestamp": bad} for bad in ("yesterday", 1695628177, "2199-01-01T00:00:00Z")),
    ],
)
def test_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse(UPDATE | {"data": [TRADE | change]})


@pytest.mark.parametrize("missing", ["symbol", "side", "price", "qty", "trade_id", "timestamp"])
def test_a_missing_field_is_named(missing: str) -> None:
    data = {name: value for name, value in TRADE.items() if name != missing}
    with pytest.raises(MessageError, match=missing):
        parse(UPDATE | {"data": [data]})


@pytest.mark.parametrize("message", [{}, {"channel": "book", "data": []}, {"channel": ["trade"]}])
def test_what_was_not_asked_for_is_refused(message: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        parse(message)


@given(hostile_messages.RAW)
def test_only_message_errors_escape_from_any_bytes(raw: bytes | str) -> None:
    hostile_messages.survives(feed(), raw)


@given(hostile_messages.mutations([UPDATE, TICKER, STATUS, REFUSAL]))
def test_only_message_errors_escape_from_any_fields(raw: bytes) -> None:
    hostile_messages.survives(feed(), raw)


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


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("btc", "BTC/USD"),
        ("XBT", "BTC/USD"),
        ("xdg/eur", "DOGE/EUR"),
        ("BTC-USD", "BTC/USD"),
        ("BTCUSDT", "BTC/USD"),
        ("btc/usdt", "BTC/USDT"),
        ("eth/xbt", "ETH/BTC"),
        ("kraken:BTC/USD", "BTC/USD"),
        ("kraken:BTC/USDT", "BTC/USDT"),
    ],
)
def test_common_names(text: str, symbol: str) -> None:
    assert feed().instrument(text) == f"kraken:{symbol}"


@pytest.mark.parametrize("text", ["", "sim:BTCUSDT", "a/b/c", "<b>"])
def test_names_that_cannot_be(text: str) -> None:
    with pytest.raises(UnknownSymbol):
        feed().instrument(text)

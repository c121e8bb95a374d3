"""Coinbase's parser on a real capture, on documented messages and on hostile ones."""

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Notice, Quote, Trade
from tandem.venues.coinbase import Coinbase
from tests.support.paths import SHARED

CAPTURE = SHARED / "data" / "ticks" / "coinbase_2021.ws.txt"

RECEIVED_US = 1_795_000_000_000_000

MATCH = {
    "type": "match",
    "trade_id": 82007,
    "maker_order_id": "9d2861bd-1703-47f2-a7f4-7723565a7f5c",
    "taker_order_id": "dd068ce5-f175-4396-bae1-a1db56d209f5",
    "side": "buy",
    "size": "1008.2",
    "price": "0.5752",
    "product_id": "SKL-GBP",
    "sequence": 27883326,
    "time": "2021-04-17T16:43:29.571587Z",
}
TICKER = {
    "type": "ticker",
    "sequence": 37475248783,
    "product_id": "ETH-USD",
    "price": "1285.22",
    "best_bid": "1285.04",
    "best_bid_size": "0.46688654",
    "best_ask": "1285.27",
    "best_ask_size": "1.56637040",
    "side": "buy",
    "time": "2022-10-19T23:28:22.061769Z",
    "trade_id": 370843401,
    "last_size": "11.4396987",
}


def feed() -> Coinbase:
    return Coinbase("wss://coinbase.test")


def test_the_makers_side_is_flipped() -> None:
    assert feed().parse(orjson.dumps(MATCH), RECEIVED_US) == (
        Trade("coinbase:SKL-GBP", 82007, 1618677809571587, 0.5752, 1008.2, -1, RECEIVED_US),
    )
    (trade,) = feed().parse(orjson.dumps(MATCH | {"side": "sell"}), RECEIVED_US)
    assert isinstance(trade, Trade)
    assert trade.side == 1


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


@pytest.mark.parametrize(
    "change",
    [
        {"price": "nan"},
        {"price": "-1"},
        {"price": 1.5},
        {"price": "0"},
        {"size": "0"},
        {"size": "inf"},
        {"trade_id": "82007"},
        {"trade_id": -3},
        {"side": "hold"},
        {"side": ["buy"]},
        {"product_id": None},
        {"product_id": ["SKL"]},
        {"time": "yesterday"},
        {"time": "2199-01-01T00:00:00Z"},
        {"time": "2021-04-17T16:43:29.571587"},
        {"time": "0001-01-01T00:00:00Z"},
        {"time": 5},
        {"type": "l2update"},
        {"type": None},
    ],
)
def test_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        feed().parse(orjson.dumps(MATCH | change), RECEIVED_US)


@pytest.mark.parametrize("missing", ["trade_id", "side", "size", "price", "product_id", "time"])
def test_a_missing_field_is_named(missing: str) -> None:
    data = {name: value for name, value in MATCH.items() if name != missing}
    with pytest.raises(MessageError, match=missing):
        feed().parse(orjson.dumps(data), RECEIVED_US)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=30)
    | st.lists(st.integers(0, 9), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2)
    | st.sampled_from(["nan", "1e999", "-0", "9999-12-31T23:59:59Z", "2021-13-01Z", "Z"])
)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_only_message_errors_escape_from_any_bytes(raw: bytes | str) -> None:
    with contextlib.suppress(MessageError):
        feed().parse(raw, RECEIVED_US)


@given(
    base=st.sampled_from([MATCH, TICKER]),
    fields=st.dictionaries(st.sampled_from(sorted({*MATCH, *TICKER})), VALUES, max_size=4),
)
def test_only_message_errors_escape_from_any_fields(
    base: dict[str, object], fields: dict[str, object]
) -> None:
    try:
        events = feed().parse(orjson.dumps(base | fields), RECEIVED_US)
    except MessageError:
        return
    assert all(e.price > 0 and e.quantity > 0 for e in events if isinstance(e, Trade))


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


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("btc", "BTC-USD"),
        ("BTC/USD", "BTC-USD"),
        ("BTCUSDT", "BTC-USD"),
        ("btc/usdt", "BTC-USD"),
        ("BTC-USDT", "BTC-USDT"),
        ("ETH-BTC", "ETH-BTC"),
        ("coinbase:ETH-USD", "ETH-USD"),
    ],
)
def test_common_names(text: str, symbol: str) -> None:
    assert feed().instrument(text) == f"coinbase:{symbol}"


def test_names_that_cannot_be() -> None:
    with pytest.raises(UnknownSymbol):
        feed().instrument("sim:BTCUSDT")

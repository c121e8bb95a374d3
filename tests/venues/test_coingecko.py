"""CoinGecko's prices: what is asked for, what an answer means, hostile answers."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from tandem.core.errors import MessageError, UnknownSymbol
from tandem.core.events import Trade
from tandem.venues.coingecko import IDS, CoinGecko
from tandem.venues.rest import Listing
from tests.support.rest_answers import NOW_US, RAW, mutations, refuses

PRICES = {
    "bitcoin": {"usd": 47295.0, "last_updated_at": 1711356300},
    "ethereum": {"usd": 3561.2, "last_updated_at": 1711356298},
}
COINS = [
    {"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"},
    {"id": "bitcoin-cash", "symbol": "bch", "name": "Bitcoin Cash"},
]


def feed(key: str = "") -> CoinGecko:
    return CoinGecko("https://coingecko.test/", key)


def answer(**changes: Any) -> bytes:
    return orjson.dumps(PRICES | changes)


def test_a_price_is_a_trade_without_quantity_or_side_keyed_by_its_second() -> None:
    assert feed().parse(orjson.dumps(PRICES), NOW_US) == [
        Trade("coingecko:BITCOIN", 1711356300, 1711356300000000, 47295.0, 0.0, 0, NOW_US),
        Trade("coingecko:ETHEREUM", 1711356298, 1711356298000000, 3561.2, 0.0, 0, NOW_US),
    ]


def test_a_cached_price_is_no_new_tick() -> None:
    polled = feed()
    polled.parse(answer(), NOW_US)
    assert polled.parse(answer(), NOW_US) == []
    older = {"usd": 47000.0, "last_updated_at": 1711356299}
    assert polled.parse(answer(bitcoin=older), NOW_US) == []
    newer = {"usd": 47300.0, "last_updated_at": 1711356360}
    (trade,) = polled.parse(answer(bitcoin=newer), NOW_US)
    assert (trade.instrument, trade.price) == ("coingecko:BITCOIN", 47300.0)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        None,
        {"usd": None, "last_updated_at": 1711356300},
        {"usd": 0, "last_updated_at": 1711356300},
        {"usd": "1.0", "last_updated_at": 1711356300},
        {"usd": 1.0, "last_updated_at": 1711356300.5},
        {"usd": 1.0, "last_updated_at": 4},
        {"usd": 1.0},
    ],
)
def test_one_bad_price_does_not_silence_the_others(bad: Any) -> None:
    (trade,) = feed().parse(answer(bitcoin=bad), NOW_US)
    assert trade.instrument == "coingecko:ETHEREUM"
    refuses(lambda: feed().parse(orjson.dumps({"bitcoin": bad}), NOW_US), "without a price")


def test_an_empty_answer_is_nothing_and_an_error_is_one() -> None:
    assert feed().parse(b"{}", NOW_US) == []
    refuses(lambda: feed().parse(b'{"status":{"error_code":429}}', NOW_US), "without a price")
    assert feed().throttled(429, b"")
    assert not feed().throttled(200, b"")


def test_many_assets_are_asked_for_in_batches() -> None:
    names = [f"coingecko:ASSET-{n}" for n in range(250)]
    requests = feed().requests(names)
    assert len(requests) == 3
    asked = ",".join(request.url.partition("ids=")[2].partition("&")[0] for request in requests)
    assert sorted(asked.split(",")) == sorted(name.partition(":")[2].lower() for name in names)
    assert feed().requests([]) == ()
    assert feed().requests(["coingecko:BITCOIN", "coingecko:BITCOIN"])[0].url == (
        "https://coingecko.test/api/v3/simple/price?ids=bitcoin&vs_currencies=usd"
        "&include_last_updated_at=true&precision=full"
    )


def test_the_key_is_in_a_header_and_nowhere_else() -> None:
    polled = feed("CG-secret")
    assert polled.headers() == {"x-cg-demo-api-key": "CG-secret"}
    assert "secret" not in polled.requests(["coingecko:BITCOIN"])[0].url
    assert "secret" not in polled.listing().url
    assert "secret" not in repr(polled)
    assert feed().headers() == {}


def test_a_month_of_polls_stays_within_the_keys_credits() -> None:
    assert 31 * 86_400 / feed("CG-secret").every_s < 10_000
    assert feed().every_s == 60.0


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTC", "BITCOIN"),
        ("btc/usd", "BITCOIN"),
        ("BTC-USDT", "BITCOIN"),
        ("BTCUSDT", "BITCOIN"),
        ("xbt", "BITCOIN"),
        ("bitcoin", "BITCOIN"),
        ("coingecko:BITCOIN", "BITCOIN"),
        ("coingecko:btc", "BITCOIN"),
        ("bitcoin-cash", "BITCOIN-CASH"),
        ("avax", "AVALANCHE-2"),
        ("coingecko:AVALANCHE-2", "AVALANCHE-2"),
        ("coingecko:SOME-USD", "SOME-USD"),
        ("01coin", "01COIN"),
    ],
)
def test_names_people_use(text: str, symbol: str) -> None:
    assert feed().instrument(text) == f"coingecko:{symbol}"


@pytest.mark.parametrize("text", ["", "BTC/EUR", "kraken:BTC", "a b c", "x" * 41, "ёж", "-"])
def test_what_is_no_asset(text: str) -> None:
    with pytest.raises(UnknownSymbol):
        feed().instrument(text)


@pytest.mark.parametrize("identifier", sorted(set(IDS.values())))
def test_an_instrument_is_its_own_name(identifier: str) -> None:
    name = f"coingecko:{identifier.upper()}"
    assert feed().instrument(name) == name
    assert feed().instrument(identifier) == name


def test_the_list_of_assets() -> None:
    assert feed().listing().url == "https://coingecko.test/api/v3/coins/list"
    assert feed().parse_listing(orjson.dumps([*COINS, {"id": "_x", "symbol": "x"}, {}])) == [
        Listing("BITCOIN", "BTC", "USD", "spot", 0.0, 0.0, 0.0),
        Listing("BITCOIN-CASH", "BCH", "USD", "spot", 0.0, 0.0, 0.0),
    ]


def survives(body: bytes) -> None:
    try:
        trades = feed().parse(body, NOW_US)
    except MessageError as error:
        assert len(str(error)) < 100
    else:
        for trade in trades:
            assert trade.instrument.startswith("coingecko:")
            assert 0.0 < trade.price < 1e15
            assert (trade.quantity, trade.side) == (0.0, 0)
    try:
        found = feed().parse_listing(body)
    except MessageError as error:
        assert len(str(error)) < 100
    else:
        assert found


@given(RAW)
def test_raw_junk(body: bytes) -> None:
    survives(body)


@given(mutations(PRICES) | mutations(COINS))
def test_mutated_answers(body: bytes) -> None:
    survives(body)

"""Binance's parser on real recordings, on documented messages and on hostile ones."""

import gzip

import orjson
import pytest

from tandem.core.errors import MessageError
from tandem.core.events import Funding, Notice, Quote, Trade
from tandem.venues.base import Route
from tandem.venues.binance import BinanceSpot, BinanceUs, BinanceUsdm
from tests.support.examples.binance import AGGREGATE_TRADE
from tests.support.paths import SHARED

TICKS = SHARED / "data" / "ticks"

recordings = pytest.mark.skipif(not TICKS.is_dir(), reason=f"no recordings in {TICKS}")

RECEIVED_US = 1_795_000_000_000_000


def usdm() -> BinanceUsdm:
    return BinanceUsdm("wss://usdm.test/")


def spot() -> BinanceSpot:
    return BinanceSpot("wss://spot.test")


def frame(data: object) -> bytes:
    return orjson.dumps({"stream": "akrousdt@aggTrade", "data": data})


def test_buyer_who_takes_is_plus_one_and_text_or_bare_frames_do_too() -> None:
    raw = orjson.dumps(AGGREGATE_TRADE | {"m": False, "M": True}).decode()
    (trade,) = spot().parse(raw, RECEIVED_US)
    assert isinstance(trade, Trade)
    assert (trade.instrument, trade.side) == ("binance-spot:AKROUSDT", 1)


@recordings
@pytest.mark.parametrize(("name", "count"), [("usdm_btcusdt", 21_313), ("usdm_ethusdt", 14_076)])
def test_every_frame_of_the_recordings(name: str, count: int) -> None:
    feed = usdm()
    with gzip.open(TICKS / f"{name}.trades.rawws.gz") as lines:
        trades = []
        for line in lines:
            nanoseconds, raw = line.split(b" ", 1)
            trades.extend(feed.parse(raw, int(nanoseconds) // 1000))
    assert len(trades) == count
    assert {type(trade) for trade in trades} == {Trade}
    ids = [trade.trade_id for trade in trades]
    assert ids == list(range(ids[0], ids[0] + count)), "an id gap"
    # The recording machine's clock ran about 1.27 s behind the exchange's.
    delays = sorted(trade.received_us - trade.time_us for trade in trades)
    assert -1_300_000 < delays[count // 2] < -1_200_000


@recordings
def test_the_mixed_capture_gives_its_trades_and_quotes_and_refuses_what_was_not_asked() -> None:
    feed, found, refused = usdm(), [], 0
    for line in (TICKS / "binance_futures_2021.ws.txt").read_text().splitlines()[1:]:
        try:
            found += feed.parse(line.partition(": ")[2], RECEIVED_US)
        except MessageError:
            refused += 1
    assert sum(isinstance(event, Trade) for event in found) == 91
    assert sum(isinstance(event, Quote) for event in found) == 613
    assert refused == 764 + 67  # depth and candles


def test_quote_of_futures_carries_its_own_time() -> None:
    data = {
        **{"e": "bookTicker", "u": 600859600576, "s": "SUSHIUSDT", "b": "7.6110", "B": "2"},
        **{"a": "7.6120", "A": "297", "T": 1626992741012, "E": 1626992741017},
    }
    assert usdm().parse(frame(data), RECEIVED_US) == (
        Quote("binance-usdm:SUSHIUSDT", 1626992741012000, 7.611, 2.0, 7.612, 297.0, RECEIVED_US),
    )


def test_quote_of_spot_is_timed_by_its_arrival() -> None:
    data = {"u": 400900217, "s": "BNBUSDT", "b": "25.3519", "B": "31.21", "a": "25.3652", "A": "4"}
    raw = orjson.dumps({"stream": "bnbusdt@bookTicker", "data": data})
    assert spot().parse(raw, RECEIVED_US) == (
        Quote("binance-spot:BNBUSDT", RECEIVED_US, 25.3519, 31.21, 25.3652, 4.0, RECEIVED_US),
    )


def test_funding() -> None:
    data = {
        **{"e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT", "p": "11794.15000000"},
        **{"i": "11784.62659091", "P": "11784.25641265", "r": "0.00038167", "T": 1562306400000},
    }
    assert usdm().parse(frame(data), RECEIVED_US) == (
        Funding(
            "binance-usdm:BTCUSDT",
            1562305380000000,
            0.00038167,
            1562306400000000,
            11794.15,
            RECEIVED_US,
        ),
    )


def test_delivery_contracts_have_no_funding() -> None:
    data = {
        **{"e": "markPriceUpdate", "E": 1562305380000, "s": "BTCUSDT_261225", "p": "11794.15"},
        **{"r": "", "T": 0},
    }
    (funding,) = usdm().parse(frame(data), RECEIVED_US)
    assert isinstance(funding, Funding)
    assert (funding.rate, funding.next_us) == (0.0, 0)


def test_acknowledgement_is_nothing() -> None:
    assert usdm().parse(b'{"result":null,"id":1}', RECEIVED_US) == ()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"error":{"code":2,"msg":"Invalid request: <b>unknown</b>"},"id":3}',
        b'{"code":2,"msg":"Invalid request: <b>unknown</b>","id":3}',
    ],
)
def test_an_error_is_told(raw: bytes) -> None:
    (notice,) = usdm().parse(raw, RECEIVED_US)
    assert notice == Notice("error", "Binance USD-M: Invalid request: <b>unknown</b>")


def test_a_long_error_is_one_short_line() -> None:
    raw = orjson.dumps({"error": {"msg": "bad\n\x1b[31m" + "x" * 100_000}})
    (notice,) = usdm().parse(raw, RECEIVED_US)
    assert isinstance(notice, Notice)
    assert len(notice.text) < 250
    assert notice.text.isprintable()


def test_shutdown_is_told() -> None:
    (notice,) = spot().parse(b'{"e":"serverShutdown","E":1770123456789}', RECEIVED_US)
    assert isinstance(notice, Notice)
    assert notice.kind == "closing"


def test_trades_and_quotes_of_futures_have_routes_of_their_own() -> None:
    names = ["binance-usdm:ETHUSDT", "binance-usdm:BTCUSDT"]
    route = usdm().trade_route(names)
    assert route == Route(
        "trades",
        "wss://usdm.test/market/stream?streams="
        "btcusdt@aggTrade/btcusdt@markPrice/ethusdt@aggTrade/ethusdt@markPrice",
        (),
        frozenset(names),
        None,
        23 * 3_600.0,
    )
    quotes = usdm().quote_route(names[:1])
    assert quotes is not None
    assert quotes.url == "wss://usdm.test/public/stream?streams=ethusdt@bookTicker"
    assert quotes.carries == frozenset()
    assert spot().trade_route(["binance-spot:BTCUSDT"]).url == (
        "wss://spot.test/stream?streams=btcusdt@aggTrade"
    )


def test_hundreds_of_instruments_are_subscribed_within_the_limits() -> None:
    names = [f"binance-usdm:A{n}USDT" for n in range(300)]
    route = usdm().trade_route(names)
    assert len(route.url) < 2_000
    assert len(route.frames) <= 5
    asked = route.url.partition("streams=")[2].split("/")
    for text in route.frames:
        message = orjson.loads(text)
        assert message["method"] == "SUBSCRIBE"
        assert len(message["params"]) <= 200
        asked += message["params"]
    assert len(asked) == len(set(asked)) == 600


def test_change_subscribes_and_unsubscribes() -> None:
    feed = usdm()
    quotes = feed.quote_route(["binance-usdm:BTCUSDT"])
    assert quotes is not None
    frames = [
        orjson.loads(text)
        for text in feed.change(quotes, ["binance-usdm:ETHUSDT"], ["binance-usdm:BTCUSDT"])
    ]
    assert [(f["method"], f["params"]) for f in frames] == [
        ("UNSUBSCRIBE", ["btcusdt@bookTicker"]),
        ("SUBSCRIBE", ["ethusdt@bookTicker"]),
    ]
    assert frames[0]["id"] != frames[1]["id"]
    assert feed.change(quotes, [], []) == ()


def test_quotes_and_funding_of_another_unit_are_refused_too() -> None:
    late = RECEIVED_US
    quote = {"e": "bookTicker", "u": 1, "s": "X", "b": "1", "B": "1", "a": "2", "A": "1"}
    mark = {"e": "markPriceUpdate", "s": "X", "p": "1", "r": "0.0001", "T": 1562306400000}
    for data in (quote | {"T": late}, mark | {"E": late}):
        with pytest.raises(MessageError, match="not plausible"):
            usdm().parse(frame(data), RECEIVED_US)


def test_binance_us_speaks_like_spot_under_its_own_name() -> None:
    feed = BinanceUs("wss://us.test:9443/")
    (trade,) = feed.parse(frame(AGGREGATE_TRADE | {"M": True}), RECEIVED_US)
    assert isinstance(trade, Trade)
    assert (trade.instrument, trade.side) == ("binance-us:AKROUSDT", -1)
    route = feed.trade_route(["binance-us:BTCUSDT"])
    assert route.url == "wss://us.test:9443/stream?streams=btcusdt@aggTrade"
    many = [f"binance-us:A{n}USDT" for n in range(feed.max_instruments)]
    changed = feed.change(route, many[200:], many[:200])
    assert len(feed.trade_route(many).frames) + len(changed) <= 5

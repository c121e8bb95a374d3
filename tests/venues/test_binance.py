"""What is Binance's own, beside what every venue does: its notices, requests and answers."""

import csv
import gzip
from typing import Any

import numpy as np
import orjson
import pytest

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import MessageError
from tandem.core.events import Funding, NoQuote, Notice, OffBook, Quote, Trade
from tandem.venues.base import Route
from tandem.venues.binance import (
    BinanceSpot,
    BinanceSpotRest,
    BinanceUs,
    BinanceUsdm,
    BinanceUsdmRest,
    BinanceUsRest,
)
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import RestVenue
from tests.support.examples.binance import AGGREGATE_TRADE, CANDLE, FUTURES, NAME, TRADE
from tests.support.paths import SHARED
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url

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


@pytest.mark.parametrize(("bid", "ask"), [("0.00000000", "25.3652"), ("25.4", "25.3652")])
def test_a_side_that_is_empty_and_sides_that_cross_are_no_quote(bid: str, ask: str) -> None:
    data = {"u": 400900217, "s": "BNBUSDT", "b": bid, "B": "0", "a": ask, "A": "4"}
    raw = orjson.dumps({"stream": "bnbusdt@bookTicker", "data": data})
    ended = NoQuote("binance-spot:BNBUSDT", RECEIVED_US, RECEIVED_US)
    assert spot().parse(raw, RECEIVED_US) == (ended,)


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA"])
def test_a_single_trade_outside_the_book_is_told_from_one_of_it(kind: str) -> None:
    data = {
        **{"e": "trade", "E": 1626992741017, "s": "BTCUSDT", "t": 5, "p": "1.5", "q": "2"},
        **{"T": 1626992741012, "m": True},
    }
    (traded,) = usdm().parse(frame(data | {"X": "MARKET"}), RECEIVED_US)
    assert isinstance(traded, Trade)
    off = (OffBook("binance-usdm:BTCUSDT", RECEIVED_US),)
    assert usdm().parse(frame(data | {"X": kind}), RECEIVED_US) == off


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


# By REST ------------------------------------------------------------------------------

VENDOR = SHARED / "data" / "ticks" / "um_BTCUSDT-aggTrades-2026-09-15.csv"


def venue() -> RestVenue:
    return BinanceUsdmRest("https://binance.test/", clock)


def with_symbol(**changes: Any) -> bytes:
    good = FUTURES["symbols"][0]  # type: ignore[index]
    return orjson.dumps({"symbols": [good, {**good, "symbol": "ETHUSDT", **changes}]})


def test_trades_come_ascending() -> None:
    body = orjson.dumps([TRADE | {"a": 3}, TRADE | {"a": 1}, TRADE | {"a": 2}])
    assert [trade.trade_id for trade in venue().parse_trades(body, NAME, NOW_US)] == [1, 2, 3]


def test_a_vendors_rows_read_as_rest_would_give_them() -> None:
    if not VENDOR.exists():
        pytest.skip("the shared recordings are not here")
    with VENDOR.open(newline="") as file:
        rows = list(csv.DictReader(file))[:1000]
    body = orjson.dumps(
        [
            {
                "a": int(row["agg_trade_id"]),
                "p": row["price"],
                "q": row["quantity"],
                "T": int(row["transact_time"]),
                "m": row["is_buyer_maker"] == "true",
            }
            for row in rows
        ]
    )
    trades = venue().parse_trades(body, NAME, NOW_US)
    assert len(trades) == len(rows)
    assert trades[-1].trade_id == int(rows[-1]["agg_trade_id"])


def test_a_hole_with_ids_is_walked_from_its_end_back() -> None:
    gap = hole(NAME, NOW_US - 60 * SECOND_US, NOW_US, (5_000, 6_499))
    assert venue().trades(NAME, gap) == (
        "https://binance.test/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=5500&limit=1000",
        20,
    )
    page = [Trade(NAME, n, NOW_US, 1.0, 1.0, 1, NOW_US) for n in range(5_500, 6_500)]
    assert url(venue().more(NAME, gap, page)).endswith("&fromId=5000&limit=500")
    assert venue().more(NAME, gap, [page[0]._replace(trade_id=5_000)]) is None
    assert venue().more(NAME, gap, []) is None


def test_a_hole_without_ids_is_walked_from_now_back() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, 1_794_000_060_000_000)
    assert url(venue().trades(NAME, gap)).endswith("/aggTrades?symbol=BTCUSDT&limit=1000")
    inside = Trade(NAME, 7_700, gap.start_us, 1.0, 1.0, 1, NOW_US)
    assert url(venue().more(NAME, gap, [inside])).endswith("&fromId=6700&limit=1000")
    assert venue().more(NAME, gap, [inside._replace(time_us=gap.start_us - 1)]) is None
    near_first = url(venue().more(NAME, gap, [inside._replace(trade_id=30)]))
    assert near_first.endswith("&fromId=0&limit=30")
    assert venue().more(NAME, gap, [inside._replace(trade_id=1)]) is None


def test_a_page_from_before_the_hole_ends_the_walk() -> None:
    gap = hole(NAME, 0, NOW_US, (5_000, 6_499))
    assert venue().more(NAME, gap, [Trade(NAME, 3, 1, 1.0, 1.0, 1, NOW_US)]) is None


def test_the_documented_candle() -> None:
    (bar,) = venue().parse_candles(orjson.dumps([CANDLE]), NAME)
    assert bar["time_us"] == 1499040000000000
    assert bar["last_us"] == 1499040000000000 + MINUTE_US - 1
    assert tuple(bar[["open", "high", "low", "close"]]) == (0.0163479, 0.8, 0.015758, 0.015771)
    assert bar["volume"] == 148976.11427815
    assert bar["notional"] == 2434.19055334
    assert bar["buy_volume"] == 1756.87402397
    assert bar["trades"] == -1


def test_quiet_minutes_are_no_candles_and_order_does_not_matter() -> None:
    quiet = [*CANDLE]
    quiet[0], quiet[5], quiet[7], quiet[9] = CANDLE[0] + 60_000, "0", "0", "0"
    later = [CANDLE[0] + 120_000, *CANDLE[1:]]
    bars = venue().parse_candles(orjson.dumps([later, quiet, CANDLE]), NAME)
    assert list(np.diff(bars["time_us"])) == [2 * MINUTE_US]
    assert len(venue().parse_candles(b"[]", NAME)) == 0


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        (0, 1499040000001, "begin with a minute"),
        (0, "1499040000000", "not a whole number"),
        (2, "0.001", "high or low"),
        (3, "-1", "positive"),
        (5, "nan", "not finite"),
        (9, "999999999", "bought more"),
    ],
)
def test_candles_that_cannot_be(field: int, value: Any, cause: str) -> None:
    row = [*CANDLE]
    row[field] = value
    refuses(lambda: venue().parse_candles(orjson.dumps([row]), NAME), cause)


def test_candles_are_asked_for_with_both_ends() -> None:
    request = venue().candles(NAME, 1_794_000_000_000_000, 1_794_000_600_000_000)
    assert request.url == (
        "https://binance.test/fapi/v1/klines?symbol=BTCUSDT&interval=1m"
        "&startTime=1794000000000&endTime=1794000599999&limit=10"
    )


@pytest.mark.parametrize(
    ("minutes", "limit", "weight"), [(0, 1, 1), (99, 99, 1), (100, 100, 2), (500, 500, 5)]
)
def test_few_candles_weigh_less_on_usdm(minutes: int, limit: int, weight: int) -> None:
    request = venue().candles(NAME, 0, minutes * MINUTE_US)
    assert request.url.endswith(f"&limit={limit}")
    assert request.weight == weight
    spot = BinanceSpotRest("https://binance.test", clock)
    assert spot.candles("binance-spot:BTCUSDT", 0, minutes * MINUTE_US).weight == 2


def test_a_long_span_is_cut_at_its_end() -> None:
    assert venue().candles(NAME, 0, 9_999 * MINUTE_US).url.endswith("&limit=1000")


def test_dated_futures_are_told_apart() -> None:
    body = with_symbol(symbol="BTCUSDT_261225", contractType="CURRENT_QUARTER")
    found = venue().parse_listing(body)
    assert [(entry.symbol, entry.kind) for entry in found][1] == ("BTCUSDT_261225", "future")


def test_a_list_of_nothing_is_an_error() -> None:
    refuses(lambda: venue().parse_listing(b'{"symbols":[]}'), "none of 0 symbols")
    refuses(lambda: venue().parse_listing(b'{"code":-1121,"msg":"x"}'), "without 'symbols'")


def test_too_far_back_is_told_by_its_code() -> None:
    answer = b'{"code":-4166,"msg":"Search window is restricted to recent 2 days."}'
    assert venue().beyond_reach(400, answer)
    assert not venue().beyond_reach(200, answer)
    assert not venue().beyond_reach(400, b'{"code":-1121}')
    assert not venue().beyond_reach(400, b"<html>")
    assert not BinanceSpotRest("https://binance.test", clock).beyond_reach(400, answer)


def test_each_is_found_by_its_venue() -> None:
    for kind in (BinanceUsdmRest, BinanceSpotRest, BinanceUsRest):
        assert type(create(kind.venue, "https://binance.test")) is kind
    assert create("sim", "https://binance.test") is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{}", b"[1]", b"[null]", b'["a"]', b'[{"a":1}]', b"[[]]", b"\xff"],
)
def test_what_is_not_an_answer_is_refused(body: bytes) -> None:
    refuses(lambda: venue().parse_trades(body, NAME, NOW_US))
    refuses(lambda: venue().parse_candles(body, NAME))


def test_a_buyer_who_takes_is_plus_one() -> None:
    (bought,) = venue().parse_trades(orjson.dumps([TRADE | {"m": False}]), NAME, NOW_US)
    assert bought.side == 1

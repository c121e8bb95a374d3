"""What is Bitstamp's own, beside what every venue does: its notices, requests and answers."""

from typing import Any

import numpy as np
import orjson
import pytest

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.core.errors import MessageError
from tandem.core.events import Notice, Trade
from tandem.venues.base import Keepalive
from tandem.venues.bitstamp import Bitstamp, BitstampRest
from tests.support.examples.bitstamp import ERROR, NAME, OHLC, TRADES
from tests.support.hostile_messages import RECEIVED_US
from tests.support.paths import SHARED
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url

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


# By REST ------------------------------------------------------------------------------


def venue() -> BitstampRest:
    return BitstampRest("https://bitstamp.test", clock)


def test_an_id_that_no_store_could_hold_is_refused() -> None:
    body = orjson.dumps([TRADES[0] | {"tid": "9999999999999999999"}])
    refuses(lambda: venue().parse_trades(body, NAME, NOW_US), "trade id")


@pytest.mark.parametrize(
    ("age_us", "span"),
    [
        (MINUTE_US, "hour"),
        (57 * MINUTE_US, "hour"),
        (59 * MINUTE_US, "day"),
        (23 * HOUR_US, "day"),
    ],
)
def test_the_span_that_holds_the_hole_is_asked_for(age_us: int, span: str) -> None:
    gap = hole(NAME, NOW_US - age_us, NOW_US)
    asked = url(venue().trades(NAME, gap))
    assert asked == f"https://bitstamp.test/api/v2/transactions/btcusd/?time={span}"
    assert venue().more(NAME, gap, []) is None
    assert venue().complete_since(gap, []) > gap.end_us


def test_a_hole_older_than_a_day_is_out_of_reach() -> None:
    assert venue().trades(NAME, hole(NAME, NOW_US - DAY_US + MINUTE_US, NOW_US)) is None


def test_known_candles() -> None:
    (bar,) = venue().parse_candles(orjson.dumps(OHLC), NAME)
    assert bar["time_us"] == 1593961440000000
    assert tuple(bar[["open", "high", "low", "close"]]) == (9040.87, 9064.77, 9040.87, 9064.77)
    assert np.isnan(bar["notional"])


def test_candles_include_both_ends_so_the_end_is_drawn_in() -> None:
    start = 1_790_000_040_000_000
    assert venue().candles(NAME, start, start + 10 * MINUTE_US).url == (
        "https://bitstamp.test/api/v2/ohlc/btcusd/?step=60&start=1790000040&end=1790000580"
        "&limit=1000"
    )


def test_too_many_requests_are_told_by_code() -> None:
    limited = b'{"status":"error","reason":"Request rejected","code":"400.002"}'
    assert venue().throttled(400, limited)
    assert not venue().throttled(400, b'{"code":"404.002"}')
    refuses(lambda: venue().parse_candles(limited, NAME), "without 'data'")

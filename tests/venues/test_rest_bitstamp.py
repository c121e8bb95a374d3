"""Bitstamp's REST formats: known answers, how a hole is asked for, hostile answers."""

import numpy as np
import orjson
import pytest

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.venues.bitstamp import BitstampRest
from tests.support.examples.bitstamp import NAME, OHLC, TRADES
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url


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

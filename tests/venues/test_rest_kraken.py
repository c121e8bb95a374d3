"""Kraken's REST formats: documented and real answers, how a hole is asked for, hostile ones."""

import numpy as np
import orjson
import pytest

from tandem.core.events import Trade
from tandem.venues.kraken import KrakenRest
from tests.support.examples.kraken import NAME, OHLC, ROWS, TRADES
from tests.support.paths import SHARED
from tests.support.rest_answers import NOW_US, clock, hole, refuses, url

CAPTURE = SHARED / "data" / "ticks" / "http_trades.json"


def venue() -> KrakenRest:
    return KrakenRest("https://kraken.test", clock)


def page_of(count: int, first_id: int = 1) -> list[Trade]:
    return [
        Trade(NAME, first_id + n, 1_794_000_000_000_000 + n, 1.0, 1.0, 1, NOW_US)
        for n in range(count)
    ]


def test_a_real_answer() -> None:
    if not CAPTURE.exists():
        pytest.skip("the shared recordings are not here")
    trades = venue().parse_trades(CAPTURE.read_bytes(), "kraken:BTC/USDT", NOW_US)
    assert len(trades) == 1000
    ids = [int(trade.trade_id) for trade in trades]
    assert ids == list(range(ids[0], ids[0] + 1000))
    assert trades[0].time_us == 1762795433971744


def test_names_of_version_one_are_sent() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, 1_794_000_060_000_000)
    assert url(venue().trades(NAME, gap)) == (
        "https://kraken.test/0/public/Trades?pair=XBTUSD&since=1793999999999999000&count=1000"
    )
    assert "pair=ETHXBT&" in url(venue().trades("kraken:ETH/BTC", gap))
    assert "pair=XDGUSD&" in venue().candles("kraken:DOGE/USD", 0, NOW_US).url


def test_a_full_page_is_followed_from_its_last_moment() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, NOW_US)
    page = page_of(1000)
    second = url(venue().more(NAME, gap, page))
    assert f"since={(page[-1].time_us - 1) * 1000}&" in second
    same = [trade._replace(time_us=page[0].time_us) for trade in page]
    third = url(venue().more(NAME, gap, same))
    assert f"since={page[0].time_us * 1000}&" in third


def test_the_walk_ends_with_the_hole_or_with_the_venue() -> None:
    gap = hole(NAME, 1_794_000_000_000_000, NOW_US)
    assert venue().more(NAME, gap, page_of(999)) is None
    assert venue().more(NAME, gap, []) is None
    past = hole(NAME, 0, 1_794_000_000_000_000)
    assert venue().more(NAME, past, page_of(1000)) is None
    known = hole(NAME, 0, NOW_US, (1, 1000))
    assert venue().more(NAME, known, page_of(1000)) is None
    assert venue().more(NAME, known, page_of(1000, first_id=0)) is not None


def test_the_documented_candles() -> None:
    bar, _ = venue().parse_candles(orjson.dumps(OHLC), NAME)
    assert bar["time_us"] == 1688671200000000
    assert tuple(bar[["open", "high", "low", "close"]]) == (30306.1, 30306.2, 30305.7, 30305.7)
    assert bar["notional"] == 30306.1 * 3.39
    assert np.isnan(bar["buy_volume"])


def test_errors_come_with_status_200() -> None:
    limited = b'{"error":["EAPI:Rate limit exceeded"]}'
    unknown = b'{"error":["EQuery:Unknown asset pair"]}'
    refuses(lambda: venue().parse_trades(limited, NAME, NOW_US), "answered with an error")
    assert venue().throttled(200, limited)
    assert venue().throttled(429, b"")
    assert not venue().throttled(200, unknown)
    assert not venue().throttled(200, orjson.dumps(TRADES))
    assert not venue().throttled(200, b"[")


def test_two_pairs_in_one_answer_are_refused() -> None:
    body = orjson.dumps({"error": [], "result": {"A": ROWS, "B": ROWS}})
    refuses(lambda: venue().parse_trades(body, NAME, NOW_US), "one pair")

"""Walks through holes against plain venues, and the parts that REST interfaces are made of."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
import pytest

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import MessageError
from tandem.core.events import Gap, Trade
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import Candle, RestVenue, candle_bars, json_list, listings, reading
from tests.support.rest_answers import NOW_US, hole, refuses
from tests.support.settings import rest_urls

URLS = rest_urls()
BEGIN_US = 1_794_000_000_000_000


def venue_of(name: str) -> RestVenue:
    venue = create(name, URLS[name])
    assert venue is not None
    return venue


# Walks ------------------------------------------------------------------------------------------


def history(count: int, instrument: str, per_moment: int) -> list[Trade]:
    """Return trades of which several share a moment, as one order's do."""
    return [
        Trade(
            *(instrument, 100 + n, BEGIN_US + n // per_moment * 1_000, 10.0 + n % 7, 1.0),
            *(1 if n % 3 else -1, NOW_US),
        )
        for n in range(count)
    ]


def binance(trades: list[Trade], query: dict[str, str]) -> Any:
    limit = int(query["limit"])
    assert 0 < limit <= 1000
    if "fromId" in query:
        chosen = [t for t in trades if int(t.trade_id) >= int(query["fromId"])][:limit]
    else:
        chosen = trades[-limit:]
    return [
        {"a": t.trade_id, "p": str(t.price), "q": "1", "T": t.time_us // 1000, "m": t.side < 0}
        for t in chosen
    ]


def coinbase(trades: list[Trade], query: dict[str, str]) -> Any:
    below = int(query.get("after", 2**60))
    chosen = [t for t in reversed(trades) if int(t.trade_id) < below]
    return [
        {
            "trade_id": t.trade_id,
            "side": "sell" if t.side > 0 else "buy",
            "size": "1",
            "price": str(t.price),
            "time": f"{datetime.fromtimestamp(t.time_us / 1e6, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        for t in chosen[: int(query["limit"])]
    ]


def kraken(trades: list[Trade], query: dict[str, str]) -> Any:
    chosen = [t for t in trades if t.time_us * 1000 > int(query["since"])][: int(query["count"])]
    rows = [
        [str(t.price), "1", t.time_us / 1e6, "b" if t.side > 0 else "s", "m", "", t.trade_id]
        for t in chosen
    ]
    return {"error": [], "result": {"XXBTZUSD": rows, "last": "0"}}


def walk(
    name: str, gap: Gap, answer: Callable[[list[Trade], dict[str, str]], Any], all_: list[Trade]
) -> tuple[list[Trade], int]:
    """Fill a gap as `tandem.venues.rest` says; return its trades and the number of requests."""
    venue, asked = venue_of(name), 0
    got: dict[int, Trade] = {}
    request = venue.trades(gap.instrument, gap)
    while request is not None:
        asked += 1
        query = {key: value[0] for key, value in parse_qs(urlsplit(request.url).query).items()}
        page = venue.parse_trades(orjson.dumps(answer(all_, query)), gap.instrument, NOW_US)
        if page and all(trade.trade_id in got for trade in page):
            break
        got.update((int(trade.trade_id), trade) for trade in page)
        request = venue.more(gap.instrument, gap, page)
    return [got[key] for key in sorted(got)], asked


@pytest.mark.parametrize("per_moment", [1, 40])
@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("binance-usdm", binance),
        ("binance-spot", binance),
        ("coinbase", coinbase),
        ("kraken", kraken),
    ],
)
def test_a_walk_brings_every_trade_of_a_hole(
    name: str, answer: Callable[[list[Trade], dict[str, str]], Any], by_id: bool, per_moment: int
) -> None:
    trades = history(9_000, f"{name}:BTC-USD", per_moment)
    missing = trades[1_234:5_678]
    first, last = int(missing[0].trade_id), int(missing[-1].trade_id)
    ids = (first, last) if by_id else (-1, -1)
    gap = hole(f"{name}:BTC-USD", missing[0].time_us, missing[-1].time_us, ids)
    got, asked = walk(name, gap, answer, trades)
    assert [trade for trade in got if first <= int(trade.trade_id) <= last] == missing
    assert asked <= 10
    assert by_id is False or name == "kraken" or asked == 5


def test_a_hole_at_the_end_of_history_ends_with_it() -> None:
    trades = history(2_500, "kraken:BTC/USD", 1)
    gap = hole("kraken:BTC/USD", BEGIN_US, NOW_US)
    for name, answer in (("kraken", kraken), ("binance-spot", binance), ("coinbase", coinbase)):
        got, _ = walk(name, gap._replace(instrument=f"{name}:BTC-USD"), answer, trades)
        assert [t.trade_id for t in got] == [t.trade_id for t in trades]


# Parts ------------------------------------------------------------------------------------------


def candle(minute: int, **changes: float) -> Candle:
    base = Candle(BEGIN_US + minute * MINUTE_US, 10.0, 12.0, 9.0, 11.0, 5.0, 2.0, 50.0)
    return base._replace(**changes)  # type: ignore[arg-type]


def test_candles_are_sorted_and_of_two_the_last_counts() -> None:
    bars = candle_bars(
        [candle(2), candle(1), candle(2, close=9.5), candle(3, volume=0.0, buy_volume=0.0)]
    )
    assert list(bars["time_us"]) == [BEGIN_US + MINUTE_US, BEGIN_US + 2 * MINUTE_US]
    assert list(bars["close"]) == [11.0, 9.5]
    assert len(candle_bars([])) == 0


def test_candles_out_of_shape_are_refused() -> None:
    refuses(lambda: candle_bars([candle(1, time_us=BEGIN_US + SECOND_US)]), "begin with a minute")
    refuses(lambda: candle_bars([candle(1, high=10.5)]), "high or low")
    refuses(lambda: candle_bars([candle(1, low=10.5)]), "high or low")
    refuses(lambda: candle_bars([candle(1, buy_volume=6.0)]), "bought more")
    assert np.isnan(candle_bars([candle(1, buy_volume=float("nan"))])["buy_volume"][0])


def test_lists_are_bounded() -> None:
    refuses(lambda: json_list(b"[1,2,3]", 2), "too long")
    refuses(lambda: json_list(b"{}", 2), "not a list")


def test_symbols_that_cannot_be_read_are_left_out() -> None:
    def read(entry: Any) -> Any:
        raise KeyError("symbol")

    refuses(lambda: listings("okx", [1, 2], read), "none of 2 symbols")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (KeyError("p"), "a trade without 'p'"),
        (IndexError(), "too few fields"),
        (TypeError(), "wrong type"),
        (AttributeError(), "wrong type"),
        (ValueError(), "wrong type"),
    ],
)
def test_what_goes_wrong_in_an_answer_is_a_message_error(error: Exception, cause: str) -> None:
    with pytest.raises(MessageError, match=cause), reading("a trade"):
        raise error

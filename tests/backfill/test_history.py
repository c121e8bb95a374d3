"""Candles and funding of the past: whole, in order, with progress, stopped, refused."""

import json
import threading

import numpy as np
import pytest

from tandem.backfill.history import (
    download_candles,
    download_funding,
    download_seconds,
    shortest_candle,
)
from tandem.config import Settings
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import Cancelled, DataError, FeedError, MessageError
from tandem.net.factory import venue_clients
from tests.support.candle_venue import NAME, SPOT, CandleVenue, candle

START_US = 1_789_999_980 * 1_000_000


def test_candles_come_whole_page_by_page_with_progress(candle_venue: CandleVenue) -> None:
    shares: list[float] = []
    end_us = START_US + 2_500 * MINUTE_US
    bars = download_candles(
        NAME, START_US, end_us, candle_venue.clients, threading.Event(), shares.append
    )
    np.testing.assert_array_equal(bars["time_us"], np.arange(START_US, end_us, MINUTE_US))
    assert len(candle_venue.asked) == len(shares) >= 2
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_seconds_come_whole_with_their_number_of_trades(candle_venue: CandleVenue) -> None:
    end_us = START_US + 2_500 * SECOND_US
    shares: list[float] = []
    bars = download_seconds(
        SPOT, START_US, end_us, candle_venue.clients, threading.Event(), shares.append
    )
    np.testing.assert_array_equal(bars["time_us"], np.arange(START_US, end_us, SECOND_US))
    assert (bars["trades"] == 5).all()
    assert len(candle_venue.asked) == len(shares) == 3
    assert all("interval=1s" in path for path in candle_venue.asked)


def test_seconds_are_refused_where_there_are_none(candle_venue: CandleVenue) -> None:
    stop = threading.Event()
    with pytest.raises(DataError, match="no shorter ones"):
        download_seconds(NAME, START_US, START_US + HOUR_US, candle_venue.clients, stop)
    with pytest.raises(DataError, match="up to a day"):
        download_seconds(SPOT, START_US, START_US + 2 * DAY_US, candle_venue.clients, stop)
    assert shortest_candle(SPOT, candle_venue.settings) == SECOND_US
    assert shortest_candle(NAME, candle_venue.settings) == MINUTE_US
    assert shortest_candle("sim:BTCUSDT", candle_venue.settings) == 0


@pytest.mark.parametrize("count", ["5", -1, 2.5, True, None, 2**40])
def test_a_number_of_trades_that_is_none_is_refused(
    candle_venue: CandleVenue, count: object
) -> None:
    row = candle(START_US // 1_000, 1_000)
    row[8] = count
    candle_venue.body = json.dumps([row]).encode()
    with pytest.raises(MessageError, match="number of trades"):
        download_seconds(
            SPOT, START_US, START_US + HOUR_US, candle_venue.clients, threading.Event()
        )


def test_funding_comes_whole_and_in_order(candle_venue: CandleVenue) -> None:
    end_us = START_US + 360 * DAY_US
    found = download_funding(NAME, START_US, end_us, candle_venue.clients, threading.Event())
    assert len(found) == 360 * 3
    assert [one.time_us for one in found] == sorted({one.time_us for one in found})
    assert found[0].rate == 0.0001
    assert len(candle_venue.asked) == 2


def test_a_download_can_be_stopped(candle_venue: CandleVenue) -> None:
    stop = threading.Event()
    end_us = START_US + 20_000 * MINUTE_US
    with pytest.raises(Cancelled):
        download_candles(
            NAME, START_US, end_us, candle_venue.clients, stop, lambda share: stop.set()
        )
    assert len(candle_venue.asked) == 1


@pytest.mark.parametrize(
    "body", [b"nonsense", b"{}", b'[{"fundingTime": "x"}]', b"[1]", b'[{"fundingTime": 1}]']
)
def test_an_answer_that_is_none_is_said(candle_venue: CandleVenue, body: bytes) -> None:
    candle_venue.body = body
    for download in (download_candles, download_funding):
        with pytest.raises(FeedError):
            download(NAME, START_US, START_US + DAY_US, candle_venue.clients, threading.Event())


def test_a_wrong_symbol_is_said(candle_venue: CandleVenue) -> None:
    candle_venue.status = 400
    with pytest.raises(FeedError, match="check the symbol"):
        download_candles(NAME, START_US, START_US + DAY_US, candle_venue.clients, threading.Event())


@pytest.mark.parametrize(
    ("name", "days"),
    [(NAME, 0), (NAME, 400), (NAME, -1), ("sim:BTCUSDT", 1), ("coingecko:BITCOIN", 1)],
)
def test_what_cannot_be_downloaded_is_said(name: str, days: int) -> None:
    stop, clients = threading.Event(), venue_clients(Settings())
    with pytest.raises(DataError):
        download_candles(name, START_US, START_US + days * DAY_US, clients, stop)
    with pytest.raises(DataError):
        download_funding(name.replace("usdm", "spot"), START_US, START_US, clients, stop)

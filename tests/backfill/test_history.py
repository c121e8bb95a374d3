"""Candles and funding of the past: whole, in order, with progress, stopped, refused."""

import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

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

START_US = 1_789_999_980 * 1_000_000
NAME = "binance-usdm:BTCUSDT"
SPOT = "binance-spot:BTCUSDT"


class Venue:
    """A stand-in for Binance's candles and funding rates; `body` overrides an answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        # Closed, it keeps answers back.
        self.gate = threading.Event()
        self.gate.set()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in.asked.append(self.path)
                stand_in.gate.wait(30)
                body = stand_in.answer(self.path) if stand_in.body is None else stand_in.body
                self.send_response(stand_in.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        url = f"http://127.0.0.1:{self._server.server_port}"
        self.settings = Settings(binance_usdm_rest_url=url, binance_spot_rest_url=url)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> "Venue":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @staticmethod
    def answer(path: str) -> bytes:
        parts = urlsplit(path)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        start, end, limit = (int(asked[key]) for key in ("startTime", "endTime", "limit"))
        step = {"1s": 1_000, "1m": 60_000}.get(asked.get("interval", ""), 8 * 3_600_000)
        first = -(-start // step) * step
        times = list(range(first, end + 1, step))[:limit]
        if parts.path.endswith("klines"):
            rows = [candle(at, step) for at in times]
        else:
            rows = [{"symbol": "BTCUSDT", "fundingTime": at, "fundingRate": "0.0001",
                     "markPrice": "" if at % 2 else "61000.5"} for at in times]  # fmt: skip
        return json.dumps(rows).encode()


def candle(at: int, step: int) -> list[object]:
    """Return a candle whose prices and volumes change with time."""
    close = 2.0 + 0.3 * math.sin(at / step / 7.0)
    volume = 10.0 + 5.0 * math.cos(at / step / 3.0)
    prices = [f"{one:.6f}" for one in (close, close + 1.0, close - 1.0, close, volume)]
    return [at, *prices, at + step - 1, f"{close * volume:.6f}", 5, f"{volume / 2:.6f}", "8", "0"]


@pytest.fixture
def venue() -> Iterator[Venue]:
    with Venue() as venue:
        yield venue


def test_candles_come_whole_page_by_page_with_progress(venue: Venue) -> None:
    shares: list[float] = []
    end_us = START_US + 2_500 * MINUTE_US
    bars = download_candles(
        NAME, START_US, end_us, venue.settings, threading.Event(), shares.append
    )
    np.testing.assert_array_equal(bars["time_us"], np.arange(START_US, end_us, MINUTE_US))
    assert len(venue.asked) == len(shares) >= 2
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_seconds_come_whole_with_their_number_of_trades(venue: Venue) -> None:
    end_us = START_US + 2_500 * SECOND_US
    shares: list[float] = []
    bars = download_seconds(
        SPOT, START_US, end_us, venue.settings, threading.Event(), shares.append
    )
    np.testing.assert_array_equal(bars["time_us"], np.arange(START_US, end_us, SECOND_US))
    assert (bars["trades"] == 5).all()
    assert len(venue.asked) == len(shares) == 3
    assert all("interval=1s" in path for path in venue.asked)


def test_seconds_are_refused_where_there_are_none(venue: Venue) -> None:
    stop = threading.Event()
    with pytest.raises(DataError, match="no shorter ones"):
        download_seconds(NAME, START_US, START_US + HOUR_US, venue.settings, stop)
    with pytest.raises(DataError, match="up to a day"):
        download_seconds(SPOT, START_US, START_US + 2 * DAY_US, venue.settings, stop)
    assert shortest_candle(SPOT, venue.settings) == SECOND_US
    assert shortest_candle(NAME, venue.settings) == MINUTE_US
    assert shortest_candle("sim:BTCUSDT", venue.settings) == 0


@pytest.mark.parametrize("count", ["5", -1, 2.5, True, None, 2**40])
def test_a_number_of_trades_that_is_none_is_refused(venue: Venue, count: object) -> None:
    row = candle(START_US // 1_000, 1_000)
    row[8] = count
    venue.body = json.dumps([row]).encode()
    with pytest.raises(MessageError, match="number of trades"):
        download_seconds(SPOT, START_US, START_US + HOUR_US, venue.settings, threading.Event())


def test_funding_comes_whole_and_in_order(venue: Venue) -> None:
    end_us = START_US + 360 * DAY_US
    found = download_funding(NAME, START_US, end_us, venue.settings, threading.Event())
    assert len(found) == 360 * 3
    assert [one.time_us for one in found] == sorted({one.time_us for one in found})
    assert found[0].rate == 0.0001
    assert len(venue.asked) == 2


def test_a_download_can_be_stopped(venue: Venue) -> None:
    stop = threading.Event()
    end_us = START_US + 20_000 * MINUTE_US
    with pytest.raises(Cancelled):
        download_candles(NAME, START_US, end_us, venue.settings, stop, lambda share: stop.set())
    assert len(venue.asked) == 1


@pytest.mark.parametrize(
    "body", [b"nonsense", b"{}", b'[{"fundingTime": "x"}]', b"[1]", b'[{"fundingTime": 1}]']
)
def test_an_answer_that_is_none_is_said(venue: Venue, body: bytes) -> None:
    venue.body = body
    for download in (download_candles, download_funding):
        with pytest.raises(FeedError):
            download(NAME, START_US, START_US + DAY_US, venue.settings, threading.Event())


def test_a_wrong_symbol_is_said(venue: Venue) -> None:
    venue.status = 400
    with pytest.raises(FeedError, match="check the symbol"):
        download_candles(NAME, START_US, START_US + DAY_US, venue.settings, threading.Event())


@pytest.mark.parametrize(
    ("name", "days"),
    [(NAME, 0), (NAME, 400), (NAME, -1), ("sim:BTCUSDT", 1), ("coingecko:BITCOIN", 1)],
)
def test_what_cannot_be_downloaded_is_said(name: str, days: int) -> None:
    stop = threading.Event()
    with pytest.raises(DataError):
        download_candles(name, START_US, START_US + days * DAY_US, Settings(), stop)
    with pytest.raises(DataError):
        download_funding(name.replace("usdm", "spot"), START_US, START_US, Settings(), stop)

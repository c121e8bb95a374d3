"""Candles and funding of the past: whole, in order, with progress, stopped, refused."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from config import Settings
from market import DAY_US, MINUTE_US, Cancelled, DataError, FeedError
from surveilling.history import download_candles, download_funding

START_US = 1_789_999_980 * 1_000_000
NAME = "binance-usdm:BTCUSDT"


class Venue:
    """A stand-in for Binance's candles and funding rates; `body` overrides an answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in.asked.append(self.path)
                body = stand_in.answer(self.path) if stand_in.body is None else stand_in.body
                self.send_response(stand_in.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.settings = Settings(
            binance_usdm_rest_url=f"http://127.0.0.1:{self._server.server_port}"
        )
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
        step = 60_000 if parts.path.endswith("klines") else 8 * 3_600_000
        first = -(-start // step) * step
        times = list(range(first, end + 1, step))[:limit]
        if parts.path.endswith("klines"):
            prices = ["1", "3", "0.5", "2", "10"]
            rows = [[at, *prices, at + 59_999, "20", 5, "4", "8", "0"] for at in times]
        else:
            rows = [{"symbol": "BTCUSDT", "fundingTime": at, "fundingRate": "0.0001",
                     "markPrice": "" if at % 2 else "61000.5"} for at in times]  # fmt: skip
        return json.dumps(rows).encode()


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

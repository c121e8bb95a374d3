"""A stand-in on this machine for the past of Binance: candles and funding rates."""

from __future__ import annotations

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tandem.net.factory import venue_clients
from tests.support.settings import settings_of

NAME = "binance-usdm:BTCUSDT"
SPOT = "binance-spot:BTCUSDT"


class CandleVenue:
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
        self.url = url
        self.settings = settings_of(binance_usdm_rest_url=url, binance_spot_rest_url=url)
        self.clients = venue_clients(self.settings)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> CandleVenue:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.clients.close()
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

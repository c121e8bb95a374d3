"""A stand-in on this machine for the REST interfaces of Binance, Coinbase and Kraken.

::

    with RestExchange() as exchange:
        exchange.tapes["BTCUSDT"] = Tape(first_id=1, count=5_000, start_us=..., step_us=20_000)
        exchange.fail(500, times=2)
        ...  # whatever asks exchange.url

Pages, limits, refusals and weights are the venues' own. What every trade is follows from its id
(`Tape.trade`), so a tape may be as long as a month and a record be compared with all of it.
"""

from __future__ import annotations

import bisect
import json
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.core.events import Trade

__all__ = ["RestExchange", "Tape"]

_PAGE = 1_000
_KRAKEN_MINUTES = 720
# Answers that are not answers: what goes wrong on the way, or in the venue.
_BROKEN = ("hang", "drip", "truncated", "cut", "garbage", "oversized", "endless", "reset", "packed")


@dataclass
class Tape:
    """All trades of one symbol: ids counting up, one every `step_us`.

    `missing` are ids the venue itself does not have. Times are whole milliseconds.
    """

    first_id: int
    count: int
    start_us: int
    step_us: int
    missing: frozenset[int] | range = frozenset()

    @property
    def last_id(self) -> int:
        """The newest trade's id."""
        return self.first_id + self.count - 1

    def time_of(self, trade_id: int) -> int:
        """Return the time of a trade, in whole milliseconds."""
        return (self.start_us + (trade_id - self.first_id) * self.step_us) // 1000 * 1000

    def price_of(self, trade_id: int) -> float:
        """Return its price, from 100 to 109.99."""
        return 100.0 + trade_id * 7919 % 1000 / 100.0

    def quantity_of(self, trade_id: int) -> float:
        """Return its quantity."""
        return 1.0 + trade_id % 3

    def side_of(self, trade_id: int) -> int:
        """Return the taker's side."""
        return 1 if trade_id % 2 else -1

    def trade(self, instrument: str, trade_id: int) -> Trade:
        """Return a trade as a record holds it, received at 0."""
        return Trade(
            instrument,
            trade_id,
            self.time_of(trade_id),
            self.price_of(trade_id),
            self.quantity_of(trade_id),
            self.side_of(trade_id),
            0,
        )

    def ids(self, first: int, count: int) -> list[int]:
        """Return up to `count` ids from one on."""
        found: list[int] = []
        trade_id = max(first, self.first_id)
        while len(found) < count and trade_id <= self.last_id:
            if trade_id not in self.missing:
                found.append(trade_id)
                trade_id += 1
            else:
                trade_id = self.missing.stop if isinstance(self.missing, range) else trade_id + 1
        return found

    def ids_before(self, stop: int, count: int) -> list[int]:
        """Return up to `count` ids below one, newest first."""
        found: list[int] = []
        trade_id = min(stop - 1, self.last_id)
        while len(found) < count and trade_id >= self.first_id:
            if trade_id not in self.missing:
                found.append(trade_id)
                trade_id -= 1
            else:
                before = self.missing.start if isinstance(self.missing, range) else trade_id
                trade_id = before - 1
        return found

    def first_since(self, time_us: int) -> int:
        """Return the first id at or after a time."""
        return self.first_id + bisect.bisect_left(
            range(self.count), time_us, key=lambda row: self.time_of(self.first_id + row)
        )

    def minutes(self, start_us: int, end_us: int, most: int) -> list[tuple[int, float, float, int]]:
        """Return minutes that begin in [start, end): time, open, close, trades."""
        rows = []
        minute_us = -(-start_us // MINUTE_US) * MINUTE_US
        while minute_us < end_us and len(rows) < most:
            first = self.first_since(minute_us)
            stop = self.first_since(minute_us + MINUTE_US)
            if stop > first:
                opened, closed = self.price_of(first), self.price_of(stop - 1)
                rows.append((minute_us, opened, closed, stop - first))
            minute_us += MINUTE_US
            if minute_us > self.time_of(self.last_id):
                break
        return rows


@dataclass
class _Fault:
    kind: int | str
    times: int
    path: str
    headers: dict[str, str] = field(default_factory=dict)


class RestExchange:
    """The stand-in; every method may be called from any thread while it is entered.

    Parameters
    ----------
    weight_limit : int
        Weight a minute from which everything is answered with 429, as Binance does.

    Attributes
    ----------
    asked : list of str
        Path and query of every request, in order.
    """

    def __init__(self, weight_limit: int = 2_400, context: Any = None) -> None:
        self.tapes: dict[str, Tape] = {}
        self.asked: list[str] = []
        self.weight_limit = weight_limit
        self.foreign_weight = 0
        self.throttled = 0
        self.ahead_us = 0
        self.reach_us = 48 * HOUR_US
        self.connections = 0
        self.broken: list[str] = []
        self._used: Counter[int] = Counter()
        self._faults: deque[_Fault] = deque()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._released = threading.Event()
        self._held_from = 10**9
        self._server = _Server(self)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._scheme = "http" if context is None else "https"

    def __enter__(self) -> RestExchange:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._released.set()
        self._server.shutdown()
        self._thread.join(20.0)
        self._server.server_close()
        assert not self.broken, self.broken

    @property
    def url(self) -> str:
        """Address of every venue."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, kind: int | str, times: int = 1, path: str = "", **headers: str) -> None:
        """Answer the next requests (to paths that hold `path`) with a status or a fault.

        ``hang``, ``drip``, ``truncated``, ``cut``, ``garbage``, ``oversized``, ``endless``,
        ``reset``, ``packed``, and in a page of trades ``wrong ids``, ``duplicated``, ``empty``,
        ``bad row``.
        Headers: ``retry_after``.
        """
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        with self._lock:
            self._faults.append(_Fault(kind, times, path, named))

    def hold(self, after: int) -> None:
        """Answer so many requests more, and the others only after `release`."""
        with self._lock:
            self._held_from = len(self.asked) + after
            self._released.clear()

    def release(self) -> None:
        """Answer what was held."""
        self._released.set()

    def heal(self) -> None:
        """Forget all faults not met yet."""
        with self._lock:
            self._faults.clear()

    def paths(self, part: str) -> list[str]:
        """Return the requests whose path holds `part`."""
        return [path for path in list(self.asked) if part in path]

    # Inside its threads -------------------------------------------------------------------

    def fault_for(self, path: str) -> _Fault | None:
        """Take the next fault for a request."""
        with self._lock:
            self.asked.append(path)
            is_held = len(self.asked) > self._held_from
        if is_held:
            self._released.wait()
        with self._lock:
            for fault in self._faults:
                if fault.path in path:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                    return fault
        return None

    def now_us(self) -> int:
        """Return the stand-in's own clock."""
        return now_us() + self.ahead_us

    def charge(self, weight: int) -> tuple[int, bool]:
        """Count weight within this minute; tell what was used and whether it is too much."""
        minute = int(time.time()) // 60
        with self._lock:
            self._used[minute] += weight
            used = self._used[minute] + self.foreign_weight
            if used > self.weight_limit:
                self.throttled += 1
            return used, used > self.weight_limit

    def answer(self, path: str, query: dict[str, str], fault: str) -> tuple[int, int, Any]:
        """Return status, weight and content."""
        parts = path.strip("/").split("/")
        if parts[-1] in ("aggTrades", "klines", "exchangeInfo"):
            return self._binance(path, parts[-1], query, fault)
        if parts[0] == "products":
            return self._coinbase(parts, query, fault)
        if parts[:2] == ["0", "public"]:
            return 200, 1, self._kraken(parts[-1], query, fault)
        return 404, 1, {"message": "NotFound"}

    def _ids(self, ids: list[int], fault: str) -> list[int]:
        if fault == "empty":
            return []
        if fault == "wrong ids":
            return [trade_id + 50_000_000 for trade_id in ids]
        if fault == "duplicated":
            return [trade_id for trade_id in ids for _ in range(2)]
        return ids

    # Binance ------------------------------------------------------------------------------

    def _binance(
        self, path: str, what: str, query: dict[str, str], fault: str
    ) -> tuple[int, int, Any]:
        is_usdm = path.startswith("/fapi")
        if what == "exchangeInfo":
            return 200, 1 if is_usdm else 20, {"symbols": [_binance_symbol(n) for n in self.tapes]}
        weight = {"aggTrades": 20 if is_usdm else 4, "klines": 5 if is_usdm else 2}[what]
        tape = self.tapes.get(query["symbol"])
        if tape is None:
            return 400, weight, {"code": -1121, "msg": "Invalid symbol."}
        if what == "klines":
            rows = tape.minutes(
                int(query["startTime"]) * 1000,
                int(query["endTime"]) * 1000 + 1,
                int(query["limit"]),
            )
            return 200, weight, [_binance_candle(row) for row in rows]
        limit = min(int(query.get("limit", "500")), _PAGE)
        if "fromId" in query:
            first = int(query["fromId"])
            since_us = tape.time_of(max(first, tape.first_id))
        elif "startTime" not in query:
            first = tape.last_id + 1 - limit
            since_us = tape.time_of(max(first, tape.first_id))
        else:
            since_us = int(query["startTime"]) * 1000
            first = tape.first_since(since_us)
        if is_usdm and since_us < self.now_us() - self.reach_us:
            return (
                400,
                weight,
                {"code": -4166, "msg": "Search window is restricted to recent 2 days."},
            )
        ids = self._ids(tape.ids(first, limit), fault)
        trades = [_binance_trade(tape, trade_id) for trade_id in ids]
        if fault == "bad row" and trades:
            trades[len(trades) // 2]["p"] = "much"
        return 200, weight, trades

    # Coinbase -----------------------------------------------------------------------------

    def _coinbase(
        self, parts: list[str], query: dict[str, str], fault: str
    ) -> tuple[int, int, Any]:
        if len(parts) == 1:
            return 200, 1, [_coinbase_product(name) for name in self.tapes]
        tape = self.tapes.get(parts[1])
        if tape is None:
            return 404, 1, {"message": "NotFound"}
        if parts[2] == "trades":
            stop = int(query.get("after", tape.last_id + 1))
            ids = self._ids(tape.ids_before(stop, min(int(query["limit"]), _PAGE)), fault)
            trades = [_coinbase_trade(tape, trade_id) for trade_id in ids]
            if fault == "bad row" and trades:
                trades[len(trades) // 2]["price"] = None
            return 200, 1, trades
        start_us, end_us = _iso_us(query["start"]), _iso_us(query["end"])
        if (end_us - start_us) // MINUTE_US > 300:
            return 400, 1, {"message": "granularity too small for the requested time range"}
        rows = tape.minutes(start_us, end_us + 1, 300)
        return (
            200,
            1,
            [
                [row[0] // SECOND_US, 99.0, 110.0, row[1], row[2], float(row[3])]
                for row in rows[::-1]
            ],
        )

    # Kraken -------------------------------------------------------------------------------

    def _kraken(self, what: str, query: dict[str, str], fault: str) -> Any:
        if what == "AssetPairs":
            return {"error": [], "result": {name: _kraken_pair(name) for name in self.tapes}}
        tape = self.tapes.get(query["pair"])
        if tape is None:
            return {"error": ["EQuery:Unknown asset pair"]}
        if what == "Trades":
            # Since means after.
            since_us = int(query["since"]) // 1000
            ids = self._ids(tape.ids(tape.first_since(since_us + 1), _PAGE), fault)
            rows: list[Any] = [_kraken_trade(tape, trade_id) for trade_id in ids]
            if fault == "bad row" and rows:
                del rows[len(rows) // 2][6:]
        else:
            start_us = max(
                int(query["since"]) * SECOND_US + 1, self.now_us() - _KRAKEN_MINUTES * MINUTE_US
            )
            minutes = tape.minutes(start_us, self.now_us() + 1, _KRAKEN_MINUTES)
            rows = [_kraken_candle(row) for row in minutes]
        return {"error": [], "result": {"X" + query["pair"]: rows, "last": "0"}}


def _binance_trade(tape: Tape, trade_id: int) -> dict[str, Any]:
    return {
        "a": trade_id,
        "p": str(tape.price_of(trade_id)),
        "q": str(tape.quantity_of(trade_id)),
        "f": trade_id,
        "l": trade_id,
        "T": tape.time_of(trade_id) // 1000,
        "m": tape.side_of(trade_id) < 0,
    }


def _binance_candle(row: tuple[int, float, float, int]) -> list[Any]:
    time_us, opened, closed, trades = row
    prices = [str(opened), "110.0", "99.0", str(closed)]
    ended = (time_us + MINUTE_US) // 1000 - 1
    return [
        time_us // 1000,
        *prices,
        f"{trades}.0",
        ended,
        f"{trades * 105}.0",
        trades,
        "0",
        "0",
        "0",
    ]


def _binance_symbol(name: str) -> dict[str, Any]:
    return {
        "symbol": name,
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": name.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"},
        ],
    }


def _coinbase_trade(tape: Tape, trade_id: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(tape.time_of(trade_id) / SECOND_US, UTC)
    return {
        "trade_id": trade_id,
        "side": "sell" if tape.side_of(trade_id) > 0 else "buy",
        "size": str(tape.quantity_of(trade_id)),
        "price": str(tape.price_of(trade_id)),
        "time": f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z",
    }


def _coinbase_product(name: str) -> dict[str, Any]:
    base, _, counter = name.partition("-")
    return {
        "id": name,
        "base_currency": base,
        "quote_currency": counter,
        "quote_increment": "0.01",
        "base_increment": "0.00000001",
        "min_market_funds": "1",
        "status": "online",
        "trading_disabled": False,
    }


def _kraken_trade(tape: Tape, trade_id: int) -> list[Any]:
    return [
        str(tape.price_of(trade_id)),
        str(tape.quantity_of(trade_id)),
        tape.time_of(trade_id) / SECOND_US,
        "b" if tape.side_of(trade_id) > 0 else "s",
        "m",
        "",
        trade_id,
    ]


def _kraken_candle(row: tuple[int, float, float, int]) -> list[Any]:
    time_us, opened, closed, trades = row
    prices = [str(opened), "110.0", "99.0", str(closed), "105.0"]
    return [time_us // SECOND_US, *prices, f"{trades}.0", trades]


def _kraken_pair(name: str) -> dict[str, Any]:
    base, counter = name[:3], name[3:]
    return {
        "altname": name,
        "wsname": f"{base}/{counter}",
        "lot_decimals": 8,
        "ordermin": "0.0001",
        "costmin": "0.5",
        "tick_size": "0.1",
        "status": "online",
    }


def _iso_us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND_US


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # One that leaves while it is being answered is no news.
    request_queue_size = 50

    def __init__(self, exchange: RestExchange) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchange = exchange

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Remember what is wrong in here; that clients hang up is not."""
        error = sys.exception()
        if not isinstance(error, (OSError, ValueError)) or isinstance(error, UnicodeError):
            self.exchange.broken.append(repr(error))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.server.exchange.connections += 1
        super().setup()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        exchange = self.server.exchange
        fault = exchange.fault_for(self.path)
        kind = fault.kind if fault else ""
        if isinstance(kind, int):
            assert fault is not None
            self._reply(kind, b'{"code":0,"msg":"no"}', fault.headers)
        elif kind in _BROKEN:
            self._break(kind)
        else:
            self._serve(kind)

    def _serve(self, fault: str) -> None:
        exchange, parts = self.server.exchange, urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        status, weight, content = exchange.answer(unquote(parts.path), query, fault)
        used, is_too_much = exchange.charge(weight)
        headers = {"X-MBX-USED-WEIGHT-1M": str(used)}
        if is_too_much:
            wait_s = 60 - int(time.time()) % 60
            self._reply(429, b'{"code":-1003}', headers | {"Retry-After": str(wait_s)})
        else:
            self._reply(status, json.dumps(content).encode(), headers)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._head(status, {"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        self.send_header("Date", formatdate(self.server.exchange.now_us() / SECOND_US, usegmt=True))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _break(self, kind: str) -> None:
        """Answer in a way no venue should; the connection does not outlive it."""
        self.close_connection = True
        ending = self.server.exchange._ending
        if kind == "hang":
            ending.wait()
        elif kind == "drip":
            self._drip([b"HTTP/1.1 200 OK\r\nContent-Le", *([b"n"] * 100_000)], ending)
        elif kind == "truncated":
            self._reply(200, b'[{"a":1,"p":"100.0","q":"1', {"Connection": "close"})
        elif kind == "cut":
            self._head(200, {"Content-Length": "5000"})
            self.wfile.write(b"[")
        elif kind == "garbage":
            self._reply(200, b"<html>\xff\xfe not what you asked</html>", {"Connection": "close"})
        elif kind == "oversized":
            self._head(200, {"Content-Length": str(10**12)})
        elif kind == "endless":
            self._head(200, {"Connection": "close"})
            self._drip([b"[" * 65_536] * 10_000, None)
        elif kind == "packed":
            self._reply(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
        # "reset": nothing at all.

    def _drip(self, parts: Iterable[bytes], ending: threading.Event | None) -> None:
        for part in parts:
            self.wfile.write(part)
            self.wfile.flush()
            if ending is not None and ending.wait(0.01):
                return

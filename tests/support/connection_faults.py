"""What can happen to a connection, and whether every trade is then recorded or known to be missing.

Each fault strikes a recorder that writes a real record while a local exchange trades without a
pause, whether or not anybody hears it. Afterwards what the exchange made is compared with the
record and its table of gaps. The tests try each fault once; ``python -m benchmarks.faults`` tries
them many times and writes the table.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import tests.support.dialects
import tests.support.exchange
from tandem.core import clock
from tandem.core.clock import DAY_US, HOUR_US, SECOND_US
from tandem.core.events import Gap
from tandem.ingest import connection
from tandem.ingest import socket as wire
from tandem.ingest.connection import Timing
from tandem.ingest.recorder import Recorder
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.base import WebsocketFeed
from tandem.venues.binance import BinanceUsdm
from tandem.venues.bitstamp import Bitstamp
from tandem.venues.bybit import Bybit
from tandem.venues.coinbase import Coinbase
from tandem.venues.kraken import Kraken
from tandem.venues.okx import Okx
from tests.support.dialects import dialect_at
from tests.support.exchange import Exchange, Sent
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

TIMING = Timing(
    connect_s=0.5,
    silence_s=5.0,
    ping_s=0.1,
    dead_s=0.5,
    refused_s=0.2,
    settled_s=0.0,
    overlap_s=0.5,
    poll_s=0.02,
)
RATE = 100.0

_FEEDS: dict[str, tuple[Callable[[str], WebsocketFeed], str]] = {
    "binance-usdm": (BinanceUsdm, ""),
    "coinbase": (Coinbase, "/coinbase"),
    "kraken": (Kraken, "/v2"),
    "okx": (Okx, "/ws/v5/public"),
    "bybit": (Bybit, "/v5/public/linear"),
    "bitstamp": (Bitstamp, "/bitstamp"),
}


class Outcome(NamedTuple):
    """What became of the trades of one try.

    ``missing`` are those not recorded, ``explained`` those of them that the table of gaps covers,
    ``strange`` what was recorded otherwise than it was sent.
    """

    sent: int
    recorded: int
    missing: int
    explained: int
    strange: int
    recovery_s: float


class Bench:
    """A recorder with a record on disk, an exchange that trades, and a line that can be cut."""

    def __init__(self, folder: Path, venue: str, tls: bool, queue: int) -> None:
        make, path = _FEEDS[venue]
        self.exchange = Exchange()
        self.exchange.__enter__()
        self.certificates = Certificates(folder) if tls else None
        self.proxy = Proxy(self.exchange.port, self.certificates and self.certificates.good)
        self.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{self.proxy.port}{path}"
        self.feed = make(self.url)
        self.names = [self.feed.instrument("btc"), self.feed.instrument("eth")]
        self.symbols = [name.partition(":")[2] for name in self.names]
        self.store = Store.open(folder / "faults.sqlite", 10, queue)
        self.buffer = HotBuffer(100_000)
        self.added_us = 0
        self.over_at = time.monotonic()
        self.recorder = Recorder(
            self.feed,
            self.store,
            self.buffer,
            tests.support.exchange.Settings(),
            TIMING,
            lambda: iter([0.005] * 100_000),
            self.clock,
            recorded=self.store.last_trade,
        )

    def clock(self) -> float:
        """Return seconds that never go back, with what was added."""
        return time.monotonic() + self.added_us / 1e6

    def now_us(self) -> int:
        """Return the time at the exchange and at the recorder, with what was added."""
        return clock.now_us() + self.added_us

    def watch(self, names: list[str]) -> None:
        self.recorder.watch(frozenset(names), frozenset())

    def start(self) -> None:
        """Record, and let the exchange trade, until the first trades of both are there."""
        self.watch(self.names)
        self.recorder.start()
        wait_until(lambda: self.exchange.connections() == 1, "the first connection")
        self.streams = wait_until(lambda: len(s := self.exchange.subscribed()) > 1 and s)
        self.exchange.play(RATE, self.symbols, quotes=False)
        self.wait_for_more(10)

    def wait_for_more(self, count: int = 5) -> None:
        """Wait until so many more trades of each instrument have arrived."""
        before = [self.buffer.count(name) for name in self.names]
        for name, had in zip(self.names, before, strict=True):
            wait_until(lambda n=name, h=had: self.buffer.count(n) >= h + count, f"more of {name}")

    def let_trade(self, count: int = 20) -> None:
        """Wait until the exchange has made so many more trades, heard or not."""
        before = len(self.exchange.sent)
        wait_until(lambda: len(self.exchange.sent) > before + count)

    def over(self) -> None:
        """Say that from now on the venue can be reached again."""
        self.over_at = time.monotonic()

    def finish(self) -> Outcome:
        """Wait for the recovery, then compare."""
        wait_until(lambda: self.recorder.open_for() > 0 and self.exchange.connections())
        self.wait_for_more(1)
        recovery_s = time.monotonic() - self.over_at
        self.wait_for_more(10)
        self.exchange.pause()
        self._mark_the_end()
        assert self.store.flush(20.0), "the database did not catch up"
        return self._compare(recovery_s)

    def _mark_the_end(self) -> None:
        """Send last trades until one of each instrument has come: nothing is on its way then."""
        for name, symbol in zip(self.names, self.symbols, strict=True):
            sent = self.exchange.trade(symbol, 1.0)
            last = self._id(sent)
            wait_until(
                lambda n=name, i=last: any(t.trade_id == i for t in self.buffer.tail(n, 200)),
                "the last trade",
            )

    def _id(self, sent: Sent) -> int | str:
        return str(uuid.UUID(int=sent.trade_id)) if self.feed.venue == "bybit" else sent.trade_id

    def _compare(self, recovery_s: float) -> Outcome:
        sent = recorded = missing = explained = strange = 0
        for name, symbol in zip(self.names, self.symbols, strict=True):
            made = {self._id(one): one for one in self.exchange.sent if one.symbol == symbol}
            kept = {t.trade_id: t for t in self.store.trades(name, 0, 2**62, 10**6)}
            gaps = self.store.gaps(name, 0)
            sent += len(made)
            recorded += len(kept)
            strange += len(kept.keys() - made.keys())
            strange += sum(
                trade[2:6] != (one.time_us, one.price, one.quantity, one.side)
                for trade_id, one in made.items()
                if (trade := kept.get(trade_id))
            )
            lost = [made[trade_id] for trade_id in made.keys() - kept.keys()]
            missing += len(lost)
            explained += sum(any(_covers(gap, one) for gap in gaps) for one in lost)
            ids = [trade.trade_id for trade in self.buffer.tail(name, 100_000)]
            strange += len(ids) - len(set(ids))
        return Outcome(sent, recorded, missing, explained, strange, recovery_s)

    def close(self) -> None:
        """End everything."""
        stopped = self.recorder.stop(10.0)
        self.store.close()
        self.exchange.__exit__()
        self.proxy.__exit__()
        assert stopped, "a recorder's thread did not end"


def _covers(gap: Gap, sent: Sent) -> bool:
    if gap.first_id >= 0:
        return gap.first_id <= sent.trade_id <= gap.last_id
    return gap.start_us <= sent.time_us <= gap.end_us


class Certificates:
    """Two certificates for 127.0.0.1: one the client is told to trust, and another."""

    def __init__(self, folder: Path) -> None:
        self.trusted = folder / "good.pem"
        self.good, self.bad = (self._make(folder / f"{name}.pem") for name in ("good", "bad"))

    def _make(self, path: Path) -> ssl.SSLContext:
        key = path.with_suffix(".key")
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
                *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(key), "-out", str(path)),
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, key)
        return context


# The faults ---------------------------------------------------------------------------------


def _drop(bench: Bench) -> None:
    bench.exchange.drop()


def drop_often(times: int) -> Callable[[Bench], None]:
    """Return a fault that drops every new connection as soon as it is there."""

    def dropped(bench: Bench) -> None:
        for _ in range(times):
            opened = bench.exchange.opened
            bench.exchange.drop()
            wait_until(lambda n=opened: bench.exchange.opened > n)

    return dropped


def _close(bench: Bench) -> None:
    bench.exchange.close()


def _shutdown(bench: Bench) -> None:
    bench.exchange.raw('{"e":"serverShutdown","E":1770123456789}')
    wait_until(lambda: bench.exchange.opened > 1)


def _half_open(bench: Bench) -> None:
    bench.exchange.freeze()
    bench.let_trade()


def _drip(bench: Bench) -> None:
    bench.proxy.drip = 10_000
    wait_until(lambda: bench.proxy.drip == 0)


def _garbage(bench: Bench) -> None:
    for frame in (
        "{",
        "[]",
        b"\x00\x01",
        '{"data":7}',
        '{"e":"aggTrade"}',
        "",
        "null",
        "[" * 9_000,
    ):
        bench.exchange.raw(frame)
    wait_until(lambda: bench.recorder.status().not_understood >= 8)


def _bad_utf8(bench: Bench) -> None:
    bench.exchange.raw(b'{"e":"aggTrade","s":"\xff\xfe\xc3"}', as_text=True)
    wait_until(lambda: bench.recorder.status().not_understood >= 1)


def _truncate(bench: Bench) -> None:
    bench.proxy.truncate = True
    wait_until(lambda: bench.exchange.opened > 1)


def _oversized(bench: Bench) -> None:
    bench.exchange.raw("x" * 5_000_000)
    wait_until(lambda: bench.exchange.opened > 1)


def _shuffle(bench: Bench) -> None:
    bench.exchange.pause()
    for symbol in bench.symbols:
        bench.exchange.shuffle(symbol, 40, seed=len(bench.exchange.sent))
    bench.exchange.play(RATE, bench.symbols, quotes=False)


def _jump(bench: Bench) -> None:
    for symbol in bench.symbols:
        bench.exchange.lose(symbol, 25)


def _refused_with(status: int) -> Callable[[Bench], None]:
    def refused(bench: Bench) -> None:
        bench.exchange.refuse(status)
        bench.exchange.drop()
        wait_until(lambda: bench.exchange.refused)
        bench.let_trade()
        bench.exchange.refuse(0)

    return refused


def _handshake_hangs(bench: Bench) -> None:
    met = bench.proxy.met
    bench.exchange.hang()
    bench.exchange.drop()
    wait_until(lambda: bench.proxy.met > met + 1)
    bench.exchange.hang(False)


def _no_name(bench: Bench) -> None:
    asked = threading.Event()

    def unknown(*_: Any, **__: Any) -> Any:
        asked.set()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with mock.patch.object(socket, "getaddrinfo", unknown):
        bench.exchange.drop()
        assert asked.wait(20.0)
        bench.let_trade()


def _not_trusted(bench: Bench) -> None:
    assert bench.certificates is not None
    met = bench.proxy.met
    bench.proxy.context = bench.certificates.bad
    bench.exchange.drop()
    wait_until(lambda: bench.proxy.met > met + 2)
    assert "could not be verified" in bench.recorder.status().text
    bench.proxy.context = bench.certificates.good


def _a_day_without(bench: Bench) -> None:
    bench.exchange.refuse(503)
    bench.exchange.drop()
    wait_until(lambda: bench.exchange.refused)
    bench.let_trade()
    bench.added_us += DAY_US
    bench.let_trade()
    bench.exchange.refuse(0)


def _a_day_old(bench: Bench) -> None:
    bench.exchange.pause()
    for name, symbol in zip(bench.names, bench.symbols, strict=True):
        made = sum(one.symbol == symbol for one in bench.exchange.sent)
        wait_until(lambda n=name, m=made: bench.buffer.count(n) == m)
    bench.added_us += DAY_US - HOUR_US // 2  # with nothing on its way
    bench.exchange.play(RATE, bench.symbols, quotes=False)
    wait_until(lambda: bench.recorder.status().renewals == 1)


def _clock_steps(bench: Bench) -> None:
    for hours in (1, -2):
        with mock.patch.object(wire, "now_us", lambda h=hours: bench.now_us() + h * HOUR_US):
            # Until the recorder heard so many, not the exchange made them: a step that is taken
            # back before it was believed is outvoted, and rightly so.
            bench.wait_for_more(60)
    bench.let_trade(60)


def _asleep(bench: Bench) -> None:
    bench.exchange.freeze()
    bench.let_trade()
    slept = mock.patch.object(connection, "steady_s", lambda: clock.steady_s() + 3_600.0)
    with slept:
        wait_until(lambda: bench.recorder.status().reconnects or bench.recorder.failure())


def _dated_ahead(bench: Bench) -> None:
    time_ms = (bench.now_us() + DAY_US - SECOND_US) // 1_000
    for symbol in bench.symbols:
        data = {"e": "aggTrade", "s": symbol, "a": 10**9, "p": "1", "q": "1", "T": time_ms}
        bench.exchange.raw(json.dumps({"data": data | {"m": True}}))
    wait_until(lambda: bench.recorder.status().not_understood == len(bench.symbols))


def _dated_wrong(bench: Bench) -> None:
    dialect = dialect_at(bench.url)
    for symbol in bench.symbols:
        (made,) = bench.exchange.lose(symbol, 1)
        _, text = dialect.trade(made._replace(time_us=made.time_us + DAY_US - SECOND_US))
        bench.exchange.raw(text)
    wait_until(lambda: bench.recorder.status().not_understood == len(bench.symbols))


def _one_bad_trade(bench: Bench) -> None:
    """Send trades of which one has no price, in one message where the venue packs them so."""
    dialect = dialect_at(bench.url)
    bench.exchange.pause()
    for symbol in bench.symbols:
        made = bench.exchange.lose(symbol, 20)
        messages = [json.loads(dialect.trade(one)[1]) for one in made]
        packed = [message["data"] for message in messages]
        if isinstance(packed[0], list):
            messages = [messages[0] | {"data": [item for data in packed for item in data]}]
            del messages[0]["data"][10][_PRICES[bench.feed.venue]]
        else:
            del packed[10][_PRICES[bench.feed.venue]]
        for message in messages:
            bench.exchange.raw(json.dumps(message))
    bench.exchange.play(RATE, bench.symbols, quotes=False)
    wait_until(lambda: bench.recorder.status().not_understood == len(bench.symbols))


_PRICES = {"okx": "px", "bybit": "p", "kraken": "price", "bitstamp": "price_str"}


def _cut_out_of_order(bench: Bench) -> None:
    """Cut after a trade that is dated later than those lost and the first one afterwards."""
    bench.exchange.pause()
    last: dict[str, int] = {}
    for name, symbol in zip(bench.names, bench.symbols, strict=True):
        last[symbol] = bench.now_us() + 200_000
        sent = bench._id(bench.exchange.trade(symbol, 1.0, time_us=last[symbol]))
        wait_until(lambda n=name, i=sent: any(t[1] == i for t in bench.buffer.tail(n, 200)))
    opened = bench.exchange.opened
    bench.exchange.drop()
    for symbol in bench.symbols:
        bench.exchange.lose(symbol, 3, last[symbol] - 50_000)
    wait_until(lambda: bench.exchange.opened > opened)
    wait_until(lambda: bench.streams <= bench.exchange.subscribed())
    for symbol in bench.symbols:
        bench.exchange.trade(symbol, 1.0, time_us=last[symbol] - 100_000)
    bench.exchange.play(RATE, bench.symbols, quotes=False)


def _stalled(bench: Bench) -> None:
    """Let the reading thread lose the processor for a third of a second at every look at the time.

    Where that was before it read, what came meanwhile looked dated ahead.
    """

    def slow() -> int:
        moment = bench.now_us()
        time.sleep(0.35)
        return moment

    with mock.patch.object(wire, "now_us", slow):
        bench.wait_for_more(100)


def _slow_record(bench: Bench) -> None:
    gate = threading.Event()
    write = bench.store._writer.write

    def slow(*arguments: Any) -> Any:
        gate.wait(20.0)
        return write(*arguments)

    with mock.patch.object(bench.store._writer, "write", slow):
        wait_until(lambda: bench.recorder.status().waiting_s > 1.0, "reading to wait")
        assert bench.store.health().queued <= 50
        bench.let_trade(50)
        gate.set()
        bench.over()
        wait_until(lambda: bench.recorder.status().waiting_s == 0.0)


def _left_and_taken_up(bench: Bench) -> None:
    bench.watch(bench.names[:1])
    wait_until(lambda: len(bench.exchange.subscribed() & bench.streams) < len(bench.streams))
    bench.let_trade()
    bench.watch(bench.names)


class Fault(NamedTuple):
    """One fault: what strikes, on which venue, and what the bench needs for it."""

    name: str
    strike: Callable[[Bench], None]
    venue: str = "binance-usdm"
    tls: bool = False
    queue: int = 100_000
    loses: bool = True


FAULTS = (
    Fault("connection dropped", _drop),
    Fault("connection dropped, Coinbase", _drop, "coinbase"),
    Fault("connection dropped, Kraken", _drop, "kraken"),
    Fault("connection dropped, OKX", _drop, "okx"),
    Fault("connection dropped, Bybit", _drop, "bybit"),
    Fault("connection dropped, Bitstamp", _drop, "bitstamp"),
    Fault("dropped 50 times in a row", drop_often(50)),
    Fault("closed by the venue", _close),
    Fault("shutdown announced by the venue", _shutdown, loses=False),
    Fault("half-open (silent TCP)", _half_open),
    Fault("half-open, Bybit", _half_open, "bybit"),
    Fault("slow drip, byte by byte", _drip, loses=False),
    Fault("garbage messages", _garbage, loses=False),
    Fault("bad UTF-8", _bad_utf8, loses=False),
    Fault("truncated frame", _truncate),
    Fault("oversized frame (5 MB)", _oversized),
    Fault("out of order and repeated", _shuffle, loses=False),
    Fault("out of order and repeated, Bybit", _shuffle, "bybit", loses=False),
    Fault("id jump", _jump),
    *(Fault(f"HTTP {n} on the upgrade", _refused_with(n)) for n in (451, 403, 429, 418, 500)),
    Fault("handshake hangs", _handshake_hangs),
    Fault("name not found (DNS)", _no_name),
    Fault("certificate not trusted (TLS)", _not_trusted, tls=True),
    Fault("24 hours without a connection", _a_day_without),
    Fault("24 hours without a connection, OKX", _a_day_without, "okx"),
    Fault("renewed before the 24 h cut", _a_day_old, loses=False),
    Fault("this machine's clock steps by an hour, both ways", _clock_steps, loses=False),
    Fault("this machine sleeps for an hour", _asleep),
    Fault("trade dated a day ahead", _dated_ahead, loses=False),
    *(
        Fault(f"{name}, {title}", strike, venue, loses=loses)
        for name, strike, loses in (
            ("trade dated a day ahead", _dated_wrong, True),
            ("one bad trade among 20", _one_bad_trade, True),
            ("dropped after a trade dated later than the next", _cut_out_of_order, True),
            ("reading thread stalled for 0.35 s", _stalled, False),
        )
        for title, venue in (("OKX", "okx"), ("Bybit", "bybit"), ("Bitstamp", "bitstamp"))
    ),
    Fault("one bad trade among 20, Kraken", _one_bad_trade, "kraken"),
    Fault("database slower than the market", _slow_record, queue=50, loses=False),
    Fault("instrument unsubscribed and subscribed again", _left_and_taken_up),
    Fault("instrument unsubscribed and subscribed again, Bybit", _left_and_taken_up, "bybit"),
)


@contextlib.contextmanager
def _surroundings(bench: Bench) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.callback(bench.close)
        for module in (wire, tests.support.exchange, tests.support.dialects):
            stack.enter_context(mock.patch.object(module, "now_us", bench.now_us))
        if bench.certificates is not None:
            trusted = {"SSL_CERT_FILE": str(bench.certificates.trusted)}
            stack.enter_context(mock.patch.dict("os.environ", trusted))
        yield


def attempt(fault: Fault, folder: Path) -> Outcome:
    """Let a fault strike once, wait for the recovery and compare."""
    bench = Bench(folder, fault.venue, fault.tls, fault.queue)
    with _surroundings(bench):
        bench.start()
        bench.over()
        before = bench.over_at
        fault.strike(bench)
        if fault.loses and bench.over_at == before:
            bench.over()
        return bench.finish()

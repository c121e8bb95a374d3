"""Socket to disk under load: trades per second, delays, 300 instruments, recovery after a cut.

python -m benchmarks.load [--rate 50000] [--seconds 60] [--only stages,full,delay,wide,cut]

A server in a process of its own sends Binance's aggTrade frames, one trade in each, over TCP. This
process holds all the rest: websocket-client's connection, the parser, the hot buffer, the database
on disk, and a reader that polls the database and the newest trades four times a second.
"""

from __future__ import annotations

import argparse
import base64
import cProfile
import hashlib
import multiprocessing
import pstats
import re
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from operator import itemgetter
from pathlib import Path

import numpy as np
import psutil

from benchmarks.machine import describe
from tandem.config import Settings
from tandem.core.clock import MINUTE_US, now_us, steady_s
from tandem.core.events import Trade
from tandem.ingest.clock import VenueClock
from tandem.ingest.connection import Line, Timing
from tandem.ingest.recorder import Recorder
from tandem.ingest.sequence import Track, sift
from tandem.ingest.socket import Wire
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.binance import BinanceUsdm

FULL_RATE, DELAY_RATE = 50_000, 5_000
_TICK_S = 0.002


# The venue ----------------------------------------------------------------------------------


def serve(line: Connection, symbols: int, rate: float, seconds: float, cut_s: float) -> None:
    """Send `rate` trades a second for `seconds`; hang up once after `cut_s`, if that is not 0.

    Frames are put together by hand: a server that spent more on a frame than its client would
    measure itself.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    line.send(listener.getsockname()[1])
    connection = _shake(listener)
    names = [f"T{number}USDT".encode() for number in range(symbols)]
    sent, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        due = int(passed * rate)
        if due > sent:
            try:
                connection.sendall(b"".join(_frame(names, n) for n in range(sent, due)))
            except OSError:
                break
            sent = due
        if cut_s and passed > cut_s:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            cut_s = 0.0
            connection = _shake(listener)
            sent = int((time.perf_counter() - start) * rate)  # trading went on meanwhile
        time.sleep(_TICK_S)
    line.send(sent)
    line.recv()
    connection.close()


def _frame(names: list[bytes], number: int) -> bytes:
    symbol, trade_id = names[number % len(names)], number // len(names)
    body = (
        b'{"stream":"%b@aggTrade","data":{"e":"aggTrade","E":%d,"a":%d,"s":"%b","p":"61800.%02d",'
        b'"q":"0.006","nq":"0.006","f":5266583935,"l":5266583935,"T":%d,"m":false,"st":1}}'
    )
    now_ms = time.time_ns() // 1_000_000
    data = body % (symbol.lower(), now_ms, trade_id, symbol, number % 100, now_ms)
    return b"\x81\x7e" + len(data).to_bytes(2, "big") + data


def _shake(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(4_096)
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert key is not None
    digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )
    return connection


# The client ---------------------------------------------------------------------------------


class TimedBuffer(HotBuffer):
    """A hot buffer that notes how old each batch's first trade is once it is in."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.ages_us: list[int] = []
        self.times_s: list[float] = []

    def append(self, trades):  # noqa: ANN001, D102
        super().append(trades)
        self.ages_us.append(now_us() - trades[0].time_us)
        self.times_s.append(steady_s())


def run(
    title: str, symbols: int, rate: float, seconds: float, cut_s: float = 0.0, step: float = 10.0
) -> None:
    """Record what the server sends and print what became of it."""
    line, other = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(other, symbols, rate, seconds, cut_s), daemon=True
    )
    process.start()
    url = f"ws://127.0.0.1:{line.recv()}"
    names = frozenset(f"binance-usdm:T{number}USDT" for number in range(symbols))
    print(f"\n{title}: {rate:,.0f} trades/s, {symbols} instruments, {seconds:g} s")
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "load.sqlite", 100, 500_000)
        buffer = TimedBuffer(50_000 if symbols < 10 else 2_000)
        recorder = Recorder(
            BinanceUsdm(url), store, buffer, Settings(), Timing(), lambda: iter([0.05] * 1_000)
        )
        recorder.watch(names)
        stop = threading.Event()
        reader = threading.Thread(target=_poll, args=(store, buffer, min(names), stop))
        recorder.start()
        reader.start()
        _watch(recorder, store, line, seconds, step)
        sent = line.recv()
        # A cut loses what was on its way: then the last trade sent is what is waited for.
        last = (sent - 1) // symbols
        name = f"binance-usdm:T{(sent - 1) % symbols}USDT"
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline:
            newest = buffer.last(name)
            if newest is not None and newest.trade_id == last:
                break
            time.sleep(0.02)
        caught_up_s = 60.0 - (deadline - time.monotonic())
        flushed = store.flush(60.0)
        stop.set()
        reader.join()
        gaps = [gap for one in names for gap in store.gaps(one, 0)]
        missing = sum(gap.last_id - gap.first_id + 1 for gap in gaps)
        recorder.stop()
        written, status = store.health().written, recorder.status()
        store.close()
        print(
            f"sent {sent:,}, recorded {written:,}, in gaps {missing:,}, "
            f"unaccounted {sent - written - missing:,}, not parsed {status.not_understood}, "
            f"caught up {caught_up_s:.2f} s after the last was sent, all on disk: {flushed}"
        )
        ages = np.array(buffer.ages_us) / 1_000.0
        shares = np.percentile(ages, (50, 90, 99, 100))
        print(
            "made to hot buffer, ms: median {:.1f}, 90 % {:.1f}, 99 % {:.1f}, most {:.0f}".format(
                *shares
            )
        )
        if cut_s:
            longest_s = np.diff(buffer.times_s).max()
            print(
                f"reconnects {status.reconnects}, holes {len(gaps)}, back after {longest_s:.2f} s"
            )
        line.send("end")
    process.join(10.0)


def _watch(recorder: Recorder, store: Store, line: Connection, seconds: float, step: float) -> None:
    process, start = psutil.Process(), time.monotonic()
    process.cpu_percent()
    print("seconds  memory MB     trades  waiting  trades/s  delay ms  CPU %")
    due = min(step, seconds)
    while not line.poll(max(0.0, start + due - time.monotonic())):
        status, health = recorder.status(), store.health()
        print(
            f"{time.monotonic() - start:7.0f}  {process.memory_info().rss / 1e6:9.0f}  "
            f"{status.trades:9,d}  {health.queued:7,d}  {status.trades_per_s:8,.0f}  "
            f"{status.delay_ms:8.1f}  {process.cpu_percent():5.0f}",
            flush=True,
        )
        due += step


def _poll(store: Store, buffer: HotBuffer, name: str, stop: threading.Event) -> None:
    """Read as a page does, four times a second: what is new, and a minute of bars off the disk."""
    cursor = 0
    while not stop.wait(0.25):
        _, cursor = buffer.since(name, cursor)
        now = now_us()
        store.bars(name, now - MINUTE_US, now)
        store.health()


# Stage by stage ------------------------------------------------------------------------------


class Bytes:
    """A socket that has everything already and gives 32 KB of it at a time."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def recv(self, size: int) -> bytes:
        """Return the next bytes."""
        part = self._data[self._at : self._at + min(size, 32_768)]
        self._at += len(part)
        if not part:
            raise BlockingIOError
        return part

    def gettimeout(self) -> float:
        """Return that it does not wait."""
        return 0.0

    def close(self) -> None:
        """Do nothing."""


class FrameByFrame(Wire):
    """The wire as it would be with websocket-client alone."""

    def _is_between_frames(self) -> bool:
        return False


def stages(count: int = 100_000, batch: int = 100) -> None:
    """Print what a trade costs at each stage, in batches as they come at full load."""
    data = b"".join(_frame([b"T0USDT", b"T1USDT"], number) for number in range(count))
    names = ["binance-usdm:T0USDT", "binance-usdm:T1USDT"]
    feed, now = BinanceUsdm("ws://x"), now_us()
    costs: dict[str, float] = {}

    def timed(name: str, work: Callable[[], None]) -> None:
        start = time.perf_counter()
        work()
        costs[name] = (time.perf_counter() - start) / count * 1e6

    messages: list[bytes] = []

    def read(kind: type[Wire]) -> None:
        messages.clear()
        wire = kind()
        wire.sock = Bytes(data)
        while len(messages) < count:
            messages.extend(wire.gather(0.0))
        wire.release()

    timed("frames, websocket-client alone", lambda: read(FrameByFrame))
    timed("frames, plain ones taken in one pass", lambda: read(Wire))
    trades: list[Trade] = []
    timed("parse", lambda: trades.extend(t for m in messages for t in feed.parse(m, now)))
    parts = [trades[start : start + batch] for start in range(0, count, batch)]
    clock, tracks = VenueClock(), {name: Track([], True) for name in names}
    buffer = HotBuffer(50_000)
    timed("dates", lambda: _each(parts, lambda part: clock.admit(part, 0.0)))
    timed("repetitions and holes", lambda: _each(parts, lambda part: sift(part, tracks, True)))
    timed("hot buffer", lambda: _each(parts, lambda p: buffer.append(sorted(p, key=itemgetter(0)))))
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "load.sqlite", 100, 500_000)
        timed("hand to the writer", lambda: _each(parts, store.submit))
        store.flush()
        store.close()
    print(f"\ncost of a trade by stage, us ({count:,} trades, {batch} a batch)")
    for name, cost in costs.items():
        print(f"{cost:8.2f}  {name}")


def _each(parts: list[list[Trade]], work: Callable[[list[Trade]], object]) -> None:
    for part in parts:
        work(part)


def _profile_lines() -> list[cProfile.Profile]:
    """Have the recorder's threads run under a profiler."""
    profiles: list[cProfile.Profile] = []
    plain = Line._run

    def profiled(self: Line) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.append(profile)
        profile.runcall(plain, self)

    Line._run = profiled
    return profiles


def main() -> None:
    """Run the loads asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=FULL_RATE)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="stages,full,delay,wide,cut")
    parser.add_argument("--profile", action="store_true", help="show where the reading thread is")
    options = parser.parse_args()
    wanted, short = options.only.split(","), min(options.seconds, 15.0)
    profiles = _profile_lines() if options.profile else []
    print(describe("websocket-client", "orjson", "numpy"))
    if "stages" in wanted:
        stages()
    if "full" in wanted:
        run("sustained", 2, options.rate, options.seconds)
    if "delay" in wanted:
        run("delay", 2, DELAY_RATE, short)
    if "wide" in wanted:
        run("300 instruments on one connection", 300, DELAY_RATE, short)
    if "cut" in wanted:
        run("a cut in the middle", 2, DELAY_RATE, short, cut_s=short / 2)
    for profile in profiles:
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(14)


if __name__ == "__main__":
    main()

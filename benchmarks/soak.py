"""Memory over time under load: a local exchange, real ingest, record and desk, a polling reader.

python -m benchmarks.soak [--seconds 300] [--rate 1000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from benchmarks.machine import describe
from tandem.config import Settings
from tandem.core.clock import SECOND_US
from tandem.engine import Engine
from tandem.pairs.stream import PairSettings
from tests.support.exchange import Exchange

SYMBOLS = ("ETHUSDT", "BTCUSDT")


def trade(line: Connection, rate: float) -> None:
    """Run the exchange in a process of its own, so that its memory is not counted."""
    with Exchange() as exchange:
        line.send(exchange.url)
        exchange.wait_for_streams(*(f"{symbol.lower()}@aggTrade" for symbol in SYMBOLS))
        exchange.play(rate / len(SYMBOLS), SYMBOLS)
        line.recv()
        exchange.pause()
        line.send(len(exchange.sent))
        line.recv()


def watch(engine: Engine, seconds: int) -> None:
    """Poll as a page would, and print memory and queue every tenth of the run."""
    pair = PairSettings(
        "binance-usdm:ETHUSDT", "binance-usdm:BTCUSDT", bar_us=SECOND_US, lookback=60
    )
    start, process = time.monotonic(), psutil.Process()
    sys.stdout.write("seconds  memory MB   trades  waiting  trades/s\n")
    for tenth in range(1, 11):
        while time.monotonic() - start < seconds * tenth / 10:
            snapshot = engine.snapshots.look("soak", pair)
            time.sleep(0.25)
        feed, store = snapshot.feed, snapshot.store
        sys.stdout.write(
            f"{time.monotonic() - start:7.0f}  {process.memory_info().rss / 1e6:9.0f}  "
            f"{feed.trades:7d}  {store.queued:7d}  {feed.trades_per_s:8.0f}\n"
        )
        sys.stdout.flush()


def main() -> None:
    """Print what the run weighed, then what was sent and what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--rate", type=int, default=1_000)
    options = parser.parse_args()
    line, other = multiprocessing.Pipe()
    exchange = multiprocessing.get_context("spawn").Process(
        target=trade, args=(other, options.rate), daemon=True
    )
    exchange.start()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(
            Settings(
                venue="binance-usdm",
                public="off",
                symbols="ETH,BTC",
                hot_trades=20_000,
                of_venues={"binance_usdm_url": line.recv(), "binance_usdm_rest_url": ""},
                database=Path(folder) / "soak.sqlite",
            )
        )
        engine.start()
        watch(engine, options.seconds)
        line.send("pause")
        sent = line.recv()
        time.sleep(1.0)
        engine.stop()
        gaps = engine.ingest.status("binance-usdm").gaps
        sys.stdout.write(
            f"sent {sent}, recorded {engine.store.health().written}, gaps {gaps}\n"
            f"{describe('websocket-client', 'orjson', 'numba')}\n"
        )
        line.send("end")
    exchange.join(10.0)


if __name__ == "__main__":
    main()

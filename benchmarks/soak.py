"""Memory over time under load: a local exchange, real ingest, record and desk, a polling reader.

python -m benchmarks.soak [--seconds 300] [--rate 1000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path[:0] = ["tests"]

from exchange import Exchange

from benchmarks.machine import describe
from config import Settings
from engine import Engine
from market import SECOND_US
from pair import PairSettings


def main() -> None:
    """Print resident memory, trades and queue every tenth of the run, then what was recorded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--rate", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Exchange() as exchange:
        settings = Settings(
            venue="binance-usdm",
            public="off",
            symbols="ETH,BTC",
            hot_trades=50_000,
            binance_usdm_url=exchange.url,
            database=Path(folder) / "soak.sqlite",
        )
        engine = Engine(settings)
        engine.start()
        pair = PairSettings(
            "binance-usdm:ETHUSDT", "binance-usdm:BTCUSDT", bar_us=SECOND_US, lookback=60
        )
        exchange.play(options.rate, ("ETHUSDT", "BTCUSDT"))
        start, process = time.monotonic(), psutil.Process()
        sys.stdout.write("seconds  memory MB   trades  waiting  trades/s\n")
        for tenth in range(1, 11):
            while time.monotonic() - start < options.seconds * tenth / 10:
                snapshot = engine.look("soak", pair)
                time.sleep(0.25)
            feed, store = snapshot.feed, snapshot.store
            sys.stdout.write(
                f"{time.monotonic() - start:7.0f}  {process.memory_info().rss / 1e6:9.0f}  "
                f"{feed.trades:7d}  "
                f"{store.queued:7d}  {feed.trades_per_s:8.0f}\n"
            )
            sys.stdout.flush()
        exchange.stop()
        time.sleep(1.0)
        engine.stop()
        sys.stdout.write(
            f"sent {exchange.sent}, recorded {engine.store.health().written}, gaps {feed.gaps}\n"
            f"{describe('websocket-client', 'orjson', 'numba')}\n"
        )


if __name__ == "__main__":
    main()

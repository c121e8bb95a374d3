"""A recorder against a local exchange that speaks the real protocols and fails on demand."""

import time
from collections.abc import Callable
from typing import Any

from tandem.config import Settings
from tandem.ingest.connection import Timing
from tandem.ingest.recorder import Recorder
from tandem.storage.hot_buffer import HotBuffer
from tandem.venues.binance import BinanceSpot, BinanceUs
from tandem.venues.bitstamp import Bitstamp
from tandem.venues.bybit import Bybit
from tandem.venues.coinbase import Coinbase
from tandem.venues.kraken import Kraken
from tandem.venues.okx import Okx
from tests.support.sinks import MemorySink

BTC, ETH = "binance-usdm:BTCUSDT", "binance-usdm:ETHUSDT"

QUICK = Timing(connect_s=5.0, silence_s=0.5, ping_s=0.1, dead_s=0.6, refused_s=60.0, poll_s=0.05)


class Desk:
    """A recorder with its surroundings, and whatever must be stopped."""

    def __init__(self) -> None:
        self.sink = MemorySink()
        self.buffer = HotBuffer(10_000)
        self.recorders: list[Recorder] = []

    def record(self, feed: Any, *instruments: str, **options: Any) -> Recorder:
        quoted = frozenset(options.pop("quoted", ()))
        options.setdefault("timing", QUICK)
        options.setdefault("backoff", lambda: iter([0.02] * 10_000))
        recorder = Recorder(feed, self.sink, self.buffer, Settings(), **options)
        self.recorders.append(recorder)
        recorder.watch(frozenset(instruments), quoted)
        recorder.start()
        return recorder


def live(recorder: Recorder) -> Callable[[], bool]:
    return lambda: recorder.status().state == "live"


VENUES: dict[str, tuple[Any, str, str]] = {
    "binance-spot": (BinanceSpot, "", "btcusdt@aggTrade"),
    "binance-us": (BinanceUs, "", "btcusdt@aggTrade"),
    "coinbase": (Coinbase, "/coinbase", "BTC-USD"),
    "kraken": (Kraken, "/v2", "kraken:BTC/USD"),
    "okx": (Okx, "/ws/v5/public", "okx:BTC-USDT"),
    "bybit": (Bybit, "/v5/public/linear", "bybit:BTCUSDT"),
    "bitstamp": (Bitstamp, "/bitstamp", "bitstamp:btcusd"),
}


def stop_within_limit(recorder: Recorder) -> None:
    start = time.monotonic()
    ended = recorder.stop(2.0)
    assert time.monotonic() - start < 2.5
    assert ended
    assert recorder.status().state == "stopped"

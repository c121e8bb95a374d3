"""Bars and walks to watch."""

from functools import cache

import numpy as np

from tandem.core.clock import SECOND_US
from tandem.core.events import BAR
from tandem.surveillance.service import batch
from tests.support.watched_trades import BASE_US, BOTH, SMALL


def bars_of(close, volume=None, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    bars = np.zeros(len(close), BAR)
    bars["time_us"] = BASE_US + np.arange(len(close)) * SECOND_US
    bars["open"] = bars["high"] = bars["low"] = bars["close"] = close
    bars["volume"] = random.lognormal(size=len(close)) if volume is None else volume
    bars["buy_volume"] = bars["volume"] * random.uniform(size=len(close))
    bars["notional"] = bars["volume"] * bars["close"]
    bars["trades"] = random.integers(1, 20, len(close))
    bars["last_us"] = bars["time_us"]
    return bars


def walk(count: int, seed: int = 0) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(size=count)) * 1e-3)


@cache
def watched_whole():
    return batch(BOTH, SMALL, [("sim:ETHUSDT", "sim:BTCUSDT")])

"""Minutes of two simulated instruments, and settings small enough to watch them."""

from __future__ import annotations

import numpy as np

from tandem.core.clock import SECOND_US
from tandem.surveillance.instrument import FEATURES
from tandem.surveillance.settings import WatchSettings
from tandem.venues.simulated_market import SimulatedMarket

BASE_US = 1_790_000_000 * SECOND_US
SMALL = WatchSettings(
    trade_window=20, bar_window=20, momentum_bars=(5, 15), least_bars=60, retrain_bars=40,
    train_bars=150, trees=10, features=FEATURES, contamination=0.02,
)  # fmt: skip
TRADES = SimulatedMarket(3, 4.0).history("sim:ETHUSDT", BASE_US, BASE_US + 240 * SECOND_US)
OTHERS = SimulatedMarket(3, 4.0).history("sim:BTCUSDT", BASE_US, BASE_US + 240 * SECOND_US)
BOTH = sorted(TRADES + OTHERS, key=lambda trade: trade.received_us)


def same(one: np.ndarray, other: np.ndarray) -> None:
    assert one.dtype == other.dtype
    for name in one.dtype.names:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)

"""The live paper account is a backtest of the database: the same trades give the same money."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tandem.backtest.run import run
from tandem.core.bars import aggregate, align, trade_array
from tandem.core.clock import SECOND_US
from tandem.core.events import Trade
from tandem.pairs.stream import PairSettings
from tandem.pairs.tracker import PairTracker
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars
from tandem.storage.null import NullStore
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.signals import Setup

START_US = 1_780_000_000 * SECOND_US
Y, X = "sim:ETHUSDT", "sim:BTCUSDT"
GRACE_US, STALE_US = 500_000, 4 * SECOND_US
RULES = Rules(entry=1.5, exit=0.3, stop=5.0, time_stop_bars=40)
COSTS = Costs(1.0, 0.2, 0.3, 0.1)
PAIR = PairSettings(
    Y, X, bar_us=2 * SECOND_US, model="ols", lookback=60, z_window=40, rules=RULES, costs=COSTS
)


def recorded(seconds: int, seed: int) -> list[Trade]:
    """Return trades of two legs in arrival order; some bars have none, and some legs go stale."""
    rng = np.random.default_rng(seed)
    level = 60_000.0 + 5.0 * np.cumsum(rng.normal(size=seconds))
    away, found = 0.0, []
    for second in range(seconds):
        away = 0.9 * away + rng.normal()
        for name, price in ((X, level[second]), (Y, 0.05 * level[second] + away)):
            if rng.random() < 0.3 or (name == X and 900 < second < 930):
                continue
            time_us = START_US + second * SECOND_US + int(rng.integers(0, 900_000))
            came_us = time_us + int(rng.integers(1_000, 90_000))
            found.append(Trade(name, len(found) + 1, time_us, float(price), 1.0, 1, came_us))
    return sorted(found, key=lambda trade: trade.received_us)


@pytest.mark.parametrize("model", ["ols", "kalman"])
def test_the_live_paper_account_is_a_backtest_of_what_was_recorded(model):
    trades = recorded(2_400, 2)
    pair = dataclasses.replace(PAIR, model=model)
    buffer = HotBuffer(100_000)
    live_bars = LiveBars(buffer, lambda name: GRACE_US)
    live = PairTracker(buffer, live_bars, NullStore("none"), lambda name: STALE_US, 5_000)
    live.want([pair])
    for start in range(0, len(trades), 13):
        batch = trades[start : start + 13]
        buffer.append(batch)
        live.step(lambda venue, at=batch[-1].received_us: at)
    shown = live.view(pair).columns
    legs = [
        aggregate(trade_array([one for one in trades if one.instrument == leg]), SECOND_US)
        for leg in (Y, X)
    ]
    first_us, last_us = int(shown["time_us"][0]), int(shown["time_us"][-1])
    bars = align(*legs, pair.bar_us, first_us, last_us + pair.bar_us, STALE_US)
    result = run(bars, Setup(model, pair.lookback, pair.z_window, "model", RULES, COSTS))
    np.testing.assert_array_equal(bars.time_us, shown["time_us"])
    np.testing.assert_array_equal(bars.usable, shown["usable"])
    np.testing.assert_array_equal(result.signals.z, shown["z"])
    for name in ("signal", "event", "position"):
        np.testing.assert_array_equal(getattr(result.done, name), shown[name], err_msg=name)
    np.testing.assert_allclose(result.equity - 20_000.0, shown["equity"], atol=1e-7)
    assert len(result.trades) > 10 and not bars.usable.all()

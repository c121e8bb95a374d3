"""Published results, reproduced through our own trader."""

from __future__ import annotations

import numpy as np
import pytest

from tandem import analytics
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.trader import BarsIn, Trader
from tests.support import reference_data

# Chan, Algorithmic Trading (2013), chapter 3: the Kalman filter strategy on EWA and EWC.
PUBLISHED_APR, PUBLISHED_SHARPE = 0.262252, 2.361162


def chan_bars() -> tuple[BarsIn, np.ndarray]:
    """Chan's rules in ours: each day is two bars at one price, so that a signal fills at its close.

    That is the book's own accounting, with the future it borrows (pitfall 10); ours fills later. A
    turn from long to short takes one fill in each bar. The ratio held is the one updated at the
    day's close, renewed every day.
    """
    data = reference_data.table("pairs/ewa_ewc_daily.csv")
    y, x = data.EWC.to_numpy(), data.EWA.to_numpy()
    hedge = analytics.kalman(y, x, delta=1e-4, observation_var=1e-3)
    z = hedge.innovation / np.sqrt(hedge.innovation_var)
    # The first ratio is 0, which ours calls no hedge: the smallest number is one.
    beta = np.where(hedge.beta == 0.0, 1e-300, hedge.beta)
    closes = [np.repeat(column, 2) for column in (y, x)]
    opens = [np.concatenate((column[:1], column[:-1])) for column in closes]
    n_bars = 2 * len(y)
    bars = BarsIn(
        np.arange(n_bars), *closes, *opens, np.repeat(z, 2), np.repeat(beta, 2),
        np.ones(n_bars, np.bool_),
    )  # fmt: skip
    return bars, y


def test_the_kalman_strategy_on_ewa_and_ewc():
    bars, y = chan_bars()
    rules = Rules(entry=1.0, exit=float(np.nextafter(1.0, 0.0)), stop=np.inf, rehedge_bars=1)
    done = Trader(rules, Costs(fee_bp=0.0)).extend(bars)
    # A day's return is its profit over yesterday's gross; the turn's last fill, at yesterday's
    # close, is booked in the day's first bar.
    held_y, held_x = done.y_quantity[2::2], done.x_quantity[2::2]
    gross = abs(held_y * bars.y[:-2:2]) + abs(held_x * bars.x[:-2:2])
    profit = np.diff(done.equity[1::2])
    daily = np.divide(profit, gross, out=np.zeros(len(gross)), where=gross > 0.0)
    daily = np.concatenate(([0.0], daily))
    assert len(daily) == len(y)
    apr = np.prod(1.0 + daily) ** (252 / len(daily)) - 1.0
    sharpe = np.sqrt(252) * daily.mean() / daily.std(ddof=1)
    assert apr == pytest.approx(PUBLISHED_APR, abs=5e-7)
    assert sharpe == pytest.approx(PUBLISHED_SHARPE, abs=5e-7)
    printed = reference_data.facts("pairs/ewa_ewc_reference.json")["EWA_EWC_Kalman"]
    assert apr == pytest.approx(printed["APR"]["reproduced"], abs=1e-9)
    assert sharpe == pytest.approx(printed["Sharpe"]["reproduced"], abs=1e-9)


def test_the_same_strategy_filled_one_day_later_earns_less():
    """What the book's numbers owe to filling at the price that raised the signal."""
    bars, y = chan_bars()
    daily = BarsIn(
        np.arange(len(y)), y, bars.x[::2], y, bars.x[::2], bars.z[::2], bars.beta[::2],
        np.ones(len(y), np.bool_),
    )  # fmt: skip
    rules = Rules(entry=1.0, exit=float(np.nextafter(1.0, 0.0)), stop=np.inf, rehedge_bars=1)
    later = Trader(rules, Costs(fee_bp=0.0)).extend(daily).equity[-1]
    at_once = Trader(rules, Costs(fee_bp=0.0)).extend(bars).equity[-1]
    assert later < 0.5 * at_once

"""Sizes, limits, re-hedging, cool-down and what a trade's profit is made of, one by one."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tandem.strategy.rules import SIZINGS, Costs, Limits, Rules
from tandem.strategy.trader import EVENTS, Trader
from tests.support.trader_bars import COSTS, FREE, events, plain_bars


def test_fills_at_the_next_close_where_asked():
    bars = plain_bars([0, -2.5, -1, 0, 0], y=[100, 90, 95, 99, 98])
    trader = Trader(Rules(fill_at="close", notional=95.0), FREE)
    done = trader.extend(bars)
    (trade,) = trader.trades
    assert (trade.entry_us, trade.entry_y, trade.exit_us, trade.exit_y) == (2e6, 95.0, 4e6, 98.0)
    assert done.position.tolist() == [0, 0, 1, 1, 0]
    assert trade.bars == 2


def test_a_fill_at_the_close_needs_both_legs_to_trade_in_the_bar():
    bars = plain_bars([-2.5] * 4)
    x_open = np.array([50.0, np.nan, np.nan, 50.0])
    rules = Rules(fill_at="close")
    done = Trader(rules, FREE).extend(dataclasses.replace(bars, x_open=x_open))
    assert done.position.tolist() == [0, 0, 0, 1]


def test_cool_down_skips_closes_after_an_exit():
    z = [-2.5, -2.5, 0.0, -2.5, -2.5, -2.5, -2.5]
    plain = Trader(Rules(), FREE).extend(plain_bars(z))
    assert events(plain)[2] == (3, "enter long"), "the bar that filled the exit may ask"
    cooled = Trader(Rules(cool_down_bars=2), FREE).extend(plain_bars(z))
    assert events(cooled)[2] == (5, "enter long")


def test_rehedging_every_n_bars_trades_x_only_and_books_what_it_closes():
    beta = np.array([2.0, 2.0, 2.5, 3.0, 3.0, 3.0])
    bars = plain_bars([-2.5, -2, -2, -2, -2, 0], y=[100] * 6, x=[50, 50, 52, 54, 54, 54])
    bars = dataclasses.replace(bars, beta=beta)
    trader = Trader(Rules(notional=100.0, rehedge_bars=2), FREE)
    done = trader.extend(bars)
    assert done.y_quantity.tolist() == [0, 1, 1, 1, 1, 1]
    assert done.x_quantity.tolist() == [0, -2, -2, -2.5, -2.5, -3.0]
    assert [EVENTS[code] for code in done.filled[[3, 5]]] == ["re-hedge", "re-hedge"]
    assert done.equity.tolist() == [0, 0, -4, -9, -9, -9]
    assert [(f.time_us, f.leg, f.quantity) for f in trader.fills[2:]] == [
        (3e6, "x", -0.5),
        (5e6, "x", -0.5),
    ]
    assert trader.position is not None and trader.position.gross(100.0, 54.0) == -9.0


def test_rehedging_by_percent_waits_until_beta_is_that_far_away():
    beta = np.array([2.0, 2.0, 2.1, 2.19, 2.21, 2.21, 2.21])
    bars = dataclasses.replace(plain_bars([-2.5] + [-2] * 6), beta=beta)
    done = Trader(Rules(rehedge_percent=10.0), FREE).extend(bars)
    assert events(done) == [(0, "enter long"), (4, "re-hedge")]
    rules = Rules(rehedge_percent=10.0, sizing="dollar")
    assert len(events(Trader(rules, FREE).extend(bars))) == 1, "dollar sizes do not know beta"


def test_an_exit_goes_before_a_rehedge_that_waits():
    bars = plain_bars([-2.5, -2, 0, 0, 0])
    x_open = np.array([50.0, 50.0, np.nan, np.nan, 50.0])
    rules = Rules(rehedge_bars=1)
    trader = Trader(rules, FREE)
    done = trader.extend(dataclasses.replace(bars, x_open=x_open))
    assert events(done) == [(0, "enter long"), (1, "re-hedge"), (2, "exit")]
    assert trader.trades[0].rehedges == 0


@pytest.mark.parametrize(("y", "x"), [(0.0, 50.0), (100.0, 0.0), (-100.0, 50.0)])
def test_a_rehedge_waits_for_prices_above_zero(y, x):
    bars = plain_bars([-2.5, -2, -2, -2, -2], y=[100, 100, y, 100, 100], x=[50, 50, x, 40, 40])
    rules = Rules(notional=100.0, sizing="dollar", rehedge_bars=1)
    done = Trader(rules, FREE).extend(bars)
    assert done.x_quantity.tolist() == [0, -2, -2, -2, -2.5]


def test_maximum_gross_scales_both_legs_down():
    done = Trader(Rules(most_gross=5_000.0), FREE).extend(plain_bars([-2.5, -2.5]))
    assert done.gross[-1] == pytest.approx(5_000.0)
    assert done.x_quantity[-1] == pytest.approx(-2.0 * done.y_quantity[-1])


def test_a_rehedge_that_would_pass_the_maximum_gross_is_not_made():
    beta = np.array([2.0, 2.0, 3.0, 3.0, 3.0])
    bars = dataclasses.replace(plain_bars([-2.5, -2, -2, -2, -2]), beta=beta)
    rules = Rules(notional=100.0, most_gross=210.0, rehedge_percent=10.0)
    done = Trader(rules, FREE).extend(bars)
    assert done.x_quantity.tolist() == [0, -2, -2, -2, -2]
    assert events(done) == [(0, "enter long"), (2, "re-hedge")], "and is not asked for again"


def test_a_rehedge_that_shrinks_is_made_above_the_maximum_gross_too():
    beta = np.array([2.0, 2.0, 1.5, 1.5])
    bars = plain_bars([-2.5, -2, -2, -2], y=[100, 100, 180, 180], x=[50, 50, 50, 50])
    rules = Rules(notional=100.0, most_gross=210.0, rehedge_percent=10.0)
    done = Trader(rules, FREE).extend(dataclasses.replace(bars, beta=beta))
    assert done.x_quantity.tolist() == [0, -2, -2, -1.5]


@pytest.mark.parametrize(
    ("lot", "betas", "left"),
    [
        (1.0, [2.0, 2.0, -0.5, -0.5, -0.5], -2.0),  # half a lot of the other side
        (0.1, [0.3, 0.2, -0.01, -0.01, -0.01], -0.2),  # 0.3 less 0.1 less 0.2 is not quite 0
    ],
)
def test_a_rehedge_to_no_lot_of_x_is_not_made_and_is_counted(lot, betas, left):
    bars = dataclasses.replace(plain_bars([-2.5, -2, -2, -2, -2]), beta=np.array(betas))
    rules = Rules(notional=100.0, rehedge_percent=10.0)
    trader = Trader(rules, FREE, limits=Limits(x_lot=lot))
    done = trader.extend(bars)
    assert done.x_quantity[-1] == pytest.approx(left)
    assert trader.refused == 1, "and is not asked for again"
    assert all(fill.quantity for fill in trader.fills)


def test_sizes_are_whole_lots_rounded_towards_zero():
    limits = Limits(y_lot=0.3, x_lot=0.7)
    done = Trader(Rules(notional=100.0), FREE, limits=limits).extend(plain_bars([2.5, 2.5]))
    assert done.y_quantity[-1] == pytest.approx(-0.9)
    assert done.x_quantity[-1] == pytest.approx(1.4)


@pytest.mark.parametrize("limits", [Limits(y_lot=2.0), Limits(x_lot=3.0), Limits(x_minimum=101.0)])
def test_an_entry_without_room_for_both_legs_waits_and_is_counted(limits):
    trader = Trader(Rules(notional=100.0), COSTS, limits=limits)
    done = trader.extend(plain_bars([-2.5, -2.5, -2.5, -1.0]))
    assert not done.position.any() and not done.equity.any()
    assert events(done) == [(0, "enter long"), (3, "withdrawn")]
    assert trader.refused == 3


def test_ticks_round_a_fill_against_us():
    costs = Costs(fee_bp=0.0, y_half_spread_bp=10.0)
    limits = Limits(y_tick=0.25, x_tick=0.25)
    trader = Trader(Rules(notional=100.0), costs, limits=limits)
    trader.extend(plain_bars([-2.5, -2.5, 0, 0]))
    lost = [fill.spread_cost for fill in trader.fills]
    assert lost == pytest.approx([0.25, 0.0, 0.25, 0.0]), "100.1 up to 100.25, 99.9 down to 99.75"


def test_a_short_leg_pays_for_its_loan_by_the_time_that_passes():
    bars = plain_bars([-2.5, -2, -2, 0, 0])
    day = np.array([0, 1, 2, 5, 6]) * 86_400_000_000
    costs = Costs(fee_bp=0.0, y_borrow_percent=99.0, x_borrow_percent=36.525)
    trader = Trader(Rules(notional=1_000.0), costs)
    done = trader.extend(dataclasses.replace(bars, time_us=day))
    (trade,) = trader.trades
    assert trade.borrow == pytest.approx(1_000.0 * 0.001 * 5), "x is short from day 1 to day 6"
    assert done.equity[-1] == pytest.approx(-5.0) and trade.net == pytest.approx(-5.0)


def test_legs_may_trade_at_different_venues():
    costs = Costs(fee_bp=10.0, slippage_bp=1.0, x_fee_bp=0.0, x_slippage_bp=3.0)
    trader = Trader(Rules(notional=1_000.0), costs)
    trader.extend(plain_bars([-2.5, -2.5]))
    assert [(f.leg, f.fee, f.spread_cost) for f in trader.fills] == [
        ("y", pytest.approx(1.0), pytest.approx(0.1)),
        ("x", 0.0, pytest.approx(0.3)),
    ]
    assert costs.round_trip_bp(2.0) == pytest.approx((20.0, 2.0 + 12.0))


def test_the_rule_for_a_negative_beta():
    held = Trader(Rules(), FREE).extend(plain_bars([-2.5, -2.5], beta=-2.0))
    assert held.x_quantity[-1] == 2.0 * held.y_quantity[-1] > 0.0
    for sizing in SIZINGS:
        rules = Rules(negative_beta="skip", sizing=sizing)
        assert not events(Trader(rules, FREE).extend(plain_bars([-2.5, -2.5], beta=-2.0)))


@pytest.mark.parametrize("log_prices", [False, True])
def test_profit_is_split_into_convergence_and_hedge_drift(log_prices):
    """With the hedge standing still all of it is convergence; what alpha moves is drift."""
    y, x = np.array([100.0, 100, 103, 104, 104]), np.array([50.0, 50, 50, 51, 51])
    bars = plain_bars([-2.5, -2, -2, 0, 0], y=y, x=x, beta=2.0)
    still = Trader(Rules(notional=100.0, log_prices=log_prices), FREE)
    still.extend(dataclasses.replace(bars, alpha=np.full(5, 1.0)))
    moved = Trader(Rules(notional=100.0, log_prices=log_prices), FREE)
    moved.extend(dataclasses.replace(bars, alpha=np.array([1.0, 1.0, 1.0, 1.0, 1.5])))
    (one,), (other,) = still.trades, moved.trades
    of_logs = 100.0 * (math.log(104 / 100) - 2.0 * math.log(51 / 50))
    expected = of_logs if log_prices else 4.0 - 2.0
    assert one.convergence == pytest.approx(expected)
    assert one.hedge_drift == pytest.approx(one.gross - expected)
    assert other.gross == one.gross
    unit = 100.0 if log_prices else 1.0
    assert other.convergence == pytest.approx(expected - 0.5 * unit)


def test_without_alpha_the_split_is_not_known():
    trader = Trader(Rules(), FREE)
    trader.extend(plain_bars([-2.5, -2, 0, 0]))
    (trade,) = trader.trades
    assert math.isnan(trade.convergence) and math.isnan(trade.hedge_drift)
    assert trade.net == 0.0


def test_leaving_closes_at_the_price_given_and_drops_what_waits():
    trader = Trader(Rules(notional=100.0), COSTS)
    trader.leave(0, 100.0, 50.0, 0.0, 2.0)
    assert not trader.trades
    trader.extend(plain_bars([-2.5, -2.5, -2.5]))
    trader.leave(2_000_000, 101.0, 50.0, 0.0, 2.0)
    (trade,) = trader.trades
    assert (trade.gross, trade.reason) == (pytest.approx(1.0), "time stop")
    assert trader.position is None and trader.order is None
    assert trader.cash == pytest.approx(trade.net)

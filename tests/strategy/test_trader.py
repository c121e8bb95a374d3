"""The trading state machine against a plain twin that books every fill as cash."""

from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tandem.core.errors import DataError
from tandem.strategy.rules import SIZINGS, Costs, Limits, Rules
from tandem.strategy.trader import ENTER_LONG, EVENTS, BarsIn, Order, Position, Trader
from tests.support.cashbook import follow
from tests.support.trader_bars import COSTS, FREE, cut, events, plain_bars, random_bars

# Against the twin -------------------------------------------------------------------------


some_rules = st.builds(
    Rules,
    entry=st.sampled_from([1.0, 1.5, 2.0]),
    exit=st.sampled_from([0.0, 0.5, 0.9]),
    stop=st.sampled_from([2.5, 3.0, math.inf]),
    time_stop_bars=st.sampled_from([0, 1, 3, 10]),
    sizing=st.sampled_from(SIZINGS),
    log_prices=st.booleans(),
    fill_at=st.sampled_from(["open", "close"]),
    cool_down_bars=st.sampled_from([0, 0, 1, 4]),
    rehedge_bars=st.sampled_from([0, 0, 2, 5]),
    rehedge_percent=st.sampled_from([0.0, 0.0, 20.0]),
    negative_beta=st.sampled_from(["hold", "skip"]),
    most_gross=st.sampled_from([math.inf, 15_000.0]),
)
some_costs = st.sampled_from(
    [
        COSTS,
        Costs(fee_bp=0.0),
        Costs(
            fee_bp=-1.0, x_fee_bp=7.0, slippage_bp=1.0, x_slippage_bp=4.0,
            y_borrow_percent=300.0, x_borrow_percent=900.0,
        ),
    ]
)  # fmt: skip
COARSE = Limits(y_lot=0.5, x_lot=25.0, y_tick=0.05, x_tick=0.25)
some_limits = st.sampled_from(
    [
        Limits(),
        COARSE,
        Limits(x_lot=1.0, y_minimum=50.0, x_minimum=9_000.0),
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rules=some_rules,
    costs=some_costs,
    limits=some_limits,
    holes=st.sampled_from([0.0, 0.2, 0.7]),
)
def test_agrees_with_the_plain_twin_at_every_bar(seed, rules, costs, limits, holes):
    bars = random_bars(seed, 300, holes=holes)
    twin, rows = follow(bars, rules, costs, limits)
    trader = Trader(rules, costs, limits=limits)
    done = trader.extend(bars)
    assert [EVENTS[code] for code in done.event] == [row[0] for row in rows]
    assert done.position.tolist() == [row[1] for row in rows]
    np.testing.assert_allclose(done.y_quantity, [row[2] for row in rows], rtol=1e-12)
    np.testing.assert_allclose(done.x_quantity, [row[3] for row in rows], rtol=1e-12)
    np.testing.assert_allclose(done.equity, [row[4] for row in rows], rtol=1e-9, atol=1e-6)
    assert trader.cash == pytest.approx(math.fsum(a for _, a in twin.flows), abs=1e-6)
    assert trader.refused == twin.refused
    assert trader.traded == pytest.approx(twin.traded)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rules=some_rules, costs=some_costs, limits=some_limits)
def test_equity_is_cash_plus_marks_at_every_bar(seed, rules, costs, limits):
    bars = random_bars(seed, 300)
    done = Trader(rules, costs, 1_000.0, limits).extend(bars)
    marks = done.y_quantity * bars.y + done.x_quantity * bars.x
    np.testing.assert_array_equal(done.equity, done.cash + marks)
    sizes = abs(done.y_quantity * bars.y) + abs(done.x_quantity * bars.x)
    np.testing.assert_array_equal(done.gross, sizes)


PARTS = ("fees", "spread_cost", "funding", "borrow")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rules=some_rules, costs=some_costs, limits=some_limits)
def test_profit_parts_sum_to_the_total(seed, rules, costs, limits):
    bars = random_bars(seed, 300)
    bars = dataclasses.replace(bars, alpha=np.linspace(-1.0, 3.0, 300))
    trader = Trader(rules, costs, limits=limits)
    done = trader.extend(bars)
    twin, _ = follow(bars, rules, costs, limits)
    trades, held = trader.trades, trader.position
    paid = {part: sum(getattr(trade, part) for trade in trades) for part in PARTS}
    total = sum(trade.net for trade in trades)
    if held is not None:
        paid = {part: value + getattr(held, part) for part, value in paid.items()}
        total += held.gross(bars.y[-1], bars.x[-1]) - sum(getattr(held, part) for part in PARTS)
    assert done.equity[-1] == pytest.approx(total, abs=1e-6)
    assert paid == {part: pytest.approx(-twin.total(part), abs=1e-6) for part in PARTS}
    for trade in trades:
        assert trade.convergence + trade.hedge_drift == pytest.approx(trade.gross, abs=1e-8)
        parts = trade.convergence + trade.hedge_drift - trade.fees - trade.spread_cost
        assert trade.net == pytest.approx(parts - trade.funding - trade.borrow, abs=1e-8)


@settings(max_examples=40, deadline=None)
@example(seed=1, rules=Rules(entry=1.0, rehedge_percent=20.0), costs=COSTS, limits=COARSE)
@given(seed=st.integers(0, 10_000), rules=some_rules, costs=some_costs, limits=some_limits)
def test_fills_are_the_flows_of_both_legs(seed, rules, costs, limits):
    bars = random_bars(seed, 300)
    trader = Trader(rules, costs, limits=limits)
    done = trader.extend(bars)
    twin, _ = follow(bars, rules, costs, limits)
    assert [(f.time_us, f.leg) for f in trader.fills] == [row[:2] for row in twin.fills]
    ours = np.array([f[2:] for f in trader.fills]).reshape(-1, 4)
    theirs = np.array([row[2:] for row in twin.fills]).reshape(-1, 4)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert np.array_equal(done.y_quantity != 0.0, done.x_quantity != 0.0), "no leg is held alone"
    held = sum(f.quantity for f in trader.fills if f.leg == "x")
    assert held == pytest.approx(done.x_quantity[-1], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rules=some_rules,
    limits=some_limits,
    cuts=st.lists(st.integers(0, 200), max_size=12),
    restarts=st.booleans(),
)
def test_any_chunking_gives_the_same_bits(seed, rules, limits, cuts, restarts):
    bars = random_bars(seed, 200)
    whole = Trader(rules, COSTS, limits=limits)
    expected = whole.extend(bars)
    trader = Trader(rules, COSTS, limits=limits)
    parts = []
    edges = [0, *sorted(cuts), 200]
    for start, stop in zip(edges, edges[1:], strict=False):
        parts.append(trader.extend(cut(bars, start, stop)))
        if restarts:
            saved = trader.state()
            trader = Trader(rules, COSTS, limits=limits)
            trader.restore(saved)
    for field in dataclasses.fields(expected):
        joined = np.concatenate([getattr(part, field.name) for part in parts])
        assert joined.tobytes() == getattr(expected, field.name).tobytes(), field.name
    assert trader.closed.tobytes() == whole.closed.tobytes()
    assert trader.fills == whole.fills


def test_fills_are_the_cash():
    bars = random_bars(3, 500, funding=False)
    trader = Trader(Rules(), COSTS, capital=500.0)
    done = trader.extend(bars)
    assert len(trader.fills) == 4 * len(trader.trades) + 2 * (trader.position is not None)
    paid = sum(f.quantity * f.price + f.fee + f.spread_cost for f in trader.fills)
    assert done.cash[-1] == pytest.approx(500.0 - paid, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rules=some_rules)
def test_swapping_the_direction_flips_the_signs_before_costs(seed, rules):
    bars = random_bars(seed, 300)
    long = Trader(rules, FREE).extend(bars)
    short = Trader(rules, FREE).extend(dataclasses.replace(bars, z=-bars.z))
    np.testing.assert_array_equal(long.position, -short.position)
    np.testing.assert_array_equal(long.equity, -short.equity)


def test_swapping_the_legs_flips_the_signs_before_costs():
    bars = random_bars(5, 400)
    rules = Rules(sizing="dollar")
    there = Trader(rules, FREE).extend(bars)
    swapped = dataclasses.replace(
        bars, y=bars.x, x=bars.y, y_open=bars.x_open, x_open=bars.y_open,
        funding_y=bars.funding_x, funding_x=bars.funding_y,
    )  # fmt: skip
    back = Trader(rules, FREE).extend(swapped)
    np.testing.assert_allclose(there.equity, -back.equity, rtol=1e-9, atol=1e-8)


def test_no_signal_no_money():
    done = Trader(Rules(), COSTS, capital=7.0).extend(random_bars(1, 200, z=np.zeros(200)))
    assert set(done.equity) == {7.0}
    assert not done.event.any() and not done.position.any() and not done.y_quantity.any()


# The rules, one by one --------------------------------------------------------------------


def test_pitfall_10_nothing_fills_in_the_bar_of_its_signal():
    bars = plain_bars([0, -2.5, -1, 0, 0], y=[100, 90, 95, 99, 99], y_open=np.array(
        [100.0, 101.0, 91.0, 96.0, 99.0]))  # fmt: skip
    trader = Trader(Rules(), FREE)
    done = trader.extend(bars)
    (trade,) = trader.trades
    assert (trade.signal_us, trade.entry_us) == (1_000_000, 2_000_000)
    assert trade.entry_y == 91.0, "the open of the next bar, not the signal's close of 90"
    assert (trade.exit_signal_us, trade.exit_us) == (3_000_000, 4_000_000)
    assert done.signal.tolist() == [0, 1, 1, 0, 0]
    assert done.position.tolist() == [0, 0, 1, 1, 0]


def test_pitfall_10_the_future_changes_nothing():
    bars = random_bars(11, 300)
    rng = np.random.default_rng(0)
    other = random_bars(12, 300)
    for t in rng.integers(1, 299, 20):
        columns = {
            f.name: np.concatenate((getattr(bars, f.name)[:t], getattr(other, f.name)[t:]))
            for f in dataclasses.fields(bars)
            if getattr(bars, f.name) is not None
        }
        mixed = Trader(Rules(), COSTS).extend(BarsIn(**columns))
        pure = Trader(Rules(), COSTS).extend(bars)
        np.testing.assert_array_equal(mixed.equity[:t], pure.equity[:t])
        np.testing.assert_array_equal(mixed.event[:t], pure.event[:t])


def test_pitfall_1_quantities_are_fixed_at_entry():
    beta = np.array([2.0, 2.0, 5.0, 9.0, 9.0])
    bars = plain_bars([0, -2.5, -1.5, -1.2, -1], y=[100, 100, 101, 102, 103], beta=0.0)
    bars = dataclasses.replace(bars, beta=beta)
    done = Trader(Rules(notional=1_000.0), FREE).extend(bars)
    assert done.y_quantity.tolist() == [0, 0, 10, 10, 10]
    assert done.x_quantity.tolist() == [0, 0, -20, -20, -20]
    assert done.equity.tolist() == [0, 0, 10, 20, 30]


def test_pitfall_11_four_fills_pay():
    bars = plain_bars([-2.5, -2.5, 0, 0, 0])
    costs = Costs(fee_bp=10.0, y_half_spread_bp=2.0, x_half_spread_bp=4.0, slippage_bp=1.0)
    trader = Trader(Rules(notional=10_000.0), costs)
    trader.extend(bars)
    (trade,) = trader.trades
    assert trade.fees == pytest.approx(4 * 10.0)
    assert trade.spread_cost == pytest.approx(2 * 3.0 + 2 * 5.0)
    assert trade.net == pytest.approx(-56.0)
    assert [fill.leg for fill in trader.fills] == ["y", "x", "y", "x"]
    round_trip = costs.round_trip_bp(Rules().notional_ratio(100.0, 50.0, 2.0))
    assert round_trip.fees_bp == pytest.approx(40.0)
    assert round_trip.spread_bp == pytest.approx(16.0)


def test_pitfall_11_longs_pay_a_positive_funding_rate():
    rate = np.array([0.0, 0.0, 1e-3, 0.0])
    bars = plain_bars([-2.5, -2, -2, -2], funding_y=rate, funding_x=np.zeros(4))
    assert Trader(Rules(), FREE).extend(bars).equity[-1] == pytest.approx(-10.0)
    bars = dataclasses.replace(bars, z=-bars.z)
    assert Trader(Rules(), FREE).extend(bars).equity[-1] == pytest.approx(10.0)
    bars = dataclasses.replace(bars, funding_y=np.zeros(4), funding_x=rate)
    assert Trader(Rules(), FREE).extend(bars).equity[-1] == pytest.approx(-10.0)


@pytest.mark.parametrize(
    ("sizing", "log_prices", "beta", "x_quantity"),
    [
        ("hedge", False, 3.0, -30.0),  # units: 10 of Y against 3 of X each
        ("hedge", True, 0.8, -16.0),  # notional: 1000 against 800, at 50
        ("hedge", False, -3.0, 30.0),  # a negative beta puts both legs on the same side
        ("dollar", False, 3.0, -20.0),
        ("dollar", True, 0.8, -20.0),
        ("unit", False, 3.0, -10.0),
    ],
)
def test_pitfall_12_beta_is_read_in_its_units(sizing, log_prices, beta, x_quantity):
    rules = Rules(sizing=sizing, log_prices=log_prices, notional=1_000.0)
    done = Trader(rules, FREE).extend(plain_bars([-2.5, -2.0], beta=beta))
    assert done.y_quantity[-1] == 10.0
    assert done.x_quantity[-1] == pytest.approx(x_quantity)
    assert rules.quantities(1, 100.0, 50.0, beta) == pytest.approx((10.0, x_quantity))


@pytest.mark.parametrize("log_prices", [False, True])
def test_pitfall_12_a_change_of_units_changes_no_profit(log_prices):
    bars = random_bars(21, 400)
    scale_y, scale_x = 1e-3, 1e4
    other = dataclasses.replace(
        bars,
        y=bars.y * scale_y,
        x=bars.x * scale_x,
        y_open=bars.y_open * scale_y,
        x_open=bars.x_open * scale_x,
        beta=bars.beta if log_prices else bars.beta * scale_y / scale_x,
    )
    rules = Rules(log_prices=log_prices)
    here = Trader(rules, COSTS).extend(bars).equity
    np.testing.assert_allclose(Trader(rules, COSTS).extend(other).equity, here, atol=1e-6)


def test_pitfall_13_stale_bars_raise_nothing_and_fill_nothing():
    bars = plain_bars([-2.5] * 8)
    usable = np.array([False, False, True, False, False, True, True, True])
    done = Trader(Rules(), FREE).extend(dataclasses.replace(bars, usable=usable))
    assert events(done) == [(2, "enter long")]
    assert done.position.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_pitfall_13_an_exit_waits_until_both_legs_trade():
    bars = plain_bars([-2.5, -2.5, 0, 0, -1, -1, 0])
    x_open = bars.x_open.copy()
    x_open[3:5] = np.nan
    trader = Trader(Rules(), FREE)
    done = trader.extend(dataclasses.replace(bars, x_open=x_open))
    assert events(done) == [(0, "enter long"), (2, "exit")], "z back at -1 does not undo the exit"
    assert done.position.tolist() == [0, 1, 1, 1, 1, 0, 0]
    assert trader.trades[0].exit_us == 5_000_000


def test_a_waiting_entry_is_asked_for_anew_or_withdrawn():
    bars = plain_bars([-2.5, -2.6, -1.0, -2.2, -2.1])
    bars = dataclasses.replace(bars, beta=np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    x_open = np.array([np.nan, np.nan, np.nan, np.nan, 50.0])
    trader = Trader(Rules(notional=100.0), FREE)
    done = trader.extend(dataclasses.replace(bars, x_open=x_open))
    assert events(done) == [(0, "enter long"), (2, "withdrawn"), (3, "enter long")]
    assert done.signal.tolist() == [1, 1, 0, 1, 1]
    assert done.x_quantity[-1] == -4.0, "the beta of the bar that asked last"
    assert trader.position is not None and trader.position.entry_z == -2.2


def test_after_a_stop_no_entry_until_z_came_back():
    z = [-2.5, -3, -4.2, -3, -2.5, -0.6, -2.5, -0.4, -2.5, -2.5]
    trader = Trader(Rules(), FREE)
    done = trader.extend(plain_bars(z))
    assert events(done) == [(0, "enter long"), (2, "stop"), (8, "enter long")]
    assert trader.trades[0].reason == "stop"


def test_after_a_stop_the_other_side_is_free_at_once():
    done = Trader(Rules(), FREE).extend(plain_bars([-2.5, -3, -4.2, -3, 2.5, 2.5]))
    assert events(done) == [(0, "enter long"), (2, "stop"), (4, "enter short")]


def test_no_entry_beyond_the_stop():
    assert events(Trader(Rules(), FREE).extend(plain_bars([-5, -4.0, 4.5]))) == []
    done = Trader(Rules(stop=math.inf), FREE).extend(plain_bars([-500.0, -600.0]))
    assert events(done) == [(0, "enter long")]


def test_time_stop_counts_closes_held_and_needs_no_z():
    z = [2.5, 2.5, 2.4, np.nan, np.nan, np.nan, 0.0]
    trader = Trader(Rules(time_stop_bars=3), FREE)
    done = trader.extend(plain_bars(z))
    assert events(done) == [(0, "enter short"), (3, "time stop")]
    assert trader.trades[0].bars == 3
    assert trader.trades[0].reason == "time stop"


def test_a_turn_closes_first():
    done = Trader(Rules(), FREE).extend(plain_bars([-2.5, 2.5, 2.5, 2.5]))
    assert events(done) == [(0, "enter long"), (1, "exit"), (2, "enter short")]
    assert done.position.tolist() == [0, 1, 0, -1]


@pytest.mark.parametrize("z", [np.nan, np.inf, -np.inf])
def test_a_z_that_is_no_number_changes_nothing(z):
    done = Trader(Rules(stop=math.inf), FREE).extend(plain_bars([z, -2.5, z, z, 0.0]))
    assert events(done) == [(1, "enter long"), (4, "exit")]


@pytest.mark.parametrize("beta", [np.nan, 0.0, np.inf])
def test_a_beta_that_hedges_nothing_gives_no_entry(beta):
    assert events(Trader(Rules(), FREE).extend(plain_bars([-2.5] * 3, beta=beta))) == []
    dollar = Trader(Rules(sizing="dollar"), FREE).extend(plain_bars([-2.5] * 3, beta=beta))
    assert events(dollar) == [(0, "enter long")]


def test_an_entry_waits_for_prices_above_zero_and_an_exit_does_not():
    bars = plain_bars([-2.5, -2.5, -2.5, 0, 0], y=[-1, -1, 100, 100, -37])
    bars = dataclasses.replace(bars, y_open=np.array([-1.0, -1.0, 100.0, 100.0, -37.0]))
    done = Trader(Rules(notional=100.0), FREE).extend(bars)
    assert done.position.tolist() == [0, 0, 1, 1, 0]
    assert done.equity[-1] == -137.0


def test_marks_stay_where_a_price_is_missing():
    bars = plain_bars([-2.5, -2, -2, -2], y=[100, 100, 110, np.nan])
    assert Trader(Rules(notional=100.0), FREE).extend(bars).equity.tolist() == [0, 0, 10, 10]


def test_the_open_position_can_be_marked():
    trader = Trader(Rules(notional=10_000.0), Costs(fee_bp=10.0, x_half_spread_bp=5.0))
    assert trader.position is None and trader.mark(100.0, 50.0) is None and trader.order is None
    bars = plain_bars([-2.5, -2.0], funding_y=np.array([0, 1e-4]), funding_x=np.zeros(2))
    trader.extend(cut(bars, 0, 1))
    assert trader.order == Order(ENTER_LONG, 0, -2.5, 2.0)
    trader.extend(cut(bars, 1, 2))
    assert trader.position == Position(
        side=1, bars=1, signal_us=0, entry_us=1_000_000, y_quantity=100.0, x_quantity=-200.0,
        entry_y=100.0, entry_x=50.0, entry_z=-2.5, beta=2.0, fees=pytest.approx(20.0),
        spread_cost=pytest.approx(5.0), funding=pytest.approx(1.0), borrow=0.0,
        rehedges=0, x_basis=50.0, realised=0.0,
    )  # fmt: skip
    mark = trader.mark(103.0, 51.0)
    assert mark.gross == pytest.approx(100.0)
    assert mark.fees == pytest.approx(20.0 + 10.3 + 10.2)
    assert mark.spread_cost == pytest.approx(5.0 + 5.1)
    assert mark.net == pytest.approx(100.0 - 40.5 - 10.1 - 1.0)


# Bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"entry": 0.5}, "entry above exit"),
        ({"exit": -0.1}, "0 or more"),
        ({"entry": math.nan}, "entry above exit"),
        ({"stop": 2.0}, "raise the stop above the entry"),
        ({"stop": math.nan}, "raise the stop"),
        ({"time_stop_bars": -1}, "0 for none"),
        ({"sizing": "<b>all</b>"}, "choose one of hedge, dollar, unit"),
        ({"notional": 0.0}, "positive amount"),
        ({"notional": math.inf}, "positive amount"),
        ({"cool_down_bars": -1}, "cool-down is -1"),
        ({"rehedge_bars": -2}, "re-hedge is -2"),
        ({"rehedge_percent": math.nan}, "means nothing"),
        ({"most_gross": 0.0}, "maximum gross"),
        ({"fill_at": "best"}, "choose one of open, close"),
        ({"negative_beta": "flip"}, "choose one of hold, skip"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(wrong, says):
    with pytest.raises(DataError, match=says):
        Rules(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"fee_bp": math.nan}, {"slippage_bp": -1.0}, {"x_half_spread_bp": math.inf}]
)
def test_costs_that_are_none_are_refused(wrong):
    with pytest.raises(DataError, match="use basis points"):
        Costs(**wrong)


def test_borrow_and_limits_that_are_none_are_refused():
    with pytest.raises(DataError, match="percent per year"):
        Costs(y_borrow_percent=-1.0)
    with pytest.raises(DataError, match="x_lot is -1"):
        Limits(x_lot=-1.0)


def test_bars_that_do_not_fit_are_refused_and_change_nothing():
    trader = Trader()
    bars = plain_bars([0.0, 0.0, 0.0])
    trader.extend(bars)
    before = trader.state()
    for wrong, says in [
        (bars, "increasing time order"),
        (dataclasses.replace(bars, time_us=bars.time_us[::-1] + 10**9), "increasing time order"),
        (dataclasses.replace(bars, z=bars.z[:2]), "same number"),
        (dataclasses.replace(bars, funding_y=bars.z), "one leg only"),
    ]:
        with pytest.raises(DataError, match=says):
            trader.extend(wrong)
    assert trader.state()["now"].tobytes() == before["now"].tobytes()


def test_a_state_of_another_version_is_refused():
    trader = Trader()
    with pytest.raises(DataError, match="start the paper position afresh"):
        trader.restore({"now": np.zeros(1), "closed": trader.state()["closed"]})
    with pytest.raises(DataError, match="start the paper position afresh"):
        trader.restore({"now": np.zeros(2, trader.state()["now"].dtype), "closed": trader.closed})


def test_readers_see_one_moment_while_another_thread_extends():
    bars = random_bars(9, 60_000)
    trader = Trader(Rules(), COSTS)
    torn: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            held, closed = trader.position, trader.closed
            if held is not None and held.entry_us < held.signal_us:
                torn.append("position")
            if len(closed) and np.any(closed["exit_us"] <= closed["entry_us"]):
                torn.append("closed")

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(0, 60_000, 300):
        trader.extend(cut(bars, start, start + 300))
    done.set()
    reader.join()
    whole = Trader(Rules(), COSTS)
    whole.extend(bars)
    assert not torn
    assert trader.closed.tobytes() == whole.closed.tobytes()

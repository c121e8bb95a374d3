"""The trading state machine against a plain twin that books every fill as cash."""

from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backtest
from backtest import BarsIn, Costs, Rules, Trader
from market import DataError

COSTS = Costs(fee_bp=5.0, y_half_spread_bp=1.0, x_half_spread_bp=3.0, slippage_bp=0.5)
FREE = Costs(fee_bp=0.0)


def random_bars(seed: int, n_bars: int, *, z=None, holes: float = 0.2, funding: bool = True):
    """Two independent walks with holes, stale bars and a z of its own."""
    rng = np.random.default_rng(seed)
    y = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, n_bars)))
    x = 40.0 * np.exp(np.cumsum(rng.normal(0, 0.01, n_bars)))
    if z is None:
        z = 1.6 * rng.normal(size=n_bars)
        z[rng.random(n_bars) < holes / 4] = np.nan
    return BarsIn(
        time_us=np.arange(n_bars, dtype=np.int64) * 5_000_000,
        y=y,
        x=x,
        y_open=np.where(rng.random(n_bars) < holes, np.nan, y * np.exp(rng.normal(0, 0.002))),
        x_open=np.where(rng.random(n_bars) < holes, np.nan, x * np.exp(rng.normal(0, 0.002))),
        z=np.asarray(z, float),
        beta=rng.normal(1.5, 1.0, n_bars),
        usable=rng.random(n_bars) >= holes / 2,
        funding_y=rng.normal(0, 1e-4, n_bars) if funding else None,
        funding_x=rng.normal(0, 1e-4, n_bars) if funding else None,
    )


def cut(bars: BarsIn, start: int, stop: int) -> BarsIn:
    values = {f.name: getattr(bars, f.name) for f in dataclasses.fields(bars)}
    return BarsIn(**{k: None if v is None else v[start:stop] for k, v in values.items()})


def plain_bars(z, y=None, x=None, beta=2.0, **more) -> BarsIn:
    """Bars where both legs trade every second and the open is the last close."""
    n_bars = len(z)
    y = np.full(n_bars, 100.0) if y is None else np.asarray(y, float)
    x = np.full(n_bars, 50.0) if x is None else np.asarray(x, float)
    columns = {
        "time_us": np.arange(n_bars, dtype=np.int64) * 1_000_000,
        "y": y,
        "x": x,
        "y_open": np.concatenate((y[:1], y[:-1])),
        "x_open": np.concatenate((x[:1], x[:-1])),
        "z": np.asarray(z, float),
        "beta": np.full(n_bars, beta),
        "usable": np.ones(n_bars, bool),
    }
    return BarsIn(**columns | more)


# The twin ---------------------------------------------------------------------------------


class Twin:
    """Rules followed one bar at a time, every flow of money in one list."""

    def __init__(self, rules: Rules, costs: Costs) -> None:
        self.rules, self.costs = rules, costs
        self.flows: list[tuple[str, float]] = []  # what for, amount received
        self.held = {"y": 0.0, "x": 0.0}
        self.marks = {"y": math.nan, "x": math.nan}
        self.side = self.bars = self.barred = 0
        self.waiting: tuple[str, float] | None = None  # order, beta

    def fill(self, leg: str, quantity: float, price: float) -> None:
        self.held[leg] += quantity
        self.flows.append(("legs", -quantity * price))
        value = abs(quantity) * price
        half = getattr(self.costs, f"{leg}_half_spread_bp") + self.costs.slippage_bp
        self.flows.append(("fees", -value * self.costs.fee_bp / 1e4))
        self.flows.append(("spread", -value * half / 1e4))

    def size_of_x(self, y_quantity: float, y: float, x: float, beta: float) -> float:
        if self.rules.sizing == "unit":
            return -y_quantity
        if self.rules.sizing == "dollar":
            return -y_quantity * y / x
        return -beta * y_quantity * (y / x if self.rules.log_prices else 1.0)

    def step(self, y, x, y_open, x_open, z, beta, usable, funding_y, funding_x) -> str:
        both_traded = not (math.isnan(y_open) or math.isnan(x_open))
        if usable and both_traded and self.waiting is not None:
            order, order_beta = self.waiting
            if self.side == 0:
                self.side = 1 if order == "enter long" else -1
                self.bars = 0
                y_quantity = self.side * self.rules.notional / y_open
                self.fill("y", y_quantity, y_open)
                self.fill("x", self.size_of_x(y_quantity, y_open, x_open, order_beta), x_open)
            else:
                self.fill("y", -self.held["y"], y_open)
                self.fill("x", -self.held["x"], x_open)
                self.barred = self.side if order != "exit" else self.barred
                self.side = 0
                self.held = {"y": 0.0, "x": 0.0}
            self.waiting = None
        self.marks = {"y": y, "x": x}
        if self.side:
            self.bars += 1
            self.flows.append(("funding", -self.held["y"] * y * funding_y))
            self.flows.append(("funding", -self.held["x"] * x * funding_x))
        return self.decide(z, beta) if usable else "none"

    def decide(self, z: float, beta: float) -> str:
        rules = self.rules
        if self.side and self.waiting:
            return "none"
        wanted = None
        if self.side:
            score = z * self.side
            if not math.isnan(z) and score <= -rules.stop:
                wanted = "stop"
            elif not math.isnan(z) and score >= -rules.exit:
                wanted = "exit"
            elif rules.time_stop_bars and self.bars >= rules.time_stop_bars:
                wanted = "time stop"
            self.waiting = (wanted, beta) if wanted else None
            return wanted or "none"
        if math.isnan(z):
            return "none"
        if self.barred and z * self.barred >= -rules.exit:
            self.barred = 0
        if not self.barred and rules.entry <= abs(z) < rules.stop:
            wanted = "enter long" if z < 0 else "enter short"
        before = self.waiting[0] if self.waiting else None
        self.waiting = (wanted, beta) if wanted else None
        if wanted == before:
            return "none"
        return wanted or "withdrawn"

    @property
    def equity(self) -> float:
        marks = sum(self.held[leg] * self.marks[leg] for leg in "yx") if self.side else 0.0
        return math.fsum(amount for _, amount in self.flows) + marks

    def total(self, what: str) -> float:
        return math.fsum(amount for name, amount in self.flows if name == what)


def run_twin(bars: BarsIn, rules: Rules, costs: Costs):
    twin = Twin(rules, costs)
    rows = []
    for t in range(len(bars.time_us)):
        funding = (0.0, 0.0) if bars.funding_y is None else (bars.funding_y[t], bars.funding_x[t])
        names = ("y", "x", "y_open", "x_open", "z", "beta", "usable")
        event = twin.step(*(getattr(bars, name)[t].item() for name in names), *funding)
        rows.append((event, twin.side, twin.held["y"], twin.held["x"], twin.equity))
    return twin, rows


some_rules = st.builds(
    Rules,
    entry=st.sampled_from([1.0, 1.5, 2.0]),
    exit=st.sampled_from([0.0, 0.5, 0.9]),
    stop=st.sampled_from([2.5, 3.0, math.inf]),
    time_stop_bars=st.sampled_from([0, 1, 3, 10]),
    sizing=st.sampled_from(backtest.SIZINGS),
    log_prices=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rules=some_rules, holes=st.sampled_from([0.0, 0.2, 0.7]))
def test_agrees_with_the_plain_twin_at_every_bar(seed, rules, holes):
    bars = random_bars(seed, 300, holes=holes)
    twin, rows = run_twin(bars, rules, COSTS)
    trader = Trader(rules, COSTS)
    done = trader.extend(bars)
    assert [backtest.EVENTS[code] for code in done.event] == [row[0] for row in rows]
    assert done.position.tolist() == [row[1] for row in rows]
    np.testing.assert_allclose(done.y_quantity, [row[2] for row in rows], rtol=1e-12)
    np.testing.assert_allclose(done.x_quantity, [row[3] for row in rows], rtol=1e-12)
    np.testing.assert_allclose(done.equity, [row[4] for row in rows], rtol=1e-9, atol=1e-6)
    assert trader.cash == pytest.approx(math.fsum(a for _, a in twin.flows), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rules=some_rules)
def test_equity_is_cash_plus_marks_at_every_bar(seed, rules):
    bars = random_bars(seed, 300)
    done = Trader(rules, COSTS, capital=1_000.0).extend(bars)
    marks = done.y_quantity * bars.y + done.x_quantity * bars.x
    np.testing.assert_array_equal(done.equity, done.cash + marks)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rules=some_rules)
def test_profit_parts_sum_to_the_total(seed, rules):
    bars = random_bars(seed, 300)
    trader = Trader(rules, COSTS)
    done = trader.extend(bars)
    twin, _ = run_twin(bars, rules, COSTS)
    total = sum(trade.net for trade in trader.trades)
    fees = sum(trade.fees for trade in trader.trades)
    spread_cost = sum(trade.spread_cost for trade in trader.trades)
    funding = sum(trade.funding for trade in trader.trades)
    if trader.position is not None:
        held = trader.position
        legs = (bars.y[-1] - held.entry_y, bars.x[-1] - held.entry_x)
        total += held.y_quantity * legs[0] + held.x_quantity * legs[1]
        total -= held.fees + held.spread_cost + held.funding
        fees, spread_cost = fees + held.fees, spread_cost + held.spread_cost
        funding += held.funding
    assert done.equity[-1] == pytest.approx(total, abs=1e-6)
    assert (fees, spread_cost, funding) == pytest.approx(
        (-twin.total("fees"), -twin.total("spread"), -twin.total("funding")), abs=1e-6
    )
    for trade in trader.trades:
        parts = trade.gross - trade.fees - trade.spread_cost - trade.funding
        assert trade.net == pytest.approx(parts, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rules=some_rules,
    cuts=st.lists(st.integers(0, 200), max_size=12),
    restarts=st.booleans(),
)
def test_any_chunking_gives_the_same_bits(seed, rules, cuts, restarts):
    bars = random_bars(seed, 200)
    whole = Trader(rules, COSTS)
    expected = whole.extend(bars)
    trader = Trader(rules, COSTS)
    parts = []
    edges = [0, *sorted(cuts), 200]
    for start, stop in zip(edges, edges[1:], strict=False):
        parts.append(trader.extend(cut(bars, start, stop)))
        if restarts:
            saved = trader.state()
            trader = Trader(rules, COSTS)
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


def events(done) -> list[tuple[int, str]]:
    return [(t, backtest.EVENTS[code]) for t, code in enumerate(done.event) if code]


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
    assert round_trip.break_even(100.0) == pytest.approx(0.56)
    assert round_trip.break_even(100.0, log_prices=True) == pytest.approx(0.0056)


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
    assert trader.order == backtest.Order(backtest.ENTER_LONG, 0, -2.5, 2.0)
    trader.extend(cut(bars, 1, 2))
    assert trader.position == backtest.Position(
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

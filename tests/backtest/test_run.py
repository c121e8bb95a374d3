"""A whole backtest: signals as on the live page, figures against plain sums, a golden result."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.backtest.batch import Lean
from tandem.backtest.metrics import DEFINITIONS, Metrics, periods, sharpe_error
from tandem.backtest.run import Result, bar_length, compare, run
from tandem.core.clock import DAY_US, HOUR_US, YEAR_US
from tandem.core.errors import DataError
from tandem.kernels.trading.batch import COUNTS
from tandem.pairs.stream import PairSettings, PairStream
from tandem.strategy.pair_model import MODELS, Z_KINDS
from tandem.strategy.rules import Costs, Limits, Rules
from tandem.strategy.signals import Setup, constant_funding, known_before, signals
from tests.support import made_pairs

SETUP = Setup(
    model="ols",
    lookback=150,
    z_window=80,
    rules=Rules(rehedge_bars=10, stop=3.5, time_stop_bars=60),
    costs=Costs(1.0, 0.2, 0.2, 0.1, y_borrow_percent=2.0, x_borrow_percent=3.0),
)

# The whole of one backtest: 3,000 hours of a made pair, seed 3, half-life 20 hours.
GOLDEN = {
    "net": -8.9528516609098,
    "total_return": -0.0004476425830455266,
    "cagr": -0.0014159328752848532,
    "volatility": 0.006571449591085991,
    "sharpe": -0.2155717808821,
    "sharpe_error": 1.778276865910158,
    "sortino": -0.2782316482350331,
    "calmar": -0.282076097795383,
    "max_drawdown": 0.0050196840014142775,
    "drawdown_us": 7578000000000,
    "under_water_us": 7578000000000,
    "trades": 48,
    "hit_rate": 0.625,
    "profit_factor": 0.9531220704901762,
    "average_trade": -0.1865177429352928,
    "average_holding_us": 56400000000.0,
    "average_holding_bars": 15.666666666666666,
    "time_in_market": 0.27148014440433216,
    "turnover": 310.43477812556597,
    "mean_gross": 0.2660864855699666,
    "most_gross": 1.5836585427572103,
    "convergence": 433.47875618418425,
    "hedge_drift": -166.8506189066308,
    "fees": 196.19081346288326,
    "spread_cost": 58.85724403886499,
    "funding": 0.0,
    "borrow": 20.532931436699236,
    "open_profit": 0.0,
    "refused": 0,
    "lowest_equity": 19948.161096191394,
    "period_sharpe": -0.011251283461050981,
    "skew": -0.8437830488995145,
    "kurtosis": 5.298564431118232,
    "periods": 116,
    "per_year": 367.0960288808664,
    "years": 0.3159936116814967,
}


def hourly(n_bars: int = 3_000, seed: int = 3):
    y, x = made_pairs.cointegrated(n_bars, seed=seed, half_life=20)
    return made_pairs.aligned(y, x, bar_us=HOUR_US)


@pytest.fixture(scope="module")
def golden() -> Result:
    return run(hourly(), SETUP)


def test_golden_result(golden):
    ours = dataclasses.asdict(golden.metrics)
    assert ours == {name: pytest.approx(value, abs=1e-8) for name, value in GOLDEN.items()}


def test_every_figure_has_its_definition():
    assert set(DEFINITIONS) == {field.name for field in dataclasses.fields(Metrics)}


def test_figures_against_plain_sums(golden):
    first, capital, m = golden.signals.first, SETUP.capital, golden.metrics
    equity = pd.Series(golden.equity[first:])
    days = pd.Series(golden.bars.time_us[first:]) // DAY_US
    closes = equity.groupby(days.to_numpy()).last()
    returns = closes.diff().fillna(closes.iloc[0] - capital) / capital
    np.testing.assert_allclose(golden.returns, returns, atol=1e-15)
    years = (len(equity) * HOUR_US) / YEAR_US
    per_year = len(returns) / years
    assert (m.per_year, m.years) == pytest.approx((per_year, years))
    one = returns.mean() / returns.std()
    assert m.sharpe == pytest.approx(one * math.sqrt(per_year))
    assert m.volatility == pytest.approx(returns.std() * math.sqrt(per_year))
    down = math.sqrt((np.minimum(returns, 0.0) ** 2).mean())
    assert m.sortino == pytest.approx(returns.mean() / down * math.sqrt(per_year))
    away = returns - returns.mean()
    assert m.skew == pytest.approx((away**3).mean() / (away**2).mean() ** 1.5)
    assert m.kurtosis == pytest.approx((away**4).mean() / (away**2).mean() ** 2)
    peak = equity.cummax().clip(lower=capital)
    assert m.max_drawdown == pytest.approx((1.0 - equity / peak).max())
    assert m.max_drawdown == pytest.approx(-golden.drawdown.min())
    assert m.cagr == pytest.approx((equity.iloc[-1] / capital) ** (1 / years) - 1.0)
    assert m.calmar == pytest.approx(m.cagr / m.max_drawdown)
    nets = np.array([trade.net for trade in golden.trades])
    assert (m.trades, m.hit_rate) == (len(nets), (nets > 0).mean())
    assert m.profit_factor == pytest.approx(nets[nets > 0].sum() / -nets[nets <= 0].sum())
    assert m.turnover == pytest.approx(
        sum(abs(fill.quantity * fill.price) for fill in golden.fills) / capital / years
    )
    assert m.time_in_market == pytest.approx((golden.done.position[first:] != 0).mean())
    assert m.mean_gross == pytest.approx(golden.done.gross[first:].mean() / capital)
    parts = m.convergence + m.hedge_drift - m.fees - m.spread_cost - m.funding - m.borrow
    assert m.net == pytest.approx(parts + m.open_profit)


def test_drawdown_lengths_by_hand():
    """Equity 100, then 99, 101, 98, 97, 102, 101, 101.5: down 4 bars' time at worst."""
    time_us = np.arange(8) * DAY_US
    equity = np.array([100.0, 99, 101, 98, 97, 102, 101, 101.5])
    measured = _measure(equity, time_us)
    assert measured.max_drawdown == pytest.approx(4 / 101)
    assert measured.drawdown_us == 3 * DAY_US, "from the close at 101 to that at 102"
    assert measured.under_water_us == 3 * DAY_US
    assert measured.lowest_equity == 97.0
    falling = _measure(np.array([90.0, 80, 70]), time_us[:3])
    assert falling.max_drawdown == pytest.approx(0.3)
    assert falling.drawdown_us == 3 * DAY_US, "from the start to the end: it never came back"


def _measure(equity: np.ndarray, time_us: np.ndarray) -> Metrics:
    from tandem.backtest.metrics import metrics
    from tandem.kernels import performance

    cut, figures = periods(time_us, DAY_US), np.empty(performance.FIGURES)
    performance.measure(equity, np.zeros(len(equity)), 0, cut.ends, 100.0, figures)
    return metrics(figures, np.zeros(COUNTS), cut, time_us, DAY_US, 100.0)


def test_an_account_that_is_gone_has_no_growth():
    measured = _measure(np.linspace(90.0, -50.0, 60), np.arange(60) * DAY_US)
    assert (measured.cagr, measured.lowest_equity) == (-1.0, -50.0)
    assert measured.max_drawdown == pytest.approx(1.5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("z_kind", Z_KINDS)
@pytest.mark.parametrize("log_prices", [False, True])
def test_signals_are_those_of_the_live_page_to_the_bit(model, z_kind, log_prices):
    y, x = made_pairs.cointegrated(400, seed=5)
    usable = np.random.default_rng(0).random(400) > 0.1
    bars = made_pairs.aligned(y, x, usable=usable)
    rules = Rules(log_prices=log_prices)
    stream = PairStream(PairSettings("a:Y", "a:X", 5_000_000, model, 40, 30, z_kind, rules))
    stream.extend(bars)
    view = stream.view()
    result = run(bars, Setup(model, 40, 30, z_kind, rules, stream.settings.costs))
    for name in ("spread", "mean", "deviation", "z"):
        np.testing.assert_array_equal(getattr(result.signals, name), view[name], name)
    assert result.trader.closed.tobytes() == stream.trader.closed.tobytes()
    np.testing.assert_array_equal(result.done.signal, view["signal"])
    np.testing.assert_array_equal(result.done.event, view["event"])
    np.testing.assert_allclose(result.equity - 20_000.0, view["equity"], atol=1e-8)


def test_known_before():
    values = np.array([np.nan, 1.0, np.nan, 3.0])
    np.testing.assert_array_equal(known_before(values), [np.nan, np.nan, 1.0, 1.0])
    np.testing.assert_array_equal(known_before(values, 5.0), [5.0, 5.0, 1.0, 1.0])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    stop=st.sampled_from([2.0, math.inf]),
    time_stop=st.sampled_from([0, 1, 7]),
    cool_down=st.sampled_from([0, 3]),
    rehedge=st.sampled_from([0, 0, 4]),
    x_lot=st.sampled_from([0.0, 70.0]),
    borrow=st.sampled_from([0.0, 0.0, 50.0]),
    funded=st.booleans(),
)
def test_lean_runs_give_the_same_figures(
    seed, stop, time_stop, cool_down, rehedge, x_lot, borrow, funded
):
    rng = np.random.default_rng(seed)
    y, x = made_pairs.cointegrated(600, seed=seed)
    bars = made_pairs.aligned(y, x, bar_us=HOUR_US, usable=rng.random(600) > 0.1)
    rules = Rules(
        entry=1.5, stop=stop, time_stop_bars=time_stop, cool_down_bars=cool_down,
        rehedge_bars=rehedge,
    )  # fmt: skip
    costs, limits = Costs(1.0, y_borrow_percent=borrow), Limits(y_lot=0.1, x_lot=x_lot)
    setup = Setup("kalman", 60, rules=rules, costs=costs, limits=limits)
    funding = constant_funding(bars.time_us, HOUR_US, 0.01) if funded else None
    full = run(bars, setup, funding)
    lean = Lean(bars, HOUR_US, funding)
    measured = lean.run(setup, full.signals, full.periods)
    np.testing.assert_equal(dataclasses.asdict(measured), dataclasses.asdict(full.metrics))
    np.testing.assert_array_equal(lean.equity, full.equity)


def test_zero_costs_and_zero_signal_give_zero():
    flat = hourly(600)
    setup = dataclasses.replace(SETUP, rules=Rules(entry=1e6, stop=math.inf), costs=Costs(0.0))
    result = run(flat, setup)
    assert set(result.equity) == {setup.capital}
    assert (result.metrics.net, result.metrics.trades, result.metrics.turnover) == (0.0, 0, 0.0)
    assert math.isnan(result.metrics.sharpe) and math.isnan(result.metrics.hit_rate)


def test_an_open_position_is_marked_and_said():
    result = run(hourly(600), SETUP.with_rules(exit=0.0, entry=0.1, time_stop_bars=0))
    assert result.position is not None
    closed = sum(trade.net for trade in result.trades)
    assert result.metrics.open_profit == pytest.approx(result.metrics.net - closed)


def test_models_are_compared_over_the_same_time():
    bars = hourly(900)
    found = compare(bars, SETUP)
    assert list(found) == ["ols", "kalman", "huber"]
    first = {result.periods.first for result in found.values()}
    assert first == {max(signals(bars, result.setup).first for result in found.values())}
    for model, result in found.items():
        assert result.setup.model == model
        assert not result.done.position[: result.periods.first + 1].any()
        assert result.metrics.trades > 0


# Periods and funding ----------------------------------------------------------------------


def test_returns_are_counted_by_day_once_there_are_enough_of_them():
    hours = np.arange(24 * 59) * HOUR_US
    assert periods(hours, HOUR_US).kind == "bar"
    longer = np.arange(24 * 62) * HOUR_US
    cut = periods(longer, HOUR_US, first=30)
    assert (cut.kind, len(cut.ends)) == ("day", 61)
    assert cut.ends[0] == 47 and cut.ends[-1] == 24 * 62 - 1
    assert periods(longer, HOUR_US, period="bar").per_year == pytest.approx(365.25 * 24)


def test_a_year_of_trading_days_has_as_many_periods_as_days():
    weekdays = [day for day in range(365) if day % 7 < 5]
    cut = periods(np.array(weekdays) * DAY_US, DAY_US)
    assert cut.per_year == pytest.approx(261, abs=1.5)
    assert "by bar" in cut.text and "261" in cut.text


def test_funding_is_charged_on_its_grid_and_none_is_lost_over_a_hole():
    time_us = np.array([0, 1, 2, 3, 12, 13, 16]) * HOUR_US
    y, x = constant_funding(time_us, HOUR_US, 0.01, -0.02, interval_hours=4)
    assert (y / 1e-4).round().tolist() == [0, 0, 0, 1, 2, 0, 1]
    assert (x / -2e-4).round().tolist() == [0, 0, 0, 1, 2, 0, 1]


def test_a_long_leg_pays_positive_funding():
    bars = hourly(800)
    funding = constant_funding(bars.time_us, HOUR_US, 0.05, 0.0)
    setup = dataclasses.replace(SETUP, rules=Rules(sizing="dollar"), costs=Costs(0.0))
    result = run(bars, setup, funding)
    for trade in result.trades:
        assert np.sign(trade.funding) in (0, trade.side)
    assert any(trade.funding for trade in result.trades)
    without = run(bars, setup)
    paid = sum(trade.funding for trade in result.trades)
    paid += result.position.funding if result.position else 0.0
    assert without.metrics.net - result.metrics.net == pytest.approx(paid)


def test_sharpe_error_of_normal_returns():
    assert sharpe_error(0.0, 0.0, 3.0, 101) == pytest.approx(0.1)
    assert sharpe_error(1.0, 0.0, 3.0, 101) == pytest.approx(math.sqrt(1.5 / 100))
    assert math.isnan(sharpe_error(0.1, 0.0, 3.0, 1))


# Bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": "magic"}, "choose one of ols"),
        ({"z_kind": "best"}, "choose one of model"),
        ({"lookback": 2}, "at least 10 and 5"),
        ({"capital": 0.0}, "positive amount"),
        ({"capital": math.nan}, "positive amount"),
    ],
)
def test_setups_that_cannot_work_are_refused(wrong, says):
    with pytest.raises(DataError, match=says):
        Setup(**wrong)


def test_too_few_bars_are_refused():
    with pytest.raises(DataError, match="at least two"):
        run(made_pairs.part(hourly(100), 0, 1), SETUP)
    with pytest.raises(DataError, match="no bars"):
        signals(made_pairs.part(hourly(100), 0, 0), SETUP)
    twice = dataclasses.replace(hourly(100), time_us=np.zeros(100, np.int64))
    with pytest.raises(DataError, match="increasing time order"):
        run(twice, SETUP)
    with pytest.raises(DataError, match="interval is 0"):
        constant_funding(np.arange(3), 1, interval_hours=0.0)


def test_bars_too_few_for_the_model_are_said():
    with pytest.raises(DataError, match="40 bars are too few for ols with lookback 150"):
        run(hourly(40), SETUP)
    assert bar_length(hourly(40).time_us) == HOUR_US

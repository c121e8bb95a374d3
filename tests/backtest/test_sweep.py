"""Grids, sweeps, maps with their plateau, walk-forward, and long work that can be stopped."""

from __future__ import annotations

import dataclasses
import math
import threading

import numpy as np
import pytest

from tandem.backtest.grid import Grid, by_signals
from tandem.backtest.metrics import periods
from tandem.backtest.run import run
from tandem.backtest.sweep import Heat, Sweep, sweep
from tandem.backtest.walk_forward import walk_forward
from tandem.core.clock import HOUR_US
from tandem.core.errors import Cancelled, DataError
from tandem.core.parallel import Watch, each
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.signals import Setup, signals
from tests.support import made_pairs

BASE = Setup(model="ols", lookback=60, z_window=40, rules=Rules(stop=9.0), costs=Costs(1.0))
GRID = Grid(BASE, lookbacks=[40, 80], entries=[1.0, 1.5, 2.0], exits=[0.0, 0.5])


def hourly(n_bars: int = 1_500, seed: int = 3):
    y, x = made_pairs.cointegrated(n_bars, seed=seed, half_life=12)
    return made_pairs.aligned(y, x, bar_us=HOUR_US)


# Grid -------------------------------------------------------------------------------------


def test_a_grid_is_every_combination_that_makes_sense():
    grid = Grid(BASE, entries=[1.0, 2.0], exits=[0.5, 1.0, 1.5], stops=[2.0, 9.0])
    found = {(s.rules.entry, s.rules.exit, s.rules.stop) for s in grid.setups()}
    assert found == {
        (1.0, 0.5, 2.0), (1.0, 0.5, 9.0), (2.0, 0.5, 9.0), (2.0, 1.0, 9.0), (2.0, 1.5, 9.0),
    }  # fmt: skip


def test_an_empty_grid_is_the_base():
    assert Grid(BASE).setups() == [BASE]


def test_variants_that_are_the_same_are_tried_once():
    grid = Grid(BASE, models=["kalman", "ols"], z_windows=[20, 30], z_kinds=["model", "rolling"])
    kinds = [(s.model, s.z_kind, s.z_window) for s in grid.setups()]
    # The filter's innovation has no window; for OLS the model's own z is the rolling one.
    assert len(kinds) == 3 + 2
    assert [len(group) for group in by_signals(grid.setups())] == [1] * 5


def test_grids_that_cannot_be_tried_are_refused():
    with pytest.raises(DataError, match="at most 20,000"):
        Grid(BASE, entries=np.linspace(1, 3, 200), exits=np.linspace(0, 0.9, 200)).setups()
    with pytest.raises(DataError, match="exit < entry < stop"):
        Grid(BASE, entries=[1.0], exits=[2.0]).setups()


# Sweep ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_a_sweep_is_one_backtest_per_variant(workers):
    bars = hourly()
    swept = sweep(bars, GRID, workers=workers)
    assert [s.rules.entry for s in swept.setups[:3]] == [1.0, 1.0, 1.5]
    first = max(signals(bars, setup).first for setup in swept.setups)
    assert swept.periods.first == first
    for setup, measured in zip(swept.setups, swept.metrics, strict=True):
        # From the common first bar on: what came before must not have been traded.
        later = dataclasses.replace(bars, usable=bars.usable)
        said = signals(later, setup)
        said.z[:first] = np.nan
        alone = run(later, setup, said=said)
        assert measured.net == pytest.approx(alone.metrics.net)
        assert measured == dataclasses.replace(alone.metrics, **_of_periods(measured))


def _of_periods(measured):
    names = ("sharpe", "volatility", "sortino", "sharpe_error")
    return {name: getattr(measured, name) for name in names}


def test_the_best_is_the_best():
    swept = sweep(hourly(), GRID)
    values = swept.values("net")
    assert values[swept.best("net")] == values.max()
    assert [t.net for t in swept.trials] == values.tolist()


def test_nothing_is_best_where_nothing_traded():
    never = Grid(BASE, entries=[7.0, 8.0])
    assert sweep(hourly(400), never).best() == -1


def test_bars_too_few_for_a_variant_are_said():
    with pytest.raises(DataError, match="too few for ols with lookback 80"):
        sweep(hourly(100), GRID)


def test_unknown_figures_and_axes_are_refused():
    swept = sweep(hourly(400), GRID)
    with pytest.raises(DataError, match="not a ranking metric"):
        swept.values("luck")
    with pytest.raises(DataError, match="not a sweep axis"):
        swept.heat("entry", "colour")
    with pytest.raises(DataError, match="two different"):
        swept.heat("entry", "entry")


# The map ----------------------------------------------------------------------------------


def mapped(values) -> Heat:
    """A map of made figures: rows are lookbacks, columns entries."""
    values = np.asarray(values, float)
    rows, columns = values.shape
    one = sweep(hourly(400), Grid(BASE)).metrics[0]
    setups, metrics = [], []
    for row in range(rows):
        for column in range(columns):
            setup = dataclasses.replace(BASE, lookback=10 + row).with_rules(entry=1.0 + column)
            setups.append(setup)
            metrics.append(dataclasses.replace(one, sharpe=values[row, column]))
    return Sweep(tuple(setups), tuple(metrics), (), periods(np.arange(3), 1)).heat(
        "lookback", "entry"
    )


def test_a_plateau_is_where_the_neighbours_agree():
    heat = mapped(
        [[0, 0, 0, 0, 0], [0, 2, 2, 2, 0], [0, 2, 2.1, 2, 0], [0, 2, 2, 2, 0], [0, 0, 0, 0, 0]]
    )
    assert heat.centre == heat.best == (2, 2)
    assert heat.plateau.sum() == 1 and not heat.is_peak_alone
    wide = mapped(np.full((4, 5), 1.0))
    assert wide.plateau.all()


def test_a_peak_alone_is_called_one():
    values = np.full((5, 6), 0.1)
    values[0, 0] = 3.0  # a lucky corner
    values[2:, 3:] = 1.0
    heat = mapped(values)
    assert heat.best == (0, 0) and heat.is_peak_alone
    assert heat.plateau[heat.centre] and heat.plateau[3, 4] and not heat.plateau[0, 1]


def test_there_is_no_plateau_where_nothing_earns():
    assert not mapped(np.full((3, 3), -1.0)).plateau.any()


def test_cells_that_never_traded_are_empty_and_count_as_nothing():
    heat = mapped([[math.nan, 1.0], [1.0, 1.0]])
    assert math.isnan(heat.values[0, 0]) and math.isnan(heat.smoothed[0, 0])
    assert heat.smoothed[1, 1] == pytest.approx(0.75)


def test_the_map_goes_through_the_best_variant():
    swept = sweep(hourly(), GRID)
    best = swept.setups[swept.best()]
    heat = swept.heat("lookback", "entry")
    assert heat.row_values == (40, 80) and heat.column_values == (1.0, 1.5, 2.0)
    assert heat.values[heat.best] == swept.values().max()
    for row, lookback in enumerate(heat.row_values):
        for column, entry in enumerate(heat.column_values):
            setup = dataclasses.replace(best, lookback=lookback).with_rules(entry=entry)
            place = swept.setups.index(setup)
            assert heat.values[row, column] == swept.metrics[place].sharpe


def test_models_have_no_neighbours_on_the_map():
    grid = Grid(BASE, models=["ols", "kalman", "huber"], entries=[1.0, 2.0])
    swept = sweep(hourly(600), grid)
    heat = swept.heat("model", "entry")
    assert heat.row_values == ("ols", "kalman", "huber")
    np.testing.assert_allclose(heat.smoothed, heat.values.mean(axis=1, keepdims=True) * [1, 1])


# Walk-forward -----------------------------------------------------------------------------


def test_each_fold_trades_what_was_best_before_it():
    bars = hourly()
    walked = walk_forward(bars, GRID, 400, 150)
    first = max(signals(bars, setup).first for setup in GRID.setups())
    assert [fold.fit_first for fold in walked.folds[:2]] == [first, first + 150]
    assert walked.folds[-1].trade_stop == 1_500
    for fold in walked.folds:
        assert (fold.trade_first, fold.fit_stop - fold.fit_first) == (fold.fit_stop, 400)
        figures = {}
        for setup in GRID.setups():
            said = signals(bars, setup)
            said.z[: fold.fit_first] = np.nan
            seen = made_pairs.part(bars, 0, fold.fit_stop)
            cut = type(said)(*(getattr(said, n)[: fold.fit_stop] for n in said.__slots__))
            figures[setup] = run(seen, setup, said=cut, period="bar").metrics.period_sharpe
        assert fold.setup == max(figures, key=figures.get)


def test_folds_end_flat_and_their_profits_add_up():
    walked = walk_forward(hourly(), GRID, 400, 150)
    assert sum(fold.net for fold in walked.folds) == pytest.approx(walked.metrics.net)
    assert sum(trade.net for trade in walked.trades) == pytest.approx(walked.metrics.net)
    assert walked.metrics.open_profit == pytest.approx(0.0, abs=1e-8)
    assert walked.metrics.trades == len(walked.trades) > 10
    assert walked.equity[-1] == pytest.approx(20_000.0 + walked.metrics.net)
    assert walked.returns.sum() * 20_000.0 == pytest.approx(walked.metrics.net)


def test_the_future_changes_no_fold_before_it():
    bars, other = hourly(), hourly(seed=4)
    walked = walk_forward(bars, GRID, 400, 150)
    at = walked.folds[3].trade_first
    columns = {
        name: np.concatenate((getattr(bars, name)[:at], getattr(other, name)[at:]))
        for name in bars.__slots__
    }
    changed = walk_forward(type(bars)(**columns), GRID, 400, 150)
    assert [fold.setup for fold in changed.folds[:4]] == [fold.setup for fold in walked.folds[:4]]
    assert [fold.net for fold in changed.folds[:3]] == [fold.net for fold in walked.folds[:3]]
    np.testing.assert_array_equal(changed.equity[:at], walked.equity[:at])


def test_an_anchored_walk_chooses_on_all_that_was():
    walked = walk_forward(hourly(), GRID, 400, 300, anchored=True)
    assert {fold.fit_first for fold in walked.folds} == {walked.folds[0].fit_first}
    assert walked.folds[1].fit_stop - walked.folds[1].fit_first == 700


def test_a_stale_end_is_left_at_the_last_bar_that_trades():
    bars = hourly()
    usable = bars.usable.copy()
    usable[-30:] = False
    walked = walk_forward(dataclasses.replace(bars, usable=usable), GRID, 400, 150)
    assert all(trade.exit_us <= bars.time_us[-31] for trade in walked.trades)
    assert set(np.diff(walked.equity[-30:])) == {0.0}


@pytest.mark.parametrize(
    ("fit", "trade", "says"),
    [
        (5, 10, "too short"),
        (5_000, 10, "leaves none to trade"),
        (10, 1, "exceed the limit of 1,000"),
    ],
)
def test_stretches_that_do_not_fit_are_refused(fit, trade, says):
    with pytest.raises(DataError, match=says):
        walk_forward(hourly(), GRID, fit, trade)
    with pytest.raises(DataError, match="not a ranking metric"):
        walk_forward(hourly(), GRID, 400, 100, by="luck")


# Long work --------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_jobs():
    seen: list[tuple[int, int]] = []
    watch = Watch(lambda done, total: seen.append((done, total)))
    assert each(range(50), lambda job: job * job, watch, 3) == [job * job for job in range(50)]
    assert seen == [(done, 50) for done in range(1, 51)]


def test_an_error_in_a_job_is_raised():
    def fail(job: int) -> int:
        if job == 7:
            raise DataError("seven")
        return job

    with pytest.raises(DataError, match="seven"):
        each(range(50), fail, workers=2)


def test_cancelling_stops_the_jobs_that_have_not_begun():
    begun: list[int] = []
    stop = threading.Event()

    def work(job: int) -> None:
        begun.append(job)
        if len(begun) >= 5:
            stop.set()

    with pytest.raises(Cancelled):
        each(range(10_000), work, Watch(is_cancelled=stop.is_set), 2)
    assert len(begun) < 100


@pytest.mark.parametrize("work", [sweep, lambda *a, **k: walk_forward(*a, 300, 100, **k)])
def test_long_work_can_be_cancelled_and_says_how_far_it_is(work):
    shares: list[float] = []
    watch = Watch(lambda done, total: shares.append(done / total))
    work(hourly(), GRID, watch=watch)
    assert shares == sorted(shares) and shares[-1] == 1.0
    with pytest.raises(Cancelled):
        work(hourly(), GRID, watch=Watch(is_cancelled=lambda: len(shares) > 0))

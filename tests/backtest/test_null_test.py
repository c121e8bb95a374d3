"""The null test: what surrogates keep and lose, and what it finds where nothing or something is."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from tandem import analytics
from tandem.backtest.grid import Grid
from tandem.backtest.null_test import NULLS, Surrogates, null_test
from tandem.backtest.walk_forward import walk_forward
from tandem.core.bars import AlignedBars
from tandem.core.clock import DAY_US, HOUR_US
from tandem.core.errors import Cancelled, DataError
from tandem.core.parallel import Watch
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.signals import Setup
from tests.support import made_pairs, reference_data

BASE = Setup(model="ols", lookback=40, z_window=30, rules=Rules(stop=9.0), costs=Costs(0.0))
GRID = Grid(BASE, entries=[1.0, 1.5, 2.0], exits=[0.0, 0.5])


def hourly(n_bars: int = 800, seed: int = 3) -> AlignedBars:
    y, x = made_pairs.cointegrated(n_bars, seed=seed, half_life=8)
    return made_pairs.aligned(y, x, bar_us=HOUR_US)


def walks(seed: int, n_bars: int = 500) -> AlignedBars:
    rng = np.random.default_rng(seed)
    y, x = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (2, n_bars)), axis=1))
    return made_pairs.aligned(y, x, bar_us=HOUR_US)


def shocks(bars: AlignedBars) -> np.ndarray:
    return np.diff(np.log([bars.y, bars.x]))


@pytest.mark.parametrize("null", NULLS)
def test_the_pull_is_gone_and_the_sizes_stay(null):
    bars = hourly(2_000)
    assert analytics.engle_granger(bars.y, bars.x).p_value < 1e-3
    made = Surrogates(bars, null)
    found = [made.draw(seed) for seed in range(40)]
    rejected = np.mean([analytics.engle_granger(b.y, b.x).p_value < 0.05 for b in found])
    assert rejected < 0.2
    for one in found[:5]:
        np.testing.assert_allclose(shocks(one).std(axis=1), shocks(bars).std(axis=1), rtol=0.15)
        assert (one.y[0], one.x[0]) == pytest.approx((bars.y[0], bars.x[0]))


def test_one_sign_for_both_keeps_their_correlation_and_two_do_not():
    bars = hourly(2_000)
    real = np.corrcoef(shocks(bars))[0, 1]
    alike = np.corrcoef(shocks(Surrogates(bars).draw(1)))[0, 1]
    apart = np.corrcoef(shocks(Surrogates(bars, "independent").draw(1)))[0, 1]
    assert real > 0.5
    assert alike == pytest.approx(real, abs=0.1)
    assert abs(apart) < 0.1


def test_shocks_keep_their_place_so_that_volatility_does():
    rng = np.random.default_rng(0)
    size = np.where(np.arange(1_000) < 500, 0.001, 0.01)
    y, x = 100.0 * np.exp(np.cumsum(size * rng.normal(size=(2, 1_000)), axis=1))
    one = Surrogates(made_pairs.aligned(y, x)).draw(0)
    calm, wild = shocks(one)[:, 5:490], shocks(one)[:, 510:]
    assert wild.std() > 8.0 * calm.std()


def test_the_autoregression_of_the_differences_is_kept():
    rng = np.random.default_rng(0)
    change = np.zeros((2, 4_000))
    for t in range(1, 4_000):
        change[:, t] = 0.4 * change[:, t - 1] + 0.01 * rng.normal(size=2)
    y, x = 100.0 * np.exp(np.cumsum(change, axis=1))
    made = Surrogates(made_pairs.aligned(y, x))
    assert made.lags[0] >= 1
    drawn = shocks(made.draw(0))[0]
    assert np.corrcoef(drawn[1:], drawn[:-1])[0, 1] == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("opens", ["at the close before", "at the close", "between"])
def test_opens_foretell_no_more_than_they_do(opens):
    """A price that opens at its close must do so in the surrogates: else a fill sees the future."""
    bars = hourly()
    before = np.concatenate((bars.y[:1], bars.y[:-1]))
    share = {"at the close before": 0.0, "at the close": 1.0, "between": 0.5}[opens]
    bars = dataclasses.replace(bars, y_open=before * (bars.y / before) ** share)
    one = Surrogates(bars).draw(3)
    before = np.concatenate((one.y[:1], one.y[:-1]))
    np.testing.assert_allclose(one.y_open, before * (one.y / before) ** share, rtol=1e-9)


def test_bars_that_are_stale_stay_so_and_carry_the_close_before():
    usable = np.ones(800, bool)
    usable[[0, 100, 101, 700]] = False
    y, x = made_pairs.cointegrated(800, seed=1)
    bars = made_pairs.aligned(y, x, usable=usable)
    bars.x_open[50] = np.nan
    one = Surrogates(bars).draw(0)
    np.testing.assert_array_equal(one.usable, usable)
    assert one.y[100] == one.y[101] == one.y[99]
    assert math.isnan(one.x_open[50]) and np.isfinite(one.x_open[51])
    assert (one.y[0], one.time_us[0]) == (bars.y[0], bars.time_us[0])


def test_prices_below_zero_are_drawn_as_they_are():
    y, x = made_pairs.cointegrated(500, seed=2)
    one = Surrogates(made_pairs.aligned(y - y.mean(), x)).draw(0)
    assert np.isfinite(one.y).all() and (one.y < 0.0).any()


def test_the_same_seed_gives_the_same_surrogate():
    made = Surrogates(hourly())
    np.testing.assert_array_equal(made.draw(5).y, made.draw(5).y)
    assert made.draw(5).y[-1] != made.draw(6).y[-1]


# The test ---------------------------------------------------------------------------------


@pytest.mark.parametrize("null", NULLS)
def test_a_pair_that_belongs_together_stands_out(null):
    found = null_test(hourly(2_500), GRID, null, count=39)
    assert found.p_value == 1 / 40
    assert found.rank == 1.0 and found.real > found.surrogates.max()
    assert found.setup in GRID.setups()


def test_the_p_value_counts_ties_against_us():
    never = Grid(BASE, entries=[8.0])
    found = null_test(hourly(), never, count=19)
    assert (found.real, found.p_value) == (0.0, 1.0)


def test_the_pipeline_is_the_sweep():
    from tandem.backtest.sweep import sweep

    bars = hourly()
    swept = sweep(bars, GRID)
    found = null_test(bars, GRID, count=19)
    assert found.real == swept.metrics[swept.best()].sharpe
    assert found.setup == swept.setups[swept.best()]


def test_threads_change_nothing():
    one, many = (null_test(walks(1), GRID, count=19, workers=n) for n in (1, 3))
    np.testing.assert_array_equal(one.surrogates, many.surrogates)


def test_it_can_be_cancelled_and_says_how_far_it_is():
    shares: list[float] = []
    watch = Watch(lambda done, total: shares.append(done / total))
    null_test(walks(1), GRID, count=19, watch=watch)
    assert shares == sorted(shares) and shares[-1] == 1.0
    with pytest.raises(Cancelled):
        null_test(walks(1), GRID, count=199, watch=Watch(is_cancelled=lambda: True))


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(DataError, match="use 19 to"):
        null_test(walks(1), GRID, count=5)
    with pytest.raises(DataError, match="not a ranking metric"):
        null_test(walks(1), GRID, count=19, by="luck")
    with pytest.raises(DataError, match="needs 50"):
        null_test(walks(1, 30), GRID)
    with pytest.raises(DataError, match="not a null model"):
        null_test(walks(1), GRID, "nothing")
    still = dataclasses.replace(walks(1), x=np.full(500, 7.0))
    with pytest.raises(DataError, match="same step"):
        Surrogates(still)


@pytest.mark.slow
@pytest.mark.parametrize("null", NULLS)
def test_on_noise_every_p_value_is_as_likely(null):
    """200 independent pairs, six variants to choose from each: p is uniform, as it must be."""
    found = np.sort([null_test(walks(seed), GRID, null, count=39).p_value for seed in range(200)])
    # p takes the values 1/40 ... 1: the largest distance to uniform stays in its 99 % band.
    steps = np.arange(1, 41) / 40
    share = np.searchsorted(found, steps, side="right") / len(found)
    assert np.abs(share - steps).max() < 1.63 / math.sqrt(len(found))
    assert 0.02 <= np.mean(found <= 0.05) <= 0.09


# Of a price, either way; a bar moves by 0.01.
BOUNCE = 0.002


def related_shocks(kind: str, seed: int, n_bars: int = 500) -> AlignedBars:
    """Two walks whose shocks go together and are not what a textbook assumes."""
    rng = np.random.default_rng(seed)
    shock = rng.standard_t(3, (2, n_bars)) if kind == "fat tails" else rng.normal(size=(2, n_bars))
    shock[1] = 0.8 * shock[0] + 0.6 * shock[1]
    if kind == "clustered":
        variance = np.ones(2)
        for t in range(n_bars):
            shock[:, t] *= np.sqrt(variance)
            variance = 0.05 + 0.1 * shock[:, t] ** 2 + 0.85 * variance
    path = np.cumsum(0.01 * shock, axis=1)
    if kind == "bounce":
        path += BOUNCE * rng.choice([-1.0, 1.0], (2, n_bars))
    y, x = 100.0 * np.exp(path)
    return made_pairs.aligned(y, x, bar_us=HOUR_US)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clustered", "fat tails", "bounce"])
def test_p_values_are_honest_on_noise_that_is_not_textbook(kind):
    """200 pairs each; the plain tests of cointegration reject up to 13 % of some of these."""
    found = np.array(
        [null_test(related_shocks(kind, seed), GRID, count=39).p_value for seed in range(200)]
    )
    assert 0.02 <= np.mean(found <= 0.05) <= 0.09
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("null", "p_value"), [("no correction", 0.072), ("independent", 0.126)])
def test_ewa_and_ewc_do_not_stand_out(null, p_value):
    """The textbook pair, six years of daily closes, honest fills and costs, 24 variants."""
    data = reference_data.table("pairs/ewa_ewc_daily.csv")
    y, x = data.EWC.to_numpy(float), data.EWA.to_numpy(float)
    bars = dataclasses.replace(made_pairs.aligned(y, x, bar_us=DAY_US), y_open=y, x_open=x)
    grid = Grid(
        Setup(model="kalman", rules=Rules(stop=9.0), costs=Costs(2.0)),
        models=["ols", "kalman"], lookbacks=[60, 120], entries=[1.0, 1.5, 2.0], exits=[0.0, 0.5],
    )  # fmt: skip
    found = null_test(bars, grid, null, count=999)
    assert found.real == pytest.approx(1.112, abs=0.001)
    assert found.p_value == pytest.approx(p_value, abs=0.02)
    walked = walk_forward(bars, grid, 500, 125)
    assert walked.fitted > 0.9 and walked.metrics.sharpe < 0.1

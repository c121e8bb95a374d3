"""Half-life, Hurst, variance ratio: on known processes, with honest intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tandem import analytics
from tandem.analytics import critical_values
from tandem.analytics.engle_granger import dickey_fuller
from tandem.core.errors import DataError
from tests.support import simulate


def autoregression(seed, bars, half_life):
    rng = np.random.default_rng(seed)
    root = 0.5 ** (1.0 / half_life)
    u = np.zeros(bars)
    for t in range(1, bars):
        u[t] = root * u[t - 1] + rng.normal()
    return u


def residual(seed, bars, half_life):
    x = np.cumsum(np.random.default_rng(seed + 10_000).normal(size=bars))
    return analytics.engle_granger(
        10.0 + 0.5 * x + autoregression(seed, bars, half_life), x
    ).residual


def test_half_life_corrects_the_bias_of_the_least_squares_root():
    u = autoregression(1, 2_000, 20.0)
    found = analytics.half_life(u, estimated=False, lags=0)
    slope = np.polyfit(u[:-1], np.diff(u), 1)[0]
    assert found.root == pytest.approx(1.0 + slope, rel=1e-10)
    assert found.least_squares == pytest.approx(-math.log(2.0) / math.log(1.0 + slope), rel=1e-9)
    assert found.low < found.least_squares < found.half_life < found.high


def test_half_life_sees_through_bounce():
    rng = np.random.default_rng(2)
    u = autoregression(2, 20_000, 50.0)
    bounced = u + rng.normal(scale=3.0, size=len(u))
    assert analytics.half_life(bounced, estimated=False, lags=0).half_life < 20.0
    assert 30.0 < analytics.half_life(bounced, estimated=False).half_life < 80.0


def test_half_life_of_noise_may_be_infinite():
    # Pitfall 21: on independent walks the honest interval contains infinity (95 % of the time).
    infinite = 0
    for seed in range(200):
        y, x = np.cumsum(np.random.default_rng(seed).normal(size=(2, 500)), axis=1)
        infinite += math.isinf(analytics.half_life(analytics.engle_granger(y, x).residual).high)
    assert infinite >= 185


def test_half_life_of_an_alternating_spread_is_below_a_bar():
    spread = np.resize([1.0, -1.0], 100) + 0.01 * autoregression(3, 100, 5.0)
    found = analytics.half_life(spread, lags=0)
    assert found.half_life == 0.0
    assert found.low == 0.0


def test_half_life_of_noise_without_memory_is_known_whatever_aic_chose():
    without_root = 0
    for seed in range(300):
        noise = np.random.default_rng(seed).standard_t(3, 60)
        found = analytics.half_life(noise)
        assert not math.isnan(found.half_life)
        assert found.low <= found.half_life <= found.high
        without_root += not dickey_fuller(noise, None, "n").damping > 0.0
    assert without_root > 0


def test_half_life_of_a_constant_is_unknown():
    assert math.isnan(analytics.half_life(np.full(50, 2.0)).half_life)


@pytest.mark.slow
@pytest.mark.parametrize("bars", [300, 1_000])
@pytest.mark.parametrize("half_life", [5.0, 20.0, 60.0, math.inf])
def test_half_life_interval_covers_the_truth_95_percent_of_the_time(bars, half_life):
    repeats, covered = 2_000, 0
    for seed in range(repeats):
        found = analytics.half_life(residual(seed, bars, half_life), lags=0)
        covered += found.low <= half_life <= found.high
    # One-sided at infinity: nothing lies above it.
    wanted = 0.975 if math.isinf(half_life) else 0.95
    assert covered / repeats == pytest.approx(wanted, abs=0.02)


@pytest.mark.slow
def test_the_table_of_quantiles_is_what_the_simulation_gives():
    observed, estimated = simulate.table(repeats=20_000, seed=99)
    for rows, simulated in (
        (critical_values.OBSERVED, observed),
        (critical_values.ESTIMATED, estimated),
    ):
        assert [row[0] for row in rows] == list(simulate.DECAYS)
        np.testing.assert_allclose(np.array(rows)[:, 1:], simulated, atol=0.08)


def test_hurst_tells_walks_trends_and_reversion_apart():
    walk = np.cumsum(np.random.default_rng(4).normal(size=20_000))
    assert analytics.hurst(walk) == pytest.approx(0.5, abs=0.02)
    assert analytics.hurst(autoregression(4, 20_000, 5.0)) < 0.35
    assert analytics.hurst(np.cumsum(walk)) > 0.9
    assert analytics.hurst(np.random.default_rng(4).normal(size=20_000)) == pytest.approx(
        0, abs=0.02
    )
    assert math.isnan(analytics.hurst(np.full(100, 1.0)))


@pytest.mark.parametrize("most", [2, 20])
def test_hurst_is_half_the_slope_of_squared_steps_on_their_length(most):
    walk = 60_000.0 + np.cumsum(np.random.default_rng(8).standard_t(3, 500))
    steps = np.arange(1, most + 1)
    squares = [np.mean((walk[k:] - walk[:-k]) ** 2) for k in steps]
    expected = np.polyfit(np.log(steps), np.log(squares), 1)[0] / 2.0
    assert analytics.hurst(walk, most) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("q", [2, 5, 20])
def test_variance_ratio_equals_arch(q):
    from arch.unitroot import VarianceRatio

    walk = np.cumsum(np.random.default_rng(5).standard_t(4, size=1_000))
    ours = analytics.variance_ratio(walk, q)
    peer = VarianceRatio(walk, lags=q, robust=True, debiased=True, overlap=True)
    assert ours.ratio == pytest.approx(peer.vr, rel=1e-9)
    assert ours.statistic == pytest.approx(peer.stat, rel=1e-9)
    assert ours.p_value == pytest.approx(peer.pvalue, rel=1e-7)


def test_zero_crossings_pass_over_zeros_and_gaps():
    assert analytics.zero_crossings([1.0, 0.0, -1.0, np.nan, -2.0, 3.0, 0.0, 2.0]) == 2
    assert analytics.zero_crossings([]) == 0


def test_roll_spread_finds_the_spread_it_was_made_with():
    # Trades at random at bid and ask around a slow walk: Roll's own model.
    rng = np.random.default_rng(6)
    middle = 100.0 + np.cumsum(rng.normal(scale=0.01, size=50_000))
    assert analytics.roll_spread(middle + 0.1 * rng.choice([-1.0, 1.0], 50_000)) == pytest.approx(
        0.2, rel=0.02
    )
    assert math.isnan(analytics.roll_spread(np.arange(10.0) ** 2))
    assert math.isnan(analytics.roll_spread([1.0]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda u: analytics.half_life(u[:10]), "10 usable bars"),
        (lambda u: analytics.hurst(u, 1), "most is 1"),
        (lambda u: analytics.hurst(u, 40), "80 are needed"),
        (lambda u: analytics.variance_ratio(u, 1), "q is 1"),
        (lambda u: analytics.variance_ratio(np.full(60, np.nan)), "0 usable bars"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(call, words):
    with pytest.raises(DataError, match=words):
        call(autoregression(7, 60, 5.0))

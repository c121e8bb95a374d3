"""Whether a relation is breaking: size on sound pairs, power on broken ones."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.analytics import drift
from tandem.core.errors import DataError
from tests.support import simulate


def pair(seed, bars=1_000, root=0.9, jump=0.0):
    rng = np.random.default_rng(seed)
    x, u = 100.0 + np.cumsum(rng.normal(size=bars)), np.zeros(bars)
    for t in range(1, bars):
        u[t] = root * u[t - 1] + rng.normal()
    u[bars // 2 :] += jump * u.std()
    return 3.0 + 0.6 * x + u, x


def breaking(repeats, **kind):
    return float(
        np.mean([analytics.cusum(*pair(seed, **kind)).is_breaking for seed in range(repeats)])
    )


def test_pitfall_22_sound_pairs_are_left_alone():
    # With the residual's own standard deviation and the limits of a known regression nearly every
    # sound pair with autoregression 0.9 would be called broken.
    def mistake(y, x):
        residual = analytics.engle_granger(y, x).residual
        return np.abs(np.cumsum(residual)).max() / (residual.std() * math.sqrt(len(residual)))

    assert np.mean([mistake(*pair(seed)) > 1.36 for seed in range(50)]) > 0.9
    assert breaking(150) < 0.08


@pytest.mark.parametrize("kind", [{"jump": 5.0}, {"root": 1.0}])
def test_shifts_and_noise_are_found(kind):
    assert breaking(40, **kind) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("root", [0.0, 0.5, 0.9])
def test_cusum_does_not_reject_more_than_it_says(root):
    assert 0.03 < breaking(2_000, root=root) < 0.07


@pytest.mark.slow
def test_the_limits_are_what_the_simulation_gives():
    decays = np.array(drift.CRITICAL)[:, 0]
    assert decays.tolist() == [*simulate.CUSUM_DECAYS, math.inf]
    found = simulate.cusum_table(repeats=10_000, seed=99)
    np.testing.assert_allclose(np.array(drift.CRITICAL)[:, 1:], found, atol=0.03)


def test_a_slow_spread_has_lower_limits_and_an_endless_sample_those_printed():
    many = 10**6
    slow, quick = (drift._critical(decay, many) for decay in (20.0, 400.0))
    assert list(slow.values()) == pytest.approx([1.158, 0.903, 0.786])
    assert all(slow[level] < quick[level] for level in slow)
    assert drift._critical(1e12, many)["5%"] == pytest.approx(1.179, abs=1e-4)
    assert drift._critical(3.0, many) == drift._critical(15.0, many)
    assert drift._critical(20.0, 50)["5%"] == pytest.approx(1.73 * 0.903, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("half_life", [0.1, 2.0])
@pytest.mark.parametrize("bars", [50, 70, 100, 150, 250])
def test_short_samples_do_not_call_sound_pairs_breaking(bars, half_life):
    found = simulate.cusum_excess(bars, half_life, 3_000, 50_000)
    assert 0.03 < np.mean(found > 1.0) < 0.07


def test_units_do_not_matter_and_gaps_are_left_out():
    y, x = (pd.Series(column) for column in pair(1, 300))
    plain = analytics.cusum(y, x)
    scaled = analytics.cusum(1e4 * y - 7.0, 1e-3 * x + 5.0)
    assert scaled.statistic == pytest.approx(plain.statistic, rel=1e-6)
    kept = np.ones(300, bool)
    kept[[0, 100, 101]] = False
    broken = analytics.cusum(y.where(kept), x)
    assert broken.path[~kept].isna().all()
    assert broken.statistic == analytics.cusum(y[kept], x[kept]).statistic


def test_legs_without_a_residual_are_said_to_have_none():
    y, x = pair(2, 200)
    for legs in ((2.0 * x, x), (np.full(200, 3.0), x)):
        found = analytics.cusum(*legs)
        assert math.isnan(found.statistic)
        assert found.note
        assert not found.is_breaking
    with pytest.raises(DataError, match="40 usable bars"):
        analytics.cusum(y[:40], x[:40])
    with pytest.raises(DataError, match="leads need"):
        analytics.cusum(y, x, leads=60)


def test_rolling_p_is_the_test_of_each_window():
    y, x = pair(3, 300)
    y[10] = np.nan
    p = analytics.rolling_engle_granger(y, x, 100, step=20)
    told = np.flatnonzero(np.isfinite(p))
    assert told[0] == 100
    assert (np.diff(told) == 20).all()
    last = told[-1]
    expected = analytics.engle_granger(y[last - 99 : last + 1], x[last - 99 : last + 1])
    assert p[last] == expected.p_value_searched

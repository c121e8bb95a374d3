"""A spread's quality in one result: each number is that of its own function."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.core.errors import DataError


def pair(seed, bars=600, root=0.9):
    rng = np.random.default_rng(seed)
    x, u = 100.0 + np.cumsum(rng.normal(scale=0.1, size=bars)), np.zeros(bars)
    for t in range(1, bars):
        u[t] = root * u[t - 1] + rng.normal(scale=0.1)
    return 3.0 + 0.6 * x + u, x


def test_every_number_is_that_of_its_function_on_the_one_residual():
    y, x = pair(1)
    found = analytics.spread_quality(y, x, 5.0)
    test = analytics.engle_granger(y, x)
    assert found.test.statistic == test.statistic
    assert found.half_life == analytics.half_life(test.residual)
    assert found.hurst == analytics.hurst(test.residual)
    assert found.crossings_per_day == pytest.approx(
        analytics.zero_crossings(test.residual) / (600 * 5.0 / 86_400.0)
    )
    assert found.r_squared == pytest.approx(np.corrcoef(y, x)[0, 1] ** 2)
    returns = np.corrcoef(np.diff(np.log(y)), np.diff(np.log(x)))[0, 1]
    assert found.return_correlation == pytest.approx(returns)
    assert (found.n_obs, found.stale_share, found.note) == (600, 0.0, "")
    assert math.isnan(found.beta_drift)


def test_masked_bars_are_counted_and_give_no_return():
    y, x = (pd.Series(column) for column in pair(2))
    masked = y.copy()
    masked.iloc[100:160] = np.nan
    found = analytics.spread_quality(masked, x, 60.0)
    assert found.stale_share == pytest.approx(0.1)
    assert found.n_obs == 540
    kept = masked.notna()
    assert found.test.statistic == analytics.engle_granger(y[kept], x[kept]).statistic
    expected = np.log(masked).diff().corr(np.log(x).diff())
    assert found.return_correlation == pytest.approx(expected)
    days = 540 * 60.0 / 86_400.0
    assert found.crossings_per_day == pytest.approx(
        analytics.zero_crossings(found.test.residual) / days
    )


def test_logs_are_regressed_where_asked_and_prices_of_nought_are_masked():
    y, x = pair(3)
    found = analytics.spread_quality(y, x, 5.0, log_prices=True)
    test = analytics.engle_granger(np.log(y), np.log(x))
    assert (found.test.beta, found.r_squared) == (test.beta, test.r_squared)
    y[[7, 9]] = 0.0, -1.0
    spoilt = analytics.spread_quality(y, x, 5.0, log_prices=True)
    assert spoilt.n_obs == 598
    raw = analytics.spread_quality(y, x, 5.0)
    assert raw.n_obs == 600
    assert math.isfinite(raw.return_correlation)


def test_the_drift_is_that_of_the_hedge_in_use():
    y, x = pair(4)
    beta = np.full(600, np.nan)
    beta[100:] = np.linspace(0.5, 0.6, 500)
    beta[300] = np.nan
    known = beta[np.isfinite(beta)]
    found = analytics.spread_quality(y, x, 5.0, beta=beta, drift_bars=200)
    assert found.beta_drift == pytest.approx(known[-1] / known[-201] - 1.0)
    few = analytics.spread_quality(y, x, 5.0, beta=beta, drift_bars=500)
    assert math.isnan(few.beta_drift)


def test_noise_has_an_endless_half_life_in_its_interval():
    endless = 0
    for seed in range(60):
        y, x = 100.0 + 0.1 * np.cumsum(np.random.default_rng(seed).normal(size=(2, 400)), axis=1)
        endless += math.isinf(analytics.spread_quality(y, x, 5.0).half_life.high)
    assert endless >= 54


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda y, x: (y, np.full(len(x), 0.1)), "constant"),
        (lambda y, x: (2.0 * x, x), "one asset"),
    ],
)
def test_legs_without_a_residual_say_so(spoil, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = analytics.spread_quality(*spoil(*pair(5)), 5.0)
    assert words in found.note
    assert math.isnan(found.half_life.half_life)
    assert math.isnan(found.hurst)
    assert math.isnan(found.crossings_per_day)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda y, x: analytics.spread_quality(y[:40], x[:40], 5.0), "40 usable bars"),
        (lambda y, x: analytics.spread_quality(y, x, 0.0), "above 0"),
        (lambda y, x: analytics.spread_quality(y, x[1:], 5.0), "align"),
        (lambda y, x: analytics.spread_quality(y, x, 5.0, beta=y[1:]), "beta has 599 bars"),
        (lambda y, x: analytics.spread_quality(y, x, 5.0, drift_bars=0), "drift_bars is 0"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(call, words):
    with pytest.raises(DataError, match=words):
        call(*pair(6))

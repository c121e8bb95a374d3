"""The published mistakes that belong to the mathematics, by their number, shown to be absent.

Each is first made on purpose, so that the test would notice if it crept in.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.core.errors import DataError
from tests.support import plain_twins as twins


def walks(seed, bars=1_000):
    return 1_000.0 + np.cumsum(np.random.default_rng(seed).normal(size=(2, bars)), axis=1)


def share(test, repeats, bars=500):
    """Return how often `test` rejects at 5 % on independent random walks."""
    return float(np.mean([test(*walks(seed, bars)) < 0.05 for seed in range(repeats)]))


def test_pitfall_2_a_rolling_spread_cannot_be_handed_to_adf():
    def mistake(y, x):
        spread = analytics.rolling_ols(y, x, 50).spread(y, x)
        return analytics.adf(spread).p_value

    assert share(mistake, 40) == 1.0
    y, x = walks(0)
    with pytest.raises(DataError, match="engle_granger"):
        analytics.adf(analytics.rolling_ols(y, x, 50))
    with pytest.raises(DataError, match="engle_granger"):
        analytics.adf(analytics.engle_granger(y, x))


def test_pitfall_3_estimated_residuals_get_the_critical_values_for_two_series():
    def mistake(y, x):
        return analytics.adf(analytics.engle_granger(y, x).residual, trend="c").p_value

    assert share(mistake, 400) > 0.09
    assert share(lambda y, x: analytics.engle_granger(y, x).p_value, 400) < 0.075
    found = analytics.engle_granger(*walks(1))
    assert found.critical_values["5%"] == pytest.approx(-3.342, abs=1e-3)


def test_pitfall_4_the_result_says_which_p_is_of_which_sample():
    # On 25 bars the asymptotic p is below 5 % long before the statistic is beyond its critical
    # value; ours crosses with it.
    disagreed = 0
    for seed in range(3_000):
        found = analytics.engle_granger(*walks(seed, 25), lags=0)
        beyond = found.statistic < found.critical_values["5%"]
        disagreed += (found.p_value_asymptotic < 0.05) != beyond
        assert (found.p_value < 0.05) == beyond or found.p_value == pytest.approx(0.05, abs=2e-3)
    assert disagreed > 30


def test_pitfall_5_returns_would_always_be_cointegrated():
    def mistake(y, x):
        return analytics.engle_granger(np.diff(np.log(y)), np.diff(np.log(x))).p_value

    assert share(mistake, 20) == 1.0
    assert "never returns" in (analytics.engle_granger.__doc__ or "")


def test_pitfall_6_one_direction_is_tested_and_said():
    def mistake(y, x):
        both = analytics.engle_granger(y, x), analytics.engle_granger(x, y)
        return min(found.p_value for found in both)

    one, both = share(lambda y, x: analytics.engle_granger(y, x).p_value, 400), share(mistake, 400)
    assert both > 1.3 * one
    y, x = walks(3)
    assert analytics.engle_granger(y, x).statistic != analytics.engle_granger(x, y).statistic


def test_pitfall_7_kalman_z_is_of_the_prior_state():
    y, x = walks(4)
    hedge = analytics.kalman(y, x, observation_var=1e-3, initial_cov=np.eye(2))
    updated = y - (hedge.alpha + hedge.beta * x)
    assert np.std(updated[10:]) < 0.05 * np.std(hedge.innovation[10:])
    np.testing.assert_allclose(hedge.spread(y, x)[10:], hedge.innovation[10:], atol=1e-8)
    np.testing.assert_array_equal(hedge.z, hedge.innovation / np.sqrt(hedge.innovation_var))


@pytest.mark.parametrize("name", ["ols", "huber", "kalman"])
def test_pitfall_8_nothing_is_taken_from_the_full_sample(name):
    model = {
        "ols": lambda y, x: analytics.rolling_ols(y, x, 50),
        "huber": lambda y, x: analytics.rolling_huber(y, x, 50),
        "kalman": lambda y, x: analytics.kalman(y, x, 50),
    }[name]
    y, x = walks(5)
    other_y, other_x = y.copy(), x.copy()
    other_y[600:] *= 3.0
    other_x[600:] = other_x[600:][::-1]
    spread, other = model(y, x).spread(y, x), model(other_y, other_x).spread(other_y, other_x)
    np.testing.assert_array_equal(spread[:600], other[:600])
    for kind in ("rolling", "ewm", "robust"):
        z, other_z = analytics.zscore(spread, 50, kind).z, analytics.zscore(other, 50, kind).z
        np.testing.assert_array_equal(z[:600], other_z[:600])


def test_pitfall_9_huber_is_a_regression_with_an_intercept():
    y, x = walks(6)
    y = 500.0 + 0.2 * x + np.random.default_rng(6).normal(size=len(x))
    y[::25] += 200.0
    beta = analytics.rolling_huber(y, x, 200).beta[-1]
    assert beta == pytest.approx(0.2, abs=0.05)
    assert np.median(y / x) > 0.5
    assert beta == pytest.approx(twins.huber(y[-200:], x[-200:])[1], rel=1e-9)


def test_pitfall_17_a_million_bars_at_60000_with_noise_of_a_cent():
    rng = np.random.default_rng(7)
    bars, window = 1_000_000, 100
    x = 60_000.0 + 0.01 * np.cumsum(rng.normal(size=bars))
    y = 60_000.0 + 0.5 * (x - 60_000.0) + 0.01 * rng.normal(size=bars)
    # A bad print passes through the window and out of it again.
    x[-2_000], y[-1_950] = 90_000.0, 1.0
    hedge = analytics.rolling_ols(y, x, window)
    score = analytics.zscore(y, window, lag=0)
    naive = np.cumsum(y**2)
    for t in (bars - 1, bars - 1_001, bars - 1_840, bars - 1_700):
        ys, xs = y[t - window + 1 : t + 1], x[t - window + 1 : t + 1]
        fresh = analytics.rolling_ols(ys, xs, window)
        assert hedge.beta[t] == pytest.approx(fresh.beta[-1], rel=1e-9)
        assert hedge.alpha[t] == pytest.approx(fresh.alpha[-1], rel=1e-9)
        assert score.deviation[t] == pytest.approx(ys.std(ddof=1), rel=1e-9)
    ys = y[-window:]
    one_pass = (naive[-1] - naive[-1 - window]) / window - ys.mean() ** 2
    assert not math.isclose(one_pass, ys.var(), rel_tol=0.05)


def test_pitfall_19_huber_converges_on_raw_bitcoin_prices():
    from sklearn.linear_model import HuberRegressor

    rng = np.random.default_rng(8)
    x = 60_000.0 + np.cumsum(rng.normal(scale=5.0, size=300))
    y = 3_000.0 + 0.05 * (x - 60_000.0) + rng.standard_t(2, 300)
    peer = HuberRegressor(alpha=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(x[-100:, None], y[-100:])
    model = analytics.RollingHuber(100)
    hedge = model.extend(y, x)
    alpha, beta, sigma = twins.huber(y[-100:], x[-100:])
    assert model.windows_given_up == 0
    assert hedge.beta[-1] == pytest.approx(beta, rel=1e-8)
    theirs = twins.huber_objective(y[-100:], x[-100:], peer.intercept_, peer.coef_[0], peer.scale_)
    assert twins.huber_objective(y[-100:], x[-100:], alpha, beta, sigma) < 0.99 * theirs


def test_pitfall_21_half_life_comes_from_one_fixed_regression():
    rolling, fixed = [], []
    for seed in range(60):
        y, x = walks(seed)
        spread = analytics.rolling_ols(y, x, 100).spread(y, x)
        rolling.append(analytics.half_life(spread, estimated=False, lags=0).half_life)
        fixed.append(analytics.half_life(analytics.engle_granger(y, x).residual, lags=0).half_life)
    assert np.median(rolling) == pytest.approx(22.0, abs=6.0)
    assert np.median(fixed) > 150.0


@pytest.mark.parametrize("scale", [1.0, 3.7])
def test_pitfall_23_two_tickers_of_one_asset_are_said_to_be_one(scale):
    y, x = walks(9)
    same = scale * x + 1e-6 * np.random.default_rng(9).normal(size=len(x))
    for other in (scale * x, same):
        found = analytics.engle_granger(other, x)
        assert found.same_asset
        assert math.isnan(found.statistic)
        assert math.isnan(found.p_value)
        assert "one asset" in found.note
    assert not analytics.engle_granger(y, x).same_asset


def test_pitfall_24_a_z_that_does_not_judge_itself_can_be_large():
    spread = pd.Series(np.random.default_rng(10).normal(size=100))
    spread.iloc[60] = 50.0
    textbook, ours = analytics.zscore(spread, 20, lag=0), analytics.zscore(spread, 20)
    assert textbook.z.abs().max() < 19.0 / math.sqrt(20.0)
    assert ours.z.iloc[60] > 20.0

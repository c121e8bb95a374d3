"""Rolling least squares and Huber regression against the libraries and certified results."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tandem import analytics
from tests.support import plain_twins as twins
from tests.support import reference_data
from tests.support.model_pairs import pair


def test_rolling_ols_equals_statsmodels():
    from statsmodels.regression.rolling import RollingOLS

    y, x = pair(1)
    hedge = analytics.rolling_ols(y, x, 50)
    centred = np.column_stack([np.ones(len(x)), x - 60_000.0])
    peer = RollingOLS(y, centred, 50).fit().params
    # In exact fractions the library is off by up to 9e-11 here, we by 1e-13.
    np.testing.assert_allclose(hedge.beta, peer[:, 1], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(hedge.alpha + 60_000.0 * hedge.beta, peer[:, 0], rtol=1e-10)


def test_rolling_huber_lies_at_or_below_scikit_learns_minimum():
    # Its solver stops at a relative change of 2e-9 in the objective: coefficients agree to 1e-3.
    from sklearn.linear_model import HuberRegressor

    y, x = pair(2)
    hedge = analytics.rolling_huber(y, x, 60)
    for t in range(59, len(y), 17):
        ys, xs = y[t - 59 : t + 1], x[t - 59 : t + 1]
        v, u = (ys - ys.mean()) / ys.std(), (xs - xs.mean()) / xs.std()
        peer = HuberRegressor(alpha=0.0, tol=1e-9, max_iter=10_000).fit(u[:, None], v)
        beta = peer.coef_[0] * ys.std() / xs.std()
        alpha = ys.mean() + peer.intercept_ * ys.std() - beta * xs.mean()
        assert hedge.beta[t] == pytest.approx(beta, rel=1e-3, abs=1e-4)
        ours = twins.huber_profile(ys, xs, hedge.alpha[t], hedge.beta[t])
        theirs = twins.huber_objective(ys, xs, alpha, beta, peer.scale_ * ys.std())
        assert ours <= theirs * (1.0 + 1e-10)


def test_huber_solution_is_the_twins_to_nine_digits():
    y, x = pair(3, bars=140)
    hedge = analytics.rolling_huber(y, x, 100)
    for t, ys, xs in twins.usable_windows(100, y, x):
        _, beta, _ = twins.huber(ys, xs, steps=5_000)
        assert hedge.beta[t] == pytest.approx(beta, rel=1e-9)


def test_huber_does_not_depend_on_where_it_started():
    y, x = pair(4)
    long = analytics.rolling_huber(y, x, 50).beta
    for start in (10, 100, 300):
        late = analytics.rolling_huber(y[start:], x[start:], 50).beta
        np.testing.assert_allclose(late[49:], long[start + 49 :], rtol=1e-9)


def test_every_huber_window_converges_on_ill_natured_data():
    rng = np.random.default_rng(5)
    for window, tail in itertools.product((3, 5, 20, 100), (1.0, 1.5, 30.0)):
        model = analytics.RollingHuber(window)
        x = np.cumsum(rng.normal(size=600))
        y = x + np.round(rng.standard_t(tail, 600), 1)
        y[rng.random(600) < 0.05] += 1e6
        hedge = model.extend(y, x)
        assert model.windows_given_up == 0
        assert np.isfinite(hedge.beta[window:]).all()


@pytest.mark.parametrize("moves", [0.5, 0.2, 0.05])
@pytest.mark.parametrize("window", [10, 20, 100])
def test_huber_converges_on_prices_that_mostly_stand_still(window, moves):
    # The scale may then tend to 0, and ties may leave many lines equally good.
    rng = np.random.default_rng(1)
    step = rng.choice([-1, 1], (2, 3_000)) * rng.integers(1, 4, (2, 3_000))
    y, x = 100.0 + 0.01 * np.cumsum(np.where(rng.random((2, 3_000)) < moves, step, 0), axis=1)
    model = analytics.RollingHuber(window)
    hedge = model.extend(y, x)
    assert model.windows_given_up == 0
    for t in range(window, 3_000, 211):
        ys, xs = y[t - window + 1 : t + 1], x[t - window + 1 : t + 1]
        if np.ptp(xs) > 0.0 and np.ptp(ys) > 0.0:
            ours = twins.huber_profile(ys, xs, hedge.alpha[t], hedge.beta[t])
            assert ours <= twins.huber_objective(ys, xs, *twins.huber(ys, xs)) * (1.0 + 1e-9)


def test_nist_norris_line():
    data = reference_data.table("certified/nist_norris.csv")
    intercept, slope = reference_data.facts("certified/nist_norris.json")["Norris"]["certified"][
        "params"
    ]
    hedge = analytics.rolling_ols(data.y, data.x, len(data))
    assert hedge.beta.iloc[-1] == pytest.approx(slope, rel=1e-12)
    assert hedge.alpha.iloc[-1] == pytest.approx(intercept, rel=1e-10)

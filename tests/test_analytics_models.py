"""Hedges and z-scores against the libraries, in other units, with gaps, and at the limits."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import reference
import twins
from hypothesis import given, settings
from hypothesis import strategies as st

import analytics
from market import DataError

BATCH = {
    "ols": lambda y, x: analytics.rolling_ols(y, x, 30),
    "huber": lambda y, x: analytics.rolling_huber(y, x, 30),
    "kalman": lambda y, x: analytics.kalman(y, x, 30),
}
KINDS = ("rolling", "ewm", "robust")


def pair(seed, bars=400, base=60_000.0, step=1.0):
    rng = np.random.default_rng(seed)
    x = base + step * np.cumsum(rng.normal(size=bars))
    return 2.0 + 0.05 * x + step * rng.standard_t(3, bars), x


# Against the libraries ------------------------------------------------------------------


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


def test_explicit_kalman_equals_pykalman():
    from pykalman import KalmanFilter

    y, x = pair(6, base=100.0)
    process, cov = np.diag([1e-3, 1e-6]), np.diag([10.0, 1.0])
    hedge = analytics.kalman(
        y, x, observation_var=2.0, process_cov=process, initial_state=(1.0, 0.1), initial_cov=cov
    )
    peer = KalmanFilter(
        transition_matrices=np.eye(2),
        observation_matrices=np.column_stack([np.ones(len(x)), x])[:, None, :],
        transition_covariance=process,
        observation_covariance=2.0,
        initial_state_mean=[1.0, 0.1],
        initial_state_covariance=cov,
    )
    means, _ = peer.filter(y)
    np.testing.assert_allclose(hedge.alpha, means[:, 0], rtol=1e-9)
    np.testing.assert_allclose(hedge.beta, means[:, 1], rtol=1e-9)


def test_default_kalman_is_a_textbook_filter_with_a_moving_centre():
    # The centre's moves are a known transition matrix; pykalman takes one per bar.
    from pykalman import KalmanFilter

    y, x = pair(7, base=100.0)
    prefix = 40
    hedge = analytics.kalman(y, x, prefix)
    centre, scale = np.full(len(x), x[:prefix].mean()), x[:prefix].std()
    for t in range(prefix, len(x)):
        centre[t] = centre[t - 1] + (x[t - 1] - centre[t - 1]) / prefix
    transitions = np.array([[[1.0, move], [0.0, 1.0]] for move in np.diff(centre) / scale])
    u, v = (x - centre) / scale, y - y[:prefix].mean()
    gain = 8 / prefix
    ratio = gain**2 / (1 - gain)
    slope = np.polyfit(u[:prefix], v[:prefix], 1)[0]
    peer = KalmanFilter(
        transition_matrices=transitions,
        observation_matrices=np.column_stack([np.ones(len(x)), u])[:, None, :],
        transition_covariance=np.eye(2) * ratio,
        observation_covariance=1.0,
        initial_state_mean=[0.0, slope],
        initial_state_covariance=np.eye(2) * 1e6,
    )
    means, _ = peer.filter(v)
    np.testing.assert_allclose(hedge.beta[prefix:], means[prefix:, 1] / scale, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lag", [0, 1])
def test_zscores_equal_pandas(kind, lag):
    spread = pd.Series(np.random.default_rng(8).normal(size=500).cumsum() + 100.0)
    spread[[50, 51, 200]] = np.nan
    score = analytics.zscore(spread, 30, kind, lag)
    kept = spread.dropna()
    if kind == "rolling":
        mean, deviation = kept.rolling(30).mean(), kept.rolling(30).std()
    elif kind == "ewm":
        weights = kept.ewm(span=30, min_periods=30)
        mean, deviation = weights.mean(), weights.std()
    else:
        mean = kept.rolling(30).median()
        mad = kept.rolling(30).apply(lambda w: np.median(np.abs(w - np.median(w))), raw=True)
        deviation = 1.482602218505602 * mad
    mean, deviation = mean.shift(lag), deviation.shift(lag)
    expected = ((kept - mean) / deviation).reindex(spread.index)
    pd.testing.assert_series_equal(score.z, expected, rtol=1e-9, check_names=False)
    pd.testing.assert_series_equal(
        score.mean, mean.reindex(spread.index), rtol=1e-12, check_names=False
    )


def test_momentum_equals_polyfit():
    price = np.random.default_rng(9).normal(size=80).cumsum() + 60_000.0
    slope = analytics.momentum(price, 20, bar_seconds=5.0)
    for t in range(19, 80):
        expected = np.polyfit(np.arange(20), price[t - 19 : t + 1] - price[t], 1)[0]
        assert slope.slope[t] == pytest.approx(expected, rel=1e-9)
        per_hour = 100.0 * expected * 720.0 / price[t]
        assert slope.percent_per_hour[t] == pytest.approx(per_hour, rel=1e-9)


def test_correlation_equals_pandas():
    y, x = pair(10)
    expected = pd.Series(y).pct_change().rolling(30).corr(pd.Series(x).pct_change())
    np.testing.assert_allclose(analytics.correlation(y, x, 30), expected, rtol=1e-7, atol=1e-9)


def test_rsi_is_wilders():
    price = pd.Series(np.random.default_rng(11).normal(size=200).cumsum() + 100.0)
    ours = analytics.rsi(price, 14)
    change = price.diff().to_numpy()[1:]
    rise, fall = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    up, down = rise[:14].mean(), fall[:14].mean()
    for t in range(14, 199):
        up, down = (13 * up + rise[t]) / 14, (13 * down + fall[t]) / 14
        assert ours[t + 1] == pytest.approx(100.0 - 100.0 / (1.0 + up / down), rel=1e-12)
    assert ours[:14].isna().all()
    assert analytics.rsi(np.arange(20.0), 5)[-1] == 100.0
    assert np.isnan(analytics.rsi(np.full(20, 7.0), 5)).all()


def test_realised_volatility_equals_pandas():
    price = pd.Series(np.exp(np.random.default_rng(12).normal(scale=1e-3, size=300).cumsum()))
    expected = (np.log(price).diff() ** 2).rolling(50).mean() ** 0.5
    ours = analytics.realised_volatility(price, 50)
    pd.testing.assert_series_equal(ours, expected, rtol=1e-12, check_names=False)
    yearly = analytics.realised_volatility(price, 50, bar_seconds=60.0)
    np.testing.assert_allclose(yearly, expected * 100.0 * np.sqrt(365 * 1_440), rtol=1e-12)
    broken = price.copy()
    broken[[100, 101]] = [0.0, -5.0]
    assert analytics.realised_volatility(broken, 50)[[100, 101]].isna().all()
    assert np.isfinite(analytics.realised_volatility(broken, 50).iloc[-1])


# Certified data ---------------------------------------------------------------------------


def test_nist_norris_line():
    data = reference.table("certified/nist_norris.csv")
    intercept, slope = reference.facts("certified/nist_norris.json")["Norris"]["certified"][
        "params"
    ]
    hedge = analytics.rolling_ols(data.y, data.x, len(data))
    assert hedge.beta.iloc[-1] == pytest.approx(slope, rel=1e-12)
    assert hedge.alpha.iloc[-1] == pytest.approx(intercept, rel=1e-10)


def test_chans_kalman_run_day_by_day():
    data = reference.table("pairs/ewa_ewc_daily.csv")
    trace = reference.table("pairs/ewa_ewc_kalman_trace.csv")
    hedge = analytics.kalman(data.EWC, data.EWA, delta=1e-4, observation_var=1e-3)
    for ours, printed in (
        (hedge.beta, trace.slope),
        (hedge.alpha, trace.intercept),
        (hedge.innovation, trace.e),
        (hedge.innovation_var, trace.Q),
    ):
        np.testing.assert_allclose(ours, printed, rtol=1e-9, atol=1e-9)
    last = reference.facts("pairs/ewa_ewc_reference.json")["EWA_EWC_Kalman"]["last_beta"]
    assert hedge.beta.iloc[-1] == pytest.approx(last["slope"], abs=1e-9)


def test_nile_local_level_likelihood():
    # A hedge of 0 on anything is a local level. Durbin and Koopman (2012) print the variances; the
    # diffuse start is a level as good as unknown, its first innovation left out.
    data = reference.table("certified/nile.csv")
    published = reference.facts("certified/nile_local_level.json")["computed_here"]
    hedge = analytics.kalman(
        data.volume, np.zeros(len(data)), observation_var=15099.0,
        process_cov=np.diag([1469.1, 0.0]), initial_cov=np.diag([1e12, 0.0]),
    )  # fmt: skip
    e, variance = hedge.innovation[1:], hedge.innovation_var[1:]
    likelihood = -0.5 * float(np.sum(np.log(2.0 * np.pi * variance) + e**2 / variance))
    assert likelihood == pytest.approx(
        published["loglik_at_15099_1469.1"]["n_minus_1_terms"], abs=1e-6
    )
    assert variance.iloc[-1] - 15099.0 == pytest.approx(published["steady_state_P_pred"], rel=1e-3)


# Properties -------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
@pytest.mark.parametrize("name", BATCH)
def test_a_change_of_units_scales_spread_and_beta_and_keeps_z(name, seed, c, d):
    y, x = pair(seed, bars=150, base=100.0)
    plain, scaled = BATCH[name](y, x), BATCH[name](c * y, d * x)
    np.testing.assert_allclose(scaled.beta, plain.beta * c / d, rtol=1e-6)
    spread = plain.spread(y, x)
    np.testing.assert_allclose(scaled.spread(c * y, d * x), c * spread, rtol=1e-6, atol=1e-8 * c)
    if name == "kalman":
        np.testing.assert_allclose(scaled.z, plain.z, rtol=1e-6, atol=1e-8)
    else:
        ours = analytics.zscore(scaled.spread(c * y, d * x), 20).z
        np.testing.assert_allclose(ours, analytics.zscore(spread, 20).z, rtol=1e-5, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
@pytest.mark.parametrize("name", BATCH)
def test_a_shift_moves_alpha_only(name, seed, c, d):
    # In logs a change of units is a shift.
    y, x = pair(seed, bars=150, base=10.0)
    plain, moved = BATCH[name](y, x), BATCH[name](y + c, x + d)
    np.testing.assert_allclose(moved.beta, plain.beta, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(moved.spread(y + c, x + d), plain.spread(y, x), rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.lists(st.integers(0, 149), min_size=1, max_size=40, unique=True))
@pytest.mark.parametrize("name", BATCH)
def test_gaps_are_as_if_the_bars_were_not_there(name, seed, gaps):
    y, x = pair(seed, bars=150)
    broken = y.copy()
    broken[gaps] = np.random.default_rng(seed).choice([np.nan, np.inf, -np.inf], len(gaps))
    kept = np.setdiff1d(np.arange(150), gaps)
    with_gaps, without = BATCH[name](broken, x), BATCH[name](y[kept], x[kept])
    assert np.array_equal(with_gaps.beta[kept], without.beta, equal_nan=True)
    assert np.isnan(with_gaps.beta[gaps]).all()
    ours, theirs = with_gaps.spread(broken, x), without.spread(y[kept], x[kept])
    assert np.array_equal(ours[kept], theirs, equal_nan=True)


@pytest.mark.parametrize("name", BATCH)
def test_nothing_later_changes_what_was_said(name):
    y, x = pair(11)
    early, late = BATCH[name](y[:300], x[:300]), BATCH[name](y, x)
    assert np.array_equal(early.beta, late.beta[:300], equal_nan=True)


def test_a_hedge_prices_only_bars_after_it():
    y, x = pair(12)
    for name, model in BATCH.items():
        spread = model(y, x).spread(y, x)
        jumped = y.copy()
        jumped[200] += 1e3
        moved = model(jumped, x).spread(jumped, x)
        assert moved[200] - spread[200] == pytest.approx(1e3, rel=1e-9), name


def test_kalman_spread_is_its_innovation():
    y, x = pair(13)
    hedge = analytics.kalman(y, x, 50)
    np.testing.assert_allclose(hedge.spread(y, x), hedge.innovation, rtol=1e-6, atol=1e-9)
    assert np.isnan(hedge.innovation[:50]).all()
    assert np.isfinite(hedge.innovation[50:]).all()


@pytest.mark.parametrize("memory", [None, 400.0])
def test_kalman_innovations_have_variance_near_one(memory):
    rng = np.random.default_rng(14)
    squares = []
    for _ in range(60):
        y, x = 100 + np.cumsum(rng.normal(size=(2, 1_500)), axis=1)
        z = analytics.kalman(y, x, 100, variance_memory=memory).z
        squares.append(np.nanmean(z**2))
    assert 0.85 < np.mean(squares) < 1.35


def test_kalman_forecast_of_the_next_bar_changes_nothing():
    y, x = pair(15)
    model = analytics.KalmanHedge(50)
    model.extend(y[:200], x[:200])
    before = model.state()
    expected = model.next_innovation_var(x[200])
    for key, value in model.state().items():
        assert np.array_equal(before[key], value, equal_nan=True)
    alpha, beta = model.last_alpha, model.last_beta
    hedge = model.extend(y[200:201], x[200:201])
    assert hedge.innovation_var[0] == pytest.approx(expected, rel=1e-12)
    assert hedge.innovation[0] == pytest.approx(y[200] - alpha - beta * x[200], abs=1e-6)


# Shape of what comes back --------------------------------------------------------------------


@pytest.mark.parametrize("name", BATCH)
def test_series_come_back_on_their_index(name):
    y, x = pair(16, bars=80)
    index = pd.date_range("2024-01-01", periods=80, freq="min")
    y, x = pd.Series(y, index), pd.Series(x, index)
    hedge = BATCH[name](y, x)
    assert hedge.beta.index.equals(index)
    spread = hedge.spread(y, x)
    assert spread.index.equals(index)
    assert analytics.zscore(spread, 10).z.index.equals(index)
    assert analytics.momentum(y, 10).slope.index.equals(index)
    assert analytics.correlation(y, x, 10).index.equals(index)
    assert analytics.engle_granger(y, x).residual.index.equals(index)


def test_other_number_types_are_taken():
    y, x = pair(17, bars=80)
    y, x = np.round(y * 100), np.round(x * 100)
    plain = analytics.rolling_ols(y, x, 20).beta
    for kind in (np.int64, list, pd.Series):
        made = (lambda v: v.astype(np.int64)) if kind is np.int64 else kind
        np.testing.assert_array_equal(analytics.rolling_ols(made(y), made(x), 20).beta, plain)
    single = analytics.rolling_ols(y.astype(np.float32), x.astype(np.float32), 20).beta
    assert np.isfinite(single[19:]).all()


def test_input_is_never_written_to_and_may_be_read_only_or_strided():
    y, x = pair(18, bars=200)
    for column in (y, x):
        column.flags.writeable = False
    plain = analytics.rolling_ols(y[::2], x[::2], 20).beta
    assert np.array_equal(
        plain, analytics.rolling_ols(y[::2].copy(), x[::2].copy(), 20).beta, equal_nan=True
    )


# Input that cannot give an answer ----------------------------------------------------------------


@pytest.mark.parametrize("name", BATCH)
@pytest.mark.parametrize(
    "spoil",
    [
        "empty",
        "short",
        "constant x",
        "all nan",
        "one leg missing",
        "identical",
        "huge",
        "constant y",
    ],
)
def test_bars_without_an_answer_are_nan_and_silent(name, spoil):
    y, x = pair(19, bars=120)
    if spoil == "empty":
        y, x = y[:0], x[:0]
    elif spoil == "short":
        y, x = y[:20], x[:20]
    elif spoil == "constant x":
        x[:] = 0.1
    elif spoil == "all nan":
        y[:], x[:] = np.nan, np.nan
    elif spoil == "one leg missing":
        y[:] = np.nan
    elif spoil == "identical":
        y = x.copy()
    elif spoil == "huge":
        y[:] = 1e200
    elif spoil == "constant y":
        y[:] = 3.3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hedge = BATCH[name](y, x)
        spread = hedge.spread(y, x)
        scores = [analytics.zscore(spread, 10, kind).z for kind in KINDS]
    assert len(spread) == len(y)
    if spoil in ("identical", "constant y") and name != "kalman":
        expected = 1.0 if spoil == "identical" else 0.0
        np.testing.assert_allclose(hedge.beta[29:], expected, atol=1e-9)
    else:
        assert np.isnan(hedge.beta).all()
        assert all(np.isnan(z).all() for z in scores)


def test_a_constant_spell_gives_nan_and_then_recovers_exactly():
    y, x = pair(20, bars=300)
    x[100:160] = x[100]
    for name, model in BATCH.items():
        if name != "kalman":
            beta = model(y, x).beta
            assert np.isnan(beta[129:160]).all(), name
            # Windows of the last few distinct prices, then wholly past the spell.
            np.testing.assert_allclose(beta[190:], model(y[160:], x[160:]).beta[30:], rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda y, x: analytics.rolling_ols(y, x, 1), "window is 1"),
        (lambda y, x: analytics.rolling_ols(y, x, 2.5), "whole number"),
        (lambda y, x: analytics.rolling_huber(y, x, 2), "at least 3"),
        (lambda y, x: analytics.rolling_huber(y, x, 20, epsilon=1.0), "above 1"),
        (lambda y, x: analytics.rolling_ols(y[:-1], x, 20), "align"),
        (lambda y, x: analytics.rolling_ols(y.reshape(-1, 2), x, 20), "one column"),
        (lambda y, x: analytics.rolling_ols(["a"] * len(y), x, 20), "must be numbers"),
        (lambda y, x: analytics.kalman(y, x, 5), "prefix is 5"),
        (lambda y, x: analytics.kalman(y, x, delta=1.0), "delta"),
        (lambda y, x: analytics.kalman(y, x, observation_var=-1.0), "above 0"),
        (lambda y, x: analytics.kalman(y, x, initial_state=(0, 0)), "observation_var"),
        (lambda y, x: analytics.kalman(y, x, observation_var=1, initial_cov=[[1, 2], [2, 1]]), "2"),
        (lambda y, x: analytics.zscore(y, 10, "median"), "rolling, ewm, robust"),
        (lambda y, x: analytics.zscore(y, 10, lag=2), "lag is 2"),
        (lambda y, x: analytics.momentum(y, 10, bar_seconds=0), "above 0"),
        (lambda y, x: analytics.rolling_ols(y, x, 20).spread(y[:-1], x[:-1]), "80 bars"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(call, words):
    y, x = pair(21, bars=80)
    with pytest.raises(DataError, match=words):
        call(y, x)


def test_series_that_do_not_match_are_refused():
    y, x = (pd.Series(column) for column in pair(22, bars=50))
    with pytest.raises(DataError, match="different indexes"):
        analytics.rolling_ols(y, x.set_axis(x.index + 1), 10)
    with pytest.raises(DataError, match="not ascending"):
        analytics.rolling_ols(y[::-1], x[::-1], 10)
    doubled = pd.Series(y.to_numpy(), [0, *range(49)])
    with pytest.raises(DataError, match="repeats"):
        analytics.zscore(doubled, 10)


def test_a_state_of_another_model_is_refused_and_changes_nothing():
    y, x = pair(23, bars=100)
    model = analytics.RollingOls(20)
    model.extend(y, x)
    before = model.last_beta
    for other in (analytics.RollingOls(21), analytics.RollingHuber(20), analytics.KalmanHedge(20)):
        with pytest.raises(DataError, match="saved state"):
            model.restore(other.state())
    with pytest.raises(DataError, match="parameters differ"):
        analytics.RollingHuber(20, 1.5).restore(analytics.RollingHuber(20).state())
    with pytest.raises(DataError, match="parameters differ"):
        analytics.RollingZ(20, lag=0).restore(analytics.RollingZ(20).state())
    assert model.last_beta == before


def test_progress_counts_usable_bars():
    y, x = pair(24, bars=60)
    y[::3] = np.nan
    for model in (analytics.RollingOls(30), analytics.RollingHuber(30), analytics.KalmanHedge(30)):
        model.extend(y, x)
        assert (model.bars_seen, model.bars_needed) == (40, 30)
        assert np.isfinite(model.last_beta)
    score = analytics.RollingZ(30)
    score.extend(y[:30])
    assert (score.bars_seen, score.bars_needed) == (20, 30)
    assert np.isnan(score.next_mean)


# Fitted Kalman variances ------------------------------------------------------------------


def wandering(seed, bars=600):
    rng = np.random.default_rng(seed)
    x = 60_000.0 + np.cumsum(rng.normal(size=bars))
    level = 3_000.0 + np.cumsum(rng.normal(scale=0.05, size=bars))
    beta = 0.5 + np.cumsum(rng.normal(scale=0.004, size=bars))
    return level + beta * (x - x.mean()) + rng.normal(scale=0.5, size=bars), x


def test_fitted_variances_are_near_the_true_ones_and_better_than_their_neighbours():
    from pykalman import KalmanFilter

    y, x = wandering(1)
    fit = analytics.fit_kalman(y, x)
    assert fit.observation_var == pytest.approx(0.25, rel=0.4)
    assert fit.process_cov[1, 1] == pytest.approx(0.004**2, rel=1.0)

    def likelihood(noise, process):
        peer = KalmanFilter(
            transition_matrices=np.eye(2),
            observation_matrices=np.column_stack([np.ones(len(x)), x - fit.centre])[:, None, :],
            transition_covariance=process,
            observation_covariance=noise,
            initial_state_mean=[y[0], 0.5],
            initial_state_covariance=np.diag([1e6, 1e2]),
        )
        return peer.loglikelihood(y)

    best = likelihood(fit.observation_var, fit.process_cov)
    for change in (0.7, 1.4):
        assert likelihood(fit.observation_var * change, fit.process_cov) < best
        for k in (0, 1):
            process = fit.process_cov.copy()
            process[k, k] *= change
            assert likelihood(fit.observation_var, process) < best + 1e-3


def test_a_fit_goes_on_after_its_training_bars():
    y, x = wandering(2, 1_000)
    fit = analytics.fit_kalman(y[:500], x[:500])
    z = fit.model().extend(y[500:], x[500:]).z
    assert 0.7 < np.mean(z**2) < 1.4
    changed = analytics.fit_kalman(1e3 * y[:500], 1e-2 * x[:500]).model()
    np.testing.assert_allclose(changed.extend(1e3 * y[500:], 1e-2 * x[500:]).z, z, atol=1e-2)


def test_expectation_maximisation_climbs_towards_the_same_place():
    y, x = wandering(3, 150)
    early, late = (analytics.fit_kalman(y, x, "em", iterations=n) for n in (1, 6))
    assert late.log_likelihood > early.log_likelihood
    assert late.observation_var == pytest.approx(
        analytics.fit_kalman(y, x).observation_var, rel=0.7
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda y, x: (y[:10], x[:10]), "10 usable bars"),
        (lambda y, x: (y, np.full(len(x), 0.1)), "constant"),
        (lambda y, x: (2.0 * x, x), "fit is perfect"),
    ],
)
def test_nothing_can_be_fitted_without_variation(spoil, words):
    with pytest.raises(DataError, match=words):
        analytics.fit_kalman(*spoil(*wandering(4, 100)))

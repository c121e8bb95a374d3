"""The Kalman hedge, its fit and its smoother against pykalman, printed runs and certified data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.core.errors import DataError
from tandem.kernels import kalman as places
from tests.support import reference_data
from tests.support.model_pairs import pair, wandering


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


def test_the_state_before_and_after_each_bar_is_pykalmans():
    from pykalman import KalmanFilter

    y, x = pair(6, base=100.0)
    process, cov = np.array([[1e-3, 1e-5], [1e-5, 1e-6]]), np.diag([10.0, 1.0])
    given = {
        "observation_var": 2.0,
        "process_cov": process,
        "initial_state": (1.0, 0.1),
        "initial_cov": cov,
    }
    states = analytics.KalmanHedge(**given).states(y, x)
    peer = KalmanFilter(
        transition_matrices=np.eye(2),
        observation_matrices=np.column_stack([np.ones(len(x)), x])[:, None, :],
        transition_covariance=process,
        observation_covariance=2.0,
        initial_state_mean=[1.0, 0.1],
        initial_state_covariance=cov,
    )
    means, covariances = peer.filter(y)
    np.testing.assert_allclose(states.alpha, means[:, 0], rtol=1e-9)
    np.testing.assert_allclose(states.beta, means[:, 1], rtol=1e-9)
    np.testing.assert_allclose(states.cov, covariances, rtol=1e-7)
    np.testing.assert_allclose(states.prior_alpha[1:], means[:-1, 0], rtol=1e-9)
    np.testing.assert_allclose(states.prior_beta[1:], means[:-1, 1], rtol=1e-9)
    np.testing.assert_allclose(states.prior_cov[1:], covariances[:-1] + process, rtol=1e-7)
    np.testing.assert_allclose(states.prior_cov[0], cov, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("memory", [None, 50.0])
def test_the_prior_state_forecasts_the_bar_and_states_change_nothing(memory):
    y, x = (pd.Series(column) for column in pair(7, base=100.0))
    y[[60, 61]] = np.nan
    model, other = (analytics.KalmanHedge(40, variance_memory=memory) for _ in range(2))
    hedge, states = model.extend(y, x), other.states(y, x)
    for key, value in model.state().items():
        np.testing.assert_array_equal(value, other.state()[key])
    assert states.alpha.index.equals(y.index)
    known = np.isfinite(hedge.innovation)
    assert np.array_equal(np.isfinite(states.prior_beta), known)
    assert np.array_equal(np.isfinite(states.cov).all(axis=(1, 2)), known)
    np.testing.assert_allclose(
        (y - states.prior_alpha - states.prior_beta * x)[known], hedge.innovation[known],
        rtol=1e-9, atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(states.beta[known], hedge.beta[known], rtol=1e-12)
    np.testing.assert_allclose(states.alpha[known], hedge.alpha[known], rtol=1e-9)
    row = np.column_stack([np.ones(len(x)), x])
    for prior, after, u, total in zip(
        states.prior_cov[known], states.cov[known], row[known], hedge.innovation_var[known],
        strict=True,
    ):  # fmt: skip
        # The update takes away the gain's share: what is left of the forecast's variance is noise.
        noise = total - u @ prior @ u
        assert noise > 0.0
        gain = prior @ u / total
        np.testing.assert_allclose(after, prior - np.outer(gain, gain) * total, rtol=1e-4)


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


def test_chans_kalman_run_day_by_day():
    data = reference_data.table("pairs/ewa_ewc_daily.csv")
    trace = reference_data.table("pairs/ewa_ewc_kalman_trace.csv")
    hedge = analytics.kalman(data.EWC, data.EWA, delta=1e-4, observation_var=1e-3)
    for ours, printed in (
        (hedge.beta, trace.slope),
        (hedge.alpha, trace.intercept),
        (hedge.innovation, trace.e),
        (hedge.innovation_var, trace.Q),
    ):
        np.testing.assert_allclose(ours, printed, rtol=0.0, atol=1e-9)
    last = reference_data.facts("pairs/ewa_ewc_reference.json")["EWA_EWC_Kalman"]["last_beta"]
    assert hedge.beta.iloc[-1] == pytest.approx(last["slope"], abs=1e-9)


def test_nile_local_level_likelihood():
    # A hedge of 0 on anything is a local level. Durbin and Koopman (2012) print the variances; the
    # diffuse start is a level as good as unknown, its first innovation left out.
    data = reference_data.table("certified/nile.csv")
    published = reference_data.facts("certified/nile_local_level.json")["computed_here"]
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


@pytest.mark.slow  # seven of the library's likelihoods
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


@pytest.mark.slow  # the library's expectation-maximisation
def test_expectation_maximisation_climbs_to_the_same_place():
    y, x = wandering(3, 150)
    early, late = (analytics.fit_kalman(y, x, "em", iterations=n) for n in (1, 20))
    assert late.log_likelihood > early.log_likelihood
    best = analytics.fit_kalman(y, x)
    assert late.observation_var == pytest.approx(best.observation_var, rel=0.05)
    ours, theirs = (fit.model().extend(y, x).innovation for fit in (best, late))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    assert theirs.std() == pytest.approx(ours.std(), rel=0.02)


def test_expectation_maximisation_stays_at_the_nile_variances_printed():
    from pykalman import KalmanFilter

    volume, published = nile()
    exact = published["computed_here"]["mle_exact_diffuse"]
    peer = KalmanFilter(
        transition_matrices=1.0, observation_matrices=1.0,
        transition_covariance=exact["sigma2_eta"], observation_covariance=exact["sigma2_eps"],
        initial_state_mean=0.0, initial_state_covariance=1e9,
        em_vars=["transition_covariance", "observation_covariance"],
    ).em(volume.to_numpy(), n_iter=1)  # fmt: skip
    assert peer.observation_covariance[0, 0] == pytest.approx(exact["sigma2_eps"], rel=1e-3)
    assert peer.transition_covariance[0, 0] == pytest.approx(exact["sigma2_eta"], rel=2e-2)


@pytest.mark.parametrize("base", [0.0, 60_000.0])
def test_the_covariance_stays_one_over_many_bars(base):
    rng = np.random.default_rng(20)
    x = base + np.cumsum(rng.normal(scale=0.01, size=200_000))
    y = 0.5 * x + rng.normal(scale=0.01, size=len(x))
    model = analytics.KalmanHedge(
        delta=1e-12, observation_var=1e-4, initial_cov=np.diag([1e9, 1e3])
    )
    hedge = model.extend(y, x)
    assert (hedge.innovation_var >= 1e-4).all()
    state = model.state()["filter"]
    cov = state[[places.P00, places.P01, places.P01, places.P11]].reshape(2, 2)
    size = np.sqrt(np.diag(cov))
    assert (size > 0.0).all()
    assert abs(cov[0, 1]) <= size[0] * size[1]


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


# The smoother ---------------------------------------------------------------------------------


def nile():
    data = reference_data.table("certified/nile.csv")
    published = reference_data.facts("certified/nile_local_level.json")
    return data.volume, published


def test_the_smoother_is_the_filter_at_the_last_bar_and_nearer_the_truth_before():
    random = np.random.default_rng(5)
    x = 100.0 + np.cumsum(random.normal(size=400))
    beta = 0.5 + np.cumsum(random.normal(scale=0.001, size=400))
    y = 3.0 + beta * x + random.normal(scale=0.5, size=400)
    y[[50, 51, 399]] = np.nan
    given = {
        "observation_var": 0.25,
        "process_cov": np.diag([1e-8, 1e-6]),
        "initial_state": (3.0, 0.5),
        "initial_cov": np.eye(2),
    }
    y, x = pd.Series(y), pd.Series(x)
    smooth, filtered = analytics.smooth_kalman(y, x, **given), analytics.kalman(y, x, **given)
    assert smooth.beta.iloc[398] == pytest.approx(filtered.beta.iloc[398], rel=1e-12)
    assert smooth.alpha.iloc[398] == pytest.approx(filtered.alpha.iloc[398], rel=1e-10)
    assert smooth.beta.isna().tolist() == y.isna().tolist()
    assert np.isnan(smooth.cov[50]).all()
    far, near = np.nanstd(filtered.beta - beta), np.nanstd(smooth.beta - beta)
    assert near < 0.8 * far


def test_a_centre_changes_the_smoothed_hedge_not_at_all():
    y, x = pair(6, bars=150, base=100.0)
    turn = np.array([[1.0, 100.0], [0.0, 1.0]])
    process, cov = np.diag([1e-2, 1e-8]), np.diag([1.0, 1e-4])
    centred = analytics.smooth_kalman(
        y, x, 3.0, process_cov=process, initial_state=(7.0, 0.05), initial_cov=cov,
        centre=100.0,
    )  # fmt: skip
    back = np.linalg.inv(turn)
    plain = analytics.smooth_kalman(
        y, x, 3.0, process_cov=back @ process @ back.T, initial_state=(2.0, 0.05),
        initial_cov=back @ cov @ back.T,
    )  # fmt: skip
    np.testing.assert_allclose(plain.beta, centred.beta, rtol=1e-6)


def test_the_smoothed_nile_is_statsmodels_and_as_printed():
    from statsmodels.tsa.api import UnobservedComponents

    volume, _ = nile()
    ours = analytics.smooth_kalman(
        volume, np.zeros(len(volume)), 15_099.0, process_cov=np.diag([1469.1, 0.0]),
        initial_cov=np.diag([1e12, 0.0]),
    )  # fmt: skip
    peer = UnobservedComponents(volume.to_numpy(), "llevel", use_exact_diffuse=True)
    theirs = peer.smooth([15_099.0, 1469.1])
    np.testing.assert_allclose(ours.alpha, theirs.smoothed_state[0], rtol=1e-6)
    np.testing.assert_allclose(ours.cov[:, 0, 0], theirs.smoothed_state_cov[0, 0], rtol=1e-6)
    # Durbin and Koopman (2012), figures 2.1 and 2.2: the steady variances of filter and smoother.
    assert ours.cov[-1, 0, 0] == pytest.approx(4032.158, abs=0.01)
    assert ours.cov[50, 0, 0] == pytest.approx(2326.757, abs=0.01)


def test_the_filters_likelihood_is_highest_at_the_nile_variances_printed():
    from scipy.optimize import minimize

    volume, published = nile()

    def cost(logs):
        noise, step = np.exp(logs)
        hedge = analytics.kalman(
            volume, np.zeros(len(volume)), observation_var=noise,
            process_cov=np.diag([step, 0.0]), initial_cov=np.diag([1e12, 0.0]),
        )  # fmt: skip
        e, variance = hedge.innovation[1:], hedge.innovation_var[1:]
        return 0.5 * float(np.sum(np.log(variance) + e**2 / variance))

    best = minimize(cost, np.log([10_000.0, 1_000.0]), method="Nelder-Mead", tol=1e-10)
    exact = published["computed_here"]["mle_exact_diffuse"]
    assert np.exp(best.x) == pytest.approx([exact["sigma2_eps"], exact["sigma2_eta"]], rel=1e-4)


def test_a_fitted_hedge_is_smoothed_by_the_variances_found():
    y, x = wandering(5, 300)
    fit = analytics.fit_kalman(y[:200], x[:200])
    smooth = analytics.smooth_kalman(
        y[200:], x[200:], fit.observation_var, process_cov=fit.process_cov,
        initial_state=fit.state, initial_cov=fit.cov, centre=fit.centre,
    )  # fmt: skip
    filtered = fit.model().extend(y[200:], x[200:])
    assert smooth.beta[-1] == pytest.approx(filtered.beta[-1], rel=1e-9)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda y, x: (y * np.nan, x, 1.0), "nothing to smooth"),
        (lambda y, x: (y, x[1:], 1.0), "align"),
        (lambda y, x: (y, x, 0.0), "above 0"),
    ],
)
def test_nothing_can_be_smoothed_without_bars_or_noise(spoil, words):
    with pytest.raises(DataError, match=words):
        analytics.smooth_kalman(*spoil(*pair(7, bars=50)))

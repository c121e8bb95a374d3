"""Every compiled loop against its plain twin, and cut into pieces against one call."""

from __future__ import annotations

import ast
import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem import analytics
from tandem.analytics.critical_values import root_table
from tandem.kernels import adf, huber, kalman, ols, roots, series, steps, zscore
from tests.support import plain_twins as twins
from tests.support.paths import ROOT

PLAIN = settings(max_examples=60, deadline=None)


def pair(seed, bars=160, gaps=True):
    """Two related prices with unusable bars in either leg."""
    rng = np.random.default_rng(seed)
    x = 100 + np.cumsum(rng.normal(0, 1, bars))
    y = 5 + 0.7 * x + rng.standard_t(3, bars)
    if gaps:
        y[rng.random(bars) < 0.05] = np.nan
        x[rng.random(bars) < 0.05] = np.inf
    return y, x


def cut(bars, places):
    """Return the slices between sorted places."""
    return [slice(a, b) for a, b in itertools.pairwise([0, *sorted(places), bars])]


def same(a, b):
    """Tell whether arrays are bit for bit equal, NaN included."""
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


MODELS = {
    "ols": lambda: analytics.RollingOls(20),
    "huber": lambda: analytics.RollingHuber(20),
    "kalman": lambda: analytics.KalmanHedge(20),
    "kalman explicit": lambda: analytics.KalmanHedge(delta=1e-3, observation_var=0.5),
}
SCORES = list(itertools.product(("rolling", "ewm", "robust"), (0, 1)))


@pytest.mark.parametrize("window", [2, 3, 20, 100])
def test_rolling_ols_equals_its_twin(window):
    y, x = pair(1)
    hedge = analytics.rolling_ols(y, x, window)
    alpha, beta = twins.rolling_ols(y, x, window)
    np.testing.assert_allclose(hedge.alpha, alpha, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(hedge.beta, beta, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("window", [3, 4, 10, 40])
def test_rolling_huber_equals_its_twin(window):
    y, x = pair(2, bars=30 if window < 10 else 80)
    hedge = analytics.rolling_huber(y, x, window)
    for t, ys, xs in twins.usable_windows(window, y, x):
        alpha, beta, sigma = twins.huber(ys, xs)
        ours = twins.huber_profile(ys, xs, hedge.alpha[t], hedge.beta[t])
        assert ours <= twins.huber_objective(ys, xs, alpha, beta, sigma) * (1 + 1e-9)
        if window >= 10:
            np.testing.assert_allclose([hedge.alpha[t], hedge.beta[t]], [alpha, beta], rtol=1e-6)


def test_kalman_equals_its_twin():
    y, x = pair(3)
    process, cov = np.array([[1e-3, 2e-4], [2e-4, 1e-3]]), np.array([[2.0, 0.1], [0.1, 1.0]])
    hedge = analytics.kalman(
        y, x, observation_var=0.7, process_cov=process, initial_state=(1, 0.5), initial_cov=cov
    )
    twin = twins.kalman(y, x, process, 0.7, (1, 0.5), cov)
    for ours, plain in zip(
        (hedge.alpha, hedge.beta, hedge.innovation, hedge.innovation_var), twin, strict=True
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("kind", "lag"), SCORES)
@pytest.mark.parametrize("window", [2, 3, 20])
def test_zscore_equals_its_twin(kind, lag, window):
    values = pair(4)[0]
    score = analytics.zscore(values, window, kind, lag)
    for ours, plain in zip(
        (score.z, score.mean, score.deviation),
        twins.rolling_z(values, window, kind, lag),
        strict=True,
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("window", [2, 5, 30])
def test_momentum_equals_its_twin(window):
    price = pair(5)[0]
    ours = analytics.momentum(price, window).slope
    np.testing.assert_allclose(ours, twins.slope(price, window), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("estimated", [True, False])
def test_roots_not_ruled_out_equal_their_twin(estimated):
    rng = np.random.default_rng(8)
    table = root_table(estimated)
    # The twin tries 10,000 roots, each 0.3 % farther from 1 than the one before.
    for _ in range(300):
        rows, error = int(rng.integers(1, 5_000)), 10.0 ** rng.uniform(-4.0, 0.0)
        regression = error * rng.normal(-1.0, 3.0), 10.0 ** rng.uniform(-1.0, 1.0), error, rows
        np.testing.assert_allclose(
            roots.roots_inside(*regression, table),
            twins.roots_inside(*regression, table),
            rtol=4e-3,
            atol=1e-5 / rows,
        )
    # A t that rises slowly: the interval ends at a root of 0, no less.
    assert roots.roots_inside(-0.5, 0.1, 1.0, 50, table)[1] == 1.0


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
def test_dickey_fuller_regressions_equal_their_twins(trend):
    series = np.cumsum(np.random.default_rng(6).normal(size=120)) + 50.0
    change, terms = np.diff(series), {"n": 0, "c": 1, "ct": 2}[trend]
    rows = len(change)
    columns = np.vstack([np.ones(rows), np.arange(rows) - rows / 2.0])[:terms]
    sums, answer = np.empty(7), np.empty(3)
    assert adf.lag_sums(series[:-1].copy(), change, columns, 6, sums)
    for lags in range(7):
        assert sums[lags] == pytest.approx(twins.dickey_fuller(series, lags, trend, 6)[2], rel=1e-9)
        assert adf.level_statistic(series[:-1].copy(), change, columns, lags, answer)
        assert answer[:2] == pytest.approx(twins.dickey_fuller(series, lags, trend)[:2], rel=1e-9)


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize("lags", [0, 1, 4])
def test_rolling_dickey_fuller_equals_its_twin(trend, lags):
    rng = np.random.default_rng(7)
    series = 60_000.0 + 0.01 * np.cumsum(rng.normal(size=500))
    series[200] = 90_000.0
    series[50], series[350] = np.nan, np.inf
    ours = analytics.rolling_adf(series, 60, lags, trend)
    for t, window in twins.usable_windows(60, series):
        coefficient, error, _ = twins.dickey_fuller(window - 60_000.0 * (trend != "n"), lags, trend)
        # Beside the bad print the fit is all but perfect, and t is a large number of few digits.
        close = 1e-4 if 90_000.0 in window else 1e-8
        assert ours[t] == pytest.approx(coefficient / error, rel=close, abs=1e-7)
    assert np.isnan(ours[[50, 350]]).all()


@PLAIN
@given(st.data())
@pytest.mark.parametrize("name", MODELS)
def test_any_chunking_of_a_hedge_is_bit_identical(name, data):
    y, x = pair(data.draw(st.integers(0, 99)))
    whole = MODELS[name]().extend(y, x)
    places = data.draw(st.lists(st.integers(0, len(y)), max_size=12))
    model = MODELS[name]()
    parts = [model.extend(y[part], x[part]) for part in cut(len(y), places)]
    for field in ("alpha", "beta", "innovation", "innovation_var"):
        assert same(np.concatenate([getattr(p, field) for p in parts]), getattr(whole, field))


@PLAIN
@given(st.data())
@pytest.mark.parametrize(("kind", "lag"), SCORES)
def test_any_chunking_of_a_zscore_is_bit_identical(kind, lag, data):
    spread = pair(data.draw(st.integers(0, 99)))[0]
    whole = analytics.RollingZ(20, kind, lag).extend(spread)
    places = data.draw(st.lists(st.integers(0, len(spread)), max_size=12))
    model = analytics.RollingZ(20, kind, lag)
    parts = [model.extend(spread[part]) for part in cut(len(spread), places)]
    for field in ("z", "mean", "deviation"):
        assert same(np.concatenate([getattr(p, field) for p in parts]), getattr(whole, field))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("stop", [0, 7, 90])
def test_a_saved_hedge_goes_on_bit_for_bit(name, stop):
    y, x = pair(8)
    model, other = MODELS[name](), MODELS[name]()
    model.extend(y[:stop], x[:stop])
    saved = model.state()
    rest = model.extend(y[stop:], x[stop:])
    other.restore(saved)
    again = other.extend(y[stop:], x[stop:])
    assert same(rest.beta, again.beta)
    assert same(rest.innovation_var, again.innovation_var)
    assert (model.bars_seen, model.last_beta) == (other.bars_seen, other.last_beta)


@pytest.mark.parametrize(("kind", "lag"), SCORES)
def test_a_saved_zscore_goes_on_bit_for_bit(kind, lag):
    spread = pair(9)[0]
    model = analytics.RollingZ(20, kind, lag)
    model.extend(spread[:77])
    other = analytics.RollingZ(20, kind, lag)
    other.restore(model.state())
    assert same(model.extend(spread[77:]).z, other.extend(spread[77:]).z)


def test_every_kernel_is_machine_code_without_the_interpreters_lock():
    made = [
        function
        for module in (adf, huber, kalman, ols, series, steps, zscore)
        for function in vars(module).values()
        if hasattr(function, "targetoptions")
    ]  # fmt: skip
    assert len(made) > 15
    analytics.warm_up()
    for function in made:
        assert function.targetoptions["nogil"]
        assert function.targetoptions["nopython"]
        assert not function.targetoptions.get("fastmath")
        assert all(not compiled.objectmode for compiled in function.overloads.values())


# The cache --------------------------------------------------------------------------------

INNER = """
from tandem.kernels.compiled import compiled

@compiled
def inner(x):
    return x + {}
"""
OUTER = """
import inner
from tandem.kernels.compiled import compiled_over

@compiled_over(inner)
def outer(x):
    return inner.inner(x)
"""


@pytest.mark.slow  # compiles in processes of its own
def test_a_change_of_what_a_kernel_calls_is_noticed(tmp_path):
    (tmp_path / "outer.py").write_text(OUTER)
    found = []
    for added in (1, 20, 1):
        (tmp_path / "inner.py").write_text(INNER.format(added))
        command = [sys.executable, "-c", "import outer; print(outer.outer(0))"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
        )
        found.append(int(done.stdout))
    assert found == [1, 20, 1]


def test_kernels_that_call_into_another_file_say_so():
    across = []
    for path in sorted((ROOT / "tandem" / "kernels").rglob("*.py")):
        if path.name in ("__init__.py", "compiled.py"):
            continue
        nodes = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
        called = {n.module for n in nodes if n.module != "tandem.kernels.compiled"}
        if any(module.startswith("tandem.kernels") for module in called):
            across.append(path.name)
            names = {name.name for n in nodes for name in n.names}
            assert names & {"compiled_over", "held_over", "summing_over"}
            assert not names & {"compiled", "held"}
    assert across == ["scan.py", "surveillance.py", "batch.py", "full.py"]

"""What must not change a hedge: units, shifts, gaps, the future, the order inside a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem import analytics
from tests.support.model_pairs import BATCH, pair


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


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.randoms(use_true_random=False))
@pytest.mark.parametrize("name", ["ols", "huber"])
def test_the_order_of_the_bars_in_a_window_does_not_matter(name, seed, random):
    work = {"ols": analytics.rolling_ols, "huber": analytics.rolling_huber}[name]
    y, x = pair(seed, bars=60, base=100.0)
    order = list(range(60))
    random.shuffle(order)
    plain, shuffled = work(y, x, 60), work(y[order], x[order], 60)
    assert shuffled.beta[-1] == pytest.approx(plain.beta[-1], rel=1e-9)
    assert shuffled.alpha[-1] == pytest.approx(plain.alpha[-1], rel=1e-9, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.integers(2, 80))
def test_swapping_the_legs_swaps_the_roles(seed, window):
    y, x = pair(seed, bars=100, base=100.0)
    there, back = analytics.rolling_ols(y, x, window), analytics.rolling_ols(x, y, window)
    for t in range(window - 1, 100, 7):
        part = slice(t - window + 1, t + 1)
        r = np.corrcoef(y[part], x[part])[0, 1]
        assert there.beta[t] * back.beta[t] == pytest.approx(r * r, rel=1e-7, abs=1e-9)
    ours, theirs = analytics.correlation(y, x, window), analytics.correlation(x, y, window)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    one, other = analytics.engle_granger(y, x), analytics.engle_granger(x, y)
    assert one.r_squared == pytest.approx(other.r_squared, rel=1e-9)
    prices = np.column_stack([y, x])
    np.testing.assert_allclose(
        analytics.johansen(prices).trace, analytics.johansen(prices[:, ::-1]).trace, rtol=1e-7
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50))
@pytest.mark.parametrize("name", BATCH)
def test_mirrored_prices_mirror_the_hedge(name, seed):
    y, x = pair(seed, bars=120, base=100.0)
    plain, mirrored = BATCH[name](y, x), BATCH[name](-y, x)
    np.testing.assert_allclose(mirrored.beta, -plain.beta, rtol=1e-9)
    np.testing.assert_allclose(mirrored.spread(-y, x), -plain.spread(y, x), rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 50), st.sampled_from([-1.0, 1.0]), st.sampled_from([-1.0, 1.0]))
def test_mirrored_legs_are_as_cointegrated(seed, c, d):
    y, x = pair(seed, bars=150, base=100.0)
    plain, mirrored = analytics.engle_granger(y, x), analytics.engle_granger(c * y, d * x)
    assert mirrored.statistic == pytest.approx(plain.statistic, rel=1e-8)
    assert mirrored.beta == pytest.approx(c * d * plain.beta, rel=1e-9)
    ours, theirs = analytics.half_life(mirrored.residual), analytics.half_life(plain.residual)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-6)
    assert analytics.cusum(c * y, d * x).statistic == pytest.approx(
        analytics.cusum(y, x).statistic, rel=1e-6
    )


def test_the_order_of_the_columns_does_not_matter_to_johansen():
    y, x = pair(13, bars=200, base=100.0)
    one, other = (analytics.johansen(np.column_stack(legs)) for legs in ((y, x), (x, y)))
    np.testing.assert_allclose(one.trace, other.trace, rtol=1e-7)
    np.testing.assert_allclose(one.max_eigenvalue, other.max_eigenvalue, rtol=1e-7)

"""Arguments and columns that no caller should give: each has a sentence or a note for an answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from legs import pair

import analytics
from market import DataError


@pytest.mark.parametrize("wrong", ["a", 1j, [1, 2], np.array([1.0, 2.0]), {}, 10**400])
@pytest.mark.parametrize("name", ["delta", "centre", "observation_var", "variance_memory"])
def test_what_is_no_number_is_refused_by_the_filter(name, wrong):
    y, x = pair(51, bars=60)
    given = {"centre": {"observation_var": 1.0}}.get(name, {})
    with pytest.raises(DataError, match=f"{name} is"):
        analytics.kalman(y, x, 30, **given, **{name: wrong})


def test_a_narrow_number_is_taken_for_an_argument():
    y, x = pair(52, bars=60)
    wide = analytics.rolling_huber(y, x, 30, epsilon=1.5).beta
    narrow = analytics.rolling_huber(y, x, 30, epsilon=np.float32(1.5)).beta
    np.testing.assert_array_equal(narrow, wide)


def test_the_smoother_needs_the_noise():
    with pytest.raises(DataError, match="observation_var is None"):
        analytics.smooth_kalman(*pair(53, bars=60), None)


@pytest.mark.parametrize("wrong", [np.array(["c"]), np.array([1, 2]), None])
def test_a_trend_is_a_word(wrong):
    y, x = pair(54, bars=60)
    with pytest.raises(DataError, match="n, c, ct"):
        analytics.engle_granger(y, x, wrong)


@pytest.mark.parametrize("leg", ["y", "x"])
@pytest.mark.parametrize("trend", ["n", "c", "ct"])
def test_a_leg_too_small_to_be_squared_is_said_to_be_so(trend, leg):
    legs = dict(zip("yx", pair(55, bars=100, base=100.0), strict=True))
    legs[leg] = 1e-300 * legs[leg]
    found = analytics.engle_granger(**legs, trend=trend)
    assert np.isnan(found.statistic)
    assert found.note == f"{leg} moves by less than 1e-70; give it in larger units."


def test_a_leg_that_moved_once_at_the_end_has_no_verdict():
    y = pair(56, bars=300)[0]
    x = np.zeros(300)
    x[-1] = 1.0
    assert analytics.soundness(y, x).state in ("unknown", "breaking")


@pytest.mark.parametrize(("trend", "least"), [("n", 25), ("c", 25), ("ct", 30)])
def test_phillips_ouliaris_wants_as_many_bars_as_its_table(trend, least):
    y, x = pair(57, bars=60)
    with pytest.raises(DataError, match=f"{least} are the least"):
        analytics.phillips_ouliaris(y[: least - 1], x[: least - 1], trend)
    assert np.isfinite(analytics.phillips_ouliaris(y[:least], x[:least], trend).statistic)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda y, x, v: analytics.zscore(y, 10, kind=v), "kind"),
        (lambda y, x, v: analytics.zscore(y, 10, lag=v), "lag"),
        (lambda y, x, v: analytics.rolling_ols(y, x, 10).spread(y, x, lag=v), "lag"),
        (lambda y, x, v: analytics.fit_kalman(y, x, method=v), "method"),
        (lambda y, x, v: analytics.johansen(np.column_stack([y, x]), drift=v), "drift"),
        (lambda y, x, v: analytics.half_life(y, estimated=v), "estimated"),
        (lambda y, x, v: analytics.spread_quality(y, x, 5.0, log_prices=v), "log_prices"),
    ],
)
@pytest.mark.parametrize(
    "wrong", [None, "a", 2, 0.5, np.array([1, 2]), [True], pd.Series([1.0, 2.0]), pd.DataFrame([1])]
)
def test_words_and_flags_are_words_and_flags(call, name, wrong):
    with pytest.raises(DataError, match=f"{name} is"):
        call(*pair(58, bars=60), wrong)

"""Arguments and columns that no caller should give: each has a sentence or a note for an answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.core.errors import DataError
from tests.support.model_pairs import pair


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


def columns_no_test_can_use():
    bar = np.arange(300)
    y, x = pair(59, bars=300, base=100.0)
    return {
        "1e-300": (1e-302 * y, x, "less than 1e-70"),
        "x 1e-300": (y, 1e-302 * x, "less than 1e-70"),
        "denormal": (1e-320 * y, 1e-320 * x, "less than 1e-70"),
        "sines": (np.sin(0.3 * bar), np.sin(0.5 * bar), "exactly"),
        "a sine": (y, np.sin(0.3 * bar), "exactly"),
        "alternating": (y, np.where(bar % 2, 1e40, 1e-40), "exactly"),
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", columns_no_test_can_use())
def test_johansen_refuses_what_is_exact_or_too_small(name):
    y, x, words = columns_no_test_can_use()[name]
    with pytest.raises(DataError, match=words):
        analytics.johansen(np.column_stack([y, x]))


@pytest.mark.parametrize("scales", [(1e40, 1e-40), (1e-60, 1e45), (1e-9, 1.0)])
def test_johansen_knows_no_units(scales):
    table = np.column_stack(pair(60, bars=300, base=100.0))
    plain, scaled = analytics.johansen(table), analytics.johansen(table * scales)
    np.testing.assert_allclose(scaled.trace, plain.trace, rtol=1e-9)
    np.testing.assert_allclose(scaled.max_eigenvalue, plain.max_eigenvalue, rtol=1e-9)
    np.testing.assert_allclose(
        scaled.vectors[1] * scales[1] / scales[0], plain.vectors[1], rtol=1e-7
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("line", [np.arange(60.0), 5.0 + 0.1 * np.arange(60.0)])
def test_phillips_ouliaris_refuses_a_straight_line_beside_a_trend(line):
    y = pair(61, bars=60)[0]
    for legs in ((y, line), (line, y)):
        with pytest.raises(DataError, match="straight line beside a trend"):
            analytics.phillips_ouliaris(*legs, "ct")
        assert np.isfinite(analytics.phillips_ouliaris(*legs, "c").statistic)

"""What comes back for what is given: kinds of input, and input that cannot give an answer."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.core.errors import DataError
from tests.support.model_pairs import BATCH, KINDS, pair


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
        (lambda y, x: analytics.kalman(y, x, observation_var=1, centre=np.nan), "centre is nan"),
        (lambda y, x: analytics.kalman(y, x, observation_var=1, process_cov="a"), "be numbers"),
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


# Every function, every kind of bad column -------------------------------------------------------


ONE = {
    "adf": analytics.adf,
    "half_life": analytics.half_life,
    "hurst": analytics.hurst,
    "momentum": lambda v: analytics.momentum(v, 10),
    "realised_volatility": lambda v: analytics.realised_volatility(v, 10),
    "rolling_adf": lambda v: analytics.rolling_adf(v, 30),
    "roll_spread": analytics.roll_spread,
    "rsi": analytics.rsi,
    "variance_ratio": analytics.variance_ratio,
    "zero_crossings": analytics.zero_crossings,
    "zscore": lambda v: analytics.zscore(v, 10),
    "zscore, bar by bar": lambda v: analytics.RollingZ(10).extend(v),
}
TWO = {
    **BATCH,
    "correlation": lambda y, x: analytics.correlation(y, x, 10),
    "cusum": analytics.cusum,
    "engle_granger": analytics.engle_granger,
    "fit_kalman": analytics.fit_kalman,
    "johansen": lambda y, x: analytics.johansen(
        pd.DataFrame({"y": y, "x": x}) if isinstance(y, pd.Series) else np.column_stack([y, x])
    ),
    "phillips_ouliaris": analytics.phillips_ouliaris,
    "rolling_engle_granger": lambda y, x: analytics.rolling_engle_granger(y, x, 100, 20),
    "smooth_kalman": lambda y, x: analytics.smooth_kalman(y, x, 1.0),
}


NUMBERS = ("beta", "statistic", "trace", "observation_var")


def answers(found, *fields):
    """Return what was found: the column itself, or those of the fields that the result has."""
    if isinstance(found, np.ndarray):
        return [found]
    return [getattr(found, field) for field in fields if hasattr(found, field)]


@pytest.mark.parametrize("name", ONE)
def test_a_column_out_of_order_or_of_no_numbers_is_refused(name):
    column = pd.Series(pair(30, bars=200)[0])
    for wrong in (column[::-1], pd.Series(column.to_numpy(), [0, *range(199)])):
        with pytest.raises(DataError, match="not ascending"):
            ONE[name](wrong)
    dates = pd.date_range("2026-01-01", periods=200).to_numpy()
    for wrong in (column + 1j, dates, [10**400] * 200, ["a"] * 200, [[1.0], [1.0, 2.0]]):
        with pytest.raises(DataError, match="must be numbers"):
            ONE[name](wrong)


@pytest.mark.parametrize("name", [name for name in TWO if name != "johansen"])
def test_legs_out_of_order_or_on_two_indexes_are_refused(name):
    y, x = (pd.Series(column) for column in pair(31, bars=200))
    with pytest.raises(DataError, match="not ascending"):
        TWO[name](y[::-1], x[::-1])
    with pytest.raises(DataError, match="different indexes"):
        TWO[name](y, x.set_axis(x.index + 1))


def test_a_table_out_of_order_or_of_no_numbers_is_refused():
    y, x = pair(32, bars=200)
    table = pd.DataFrame({"y": y, "x": x})
    with pytest.raises(DataError, match="not ascending"):
        analytics.johansen(table[::-1])
    with pytest.raises(DataError, match="must be numbers"):
        analytics.johansen(table + 1j)


@pytest.mark.parametrize("name", ["johansen", "phillips_ouliaris", "cusum", "engle_granger"])
@pytest.mark.parametrize("leg", ["y", "x"])
def test_a_constant_leg_is_never_taken_for_a_relation(name, leg):
    # 0.1 is not a sum of powers of two: its mean differs from it in the last digit.
    y, x = pair(33, bars=200)
    legs = (np.full(200, 0.1), x) if leg == "y" else (y, np.full(200, 0.1))
    try:
        found = TWO[name](*legs)
    except DataError as refusal:
        assert "constant" in str(refusal)
    else:
        assert np.isnan(found.statistic)
        assert "constant" in found.note


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("kind", [np.float32, np.int64, np.int32, list])
def test_narrow_and_whole_numbers_and_lists_give_what_their_doubles_give(name, kind):
    legs = [np.round(100.0 * column) for column in pair(34, bars=200, base=1_000.0)]
    given = [leg.tolist() if kind is list else leg.astype(kind) for leg in legs]
    narrow, wide = TWO[name](*given), TWO[name](*(np.array(leg, dtype=float) for leg in given))
    ours, theirs = answers(narrow, *NUMBERS), answers(wide, *NUMBERS)
    assert ours
    assert all(np.array_equal(*both, equal_nan=True) for both in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", ONE)
def test_one_column_may_be_whole_numbers_or_a_list(name):
    column = np.round(100.0 * pair(42, bars=200, base=1_000.0)[0])
    expected = repr(ONE[name](column))
    assert repr(ONE[name](column.astype(np.int64))) == expected
    assert repr(ONE[name](column.tolist())) == expected


@pytest.mark.parametrize("name", TWO)
def test_gaps_and_infinities_in_either_leg_are_left_out(name):
    y, x = pair(35, bars=200)
    y[[20, 21]], x[[50, 199]] = (np.nan, np.inf), (-np.inf, np.nan)
    kept = np.isfinite(y) & np.isfinite(x)
    with_gaps, without = (
        answers(TWO[name](*legs), *NUMBERS) for legs in ((y, x), (y[kept], x[kept]))
    )
    for ours, theirs in zip(with_gaps, without, strict=True):
        at = kept if np.shape(ours) == kept.shape else ...
        assert np.array_equal(np.asarray(ours)[at], theirs, equal_nan=True)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
@pytest.mark.parametrize(
    "name", [name for name in TWO if name not in ("smooth_kalman", "fit_kalman")]
)
def test_no_unit_is_too_small_or_too_large(name, scale):
    y, x = pair(36, bars=200, base=100.0)
    plain, scaled = (
        answers(TWO[name](*legs), "beta", "statistic", "trace", "z")
        for legs in ((y, x), (scale * y, scale * x))
    )
    for ours, theirs in zip(scaled, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)


def test_masked_and_nullable_columns_have_gaps_where_they_say():
    y, x = pair(37, bars=60)
    gaps = np.zeros(60, bool)
    gaps[[5, 40]] = True
    expected = analytics.rolling_ols(np.where(gaps, np.nan, y), x, 20).beta
    masked = np.ma.MaskedArray(y, gaps)
    nullable = pd.Series(y, dtype="Float64").mask(gaps)
    for column in (masked, nullable):
        assert np.array_equal(analytics.rolling_ols(column, x, 20).beta, expected, equal_nan=True)


@pytest.mark.parametrize("window", [2, 3])
def test_the_shortest_windows_give_numbers(window):
    y, x = pair(38, bars=40)
    assert np.isfinite(analytics.rolling_ols(y, x, window).beta[window - 1 :]).all()
    assert np.isfinite(analytics.momentum(y, window).slope[window - 1 :]).all()
    assert np.isfinite(analytics.rsi(y, window)[window:]).all()
    assert np.isfinite(analytics.realised_volatility(y, window)[window:]).all()
    for kind in KINDS:
        assert np.isfinite(analytics.zscore(y, window, kind).z[window:]).all()
    # Two returns always lie on a line.
    assert np.abs(analytics.correlation(y, x, 2)[2:]) == pytest.approx(1.0)


def test_windows_longer_than_the_data_give_nan_and_endless_ones_a_sentence():
    y, x = pair(39, bars=60)
    assert np.isnan(analytics.rolling_ols(y, x, 61).beta).all()
    assert np.isnan(analytics.rolling_huber(y, x, 61).beta).all()
    assert np.isnan(analytics.kalman(y, x, 61).beta).all()
    assert np.isnan(analytics.rolling_adf(y, 61)).all()
    assert np.isnan(analytics.rolling_engle_granger(y, x, 61)).all()
    assert np.isnan(analytics.correlation(y, x, 60)).all()
    assert all(np.isnan(analytics.zscore(y, 61, kind).z).all() for kind in KINDS)
    with pytest.raises(DataError, match="10,000,000 is the most"):
        analytics.rolling_ols(y, x, 10**13)


def test_prices_of_nought_or_less_have_no_return():
    price = 100.0 + pair(40, bars=60, base=0.0)[1]
    price[[20, 30]] = 0.0, -3.0
    assert np.isnan(analytics.realised_volatility(price, 5)[[20, 30]]).all()
    correlated = analytics.correlation(price, pair(41, bars=60)[1], 5)
    assert np.isnan(correlated[21])
    assert np.isfinite(correlated[27])

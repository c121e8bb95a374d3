"""Every public function with arrays, Series and DataFrames: what was given comes back."""

from __future__ import annotations

import inspect
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.core.errors import DataError
from tests.support.model_pairs import pair

# A column for a column: a DataFrame of several is worked through column by column.
COLUMNS = {
    "momentum": lambda v: analytics.momentum(v, 10, bar_seconds=5.0),
    "realised_volatility": lambda v: analytics.realised_volatility(v, 10),
    "rolling_adf": lambda v: analytics.rolling_adf(v, 30),
    "rsi": lambda v: analytics.rsi(v, 10),
    "zscore": lambda v: analytics.zscore(v, 10, "robust"),
}
# A verdict or a figure on one series.
VERDICTS = {
    "adf": analytics.adf,
    "find_defects": analytics.find_defects,
    "half_life": analytics.half_life,
    "hurst": analytics.hurst,
    "roll_spread": analytics.roll_spread,
    "variance_ratio": analytics.variance_ratio,
    "zero_crossings": lambda v: analytics.zero_crossings(v - 100.0),
}
PAIRS = {
    "correlation": lambda y, x: analytics.correlation(y, x, 10),
    "cusum": analytics.cusum,
    "engle_granger": analytics.engle_granger,
    "fit_kalman": analytics.fit_kalman,
    "kalman": lambda y, x: analytics.kalman(y, x, 30),
    "phillips_ouliaris": analytics.phillips_ouliaris,
    "rolling_engle_granger": lambda y, x: analytics.rolling_engle_granger(y, x, 100, 50),
    "rolling_huber": lambda y, x: analytics.rolling_huber(y, x, 30),
    "rolling_ols": lambda y, x: analytics.rolling_ols(y, x, 30),
    "smooth_kalman": lambda y, x: analytics.smooth_kalman(y, x, 1.0),
    "soundness": analytics.soundness,
    "spread_quality": lambda y, x: analytics.spread_quality(y, x, 5.0, beta=y / x),
}
BARS = 240
INDEX = pd.date_range("2026-01-01", periods=BARS, freq="min", tz="UTC")


def columns(result):
    """Return every column in a result, by field; figures are left out."""
    if is_dataclass(result):
        found = {}
        for field in fields(result):
            inner = columns(getattr(result, field.name))
            found |= {f"{field.name} {name}": column for name, column in inner.items()}
        return found
    return {"": result} if np.shape(result)[:1] == (BARS,) else {}


def figures(result):
    """Return what is not a column, as text."""
    if is_dataclass(result):
        return [figures(getattr(result, field.name)) for field in fields(result)]
    return "" if np.shape(result)[:1] == (BARS,) else repr(result)


def legs():
    y, x = pair(61, bars=BARS, base=100.0)
    y[[40, 41]] = np.nan
    return y, x


def test_the_tables_here_name_every_public_function():
    public = {name for name in analytics.__all__ if inspect.isfunction(getattr(analytics, name))}
    assert {*COLUMNS, *VERDICTS, *PAIRS, "johansen", "warm_up"} == public


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_is_worked_through_column_by_column(name):
    y, x = legs()
    frame = pd.DataFrame({"a": y, "b": x, 3: x[::-1]}, INDEX)
    whole = columns(COLUMNS[name](frame))
    for place in range(3):
        alone = columns(COLUMNS[name](frame.iloc[:, place].to_numpy()))
        assert whole.keys() == alone.keys()
        for field, table in whole.items():
            assert table.index.equals(INDEX)
            assert table.columns.equals(frame.columns)
            assert np.array_equal(table.iloc[:, place], alone[field], equal_nan=True)
    one = columns(COLUMNS[name](frame[["b"]]))
    for field, table in one.items():
        pd.testing.assert_frame_equal(table, whole[field][["b"]])


@pytest.mark.parametrize("name", COLUMNS)
def test_two_columns_of_one_name_stay_two_and_none_is_refused(name):
    frame = pd.DataFrame(np.column_stack(legs()), INDEX, columns=["a", "a"])
    for table in columns(COLUMNS[name](frame)).values():
        assert table.shape == (BARS, 2)
    with pytest.raises(DataError, match="without columns"):
        COLUMNS[name](frame.iloc[:, :0])
    with pytest.raises(DataError, match="not ascending"):
        COLUMNS[name](frame[::-1])


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_on_a_table_of_one_column_is_that_of_the_column(name):
    y, x = legs()
    expected = repr(VERDICTS[name](y))
    assert repr(VERDICTS[name](pd.Series(y, INDEX))) == expected
    assert repr(VERDICTS[name](pd.DataFrame({"y": y}, INDEX))) == expected
    for several in (pd.DataFrame({"y": y, "x": x}, INDEX), pd.DataFrame(index=INDEX)):
        with pytest.raises(DataError, match="one series; give one column"):
            VERDICTS[name](several)


@pytest.mark.parametrize("name", PAIRS)
def test_legs_may_be_tables_of_one_column(name):
    y, x = legs()
    plain = PAIRS[name](y, x)
    series = PAIRS[name](pd.Series(y, INDEX), pd.Series(x, INDEX))
    tables = PAIRS[name](pd.DataFrame({"p": y}, INDEX), pd.DataFrame({"p": x}, INDEX))
    assert figures(series) == figures(tables) == figures(plain)
    for field, column in columns(plain).items():
        assert isinstance(column, np.ndarray)
        if field.startswith("cov"):
            continue
        listed, framed = columns(series)[field], columns(tables)[field]
        assert listed.index.equals(INDEX)
        assert framed.index.equals(INDEX)
        assert list(framed.columns) == ["p"]
        assert np.array_equal(listed, column, equal_nan=True)
        assert np.array_equal(framed.iloc[:, 0], column, equal_nan=True)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("leg", ["y", "x"])
def test_a_leg_is_one_column(name, leg):
    given = {
        key: pd.DataFrame({"p": column}, INDEX) for key, column in zip("yx", legs(), strict=True)
    }
    given[leg] = given[leg].assign(q=1.0)
    work = (
        (lambda y, x: analytics.spread_quality(y, x, 5.0))
        if name == "spread_quality"
        else PAIRS[name]
    )
    with pytest.raises(DataError, match=f"{leg} has shape .* one series; give one column"):
        work(**given)


def test_the_spread_and_z_of_a_hedge_are_tables_too():
    y, x = (pd.DataFrame({"p": column}, INDEX) for column in legs())
    hedge = analytics.kalman(y, x, 30)
    plain = analytics.kalman(*legs(), 30)
    for ours, expected in (
        (hedge.spread(y, x), plain.spread(*legs())),
        (hedge.z, plain.z),
    ):
        assert ours.index.equals(INDEX)
        assert list(ours.columns) == ["p"]
        assert np.array_equal(ours.iloc[:, 0], expected, equal_nan=True)


def test_a_table_of_nullable_columns_has_gaps_where_they_say():
    y, x = (np.round(100.0 * column) for column in pair(62, bars=BARS, base=100.0))
    gaps = np.zeros((BARS, 2), bool)
    gaps[[5, 100], 0] = True
    frame = pd.DataFrame({"y": y, "x": x}, INDEX)
    nullable = frame.astype("Int64").mask(gaps)
    expected = frame.mask(gaps)
    assert nullable.dtypes.map(str).eq("Int64").all()
    pd.testing.assert_frame_equal(analytics.rsi(nullable), analytics.rsi(expected))
    np.testing.assert_array_equal(
        analytics.johansen(nullable).trace, analytics.johansen(expected).trace
    )

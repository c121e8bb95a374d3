"""Z-scores and what is said of single prices against pandas, numpy and the printed rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.analytics import inputs
from tests.support.model_pairs import KINDS, pair


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
    np.testing.assert_allclose(yearly, expected * 100.0 * np.sqrt(365.25 * 1_440), rtol=1e-12)
    broken = price.copy()
    broken[[100, 101]] = [0.0, -5.0]
    assert analytics.realised_volatility(broken, 50)[[100, 101]].isna().all()
    assert np.isfinite(analytics.realised_volatility(broken, 50).iloc[-1])


def test_correlation_does_not_depend_on_the_pieces_it_is_worked_in(monkeypatch):
    y, x = pair(12, bars=500)
    y[[3, 70, 71, 300]] = [np.nan, np.inf, 0.0, np.nan]
    whole = analytics.correlation(y, x, 20)
    monkeypatch.setattr(inputs, "PIECE", 7)
    monkeypatch.setattr("tandem.analytics.trend.PIECE", 7)
    assert np.array_equal(analytics.correlation(y, x, 20), whole, equal_nan=True)
    kept = np.isfinite(y)
    returns = pd.DataFrame({"y": y[kept], "x": x[kept]}).pct_change()
    # A return from a price of 0 is left out, as pandas does with one that is not finite.
    returns = returns[np.isfinite(returns).all(axis=1)]
    expected = returns.y.rolling(20).corr(returns.x)
    places = np.flatnonzero(kept)[expected.index]
    np.testing.assert_allclose(whole[places], expected, rtol=1e-7, atol=1e-9)


def test_a_bad_price_leaves_nothing_behind_in_the_volatility():
    price = np.exp(np.random.default_rng(13).normal(scale=1e-5, size=500).cumsum())
    broken = price.copy()
    broken[100] *= 1e6
    ours = analytics.realised_volatility(broken, 50)
    clean = analytics.realised_volatility(price, 50)
    np.testing.assert_allclose(ours[152:], clean[152:], rtol=1e-9)
    assert ours[101] > 1.0


def test_prices_that_stand_still_have_no_volatility_and_no_index():
    still = np.full(60, 3.0)
    assert (analytics.realised_volatility(still, 10)[10:] == 0.0).all()
    assert (analytics.momentum(still, 10).slope[9:] == 0.0).all()


@pytest.mark.parametrize("name", ["momentum", "rsi", "realised_volatility"])
def test_gaps_in_a_price_are_as_if_the_bars_were_not_there(name):
    work = {
        "momentum": lambda price: analytics.momentum(price, 10, bar_seconds=5.0).percent_per_hour,
        "rsi": lambda price: analytics.rsi(price, 10),
        "realised_volatility": lambda price: analytics.realised_volatility(price, 10),
    }[name]
    price = 100.0 + pair(14, bars=120, base=0.0)[1]
    broken, gaps = price.copy(), [0, 5, 6, 60, 119]
    broken[gaps] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    kept = np.setdiff1d(np.arange(120), gaps)
    assert np.array_equal(work(broken)[kept], work(price[kept]), equal_nan=True)
    assert np.isnan(work(broken)[gaps]).all()

"""One instrument: formulas against TA and libraries, momentum and models."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR
from tandem.surveillance.instrument import (
    MOMENTUM_LIMIT,
    InstrumentWatch,
    bar_readings,
    trade_readings,
    yearly,
)
from tandem.surveillance.liquidity import volume_profile
from tandem.surveillance.service import Surveillance
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.volatility import garch_forecast
from tests.support.watched_bars import bars_of, walk
from tests.support.watched_trades import BASE_US, SMALL, TRADES


def test_trade_scores_are_the_plain_formula() -> None:
    prices = walk(200, 5)
    scores = InstrumentWatch("sim:A", SMALL).trades(np.arange(200), prices)
    for at in (20, 21, 57, 199):
        before = prices[at - 20 : at]
        expected = (prices[at] - before.mean()) / before.std(ddof=1)
        assert scores["price_z"][at] == pytest.approx(expected, rel=1e-9)
    returns = np.diff(np.log(prices), prepend=np.nan)
    for at in (21, 100, 199):
        before = returns[at - 20 : at]
        expected = (returns[at] - before.mean()) / before.std(ddof=1)
        assert scores["return_z"][at] == pytest.approx(expected, rel=1e-9)
    assert np.isnan(scores["price_z"][:20]).all()
    assert np.isnan(scores["return_z"][:21]).all()


@pytest.mark.parametrize("piece", [1, 3, 5_000])
def test_scores_are_those_of_the_rolling_z(piece: int) -> None:
    prices = walk(2_500, 11)
    prices[[7, 800]] = np.nan, -1.0
    bars = bars_of(prices)
    watch, settings = InstrumentWatch("sim:A", WatchSettings()), WatchSettings()
    starts = range(0, len(bars), piece)
    scores = np.concatenate([watch.bars(bars[at : at + piece]) for at in starts])
    usable = np.where(prices > 0.0, prices, np.nan)
    volume = scores["volume_change"]
    columns = {"price": usable, "return": scores["return_"], "volume": volume}
    for name, values in columns.items():
        found = analytics.RollingZ(settings.bar_window).extend(values)
        np.testing.assert_array_equal(scores[f"{name}_z"], found.z)
        prefix = "volume_z" if name == "volume" else name
        np.testing.assert_array_equal(scores[f"{prefix}_mean"], found.mean)
        np.testing.assert_array_equal(scores[f"{prefix}_deviation"], found.deviation)
    far = np.zeros(len(bars), int)
    for name in ("amihud", "kyle", "roll", "intensity", "imbalance"):
        values = scores[name].copy()
        if name in ("amihud", "roll"):
            values[~(values > 0.0)] = np.nan
            values = np.log(values)
        z = analytics.RollingZ(settings.bar_window).extend(values).z
        far += (np.abs(z) if name == "imbalance" else z) > 3.0
    np.testing.assert_array_equal(scores["shock"], far)


def test_an_alerts_numbers_give_its_value_again() -> None:
    watch = InstrumentWatch("sim:A", SMALL)
    prices = walk(300, 6)
    readings = trade_readings("sim:A", watch.trades(np.arange(300), prices))
    readings += bar_readings("sim:A", watch.bars(bars_of(prices)))
    judged = {"return": "return", "price": "price", "volume": "volume_change"}
    checked = set()
    for one in readings:
        if one.measure.endswith("_z"):
            raw = one.numbers[judged[one.measure.split("_")[1]]]
            again = (raw - one.numbers["mean"]) / one.numbers["deviation"]
            assert again == one.value
            checked.add(one.measure)
    assert len(checked) == 5


def test_features_are_those_of_technical_analysis() -> None:
    close = walk(300, 7)
    bars = bars_of(close)
    scores = InstrumentWatch("sim:A", WatchSettings()).bars(bars)
    price = pd.Series(close)
    returns = np.log(price).diff()
    np.testing.assert_allclose(scores["volatility"][20:], returns.rolling(20).std()[20:], rtol=1e-9)
    change = price.diff().to_numpy()[1:]
    for out, sign in (("rise", 1.0), ("fall", -1.0)):
        moves = np.maximum(sign * change, 0.0)
        average = moves[:14].mean()
        wilder = [average]
        for move in moves[14:]:
            average = (average * 13 + move) / 14
            wilder.append(average)
        if out == "rise":
            rises = np.array(wilder)
    rsi = 100.0 - 100.0 / (1.0 + rises / np.array(wilder))
    np.testing.assert_allclose(scores["rsi"][14:], rsi, rtol=1e-9)
    volume, buys = pd.Series(bars["volume"]), pd.Series(bars["buy_volume"])
    expected = np.log(volume / volume.shift().rolling(20).mean())
    np.testing.assert_allclose(scores["volume_change"][21:], expected[21:], rtol=1e-9)
    flow = (2 * buys - volume).rolling(20).sum() / volume.rolling(20).sum()
    np.testing.assert_allclose(scores["imbalance"][20:], flow[20:], rtol=1e-9, atol=1e-12)
    trades = pd.Series(bars["trades"].astype(float))
    expected = np.log(trades / trades.shift().rolling(20).mean())
    np.testing.assert_allclose(scores["intensity"][21:], expected[21:], rtol=1e-9, atol=1e-12)
    ewma = np.sqrt((returns**2).ewm(alpha=0.06).mean())
    np.testing.assert_allclose(scores["ewma"][1:], ewma[1:], rtol=1e-9)


@pytest.mark.parametrize("every_s", [1, 10, 60])
def test_volatility_a_year_is_the_same_however_often_a_price_comes(every_s: int) -> None:
    count, deviation = 2_000, 1e-4
    moves = np.random.default_rng(3).normal(0.0, deviation * math.sqrt(every_s), count)
    bars = np.zeros(count, BAR)
    bars["time_us"] = BASE_US + np.arange(count) * every_s * SECOND_US
    bars["close"] = 100.0 * np.exp(np.cumsum(moves))
    watch = InstrumentWatch("sim:A", WatchSettings(ewma_decay=0.995))
    scores = watch.bars(bars)
    assert math.isnan(yearly(scores[0]))
    true = 100.0 * deviation * math.sqrt(365.25 * 86_400.0)
    assert yearly(scores[-1]) == pytest.approx(true, rel=0.1)
    surveillance = Surveillance(WatchSettings())
    surveillance.add("sim:A")
    surveillance.warm("sim:A", bars)
    assert surveillance.forecast("sim:A", 300)[1].value == pytest.approx(true, rel=0.1)


def test_liquidity_is_the_plain_formula() -> None:
    close = walk(120, 8)
    bars = bars_of(close)
    scores = InstrumentWatch("sim:A", WatchSettings()).bars(bars)
    returns, change = np.diff(np.log(close), prepend=np.nan), np.diff(close, prepend=np.nan)
    flow = 2 * bars["buy_volume"] - bars["volume"]
    for at in (20, 55, 119):
        part = slice(at - 19, at + 1)
        assert scores["amihud"][at] == pytest.approx(
            np.mean(np.abs(returns[part]) / bars["notional"][part])
        )
        assert scores["kyle"][at] == pytest.approx(np.polyfit(flow[part], change[part], 1)[0])
        centred = change[part] - change[part].mean()
        serial = np.sum(centred[1:] * centred[:-1]) / 19
        if serial < 0:
            assert scores["roll"][at] == pytest.approx(2 * math.sqrt(-serial))
        else:
            assert math.isnan(scores["roll"][at])


def test_the_slope_and_its_statistic_are_those_of_least_squares() -> None:
    import statsmodels.api as sm

    close = walk(80, 9)
    scores = InstrumentWatch("sim:A", WatchSettings(momentum_bars=(30,))).bars(bars_of(close))
    for at in (29, 40, 79):
        fit = sm.OLS(close[at - 29 : at + 1], sm.add_constant(np.arange(30.0))).fit()
        assert scores["slope"][at] == pytest.approx(fit.params[1], rel=1e-7)
        assert scores["slope_t"][at] == pytest.approx(fit.tvalues[1], rel=1e-6)


def test_momentum_is_that_of_least_squares_on_every_horizon() -> None:
    import statsmodels.api as sm

    horizons = (60, 10, 25)
    close = 100.0 + np.arange(90) * 0.1 + np.random.default_rng(2).normal(size=90) * 0.01
    close[-10:] -= np.arange(10) * 0.2
    bars = bars_of(close)
    surveillance = Surveillance(WatchSettings(momentum_bars=horizons))
    surveillance.add("sim:A")
    for start in range(0, 90, 7):
        surveillance.warm("sim:A", bars[start : start + 7])
    found = surveillance.momentum("sim:A")
    assert [one.bars for one in found] == [10, 25, 60]
    for one in found:
        fit = sm.OLS(close[-one.bars :], sm.add_constant(np.arange(float(one.bars)))).fit()
        assert one.slope == pytest.approx(fit.params[1], rel=1e-7)
        assert one.statistic == pytest.approx(fit.tvalues[1], rel=1e-6)
        limit = MOMENTUM_LIMIT * math.sqrt(one.bars)
        assert one.direction == (abs(fit.tvalues[1]) > limit) * np.sign(fit.tvalues[1])
    assert (found[0].direction, found[-1].direction) == (-1, 1)
    scores = surveillance.scores("sim:A")[-1]
    assert (scores["slope_bars"], scores["slope"]) == (60, found[-1].slope)
    (reading,) = (o for o in bar_readings("sim:A", [scores]) if o.measure == "momentum_t")
    assert reading.numbers["horizon_s"] == 60.0
    assert reading.value == found[-1].statistic


def test_momentum_is_unknown_before_there_are_prices() -> None:
    surveillance = Surveillance(SMALL)
    surveillance.add("sim:A")
    for bars in (0, 4):
        surveillance.warm("sim:A", bars_of(walk(bars)))
        assert [(one.bars, one.direction) for one in surveillance.momentum("sim:A")] == [
            (5, 0), (15, 0),
        ]  # fmt: skip
        assert all(math.isnan(one.statistic) for one in surveillance.momentum("sim:A"))
    with pytest.raises(DataError, match="not monitored"):
        surveillance.momentum("sim:B")


def test_a_trend_is_bullish_and_a_walk_seldom_is() -> None:
    random = np.random.default_rng(1)
    trend = 100.0 + np.arange(400) * 0.01 + random.normal(size=400) * 0.001
    one = WatchSettings(momentum_bars=(60,))
    assert InstrumentWatch("sim:A", one).bars(bars_of(trend))["momentum"][-1] == 1
    assert InstrumentWatch("sim:A", one).bars(bars_of(200.0 - trend))["momentum"][-1] == -1
    calls = [
        InstrumentWatch("sim:A", one).bars(bars_of(walk(61, seed)))["momentum"][-1] != 0
        for seed in range(400)
    ]
    # 5 percent by its making; within three standard errors.
    assert 0.017 < np.mean(calls) < 0.083
    assert MOMENTUM_LIMIT * math.sqrt(60) > 20


def test_a_jump_is_flagged_and_explained() -> None:
    close = walk(400, 2)
    bars = bars_of(close)
    bars["volume"][350] *= 500.0
    surveillance = Surveillance(replace(SMALL, trees=100))
    surveillance.add("sim:A")
    surveillance.warm("sim:A", bars[:350])
    watch = surveillance.add("sim:A")
    score = watch.bars(bars[350:351])
    assert score["anomaly"][0] > score["anomaly_cut"][0]
    reason = watch.reason(score[0])
    assert reason.feature == "volume_change"
    assert reason.deviations > 4
    assert score["model"][0].decode() == watch.forest.version


def test_models_are_trained_again_and_each_score_says_by_which() -> None:
    surveillance = Surveillance(SMALL)
    surveillance.add("sim:A")
    for start in range(0, 300, 60):
        surveillance.warm("sim:A", bars_of(walk(300))[start : start + 60])
    versions = list(dict.fromkeys(surveillance.scores("sim:A")["model"].tolist()))
    assert versions[0] == b""
    # The first try comes before 60 bars are complete.
    assert len(versions) == 4


def test_a_model_trained_aside_takes_effect_when_it_is_done() -> None:
    kept = []
    with ThreadPoolExecutor(1) as executor:
        surveillance = Surveillance(SMALL, executor=executor, trained=lambda *one: kept.append(one))
        surveillance.add("sim:ETHUSDT")
        for trade in TRADES:
            surveillance.observe([trade])
            surveillance.close(trade.received_us)
            watched = surveillance._watched["sim:ETHUSDT"]
            if watched.training is not None:
                watched.training.result()
    assert [one[1] for one in kept][-1] is surveillance.model("sim:ETHUSDT")
    assert len(kept) >= 2


def test_garch_is_that_of_arch() -> None:
    from arch import arch_model

    random = np.random.default_rng(3)
    variance, returns = 1.0, []
    for _ in range(3_000):
        returns.append(math.sqrt(variance) * random.normal())
        variance = 0.05 + 0.08 * returns[-1] ** 2 + 0.87 * variance
    scaled = np.array(returns) * 1e-4
    found = garch_forecast(scaled, 10)
    fit = arch_model(np.array(returns), mean="Zero", vol="GARCH", p=1, q=1, rescale=False).fit(
        disp="off"
    )
    expected = np.sqrt(fit.forecast(horizon=10, reindex=False).variance.to_numpy()[-1]) * 1e-4
    np.testing.assert_allclose(found.deviation, expected, rtol=1e-3)
    assert found.alpha + found.beta == pytest.approx(0.95, abs=0.04)
    assert found.total == pytest.approx(math.sqrt(np.sum(found.deviation**2)))


@pytest.mark.parametrize(
    ("returns", "horizon", "hint"),
    [
        (np.zeros(500), 5, "does not move"),
        (np.ones(10), 5, "needs 200"),
        (np.full(500, np.nan), 5, "has 0 returns"),
        (np.arange(500.0), 0, "horizon"),
    ],
)
def test_garch_says_what_it_lacks(returns, horizon, hint) -> None:
    with pytest.raises(DataError, match=hint):
        garch_forecast(returns, horizon)


def test_the_volume_profile_finds_where_volume_traded() -> None:
    prices = np.r_[np.full(10, 10.0), np.full(50, 15.0), np.full(20, 16.0), [20.0]]
    profile = volume_profile(prices, np.ones(len(prices)), 10)
    assert profile.volume.sum() == 81
    assert profile.low <= 15.0 <= profile.high
    assert abs(profile.control - 15.5) < 0.51
    inside = (prices >= profile.low) & (prices <= profile.high)
    assert inside.mean() >= 0.7
    flat = volume_profile([5.0, 5.0], [1.0, 2.0])
    assert flat.volume.tolist() == [3.0]
    assert flat.control == pytest.approx(5.0)


@pytest.mark.parametrize("quantity", [[0.0, 0.0], [np.nan, np.nan], [-1.0, np.inf]])
def test_a_volume_profile_without_volume_says_so(quantity) -> None:
    with pytest.raises(DataError, match="no volume"):
        volume_profile([1.0, 2.0], quantity)

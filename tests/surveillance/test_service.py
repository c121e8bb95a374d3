"""Surveillance: stream equals batch, formulas against TA and libraries, and bad input."""

import dataclasses
import math
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tandem import analytics
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR, Trade
from tandem.surveillance.detectors import fresh
from tandem.surveillance.divergence import Divergence
from tandem.surveillance.instrument import (
    MOMENTUM_LIMIT,
    InstrumentWatch,
    bar_readings,
    trade_readings,
    yearly,
)
from tandem.surveillance.liquidity import volume_profile
from tandem.surveillance.service import Surveillance, batch
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.volatility import garch_forecast
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.architecture import MODULES
from tests.support.watched_trades import BASE_US, BOTH, OTHERS, SMALL, TRADES, same


def bars_of(close, volume=None, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    bars = np.zeros(len(close), BAR)
    bars["time_us"] = BASE_US + np.arange(len(close)) * SECOND_US
    bars["open"] = bars["high"] = bars["low"] = bars["close"] = close
    bars["volume"] = random.lognormal(size=len(close)) if volume is None else volume
    bars["buy_volume"] = bars["volume"] * random.uniform(size=len(close))
    bars["notional"] = bars["volume"] * bars["close"]
    bars["trades"] = random.integers(1, 20, len(close))
    bars["last_us"] = bars["time_us"]
    return bars


def walk(count: int, seed: int = 0) -> np.ndarray:
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(size=count)) * 1e-3)


@cache
def watched_whole():
    return batch(BOTH, SMALL, [("sim:ETHUSDT", "sim:BTCUSDT")])


@settings(max_examples=4, deadline=None)
@example([422, 323, 743, 1734, 198, 130, 485, 1796])
@given(st.lists(st.integers(0, len(BOTH)), max_size=25))
def test_any_cutting_of_the_stream_gives_the_scores_of_the_batch(cuts) -> None:
    whole, readings = watched_whole()
    stream = Surveillance(SMALL)
    for name in dict.fromkeys(trade.instrument for trade in BOTH):
        stream.add(name)
    stream.add_pair("sim:ETHUSDT", "sim:BTCUSDT")
    told = []
    edges = [0, *sorted(cuts), len(BOTH)]
    for start, stop in zip(edges, edges[1:], strict=False):
        piece = BOTH[start:stop]
        told += stream.observe(piece)
        if piece:
            told += stream.close(piece[-1].received_us)
    for name in whole.instruments():
        assert len(whole.scores(name)) > 200
        same(whole.scores(name), stream.scores(name))
        same(whole.trade_scores(name), stream.trade_scores(name))
        assert whole.model(name).version == stream.model(name).version
    assert kept(readings) == kept(told)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(5))
def test_sparse_trades_holes_and_silence_come_out_the_same(seed: int, rate: float) -> None:
    random = np.random.default_rng(seed)
    both = []
    for name, seconds in (("sim:ETHUSDT", 240), ("sim:BTCUSDT", int(random.choice([100, 240])))):
        end_us = BASE_US + seconds * SECOND_US
        both += SimulatedMarket(seed, rate).history(name, BASE_US, end_us)
    begin_us = BASE_US + int(random.integers(30, 150)) * SECOND_US
    hole = range(begin_us, begin_us + int(random.choice([0, 30, 70, 90])) * SECOND_US)
    both = sorted((t for t in both if t.received_us not in hole), key=lambda t: t.received_us)
    given = dataclasses.replace(SMALL, retrain_bars=7, least_bars=30, keep=50)
    whole, readings = batch(both, given, [("sim:ETHUSDT", "sim:BTCUSDT")])
    stream, told, at = Surveillance(given), [], 0
    stream.add_pair("sim:ETHUSDT", "sim:BTCUSDT")
    while at < len(both):
        piece = both[at : at + int(random.choice([1, 2, 10, 300]))]
        at += len(piece)
        told += stream.observe(piece) + stream.close(piece[-1].received_us)
    # Until every second has closed, also where the last piece came late.
    later_us = both[-1].received_us + 10 * SECOND_US
    readings, told = readings + whole.close(later_us), told + stream.close(later_us)
    for name in whole.instruments():
        same(whole.scores(name), stream.scores(name))
        same(whole.trade_scores(name), stream.trade_scores(name))
        assert repr(whole.momentum(name)) == repr(stream.momentum(name))
    assert kept(readings) == kept(told)


def kept(found):
    """Return readings in an order of their own, without ages, which go by when one looks."""
    rest = (one for one in found if one.measure != "trade_age")
    return sorted((*one[:4], repr(one.numbers)) for one in rest)


@pytest.mark.parametrize("seconds", range(95, 103))
def test_one_that_falls_silent_is_scored_to_its_end(seconds: int) -> None:
    until_us = BASE_US + seconds * SECOND_US
    silent = [trade for trade in OTHERS if trade.time_us < until_us]
    surveillance, _ = batch(sorted(TRADES + silent, key=lambda one: one.received_us), SMALL)
    last_us = max(trade.time_us for trade in silent) // SECOND_US * SECOND_US
    assert surveillance.scores("sim:BTCUSDT")["time_us"][-1] == last_us
    alone, _ = batch(silent, SMALL)
    alone.close(TRADES[-1].received_us)
    same(surveillance.scores("sim:BTCUSDT"), alone.scores("sim:BTCUSDT"))


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


# Pairs ----------------------------------------------------------------------------------


def apart(y, x, within=60):
    pair = Divergence("sim:Y", "sim:X", within)
    end = BASE_US + len(y) * SECOND_US
    found = pair.add("sim:Y", bars_of(y), end)
    return found + pair.add("sim:X", bars_of(x), end)


def test_legs_that_move_apart_are_found() -> None:
    y, x = np.full(100, 50.0), np.full(100, 20.0)
    y[80:] *= 0.99
    found = apart(y, x)
    assert [one.time_us for one in found] == [BASE_US + (s + 1) * SECOND_US for s in range(60, 100)]
    assert found[19].percent == 0.0
    assert found[20].percent == pytest.approx(-1.0)
    assert (found[20].y, found[20].x) == (49.5, 20.0)
    both = apart(y, x * y / 50.0)
    assert max(abs(one.percent) for one in both) < 1e-9


def test_a_leg_that_falls_silent_is_carried_forward() -> None:
    pair = Divergence("sim:Y", "sim:X", 10)
    end = BASE_US + 40 * SECOND_US
    pair.add("sim:X", bars_of(np.full(3, 20.0)), end)
    found = pair.add("sim:Y", bars_of(np.r_[np.full(20, 50.0), np.full(20, 51.0)]), end)
    assert max(one.percent for one in found) == pytest.approx(2.0)
    assert found[-1].x == 20.0


@pytest.mark.parametrize("hole", [1, 59, 60, 61, 62, 500])
def test_seconds_without_a_trade_are_the_same_however_they_come(hole: int) -> None:
    close = walk(300, 3)
    kept = np.r_[0:100, 100 + hole : 100 + hole + 200]
    y, x = bars_of(close), bars_of(walk(300, 4))
    y["time_us"] = x["time_us"] = BASE_US + kept * SECOND_US
    x = np.delete(x, slice(150, 170))
    end = BASE_US + (kept[-1] + 1) * SECOND_US
    whole, pieces = Divergence("sim:Y", "sim:X"), Divergence("sim:Y", "sim:X")
    expected = whole.add("sim:Y", y, end) + whole.add("sim:X", x, end)
    found = []
    for until in range(BASE_US, end + 1, SECOND_US):
        for name, bars in (("sim:Y", y), ("sim:X", x)):
            now = (bars["time_us"] < until) & (bars["time_us"] >= until - SECOND_US)
            found += pieces.add(name, bars[now], until)
    assert found == expected
    # The last 60 s after a trade are said, and the rest of a longer hole is not; nor is a move
    # since one of those seconds.
    assert len(found) == 240 + min(hole, 60) - min(max(hole - 60, 0), 60)


def test_a_leg_that_never_trades_fills_no_memory(monkeypatch) -> None:
    monkeypatch.setattr("tandem.surveillance.divergence.MOST_WAITING", 100)
    pair, close = Divergence("sim:Y", "sim:X", 10), walk(500)
    bars = bars_of(close)
    for at in range(0, 500, 7):
        assert pair.add("sim:Y", bars[at : at + 7], int(bars["time_us"][at]) + SECOND_US) == []
    assert len(pair._waiting["sim:Y"]) == 100
    end = int(bars["time_us"][-1]) + SECOND_US
    pair.add("sim:Y", bars[:0], end)
    found = pair.add("sim:X", bars[480:], end)
    assert [one.time_us for one in found] == (bars["time_us"][490:] + SECOND_US).tolist()
    assert max(abs(one.percent) for one in found) == 0.0


def test_a_hole_of_years_takes_no_time() -> None:
    pair = Divergence("sim:Y", "sim:X")
    bars = bars_of(np.full(2, 50.0))
    bars["time_us"][1] += 10**15
    end = int(bars["time_us"][1]) + SECOND_US
    found = pair.add("sim:Y", bars, end) + pair.add("sim:X", bars, end)
    assert [one.time_us for one in found] == [BASE_US + 61 * SECOND_US]


def holed(trades: list[Trade], hole_s: float) -> list[Trade]:
    """Return trades with a hole in their middle, over which the price moves by 2 percent."""
    half = len(trades) // 2
    after = [
        one._replace(
            time_us=one.time_us + int(hole_s * SECOND_US),
            received_us=one.received_us + int(hole_s * SECOND_US),
            price=one.price * 1.02,
        )
        for one in trades[half:]
    ]
    return trades[:half] + after


def test_a_return_over_a_hole_is_none_and_alarms_nobody() -> None:
    trades = holed(TRADES, 600.0)
    surveillance, _ = batch(trades, SMALL)
    at = len(trades) // 2
    scores = surveillance.trade_scores("sim:ETHUSDT")[-len(trades) :]
    row = scores[scores["time_us"] == trades[at].time_us][0]
    assert np.isnan(row["return_"]) and np.isnan(row["return_z"])
    assert np.nanmax(np.abs(scores["return_"])) < 0.019
    bars = surveillance.scores("sim:ETHUSDT")
    first = np.flatnonzero(bars["time_us"] >= trades[at].time_us // SECOND_US * SECOND_US)[0]
    for name in ("return_", "return_z", "rsi", "volatility", "volume_change", "anomaly", "ewma"):
        assert np.isnan(bars[name][first]), name
    # What is remembered of the time before goes on with the next bar.
    assert np.isfinite(bars["volatility"][first + 1])
    assert np.nanmax(bars["volatility"]) < 0.01
    assert np.isnan(bars["slope"][first + 1])


@pytest.mark.parametrize(("spacing_s", "hole_s", "is_hole"), [
    (1.0, 59.0, False), (1.0, 61.0, True), (0.01, 61.0, True), (30.0, 300.0, False),
    (30.0, 700.0, True), (300.0, 3_000.0, False), (300.0, 7_000.0, True),
])  # fmt: skip
def test_what_a_hole_is_follows_from_how_often_prices_come(
    spacing_s: float, hole_s: float, is_hole: bool
) -> None:
    times = np.arange(200) * spacing_s
    times[150:] += hole_s
    watch = InstrumentWatch("sim:A", SMALL)
    scores = watch.trades((BASE_US + times * SECOND_US).astype(np.int64), walk(200))
    found = np.flatnonzero(np.isnan(scores["return_"]))
    assert found.tolist() == ([0, 150] if is_hole else [0])


def test_a_past_that_is_filled_in_is_scored_and_not_told() -> None:
    surveillance = Surveillance(SMALL)
    surveillance.add_pair("sim:ETHUSDT", "sim:BTCUSDT")
    now = BOTH[-1].received_us
    told = surveillance.observe(BOTH, lambda name: now) + surveillance.close(now, only_fresh=True)
    whole = Surveillance(SMALL)
    whole.add_pair("sim:ETHUSDT", "sim:BTCUSDT")
    everything = whole.observe(BOTH) + whole.close(now)
    scores, expected = (
        (one.trade_scores("sim:ETHUSDT"), one.scores("sim:ETHUSDT"))
        for one in (surveillance, whole)
    )
    assert [one.tobytes() for one in scores] == [one.tobytes() for one in expected]
    assert {one.measure for one in told} == {one.measure for one in everything}
    assert len(told) < len(everything) / 3
    assert min(one.time_us for one in told) >= now - 31 * SECOND_US
    # As text: what is not known is NaN, which equals nothing.
    late = [
        [repr(one) for one in readings if one.time_us > now - 29 * SECOND_US]
        for readings in (told, everything)
    ]
    assert late[0] == late[1]


def test_a_source_that_grows_slow_is_heard_again() -> None:
    times = np.cumsum(np.r_[np.ones(100), np.full(100, 600.0)])
    watch = InstrumentWatch("sim:A", SMALL)
    scores = watch.trades((BASE_US + times * SECOND_US).astype(np.int64), walk(200))
    assert np.isfinite(scores["return_"][-50:]).all()


def test_a_pair_of_one_instrument_is_refused() -> None:
    with pytest.raises(DataError, match="two different"):
        Divergence("sim:Y", "sim:Y")
    with pytest.raises(DataError, match="seconds"):
        Divergence("sim:Y", "sim:X", 0)


# Volatility and volume --------------------------------------------------------------------


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


# Bad input --------------------------------------------------------------------------------


def test_constant_prices_flag_nothing_and_train_nothing() -> None:
    bars = bars_of(np.full(300, 7.0), np.ones(300))
    bars["buy_volume"], bars["trades"] = 0.5, 1
    watch = InstrumentWatch("sim:A", SMALL)
    scores = watch.bars(bars)
    assert np.isnan(scores["price_z"]).all()
    assert scores["shock"].max() == 0
    assert watch.train() is None
    assert "needs 60" in watch.problem or "cannot be trained" in watch.problem


def test_missing_volume_leaves_what_needs_it_out_of_the_model() -> None:
    bars = bars_of(walk(300), np.zeros(300))
    bars["notional"] = bars["buy_volume"] = 0.0
    watch = InstrumentWatch("sim:A", WatchSettings(least_bars=100))
    scores = watch.bars(bars)
    assert np.isnan(scores["volume_change"]).all()
    assert np.isnan(scores["amihud"]).all()
    forest = watch.train()
    assert forest.features == ("rsi", "volatility")


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf, 1e60])
def test_a_price_that_is_none_changes_nothing_after_it(bad) -> None:
    close = walk(100)
    watch, other = InstrumentWatch("sim:A", SMALL), InstrumentWatch("sim:A", SMALL)
    bars = bars_of(close)
    worse = np.insert(bars, 50, bars[50])
    worse["close"][50] = bad
    scores = other.bars(worse)
    assert math.isnan(scores["price_z"][50])
    assert math.isnan(scores["return_"][50])
    clean = watch.bars(bars)
    for name in ("price_z", "return_z", "rsi", "volatility", "slope_t", "kyle"):
        np.testing.assert_array_equal(np.delete(scores[name], 50), clean[name])


def test_nothing_is_watched_before_there_is_history() -> None:
    surveillance = Surveillance()
    assert surveillance.observe(TRADES[:5]) == []
    assert surveillance.close(BASE_US) == []
    surveillance.add("sim:ETHUSDT")
    row = surveillance.wall(BASE_US)[0]
    assert math.isnan(row.price)
    assert math.isnan(row.z)
    assert row.momentum == 0
    assert row.is_simulated
    assert "waiting" in row.text
    with pytest.raises(DataError, match="not monitored"):
        surveillance.scores("sim:NONE")
    with pytest.raises(DataError, match="needs 200"):
        surveillance.forecast("sim:ETHUSDT")


def test_the_wall_says_what_was_last_seen() -> None:
    surveillance, _ = batch(TRADES, SMALL)
    last = TRADES[-1]
    row = surveillance.wall(last.received_us + 5 * SECOND_US)[0]
    assert row.price == last.price
    assert row.age_s == pytest.approx(5.0, abs=0.2)
    assert row.spark[-1] == surveillance.scores("sim:ETHUSDT")["price"][-1]
    assert row.volatility > 0
    assert row.text == ""
    surveillance.remove("sim:ETHUSDT")
    assert surveillance.wall(0) == []


def test_an_instrument_that_falls_silent_is_read_second_by_second() -> None:
    surveillance, _ = batch(TRADES, SMALL)
    last = TRADES[-1]
    ages = []
    for step in range(1, 200):
        now_us = last.received_us + step * SECOND_US // 4
        readings = surveillance.close(lambda name, now_us=now_us: now_us)
        ages += [one.value for one in readings if one.measure == "trade_age"]
    assert 48 <= len(ages) <= 51
    assert ages == sorted(ages)
    assert ages[-1] == pytest.approx(49.5, abs=1.0)


def test_only_what_is_about_now_is_told() -> None:
    _, readings = batch(TRADES, SMALL)
    now_us = TRADES[-1].time_us
    assert all(one.time_us >= now_us - 30 * SECOND_US for one in fresh(readings, now_us))
    assert 0 < len(fresh(readings, now_us)) < len(readings)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"features": ("rsi", "moon")}, "moon"),
        ({"features": ()}, "none"),
        ({"window": 1}, "window"),
        ({"trees": 2.5}, "trees"),
        ({"anomaly_z": math.nan}, "anomaly_z"),
        ({"contamination": 0.9}, "contamination"),
        ({"momentum_bars": (1,)}, "momentum_bars"),
        ({"momentum_bars": ()}, "momentum_bars"),
    ],
)
def test_wrong_settings_are_said(wrong, hint) -> None:
    with pytest.raises(DataError, match=hint):
        WatchSettings(**wrong)


def test_polled_prices_are_watched_as_trades() -> None:
    times = [BASE_US + at * 60 * SECOND_US for at in range(200)]
    trades = [
        Trade("coingecko:A", at, at, price, 0.0, 0, at)
        for at, price in zip(times, walk(200, 4), strict=True)
    ]
    surveillance, readings = batch(trades, WatchSettings(trade_window=20))
    assert {one.measure for one in readings} >= {"trade_price_z", "trade_return_z", "trade_age"}


def test_an_instrument_takes_two_and_a_half_megabytes() -> None:
    bars = bars_of(walk(20_000))
    watch = InstrumentWatch("sim:A", WatchSettings())
    tracemalloc.start()
    try:
        watch = InstrumentWatch("sim:A", WatchSettings())
        watch.bars(bars)
        watch.trades(np.arange(20_000), walk(20_000))
        watch.use(watch.train())
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3e6
    assert len(watch.scores) == len(watch.trade_scores) == 3_600
    assert watch.forest.bars == 14_400
    assert watch.forest.from_us == bars["time_us"][-14_400]


def test_one_place_says_how_long_a_year_is() -> None:
    defining = {
        name
        for name, path in MODULES.items()
        if re.search(r"YEAR\w* = 365", path.read_text("utf-8"))
    }
    assert defining == {"tandem.core.clock"}

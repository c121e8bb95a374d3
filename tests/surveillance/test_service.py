"""Surveillance: stream equals batch, what the wall shows, and bad input."""

import dataclasses
import math
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import Trade
from tandem.surveillance.detectors import fresh
from tandem.surveillance.instrument import (
    InstrumentWatch,
)
from tandem.surveillance.service import Surveillance, batch
from tandem.surveillance.settings import WatchSettings
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.architecture import MODULES
from tests.support.watched_bars import bars_of, walk, watched_whole
from tests.support.watched_trades import BASE_US, BOTH, OTHERS, SMALL, TRADES, same


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

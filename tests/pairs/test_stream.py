"""A pair followed bar by bar: chunking, restarts and units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.core.errors import DataError
from tandem.pairs.stream import COLUMNS, PairSettings, PairStream
from tandem.strategy.rules import Rules
from tests.support.made_pairs import aligned, cointegrated, part

BASE = PairSettings("sim:ETHUSDT", "sim:BTCUSDT", lookback=50, z_window=20)
ALL = [
    replace(BASE, model=model, z_kind=kind, rules=Rules(log_prices=logs))
    for model, kind, logs in (
        ("ols", "model", False),
        ("ols", "robust", True),
        ("huber", "ewm", False),
        ("kalman", "model", False),
        ("kalman", "rolling", True),
    )
]


def follow(pair: PairSettings, bars, cuts=(), keep: int = 5_000) -> PairStream:
    stream = PairStream(pair, keep)
    edges = [0, *sorted(cuts), len(bars.time_us)]
    for start, stop in zip(edges, edges[1:], strict=False):
        stream.extend(part(bars, start, stop))
    return stream


def same(one: PairStream, other: PairStream) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(one.view()[name], other.view()[name], err_msg=name)
    assert one.trader.trades == other.trader.trades


@pytest.mark.parametrize(
    "pair", ALL, ids=lambda pair: f"{pair.model}-{pair.z_kind}-{pair.log_prices}"
)
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6), seed=st.integers(0, 50))
def test_any_chunking_gives_the_same_bars_to_the_bit(pair, cuts, seed) -> None:
    usable = np.random.default_rng(seed).random(400) > 0.05
    bars = aligned(*cointegrated(400, seed), usable=usable)
    same(follow(pair, bars), follow(pair, bars, cuts))


@pytest.mark.parametrize(
    "pair", ALL, ids=lambda pair: f"{pair.model}-{pair.z_kind}-{pair.log_prices}"
)
def test_a_restart_changes_nothing(pair) -> None:
    bars = aligned(*cointegrated(600, 3))
    whole = follow(pair, bars)
    first = follow(pair, part(bars, 0, 333))
    second = PairStream(pair)
    second.restore({name: np.array(value) for name, value in first.state().items()})
    second.extend(part(bars, 333, 600))
    same(whole, second)
    assert second.progress == whole.progress


def test_the_spread_is_priced_by_the_hedge_known_before_the_bar() -> None:
    bars = aligned(*cointegrated(300, 1))
    view = follow(replace(BASE, model="ols"), bars).view()
    expected = bars.y[1:] - (view["alpha"][:-1] + view["beta"][:-1] * bars.x[1:])
    np.testing.assert_allclose(view["spread"][1:], expected, rtol=0, atol=1e-9)


def test_pitfall_8_changing_the_future_changes_nothing_before_it() -> None:
    y, x = cointegrated(400, 2)
    changed = y.copy()
    changed[300:] *= 1.1
    for pair in ALL:
        one, other = follow(pair, aligned(y, x)).view(), follow(pair, aligned(changed, x)).view()
        for name in COLUMNS:
            np.testing.assert_array_equal(one[name][:300], other[name][:300], err_msg=name)


def test_pitfall_13_a_stale_leg_gives_no_estimate_and_no_signal() -> None:
    y, x = cointegrated(400, 4)
    usable = np.ones(400, bool)
    usable[200:260] = False
    view = follow(replace(BASE, model="ols"), aligned(y, x, usable=usable)).view()
    assert np.isnan(view["z"][200:260]).all()
    assert np.isnan(view["beta"][200:260]).all()
    assert not view["event"][200:260].any()


@pytest.mark.parametrize("model", ["ols", "kalman", "huber"])
def test_unit_changes_do_not_change_z(model) -> None:
    y, x = cointegrated(400, 5)
    pair = replace(BASE, model=model)
    one = follow(pair, aligned(y, x)).view()
    other = follow(pair, aligned(1_000.0 * y, 0.01 * x)).view()
    np.testing.assert_allclose(other["z"], one["z"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(other["beta"], 1e5 * one["beta"], rtol=1e-6)


@pytest.mark.parametrize(
    "pair", ALL, ids=lambda pair: f"{pair.model}-{pair.z_kind}-{pair.log_prices}"
)
def test_the_running_bar_says_what_it_will_say_when_it_closes(pair) -> None:
    bars = aligned(*cointegrated(300, 6))
    stream = follow(pair, part(bars, 0, 299))
    before = stream.state()
    now = stream.provisional(bars.y[299], bars.x[299])
    for name, value in stream.state().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    stream.extend(part(bars, 299, 300))
    last = stream.view()
    assert now.spread == pytest.approx(last["spread"][-1], rel=1e-9, abs=1e-12)
    assert now.z == pytest.approx(last["z"][-1], rel=1e-9)


def test_only_the_last_bars_are_kept_and_views_stay_as_they_were() -> None:
    bars = aligned(*cointegrated(1_000, 7))
    stream = PairStream(BASE, keep=100)
    stream.extend(part(bars, 0, 150))
    early = stream.view()["y"]
    copy = early.copy()
    for start in range(150, 1_000, 7):
        stream.extend(part(bars, start, min(start + 7, 1_000)))
    np.testing.assert_array_equal(early, copy)
    assert stream.bars == 1_000
    np.testing.assert_array_equal(stream.view()["y"], bars.y[-100:])


def test_progress_counts_to_the_first_z() -> None:
    for pair in ALL:
        stream, bars = PairStream(pair), aligned(*cointegrated(400, 8))
        for bar in range(400):
            stream.extend(part(bars, bar, bar + 1))
            seen, needed = stream.progress
            assert np.isnan(stream.view()["z"][-1]) == (seen < needed), (
                pair.model,
                pair.z_kind,
                bar,
            )


def test_equal_settings_have_equal_keys() -> None:
    assert BASE.key == replace(BASE).key
    assert BASE.key != replace(BASE, rules=Rules(entry=1.9)).key


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": "sim:ETHUSDT"}, "two different"),
        ({"bar_us": 1}, "whole seconds"),
        ({"lookback": 2}, "at least 10"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, words) -> None:
    with pytest.raises(DataError, match=words):
        replace(BASE, **change)


@pytest.mark.parametrize(
    "pair", ALL, ids=lambda pair: f"{pair.model}-{pair.z_kind}-{pair.log_prices}"
)
def test_a_spread_that_never_moves_has_no_z(pair) -> None:
    x = cointegrated(300, 1)[1]
    for y in (np.full(300, 1.0), 2.0 * x):
        stream = follow(pair, aligned(y, x))
        assert not np.isinf(stream.provisional(float(y[-1]), float(x[-1])).z)


NO_PRICES = [0.0, -3.0, np.inf, -np.inf, np.nan]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "pair", ALL, ids=lambda pair: f"{pair.model}-{pair.z_kind}-{pair.log_prices}"
)
def test_what_is_no_price_leaves_no_infinity_behind(pair) -> None:
    y, x = cointegrated(400, 8)
    # Without logs a price of 0 or less, as of a spread contract, is a number like another.
    wrong = NO_PRICES if pair.log_prices else NO_PRICES[2:]
    y[200 : 200 + len(wrong)] = wrong
    x[220 : 220 + len(wrong)] = wrong
    stream = follow(pair, aligned(y, x))
    view = stream.view()
    places = [*range(200, 200 + len(wrong)), *range(220, 220 + len(wrong))]
    for name in ("spread", "z", "alpha", "beta", "hedged", "mean", "deviation"):
        assert not np.isinf(view[name]).any(), name
    assert np.isnan(view["spread"][places]).all()
    assert np.isfinite(view["z"][-100:]).all()
    for price in wrong:
        assert np.isnan(stream.provisional(price, x[-1]).z)
        assert np.isnan(stream.provisional(y[-1], price).spread)


@pytest.mark.filterwarnings("error")
def test_a_hedge_beyond_all_prices_is_not_drawn() -> None:
    stream = PairStream(replace(BASE, rules=Rules(log_prices=True)))
    drawn = stream._unscale(np.array([np.log(60_000.0), 800.0, np.nan]))
    np.testing.assert_allclose(drawn, [60_000.0, np.nan, np.nan])

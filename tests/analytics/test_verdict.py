"""Sound, breaking or unknown: on pairs of which it is known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks import worlds
from tandem import analytics

BARS = 1_000


def called(truth, repeats, bars=BARS):
    states = [
        analytics.soundness(*truth(worlds.INDEPENDENT, bars, seed)).state for seed in range(repeats)
    ]
    return {state: states.count(state) / repeats for state in ("sound", "breaking", "unknown")}


def test_pairs_that_hold_are_sound_and_broken_ones_breaking():
    holds, broken = called(worlds.sound, 60), called(worlds.broken, 60)
    assert holds["sound"] > 0.8
    assert holds["breaking"] < 0.15
    assert broken["breaking"] > 0.5
    assert broken["sound"] < 0.35


def test_what_never_was_a_pair_cannot_break():
    found = called(worlds.unrelated, 100)
    assert found["unknown"] > 0.8
    assert found["sound"] < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("bars", [1_000, 2_000])
def test_false_verdicts_stay_near_five_percent(bars):
    assert called(worlds.sound, 1_000, bars)["breaking"] < 0.08
    assert called(worlds.unrelated, 1_000, bars)["sound"] < 0.07


def test_the_path_is_the_rolling_p_of_halves():
    y, x = (pd.Series(column) for column in worlds.sound(worlds.INDEPENDENT, BARS, 3))
    found = analytics.soundness(y, x)
    path = analytics.rolling_engle_granger(y, x, 500, 125)
    pd.testing.assert_series_equal(found.rolling_p, path)
    assert np.isfinite(path).sum() == 5
    assert found.cusum.statistic == analytics.cusum(y, x).statistic
    assert found.p_value == analytics.engle_granger(y, x).p_value_searched


def test_a_relation_that_ended_is_breaking_though_nothing_shifted():
    # The second half is a walk that starts where the spread was: CUSUM may be quiet or not.
    rng = np.random.default_rng(4)
    x, u = 100.0 + np.cumsum(rng.normal(size=BARS)), np.zeros(BARS)
    for t in range(1, BARS):
        u[t] = (0.8 if t < BARS // 2 else 1.0) * u[t - 1] + rng.normal()
    found = analytics.soundness(3.0 + 0.6 * x + u, x)
    assert found.state == "breaking"
    assert "level shift" in found.sentence or "cointegrated" in found.sentence


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda y, x: (y[:150], x[:150]), "150 of 200 bars"),
        (lambda y, x: (2.0 * x, x), "one asset"),
        (lambda y, x: (y, np.full(len(x), 0.1)), "constant"),
    ],
)
def test_without_a_test_nothing_is_known(spoil, words):
    found = analytics.soundness(*spoil(*worlds.sound(worlds.INDEPENDENT, BARS, 5)))
    assert found.state == "unknown"
    assert words in found.sentence
    assert math.isnan(found.p_value)
    assert np.isnan(found.rolling_p).all()
    assert found.cusum is None

"""Sentences, tables and figures of one instrument."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tandem.core.clock import SECOND_US
from tandem.surveillance.divergence import Apart
from tandem.surveillance.instrument import MOMENTUM_LIMIT, Momentum
from tandem.surveillance.liquidity import volume_profile
from tandem.surveillance.service import batch
from tandem.surveillance.volatility import Forecast
from tandem.ui.surveillance import charts as surveillance_charts
from tandem.ui.surveillance import wording as words
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.watched_rows import (
    NAME,
    NOW,
    OTHER,
    SETTINGS,
    scores_of,
)


@pytest.fixture(scope="module")
def watched() -> Any:
    """Return an hour of two simulated instruments, watched."""
    market = SimulatedMarket(5, 4.0)
    trades = [
        trade
        for name in (NAME, OTHER)
        for trade in market.history(name, NOW - 1_800 * SECOND_US, NOW)
    ]
    return batch(sorted(trades, key=lambda one: one.received_us), SETTINGS, [(NAME, OTHER)])[0]


def test_the_model_says_where_it_comes_from_and_when_the_next_comes(watched: Any) -> None:
    forest, scores = watched.model(NAME), watched.scores(NAME)
    text = words.model_text(forest, "", scores, SETTINGS)
    new = int((scores["time_us"] > forest.to_us).sum())
    assert 0 < new < len(scores)
    for part in (
        forest.version,
        f"{forest.bars:,} bars",
        "contamination 0.1 %",
        "RSI, volatility and volume change",
        f"after {SETTINGS.retrain_bars - new:,} more bars",
    ):
        assert part in text
    old = replace(SETTINGS, retrain_bars=2)
    assert "the current training" in words.model_text(forest, "", scores, old)


def test_without_a_model_it_says_why_and_how_long() -> None:
    text = words.model_text(None, "It waits.", scores_of(100), SETTINGS)
    assert text.startswith("It waits. Collected 100 of 600 bars")
    assert "about 8 min" in text
    assert words.model_text(None, "It failed.", scores_of(700), SETTINGS) == "It failed."


def test_a_past_too_short_a_still_price_and_no_volume_are_said() -> None:
    (text,) = words.doubts(scores_of(0), SETTINGS)
    assert "No bar has closed yet" in text
    (text,) = words.doubts(scores_of(40), SETTINGS)
    assert "300 bars and 40 are available" in text
    assert words.doubts(scores_of(400), SETTINGS) == []
    still = scores_of(400, price=np.full(400, 100.0))
    (text,) = words.doubts(still, SETTINGS)
    assert "has not moved in 300 bars" in text
    for volume in (0.0, np.nan):
        (text,) = words.doubts(scores_of(400, volume=np.full(400, volume)), SETTINGS)
        assert "prices without volume" in text


def test_momentum_has_a_row_per_horizon_with_its_limit() -> None:
    found = (Momentum(60, 0.01, 30.0, 1), Momentum(300, math.nan, math.nan, 0))
    sheet = words.momentum_sheet(found, 100.0)
    assert [[cell["text"] for cell in row] for row in sheet["rows"]] == [
        ["60 s", "+60.00 bp/min", "+30.0", "\u00b121.8", "\u25b2 bullish"],
        ["5 min", "\u2013 bp/min", "\u2013", "\u00b148.8", "neutral"],
    ]
    assert f"{MOMENTUM_LIMIT:g}" in sheet["note"]


def test_realised_volatility_counts_time_and_not_bars() -> None:
    scores = scores_of(301, return_=np.full(301, 1e-4))
    steady = 100.0 * 1e-4 * math.sqrt(365.25 * 86_400.0)
    assert words.realised(scores) == pytest.approx(steady)
    # The same moves in half of the seconds are half the variance.
    assert words.realised(scores[::2]) == pytest.approx(steady / math.sqrt(2.0))
    assert math.isnan(words.realised(scores[:1]))


def test_a_forecast_stands_beside_what_was(watched: Any) -> None:
    forecast = Forecast(1e-9, 0.1, 0.8, np.full(300, 1e-4), 1e-4 * math.sqrt(300), 1_000)
    scores = watched.scores(NAME)
    # As if every second had traded.
    scores = scores.copy()
    scores["time_us"] = np.arange(len(scores)) * SECOND_US
    rows = words.volatility_sheet(scores, SETTINGS, forecast, 12.0)["rows"]
    assert [row[0]["text"] for row in rows] == ["Realised, 5 min", "EWMA", "GARCH, next 5 min"]
    assert rows[0][1]["text"] == f"{words.realised(scores):,.1f}"
    assert rows[2][1]["text"] == f"{100.0 * 1e-4 * math.sqrt(365.25 * 86_400.0):,.1f}"
    assert rows[2][2]["text"] == "17.3 bp over 5 min"
    assert "fitted 12 s ago on 1,000 returns" in rows[2][3]["text"]
    # Of bars that come every 4 s, 300 are 20 minutes: the deviation over them is the same.
    scores["time_us"] *= 4
    slow = words.volatility_sheet(scores, SETTINGS, forecast, 12.0)["rows"][2]
    assert slow[0]["text"] == "GARCH, next 20 min"
    assert slow[2]["text"] == "17.3 bp over 20 min"
    assert len(words.volatility_sheet(scores_of(0), SETTINGS, None)["rows"]) == 2


def test_pairs_it_is_no_leg_of_are_left_out() -> None:
    far = Apart(NOW, 0.61, 0.7, 0.09, 3_400.0, 60_000.0)
    pairs = {f"{NAME}~{OTHER}": far, "sim:A~sim:B": far, f"{NAME}~sim:C": None}
    rows = words.apart_sheet(NAME, pairs, SETTINGS)["rows"]
    assert [[cell["text"] for cell in row] for row in rows] == [
        ["ETHUSDT and BTCUSDT", "+0.61 %", "+0.70 %", "+0.09 %"],
        ["ETHUSDT and C", "\u2013", "\u2013", "\u2013"],
    ]
    assert [row[1]["tone"] for row in rows] == ["bad", ""]
    assert "not a leg of any running pair" in words.apart_sheet("sim:Z", pairs, SETTINGS)["note"]


def trace(figure: dict[str, Any], name: str, panel: str = "y") -> dict[str, Any]:
    return next(one for one in figure["traces"] if one["name"] == name and one["yaxis"] == panel)


def column(figure: dict[str, Any], name: str) -> list[Any]:
    return figure["columns"][name.removeprefix("$")]


def test_flagged_bars_are_marked_at_their_prices_with_the_reason() -> None:
    scores = scores_of(50, return_z=[4.0, 0.0, 0.0], shock=[0, 0, 2])
    figure = surveillance_charts.score_chart(scores, SETTINGS, "1")
    marks = trace(figure, "flagged")
    assert column(figure, marks["y"]) == scores["price"][[47, 49]].tolist()
    assert column(figure, marks["x"]) == (scores["time_us"][[47, 49]] / 1_000).tolist()
    assert column(figure, marks["text"]) == [
        "return z +4.0",
        "liquidity shock, 2 simultaneous outliers",
    ]
    assert marks["marker"]["color"] == "@bad"
    assert column(figure, trace(figure, "flagged", "y2")["y"]) == [4.0]
    levels = [shape["y0"] for shape in figure["layout"]["shapes"]]
    assert levels == [3.0, -3.0]


def test_figures_without_bars_are_figures(watched: Any) -> None:
    for scores in (scores_of(0), watched.scores(NAME)[:1], watched.scores(NAME)):
        assert surveillance_charts.score_chart(scores, SETTINGS, "1")["layout"]["height"] > 400
        for draw in (surveillance_charts.feature_chart, surveillance_charts.liquidity_chart):
            assert len(draw(scores, "1")["traces"]) == 5


def test_the_value_area_is_told_apart() -> None:
    profile = volume_profile([1.0, 2.0, 2.0, 3.0], [1.0, 5.0, 5.0, 1.0], buckets=3)
    figure = surveillance_charts.profile_chart(profile, NAME, "1")
    inside, outside = figure["traces"]
    assert column(figure, inside["x"]) == [10.0]
    assert column(figure, outside["x"]) == [1.0, 1.0]
    assert "point of control 2.0" in figure["layout"]["annotations"][0]["text"]

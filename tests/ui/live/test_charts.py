"""Figures: what is drawn is what was computed, and nothing moves that did not change."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tandem.core.events import BAR
from tandem.pairs.stream import PairSettings, PairStream
from tandem.ui.live import charts
from tandem.ui.shared.canvas import keep_extremes
from tests.support.made_pairs import aligned, cointegrated

PAIR = PairSettings("sim:ETHUSDT", "sim:BTCUSDT", model="ols", lookback=50, z_window=20)


def columns(n_bars: int = 400, usable=None):
    stream = PairStream(PAIR)
    stream.extend(aligned(*cointegrated(n_bars, 1), usable=usable))
    return stream.view()


VALUES = arrays(float, st.integers(1, 400), elements=st.floats(-1e6, 1e6) | st.just(np.nan))


@given(VALUES, st.integers(0, 10_000), st.integers(10, 100))
def test_thinning_keeps_both_ends_and_every_extreme(values, first, most) -> None:
    rows = keep_extremes(values, first, most)
    assert rows[0] == 0
    assert rows[-1] == len(values) - 1
    assert (np.diff(rows) > 0).all()
    assert len(rows) <= max(most, len(values) if len(values) <= most else 0) + 6
    known = values[~np.isnan(values)]
    if len(known):
        assert np.nanmin(values[rows]) == known.min()
        assert np.nanmax(values[rows]) == known.max()


def test_a_new_bar_leaves_the_rest_of_a_thinned_line_where_it_was() -> None:
    values = np.random.default_rng(0).normal(size=5_000).cumsum()
    for count in range(3_000, 3_040):
        one = set(keep_extremes(values[:count], 0, 900).tolist())
        other = set(keep_extremes(values[: count + 1], 0, 900).tolist())
        assert all(row >= count - 16 for row in one ^ other)


def test_a_line_that_slides_keeps_its_points() -> None:
    values = np.random.default_rng(0).normal(size=6_000).cumsum()
    one = set(keep_extremes(values[:5_000], 0, 900).tolist())
    other = {row + 1 for row in keep_extremes(values[1:5_001], 1, 900).tolist()}
    assert all(row < 16 or row > 4_980 for row in one ^ other)


def test_every_column_and_colour_a_trace_names_exists() -> None:
    palette = set(
        [
            "text",
            "muted",
            "grid",
            "edge",
            "paper",
            "y",
            "x",
            "spread",
            "z",
            "good",
            "bad",
            "band",
            "rest",
            "volume",
            "other",
        ]
    )
    figure = charts.pair_chart(columns(), PAIR, 0, "1")

    def walk(value) -> None:
        if isinstance(value, str) and value[:1] == "$":
            assert value[1:] in figure["columns"]
        elif isinstance(value, str) and value[:1] == "@":
            assert value[1:] in palette
        elif isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    assert all(re.fullmatch("[a-z][a-z0-9]+", trace["uid"]) for trace in figure["traces"])
    assert len({trace["uid"] for trace in figure["traces"]}) == len(figure["traces"])
    walk(figure["traces"])
    walk(figure["layout"])
    json.dumps(figure, allow_nan=False)


def test_a_pair_without_bars_draws_an_empty_chart() -> None:
    for draw in (charts.pair_chart, charts.hedge_chart):
        figure = draw(charts.empty(), PAIR, 0, "0")
        json.dumps(figure, allow_nan=False)
        assert not figure["layout"]["xaxis"]["showticklabels"], "there is no time to tell"
    json.dumps(charts.profile_chart(np.empty(0, BAR), "sim:ETHUSDT", "0"), allow_nan=False)
    json.dumps(charts.flow_chart(np.empty(0, BAR), "sim:ETHUSDT", "0"), allow_nan=False)


def test_signals_are_marked_at_their_bars() -> None:
    view = columns(1_000)
    figure = charts.pair_chart(view, PAIR, 0, "1")
    marks = [trace for trace in figure["traces"] if trace["mode"] == "markers"]
    drawn = sum(len(figure["columns"][trace["x"][1:]]) for trace in marks)
    assert drawn == np.isin(view["event"], (1, 2, 3, 4, 5)).sum() > 0


def test_stale_stretches_are_shaded() -> None:
    usable = np.ones(400, bool)
    usable[100:120] = False
    usable[390:] = False
    view = columns(400, usable)
    shaded = [
        shape
        for shape in charts.pair_chart(view, PAIR, 0, "1")["layout"]["shapes"]
        if shape["xref"] == "x"
    ]
    assert [shape["x0"] for shape in shaded] == [
        view["time_us"][100] / 1_000,
        view["time_us"][390] / 1_000,
    ]
    assert shaded[0]["x1"] == view["time_us"][120] / 1_000


def made_bars(prices: list[float], bought: list[float], sold: list[float]) -> np.ndarray:
    bars = np.zeros(len(prices), BAR)
    bars["volume"] = np.add(bought, sold)
    bars["buy_volume"] = bought
    bars["notional"] = bars["volume"] * prices
    return bars


def test_the_volume_profile_sums_to_the_volume() -> None:
    bars = made_bars([10.0, 11.0, 12.0], [1.0, 2.0, 3.0], [4.0, 0.0, 1.0])
    price, bought, sold = charts.volume_profile(bars, 3)
    assert bought.sum() == pytest.approx(6.0)
    assert sold.sum() == pytest.approx(5.0)
    assert price[np.argmax(bought + sold)] < 11.0
    flat = charts.volume_profile(made_bars([5.0, 5.0], [1.0, 1.0], [0.0, 0.0]))
    assert flat[1].sum() == pytest.approx(2.0)


def test_order_flow_is_the_balance_of_the_last_bars() -> None:
    bars = made_bars([1.0] * 5, [1.0, 0.0, 2.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0])
    _, imbalance = charts.order_flow(bars, 2)
    np.testing.assert_allclose(imbalance, [1.0, 0.0, 1.0 / 3.0, 1.0, np.nan])


def test_prices_without_volume_are_told_from_bars_that_have_some() -> None:
    prices = made_bars([10.0, 11.0], [0.0, 0.0], [0.0, 0.0])
    assert not charts.tells_volume(prices)
    assert charts.tells_volume(made_bars([10.0, 11.0], [0.0, 1.0], [0.0, 0.0]))
    assert charts.tells_volume(prices[:0])
    assert [len(part) for part in charts.volume_profile(prices)] == [0, 0, 0]
    volume, imbalance = charts.order_flow(prices)
    assert not volume.any()
    assert np.isnan(imbalance).all()


def test_names_from_outside_are_never_markup() -> None:
    pair = PairSettings("file:<a href='x'>y</a>", "file:$x&amp;", model="ols")
    text = json.dumps(charts.pair_chart(columns(), pair, 0, "1"))
    assert "<" not in text
    assert "&" not in text


def notes(figure, panel: str) -> dict[str, float]:
    return {
        note["text"]: note["y"]
        for note in figure["layout"]["annotations"]
        if note["yref"] == panel and note["xanchor"] == "right"
    }


def test_the_scale_of_z_names_its_thresholds_and_no_line_covers_them() -> None:
    figure = charts.pair_chart(columns(), PAIR, 0, "v")
    wanted = {"short 2": 2.0, "0": 0.0, "long −2": -2.0, "stop 4": 4.0, "stop −4": -4.0}
    assert wanted.items() <= notes(figure, "y3").items()
    assert not figure["layout"]["yaxis3"]["showticklabels"]


@pytest.mark.parametrize(("stop", "named"), [(2.2, False), (3.5, True), (np.inf, False)])
def test_names_that_would_stand_on_each_other_are_left_out(stop: float, named: bool) -> None:
    pair = replace(PAIR, rules=replace(PAIR.rules, stop=stop))
    names = notes(charts.pair_chart(columns(), pair, 0, "v"), "y3")
    assert any(name.startswith("stop") for name in names) is named


def test_the_axis_of_time_ends_at_the_bars_whatever_is_marked() -> None:
    shown = columns()
    figure = charts.pair_chart(shown, PAIR, 0, "v")
    assert figure["layout"]["xaxis"]["autorangeoptions"] == {
        "clipmin": shown["time_us"][0] / 1_000,
        "clipmax": shown["time_us"][-1] / 1_000,
    }
    assert (
        "autorangeoptions" not in charts.pair_chart(charts.empty(), PAIR, 0, "v")["layout"]["xaxis"]
    )


def test_a_far_z_leaves_the_thresholds_named_and_adds_round_numbers() -> None:
    shown = columns()
    shown = {**shown, "z": np.where(np.arange(len(shown["z"])) == 300, 14.0, shown["z"])}
    names = notes(charts.pair_chart(shown, PAIR, 0, "v"), "y3")
    assert {"short 2", "long −2", "10"} <= set(names)
    at = sorted(names.values())
    assert (np.diff(at) * 150 / 18 > 14).all()

"""The Surveillance page: what its wall, its tables and its sentences say, and that it runs."""

from __future__ import annotations

import math
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tandem.alerts.rules import Alert
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.ingest.status import FeedStatus
from tandem.surveillance.detectors import WallRow
from tandem.surveillance.divergence import Apart
from tandem.surveillance.instrument import BAR_SCORE, FEATURES, MOMENTUM_LIMIT, Momentum
from tandem.surveillance.liquidity import volume_profile
from tandem.surveillance.service import batch
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.volatility import Forecast
from tandem.ui.surveillance import charts as surveillance_charts
from tandem.ui.surveillance import detail as surveillance_detail
from tandem.ui.surveillance import overview as walls
from tandem.ui.surveillance import wording as words
from tandem.ui.surveillance.overview import Look
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.desk import engine
from tests.support.pages import sound
from tests.support.waiting import wait_until

PAGE = "from tandem.ui.surveillance.page import page\npage()\n"
NAME, OTHER = "sim:ETHUSDT", "sim:BTCUSDT"
NOW = 1_800_000_000 * SECOND_US
SETTINGS = WatchSettings()

ROW = WallRow(
    instrument=NAME,
    price=3_456.789,
    move_percent=-0.12,
    z=1.25,
    bar_z=-0.5,
    anomaly=0.5,
    anomaly_cut=0.625,
    reason=None,
    momentum=1,
    volatility=81.4,
    shock=0,
    age_s=1.9,
    is_simulated=True,
    spark=np.array([1.0, 3.0, 2.0]),
    text="",
)


def look_of(*rows: WallRow, **more: Any) -> Look:
    return Look(rows or (ROW,), SETTINGS, now_us=NOW, **more)


def scores_of(count: int, **columns: Any) -> np.ndarray:
    """Return quiet scored bars, with what is given in their last ones."""
    scores = np.zeros(count, BAR_SCORE)
    scores["time_us"] = NOW + (np.arange(count) - count) * SECOND_US
    scores["price"] = 100.0 + np.arange(count) % 2
    scores["volume"] = 1.0
    scores["anomaly"], scores["anomaly_cut"], scores["reason"] = 0.4, 0.6, -1
    for name, values in columns.items():
        last = np.atleast_1d(values)
        scores[name][-len(last) :] = last
    return scores


def alert_of(rule: str, scope: str, severity: Any = "critical", age_s: float = 5.0) -> Alert:
    time_us = NOW - int(age_s * SECOND_US)
    return Alert(
        f"{time_us}-1", rule, "divergence", scope, time_us, time_us, 0.6, "beyond", 0.5, severity,
        ("screen",),
    )  # fmt: skip


def feed_of(state: Any = "live", text: str = "") -> FeedStatus:
    return FeedStatus("sim", "Simulated market", state, text, NOW)


# What is flagged ------------------------------------------------------------------------


def test_nothing_is_flagged_where_nothing_is_out() -> None:
    assert not walls.flagged(scores_of(50), SETTINGS).any()
    assert walls.recent_flag(scores_of(50), SETTINGS) == ""
    assert walls.recent_flag(scores_of(0), SETTINGS) == ""


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"return_z": -4.25}, "return z \u22124.2"),
        ({"shock": 3}, "liquidity shock, 3 simultaneous outliers"),
        (
            {"anomaly": 0.7, "reason": FEATURES.index("volume_change"), "reason_deviations": 6.1},
            "anomalous bar: volume change +6.1 σ, score 0.70 above threshold 0.60",
        ),
        ({"anomaly": 0.7}, "anomalous bar: score 0.70 above threshold 0.60"),
    ],
)
def test_a_flag_says_which_and_how_far(columns: dict[str, Any], said: str) -> None:
    scores = scores_of(50, **columns)
    assert np.flatnonzero(walls.flagged(scores, SETTINGS)).tolist() == [49]
    assert walls.recent_flag(scores, SETTINGS) == said


def test_numbers_that_are_missing_flag_nothing() -> None:
    scores = scores_of(5, return_z=np.nan, anomaly=np.nan, anomaly_cut=np.nan)
    assert not walls.flagged(scores, SETTINGS).any()


def test_a_flag_is_told_for_some_seconds_and_no_longer() -> None:
    outlier = [5.0, *[0.0] * (walls.HOLD_S - 1)]
    assert walls.recent_flag(scores_of(50, return_z=outlier), SETTINGS)
    assert not walls.recent_flag(scores_of(50, return_z=[*outlier, 0.0]), SETTINGS)
    scores = scores_of(50, return_z=[5.0, 0.0])
    scores["time_us"][-1] += walls.HOLD_S * SECOND_US
    assert not walls.recent_flag(scores, SETTINGS)


def test_of_legs_apart_the_one_that_moved_more_is_named() -> None:
    pair = f"{NAME}~{OTHER}"
    far = {pair: Apart(NOW, -0.61, -0.7, -0.09, 3_400.0, 60_000.0)}
    assert walls.apart_of(NAME, look_of(apart=far)) == "0.61 % divergence from BTCUSDT"
    assert walls.apart_of(OTHER, look_of(apart=far)) == ""
    near = {pair: Apart(NOW, 0.4, 0.5, 0.1, 3_400.0, 60_000.0), "a:B~a:C": None}
    assert walls.apart_of(NAME, look_of(apart=near)) == ""


# A tile ---------------------------------------------------------------------------------


def test_a_tile_says_everything_in_figures_and_in_words() -> None:
    tile = walls.tile(ROW, look_of(), is_chosen=True)
    assert (tile["name"], tile["venue"], tile["price"]) == ("ETHUSDT", "SIMULATED", "3,456.79")
    assert (tile["move"], tile["z"], tile["return_z"]) == ("\u22120.12 %", "+1.2", "\u22120.5")
    assert (tile["score"], tile["score_ratio"], tile["volatility"]) == ("0.50", 0.8, "81 %")
    assert (tile["arrow"], tile["points"], tile["age"]) == ("\u25b2", True, "1 s")
    assert tile["spark"] == [20, 0, 10]
    assert (tile["state"], tile["chosen"], tile["reason"]) == ("", True, "")
    for part in (
        "ETHUSDT on SIMULATED",
        "momentum bullish",
        "of 0.62",
        "annualised volatility 81 %",
        "1 s ago",
    ):
        assert part in tile["said"]
    assert "flagged" not in tile["said"]


def test_a_tile_without_numbers_has_dashes() -> None:
    nan = math.nan
    empty = replace(
        ROW, price=nan, move_percent=nan, z=nan, bar_z=nan, anomaly=nan, anomaly_cut=nan,
        momentum=0, volatility=nan, age_s=nan, spark=np.empty(0),
    )  # fmt: skip
    tile = walls.tile(empty, look_of(empty))
    names = ("price", "move", "z", "return_z", "score", "volatility", "age", "arrow")
    assert {tile[name] for name in names} == {"\u2013"}
    assert (tile["spark"], tile["score_ratio"], tile["state"]) == ([], None, "")
    assert not any(tile[name] for name in ("z_bad", "return_bad", "score_bad", "points"))


def test_a_number_beyond_its_limit_is_red_and_no_other() -> None:
    tile = walls.tile(replace(ROW, z=-3.1), look_of())
    assert (tile["z_bad"], tile["return_bad"], tile["score_bad"]) == (True, False, False)
    tile = walls.tile(replace(ROW, bar_z=3.1, anomaly=0.7), look_of())
    assert (tile["z_bad"], tile["return_bad"], tile["score_bad"]) == (False, True, True)


def test_a_price_that_stands_still_is_a_level_line() -> None:
    assert walls.spark(np.full(4, 7.0)) == [10, 10, 10, 10]
    assert walls.spark(np.array([7.0])) == []


def test_what_is_stale_is_not_flagged() -> None:
    look = look_of(flags={NAME: "return z +9.0"}, stale_s={NAME: 30.0})
    assert walls.tile(ROW, look)["state"] == "flagged"
    assert walls.tile(replace(ROW, age_s=31.0), look)["state"] == "stale"


@pytest.mark.parametrize(
    ("alert", "state"),
    [
        (alert_of("No trades", NAME), "alert"),
        (alert_of("No trades", NAME, "warning"), ""),
        (alert_of("No trades", NAME, age_s=walls.ALERT_S + 1), ""),
        (alert_of("No trades", OTHER), ""),
        (alert_of("Relation broken", f"{NAME}~{OTHER}"), ""),
        (replace(alert_of("Test", NAME), is_test=True), ""),
    ],
)
def test_only_a_critical_alert_of_now_makes_a_row_red(alert: Alert, state: str) -> None:
    assert walls.tile(ROW, look_of(alerts=[alert]))["state"] == state


@pytest.mark.parametrize(("y_move", "x_move", "blamed"), [(0.6, 0.0, NAME), (0.1, -0.5, OTHER)])
def test_legs_apart_make_the_row_red_that_moved(y_move: float, x_move: float, blamed: str) -> None:
    numbers = {"y_move": y_move, "x_move": x_move}
    alert = replace(alert_of("Legs apart", f"{NAME}~{OTHER}"), numbers=numbers)
    look = look_of(ROW, replace(ROW, instrument=OTHER), alerts=[alert])
    red = [row["key"] for row in walls.wall(look, NAME)["rows"] if row["state"] == "alert"]
    assert red == [blamed]


# The wall -------------------------------------------------------------------------------


def test_the_order_is_kept_unless_flagged_ones_are_asked_for_first() -> None:
    rows = [replace(ROW, instrument=f"sim:{name}") for name in "ABCD"]
    look = look_of(*rows, flags={"sim:D": "return z +4.0", "sim:B": "return z +5.0"})
    assert [row["name"] for row in walls.wall(look, "sim:C")["rows"]] == list("ABCD")
    first = walls.wall(look, "sim:C", is_flagged_first=True)["rows"]
    assert [row["name"] for row in first] == list("BDAC")
    assert [row["name"] for row in first if row["chosen"]] == ["C"]


def test_what_is_wrong_is_told_worst_first() -> None:
    stale = replace(ROW, instrument=OTHER, age_s=45.0)
    alert = alert_of("Relation broken", f"{NAME}~{OTHER}", age_s=72.0)
    look = look_of(
        ROW, stale, flags={NAME: "return z +4.0"}, stale_s={OTHER: 30.0}, alerts=[alert, alert]
    )
    told = walls.wall(look, "")["told"]
    assert [(one["name"], one["text"]) for one in told] == [
        ("ETHUSDT~BTCUSDT", "Relation broken, 72 s ago"),
        ("ETHUSDT", "return z +4.0"),
        ("BTCUSDT", "no trades for 45 s"),
    ]
    assert [one["tone"] for one in told] == ["bad", "bad", "muted"]
    assert walls.wall(look_of(), "")["told"] == []


def test_a_feed_that_died_is_one_line_and_not_one_per_instrument() -> None:
    rows = [replace(ROW, instrument=f"sim:S{at}", age_s=45.0) for at in range(20)]
    look = look_of(*rows, stale_s={row.instrument: 30.0 for row in rows})
    (told,) = walls.wall(look, "")["told"]
    assert (told["name"], told["text"]) == ("20 instruments", "are stale")


def test_alerts_of_one_rule_are_told_together() -> None:
    alerts = [
        alert_of("Relation broken", f"sim:{name}~sim:B", age_s=10.0 + at)
        for at, name in enumerate("CDE")
    ]
    (told,) = walls.wall(look_of(alerts=alerts), "")["told"]
    assert (told["name"], told["text"]) == ("C~B and 2 more", "Relation broken, latest 10 s ago")
    assert len(walls.wall(look_of(alerts=alerts[:2]), "")["told"]) == 2


def test_more_than_can_be_read_is_counted() -> None:
    rows = [replace(ROW, instrument=f"sim:S{at}") for at in range(20)]
    look = look_of(*rows, flags={row.instrument: "return z +4.0" for row in rows})
    told = walls.wall(look, "")["told"]
    assert len(told) == 6
    assert told[-1]["name"] == "15 more"


def test_the_strip_counts_and_says_what_does_not_work() -> None:
    waiting = replace(ROW, instrument=OTHER, text="The Isolation Forest waits.")
    look = look_of(ROW, waiting, flags={NAME: "return z +4.0"}, alerts=[alert_of("A", "sim")])
    rows = walls.wall(look, "")["rows"]
    strip = walls.status(look, rows, [feed_of()])
    text = " ".join(part[0] for item in strip["items"] for part in item["parts"])
    assert strip["label"] == "SIMULATED"
    assert "2 instruments" in text
    assert "flagged  1" in text
    assert "unacknowledged alerts  1" in text
    assert "without model  1" in text
    dead = walls.status(look, rows, [feed_of("reconnecting", "The feed is gone.")])
    assert (dead["label"], dead["tone"]) == ("RECONNECTING", "warn")
    assert "The feed is gone." in dead["said"]
    assert walls.status(look_of(), [], [])["label"] == "WAITING"


# Sentences and tables -------------------------------------------------------------------


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


# Figures --------------------------------------------------------------------------------


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


# The page -------------------------------------------------------------------------------


def said(app: AppTest) -> str:
    texts = [one.value for one in (*app.caption, *app.info, *app.warning, *app.error, *app.success)]
    return " ".join(map(str, texts)).replace("\\", "")


def opened(app: AppTest) -> AppTest:
    """Open the page once everything is watched."""
    sound(app.run())
    wait_until(lambda: len(engine().monitor.wall()) == 4, "the instruments")
    return sound(app.run())


def test_the_page_opens_the_first_instrument(app: AppTest) -> None:
    opened(app)
    first = engine().monitor.wall()[0].instrument
    assert app.subheader[0].value == first.partition(":")[2]
    text = said(app)
    for part in ("Red edge", "flagged bars", "Amihud", "point of control"):
        assert part in text


@pytest.mark.parametrize("link", ["sim:SOLUSDT", "solusdt"])
def test_a_link_opens_its_instrument(app: AppTest, link: str) -> None:
    app.query_params["instrument"] = link
    opened(app)
    assert app.subheader[0].value == "SOLUSDT"
    assert app.query_params["instrument"] in ("sim:SOLUSDT", ["sim:SOLUSDT"])


def test_a_link_to_what_is_not_watched_says_so(app: AppTest) -> None:
    app.query_params["instrument"] = "[a](b)<img src=x>" + "x" * 500
    opened(app)
    assert "which is not monitored" in said(app)
    assert "\\[a\\]" in app.warning[0].value
    assert len(app.warning[0].value) < 400
    assert not app.subheader


def test_an_empty_wall_is_a_sentence(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sound(app.run())
    monkeypatch.setattr(type(engine().monitor), "wall", lambda self: [])
    sound(app.run())
    assert said(app).count("Nothing is monitored yet") == 1
    assert not app.subheader


def test_a_watch_that_died_is_said_and_the_rest_goes_on(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(app)
    died = "Surveillance stopped because of an error."
    monkeypatch.setattr(type(engine().monitor), "problems", (died,))
    app.run()
    assert not app.exception
    assert died.replace(".", "\\.") in app.error[0].value
    assert app.subheader


@pytest.mark.parametrize("tab", ["alerts", "rules", "channels", "settings"])
def test_every_tab_opens(app: AppTest, tab: str) -> None:
    app.query_params["watch"] = tab
    sound(app.run())
    assert not app.subheader


def test_the_operator_changes_what_is_watched_for(app: AppTest) -> None:
    app.query_params["watch"] = "settings"
    sound(app.run())
    asked = {field.label: field for field in app.number_input}
    asked["Outlier threshold, |z|"].set_value(4.5)
    asked["Contamination, %"].set_value(0.5)
    asked["Retrain every, minutes"].set_value(30.0)
    app.multiselect[0].set_value(["rsi", "volatility", "imbalance"])
    sound(app.button[-1].click().run())
    assert "Settings applied" in said(app)
    now = engine().monitor.settings
    assert (now.anomaly_z, now.contamination, now.retrain_bars) == (4.5, 0.005, 1_800)
    assert now.features == ("rsi", "volatility", "imbalance")


@pytest.mark.parametrize(
    ("label", "value", "words_said"),
    [
        ("Outlier threshold, |z|", 0.1, "anomaly_z is 0.1"),
        ("Contamination, %", 90.0, "contamination is 0.9"),
        ("Retrain every, minutes", 0.0, "retrain_bars is 0"),
        ("Divergence window, seconds", 100_000, "2 to 86,400 seconds"),
    ],
)
def test_wrong_values_are_said_and_nothing_changes(
    app: AppTest, label: str, value: float, words_said: str
) -> None:
    app.query_params["watch"] = "settings"
    sound(app.run())
    before = engine().monitor.settings
    next(field for field in app.number_input if field.label == label).set_value(value)
    app.button[-1].click().run()
    assert not app.exception
    assert words_said in app.error[0].value.replace("\\", "")
    assert engine().monitor.settings == before


def test_no_features_are_refused(app: AppTest) -> None:
    app.query_params["watch"] = "settings"
    sound(app.run())
    app.multiselect[0].set_value([])
    app.button[-1].click().run()
    assert "none was named" in app.error[0].value.replace("\\", "")


def test_the_public_reads_the_settings_only(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    app.query_params["watch"] = "settings"
    sound(app.run())
    assert not app.number_input
    assert "only the operator" in said(app)


# The forecast ---------------------------------------------------------------------------


def test_a_forecast_is_fitted_beside_the_page(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(app)
    found: Future[Forecast] = Future()
    asked: list[tuple[str, int]] = []

    def forecast(monitor: Any, instrument: str, horizon: int) -> Future[Forecast]:
        asked.append((instrument, horizon))
        return found

    monkeypatch.setattr(type(engine().monitor), "forecast", forecast)
    next(one for one in app.button if one.key == "forecast").click()
    sound(app.run())
    sound(app.run())
    assert asked == [(engine().monitor.wall()[0].instrument, 300)]
    assert "Fitting the forecast" in said(app)
    assert next(one for one in app.button if one.key == "forecast").disabled
    found.set_result(Forecast(1e-9, 0.1, 0.8, np.full(300, 1e-4), 1e-4 * math.sqrt(300), 1_000))
    sound(app.run())
    assert "Fitting the forecast" not in said(app)
    assert not next(one for one in app.button if one.key == "forecast").disabled


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (None, "Fitting the forecast"),
        (DataError("GARCH has nothing to fit."), "No forecast. GARCH has nothing to fit."),
        ("cancelled", "was cancelled"),
    ],
)
def test_a_forecast_that_is_not_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, outcome: Any, text: str
) -> None:
    found: Future[Any] = Future()
    if outcome == "cancelled":
        found.cancel()
    elif outcome is not None:
        found.set_exception(outcome)
    kept = {"tandem_forecast": (NAME, found, NOW)}
    monkeypatch.setattr(surveillance_detail.st, "session_state", kept)
    forecast, age_s, said_of_it = surveillance_detail._forecast_now(NAME)
    assert forecast is None
    assert math.isnan(age_s)
    assert text in said_of_it
    assert surveillance_detail._forecast_now(OTHER)[2] == ""

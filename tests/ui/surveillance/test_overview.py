"""What is flagged, a tile, the wall and its status strip."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tandem.alerts.rules import Alert
from tandem.core.clock import SECOND_US
from tandem.surveillance.divergence import Apart
from tandem.surveillance.instrument import FEATURES
from tandem.ui.surveillance import overview as walls
from tests.support.watched_rows import (
    NAME,
    NOW,
    OTHER,
    ROW,
    SETTINGS,
    alert_of,
    feed_of,
    look_of,
    scores_of,
)


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
        ("ETHUSDT ~ BTCUSDT", "Relation broken, 72 s ago"),
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
    assert (told["name"], told["text"]) == ("C ~ B and 2 more", "Relation broken, latest 10 s ago")
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

"""From the watch's rows to the words and numbers of the wall. No Streamlit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.alerts.rules import Alert
from tandem.core.clock import SECOND_US
from tandem.core.instruments import split_instrument
from tandem.ingest.status import FeedStatus
from tandem.surveillance.detectors import WallRow
from tandem.surveillance.divergence import Apart
from tandem.surveillance.instrument import FEATURES
from tandem.surveillance.settings import WatchSettings
from tandem.ui.live.cards import NOT_NOW, STATES
from tandem.ui.shared import format as f
from tandem.ui.shared.sheets import item, strip

Scores = npt.NDArray[np.void]
Row = dict[str, Any]

# How long a bar that was flagged is told of: nobody sees what lasts a second.
HOLD_S = 10
# An alert of the highest severity that nobody acknowledged stands this long.
ALERT_S = 600
# Simultaneous liquidity outliers that make a shock.
SHOCK = 2
_SPARK_HEIGHT = 20
_MOST_TOLD = 6
_MOST_ALIKE = 2

FEATURE_NAMES = {
    "rsi": "RSI",
    "volatility": "volatility",
    "volume_change": "volume change",
    "imbalance": "order-flow imbalance",
    "intensity": "trade intensity",
}
DIRECTIONS = {1: ("\u25b2", "bullish"), -1: ("\u25bc", "bearish"), 0: (f.NONE, "neutral")}


@dataclass(frozen=True)
class Look:
    """Everything the wall is made of, at one moment.

    Attributes
    ----------
    flags : mapping of str to str
        Why an instrument was flagged in the last seconds.
    apart : mapping of str to Apart or None
        Each pair's legs, by ``Y~X``.
    alerts : sequence of Alert
        What was raised and nobody acknowledged, the newest first.
    stale_s : mapping of str to float
        Age from which an instrument's last price says nothing about now.
    """

    rows: Sequence[WallRow]
    settings: WatchSettings
    flags: Mapping[str, str] = field(default_factory=dict)
    apart: Mapping[str, Apart | None] = field(default_factory=dict)
    alerts: Sequence[Alert] = ()
    stale_s: Mapping[str, float] = field(default_factory=dict)
    now_us: int = 0


# What is flagged ------------------------------------------------------------------------


def flagged(scores: Scores, settings: WatchSettings) -> npt.NDArray[np.bool_]:
    """Tell which bars are flagged: by their return, the Isolation Forest, or a liquidity shock."""
    return np.asarray(
        (np.abs(scores["return_z"]) > settings.anomaly_z)
        | (scores["anomaly"] > scores["anomaly_cut"])
        | (scores["shock"] >= SHOCK)
    )


def why(score: np.void, settings: WatchSettings) -> str:
    """Return why a bar was flagged; empty if it was not."""
    found = []
    if abs(score["return_z"]) > settings.anomaly_z:
        found.append(f"return z {f.signed(float(score['return_z']), 1)}")
    if score["anomaly"] > score["anomaly_cut"]:
        text = "anomalous bar: "
        if score["reason"] >= 0:
            away = f.signed(float(score["reason_deviations"]), 1)
            text += f"{FEATURE_NAMES[FEATURES[score['reason']]]} {away} \u03c3, "
        found.append(
            f"{text}score {score['anomaly']:.2f} above threshold {score['anomaly_cut']:.2f}"
        )
    if score["shock"] >= SHOCK:
        found.append(f"liquidity shock, {score['shock']} simultaneous outliers")
    return "; ".join(found)


def recent_flag(scores: Scores, settings: WatchSettings, hold_s: int = HOLD_S) -> str:
    """Return why the last bar flagged in the last `hold_s` seconds was; empty if none was."""
    tail = scores[-hold_s:]
    if not len(tail):
        return ""
    tail = tail[tail["time_us"] > tail["time_us"][-1] - hold_s * SECOND_US]
    hits = np.flatnonzero(flagged(tail, settings))
    return why(tail[hits[-1]], settings) if len(hits) else ""


def apart_of(instrument: str, look: Look) -> str:
    """Return the leg divergence of the pair in which this leg moved more; empty if none."""
    for scope, now in look.apart.items():
        if now is None or abs(now.percent) <= look.settings.divergence_percent:
            continue
        y, _, x = scope.partition("~")
        if instrument == (y if abs(now.y_move) >= abs(now.x_move) else x):
            other = x if instrument == y else y
            return f"{abs(now.percent):.2f} % divergence from {f.symbol_of(other)}"
    return ""


# The wall -------------------------------------------------------------------------------


def wall(look: Look, chosen: str, is_flagged_first: bool = False) -> dict[str, Any]:
    """Return everything the wall component draws."""
    rows = [tile(row, look, row.instrument == chosen) for row in look.rows]
    if is_flagged_first:
        # What is the same keeps its order.
        order = {"alert": 0, "flagged": 1, "stale": 2, "": 3}
        rows.sort(key=lambda row: order[row["state"]])
    return {"rows": rows, "told": told(rows, look)}


def tile(row: WallRow, look: Look, is_chosen: bool = False) -> Row:
    """Describe one instrument."""
    limit = look.settings.anomaly_z
    venue, symbol = split_instrument(row.instrument)
    is_stale = row.age_s > look.stale_s.get(row.instrument, math.inf)
    reason = "; ".join(
        text
        for text in (look.flags.get(row.instrument, ""), apart_of(row.instrument, look))
        if text
    )
    alert = next((one for one in urgent(look) if row.instrument in _blamed(one)), None)
    # What was unusual when trades still came is not what is wrong now.
    state = "alert" if alert else "stale" if is_stale else "flagged" if reason else ""
    ratio = row.anomaly / row.anomaly_cut if row.anomaly_cut > 0.0 else math.nan
    arrow, direction = DIRECTIONS[row.momentum]
    shown = {
        "key": row.instrument,
        "name": symbol,
        "venue": NOT_NOW.get(venue, venue),
        "not_now": venue in NOT_NOW,
        "price": f.price(row.price),
        "move": f.percent(row.move_percent / 100.0, 2),
        "z": f.signed(row.z, 1),
        "z_bad": abs(row.z) > limit,
        "return_z": f.signed(row.bar_z, 1),
        "return_bad": abs(row.bar_z) > limit,
        "score": f.number(row.anomaly),
        "score_ratio": round(ratio, 3) if math.isfinite(ratio) else None,
        "score_bad": ratio > 1.0,
        "arrow": arrow,
        "points": bool(row.momentum),
        "volatility": f"{f.number(row.volatility, 0)} %"
        if math.isfinite(row.volatility)
        else f.NONE,
        "age": age(row.age_s),
        "spark": spark(row.spark),
        "state": state,
        "chosen": is_chosen,
    }
    shown["rule"] = alert.rule if alert else ""
    shown["reason"] = reason or shown["rule"]
    shown["said"] = _said(row, shown, direction)
    return shown


def _said(row: WallRow, shown: Row, direction: str) -> str:
    """Return the tile as a sentence, for those who hear it."""
    parts = [
        f"{shown['name']} on {shown['venue']}",
        f"price {shown['price']}",
        f"moved {shown['move']} in 60 s",
        f"z {shown['z']}",
        f"return z {shown['return_z']}",
        f"anomaly score {shown['score']} of {f.number(row.anomaly_cut)}",
        f"momentum {direction}",
        f"annualised volatility {shown['volatility']}",
        f"last trade {shown['age']} ago",
    ]
    if shown["state"] == "stale":
        parts.append("stale")
    if shown["reason"]:
        parts.append(f"flagged: {shown['reason']}")
    return ", ".join(parts)


def age(seconds: float) -> str:
    """Write an age in whole seconds: tenths would change with every look."""
    return f.duration(math.floor(seconds)) if math.isfinite(seconds) else f.NONE


def spark(closes: npt.NDArray[np.float64]) -> list[int]:
    """Return closes as heights from 0 (highest) to 20, as SVG counts them."""
    known = closes[np.isfinite(closes)]
    if len(known) < 2:
        return []
    low, high = float(known.min()), float(known.max())
    if not high > low:
        return [_SPARK_HEIGHT // 2] * len(known)
    heights: list[int] = (
        np.rint((high - known) * (_SPARK_HEIGHT / (high - low))).astype(int).tolist()
    )
    return heights


# What is wrong now ----------------------------------------------------------------------


def urgent(look: Look) -> list[Alert]:
    """Return the unacknowledged critical alerts of the last minutes."""
    since_us = look.now_us - ALERT_S * SECOND_US
    return [
        one
        for one in look.alerts
        if one.severity == "critical" and one.raised_us >= since_us and not one.is_test
    ]


def _blamed(alert: Alert) -> tuple[str, ...]:
    """Return the instrument an alert is about: of diverging legs, the one that moved more.

    What else is told of a pair is about neither leg.
    """
    y, _, x = alert.scope.partition("~")
    if not x:
        return (y,)
    y_move, x_move = (abs(alert.numbers.get(name, math.nan)) for name in ("y_move", "x_move"))
    if math.isnan(y_move + x_move):
        return ()
    return (y,) if y_move >= x_move else (x,)


def told(rows: Sequence[Row], look: Look) -> list[dict[str, Any]]:
    """Return what is wrong now, the worst first, cut to what can be read at a glance."""
    found = []
    by_rule: dict[str, dict[str, Alert]] = {}
    for alert in urgent(look):
        by_rule.setdefault(alert.rule, {}).setdefault(alert.scope, alert)
    for rule, alerts in by_rule.items():
        ages = [age((look.now_us - one.raised_us) / SECOND_US) for one in alerts.values()]
        if len(alerts) > _MOST_ALIKE:
            name = f"{f.short_scope(next(iter(alerts)))} and {len(alerts) - 1} more"
            found.append(_line("bad", name, f"{rule}, latest {ages[0]} ago", strong=True))
        else:
            found += [
                _line("bad", f.short_scope(scope), f"{rule}, {ago} ago", strong=True)
                for scope, ago in zip(alerts, ages, strict=True)
            ]
    for state in ("alert", "flagged"):
        for row in rows:
            # What the row is red for has been told.
            if row["state"] == state and row["reason"] not in ("", row["rule"]):
                found.append(_line("bad", row["name"], row["reason"]))
    stale = [row for row in rows if row["state"] == "stale"]
    if len(stale) > _MOST_ALIKE:
        found.append(_line("muted", f"{len(stale)} instruments", "are stale"))
    else:
        found += [_line("muted", row["name"], f"no trades for {row['age']}") for row in stale]
    if len(found) > _MOST_TOLD:
        more = f"{len(found) - _MOST_TOLD + 1} more"
        found[_MOST_TOLD - 1 :] = [_line("muted", more, "marked below")]
    return found


def _line(tone: str, name: str, text: str, strong: bool = False) -> dict[str, Any]:
    return {"tone": tone, "name": name, "text": text, "strong": strong}


# The status strip -----------------------------------------------------------------------


def status(
    look: Look, rows: Sequence[Row], feeds: Iterable[FeedStatus], said: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe monitoring for the status strip: feeds, counts and faults."""
    feeds = list(feeds)
    watched = {split_instrument(row.instrument)[0] for row in look.rows}
    shown = [one for one in feeds if one.venue in watched] or feeds
    label, tone = "WAITING", "warn"
    if shown:
        label, tone = STATES[max((one.state for one in shown), key=list(STATES).index)]
    not_now = next((NOT_NOW[one.venue] for one in shown if one.venue in NOT_NOW), "")
    if not_now and label == "LIVE":
        label, tone = not_now, "warn"
    count = {state: sum(row["state"] == state for row in rows) for state in ("alert", "flagged")}
    wrong = sum(count.values())
    stale = sum(row["state"] == "stale" for row in rows)
    waiting = sum(bool(row.text) for row in look.rows)
    items = [
        item("", f.plural(len(rows), "instrument")),
        item("flagged", str(wrong) if wrong else "none", tone="bad" if wrong else ""),
        item("stale", str(stale) if stale else "none"),
        item("unacknowledged alerts", str(len(look.alerts)) if look.alerts else "none"),
    ]
    if waiting:
        items.append(
            item(
                "without model",
                str(waiting),
                hint="z-scores, momentum and liquidity need no model; see the detail for what is "
                "missing.",
            )
        )
    simulated = "Simulated prices: nothing here can be traded." * (not_now == "SIMULATED")
    troubles = (one.text for one in shown if one.state != "live" or one.silent)
    return strip(label, tone, items, [simulated, *troubles, *said])

"""Rows, scores and alerts as the wall of instruments takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tandem.alerts.rules import Alert
from tandem.core.clock import SECOND_US
from tandem.ingest.status import FeedStatus
from tandem.surveillance.detectors import WallRow
from tandem.surveillance.instrument import BAR_SCORE
from tandem.surveillance.settings import WatchSettings
from tandem.ui.surveillance.overview import Look

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

"""What is watched for, and with which windows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tandem.core.errors import DataError

BASE_FEATURES = ("rsi", "volatility", "volume_change")
MORE_FEATURES = ("imbalance", "intensity")
MOST_HORIZONS = 10


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How instruments are watched; the same for every one.

    Attributes
    ----------
    trade_window, bar_window : int
        Trades and one-second bars a z-score is measured against; those judged are not among them.
    anomaly_z : float
        Size of z from which a trade or bar is flagged.
    rsi_window, window : int
        Bars of the RSI, and of volatility, order flow and liquidity.
    momentum_bars : tuple of int
        Horizons of the slope of the price; alerts are about the longest.
    ewma_decay : float
        Of the exponentially weighted volatility (RiskMetrics: 0.94).
    features : tuple of str
        Of the Isolation Forest.
    contamination : float
        Share of its training bars that lies beyond its threshold.
    train_bars, retrain_bars, least_bars : int
        Bars it is trained on, bars after which it is trained again, and the fewest it needs.
    divergence_percent, divergence_s : float, int
        Leg divergence threshold, and within how many seconds.
    keep : int
        Newest scored bars, and newest scored trades, of each instrument that can be looked at
        (page, GARCH, `scores`, `trade_scores`): 3,600 bars are an hour where every second trades,
        3,600 trades a quarter of a minute at 250 per second. What models learn from
        (`train_bars`) is kept beside them, features only. With the defaults an instrument takes
        2.0 MB, and its model 0.5 MB.
    """

    trade_window: int = 300
    bar_window: int = 300
    anomaly_z: float = 3.0
    rsi_window: int = 14
    window: int = 20
    momentum_bars: tuple[int, ...] = (60, 300)
    ewma_decay: float = 0.94
    features: tuple[str, ...] = BASE_FEATURES
    contamination: float = 0.001
    train_bars: int = 14_400
    retrain_bars: int = 3_600
    least_bars: int = 600
    trees: int = 100
    divergence_percent: float = 0.5
    divergence_s: int = 60
    keep: int = 3_600

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type == "int" and not (isinstance(value, int) and 2 <= value <= 10_000_000):
                raise DataError(
                    f"{one.name} is {value!r:.40}; it must be an integer of at least 2."
                )
        unknown = set(self.features) - {*BASE_FEATURES, *MORE_FEATURES}
        if unknown or not self.features:
            raise DataError(
                f"features are {', '.join((*BASE_FEATURES, *MORE_FEATURES))}; "
                f"{', '.join(sorted(unknown)) or 'none'} was named."
            )
        horizons = self.momentum_bars
        if not 1 <= len(horizons) <= MOST_HORIZONS or not all(
            isinstance(bars, int) and 3 <= bars <= 100_000 for bars in horizons
        ):
            raise DataError(
                f"momentum_bars must be 1 to {MOST_HORIZONS} integers from 3 to 100,000."
            )
        self._between("anomaly_z", 0.5, 100.0)
        self._between("ewma_decay", 0.5, 0.9999)
        self._between("contamination", 1e-5, 0.2)
        self._between("divergence_percent", 0.001, 100.0)

    def _between(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not (isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high):
            raise DataError(f"{name} is {value!r:.40}; it must be from {low:g} to {high:g}.")


def settings_from(given: Mapping[str, Any]) -> WatchSettings:
    """Return settings from what JSON makes of `dataclasses.asdict` of them; raises DataError."""
    if not isinstance(given, Mapping):
        raise DataError("Stored monitoring settings have an unknown format; enter them again.")
    known = {one.name for one in fields(WatchSettings)}
    kept: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if name in known
    }
    try:
        return WatchSettings(**kept)
    except TypeError:
        raise DataError(
            "Stored monitoring settings have an unknown format; enter them again."
        ) from None

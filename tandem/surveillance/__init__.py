"""Anomaly detection by trade and by bar; batch equals stream."""

from tandem.backfill.history import (
    download_candles,
    download_funding,
    download_seconds,
    shortest_candle,
)
from tandem.surveillance.detectors import FRESH_S, WallRow, fresh
from tandem.surveillance.divergence import Apart, Divergence
from tandem.surveillance.instrument import (
    BAR_SCORE,
    FEATURES,
    LIQUIDITY,
    MOMENTUM_LIMIT,
    TRADE_SCORE,
    InstrumentWatch,
    Momentum,
    bar_readings,
    trade_readings,
    yearly,
)
from tandem.surveillance.isolation_forest import Forest, Reason, load, train
from tandem.surveillance.liquidity import VolumeProfile, volume_profile
from tandem.surveillance.service import Surveillance, batch
from tandem.surveillance.settings import WatchSettings, settings_from
from tandem.surveillance.volatility import Forecast, garch_forecast
from tandem.surveillance.yaml_config import Headless, read

__all__ = [
    "Apart",
    "BAR_SCORE",
    "Divergence",
    "FEATURES",
    "FRESH_S",
    "Forecast",
    "Forest",
    "Headless",
    "InstrumentWatch",
    "LIQUIDITY",
    "MOMENTUM_LIMIT",
    "Momentum",
    "Reason",
    "Surveillance",
    "TRADE_SCORE",
    "VolumeProfile",
    "WallRow",
    "WatchSettings",
    "bar_readings",
    "batch",
    "download_candles",
    "download_funding",
    "download_seconds",
    "fresh",
    "garch_forecast",
    "load",
    "read",
    "settings_from",
    "shortest_candle",
    "trade_readings",
    "train",
    "volume_profile",
    "yearly",
]

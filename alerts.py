"""Rules over what is watched, and somebody told when one comes true: the one door to it.

    alerts = open_alerts(settings, store)
    alerts.start()
    alerts.observe(readings)

Readings come from `surveillance` and from `pair_readings` and its neighbours. Secrets come from
the settings alone; no text, log line or error holds one.
"""

from __future__ import annotations

from alerting.judge import Judge
from alerting.lane import Delivery, Lane
from alerting.readings import feed_reading, pair_readings, record_readings
from alerting.rule import (
    CHANNELS,
    MEASURES,
    Alert,
    Reading,
    Rule,
    decode_alert,
    decode_rule,
    encode,
    rule_from,
)
from alerting.service import Alerts, ChannelState, Record, Told
from alerting.setup import channels_from, secrets_of
from alerting.wire import NotSent, Secret
from tandem.config import Settings
from tandem.storage.null import ForeignRecord

__all__ = [
    "CHANNELS",
    "DEFAULT_RULES",
    "MEASURES",
    "Alert",
    "Alerts",
    "ChannelState",
    "Delivery",
    "Judge",
    "Lane",
    "NotSent",
    "Reading",
    "Rule",
    "Secret",
    "Told",
    "channels_from",
    "decode_alert",
    "decode_rule",
    "encode",
    "feed_reading",
    "open_alerts",
    "pair_readings",
    "record_readings",
    "rule_from",
]

DEFAULT_RULES = (
    Rule("Bar far out", "bar_return_z", "beyond", 6.0, 3.0),
    Rule("Volume far out", "bar_volume_z", "above", 5.0, 2.5),
    # Two to three hundred a day on a calm market (SURVEILLANCE.md): listed, and no more than that.
    Rule(
        "Unusual bar",
        "anomaly",
        "above",
        1.0,
        0.9,
        cooldown_s=1_800.0,
        severity="info",
        channels=("log",),
    ),
    Rule("Legs apart", "divergence", "beyond", 0.5, severity="critical"),
    Rule("Liquidity shock", "liquidity_shock", "above", 1.5, 0.5, severity="critical"),
    Rule("No trades", "trade_age", "above", 60.0, 10.0),
    Rule("Pair beyond entry", "pair_entry", "above", 0.0, -0.2, severity="info"),
    Rule("Pair at its stop", "pair_stop", "above", 0.0, -0.2, severity="critical"),
    Rule("Relation broken", "pair_broken", "above", 0.5, 0.5, severity="critical"),
    Rule("Leg stale", "leg_age", "above", 60.0, 10.0),
    Rule("Feed down", "feed_down", "above", 30.0, 1.0, severity="critical"),
    Rule("Gap not filled", "gap_open", "above", 600.0, 0.0),
    Rule("Disk low", "disk_free", "below", 1.0, 2.0, severity="critical"),
)


_ELSEWHERE = "The process that has the record sends alerts; this one shows them only."


def open_alerts(settings: Settings, store: Record) -> Alerts:
    """Return the alerts of a process, with the channels its settings allow; not started."""
    channels, missing = channels_from(settings)
    is_foreign = isinstance(store, ForeignRecord)
    if is_foreign:
        # It judges the same prices by the same rules: nobody wants to be told twice.
        here = {name: channel for name, channel in channels.items() if name == "log"}
        missing |= dict.fromkeys(channels.keys() - here.keys(), _ELSEWHERE)
        channels = here
    return Alerts(
        store, channels, missing, secrets_of(settings), DEFAULT_RULES, is_foreign=is_foreign
    )

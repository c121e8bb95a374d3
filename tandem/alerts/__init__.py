"""Alert rules with hysteresis and cool-down; delivery by channel.

    alerts = open_alerts(settings, store)
    alerts.start()
    alerts.observe(readings)

Readings come from `tandem.surveillance` and from `pair_readings` and its neighbours. Secrets come
from the settings alone; no text, log line or error holds one.
"""

from tandem.alerts.channels.base import NotSent, Secret
from tandem.alerts.channels.factory import channels_from
from tandem.alerts.defaults import DEFAULT_RULES, open_alerts
from tandem.alerts.delivery import Delivery, Lane
from tandem.alerts.evaluator import Judge
from tandem.alerts.readings import feed_reading, pair_readings, record_readings
from tandem.alerts.rules import (
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
from tandem.alerts.service import Alerts, ChannelState, Told

__all__ = [
    "Alert",
    "Alerts",
    "CHANNELS",
    "ChannelState",
    "DEFAULT_RULES",
    "Delivery",
    "Judge",
    "Lane",
    "MEASURES",
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

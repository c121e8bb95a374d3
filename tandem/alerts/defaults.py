"""Default alert rules, and how alerts are opened."""

from __future__ import annotations

from tandem.alerts.channels.factory import channels_from, secrets_of
from tandem.alerts.rules import Rule
from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.storage.protocols import Documents

DEFAULT_RULES = (
    Rule("Return outlier", "bar_return_z", "beyond", 6.0, 3.0),
    Rule("Volume outlier", "bar_volume_z", "above", 5.0, 2.5),
    # Two to three hundred a day on a calm market (docs/SURVEILLANCE.md): listed, and no more.
    Rule(
        "Anomalous bar",
        "anomaly",
        "above",
        1.0,
        0.9,
        cooldown_s=1_800.0,
        severity="info",
        channels=("log",),
    ),
    Rule("Leg divergence", "divergence", "beyond", 0.5, severity="critical"),
    Rule("Liquidity shock", "liquidity_shock", "above", 1.5, 0.5, severity="critical"),
    Rule("No trades", "trade_age", "above", 60.0, 10.0),
    Rule("Entry signal", "pair_entry", "above", 0.0, -0.2, severity="info"),
    Rule("Stop level reached", "pair_stop", "above", 0.0, -0.2, severity="critical"),
    Rule("Cointegration break", "pair_broken", "above", 0.5, 0.5, severity="critical"),
    Rule("Stale leg", "leg_age", "above", 60.0, 10.0),
    Rule("Feed down", "feed_down", "above", 30.0, 1.0, severity="critical"),
    Rule("Open gap", "gap_open", "above", 600.0, 0.0),
    Rule("Low disk space", "disk_free", "below", 1.0, 2.0, severity="critical"),
)


_ELSEWHERE = "The recording process sends alerts; this one only displays them."


def open_alerts(settings: Settings, store: Documents, is_foreign: bool = False) -> Alerts:
    """Return the alerts of a process, with the channels its settings allow; not started.

    Parameters
    ----------
    is_foreign : bool
        The database is another process's.
    """
    channels, missing = channels_from(settings)
    if is_foreign:
        # It judges the same prices by the same rules: nobody wants to be told twice.
        here = {name: channel for name, channel in channels.items() if name == "log"}
        missing |= dict.fromkeys(channels.keys() - here.keys(), _ELSEWHERE)
        channels = here
    return Alerts(
        store, channels, missing, secrets_of(settings), DEFAULT_RULES, is_foreign=is_foreign
    )

"""What is measured of alerts."""

from __future__ import annotations

from tandem.alerts.service import Alerts
from tandem.observability.metrics import Metric, one


def alert_metrics(alerts: Alerts) -> list[Metric]:
    """Return the metrics of alerts and of the channels they are sent by."""
    return [
        Metric("alerts_raised", "counter", "Alerts raised.", one(alerts.raised)),
        Metric(
            "alerts_delivered",
            "counter",
            "Alerts sent, or given up, by channel.",
            [
                ({"channel": channel, "fate": fate}, count)
                for (channel, fate), count in sorted(alerts.deliveries().items())
            ],
        ),
        Metric(
            "alerts_waiting",
            "gauge",
            "Alerts waiting to be sent, by channel.",
            [({"channel": state.name}, state.waiting) for state in alerts.channels()],
        ),
    ]

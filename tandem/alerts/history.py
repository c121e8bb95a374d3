"""What was raised: the last alerts, who has seen them, and what became of their deliveries."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import orjson

from tandem.alerts.delivery import Delivery, Fate
from tandem.alerts.rules import Alert, decode_alert
from tandem.core.clock import now_us
from tandem.core.errors import DataError
from tandem.storage.protocols import Documents
from tandem.storage.records import Document

log = logging.getLogger("tandem.alerts")

KEPT_ALERTS = 5_000


@dataclass(frozen=True, slots=True)
class RecordedAlert:
    """An alert as the list shows it: whether somebody acknowledged it, and its deliveries."""

    alert: Alert
    acknowledged_us: int
    deliveries: tuple[Delivery, ...]


class History:
    """Any thread may ask."""

    def __init__(self, store: Documents) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._alerts: dict[str, Alert] = {}
        self._acknowledged: dict[str, int] = {}
        self._deliveries: dict[str, dict[str, Delivery]] = {}
        self._toasts: deque[Alert] = deque(maxlen=200)

    def load(self) -> None:
        """Read alerts and their deliveries back; raises StoreError."""
        for body in self._store.documents("alert", KEPT_ALERTS).values():
            try:
                alert = decode_alert(body)
            except DataError as error:
                log.error("%s", error)
                continue
            self._alerts[alert.id] = alert
        seen = self._store.documents("alert-seen", KEPT_ALERTS)
        self._acknowledged = {
            one: int(at) for one, at in seen.items() if one in self._alerts and at.isdigit()
        }
        for key, body in self._store.documents("outbox", 10 * KEPT_ALERTS).items():
            alert_id, _, channel = key.partition("/")
            delivery = _delivery(alert_id, channel, body) if alert_id in self._alerts else None
            if delivery is not None:
                self._deliveries.setdefault(alert_id, {})[channel] = delivery

    def alerts(self) -> list[Alert]:
        """Return all that is kept, oldest first."""
        with self._lock:
            return list(self._alerts.values())

    def waiting(self) -> list[tuple[Alert, str]]:
        """Return what an earlier process did not send, and the channel it is for."""
        with self._lock:
            return [
                (self._alerts[alert_id], channel)
                for alert_id, by_channel in self._deliveries.items()
                for channel, delivery in by_channel.items()
                if delivery.fate == "waiting"
            ]

    def note(self, alerts: Iterable[Alert]) -> None:
        """Remember alerts that were raised."""
        with self._lock:
            for alert in alerts:
                self._alerts[alert.id] = alert
                if "screen" in alert.channels:
                    self._toasts.append(alert)

    def toast(self, alert: Alert) -> None:
        """Put an alert on the screen and nowhere else."""
        with self._lock:
            self._toasts.append(alert)

    def settle(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Remember what became of deliveries; returns those of alerts that are still kept."""
        with self._lock:
            known = [one for one in deliveries if one.alert_id in self._alerts]
            for one in known:
                self._deliveries.setdefault(one.alert_id, {})[one.channel] = one
        return known

    def outdated(self, before_id: str) -> list[Document]:
        """Forget the oldest alerts beyond the limit; returns what to remove of them.

        Only of those handed on before: later ones are not in the database yet.
        """
        removed = []
        with self._lock:
            while len(self._alerts) > KEPT_ALERTS:
                oldest = next(iter(self._alerts))
                if oldest >= before_id:
                    break
                del self._alerts[oldest]
                self._acknowledged.pop(oldest, None)
                gone = self._deliveries.pop(oldest, {})
                removed += [Document("alert", oldest, None), Document("alert-seen", oldest, None)]
                removed += [Document("outbox", f"{oldest}/{name}", None) for name in gone]
        return removed

    def recent(
        self,
        most: int = 500,
        severity: str | None = None,
        scope: str | None = None,
        rule: str | None = None,
        unacknowledged: bool = False,
    ) -> list[RecordedAlert]:
        """Return alerts, the newest first, narrowed by what is given."""
        with self._lock:
            found: list[RecordedAlert] = []
            for alert in reversed(self._alerts.values()):
                if len(found) >= most:
                    break
                acknowledged = self._acknowledged.get(alert.id, 0)
                if (
                    severity in (None, alert.severity)
                    and scope in (None, alert.scope)
                    and rule in (None, alert.rule)
                    and not (unacknowledged and acknowledged)
                ):
                    deliveries = tuple(self._deliveries.get(alert.id, {}).values())
                    found.append(RecordedAlert(alert, acknowledged, deliveries))
            return found

    def toasts(self, after_id: str = "") -> list[Alert]:
        """Return what rules put on the screen since the alert `after_id`, oldest first."""
        with self._lock:
            return [alert for alert in self._toasts if alert.id > after_id]

    def acknowledge(self, *ids: str) -> None:
        """Note that somebody has seen these; raises StoreError where that cannot be kept."""
        now = now_us()
        with self._lock:
            known = [one for one in ids if one in self._alerts]
            self._acknowledged.update((one, now) for one in known)
        self._store.save_documents(
            [Document("alert-seen", one, str(now).encode()) for one in known]
        )


def outbox_entry(one: Delivery) -> Document:
    """Return a delivery as it is kept."""
    body = orjson.dumps(
        {"fate": one.fate, "tries": one.tries, "text": one.text, "changed_us": one.changed_us}
    )
    return Document("outbox", f"{one.alert_id}/{one.channel}", body)


def _delivery(alert_id: str, channel: str, body: bytes) -> Delivery | None:
    try:
        delivery = Delivery(alert_id, channel, **orjson.loads(body))
        if delivery.fate not in get_args(Fate) or not isinstance(delivery.text, str):
            raise TypeError(delivery.fate)
    except (TypeError, orjson.JSONDecodeError):
        log.error("An outbox entry could not be parsed; skipped.")
        return None
    return delivery

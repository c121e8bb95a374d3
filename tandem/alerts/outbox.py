"""The outbox: alerts go into the database first, then to each channel's own thread."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tandem.alerts.channels.base import Channel, Secret
from tandem.alerts.delivery import Delivery, DeliveryThread
from tandem.alerts.history import History, outbox_entry
from tandem.alerts.rules import Alert, encode
from tandem.core.clock import now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.threads import Supervisor
from tandem.storage.protocols import Documents
from tandem.storage.records import Document

log = logging.getLogger("tandem.alerts")

NOT_CONFIGURED = "Not configured."
_MOST_QUEUED = 20_000
_DIED = (
    "Sending alerts stopped because of an internal error (see the log); alerts still appear "
    "on screen. Restart the app, and please report it."
)


class Outbox:
    """Start with `start`, hand alerts over with `put`, end with `stop`.

    Parameters
    ----------
    history : History
        Told what became of each delivery.
    store, channels, missing, secrets, pauses
        As for `Alerts`.

    Attributes
    ----------
    senders : dict of str to DeliveryThread
        The sending thread of each channel.
    fates : dict
        By channel and fate, alerts sent or given up; replaced, never changed.
    """

    def __init__(
        self,
        store: Documents,
        history: History,
        channels: Mapping[str, Channel],
        missing: Mapping[str, str],
        secrets: tuple[Secret, ...],
        pauses: Callable[[], Iterator[float]],
    ) -> None:
        self._store = store
        self._history = history
        self._missing = missing
        self.fates: dict[tuple[str, str], int] = {}
        self._problem = ""
        self._said: dict[str, str] = {}
        self._dropped = 0
        self._queue: queue.Queue[Alert | list[Delivery] | None] = queue.Queue()
        self.senders = {
            name: DeliveryThread(channel, self._queue.put, secrets, pauses)
            for name, channel in channels.items()
        }
        self._life = Supervisor(_DIED)
        self._thread = threading.Thread(
            target=self._life.watch, args=(self._run,), name="alerts", daemon=True
        )

    @property
    def problem(self) -> str:
        """Why alerts cannot be saved or sent, as a message; empty if they can."""
        if self._life.problem:
            return self._life.problem
        lost = f" {self._dropped} alerts dropped (queue full)." if self._dropped else ""
        return self._problem + lost

    def start(self, problem: str = "") -> None:
        """Begin to send; a `problem` of reading the store holds until something is saved."""
        self._problem = problem
        for sender in self.senders.values():
            sender.start()
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Send what can be sent in time, and put the rest into the outbox; twice is harmless."""
        if not self._thread.is_alive():
            for sender in self.senders.values():
                sender.channel.close()
            return
        self._queue.put(None)
        self._thread.join(timeout)
        stopping = [
            threading.Thread(target=sender.stop, args=(timeout,), daemon=True)
            for sender in self.senders.values()
        ]
        for one in stopping:
            one.start()
        for one in stopping:
            one.join(timeout + 1.0)
        # What the senders said while they stopped.
        self._drain()

    def put(self, alert: Alert) -> None:
        """Hand an alert over; never waits."""
        if self._queue.qsize() < _MOST_QUEUED:
            self._queue.put(alert)
        else:
            self._dropped += 1

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            self._take(item)

    def _drain(self) -> None:
        # Not asked whether it is empty first: where the store is slow, its thread still takes.
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    self._take(item)

    def _take(self, item: Alert | list[Delivery]) -> None:
        if isinstance(item, Alert):
            self._hand_on(item)
        else:
            self._settle(item)

    def _hand_on(self, alert: Alert) -> None:
        """Put an alert into the outbox, then into its senders; in that order, so none is lost."""
        deliveries = []
        for name in alert.channels:
            if name == "screen":
                continue
            one = Delivery(alert.id, name, "waiting", 0, "", now_us())
            if name not in self.senders:
                one = replace(one, fate="failed", text=self._missing.get(name, NOT_CONFIGURED))
            deliveries.append(one)
        documents = [Document("alert", alert.id, encode(alert)), *map(outbox_entry, deliveries)]
        self._keep(documents + self._history.outdated(alert.id))
        for one in self._history.settle(deliveries):
            if one.fate == "waiting" and not self.senders[one.channel].put(alert):
                text = "The queue of this channel is full."
                self._settle([replace(one, fate="failed", text=text)])

    def _settle(self, deliveries: list[Delivery]) -> None:
        known = self._history.settle(deliveries)
        for one in known:
            self._log_fate(one)
            if one.fate != "waiting":
                key = (one.channel, one.fate)
                self.fates = self.fates | {key: self.fates.get(key, 0) + 1}
        self._keep([outbox_entry(one) for one in known])

    def _log_fate(self, one: Delivery) -> None:
        """Say once what keeps a channel from sending, and once that it sends again."""
        if one.text == self._said.get(one.channel, ""):
            return
        self._said[one.channel] = one.text
        if one.text:
            log.warning("Alert channel %s: %s", one.channel, one.text)
        else:
            log.info("Alert channel %s recovered.", one.channel)

    def _keep(self, documents: list[Document]) -> None:
        try:
            self._store.save_documents(documents)
            self._problem = ""
        except (StoreError, DataError) as error:
            if not self._problem:
                log.error("Alerts are sent but cannot be saved: %s", error)
            self._problem = f"Alerts are sent but cannot be saved: {error}"

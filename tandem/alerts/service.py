"""Rules, alerts and their delivery in one object: one per process, any thread may ask."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import orjson

from tandem.alerts.channels.base import Channel, NotSent, Secret, redacted
from tandem.alerts.delivery import Delivery, Fate, Lane, pauses
from tandem.alerts.evaluator import Judge
from tandem.alerts.rules import CHANNELS, Alert, Reading, Rule, decode_alert, decode_rule, encode
from tandem.core.clock import now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.threads import Lifeline
from tandem.storage.protocols import Documents
from tandem.storage.records import Document

log = logging.getLogger("tandem.alerts")

MOST_RULES = 200
KEPT_ALERTS = 5_000
_MOST_QUEUED = 20_000
_DIED = (
    "Sending alerts stopped because of an internal error (see the log); alerts still appear "
    "on screen. Restart the app, and please report it."
)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How one channel stands; `text` is for the screen and holds no secret.

    `is_ready` tells whether it is set up, `is_failing` whether its last message did not arrive.
    """

    name: str
    is_ready: bool
    waiting: int
    text: str
    is_failing: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An alert as the list shows it: whether somebody acknowledged it, and its deliveries."""

    alert: Alert
    acknowledged_us: int
    deliveries: tuple[Delivery, ...]


class Alerts:
    """Start with `start`, feed with `observe`, end with `stop`.

    `observe` never waits: it judges in memory and hands what was raised to a thread that writes
    it into the record's outbox and then to each channel's own thread. What was not sent when the
    process ended is sent by the next one. An alert whose answer was lost may come twice, with the
    same id; none is lost that reached the outbox.

    Parameters
    ----------
    record : Documents
        The store.
    channels : mapping of str to Channel
        Those that are set up.
    missing : mapping of str to str
        Why the others are not.
    secrets : tuple of Secret
        Taken out of every text.
    defaults : tuple of Rule
        Rules of a record that has none yet.
    pauses : callable
        Seconds between tries.
    is_foreign : bool
        Whether the record is another process's: what waits in its outbox is not sent from here.
    """

    def __init__(
        self,
        record: Documents,
        channels: Mapping[str, Channel],
        missing: Mapping[str, str] | None = None,
        secrets: tuple[Secret, ...] = (),
        defaults: tuple[Rule, ...] = (),
        pauses: Callable[[], Iterator[float]] = pauses,
        is_foreign: bool = False,
    ) -> None:
        self._record = record
        self._is_foreign = is_foreign
        self._channels = dict(channels)
        self._missing = dict(missing or {})
        self._secrets = secrets
        self._lock = threading.Lock()
        self._judge = Judge(defaults)
        self._alerts: dict[str, Alert] = {}
        self._acknowledged: dict[str, int] = {}
        self._deliveries: dict[str, dict[str, Delivery]] = {}
        self._toasts: deque[Alert] = deque(maxlen=200)
        self._problem = ""
        self._said: dict[str, str] = {}
        self._dropped = 0
        self._tests: dict[str, threading.Lock] = {name: threading.Lock() for name in channels}
        self._queue: queue.Queue[Alert | list[Delivery] | None] = queue.Queue()
        self._lanes = {
            name: Lane(channel, self._queue.put, secrets, pauses)
            for name, channel in channels.items()
        }
        self._life = Lifeline(_DIED)
        self._thread = threading.Thread(
            target=self._life.watch, args=(self._run,), name="alerts", daemon=True
        )

    # Life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Read rules, alerts and the outbox back from the record, and begin to send."""
        try:
            self._load()
        except StoreError as error:
            self._problem = f"Stored alerts cannot be read: {error}"
            log.error("%s", self._problem)
        for lane in self._lanes.values():
            lane.start()
        self._thread.start()

    def stop(self, timeout: float = 3.0) -> None:
        """Send what can be sent in time, and put the rest into the outbox; twice is harmless."""
        if not self._thread.is_alive():
            for channel in self._channels.values():
                channel.close()
            return
        self._queue.put(None)
        self._thread.join(timeout)
        stopping = [
            threading.Thread(target=lane.stop, args=(timeout,), daemon=True)
            for lane in self._lanes.values()
        ]
        for one in stopping:
            one.start()
        for one in stopping:
            one.join(timeout + 1.0)
        # What the lanes said while they stopped.
        self._drain()

    # Readings ---------------------------------------------------------------------------

    def observe(self, readings: Iterable[Reading]) -> list[Alert]:
        """Judge readings and return the alerts they raised; never waits for disk or network."""
        with self._lock:
            raised = self._judge.observe(readings, now_us())
            for alert in raised:
                self._note(alert)
        for alert in raised:
            if self._queue.qsize() < _MOST_QUEUED:
                self._queue.put(alert)
            else:
                self._dropped += 1
        return raised

    # Rules ------------------------------------------------------------------------------

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules, in order."""
        return self._judge.rules

    def put_rule(self, rule: Rule) -> None:
        """Add a rule, or replace the one of the same name; kept in the record.

        Raises
        ------
        DataError
            There are too many.
        StoreError
            It cannot be kept; it holds until the process ends.
        """
        with self._lock:
            rules = {one.name: one for one in self._judge.rules} | {rule.name: rule}
            if len(rules) > MOST_RULES:
                raise DataError(f"The limit of {MOST_RULES} rules is reached; remove one first.")
            self._judge.use(tuple(rules.values()))
        self._keep_rules()

    def remove_rule(self, name: str) -> None:
        """Remove a rule; one that is not there is no error. Raises StoreError as `put_rule`."""
        with self._lock:
            self._judge.use(tuple(one for one in self._judge.rules if one.name != name))
        self._keep_rules()

    def unmatched(self, scopes: Iterable[str]) -> dict[str, str]:
        """Return a message for each rule, by its name, whose scope matches nothing known."""
        known = set(scopes)
        return {
            rule.name: (
                f"Rule {rule.name} has scope {rule.scope}, which is not monitored; it cannot fire."
            )
            for rule in self._judge.rules
            if not set("*?") & set(rule.scope) and rule.scope not in known
        }

    # What was raised --------------------------------------------------------------------

    def recent(
        self,
        most: int = 500,
        severity: str | None = None,
        scope: str | None = None,
        rule: str | None = None,
        unacknowledged: bool = False,
    ) -> list[Told]:
        """Return alerts, the newest first, narrowed by what is given."""
        with self._lock:
            found: list[Told] = []
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
                    found.append(Told(alert, acknowledged, deliveries))
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
        self._record.save_documents(
            [Document("alert-seen", one, str(now).encode()) for one in known]
        )

    # Channels ---------------------------------------------------------------------------

    def channels(self) -> tuple[ChannelState, ...]:
        """Return how every channel stands, also those that are not set up."""
        return tuple(map(self._state_of, CHANNELS))

    def test(self, name: str) -> str:
        """Send a test message at once and return what came of it; waits for the service.

        Never raises for what the service does; the text holds no secret. For a thread of its own,
        not for the screen's.

        Raises
        ------
        DataError
            There is no such channel, it is not set up, or a test of it is under way.
        """
        state = next((one for one in self.channels() if one.name == name), None)
        if state is None or not state.is_ready:
            why = state.text if state else f"Choose one of {', '.join(CHANNELS)}."
            raise DataError(f"The channel {name!r:.40} cannot be tested. {why}")
        now = now_us()
        alert = Alert(
            id=f"{now:017d}-test", rule="test", measure="trade_price_z", scope="tandem",
            time_us=now, raised_us=now, value=0.0, comparison="beyond", threshold=3.0,
            severity="info", channels=(name,), is_test=True,
        )  # fmt: skip
        if name == "screen":
            with self._lock:
                self._toasts.append(alert)
            return "The test message is on screen."
        if not self._tests[name].acquire(blocking=False):
            raise DataError(f"A test of {name} is already running; wait for it.")
        try:
            self._channels[name].send([alert])
        except NotSent as error:
            return f"Test message not sent. {redacted(str(error), self._secrets)}"
        finally:
            self._tests[name].release()
        return f"Test message sent by {name}."

    @property
    def problem(self) -> str:
        """Why alerts cannot be saved or sent, as a message; empty if they can."""
        if self._life.problem:
            return self._life.problem
        lost = f" {self._dropped} alerts dropped (queue full)." if self._dropped else ""
        return self._problem + lost

    def _state_of(self, name: str) -> ChannelState:
        if name == "screen":
            return ChannelState(name, True, 0, "Shown on this page.")
        lane = self._lanes.get(name)
        if lane is None:
            return ChannelState(name, False, 0, self._missing.get(name, "Not configured."))
        text = lane.problem or "Ready."
        if lane.waits_s > 1.0 and lane.problem:
            text += f" {lane.waiting} queued; retrying within {lane.waits_s:.0f} s."
        return ChannelState(name, True, lane.waiting, text, bool(lane.problem))

    # The record -------------------------------------------------------------------------

    def _load(self) -> None:
        kept = self._record.documents("rules")
        if "all" in kept:
            self._judge.use(_rules_from(kept["all"], self._judge.rules))
        for body in self._record.documents("alert", KEPT_ALERTS).values():
            try:
                alert = decode_alert(body)
            except DataError as error:
                log.error("%s", error)
                continue
            self._alerts[alert.id] = alert
        self._judge.resume(self._alerts.values())
        seen = self._record.documents("alert-seen", KEPT_ALERTS)
        self._acknowledged = {
            one: int(at) for one, at in seen.items() if one in self._alerts and at.isdigit()
        }
        self._reload_outbox()

    def _reload_outbox(self) -> None:
        for key, body in self._record.documents("outbox", 10 * KEPT_ALERTS).items():
            alert_id, _, channel = key.partition("/")
            alert = self._alerts.get(alert_id)
            if alert is None:
                continue
            try:
                delivery = Delivery(alert_id, channel, **orjson.loads(body))
                if delivery.fate not in get_args(Fate) or not isinstance(delivery.text, str):
                    raise TypeError(delivery.fate)
            except (TypeError, orjson.JSONDecodeError):
                log.error("An outbox entry could not be parsed; skipped.")
                continue
            self._deliveries.setdefault(alert_id, {})[channel] = delivery
            is_ours = delivery.fate == "waiting" and not self._is_foreign
            if is_ours and channel in self._lanes:
                self._lanes[channel].put(alert)

    def _keep_rules(self) -> None:
        body = orjson.dumps([encode(rule).decode() for rule in self._judge.rules])
        self._record.save_documents([Document("rules", "all", body)])

    def _note(self, alert: Alert) -> None:
        """Remember an alert; called with the lock held."""
        self._alerts[alert.id] = alert
        if "screen" in alert.channels:
            self._toasts.append(alert)

    # The thread that keeps and hands on -------------------------------------------------

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            self._take([item])

    def _drain(self) -> None:
        items: list[Alert | list[Delivery]] = []
        # Not asked whether it is empty first: where the record is slow, its thread still takes.
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    items.append(item)
        if items:
            self._take(items)

    def _take(self, items: list[Alert | list[Delivery]]) -> None:
        for item in items:
            if isinstance(item, Alert):
                self._hand_on(item)
            else:
                self._settle(item)

    def _hand_on(self, alert: Alert) -> None:
        """Put an alert into the outbox, then into its lanes; in that order, so none is lost."""
        documents = [Document("alert", alert.id, encode(alert))]
        deliveries = []
        for name in alert.channels:
            if name == "screen":
                continue
            lane = self._lanes.get(name)
            fate: Delivery = Delivery(alert.id, name, "waiting", 0, "", now_us())
            if lane is None:
                why = self._missing.get(name, "Not configured.")
                fate = dataclasses.replace(fate, fate="failed", text=why)
            deliveries.append(fate)
        self._keep(documents + [_entry(one) for one in deliveries] + self._outdated(alert.id))
        with self._lock:
            self._deliveries[alert.id] = {one.channel: one for one in deliveries}
        for one in deliveries:
            if one.fate == "waiting" and not self._lanes[one.channel].put(alert):
                text = "The queue of this channel is full."
                self._settle([dataclasses.replace(one, fate="failed", text=text)])

    def _settle(self, deliveries: list[Delivery]) -> None:
        with self._lock:
            deliveries = [one for one in deliveries if one.alert_id in self._alerts]
            for one in deliveries:
                self._deliveries.setdefault(one.alert_id, {})[one.channel] = one
        for one in deliveries:
            self._log_fate(one)
        self._keep([_entry(one) for one in deliveries])

    def _log_fate(self, one: Delivery) -> None:
        """Say once what keeps a channel from sending, and once that it sends again."""
        if one.text == self._said.get(one.channel, ""):
            return
        self._said[one.channel] = one.text
        if one.text:
            log.warning("Alert channel %s: %s", one.channel, one.text)
        else:
            log.info("Alert channel %s recovered.", one.channel)

    def _outdated(self, before_id: str) -> list[Document]:
        """Forget the oldest alerts beyond what is kept; returns what to remove of them.

        Only of those handed on before: later ones are not in the record yet.
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

    def _keep(self, documents: list[Document]) -> None:
        try:
            self._record.save_documents(documents)
            self._problem = ""
        except (StoreError, DataError) as error:
            if not self._problem:
                log.error("Alerts are sent but cannot be saved: %s", error)
            self._problem = f"Alerts are sent but cannot be saved: {error}"


def _rules_from(body: bytes, otherwise: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return kept rules without those that are none; others where there is no list of them."""
    try:
        texts = orjson.loads(body)
    except orjson.JSONDecodeError:
        texts = None
    if not isinstance(texts, list):
        log.error("Stored rules could not be parsed; using the default rules.")
        return otherwise
    rules: dict[str, Rule] = {}
    for text in texts[:MOST_RULES]:
        try:
            rule = decode_rule(text if isinstance(text, str) else b"")
        except DataError as error:
            log.error("A stored rule was skipped: %s", error)
        else:
            rules[rule.name] = rule
    return tuple(rules.values())


def _entry(one: Delivery) -> Document:
    body = orjson.dumps(
        {"fate": one.fate, "tries": one.tries, "text": one.text, "changed_us": one.changed_us}
    )
    return Document("outbox", f"{one.alert_id}/{one.channel}", body)

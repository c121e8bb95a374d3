"""Rules, alerts and their delivery in one object: one per process, any thread may ask."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tandem.alerts.channels.base import Channel, NotSent, Secret, redacted
from tandem.alerts.delivery import pauses
from tandem.alerts.history import History
from tandem.alerts.outbox import NOT_CONFIGURED, Outbox
from tandem.alerts.rule_store import RuleStore
from tandem.alerts.rules import CHANNELS, Alert, Reading, Rule
from tandem.core.clock import now_us
from tandem.core.errors import DataError, StoreError
from tandem.storage.protocols import Documents

log = logging.getLogger("tandem.alerts")


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


class Alerts:
    """Start with `start`, feed with `observe`, end with `stop`.

    `observe` never waits: it judges in memory and hands what was raised to a thread that writes
    it into the database's outbox and then to each channel's own thread. What was not sent when the
    process ended is sent by the next one. An alert whose answer was lost may come twice, with the
    same id; none is lost that reached the outbox.

    Parameters
    ----------
    channels : mapping of str to Channel
        Those that are set up.
    missing : mapping of str to str
        Why the others are not.
    secrets : tuple of Secret
        Taken out of every text.
    defaults : tuple of Rule
        Rules of a database that has none yet.
    pauses : callable
        Seconds between tries.
    is_foreign : bool
        Whether the database is another process's: what waits in its outbox is not sent from here.
    """

    def __init__(
        self,
        store: Documents,
        channels: Mapping[str, Channel],
        missing: Mapping[str, str] | None = None,
        secrets: tuple[Secret, ...] = (),
        defaults: tuple[Rule, ...] = (),
        pauses: Callable[[], Iterator[float]] = pauses,
        is_foreign: bool = False,
    ) -> None:
        self.rules = RuleStore(store, defaults)
        self.history = History(store)
        self.raised = 0
        self._is_foreign = is_foreign
        self._missing = dict(missing or {})
        self._secrets = secrets
        self._outbox = Outbox(store, self.history, channels, self._missing, secrets, pauses)
        self._lock = threading.Lock()
        self._tests: dict[str, threading.Lock] = {name: threading.Lock() for name in channels}

    def start(self) -> None:
        """Read rules, alerts and the outbox back from the database, and begin to send."""
        problem = ""
        try:
            self.rules.load()
            self.history.load()
        except StoreError as error:
            problem = f"Stored alerts cannot be read: {error}"
            log.error("%s", problem)
        self.rules.resume(self.history.alerts())
        if not self._is_foreign:
            for alert, channel in self.history.waiting():
                if channel in self._outbox.senders:
                    self._outbox.senders[channel].put(alert)
        self._outbox.start(problem)

    def stop(self, timeout: float = 3.0) -> None:
        """Send what can be sent in time, and put the rest into the outbox; twice is harmless."""
        self._outbox.stop(timeout)

    def observe(self, readings: Iterable[Reading]) -> list[Alert]:
        """Judge readings and return the alerts they raised; never waits for disk or network."""
        # The history is in the order of ids.
        with self._lock:
            raised = self.rules.evaluate(readings)
            self.history.note(raised)
            self.raised += len(raised)
        for alert in raised:
            self._outbox.put(alert)
        return raised

    @property
    def problem(self) -> str:
        """Why alerts cannot be saved or sent, as a message; empty if they can."""
        return self._outbox.problem

    def deliveries(self) -> dict[tuple[str, str], int]:
        """Return by channel and fate (`sent`, `failed`) how many alerts were since the start."""
        return self._outbox.fates

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
            self.history.toast(alert)
            return "The test message is on screen."
        if not self._tests[name].acquire(blocking=False):
            raise DataError(f"A test of {name} is already running; wait for it.")
        try:
            self._outbox.senders[name].channel.send([alert])
        except NotSent as error:
            return f"Test message not sent. {redacted(str(error), self._secrets)}"
        finally:
            self._tests[name].release()
        return f"Test message sent by {name}."

    def _state_of(self, name: str) -> ChannelState:
        if name == "screen":
            return ChannelState(name, True, 0, "Shown on this page.")
        sender = self._outbox.senders.get(name)
        if sender is None:
            return ChannelState(name, False, 0, self._missing.get(name, NOT_CONFIGURED))
        text = sender.problem or "Ready."
        if sender.waits_s > 1.0 and sender.problem:
            text += f" {sender.waiting} queued; retrying within {sender.waits_s:.0f} s."
        return ChannelState(name, True, sender.waiting, text, bool(sender.problem))

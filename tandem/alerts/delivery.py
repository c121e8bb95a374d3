"""One channel's queue and thread: rate limit, retries, backoff; what becomes of each delivery."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from tandem.alerts.channels.base import Channel, NotSent, Pace, Secret, redacted
from tandem.alerts.rules import Alert
from tandem.core.clock import DAY_US, now_us, steady_s
from tandem.core.threads import Supervisor

MOST_WAITING = 5_000
LATEST_US = DAY_US

_DIED = (
    "Sending stopped because of an internal error (see the log); queued alerts are kept. "
    "Restart the app, and please report it."
)

Fate = Literal["waiting", "sent", "failed"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What has become of one alert on one channel.

    `text` says why it failed or waits; it holds no secret.
    """

    alert_id: str
    channel: str
    fate: Fate
    tries: int
    text: str
    changed_us: int


def pauses() -> Iterator[float]:
    """Return seconds between tries: doubling from 1 to 300, each with some chance in it."""
    pause = 1.0
    while True:
        yield pause * random.uniform(0.75, 1.25)
        pause = min(2.0 * pause, 300.0)


class Meter:
    """When the next message may go, by a `Pace`. Time is handed in, in seconds."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._sent: deque[float] = deque(maxlen=pace.per_minute)

    def wait_s(self, now_s: float) -> float:
        """Return how long to wait."""
        if not self._sent:
            return 0.0
        free_s = self._sent[-1] + self._pace.gap_s
        if len(self._sent) == self._pace.per_minute:
            free_s = max(free_s, self._sent[0] + 60.0)
        return max(0.0, free_s - now_s)

    def note(self, now_s: float) -> None:
        """Count a message."""
        self._sent.append(now_s)


class DeliveryThread:
    """Sends one channel's alerts, oldest first, on a thread of its own.

    While a service is unreachable everything waits behind the one that is being tried: what a
    channel brings is in order. What is a day old is given up.

    Parameters
    ----------
    report : callable
        Told of each alert's fate.
    secrets : sequence of Secret
        Taken out of every text.
    pauses : callable
        Gives the seconds between tries.
    """

    def __init__(
        self,
        channel: Channel,
        report: Callable[[list[Delivery]], None],
        secrets: tuple[Secret, ...] = (),
        pauses: Callable[[], Iterator[float]] = pauses,
    ) -> None:
        self.channel = channel
        self.problem = ""
        self.waits_s = 0.0
        self._report = report
        self._secrets = secrets
        self._pauses = pauses
        self._waiting: deque[Alert] = deque()
        self._lock = threading.Lock()
        self._stir = threading.Event()
        self._stopping = threading.Event()
        self._meter = Meter(channel.pace)
        self._thread = threading.Thread(
            target=self._life, name=f"alerts-{channel.name}", daemon=True
        )

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many alerts wait to be sent."""
        return len(self._waiting)

    def put(self, alert: Alert) -> bool:
        """Add an alert; False where too many wait already. Never waits."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                return False
            self._waiting.append(alert)
        self._stir.set()
        return True

    def stop(self, timeout: float) -> None:
        """Send what can be sent within `timeout` seconds; the rest waits in the outbox."""
        end = steady_s() + timeout
        while self._waiting and not self.problem and steady_s() < end and self._thread.is_alive():
            self._stopping.wait(0.01)
        self._stopping.set()
        self._stir.set()
        self.channel.close()
        if self._thread.ident is not None:
            self._thread.join(max(0.1, end - steady_s()))

    def _life(self) -> None:
        """Send until stopped; an unexpected error ends it and becomes the channel's problem."""
        life = Supervisor(_DIED)
        life.watch(self._run)
        self.problem = life.problem or self.problem

    def _run(self) -> None:
        while True:
            # Cleared before it is asked for, so that a stop just now is not slept through.
            self._stir.clear()
            if self._stopping.is_set():
                return
            with self._lock:
                batch = list(islice(self._waiting, self.channel.most))
            if not batch:
                self._stir.wait()
                continue
            self._deliver(batch)

    def _deliver(self, batch: list[Alert]) -> None:
        """Try until these are sent, refused for good, too old, or the thread is stopped."""
        tries = 0
        pauses = self._pauses()
        while not self._pause(self._meter.wait_s(steady_s())):
            self._meter.note(steady_s())
            tries += 1
            failure = self._attempt(batch)
            if failure is None:
                self.problem = ""
                self._finish(batch, "sent", tries, "")
                return
            if self._stopping.is_set():
                return
            self.problem = text = redacted(str(failure), self._secrets)
            if failure.is_final or now_us() - batch[0].raised_us > LATEST_US:
                self._finish(batch, "failed", tries, text)
                return
            self._tell(batch, "waiting", tries, text)
            if self._pause(max(next(pauses), failure.wait_s)):
                return

    def _attempt(self, batch: list[Alert]) -> NotSent | None:
        try:
            self.channel.send(batch)
        except NotSent as failure:
            return failure
        return None

    def _finish(self, batch: list[Alert], fate: Fate, tries: int, text: str) -> None:
        with self._lock:
            for _ in batch:
                self._waiting.popleft()
        self._tell(batch, fate, tries, text)

    def _tell(self, batch: list[Alert], fate: Fate, tries: int, text: str) -> None:
        now = now_us()
        self._report([Delivery(a.id, self.channel.name, fate, tries, text, now) for a in batch])

    def _pause(self, seconds: float) -> bool:
        """Wait; returns whether the thread was stopped meanwhile."""
        self.waits_s = seconds
        stopped = self._stopping.wait(seconds) if seconds > 0.0 else self._stopping.is_set()
        self.waits_s = 0.0
        return stopped

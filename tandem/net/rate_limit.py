"""What may be asked of a venue and when: weights over a sliding window, pauses, backing off.

Nothing here sleeps or opens anything; the clock is given, and only ever runs forward.
"""

from __future__ import annotations

import math
import random
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tandem.venues.rest import SHARE, Budget

# What background work may use of the whole, so that a pair opened now is served now.
BACKGROUND_SHARE = 0.4
# Bans were seen to last three days.
# A time in a body until which nothing may be asked.
_UNTIL = re.compile(rb"(?:until|Throttled:) ?(\d{13}|\d{10})\b")
LONGEST_S = 3 * 86_400.0


class Meter:
    """Counts the weight spent at one venue. Any thread may spend.

    Requests of any window together stay within the share of the venue's limit, whenever its own
    window begins. A request heavier than the share goes through alone.

    Parameters
    ----------
    budget : Budget
        The venue's own limit.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float]) -> None:
        self._budget = budget
        self._clock = clock
        self._spent: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._next_s = self._paused_s = -float("inf")
        self._lock = threading.Lock()

    def ready_in(self, weight: int, share: float = SHARE) -> float:
        """Return the seconds until a request of some weight may go; 0.0 where it may now."""
        with self._lock:
            return self._wait_s(weight, share)

    def spend(self, weight: int, share: float = SHARE) -> float:
        """Spend if that is allowed now: 0.0, or the seconds until it is, and nothing was spent."""
        with self._lock:
            wait_s = self._wait_s(weight, share)
            if not wait_s:
                now = self._clock()
                self._add(now, weight)
                self._next_s = now + self._budget.spacing_s
            return wait_s

    def believe(self, used: int) -> None:
        """Take the venue's word for what was used of its window, where it is more than ours.

        What we did not spend ourselves was spent just now by somebody at the same address.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            more = min(used, self._budget.weight) - self._sum
            if more > 0:
                self._add(now, more)

    def pause(self, seconds: float) -> None:
        """Let nothing through for a while; a pause under way is never shortened."""
        with self._lock:
            self._paused_s = max(self._paused_s, self._clock() + min(seconds, LONGEST_S))

    @property
    def used(self) -> int:
        """Weight spent within the venue's window up to now."""
        with self._lock:
            self._forget(self._clock())
            return self._sum

    @property
    def paused_for(self) -> float:
        """Seconds until a pause is over; 0.0 where there is none."""
        return max(0.0, self._paused_s - self._clock())

    def _wait_s(self, weight: int, share: float) -> float:
        now = self._clock()
        self._forget(now)
        wait_s = max(0.0, self._next_s - now, self._paused_s - now)
        room = self._budget.weight * share - weight
        kept = self._sum
        for at, one in self._spent:
            if kept <= max(room, 0.0):
                break
            kept -= one
            # The window is closed at both ends: what left exactly a window ago still counts.
            wait_s = max(wait_s, at + self._budget.window_s - now + 1e-3)
        return wait_s

    def _add(self, now: float, weight: int) -> None:
        self._spent.append((now, weight))
        self._sum += weight

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] < now - self._budget.window_s:
            self._sum -= self._spent.popleft()[1]


def used_weight(budget: Budget, headers: Mapping[str, str]) -> int | None:
    """Return what a venue's header says was used; None where it says nothing sensible."""
    text = headers.get(budget.used_header.lower(), "") if budget.used_header else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def retry_after_s(headers: Mapping[str, str], now_s: float, body: bytes = b"") -> float | None:
    """Return how long a server asks to be left alone: ``Retry-After`` in seconds or as a date.

    Without one, what the body says: "IP banned until 1573778294000" (Binance, milliseconds),
    "EService: Throttled: 1573778294" (Kraken, seconds). Dates are compared with the answer's own
    ``Date``, so that this machine's clock may be wrong.
    Three days at most, the longest ban that was seen; None where nothing sensible was asked.

    Parameters
    ----------
    now_s : float
        This machine's time in seconds since the epoch, where the answer has no date.
    """
    text = headers.get("retry-after", "").strip()
    until_s = http_date_s(text)
    if until_s is None and text:
        return pause_s(text) if text.isascii() else None
    if until_s is None:
        told = _UNTIL.search(body[:1_000])
        if told is None:
            return None
        until_s = int(told[1]) / (1_000.0 if len(told[1]) == 13 else 1.0)
    sent_s = http_date_s(headers.get("date", ""))
    return pause_s(max(0.0, until_s - (now_s if sent_s is None else sent_s)))


def pause_s(value: Any) -> float | None:
    """Return the seconds of a pause that a server asks for, bounded; None where it is none."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_S) if math.isfinite(seconds) and seconds >= 0.0 else None


def http_date_s(text: str) -> float | None:
    """Return a date of HTTP in seconds since the epoch; None where it is not one."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.fromtimestamp(0, UTC)).total_seconds()


class Backoff:
    """Waits that double from one failure to the next, with jitter, until something succeeds."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self.failures = 0

    def next_s(self) -> float:
        """Count a failure and return how long to wait after it."""
        wait_s = min(self._first_s * 2.0 ** min(self.failures, 40), self._most_s)
        self.failures += 1
        return random.uniform(0.5, 1.0) * wait_s

    def reset(self) -> None:
        """Note a success."""
        self.failures = 0

"""How long a guesser of the operator's secret has to wait: longer after each wrong guess."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable

FREE = 3
LONGEST_S = 300.0


class Guesses:
    """Counts the wrong guesses of the whole process and delays the next one.

    New sessions cost a guesser nothing, so they share one count. While the delay lasts no guess is
    looked at, right or wrong: it tells nothing. A right guess sets the count back.

    Parameters
    ----------
    now : callable
        A monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._wrong = 0
        self._closed_until_s = 0.0

    def wait_s(self) -> float:
        """Return how many seconds from now the next guess is looked at."""
        with self._lock:
            return max(self._closed_until_s - self._now(), 0.0)

    def is_right(self, given: str, secret: str) -> bool:
        """Compare a guess in constant time; always False while the delay lasts."""
        with self._lock:
            if not secret or self._now() < self._closed_until_s:
                return False
            if hmac.compare_digest(given.encode(), secret.encode()):
                self._wrong = 0
                return True
            self._wrong += 1
            if self._wrong >= FREE:
                delay_s = min(2.0 ** min(self._wrong - FREE + 1, 20), LONGEST_S)
                self._closed_until_s = self._now() + delay_s
            return False

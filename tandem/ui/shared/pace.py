"""How often pages are refreshed while more of them are open than the server keeps up with."""

from __future__ import annotations

import threading
from collections.abc import Callable

WINDOW_S = 5.0
# Time spent in refreshes per second of time: above it intervals double, below the other they halve.
# Twice the lower one is less than the upper: no interval goes up and down.
MOST, LEAST = 0.5, 0.15
LONGEST = 16
# Without a refresh for so long nobody was there; whoever comes is not to wait for others.
_NOBODY_S = 120.0


class Pace:
    """Stretches the refresh interval of every session alike; any thread may use it.

    A server that falls behind answers late and irregularly. With longer intervals each refresh is
    prompt again, and the page says how often it comes.

    Parameters
    ----------
    clock : callable
        Returns seconds that never go back.

    Attributes
    ----------
    factor : int
        By how much intervals are longer than asked for: 1, 2, 4, 8 or 16.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.factor = 1
        self._clock = clock
        self._lock = threading.Lock()
        self._since_s = clock()
        self._spent_s = 0.0

    def spent(self, seconds: float) -> None:
        """Count what a refresh took from its beginning to its end."""
        with self._lock:
            self._spent_s += seconds
            lasted_s = self._clock() - self._since_s
            if lasted_s < WINDOW_S:
                return
            share = self._spent_s / lasted_s
            if lasted_s > _NOBODY_S:
                self.factor = 1
            elif share > MOST:
                self.factor = min(2 * self.factor, LONGEST)
            elif share < LEAST:
                self.factor = max(self.factor // 2, 1)
            self._since_s, self._spent_s = self._clock(), 0.0

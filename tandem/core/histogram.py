"""How often a value lay below each of some bounds: a distribution in constant memory."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

# From what nobody notices to what everybody does.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Counts observed values. Any thread may observe and read.

    Parameters
    ----------
    bounds : sequence of float
        Upper bounds, ascending; a value on one belongs below it. Larger values are counted, too.
    """

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self._total = 0.0
        self._lock = threading.Lock()
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, *values: float) -> None:
        """Count values."""
        with self._lock:
            for value in values:
                self._counts[bisect_left(self.bounds, value)] += 1
                self._total += value

    def read(self) -> tuple[list[int], float]:
        """Return how many values were at most each bound, last how many there were; and their sum.

        Both are of one moment.
        """
        with self._lock:
            return list(accumulate(self._counts)), self._total

"""How small a p-value must be for a scheduled look to tell of a pair, by surrogates."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.clock import HOUR_US, MINUTE_US
from tandem.core.parallel import UNWATCHED, Watch
from tandem.scanner.live.minute_prices import Minutes
from tandem.scanner.multiple_testing import Tail
from tandem.scanner.result import Scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import least_p_values

# Surrogates of a look, and how many are to be pooled at the least.
SURROGATES, FIRST_SURROGATES = 20, 60
LOOKS = 12
# Nothing older is pooled, nor anything that shares less than three quarters of the window.
OLDEST_US = 6 * HOUR_US
OLDEST_SHARE = 0.25
# Universes are alike while instruments and bars differ by less than this share.
ALIKE = 0.1
# Seeds come round after nineteen years of minutes.
MOST_SEED = 10_000_000
# No surrogate is begun later, nor after a quarter of the time until the next look.
MOST_S = 300.0
SLOT_SHARE = 0.25


class SurrogateThreshold(NamedTuple):
    """What a look calls found, and why.

    Attributes
    ----------
    surrogates : int
        Scanned at this look.
    pooled : int
        Of this look and those before it.
    threshold : float
        The p-value at or below which a pair is told; 0 where there are too few surrogates to say.
    """

    surrogates: int
    pooled: int
    threshold: float

    def found(self, scan: Scan) -> npt.NDArray[np.bool_]:
        """Return which pairs are told.

        Those at most the threshold that Benjamini and Yekutieli's rule finds at the look's level:
        surrogates make that rule stricter, never looser.
        """
        return scan.found("q_value_any") & (scan.figures["p_value"] <= self.threshold)


class _Window(NamedTuple):
    at_us: int
    shape: tuple[int, int]
    minima: npt.NDArray[np.float64]


class Calibration:
    """Scans surrogates of each look's window and pools what those of the last ones gave.

    Surrogates have the window's volatility path, dependence and gaps, and nothing related. The
    chance that the smallest of a look's p-values reaches the threshold is then the look's level,
    as far as `Tail` extrapolates rightly. Twelve looks are pooled, of at most six hours and at
    most a quarter of the window, and only those of like universes.
    """

    def __init__(self) -> None:
        self._windows: deque[_Window] = deque(maxlen=LOOKS)

    def look(
        self,
        minutes: Minutes,
        settings: ScanSettings,
        at_us: int,
        watch: Watch = UNWATCHED,
        most_seconds: float = MOST_S,
    ) -> SurrogateThreshold:
        """Scan surrogates of a window, in one thread, and return what its look may tell.

        Parameters
        ----------
        settings : ScanSettings
            As of the look's scan; the level is the look's.
        at_us : int
            End of the window; also says which surrogates are drawn.
        most_seconds : float
            None is begun later.

        Raises
        ------
        DataError, Cancelled
            As `scan`.
        """
        shape = minutes.prices.shape
        oldest_us = min(OLDEST_US, round(OLDEST_SHARE * shape[0] * MINUTE_US))
        kept = [one for one in self._windows if _is_like(one, shape, at_us - oldest_us)]
        self._windows = deque(kept, LOOKS)
        before = sum(len(one.minima) for one in list(self._windows)[1 - LOOKS :])
        minima = least_p_values(
            minutes.prices,
            settings,
            max(SURROGATES, FIRST_SURROGATES - before),
            names=minutes.names,
            seed=at_us // MINUTE_US % MOST_SEED,
            watch=watch,
            workers=1,
            most_seconds=most_seconds,
        )
        self._windows.append(_Window(at_us, (shape[0], shape[1]), minima))
        tail = Tail()
        for one in self._windows:
            tail.add(one.minima)
        return SurrogateThreshold(len(minima), len(tail), tail.threshold(settings.level))


def _is_like(one: _Window, shape: tuple[int, ...], since_us: int) -> bool:
    sizes = zip(one.shape, shape, strict=True)
    return one.at_us > since_us and all(abs(a - b) <= ALIKE * b for a, b in sizes)

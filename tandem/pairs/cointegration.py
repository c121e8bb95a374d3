"""Whether a pair belongs together: what its last bars say, all of one fixed regression."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.analytics import verdict
from tandem.analytics.quality import SpreadQuality, spread_quality
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.startup import HeavyWork
from tandem.pairs.stream import PairSettings
from tandem.strategy.signals import levels

log = logging.getLogger("tandem.pairs")

FEWEST = 50
MOST = 2_000
RETEST_S = 2.0


@dataclass(frozen=True, slots=True)
class Relation:
    """What the last bars say about a pair.

    All of it is in-sample and describes the past; a rolling spread would pass every test by
    construction (its half-life on pure noise is 0.22 times its window).

    Attributes
    ----------
    quality : SpreadQuality
        The test, and how the residual reverts.
    soundness : Soundness
        Whether what was found still holds.
    """

    quality: SpreadQuality
    soundness: verdict.Soundness

    @property
    def p_value(self) -> float:
        """Engle and Granger's, for this many bars, the search for the lag allowed for."""
        return self.quality.test.p_value_searched

    @property
    def same_asset(self) -> bool:
        """Whether both legs are tickers of one asset: there is no spread to trade then."""
        return self.quality.test.same_asset


def assess(
    view: Mapping[str, npt.NDArray[Any]], settings: PairSettings, most: int = MOST
) -> Relation | None:
    """Test whether the pair belongs together on its last `most` bars.

    Returns None while fewer than 50 usable bars exist (of log prices: with prices above 0). y is
    regressed on x, in that direction only (trying both and keeping the better one doubles the false
    alarms).

    Parameters
    ----------
    view : mapping
        Columns of `pair.COLUMNS`.
    """
    view = {name: view[name][-most:] for name in ("usable", "y", "x", "beta")}
    y, x = (np.where(view["usable"], view[leg], np.nan) for leg in "yx")
    legs = [levels(leg, settings.log_prices) for leg in (y, x)]
    if np.isfinite(legs).all(axis=0).sum() < FEWEST:
        return None
    quality = spread_quality(
        y,
        x,
        settings.bar_us / SECOND_US,
        log_prices=settings.log_prices,
        beta=view["beta"],
        drift_bars=settings.lookback,
    )
    return Relation(quality, verdict.soundness(*legs))


@dataclass
class _Latest:
    """The latest test of a pair, and whether another is on its way."""

    relation: Relation | None = None
    bars: int = -1
    at: float = 0.0
    running: bool = False


class CointegrationTests:
    """The latest test of every watched pair, repeated as bars close. Any thread may ask."""

    def __init__(self, heavy: HeavyWork, stopping: threading.Event) -> None:
        self._heavy = heavy
        self._stopping = stopping
        self._lock = threading.Lock()
        self._latest: dict[PairSettings, _Latest] = {}

    def latest(
        self,
        settings: PairSettings,
        bars: int,
        columns: Mapping[str, npt.NDArray[Any]],
        every_s: float = RETEST_S,
    ) -> Relation | None:
        """Return the latest test of a pair, and start another where bars have closed since."""
        with self._lock:
            last = self._latest.setdefault(settings, _Latest())
        # What was tried on too few bars is tried again soon, whoever asks.
        pause_s = every_s if last.relation else RETEST_S
        due = last.bars != bars and time.monotonic() - last.at > pause_s
        if due and not last.running and not self._stopping.is_set():
            last.running = True
            self._heavy.submit(self._test, settings, bars, columns, last)
        return last.relation

    def keep_only(self, pairs: Collection[PairSettings]) -> None:
        """Forget the tests of all other pairs."""
        with self._lock:
            self._latest = {pair: last for pair, last in self._latest.items() if pair in pairs}

    def _test(
        self,
        settings: PairSettings,
        bars: int,
        columns: Mapping[str, npt.NDArray[Any]],
        last: _Latest,
    ) -> None:
        try:
            last.relation = assess(columns, settings)
        except DataError as error:
            log.warning("The cointegration of %s and %s: %s", settings.y, settings.x, error)
        finally:
            last.bars, last.at, last.running = bars, time.monotonic(), False

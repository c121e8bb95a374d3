"""The last price of every minute of very many instruments, in a ring of fixed size."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.clock import MINUTE_US
from tandem.core.events import Funding, Gap, Quote, Trade


class Minutes(NamedTuple):
    """Prices as a scan takes them.

    Attributes
    ----------
    names : tuple of str
    times_us : ndarray of shape (minutes,)
        When each minute began, ascending.
    prices : ndarray of shape (minutes, instruments)
        The minute's last price; NaN where nothing traded. Nothing is carried forward.
    """

    names: tuple[str, ...]
    times_us: npt.NDArray[np.int64]
    prices: npt.NDArray[np.float64]


class MinuteBoard:
    """Takes trades where the database would take them, and keeps 16 bytes a minute and instrument.

    A minute is the trades' own, so late and disordered trades land where they belong. Any thread
    may write and read.

    Parameters
    ----------
    names : sequence of str
        Instruments; trades of others are passed over.
    minutes : int
        How many are kept.
    """

    def __init__(self, names: Sequence[str], minutes: int) -> None:
        self.names = tuple(names)
        self.minutes = minutes
        self._place = {name: place for place, name in enumerate(self.names)}
        self._prices = np.full((len(self.names), minutes), np.nan)
        # When the price of a slot was traded. A later lap of the ring is later, so one comparison
        # tells a newer price of the same minute, a new minute, and a trade too old to be kept.
        self._at = np.full((len(self.names), minutes), -1, np.int64)
        self._lock = threading.Lock()
        self.trades = 0

    def submit(self, events: Sequence[Trade | Quote | Funding | Gap]) -> None:
        """Take a batch of a recorder's."""
        newest: dict[tuple[int, int], Trade] = {}
        trades = 0
        for event in events:
            if not isinstance(event, Trade):
                continue
            place = self._place.get(event.instrument)
            if place is None:
                continue
            trades += 1
            key = (place, event.time_us // MINUTE_US)
            known = newest.get(key)
            if known is None or event.time_us >= known.time_us:
                newest[key] = event
        with self._lock:
            self.trades += trades
            for (place, minute), trade in newest.items():
                slot = minute % self.minutes
                if trade.time_us >= self._at[place, slot]:
                    self._at[place, slot] = trade.time_us
                    self._prices[place, slot] = trade.price

    def fill(self, name: str, bars: npt.NDArray[np.void], end_us: int) -> None:
        """Take one instrument's one-minute bars (dtype BAR) that had ended by `end_us`."""
        place = self._place[name]
        ended = bars[bars["time_us"] + MINUTE_US <= end_us][-self.minutes :]
        slots = ended["time_us"] // MINUTE_US % self.minutes
        with self._lock:
            newer = ended["last_us"] > self._at[place, slots]
            self._at[place, slots[newer]] = ended["last_us"][newer]
            self._prices[place, slots[newer]] = ended["close"][newer]

    def read(self, end_us: int) -> Minutes:
        """Return the minutes kept that had ended by `end_us`, from the first one with a price."""
        last = end_us // MINUTE_US
        minutes = np.arange(max(last - self.minutes, 0), last)
        slots = minutes % self.minutes
        with self._lock:
            at, prices = self._at[:, slots], self._prices[:, slots].T.copy()
        # What stands in a slot may be of the lap before, or of the minute that is still going on.
        prices[(at // MINUTE_US != minutes).T] = np.nan
        known = np.flatnonzero(np.isfinite(prices).any(axis=1))
        first = int(known[0]) if len(known) else len(minutes)
        return Minutes(self.names, minutes[first:] * MINUTE_US, prices[first:])

"""The detectors over all that is recorded now: instruments join with a history, and leave."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from tandem.alerts.rules import Reading
from tandem.core.bars import between
from tandem.core.clock import SECOND_US
from tandem.core.errors import StoreError
from tandem.core.events import BAR
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars, SecondBars
from tandem.storage.protocols import Database
from tandem.surveillance.detectors import Closed, Detectors, WallRow
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.stored import save_model, stored_model

log = logging.getLogger("tandem.monitor")


@dataclass
class _Followed:
    """What has been read of an instrument: trades, and bars to the end of a second."""

    bars: SecondBars
    cursor: int
    until_us: int


class LiveSurveillance:
    """Follows every instrument of the hot buffer by one set of settings.

    One thread calls `step` and `watch_pairs`; any may read.

    Parameters
    ----------
    store : Database
        Where histories and models come from, and where models go.
    bars : LiveBars
        Of that buffer.
    training, reading : Executor
        Beside each other: an instrument that has just come does not wait for others' models.

    Attributes
    ----------
    problems : dict of str to str
        Instruments whose history cannot be read, and a message for each.
    """

    def __init__(
        self,
        settings: WatchSettings,
        store: Database,
        buffer: HotBuffer,
        bars: LiveBars,
        training: Executor,
        reading: Executor,
    ) -> None:
        self.problems: dict[str, str] = {}
        self.detectors = Detectors(settings, self.exchange_us, training, partial(save_model, store))
        self._store = store
        self._buffer = buffer
        self._bars = bars
        self._reading = reading
        self._followed: dict[str, _Followed] = {}
        # Instrument -> its history, on its way, and where that ends.
        self._histories: dict[str, tuple[Future[npt.NDArray[np.void]], int]] = {}

    def exchange_us(self, instrument: str, now_us: int) -> int:
        """Return an instrument's exchange's time, as trades tell it; `now_us` where none do."""
        followed = self._followed.get(instrument)
        return followed.bars.clock_us(now_us) if followed else now_us

    def wall(self, now: Callable[[str], int]) -> list[WallRow]:
        """Return a row per instrument, once its recorded history has been taken in."""
        return [row for row in self.detectors.wall(now) if row.instrument in self._followed]

    def watch_pairs(self, legs: Iterable[tuple[str, str]]) -> None:
        """Watch these pairs for legs that move apart, and no others."""
        both = {(y, x) for y, x in legs if y in self._followed and x in self._followed}
        self.detectors.keep_pairs(f"{y}~{x}" for y, x in both)
        for y, x in sorted(both):
            self.detectors.add_pair(y, x)

    def step(self, clock: Callable[[str], int]) -> Iterator[list[Reading]]:
        """Take in what is new and return its readings, piece by piece.

        Parameters
        ----------
        clock : callable
            Gives the time for a venue's trades, in microseconds.
        """
        bars = self._bars.follow(clock)
        # Before trades are read: those of every bar up to here are then among them.
        ends = {name: one.closed_until_us for name, one in bars.items()}
        times = {name: clock(name.partition(":")[0]) for name in bars}
        # Whoever left and came back meanwhile has other bars.
        for name in [n for n, one in self._followed.items() if bars.get(n) is not one.bars]:
            self._leave(name)
        # A history that ends before a gap is not the one of whoever comes back after it.
        self._histories = {name: one for name, one in self._histories.items() if name in bars}
        for name, one in bars.items():
            if name not in self._followed:
                self._join(name, one)
        closed = {}
        for name, followed in self._followed.items():
            while True:
                trades, followed.cursor = self._buffer.rows_since(name, followed.cursor)
                if not len(trades):
                    break
                yield self.detectors.observe_rows(name, trades, times.__getitem__)
            new = between(followed.bars.closed(), followed.until_us, ends[name])
            closed[name] = Closed(new, ends[name])
            followed.until_us = ends[name]
        yield self.detectors.take(closed, times.__getitem__, only_fresh=True)

    def _join(self, name: str, bars: SecondBars) -> None:
        """Watch an instrument once its recorded history has been read."""
        if name not in self._histories:
            first = self._buffer.since(name, 0, 1)[0]
            if first:
                until_us = first[0].time_us // SECOND_US * SECOND_US
                history = self._reading.submit(self._history, name, until_us)
                self._histories[name] = history, until_us
            return
        history, until_us = self._histories[name]
        if not history.done():
            return
        del self._histories[name]
        self.detectors.add(name)
        model = stored_model(self._store, name, self.detectors.settings)
        if model is not None:
            self.detectors.use_model(name, model)
        past = history.result()
        if len(past):
            self.detectors.warm(name, past)
        self._followed[name] = _Followed(bars, 0, until_us)

    def _leave(self, name: str) -> None:
        """Forget an instrument nobody records any more."""
        self.detectors.remove(name)
        del self._followed[name]
        self.problems.pop(name, None)

    def _history(self, name: str, until_us: int) -> npt.NDArray[np.void]:
        """Return an instrument's last recorded bars before its first trade."""
        start_us = until_us - 2 * self.detectors.settings.train_bars * SECOND_US
        try:
            return self._store.bars(name, start_us, until_us)
        except StoreError as error:
            said = f"The history of {name} cannot be read: {error} It is monitored from now on."
            self.problems[name] = said
            log.error("%s", said)
            return np.empty(0, BAR)

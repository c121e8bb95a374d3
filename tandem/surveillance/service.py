"""Surveillance of trades alone: it makes its bars itself, from a stream or from a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor

from tandem.alerts.rules import Reading
from tandem.core.bars import BarBuilder
from tandem.core.events import Trade
from tandem.surveillance.detectors import Closed, Detectors, sound
from tandem.surveillance.instrument import InstrumentWatch
from tandem.surveillance.isolation_forest import Forest
from tandem.surveillance.settings import WatchSettings


class Surveillance(Detectors):
    """Start empty, `add` instruments and pairs, then hand in trades and the time.

    One thread calls `observe` and `close`; any may read.

    Parameters
    ----------
    grace_us : int
        How long a second waits for late trades.
    executor, trained
        As for `Detectors`.
    """

    def __init__(
        self,
        settings: WatchSettings | None = None,
        grace_us: int = 500_000,
        executor: Executor | None = None,
        trained: Callable[[str, Forest], None] = lambda instrument, forest: None,
    ) -> None:
        super().__init__(settings or WatchSettings(), self._exchange_us, executor, trained)
        self._grace_us = grace_us
        self._builders: dict[str, BarBuilder] = {}

    def add(self, instrument: str) -> InstrumentWatch:
        """Watch an instrument as `Detectors.add` does; raises DataError."""
        with self._lock:
            watch = super().add(instrument)
            if instrument not in self._builders:
                self._builders[instrument] = BarBuilder(instrument, self._grace_us)
            return watch

    def remove(self, instrument: str) -> None:
        """Forget an instrument and its pairs."""
        with self._lock:
            super().remove(instrument)
            self._builders.pop(instrument, None)

    def observe(
        self, trades: Sequence[Trade], now: Callable[[str], int] | None = None
    ) -> list[Reading]:
        """Take trades in the order they arrived, as `Detectors.observe`, and into their bars."""
        groups = sound(trades)
        with self._lock:
            for name in groups.keys() & self._builders.keys():
                self._builders[name].add(groups[name])
            return self._observe(groups, now)

    def close(self, now: int | Callable[[str], int], only_fresh: bool = False) -> list[Reading]:
        """Close the bars whose time is over and `take` them; returns readings.

        Parameters
        ----------
        now : int or callable
            The time, or what gives it for an instrument, taken before the trades observed so far
            were collected.
        only_fresh : bool
            As in `take`.
        """
        closed: dict[str, Closed] = {}
        with self._lock:
            for name, builder in self._builders.items():
                bars = builder.close(now(name) if callable(now) else now)
                closed[name] = Closed(bars, builder.closed_until_us)
            return self.take(closed, now, only_fresh)

    def _exchange_us(self, instrument: str, now_us: int) -> int:
        return self._builders[instrument].clock_us(now_us)


def batch(
    trades: Iterable[Trade],
    settings: WatchSettings | None = None,
    pairs: Iterable[tuple[str, str]] = (),
) -> tuple[Surveillance, list[Reading]]:
    """Watch recorded trades, in the order they arrived, as the stream would have.

    Returns
    -------
    surveillance : Surveillance
        With the scores of every bar and trade it keeps.
    readings : list of Reading
        In the order of the stream that sees all trades before its bars close.
    """
    surveillance = Surveillance(settings)
    found = list(trades)
    for name in dict.fromkeys(trade.instrument for trade in found):
        surveillance.add(name)
    for y, x in pairs:
        surveillance.add_pair(y, x)
    readings = surveillance.observe(found)
    if found:
        arrived = {trade.instrument: trade.received_us for trade in found}
        end_us = max(arrived.values())
        # One that fell silent is closed at its own last trade first: by the end of all alone it
        # would be taken for a backlog that more trades follow.
        readings += surveillance.close(lambda name: arrived.get(name, end_us))
        readings += surveillance.close(end_us)
    return surveillance, readings

"""The simulated market as a venue, so that the desk works on a machine with no network."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Literal

from tandem.core.clock import MINUTE_US, SECOND_US, now_us
from tandem.core.errors import UnknownSymbol
from tandem.core.events import Event, Notice, Trade
from tandem.core.instruments import SIMULATED_VENUE
from tandem.venues.base import read_symbol
from tandem.venues.simulated_market import ASSETS, SimulatedMarket
from tandem.venues.venue import Venue

_MOST_HISTORY_TRADES = 60_000
_BEHIND_US = MINUTE_US
_BEAT_S = 0.05
_QUOTE_US = SECOND_US // 4
_FUNDING_US = MINUTE_US


class Simulated(SimulatedMarket):
    """The simulated venue; every instrument is ``sim:SYMBOL``.

    Parameters
    ----------
    seed, rate
        As of a `SimulatedMarket`.
    history_s : float
        How much of the past is delivered first. Shortened where it would exceed 60,000 trades
        per instrument.
    clock : callable
        Wall clock in microseconds.
    """

    kind: ClassVar[Literal["generated"]] = "generated"
    venue: ClassVar[str] = SIMULATED_VENUE
    title: ClassVar[str] = "Simulated market"
    begins_with_past: ClassVar[bool] = True
    charges_funding: ClassVar[bool] = True

    def __init__(
        self,
        seed: int,
        rate: float,
        history_s: float = 7_200.0,
        clock: Callable[[], int] = now_us,
    ) -> None:
        super().__init__(seed, rate)
        self.history_us = int(min(history_s, _MOST_HISTORY_TRADES / rate) * SECOND_US)
        self._clock = clock

    @property
    def popular(self) -> tuple[str, ...]:
        """Every symbol there is."""
        return tuple(ASSETS)

    def clock_us(self) -> int:
        """Return this machine's time: the simulation happens now."""
        return self._clock()

    def instrument(self, text: str) -> str:
        """Return the instrument meant by `text`; raises UnknownSymbol outside `ASSETS`."""
        asset, quote = read_symbol(text, SIMULATED_VENUE)
        if quote in ("", "USD", "USDT") and f"{asset}USDT" in ASSETS:
            return f"{SIMULATED_VENUE}:{asset}USDT"
        raise UnknownSymbol(
            f"The simulated market has no {text!r:.40}; it has {', '.join(ASSETS)}."
        )

    # The market as it happens -----------------------------------------------------------------

    def batches(
        self, wanted: Callable[[], frozenset[str]], stop: threading.Event
    ) -> Iterator[Sequence[Event]]:
        """Yield the recent past of each wanted instrument at once, then trades as they happen."""
        lines: dict[str, _Line] = {}
        refused: set[str] = set()
        while not stop.is_set():
            now = self._clock()
            asked = sorted(wanted())
            names = [name for name in asked if name.partition(":")[2] in ASSETS]
            unknown = [name for name in asked if name not in names and name not in refused]
            if unknown:
                yield [_no_such(name) for name in unknown]
                refused.update(unknown)
            oldest = now - self.history_us
            behind = []
            for name in names:
                line = lines.setdefault(name, _Line(oldest))
                line.until_us = max(line.until_us, oldest)
                if line.until_us < now - _BEHIND_US:
                    behind.append(name)
            yield from self._catch_up(behind, lines, now, stop)
            batch: list[Event] = []
            for name in names:
                batch.extend(self._due(name, lines[name], self._clock()))
            if batch:
                yield batch
            stop.wait(_BEAT_S)

    def _catch_up(
        self, names: list[str], lines: dict[str, _Line], now: int, stop: threading.Event
    ) -> Iterator[Sequence[Event]]:
        """Yield the past of each instrument, each in one piece.

        In pieces, a reader between two of them would close its bars up to now and find the
        second piece late.
        """
        whole = now // SECOND_US * SECOND_US
        for name in names:
            if stop.is_set():
                return
            past = self.history(name, lines[name].until_us, whole)
            lines[name].until_us = whole
            if past:
                yield past

    def _due(self, name: str, line: _Line, now: int) -> list[Event]:
        """Return the events of one instrument that have arrived by `now`, each once."""
        events: list[Event] = []
        if line.until_us <= now:
            end = (now // SECOND_US + 1) * SECOND_US
            line.waiting = line.waiting[line.given :] + self.history(name, line.until_us, end)
            line.given = 0
            line.until_us = end
        ready = bisect_right(line.waiting, now, lo=line.given, key=_arrival)
        events.extend(line.waiting[line.given : ready])
        line.given = ready
        for every, make in ((_QUOTE_US, self.quote), (_FUNDING_US, self.funding)):
            moment = now // every * every
            if line.told.get(every) != moment:
                line.told[every] = moment
                events.append(make(name, moment))
        return events


class _Line:
    """How far one instrument has been delivered."""

    def __init__(self, until_us: int) -> None:
        self.until_us = until_us
        self.waiting: list[Trade] = []
        self.given = 0
        self.told: dict[int, int] = {}


def _no_such(instrument: str) -> Notice:
    symbol = instrument.partition(":")[2]
    listed = ", ".join(ASSETS)
    return Notice("error", f"The simulated market has no {symbol:.40}; it has {listed}.")


def _arrival(trade: Trade) -> int:
    return trade.received_us


VENUE = Venue(
    Simulated.venue,
    Simulated.title,
    lambda settings, stored: Simulated(settings.simulation_seed, settings.simulation_rate),
)

"""The pair tracker: closed bars into every watched pair's state.

One thread calls `PairTracker.step` some twenty times a second. It brings the bars of the hot buffer
up to date and extends each pair. Because bars close by the trades' own arrival, replaying a
recording in arrival order gives the very signals shown live.
"""

from __future__ import annotations

import io
import logging
import threading
import time
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tandem.core.bars import align, between, with_candles
from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR
from tandem.kernels.trading.records import CLOSED
from tandem.pairs.stream import PairSettings, PairStream, Progress, Provisional
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars, SecondBars
from tandem.storage.protocols import Database
from tandem.storage.records import SignalRow
from tandem.strategy.trader import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    STOP,
    TIME_STOP,
    WITHDRAWN,
    ClosedTrade,
    Position,
)
from tandem.venues.funding import FundingSchedule

log = logging.getLogger("tandem.desk")

# What a signal is called in the database; an order withdrawn before its fill ends a signal too.
SIGNALS: dict[int, Literal["long", "short", "exit", "stop"]] = {
    ENTER_LONG: "long",
    ENTER_SHORT: "short",
    EXIT: "exit",
    STOP: "stop",
    TIME_STOP: "exit",
    WITHDRAWN: "exit",
}

# Spans fetched later that are kept in mind per instrument; how long a pair waits for them before
# it is opened, and how long after that it may still be opened anew.
MOST_AMENDED = 1_000
WAIT_S = 10.0
SETTLE_S = 30.0

STATE_EVERY_US = 300 * SECOND_US
GOLDEN = 0.618034
# A charge is announced at most this long ahead.
ANNOUNCED_BEFORE_US = 8 * HOUR_US
OPEN_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class PairView:
    """One pair at one moment; its columns are read-only and never change.

    `bars` counts every bar followed, the first of them at `first_us`, more than are kept.
    """

    settings: PairSettings
    columns: dict[str, npt.NDArray[Any]]
    bars: int
    first_us: int
    progress: Progress
    position: Position | None
    alpha: float
    beta: float


class Leg:
    """One instrument's closed seconds, what it charges, and what was fetched of it later."""

    def __init__(self, bars: SecondBars) -> None:
        self.bars = bars
        self.funding = FundingSchedule()
        # Spans of this process's time whose trades were fetched later; the database has them.
        self.amended: list[tuple[int, int]] = []


class LivePair:
    """A pair stream with the lock under which it is extended and read."""

    def __init__(self, settings: PairSettings, keep: int) -> None:
        self.keep = keep
        self.stream = PairStream(settings, keep)
        self.lock = threading.Lock()
        self.next_us = 0
        self.saved_us = 0
        self.opened = False
        self.signalled = False
        self.view: PairView | None = None

    def publish(self) -> None:
        """Make what was computed visible to readers."""
        stream = self.stream
        self.view = PairView(
            settings=stream.settings,
            columns=stream.view(),
            bars=stream.bars,
            first_us=stream.first_us,
            progress=stream.progress,
            position=stream.trader.position,
            alpha=stream.hedge.last_alpha,
            beta=stream.hedge.last_beta,
        )


class PairTracker:
    """Every watched pair, kept up to date.

    Parameters
    ----------
    buffer : HotBuffer
        Where funding is announced.
    history : Database
        The database, read once when a pair is opened, written when signals change.
    stale_us : callable
        Gives the age of its last trade from which an instrument's bars are masked.
    keep : int
        Bars kept per pair.
    arriving : callable
        Tells whether an instrument's history is being fetched: its pairs are opened a little later,
        on more bars.
    """

    def __init__(
        self,
        buffer: HotBuffer,
        bars: LiveBars,
        history: Database,
        stale_us: Callable[[str], int],
        keep: int,
        arriving: Callable[[str], bool] = lambda instrument: False,
    ) -> None:
        # States are packed beside the desk's thread: 0.2 s each at 50,000 bars.
        self._saving = ThreadPoolExecutor(1, thread_name_prefix="saving")
        self._saved: Future[None] = Future()
        self._buffer = buffer
        self._bars = bars
        self._history = history
        self._stale_us = stale_us
        self._keep = keep
        self._arriving = arriving
        # When a pair was first to be opened, and when it was.
        self._waiting: dict[PairSettings, float] = {}
        self._opened: dict[PairSettings, float] = {}
        self._legs: dict[str, Leg] = {}
        self._pairs: dict[PairSettings, LivePair] = {}
        self._wanted: frozenset[PairSettings] = frozenset()
        self._pinned: frozenset[PairSettings] = frozenset()
        self.problem = ""

    def want(self, pairs: Iterable[PairSettings], pinned: Iterable[PairSettings] = ()) -> None:
        """Say which pairs are to be kept up to date; pinned ones keep their state on disk."""
        self._pinned = frozenset(pinned)
        self._wanted = frozenset(pairs) | self._pinned

    def view(self, settings: PairSettings) -> PairView | None:
        """Return a pair as of its last closed bar; None while it is being opened."""
        live = self._pairs.get(settings)
        return live.view if live else None

    def pinned_legs(self) -> frozenset[str]:
        """Return the instruments of all pinned pairs."""
        return frozenset(leg for pair in self._pinned for leg in (pair.y, pair.x))

    def pinned_views(self) -> list[tuple[PairSettings, PairView]]:
        """Return every pinned pair that has been opened."""
        opened = [(pair, live.view) for pair, live in list(self._pairs.items())]
        pinned = self._pinned
        return [(pair, view) for pair, view in opened if view is not None and pair in pinned]

    def provisional(self, settings: PairSettings, y: float, x: float) -> Provisional | None:
        """Return what the running bar says at these prices."""
        live = self._pairs.get(settings)
        if live is None or live.view is None:
            return None
        with live.lock:
            return live.stream.provisional(y, x)

    def paper(self, settings: PairSettings, y: float, x: float) -> float:
        """Return the paper account's profit if it were closed at these prices, after every cost."""
        live = self._pairs.get(settings)
        if live is None or live.view is None:
            return float("nan")
        with live.lock:
            trader = live.stream.trader
            mark = trader.mark(y, x)
            return float(trader.closed["net"].sum()) + (mark.net if mark else 0.0)

    def closed(self, settings: PairSettings) -> npt.NDArray[np.void]:
        """Return the paper account's closed trades as one array."""
        live = self._pairs.get(settings)
        if live is None:
            return np.empty(0, CLOSED)
        with live.lock:
            return live.stream.trader.closed

    def trades(self, settings: PairSettings) -> list[ClosedTrade]:
        """Return the paper account's closed trades, oldest first."""
        live = self._pairs.get(settings)
        if live is None:
            return []
        with live.lock:
            return live.stream.trader.trades

    def amended(self, instrument: str, start_us: int, end_us: int) -> None:
        """Learn that the database now holds trades or candles of a span that were missing.

        What was shown stays: a pair that has signalled carries on. One that still warms up, or was
        opened a moment ago and has not signalled, is opened anew on the longer history.
        """
        leg = self._legs.get(instrument)
        if leg is not None and end_us > (first_us := leg.bars.first_us) > 0:
            leg.amended = [*leg.amended[1 - MOST_AMENDED :], (max(start_us, first_us), end_us)]
        for settings, live in list(self._pairs.items()):
            if instrument in (settings.y, settings.x) and self._may_reopen(settings, live):
                del self._pairs[settings]

    def _may_reopen(self, settings: PairSettings, live: LivePair) -> bool:
        progress = live.stream.progress
        if progress.seen < progress.needed:
            return True
        return not live.signalled and time.monotonic() - self._opened[settings] < SETTLE_S

    def forget(self, instrument: str) -> None:
        """Drop from memory an instrument that has left the buffer."""
        self._bars.forget(instrument)
        self._legs.pop(instrument, None)

    def funding_per_hour(self, instrument: str) -> float:
        """Return the fraction of its notional a long position pays per hour; NaN where unknown."""
        leg = self._legs.get(instrument)
        return leg.funding.rate_per_hour if leg else float("nan")

    def seconds(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-second bars: from the database, then those in memory as they closed.

        Spans that were fetched later come from the database too.
        """
        leg = self._legs.get(instrument)
        memory = leg.bars.closed() if leg else np.empty(0, BAR)
        first_us = int(memory["time_us"][0]) if len(memory) else end_us
        bars = between(memory, start_us, end_us)
        if start_us < first_us:
            past = self._history.bars(instrument, start_us, min(first_us, end_us))
            bars = np.concatenate((past, bars))
        for span in leg.amended if leg else ():
            from_us, to_us = max(span[0], start_us), min(span[1], end_us)
            if from_us < to_us:
                amended = self._history.bars(instrument, from_us, to_us)
                before, after = between(bars, start_us, from_us), between(bars, to_us, end_us)
                bars = np.concatenate((before, amended, after))
        return bars

    def step(self, clock: Callable[[str], int]) -> None:
        """Bring every pair up to date; called by one thread only.

        Parameters
        ----------
        clock : callable
            Tells what time it is for a venue's trades, in microseconds: a recording has its own.
        """
        for instrument, bars in self._bars.follow(clock).items():
            if instrument not in self._legs:
                self._legs[instrument] = Leg(bars)
            announced = self._buffer.funding(instrument)
            if announced is not None:
                self._legs[instrument].funding.announce((announced,))
        for gone in self._pairs.keys() - self._wanted:
            del self._pairs[gone]
        for known in (self._waiting, self._opened):
            for gone in known.keys() - self._wanted:
                del known[gone]
        opened = 0
        for settings in self._wanted:
            # Opening reads the database: a few at a time, so that the pairs that run keep pace.
            if settings not in self._pairs:
                if opened == OPEN_AT_ONCE or self._waits(settings):
                    continue
                opened += 1
            self._follow(settings, clock)

    def save(self) -> None:
        """Keep the state of every pinned pair; called when the process ends."""
        live = [self._pairs[settings] for settings in self._pinned if settings in self._pairs]
        # Behind those under way, so that the last state is the newest.
        for saved in [self._saving.submit(self._save, one) for one in live]:
            saved.result()

    def _waits(self, settings: PairSettings) -> bool:
        """Tell whether a pair should not be opened yet: history is arriving, but not for ever."""
        if not (self._arriving(settings.y) or self._arriving(settings.x)):
            return False
        since = self._waiting.setdefault(settings, time.monotonic())
        return time.monotonic() - since < WAIT_S

    def _follow(self, settings: PairSettings, clock: Callable[[str], int]) -> None:
        legs = [self._legs[leg] for leg in (settings.y, settings.x) if leg in self._legs]
        if len(legs) < 2:
            return
        closed_us = min(leg.bars.closed_until_us for leg in legs)
        until_us = closed_us // settings.bar_us * settings.bar_us
        live = self._pairs.get(settings)
        if live is None:
            live = self._open(settings, until_us)
            self._pairs[settings] = live
            self._opened.setdefault(settings, time.monotonic())
        if until_us > live.next_us:
            self._extend(live, until_us)
        if settings not in self._pinned:
            return
        now_us = clock(settings.y.partition(":")[0])
        if now_us - live.saved_us > STATE_EVERY_US:
            live.saved_us = now_us
            if self._saved.done():
                # What went wrong with the one before is this step's error.
                self._saved.result()
            self._saved = self._saving.submit(self._save, live)

    def _open(self, settings: PairSettings, until_us: int) -> LivePair:
        """Start a pair from its saved state, or from the oldest bars within reach."""
        live = LivePair(settings, self._keep)
        # Spread evenly however many are opened at once: their states are not due together.
        ahead_us = round(len(self._pairs) * GOLDEN * STATE_EVERY_US) % STATE_EVERY_US
        live.saved_us = until_us - ahead_us
        blob = self._history.load_state(settings.key)
        if blob is not None and _restore(live, blob):
            return live
        start_us = until_us - self._keep * settings.bar_us
        first_us = max(
            self._first_us(leg, start_us, until_us, settings.bar_us)
            for leg in (settings.y, settings.x)
        )
        live.next_us = max(start_us, first_us // settings.bar_us * settings.bar_us)
        for leg in (settings.y, settings.x):
            past = self._history.fundings(leg, live.next_us - ANNOUNCED_BEFORE_US, until_us)
            self._legs[leg].funding.announce(past)
        live.publish()
        return live

    def _first_us(self, instrument: str, start_us: int, until_us: int, bar_us: int) -> int:
        """Return the first second an instrument is known in: recorded, or since this start."""
        known = self._past(instrument, start_us, until_us, bar_us)
        live_us = self._legs[instrument].bars.first_us
        return min(live_us, int(known["time_us"][0])) if len(known) else live_us

    def _extend(self, live: LivePair, until_us: int) -> None:
        settings = live.stream.settings
        # A gap longer than the kept history is stepped over, not built bar by bar.
        live.next_us = max(live.next_us, until_us - self._keep * settings.bar_us)
        y_stale_us, x_stale_us = (self._stale_us(leg) for leg in (settings.y, settings.x))
        longest_us = max(y_stale_us, x_stale_us)
        reach_us = live.next_us - longest_us - settings.bar_us
        bars = align(
            self._past(settings.y, reach_us, until_us, settings.bar_us),
            self._past(settings.x, reach_us, until_us, settings.bar_us),
            settings.bar_us,
            live.next_us,
            until_us,
            longest_us,
        )
        if y_stale_us != x_stale_us:
            fresh = (bars.y_age_us <= y_stale_us) & (bars.x_age_us <= x_stale_us)
            bars = replace(bars, usable=bars.usable & fresh)
        y_leg, x_leg = self._legs[settings.y], self._legs[settings.x]
        funding = (
            y_leg.funding.charged(bars.time_us, settings.bar_us),
            x_leg.funding.charged(bars.time_us, settings.bar_us),
        )
        with live.lock:
            live.stream.extend(bars, funding)
            live.next_us = until_us
            live.publish()
        # What lay before the pair was opened was computed from the database, and shown to nobody.
        if live.opened:
            self._record_signals(live, len(bars.time_us))
        live.opened = True

    def _past(
        self, instrument: str, start_us: int, end_us: int, bar_us: int
    ) -> npt.NDArray[np.void]:
        """Return one-second bars, candles in place of those missing before this process began.

        Only where bars are whole minutes: shorter ones would take a minute's close for a price
        that stood still.
        """
        seconds = self.seconds(instrument, start_us, end_us)
        first_us = self._legs[instrument].bars.first_us
        if bar_us % MINUTE_US or start_us >= first_us:
            return seconds
        return with_candles(seconds, self._history.candles(instrument, start_us, end_us))

    def _record_signals(self, live: LivePair, count: int) -> None:
        assert live.view is not None
        tail = {name: column[-count:] for name, column in live.view.columns.items()}
        rows = [
            SignalRow(
                time_us=int(tail["time_us"][at]),
                kind=SIGNALS[int(tail["event"][at])],
                z=float(tail["z"][at]),
                y_price=float(tail["y"][at]),
                x_price=float(tail["x"][at]),
                beta=float(tail["beta"][at]),
            )
            for at in np.flatnonzero(tail["event"])
        ]
        if rows:
            live.signalled = True
            self._history.save_signals(live.stream.settings.key, rows)

    def _save(self, live: LivePair) -> None:
        with live.lock:
            parts = live.stream.state() | {"next_us": np.array([live.next_us])}
        packed = io.BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **parts)
        self._history.save_state(live.stream.settings.key, packed.getvalue())


def _restore(live: LivePair, blob: bytes) -> bool:
    """Go on from a saved state; a state this version cannot read is left, and said in the log."""
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as saved:
            parts = {name: saved[name] for name in saved.files}
        live.next_us = int(parts.pop("next_us")[0])
        live.stream.restore(parts)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, DataError) as error:
        log.warning("A saved pair state was not usable (%s); starting afresh.", error)
        live.stream = PairStream(live.stream.settings, live.keep)
        return False
    live.publish()
    return True

"""The watch over everything that is recorded: trades to scores, scores and states to alerts.

One thread reads the hot buffer and tells; another one reads pasts, trains models and forecasts.
It runs whether or not anybody looks.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tandem.alerts.defaults import open_alerts
from tandem.alerts.readings import feed_reading, pair_readings, record_readings
from tandem.alerts.rules import Reading
from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.core.bars import NEVER_US, between
from tandem.core.clock import DAY_US, SECOND_US, now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.events import BAR
from tandem.core.instruments import split_instrument
from tandem.core.threads import Lifeline
from tandem.ingest.status import FeedStatus
from tandem.net.venue_client import VenueClients
from tandem.pairs.snapshot import PairNow
from tandem.pairs.stream import PairSettings
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars, SecondBars
from tandem.storage.protocols import Database
from tandem.surveillance.detectors import FRESH_S, Closed, Detectors, WallRow, fresh
from tandem.surveillance.isolation_forest import Forest, load
from tandem.surveillance.settings import WatchSettings, settings_from
from tandem.surveillance.training import Learning
from tandem.surveillance.volatility import Forecast

log = logging.getLogger("tandem.monitor")

STEP_S = 0.02
# How often feeds and the record are looked at, and whether a pair's bar has closed.
STATES_S = 1.0
PAIRS_S = 0.1
GAPS_S = 5.0
FORECAST_S = 60.0
FORECAST_BARS = 300
_SETTINGS = "watch-settings"
_DOWN = ("connecting", "reconnecting", "silent", "refused")
_DIED = (
    "Surveillance stopped because of an internal error (see the log); prices, recording "
    "and signals go on. Restart the app, and please report it."
)


@dataclass(frozen=True, slots=True)
class Desks:
    """What the watch asks of the rest, each a function of any thread.

    Attributes
    ----------
    is_ready : callable
        Whether the page that came first is served, so that compiling may begin.
    clock : callable
        Time for a venue's trades, in microseconds.
    feeds : callable
        How every venue in use stands.
    choosing : callable
        Whether no venue has been found yet.
    pairs : callable
        Every pinned pair.
    own : callable
        The desk's own instruments and those of pinned pairs: rules watch these and no others,
        whatever visitors open.
    clients : VenueClients
        By whom venues are asked for what they remember.
    """

    is_ready: Callable[[], bool]
    clock: Callable[[str], int]
    feeds: Callable[[], Iterable[FeedStatus]]
    choosing: Callable[[], bool]
    pairs: Callable[[], list[PairNow]]
    own: Callable[[], Collection[str]]
    clients: VenueClients


@dataclass
class _Followed:
    """What has been read of an instrument: trades, and bars to the end of a second."""

    bars: SecondBars
    cursor: int
    until_us: int


class Monitor:
    """Start with `start`, end with `stop` before the record is closed. Any thread may read.

    Parameters
    ----------
    settings : Settings
    record : Database
    buffer : HotBuffer
    bars : LiveBars
        Of that buffer.
    desks : Desks
    is_foreign : bool
        The record is another process's, which sends the alerts.

    Attributes
    ----------
    alerts : Alerts
        Rules, what they raised, and the channels.
    learning : Learning
        Pasts downloaded on demand.
    """

    def __init__(
        self,
        settings: Settings,
        record: Database,
        buffer: HotBuffer,
        bars: LiveBars,
        desks: Desks,
        is_foreign: bool = False,
    ) -> None:
        self.alerts: Alerts = open_alerts(settings, record, is_foreign)
        self.learning = Learning(settings, record, self._take_model, desks.clients)
        self._database = Path(settings.database).absolute()
        self._record = record
        self._buffer = buffer
        self._bars = bars
        self._desks = desks
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="watch-aside")
        # Beside it: an instrument that has just come does not wait for others' models.
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="watch-past")
        # What could not be read -> a sentence, while that is so.
        self._unread: dict[str, str] = {}
        self._surveillance = self._begin(self._kept_settings())
        self._lock = threading.Lock()
        self._followed: dict[str, _Followed] = {}
        # Instrument -> its past, on its way, and where that ends.
        self._pasts: dict[str, tuple[Future[npt.NDArray[np.void]], int]] = {}
        self._bars_told: dict[PairSettings, int] = {}
        self._down_since: dict[str, float] = {}
        self._oldest_gap_us = 0
        self._due = dict.fromkeys(("states", "pairs", "gaps", "forecast"), 0.0)
        self._forecasting: Future[None] | None = None
        self._stop = threading.Event()
        self._life = Lifeline(_DIED)
        self._thread = threading.Thread(
            target=self._life.watch, args=(self._run,), name="monitor", daemon=True
        )

    # Life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch and to tell."""
        self.alerts.start()
        self._thread.start()

    def stop(self) -> None:
        """End; what was raised is sent or kept in the outbox. Twice is harmless."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.learning.stop()
        for pool in (self._reading, self._aside):
            pool.shutdown(wait=False, cancel_futures=True)
        self.alerts.stop()

    # What the screen asks ---------------------------------------------------------------

    @property
    def surveillance(self) -> Detectors:
        """Scores, models and pairs of every instrument; another one after `use`."""
        return self._surveillance

    @property
    def settings(self) -> WatchSettings:
        """What is watched for."""
        return self._surveillance.settings

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the watch, or its alerts, from being whole; a sentence each."""
        unread = tuple(self._unread.values())
        found = (self._life.problem, self.learning.problem, *unread, self.alerts.problem)
        return tuple(text for text in found if text)

    def wall(self) -> list[WallRow]:
        """Return a row per instrument, once its recorded past has been taken in."""
        rows = self._surveillance.wall(self._clock)
        return [row for row in rows if row.instrument in self._followed]

    def scopes(self) -> tuple[str, ...]:
        """Return everything a rule may name."""
        watched = (scope for scope in self._surveillance.scopes() if self._is_own(scope))
        pairs = (scope for scope, _ in self._scoped(self._desks.pairs()))
        venues = (status.venue for status in self._own_feeds())
        return tuple(dict.fromkeys((*watched, *pairs, *venues, "record")))

    def forecast(self, instrument: str, horizon: int = FORECAST_BARS) -> Future[Forecast]:
        """Begin a GARCH forecast of an instrument's next seconds; the result may be a DataError."""
        watched = self._surveillance
        return self._aside.submit(lambda: watched.forecast(instrument, horizon)[0])

    def use(self, settings: WatchSettings) -> None:
        """Watch by other settings from now on, from the record on; kept in the record.

        Raises
        ------
        StoreError
            They cannot be kept; they hold until the process ends.
        """
        watched = self._begin(settings)
        with self._lock:
            self._surveillance = watched
            self._followed.clear()
            self._pasts.clear()
            self._unread = {}
        kept = json.dumps(asdict(settings)).encode()
        self._record.save_state(_SETTINGS, kept)

    # The thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._desks.is_ready():
            if self._stop.wait(STEP_S):
                return
        while not self._stop.wait(STEP_S):
            with self._lock:
                self._step()

    def _step(self) -> None:
        bars = self._bars.follow(self._desks.clock)
        # Before trades are read: those of every bar up to here are then among them.
        ends = {name: one.closed_until_us for name, one in bars.items()}
        times = {name: self._clock(name) for name in bars}
        # Whoever left and came back meanwhile has other bars.
        gone = [n for n, one in self._followed.items() if bars.get(n) is not one.bars]
        for name in gone:
            self._leave(name)
        # A past that ends before a hole is not the one of whoever comes back after it.
        self._pasts = {name: past for name, past in self._pasts.items() if name in bars}
        for name, one in bars.items():
            if name not in self._followed:
                self._join(name, one)
        watched, closed = self._surveillance, {}
        for name, followed in self._followed.items():
            while True:
                trades, followed.cursor = self._buffer.since(name, followed.cursor)
                if not trades:
                    break
                self._observe(watched.observe(trades, times.__getitem__))
            new = between(followed.bars.closed(), followed.until_us, ends[name])
            closed[name] = Closed(new, ends[name])
            followed.until_us = ends[name]
        self._observe(watched.take(closed, times.__getitem__, only_fresh=True))
        self._look_at_states(watched)

    def _observe(self, readings: Iterable[Reading]) -> None:
        """Let rules watch the readings that are of the desk's own instruments or pinned pairs."""
        self.alerts.observe([one for one in readings if self._is_own(one.scope)])

    def _is_own(self, scope: str) -> bool:
        # Pairs are pinned ones: no others are watched.
        return "~" in scope or scope in self._desks.own()

    def _own_feeds(self) -> list[FeedStatus]:
        venues = {split_instrument(name)[0] for name in self._desks.own()}
        return [status for status in self._desks.feeds() if status.venue in venues]

    def _tell(self, readings: list[Reading], instrument: str, age_s: float = FRESH_S) -> None:
        """Judge readings by an instrument's clock, if they are about now.

        Now is what it is at the exchange: this machine's clock may be wrong.
        """
        now = self._exchange_us(instrument, self._clock(instrument))
        self._observe(fresh(readings, now, age_s))

    def _clock(self, instrument: str) -> int:
        return self._desks.clock(instrument.partition(":")[0])

    def _exchange_us(self, instrument: str, now_us: int) -> int:
        """Return an instrument's exchange's time, as trades tell it; `now_us` where none do."""
        followed = self._followed.get(instrument)
        return followed.bars.clock_us(now_us) if followed else now_us

    # Instruments come and go ------------------------------------------------------------

    def _join(self, name: str, bars: SecondBars) -> None:
        """Watch an instrument once its recorded past has been read."""
        if name not in self._pasts:
            first = self._buffer.since(name, 0, 1)[0]
            if first:
                until_us = first[0].time_us // SECOND_US * SECOND_US
                self._pasts[name] = self._reading.submit(self._past, name, until_us), until_us
            return
        reading, until_us = self._pasts[name]
        if not reading.done():
            return
        del self._pasts[name]
        watched = self._surveillance
        watched.add(name)
        self._use_kept_model(watched, name)
        past = reading.result()
        if len(past):
            watched.warm(name, past)
        self._followed[name] = _Followed(bars, 0, until_us)

    def _leave(self, name: str) -> None:
        """Forget an instrument nobody records any more."""
        self._surveillance.remove(name)
        del self._followed[name]
        self._unread.pop(name, None)

    def _past(self, name: str, until_us: int) -> npt.NDArray[np.void]:
        """Return an instrument's last recorded bars before its first trade."""
        start_us = until_us - 2 * self.settings.train_bars * SECOND_US
        try:
            return self._record.bars(name, start_us, until_us)
        except StoreError as error:
            said = f"The history of {name} cannot be read: {error} It is monitored from now on."
            self._unread[name] = said
            log.error("%s", said)
            return np.empty(0, BAR)

    # Models -----------------------------------------------------------------------------

    def _begin(self, settings: WatchSettings) -> Detectors:
        return Detectors(settings, self._exchange_us, self._aside, self._keep_model)

    def _kept_settings(self) -> WatchSettings:
        try:
            kept = self._record.load_state(_SETTINGS)
            return settings_from(json.loads(kept)) if kept else WatchSettings()
        except (DataError, StoreError, ValueError) as error:
            said = f"Stored monitoring settings could not be used: {error} Enter them again."
            self._unread[_SETTINGS] = said
            log.error("%s", said)
            return WatchSettings()

    def _use_kept_model(self, watched: Detectors, name: str) -> None:
        try:
            kept = self._record.load_state(f"forest/{name}")
            if kept is not None:
                forest = load(kept)
                wanted = watched.settings
                # One trained for something else is not used until the next is trained.
                if (forest.features, forest.contamination) == (
                    wanted.features,
                    wanted.contamination,
                ):
                    watched.use_model(name, forest)
        except (DataError, StoreError) as error:
            log.warning("The stored model of %s could not be used: %s", name, error)

    def _take_model(self, name: str, forest: Forest) -> None:
        """Use a model that was learned from a downloaded past, and keep it."""
        self._surveillance.use_model(name, forest)
        self._keep_model(name, forest)

    def _keep_model(self, name: str, forest: Forest) -> None:
        try:
            self._record.save_state(f"forest/{name}", forest.to_bytes())
        except (DataError, StoreError) as error:
            log.warning("The model of %s could not be saved: %s", name, error)

    # Feeds, the record, pairs -----------------------------------------------------------

    def _look_at_states(self, watched: Detectors) -> None:
        if self._is_due("gaps", GAPS_S):
            self._look_for_gaps()
        if self._is_due("states", STATES_S):
            now = now_us()
            self.alerts.observe([*self._feeds_now(now), *self._record_now(now)])
        if self._is_due("pairs", PAIRS_S):
            pairs = self._desks.pairs()
            self._watch_pairs(watched, pairs)
            for scope, pair in self._scoped(pairs):
                age_s = FRESH_S + 2.0 * pair.settings.bar_us / SECOND_US
                self._tell(self._pair_now(scope, pair), pair.settings.y, age_s)
        if self._is_due("forecast", FORECAST_S) and self._wants_forecasts():
            self._forecasting = self._aside.submit(self._forecast_all, watched)

    def _is_due(self, what: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True

    def _watch_pairs(self, watched: Detectors, pairs: list[PairNow]) -> None:
        """Watch the legs of every pinned pair for moves apart."""
        legs = {(pair.settings.y, pair.settings.x) for pair in pairs}
        both = {(y, x) for y, x in legs if y in self._followed and x in self._followed}
        watched.keep_pairs(f"{y}~{x}" for y, x in both)
        for y, x in sorted(both):
            watched.add_pair(y, x)

    def _feeds_now(self, now: int) -> list[Reading]:
        states = {status.venue: status.state in _DOWN for status in self._own_feeds()}
        if self._desks.choosing():
            states["auto"] = True
        monotonic = time.monotonic()
        self._down_since = {
            venue: self._down_since.get(venue, monotonic)
            for venue, is_down in states.items()
            if is_down
        }
        return [
            feed_reading(venue, now, monotonic - self._down_since.get(venue, monotonic))
            for venue in states
        ]

    def _record_now(self, now: int) -> list[Reading]:
        age_s = (now - self._oldest_gap_us) / SECOND_US if self._oldest_gap_us else 0.0
        try:
            # Before anything was recorded its folder need not be there.
            folder = next(one for one in self._database.parents if one.exists())
            free = shutil.disk_usage(folder).free
        except OSError as error:
            log.warning("Free disk space is unknown: %s", error)
            return []
        return record_readings(now, max(age_s, 0.0), free)

    def _look_for_gaps(self) -> None:
        try:
            gaps = self._record.gaps(None, now_us() - DAY_US, ("open",))
        except StoreError as error:
            # The page says so beside the record; the gaps known so far stand.
            log.warning("Gaps cannot be read: %s", error)
            return
        own = self._desks.own()
        self._oldest_gap_us = min((gap.end_us for gap in gaps if gap.instrument in own), default=0)

    def _scoped(self, pairs: list[PairNow]) -> list[tuple[str, PairNow]]:
        """Name pairs: by their legs, and by bar and model where the same legs are computed twice.

        Pairs that differ in less share a name, and the first of them is watched.
        """
        named: dict[str, PairNow] = {}
        for pair in pairs:
            one = pair.settings
            legs = f"{one.y}~{one.x}"
            full = f"{legs} {one.bar_us // SECOND_US} s {one.model}"
            named.setdefault(full if legs in named else legs, pair)
        return list(named.items())

    def _pair_now(self, scope: str, pair: PairNow) -> list[Reading]:
        """Return a pair's readings at its newest bar, once per bar."""
        columns, rules = pair.view.columns, pair.settings.rules
        if not len(columns["time_us"]) or self._bars_told.get(pair.settings) == pair.view.bars:
            return []
        if len(self._bars_told) > 1_000:
            self._bars_told.clear()
        self._bars_told[pair.settings] = pair.view.bars
        relation = pair.relation
        age_us = max(int(columns["y_age_us"][-1]), int(columns["x_age_us"][-1]))
        return pair_readings(
            scope,
            int(columns["time_us"][-1]) + pair.settings.bar_us,
            float(columns["z"][-1]) if columns["usable"][-1] else math.nan,
            rules.entry,
            rules.exit,
            rules.stop,
            relation.p_value if relation else math.nan,
            relation is not None and relation.soundness.state == "breaking",
            age_us / SECOND_US if age_us < NEVER_US else math.nan,
        )

    # Forecasts --------------------------------------------------------------------------

    def _wants_forecasts(self) -> bool:
        is_free = self._forecasting is None or self._forecasting.done()
        return is_free and any(
            rule.enabled and rule.measure == "volatility_forecast" for rule in self.alerts.rules()
        )

    def _forecast_all(self, watched: Detectors) -> None:
        for name in watched.instruments():
            if self._stop.is_set():
                return
            try:
                reading = watched.forecast(name, FORECAST_BARS)[1]
            except DataError as error:
                log.info("No forecast for %s: %s", name, error)
                continue
            self._tell([reading], name)

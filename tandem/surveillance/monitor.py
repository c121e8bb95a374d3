"""The watch over everything that is recorded: trades to scores, scores and states to alerts.

One thread reads the hot buffer and tells; another one reads pasts, trains models and forecasts.
It runs whether or not anybody looks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tandem.alerts.defaults import open_alerts
from tandem.alerts.rules import Reading
from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.core.clock import SECOND_US, now_us
from tandem.core.errors import DataError
from tandem.core.threads import Supervisor
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars
from tandem.storage.protocols import Database
from tandem.surveillance.detectors import FRESH_S, Detectors, WallRow, fresh
from tandem.surveillance.isolation_forest import Forest
from tandem.surveillance.live import LiveSurveillance
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.state_readings import MonitorInputs, StateReadings, named_pairs
from tandem.surveillance.stored import save_model, save_settings, stored_settings
from tandem.surveillance.training import ModelTraining
from tandem.surveillance.volatility import Forecast

log = logging.getLogger("tandem.monitor")

STEP_S = 0.02
# How often feeds and the database are looked at, and whether a pair's bar has closed.
STATES_S = 1.0
PAIRS_S = 0.1
GAPS_S = 5.0
FORECAST_S = 60.0
FORECAST_BARS = 300
_DIED = (
    "Surveillance stopped because of an internal error (see the log); prices, recording "
    "and signals go on. Restart the app, and please report it."
)


class Monitor:
    """Start with `start`, end with `stop` before the database is closed. Any thread may read.

    Parameters
    ----------
    bars : LiveBars
        Of that buffer.
    is_foreign : bool
        The database is another process's, which sends the alerts.

    Attributes
    ----------
    alerts : Alerts
        Rules, what they raised, and the channels.
    training : ModelTraining
        Pasts downloaded on demand.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        buffer: HotBuffer,
        bars: LiveBars,
        inputs: MonitorInputs,
        is_foreign: bool = False,
    ) -> None:
        self.alerts: Alerts = open_alerts(settings, database, is_foreign)
        self.training = ModelTraining(settings, database, self._take_model, inputs.clients)
        self._database = database
        self._buffer = buffer
        self._bars = bars
        self._inputs = inputs
        self._states = StateReadings(Path(settings.database), database, inputs)
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="watch-aside")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="watch-past")
        found, self._unread = stored_settings(database)
        self._live = self._begin(found)
        self._lock = threading.Lock()
        self._due = dict.fromkeys(("states", "pairs", "gaps", "forecast"), 0.0)
        self._forecasting: Future[None] | None = None
        self._stop = threading.Event()
        self._life = Supervisor(_DIED)
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
        self.training.stop()
        for pool in (self._reading, self._aside):
            pool.shutdown(wait=False, cancel_futures=True)
        self.alerts.stop()

    # What the screen asks ---------------------------------------------------------------

    @property
    def surveillance(self) -> Detectors:
        """Scores, models and pairs of every instrument; another one after `use`."""
        return self._live.detectors

    @property
    def settings(self) -> WatchSettings:
        """What is watched for."""
        return self.surveillance.settings

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the watch, or its alerts, from being whole; a sentence each."""
        unread = (self._unread, *self._live.problems.values())
        found = (self._life.problem, self.training.problem, *unread, self.alerts.problem)
        return tuple(text for text in found if text)

    def wall(self) -> list[WallRow]:
        """Return a row per instrument, once its recorded past has been taken in."""
        return self._live.wall(self._clock)

    def scopes(self) -> tuple[str, ...]:
        """Return everything a rule may name."""
        watched = filter(self._states.is_own, self.surveillance.scopes())
        return tuple(dict.fromkeys((*watched, *self._states.scopes())))

    def forecast(self, instrument: str, horizon: int = FORECAST_BARS) -> Future[Forecast]:
        """Begin a GARCH forecast of an instrument's next seconds; the result may be a DataError."""
        watched = self.surveillance
        return self._aside.submit(lambda: watched.forecast(instrument, horizon)[0])

    def use(self, settings: WatchSettings) -> None:
        """Watch by other settings from now on, from the database on; kept in the database.

        Raises
        ------
        StoreError
            They cannot be kept; they hold until the process ends.
        """
        with self._lock:
            self._live = self._begin(settings)
            self._unread = ""
        save_settings(self._database, settings)

    # The thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._inputs.is_ready():
            if self._stop.wait(STEP_S):
                return
        while not self._stop.wait(STEP_S):
            with self._lock:
                self._step()

    def _step(self) -> None:
        for readings in self._live.step(self._inputs.clock):
            self._observe(readings)
        if self._is_due("gaps", GAPS_S):
            self._states.look_for_gaps()
        if self._is_due("states", STATES_S):
            now = now_us()
            self.alerts.observe([*self._states.feeds(now), *self._states.database(now)])
        if self._is_due("pairs", PAIRS_S):
            pairs = self._inputs.pairs()
            self._live.watch_pairs({(pair.settings.y, pair.settings.x) for pair in pairs})
            for scope, pair in named_pairs(pairs).items():
                age_s = FRESH_S + 2.0 * pair.settings.bar_us / SECOND_US
                self._tell(self._states.pair(scope, pair), pair.settings.y, age_s)
        if self._is_due("forecast", FORECAST_S) and self._wants_forecasts():
            self._forecasting = self._aside.submit(self._forecast_all, self.surveillance)

    def _is_due(self, what: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True

    def _observe(self, readings: Iterable[Reading]) -> None:
        """Let rules watch the readings that are of the desk's own instruments or pinned pairs."""
        self.alerts.observe([one for one in readings if self._states.is_own(one.scope)])

    def _tell(self, readings: list[Reading], instrument: str, age_s: float = FRESH_S) -> None:
        """Judge readings by an instrument's clock, if they are about now.

        Now is what it is at the exchange: this machine's clock may be wrong.
        """
        now = self._live.exchange_us(instrument, self._clock(instrument))
        self._observe(fresh(readings, now, age_s))

    def _clock(self, instrument: str) -> int:
        return self._inputs.clock(instrument.partition(":")[0])

    # Models and forecasts ---------------------------------------------------------------

    def _begin(self, settings: WatchSettings) -> LiveSurveillance:
        return LiveSurveillance(
            settings, self._database, self._buffer, self._bars, self._aside, self._reading
        )

    def _take_model(self, name: str, forest: Forest) -> None:
        """Use a model that was learned from a downloaded past, and keep it."""
        self.surveillance.use_model(name, forest)
        save_model(self._database, name, forest)

    def _wants_forecasts(self) -> bool:
        is_free = self._forecasting is None or self._forecasting.done()
        return is_free and any(
            rule.enabled and rule.measure == "volatility_forecast"
            for rule in self.alerts.rules.all()
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

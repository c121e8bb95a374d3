"""The composition root: creates, starts and stops the parts of the process.

There is one `Engine` per process, however many browser sessions look at it. It also
runs headless. Nothing here knows Streamlit.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from pathlib import Path

from tandem.alerts.metrics import alert_metrics
from tandem.alerts.service import Alerts
from tandem.analytics.warmup import warm_up as warm_up_models
from tandem.backfill.service import BackfillService
from tandem.backtest.warmup import warm_up as warm_up_backtests
from tandem.config import Settings
from tandem.core.errors import DataError, FeedError, SettingError, StoreError, StoreInUse
from tandem.core.jobs import Jobs
from tandem.core.memory import collect_until, share_heaps
from tandem.core.startup import HeavyWork, Readiness
from tandem.core.threads import Supervisor
from tandem.ingest.metrics import feed_metrics
from tandem.ingest.service import Ingest
from tandem.net.factory import venue_clients
from tandem.observability.health import Health, ended
from tandem.observability.metrics import Metric, measured, one
from tandem.pairs.cointegration import CointegrationTests
from tandem.pairs.pinned import PinnedPairs
from tandem.pairs.sessions import Sessions
from tandem.pairs.snapshot_builder import SnapshotBuilder
from tandem.pairs.subscriptions import Subscriptions
from tandem.pairs.tracker import PairTracker
from tandem.pairs.venue_facts import VenueFacts
from tandem.scanner.live.service import Universe
from tandem.storage.archive_import import Importer
from tandem.storage.export import Exporter
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.inventory import Inventory
from tandem.storage.live_bars import LiveBars
from tandem.storage.metrics import store_metrics
from tandem.storage.null import ForeignStore
from tandem.storage.opening import Opened, could_record, last_recorded, may_pass, open_database
from tandem.storage.protocols import Database
from tandem.surveillance.monitor import Monitor
from tandem.surveillance.state_readings import MonitorInputs
from tandem.surveillance.training import ModelTraining

log = logging.getLogger("tandem.engine")

STEP_S = 0.05
# How long compiling waits for the first price to be asked for, and then for its page to be drawn.
PRICE_FIRST_S = 2.0
PAGE_S = 1.0
# The writer gathers for a fraction of a second: so long behind, the disk is too slow.
BEHIND_S = 10.0
_DIED = (
    "The models were ended by an internal error (see the log) and begun again; prices and "
    "recording go on. Please report it."
)
_NOT_WARM = (
    "Preparing the models failed because of an internal error (see the log): signals or backtests "
    "do not begin; prices and recording go on. Restart the app, and please report it."
)


class Engine:
    """Every part of the process. Begin with `start`, end with `stop`.

    Parameters
    ----------
    settings : Settings
        Passed on, never looked up.
    exports : Path, optional
        Folder for files to download, where the server serves them; beside the database by default.

    Attributes
    ----------
    opened : Opened
        The database, and why nothing is recorded where that is so.
    """

    def __init__(self, settings: Settings, exports: Path | None = None) -> None:
        # Before there are threads: each would have a heap of its own.
        share_heaps()
        self.settings = settings
        self.opened: Opened = open_database(
            settings.database,
            settings.batch_ms,
            settings.queue_trades,
            settings.file_bits,
            measured(settings),
        )
        self.store = store = self.opened.store
        store.keep(settings.keep_days, settings.keep_bars_days, settings.keep_gb)
        self._stop = threading.Event()
        self.readiness = Readiness()
        self.heavy = HeavyWork()
        self.jobs = Jobs()
        # Files are read beside it: nobody waits for another's long test to see a report.
        self.buffer = HotBuffer(settings.hot_trades, settings.hot_total_trades)
        self.venues = VenueFacts(settings)
        seconds = round(settings.memory_hours * 3_600)
        self.bars = LiveBars(self.buffer, self.venues.grace_us, seconds)
        clients = venue_clients(settings, store.load_state, store.save_state)
        self._clients = clients
        self.ingest = Ingest(
            settings,
            self.buffer,
            store,
            recorded=lambda instrument: last_recorded(store, instrument, self._stop),
            clients=clients,
        )
        self.backfill = BackfillService(settings, store, clients)
        folder = exports or settings.database.parent / "exports"
        self.exporter = Exporter(folder, store, file_mode=settings.file_bits)
        self.importer = Importer(store)
        self.inventory = Inventory(store)
        self.universe = Universe(
            settings, self.backfill.members, clients.fetch_candles, self.backfill.is_busy
        )
        self._make_pairs()
        self.monitor = Monitor(
            settings,
            store,
            self.buffer,
            self.bars,
            MonitorInputs(
                is_ready=self.readiness.models.is_set,
                clock=self.ingest.now_us,
                feeds=self.ingest.statuses,
                choosing=lambda: self.ingest.choice().venue is None,
                pairs=self.snapshots.pairs_now,
                own=self.tracker.pinned_legs,
                clients=clients,
            ),
            is_foreign=isinstance(store, ForeignStore),
        )
        self._problem = ""
        self._life = Supervisor(_DIED)
        self._warming = Supervisor(_NOT_WARM)
        self._thread = threading.Thread(
            target=self._life.keep, args=(self._run, self._stop), name="desk", daemon=True
        )

    def _make_pairs(self) -> None:
        """Make what computes the watched pairs and shows them."""
        settings, store = self.settings, self.store
        self.pinned = PinnedPairs(store)
        self.sessions = Sessions(settings)
        self.tracker = PairTracker(
            self.buffer,
            self.bars,
            store,
            stale_us=self.venues.stale_us,
            keep=settings.history_bars,
            arriving=self.backfill.is_arriving,
        )
        tests = CointegrationTests(self.heavy, self._stop)
        self.subscriptions = Subscriptions(
            settings,
            self.venues,
            self.ingest,
            self.backfill,
            self.pinned,
            self.sessions,
            self.tracker,
            tests,
            self.buffer,
        )
        self.snapshots = SnapshotBuilder(
            settings,
            self.venues,
            self.buffer,
            store,
            self.opened.trades,
            self.ingest,
            self.backfill,
            self.sessions,
            self.tracker,
            tests,
            self.readiness,
            self._problems,
        )

    def parts(self) -> dict[type, object]:
        """Return every part that a page may ask for, by its class."""
        return {
            Settings: self.settings,
            Opened: self.opened,
            Database: self.store,
            Readiness: self.readiness,
            HeavyWork: self.heavy,
            Jobs: self.jobs,
            Ingest: self.ingest,
            BackfillService: self.backfill,
            Exporter: self.exporter,
            Importer: self.importer,
            Inventory: self.inventory,
            Universe: self.universe,
            PinnedPairs: self.pinned,
            VenueFacts: self.venues,
            Subscriptions: self.subscriptions,
            SnapshotBuilder: self.snapshots,
            PairTracker: self.tracker,
            Monitor: self.monitor,
            Alerts: self.monitor.alerts,
            ModelTraining: self.monitor.training,
        }

    def waits_to_record(self) -> bool:
        """Return whether nothing is recorded, for a reason that may pass by itself."""
        return may_pass(self.opened.refusal)

    def could_record(self) -> bool:
        """Return whether the database could be recorded into now, by an engine begun anew."""
        return could_record(self.settings.database, self.settings.file_bits)

    def check_health(self) -> Health:
        """Return what is wrong with the process; never waits."""
        stored, refusal = self.store.health(), self.opened.refusal
        unready = []
        if refusal is not None and not isinstance(refusal, StoreInUse):
            unready.append(str(refusal))
        problems = [text for text in self._problems() if text]
        if stored.state != "recording" or stored.oldest_waiting_s > BEHIND_S:
            (unready if stored.state == "closed" else problems).append(stored.text)
        for feed in self.ingest.statuses():
            if feed.silent or feed.is_failing or feed.state not in ("live", "connecting"):
                problems.append(feed.text)
        threads = {
            "the models": self._thread.is_alive(),
            "the monitor": self.monitor.is_alive,
            "the database": self.store.is_alive,
        }
        return Health(ended(threads), tuple(unready), tuple(problems))

    def metrics(self) -> list[Metric]:
        """Return what is measured of the process."""
        return [
            *feed_metrics(self.ingest.statuses(), self._clients.weights()),
            *store_metrics(self.store.health(), self.inventory.now().held),
            *alert_metrics(self.monitor.alerts),
            Metric("sessions", "gauge", "Browser sessions with pairs.", one(self.sessions.count)),
            Metric(
                "backfill_instruments",
                "gauge",
                "Instruments whose gaps or past are being fetched, by state.",
                [
                    ({"state": state}, count)
                    for state, count in Counter(
                        progress.state for progress in self.backfill.progress()
                    ).items()
                ],
            ),
        ]

    # Life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, record and compute."""
        self.ingest.resolve(self.settings.venue)
        self.backfill.start()
        self.exporter.start()
        if self.settings.universe:
            self.universe.start(self.settings.universe)
        self.heavy.submit(self._warming.watch, self._warm_up)
        self._thread.start()
        self.monitor.start()

    def stop(self) -> None:
        """Stop reading, keep what must survive, close the database; stopping twice is harmless."""
        if self._stop.is_set():
            return
        self._stop.set()
        self.readiness.priced.set()
        self.ingest.stop()
        self.universe.stop()
        self.backfill.stop()
        self.importer.stop()
        self.exporter.stop()
        self.jobs.stop()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self.monitor.stop()
        self.tracker.save()
        self.heavy.stop()
        self.store.close()

    def _warm_up(self) -> None:
        """Compile the kernels once; the desk waits for it, prices do not.

        The page that asked first is let go ahead: its browser fetches what it needs to draw a
        price from this very process, and both together would take a second longer.
        """
        if self.readiness.priced.wait(PRICE_FIRST_S):
            self._stop.wait(PAGE_S)
        warm_up_models()
        self.readiness.models.set()
        # Beside this executor, which live pairs wait for.
        threading.Thread(
            target=self._warming.watch, args=(self._warm_up_backtests,), name="warm-up"
        ).start()

    def _warm_up_backtests(self) -> None:
        warm_up_backtests(self._stop.is_set)
        self.readiness.backtests.set()
        threading.Thread(
            target=collect_until, args=(self._stop,), name="collector", daemon=True
        ).start()

    def _run(self) -> None:
        while not self.readiness.models.wait(STEP_S):
            self.subscriptions.update()
            if self._stop.is_set():
                return
        while not self._stop.wait(STEP_S):
            try:
                self._step()
                self._problem = ""
            except (DataError, FeedError, SettingError, StoreError) as error:
                self._problem = f"The models stopped at this bar: {error}"
                log.exception("A desk step failed")

    def _step(self) -> None:
        self.subscriptions.update()
        for filled in (*self.backfill.take_filled(), *self.importer.take_filled()):
            self.tracker.amended(filled.instrument, filled.start_us, filled.end_us)
        self.tracker.step(self.ingest.now_us)

    def _problems(self) -> tuple[str, ...]:
        """Return a sentence for each part that an unexpected error ended; empty ones among them."""
        return (
            self._problem,
            *self.backfill.problems(),
            self.exporter.problem,
            self.pinned.problem,
            *self.monitor.problems,
            self._life.problem,
            self._warming.problem,
        )

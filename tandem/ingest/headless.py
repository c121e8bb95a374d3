"""Headless recording: all that the app does for the database, and a report of what is committed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tandem.backfill.service import BackfillService
from tandem.config import Settings
from tandem.core.errors import StoreError, StoreUnusable
from tandem.core.instruments import split_instrument
from tandem.core.memory import share_heaps
from tandem.ingest.metrics import feed_metrics
from tandem.ingest.service import Ingest
from tandem.ingest.status import FeedStatus
from tandem.net.factory import venue_clients
from tandem.observability.metrics import Metric, measured, serving
from tandem.observability.service import ServiceManager
from tandem.storage.files import check_readable
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.inventory import Inventory
from tandem.storage.metrics import store_metrics
from tandem.storage.opening import last_recorded
from tandem.storage.store import Store
from tandem.venues.registry import create_feed

REPORT_S = 10.0
_LOOK_S = 0.5
# From a signal to the end, everything written: reading, then filling, then the database.
_END_S = 4.5
_READING_S = 2.0
# The database may need so long beyond what it is given.
_CLOSING_S = 1.0
# A sentence whose counts alone have changed is no news.
_COUNT = re.compile(r"\d[\d,.]*")


class Headless:
    """Records instruments, fills their gaps and keeps what the settings say.

    Parameters
    ----------
    instruments : sequence of str
        Most important first; each of a venue that there is.
    say : callable
        Takes each line of the report.

    Raises
    ------
    StoreError
        The database cannot be recorded into.

    Attributes
    ----------
    refused : tuple of str
        A sentence for each limit, with the instruments beyond it.
    """

    def __init__(
        self,
        settings: Settings,
        database: Path,
        instruments: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        share_heaps()
        self._settings = settings
        self._database = database
        self._say = say
        self._said: set[str] = set()
        self._manager = ServiceManager()
        self._stop = threading.Event()
        self._groups, self.refused = within_limits(settings, instruments)
        self._store = store = Store.open(
            database,
            settings.batch_ms,
            settings.queue_trades,
            file_mode=settings.file_bits,
            commits=measured(settings),
        )
        store.keep(settings.keep_days, settings.keep_bars_days, settings.keep_gb)
        self._inventory = Inventory(store)
        self._clients = clients = venue_clients(settings, store.load_state, store.save_state)
        self._ingest = Ingest(
            settings,
            HotBuffer(settings.hot_trades, settings.hot_total_trades),
            store,
            recorded=lambda instrument: last_recorded(store, instrument, self._stop),
            clients=clients,
        )
        self._backfill = BackfillService(settings, store, clients)

    def record(self, seconds: float, stop: threading.Event) -> list[str]:
        """Record until the time is up, `stop` is set or nothing more can be recorded.

        Returns
        -------
        list of str
            What is missing and why, as sentences; empty where all that was received is in the
            file or in its table of gaps.
        """
        try:
            with serving(self._settings.metrics, self.metrics):
                failing = self._record(seconds, stop)
        finally:
            self._manager.stopping()
            missing = self._end()
        return failing + missing

    def _record(self, seconds: float, stop: threading.Event) -> list[str]:
        """Record until then; return why it cannot go on, where that is so."""
        end = time.monotonic() + seconds
        report = time.monotonic() + REPORT_S
        failing: list[str] = []
        for venue, names in self._groups.items():
            self._ingest.watch(venue, frozenset(names), frozenset(names))
        watched = [name for names in self._groups.values() for name in names]
        self._backfill.start()
        self._backfill.attend(watched, watched)
        self._manager.ready()
        while not failing and (left_s := end - time.monotonic()) > 0.0:
            if stop.wait(min(_LOOK_S, left_s)):
                break
            self._say_news()
            failing = self._failing()
            if not failing and self._store.is_alive:
                self._manager.alive()
            if time.monotonic() >= report:
                report += REPORT_S
                self._report(self._ingest.statuses())
                self._line(f"database: {self._describe()}")
                failing = failing or self._damage(self._store.gap_counts)
        return failing

    def _damage(self, read: Callable[[], object]) -> list[str]:
        """Return what is wrong inside the file as far as reading it shows."""
        try:
            read()
        except StoreUnusable as error:
            return [str(error)]
        except StoreError:
            # Held by somebody else for a moment, say.
            pass
        return []

    def metrics(self) -> list[Metric]:
        """Return what is measured of it."""
        return [
            *feed_metrics(self._ingest.statuses(), self._clients.weights()),
            *store_metrics(self._store.health(), self._inventory.now().held),
        ]

    def _failing(self) -> list[str]:
        """Return why recording cannot go on; empty while it can."""
        failing = [
            f"{status.title}: reading fails again and again with an internal error (see the log)."
            for status in self._ingest.statuses()
            if status.is_failing
        ]
        return failing + ([str(self._store.failure)] if self._store.failure else [])

    def _end(self) -> list[str]:
        """Stop and write everything; return what is missing."""
        end = time.monotonic() + _END_S
        self._stop.set()
        statuses = self._ingest.statuses()
        is_read = self._ingest.stop(_READING_S)
        self._backfill.stop()
        self._say_news()
        self._report(statuses)
        state, reason = self._store.health().state, self._store.health().text
        unwritten = self._store.close(max(0.5, end - time.monotonic() - _CLOSING_S))
        health = self._store.health()
        missing = []
        if not is_read:
            missing.append(
                "Trades that were being read had to wait for the database until the end."
            )
        if unwritten:
            why = "" if state == "recording" else f" {reason}"
            missing.append(
                f"{unwritten:,} trades received could not be written in time: those that are not "
                f"in {self._database} already are neither there nor in its table of gaps.{why}"
            )
        if health.refused:
            missing.append(f"{health.refused:,} entries could not be stored (see the log).")
        if self._database.exists():
            # Whole only where that is quick.
            missing += self._damage(lambda: check_readable(self._database))
        elif self._store.failure is None:
            missing.append(f"{self._database} was moved or deleted.")
        missing += [
            f"no trades received from {status.title}. {status.text}"
            for status in statuses
            if not status.trades
        ]
        self._say(f"{self._database}: {self._describe()}")
        return missing

    # What is said -----------------------------------------------------------------------

    def _report(self, statuses: Sequence[FeedStatus]) -> None:
        """Say how every venue stands, in numbers."""
        for status in statuses:
            self._line(
                f"{status.venue}: {status.state}, {status.trades:,} trades received, "
                f"{status.trades_per_s:,.1f}/s, delay {status.delay_ms:.0f} ms, "
                f"clock off by {status.clock_skew_ms:.0f} ms, {status.reconnects} reconnects, "
                f"{status.restarts} restarts, {status.not_understood:,} parse errors"
            )

    def _describe(self) -> str:
        """Return how the database stands, in numbers."""
        health = self._store.health()
        try:
            counts = self._store.gap_counts()
        except StoreError as error:
            gaps = f"gaps unknown ({error})"
        else:
            gaps = f"gaps: {counts.get('open', 0):,} open, {counts.get('lost', 0):,} lost"
        return (
            f"{health.state}, {health.written:,} trades committed, {health.queued:,} waiting, "
            f"{health.lost:,} dropped (queue full), {gaps}"
        )

    def _say_news(self) -> None:
        """Say once what is wrong as long as it lasts, each instrument that is silent by name."""
        health = self._store.health()
        now = {*health.notes, *self._backfill.problems()}
        if health.state != "recording":
            now.add(health.text)
        for status in self._ingest.statuses():
            now |= {*status.errors}
            now |= {f"{name}: no trades; check the symbol." for name in status.silent}
            if status.state not in ("live", "connecting"):
                now.add(status.text)
        told = {_COUNT.sub("", text): text for text in now}
        for text in sorted(told[one] for one in told.keys() - self._said):
            self._line(text)
        self._said = set(told)

    def _line(self, text: str) -> None:
        self._say(f"{datetime.now(UTC):%H:%M:%SZ} {text}")


def within_limits(
    settings: Settings, instruments: Sequence[str]
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Return the instruments that can be recorded, by venue, and a sentence for each limit passed.

    Those named first are the most important.
    """
    most = settings.max_instruments
    groups: dict[str, list[str]] = {}
    for name in instruments[:most]:
        groups.setdefault(split_instrument(name)[0], []).append(name)
    refused = []
    if beyond := instruments[most:]:
        refused.append(
            f"not recorded, beyond the limit of {most} instruments (TANDEM_MAX_INSTRUMENTS): "
            f"{', '.join(beyond)}."
        )
    for venue, names in groups.items():
        feed = create_feed(venue, settings)
        if feed.kind != "generated" and (beyond := names[feed.max_instruments :]):
            del names[feed.max_instruments :]
            refused.append(
                f"not recorded, beyond the {feed.max_instruments} that {feed.title} accepts: "
                f"{', '.join(beyond)}."
            )
    return groups, tuple(refused)

"""Headless surveillance: prices and alerts as lines and as two CSV files."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from tandem.alerts.channels.factory import channels_from, secrets_of
from tandem.alerts.channels.local import CsvFile
from tandem.alerts.metrics import alert_metrics
from tandem.alerts.rules import Rule
from tandem.alerts.service import Alerts
from tandem.config import AUTO, Settings
from tandem.core.clock import SECOND_US, iso
from tandem.core.errors import SettingError, StoreError, UnknownSymbol
from tandem.core.events import Trade
from tandem.core.files import make_folder, take
from tandem.core.instruments import is_simulated, split_instrument
from tandem.ingest.metrics import feed_metrics
from tandem.ingest.service import create_recorder
from tandem.ingest.status import FeedStatus
from tandem.net.factory import venue_clients
from tandem.observability.metrics import Metric, serving
from tandem.observability.service import ServiceManager
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.null import NullStore
from tandem.storage.protocols import Documents
from tandem.surveillance.detectors import FRESH_S, WallRow, fresh
from tandem.surveillance.service import Surveillance
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.yaml_config import Headless
from tandem.venues.base import read_symbol
from tandem.venues.registry import create_feed

COLUMNS = ("time_utc", "asset", "base_currency", "price", "z", "source")
_STEP_S = 0.05
# Longer than a request for prices may take.
_ANSWER_S = 25.0
# Bytes of earlier prices: some hundred thousand rows.
_MOST_BACK = 8 * 2**20


class Source:
    """The prices of a venue, traded or polled, as they arrive."""

    def __init__(self, given: Headless, settings: Settings) -> None:
        if given.venue == AUTO:
            raise SettingError(
                "venue must be given explicitly on the command line; auto works only in the app."
            )
        feed = create_feed(given.venue, settings)
        self.is_polled = feed.kind == "polled"
        self._base, self.fresh_s, grace_s = "", FRESH_S, 0.0
        if feed.kind == "polled":
            feed = feed.priced_in(given.base_currency)
            feed.every_s = max(feed.every_s, given.interval_seconds)
            feed.stale_s = max(feed.stale_s, 3.0 * feed.every_s)
            self._base, grace_s = given.base_currency, feed.grace_s
            self.fresh_s = max(FRESH_S, grace_s)
        self.title = feed.title
        self._names = {feed.instrument(name): name for name in given.assets}
        self._buffer = HotBuffer(settings.hot_trades)
        self._cursors = dict.fromkeys(self._names, 0)
        self._clients = venue_clients(settings)
        self._recorder = create_recorder(
            feed, settings, NullStore("no database"), self._buffer, self._clients
        )
        self._recorder.watch(frozenset(self._names))
        self._recorder.start()
        # A polled price is told of although it was made a little before it was asked for.
        self.began_us = self.now_us() - int(grace_s * SECOND_US)

    def names(self) -> dict[str, str]:
        """Return each instrument's name in the files."""
        return dict(self._names)

    def currency(self, instrument: str) -> str:
        """Return what its price is in; empty where its name does not say."""
        venue, symbol = split_instrument(instrument)
        try:
            return self._base or read_symbol(symbol, venue)[1].lower()
        except UnknownSymbol:
            return ""

    def now_us(self) -> int:
        """Return what time it is for this venue's trades."""
        return self._recorder.clock_us()

    def take(self) -> list[Trade]:
        """Return the trades that came since the last call."""
        trades: list[Trade] = []
        for name, cursor in self._cursors.items():
            new, self._cursors[name] = self._buffer.since(name, cursor)
            trades += new
        return trades

    def is_awaited(self, priced: int) -> bool:
        """Tell whether polled prices are still on their way, of which so many have come."""
        if not self.is_polled or priced == len(self._names):
            return False
        status = self.status()
        return status.state in ("connecting", "live") and not status.silent

    def status(self) -> FeedStatus:
        """Return how the venue stands."""
        return self._recorder.status()

    def weights(self) -> dict[str, int]:
        """Return the weight used of its REST limit."""
        return self._clients.weights()

    def close(self) -> None:
        """Stop."""
        self._recorder.stop()


def run(
    given: Headless,
    settings: Settings,
    stop: threading.Event,
    say: Callable[[str], None],
    store: Documents | None = None,
) -> int:
    """Watch until the cycles are over or `stop` is set; returns how many prices were written.

    Everything said is on disk when this returns.
    """
    source = Source(given, settings)
    try:
        return _watch(given, settings, source, stop, say, store or NullStore("no database"))
    finally:
        source.close()


def _watch(
    given: Headless,
    settings: Settings,
    source: Source,
    stop: threading.Event,
    say: Callable[[str], None],
    store: Documents,
) -> int:
    names = source.names()
    watched = Surveillance(
        WatchSettings(
            trade_window=given.window, bar_window=max(given.window, 2), anomaly_z=given.anomaly_z
        )
    )
    for instrument in names:
        watched.add(instrument)
    prices = given.folder / "prices.csv"
    alerts_file = given.folder / "alerts.csv"
    CsvFile(alerts_file, settings.file_bits).send([])
    if source.is_polled:
        _recall(watched, names, prices, given.base_currency)
    kept = dataclasses.replace(settings, alerts_file=alerts_file)
    alerts = _alerts(given, kept, store, _scopes(names), source.is_polled)
    manager = ServiceManager()
    alerts.start()
    for line in alerts.rules.unmatched(_scopes(names).values()).values():
        say(f"surveillance: {line}")
    written = 0

    def metrics() -> list[Metric]:
        return [*feed_metrics([source.status()], source.weights()), *alert_metrics(alerts)]

    try:
        with (
            serving(settings.metrics, metrics),
            _appending(prices, settings.file_bits) as file,
        ):
            manager.ready()
            written = _cycles(given, source, watched, alerts, file, stop, say, manager)
    finally:
        manager.stopping()
        alerts.stop(5.0)
    return written


def _cycles(
    given: Headless,
    source: Source,
    watched: Surveillance,
    alerts: Alerts,
    file: IO[str],
    stop: threading.Event,
    say: Callable[[str], None],
    manager: ServiceManager,
) -> int:
    writer = csv.writer(file, lineterminator="\n")
    names = source.names()
    steps = max(1, round(given.interval_seconds / _STEP_S))
    limit = steps + round(_ANSWER_S / _STEP_S)
    written = cycle = 0
    told: tuple[str, tuple[str, ...]] = ("live", ())
    is_last = False
    while not is_last:
        cycle += 1
        # Once more after Ctrl-C, for what has come meanwhile.
        is_last = stop.is_set() or cycle == given.cycles
        priced: set[str] = set()
        step = 0
        while step < steps or (step < limit and source.is_awaited(len(priced))):
            step += 1
            is_stopped = stop.wait(_STEP_S)
            _tell(manager, source)
            priced |= _step(source, watched, alerts, say)
            if is_stopped or (source.is_polled and not source.is_awaited(len(priced))):
                break
        clock_us = source.now_us()
        shown = [
            row
            for row in watched.wall(clock_us)
            if row.instrument in priced or (not source.is_polled and row.price > 0.0)
        ]
        rows = [_price_row(row, names, clock_us, source) for row in shown]
        writer.writerows(rows)
        file.flush()
        written += len(rows)
        told = _say_trouble(source.status(), told, say)
        if not is_last:
            while step < steps and not stop.wait(_STEP_S):
                step += 1
                _tell(manager, source)
    return written


def _tell(manager: ServiceManager, source: Source) -> None:
    """Tell the service manager that the process works, unless nothing can be read any more."""
    if not source.status().is_failing:
        manager.alive()


def _step(
    source: Source, watched: Surveillance, alerts: Alerts, say: Callable[[str], None]
) -> set[str]:
    """Take what came, raise alerts, and return the instruments that have a new price."""
    scopes = _scopes(source.names())
    clock_us = source.now_us()
    trades = source.take()
    readings = watched.observe(trades)
    if not source.is_polled:
        readings += watched.close(clock_us)
    # A stream begins with the minutes before: they fill the windows, and nobody is told.
    now = [
        one._replace(scope=scopes.get(one.scope, one.scope))
        for one in fresh(readings, clock_us, source.fresh_s)
        if one.time_us >= source.began_us
    ]
    for alert in alerts.observe(now):
        say(alert.text)
    return {trade.instrument for trade in trades}


def _say_trouble(
    status: FeedStatus, told: tuple[str, tuple[str, ...]], say: Callable[[str], None]
) -> tuple[str, tuple[str, ...]]:
    """Say what is wrong with a venue, once for each state; return the state that was said."""
    now = (status.state, status.silent)
    if now != told and (status.silent or status.state not in ("live", "connecting")):
        say(f"surveillance: {status.text}")
    return now


def _scopes(names: dict[str, str]) -> dict[str, str]:
    """Return what alerts call each instrument: as the configuration does, and what is simulated so.

    That they are simulated is written nowhere else in an alert.
    """
    return {
        instrument: f"sim:{name}" if is_simulated(instrument) else name
        for instrument, name in names.items()
    }


def _alerts(
    given: Headless,
    settings: Settings,
    store: Documents,
    scopes: dict[str, str],
    is_polled: bool,
) -> Alerts:
    channels = tuple(dict.fromkeys(("csv", *given.channels)))
    missing = channels_from(settings)[1]
    for name in given.channels:
        if name in missing:
            raise SettingError(f"The channel {name} cannot be used. {missing[name]}")
    rules = [Rule("price", "trade_price_z", "beyond", given.anomaly_z, channels=channels)]
    if is_polled:
        # Polled prices are far apart: each that is out is told.
        rules = [dataclasses.replace(rules[0], cooldown_s=0.0)]
    else:
        rules += [
            Rule("bar return", "bar_return_z", "beyond", given.anomaly_z, channels=channels),
            Rule("anomalous bar", "anomaly", "above", 1.0, channels=channels),
        ]
    made, missing = channels_from(settings)
    # Rules of the file hold for this run only: those kept in a database belong to the screen.
    # A rule names an asset as the configuration does, or an instrument.
    known = {scope.removeprefix("sim:"): scope for scope in scopes.values()} | scopes
    named = [dataclasses.replace(one, scope=known.get(one.scope, one.scope)) for one in given.rules]
    return Alerts(store, made, missing, secrets_of(settings), (*rules, *named))


def _price_row(
    row: WallRow, names: dict[str, str], clock_us: int, source: Source
) -> tuple[str, ...]:
    z = "" if math.isnan(row.z) else f"{row.z:.4f}"
    base, name = source.currency(row.instrument), names[row.instrument]
    return iso(clock_us, "milliseconds"), name, base, repr(row.price), z, source.title


@contextmanager
def _appending(path: Path, mode: int) -> Iterator[IO[str]]:
    try:
        make_folder(path.parent, mode)
        take(path, mode)
        with path.open("a", newline="", encoding="utf-8") as file:
            if file.tell() == 0:
                csv.writer(file, lineterminator="\n").writerow(COLUMNS)
            elif _last_lines(path).partition("\n")[0].strip() != ",".join(COLUMNS):
                raise StoreError(f"{path} was not written by this command; choose another folder.")
            yield file
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); choose another folder."
        ) from None


def _recall(watched: Surveillance, names: dict[str, str], path: Path, base: str) -> None:
    """Take the prices of earlier runs, so that z-scores begin with the first new price."""
    instruments = {name: instrument for instrument, name in names.items()}
    trades = []
    reader = csv.DictReader(io.StringIO(_last_lines(path)))
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            continue
        instrument = instruments.get(row.get("asset") or "")
        if instrument is None or row.get("base_currency") != base:
            continue
        try:
            price = float(row["price"])
            moment = datetime.fromisoformat(row["time_utc"].replace("Z", "+00:00"))
            time_us = int(moment.timestamp() * SECOND_US)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            continue
        if math.isfinite(price) and price > 0.0:
            trades.append(Trade(instrument, time_us, time_us, price, 0.0, 0, time_us))
    watched.observe(trades)


def _last_lines(path: Path) -> str:
    """Return a file's header and last lines; nothing where there is no file."""
    try:
        with path.open("rb") as file:
            header = file.readline(_MOST_BACK)
            start = max(file.tell(), path.stat().st_size - _MOST_BACK)
            if start > file.tell():
                # One byte before: a line that begins right there is whole.
                file.seek(start - 1)
                file.readline(_MOST_BACK)
            return (header + file.read(_MOST_BACK)).decode(errors="replace")
    except OSError:
        return ""

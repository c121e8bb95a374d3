"""Watching without a screen: prices and alerts as lines and as two CSV files."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

import orjson

from tandem.alerts.channels.factory import channels_from, secrets_of
from tandem.alerts.channels.local import CsvFile
from tandem.alerts.rules import Reading, Rule
from tandem.alerts.service import Alerts, Record
from tandem.config import Settings
from tandem.core.clock import SECOND_US, now_us
from tandem.core.errors import FeedError, SettingError, StoreError, UnknownSymbol
from tandem.core.events import Trade
from tandem.ingest.service import Ingest
from tandem.net.http import Client
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.null import NullStore
from tandem.surveillance.service import Surveillance, WallRow, fresh
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.yaml_config import Headless
from tandem.venues.base import read_symbol
from tandem.venues.registry import create_feed

COLUMNS = ("time_utc", "asset", "base_currency", "price", "z", "source")
_STEP_S = 0.05
# Bytes of earlier prices: some hundred thousand rows.
_MOST_BACK = 8 * 2**20


class Source(Protocol):
    """Where prices come from."""

    title: str

    def names(self) -> dict[str, str]:
        """Return each instrument's name in the files."""

    def currency(self, instrument: str) -> str:
        """Return what its price is in; empty where its name does not say."""

    def take(self) -> tuple[list[Trade], list[Reading], str]:
        """Return what is new: trades, readings of a feed's health, and what is wrong."""

    def close(self) -> None:
        """Stop."""


class Polled:
    """CoinGecko's prices in any currency, asked for once per cycle."""

    title = "CoinGecko"

    def __init__(self, given: Headless, settings: Settings, stop: threading.Event) -> None:
        self._client = Client()
        self._stop = stop
        self._base = given.base_currency
        self._ids = tuple(name.lower() for name in given.assets)
        for name in self._ids:
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
                raise SettingError(f"{name!r:.60} is no id of CoinGecko; write one like bitcoin.")
        base = settings.coingecko_rest_url.rstrip("/")
        if not base:
            raise SettingError("TANDEM_COINGECKO_REST_URL is empty: nothing is asked of CoinGecko.")
        ids = ",".join(sorted(self._ids))
        self._url = (
            f"{base}/api/v3/simple/price?ids={ids}&vs_currencies={self._base}&precision=full"
        )
        key = settings.coingecko_key
        self._headers = {"x-cg-demo-api-key": key} if key else {}
        self._wait_until_us = 0

    def names(self) -> dict[str, str]:
        """Return each instrument's name in the files."""
        return {f"coingecko:{name.upper()}": name for name in self._ids}

    def currency(self, instrument: str) -> str:
        """Return what its price is in."""
        return self._base

    def take(self) -> tuple[list[Trade], list[Reading], str]:
        """Ask once; returns the prices, and what is wrong."""
        time_us = now_us()
        if time_us < self._wait_until_us:
            wait_s = (self._wait_until_us - time_us) / SECOND_US
            return [], [], f"CoinGecko asked to be left alone for {wait_s:.0f} s more."
        try:
            with self._cut_on_stop():
                answer = self._client.get(self._url, self._headers)
        except FeedError as error:
            if self._stop.is_set():
                return [], [], ""
            return [], [], f"CoinGecko: {error}."
        if answer.status != 200:
            self._wait_until_us = time_us + int(_patience_s(answer.headers) * SECOND_US)
            return [], [], f"CoinGecko answered {answer.status}; it is asked again later."
        try:
            told = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            told = None
        if not isinstance(told, dict):
            return [], [], "CoinGecko's response could not be parsed."
        trades, missing = [], []
        for instrument, name in self.names().items():
            entry = told.get(name)
            price = entry.get(self._base) if isinstance(entry, dict) else None
            if isinstance(price, (int, float)) and math.isfinite(price) and price > 0.0:
                trade = Trade(instrument, time_us, time_us, float(price), 0.0, 0, time_us)
                trades.append(trade)
            else:
                missing.append(name)
        problem = f"CoinGecko has no price of {', '.join(missing)}." if missing else ""
        return trades, [], problem

    def close(self) -> None:
        """Stop."""
        self._client.close()

    @contextmanager
    def _cut_on_stop(self) -> Iterator[None]:
        """End the request that is under way when Ctrl-C comes, however long the answer takes."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(_STEP_S):
                if self._stop.is_set():
                    self._client.close()
                    return

        thread = threading.Thread(target=watch, name="cut-on-stop", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


class Streamed:
    """Every trade of an exchange or of the simulation, as it arrives."""

    def __init__(self, given: Headless, settings: Settings) -> None:
        if given.venue == "auto":
            raise SettingError(
                "venue must be given explicitly on the command line; auto works only in the app."
            )
        feed = create_feed(given.venue, settings)
        self.title = feed.title
        self._venue = given.venue
        self._names = {feed.instrument(name): name for name in given.assets}
        self._buffer = HotBuffer(settings.hot_trades)
        self._cursors = dict.fromkeys(self._names, 0)
        self._ingest = Ingest(settings, self._buffer, NullStore("no database"))
        self._ingest.watch(given.venue, frozenset(self._names))

    def names(self) -> dict[str, str]:
        """Return each instrument's name in the files."""
        return dict(self._names)

    def currency(self, instrument: str) -> str:
        """Return what its price is in; empty where its name does not say."""
        try:
            return read_symbol(instrument.partition(":")[2], self._venue)[1].lower()
        except UnknownSymbol:
            return ""

    def now_us(self) -> int:
        """Return what time it is for this venue's trades."""
        return self._ingest.now_us(self._venue)

    def take(self) -> tuple[list[Trade], list[Reading], str]:
        """Return the trades that came since the last call."""
        trades: list[Trade] = []
        for name, cursor in self._cursors.items():
            new, self._cursors[name] = self._buffer.since(name, cursor)
            trades += new
        status = self._ingest.status(self._venue)
        problem = "" if status.state in ("live", "connecting") else status.text
        return trades, [], problem

    def close(self) -> None:
        """Stop."""
        self._ingest.stop()


def _patience_s(headers: Any) -> float:
    try:
        return min(max(float(headers.get("retry-after", 60.0)), 1.0), 3_600.0)
    except ValueError:
        return 60.0


def run(
    given: Headless,
    settings: Settings,
    stop: threading.Event,
    say: Callable[[str], None],
    record: Record | None = None,
) -> int:
    """Watch until the cycles are over or `stop` is set; returns how many prices were written.

    Everything said is on disk when this returns.
    """
    source: Source = (
        Polled(given, settings, stop) if given.venue == "coingecko" else Streamed(given, settings)
    )
    try:
        return _watch(given, settings, source, stop, say, record or NullStore("no database"))
    finally:
        source.close()


def _watch(
    given: Headless,
    settings: Settings,
    source: Source,
    stop: threading.Event,
    say: Callable[[str], None],
    record: Record,
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
    CsvFile(alerts_file).send([])
    if isinstance(source, Polled):
        _recall(watched, names, prices, given.base_currency)
    kept = dataclasses.replace(settings, alerts_file=alerts_file)
    alerts = _alerts(given, kept, record, _scopes(names))
    alerts.start()
    for line in alerts.unmatched(_scopes(names).values()):
        say(f"surveillance: {line}")
    written = 0
    try:
        with _appending(prices) as file:
            written = _cycles(given, source, watched, alerts, file, stop, say)
    finally:
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
) -> int:
    writer = csv.writer(file, lineterminator="\n")
    names = source.names()
    scopes = _scopes(names)
    began_us = source.now_us() if isinstance(source, Streamed) else now_us()
    steps = max(1, round(given.interval_seconds / _STEP_S)) if isinstance(source, Streamed) else 1
    written = cycle = 0
    told = ""
    while not stop.is_set() and not (given.cycles and cycle >= given.cycles):
        problem = ""
        for step in range(steps):
            clock_us = source.now_us() if isinstance(source, Streamed) else now_us()
            trades, readings, problem = source.take()
            readings = readings + watched.observe(trades)
            if isinstance(source, Streamed):
                readings += watched.close(clock_us)
            # A stream begins with the minutes before: they fill the windows, and nobody is told.
            now = [
                one._replace(scope=scopes.get(one.scope, one.scope))
                for one in fresh(readings, clock_us)
                if one.time_us >= began_us
            ]
            for alert in alerts.observe(now):
                say(alert.text)
            if step < steps - 1 and stop.wait(_STEP_S):
                break
        priced = {trade.instrument for trade in trades}
        shown = [
            row
            for row in watched.wall(clock_us)
            if row.instrument in priced or (isinstance(source, Streamed) and row.price > 0.0)
        ]
        rows = [_price_row(row, names, clock_us, source) for row in shown]
        writer.writerows(rows)
        file.flush()
        written += len(rows)
        if problem and problem != told:
            say(f"surveillance: {problem}")
        told = problem
        cycle += 1
        is_last = bool(given.cycles) and cycle >= given.cycles
        if steps == 1 and not is_last:
            stop.wait(given.interval_seconds)
    return written


def _scopes(names: dict[str, str]) -> dict[str, str]:
    """Return what alerts call each instrument: as the configuration does, and what is simulated so.

    That they are simulated is written nowhere else in an alert.
    """
    return {
        instrument: f"sim:{name}" if instrument.startswith("sim:") else name
        for instrument, name in names.items()
    }


def _alerts(given: Headless, settings: Settings, record: Record, scopes: dict[str, str]) -> Alerts:
    channels = tuple(dict.fromkeys(("csv", *given.channels)))
    missing = channels_from(settings)[1]
    for name in given.channels:
        if name in missing:
            raise SettingError(f"The channel {name} cannot be used. {missing[name]}")
    rules = [Rule("price", "trade_price_z", "beyond", given.anomaly_z, channels=channels)]
    if given.venue == "coingecko":
        # Polled prices are far apart: each that is out is told.
        rules = [dataclasses.replace(rules[0], cooldown_s=0.0)]
    else:
        rules += [
            Rule("bar return", "bar_return_z", "beyond", given.anomaly_z, channels=channels),
            Rule("anomalous bar", "anomaly", "above", 1.0, channels=channels),
        ]
    made, missing = channels_from(settings)
    # Rules of the file hold for this run only: those kept in a record belong to the screen.
    # A rule names an asset as the configuration does, or an instrument.
    known = {scope.removeprefix("sim:"): scope for scope in scopes.values()} | scopes
    named = [dataclasses.replace(one, scope=known.get(one.scope, one.scope)) for one in given.rules]
    return Alerts(record, made, missing, secrets_of(settings), (*rules, *named))


def _price_row(
    row: WallRow, names: dict[str, str], clock_us: int, source: Source
) -> tuple[str, ...]:
    z = "" if math.isnan(row.z) else f"{row.z:.4f}"
    base, name = source.currency(row.instrument), names[row.instrument]
    return _clock(clock_us), name, base, repr(row.price), z, source.title


@contextmanager
def _appending(path: Path) -> Iterator[IO[str]]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def _clock(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us / SECOND_US, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def say(text: str) -> None:
    """Write a line to the terminal at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

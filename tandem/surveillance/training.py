"""Pasts that are downloaded for the watch: seconds to learn from, candles, funding rates."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tandem.backfill.history import (
    download_candles,
    download_funding,
    download_seconds,
    shortest_candle,
)
from tandem.config import Settings
from tandem.core.clock import HOUR_US, SECOND_US, now_us
from tandem.core.errors import Cancelled, DataError, FeedError, MessageError, StoreError
from tandem.core.instruments import split_instrument
from tandem.core.threads import Supervisor
from tandem.net.venue_client import VenueClients
from tandem.storage.protocols import Database
from tandem.surveillance.instrument import InstrumentWatch
from tandem.surveillance.isolation_forest import Forest
from tandem.surveillance.settings import WatchSettings

log = logging.getLogger("tandem.training")

MOST_HOURS = 24 * 30
SECONDS_HOURS = 24
_DIED = (
    "Downloading history stopped because of an internal error (see the log); monitoring continues. "
    "Restart the app, and please report it."
)


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How a download goes: the share done, what came of it, whether it is over."""

    instrument: str
    share: float = 0.0
    text: str = ""
    is_over: bool = False


class ModelTraining:
    """One download at a time; the rest waits its turn. Any thread may ask.

    Parameters
    ----------
    learned : callable
        Takes an instrument's new model into use.
    clients : VenueClients
        By whom venues are asked.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        learned: Callable[[str, Forest], None],
        clients: VenueClients,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._database = database
        self._learned = learned
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="training")
        self._lock = threading.Lock()
        self._progress: dict[str, DownloadProgress] = {}
        self._stops: dict[str, threading.Event] = {}
        self._life = Supervisor(_DIED)

    @property
    def problem(self) -> str:
        """What ended downloading, as a sentence; empty where nothing did."""
        return self._life.problem

    def start(self, instrument: str, hours: float, watching: WatchSettings) -> None:
        """Begin to download an instrument's last hours, and to learn from them.

        One-second candles where the venue gives them (a day at most); elsewhere candles of a
        minute and funding rates go into the database, for pairs and backtests.

        Raises
        ------
        DataError
            A download of it is under way, or that many hours cannot be asked for.
        """
        if not 0.25 <= hours <= MOST_HOURS:
            raise DataError(f"Between 0.25 and {MOST_HOURS} hours can be downloaded.")
        with self._lock:
            before = self._progress.get(instrument)
            if before is not None and not before.is_over:
                raise DataError(
                    f"A download of {instrument} is already running; wait for it or stop it."
                )
            self._progress[instrument] = DownloadProgress(instrument, text="Queued.")
            stop = self._stops[instrument] = threading.Event()
        self._pool.submit(
            self._life.watch, lambda: self._download(instrument, hours, watching, stop)
        )

    def progress(self, instrument: str) -> DownloadProgress | None:
        """Return how the last download of an instrument goes."""
        with self._lock:
            return self._progress.get(instrument)

    def cancel(self, instrument: str) -> None:
        """Stop a download; what it brought so far is dropped."""
        with self._lock:
            stop = self._stops.get(instrument)
        if stop is not None:
            stop.set()

    def stop(self) -> None:
        """Stop all, and wait for none."""
        with self._lock:
            stops = list(self._stops.values())
        for stop in stops:
            stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _download(
        self, name: str, hours: float, watching: WatchSettings, stop: threading.Event
    ) -> None:
        text = "Stopped by an internal error; see the log."
        try:
            if shortest_candle(name, self._settings) == SECOND_US:
                text = self._learn(name, min(hours, SECONDS_HOURS), watching, stop)
            else:
                text = self._fetch(name, hours, stop)
        except Cancelled:
            text = "Stopped; nothing changed."
        except (DataError, FeedError, MessageError, StoreError) as error:
            text = f"{error} Nothing changed."
        finally:
            self._tell(name, text=text, is_over=True)

    def _tell(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._progress[name] = replace(self._progress[name], **changes)

    def _learn(
        self, name: str, hours: float, watching: WatchSettings, stop: threading.Event
    ) -> str:
        """Train a model on downloaded seconds and take it into use."""
        self._tell(name, text="Downloading 1 s candles.")
        end_us = now_us() // SECOND_US * SECOND_US
        start_us = end_us - round(hours * HOUR_US)
        bars = download_seconds(
            name,
            start_us,
            end_us,
            self._clients,
            stop,
            lambda share: self._tell(name, share=share),
        )
        watch = InstrumentWatch(name, replace(watching, train_bars=max(len(bars), 600)))
        watch.bars(bars)
        forest = watch.train()
        if forest is None:
            return f"{len(bars):,} bars downloaded. {watch.problem}"
        self._learned(name, forest)
        return (
            f"Trained on {forest.bars:,} bars, {_clock(forest.from_us)} to "
            f"{_clock(forest.to_us)} UTC. The next model is trained on recorded data."
        )

    def _fetch(self, name: str, hours: float, stop: threading.Event) -> str:
        """Store 1 min candles, and funding rates where charged, in the database."""
        self._tell(name, text="Downloading 1 min candles.")
        end_us = now_us()
        span = (end_us - round(hours * HOUR_US), end_us)
        venue = self._clients.get(split_instrument(name)[0])
        is_charged = venue is not None and venue[0].has_funding
        part = 0.9 if is_charged else 1.0
        candles = download_candles(
            name, *span, self._clients, stop, lambda share: self._tell(name, share=part * share)
        )
        # The minute that still goes on is none yet.
        candles = candles[candles["last_us"] < end_us]
        self._database.put_candles(name, candles)
        text = f"{len(candles):,} one-minute candles stored"
        if is_charged:
            rates = download_funding(name, *span, self._clients, stop)
            self._database.submit(rates)
            text += f", and {len(rates):,} funding rates"
        return (
            f"{text}. The Isolation Forest needs 1 s bars, which this venue provides only as live "
            "trades: it is trained on recorded data."
        )


def _clock(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%d %b %H:%M")

"""One gate per venue, made when it is first needed; pauses venues ask for outlast a restart."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tandem.core.clock import SECOND_US, now_us
from tandem.core.errors import FeedError, StoreError
from tandem.core.instruments import split_instrument
from tandem.net.http import Client
from tandem.net.venue_client import Gate
from tandem.venues.rest import Listing, Request, RestVenue

log = logging.getLogger("tandem.backfill")

_LISTING_S = 30.0
_LISTING_PAGES = 30
# Longer than the minute in which budgets are counted.
_CANDLES_S = 90.0
_PAUSE_KEY = "pause:"

TITLES = {
    **{"binance-usdm": "Binance USD-M", "binance-spot": "Binance spot", "binance-us": "Binance.US"},
    **{"coinbase": "Coinbase", "kraken": "Kraken", "okx": "OKX", "bybit": "Bybit"},
    **{"bitstamp": "Bitstamp", "coingecko": "CoinGecko"},
}


class States(Protocol):
    """Keeps small things over a restart: a database, or whatever takes its place."""

    def save_state(self, key: str, blob: bytes) -> None:
        """Keep something small under a key."""

    def load_state(self, key: str) -> bytes | None:
        """Return what was kept under a key."""


class Doors:
    """The way to every venue. Any thread may ask."""

    def __init__(
        self, venues: Callable[[str], RestVenue | None], client: Client, store: States
    ) -> None:
        self._venues = venues
        self._client = client
        self._store = store
        self._lock = threading.Lock()
        self._doors: dict[str, tuple[RestVenue, Gate] | None] = {}

    def get(self, venue: str) -> tuple[RestVenue, Gate] | None:
        """Return a venue's REST interface with its gate; None where it has none."""
        with self._lock:
            if venue not in self._doors:
                self._doors[venue] = self._opened(venue)
            return self._doors[venue]

    def fetch_listing(self, venue: str, stop: threading.Event) -> list[Listing]:
        """Return what a venue trades now; see `Backfill.fetch_listing`."""
        door = self.get(venue)
        if door is None:
            raise FeedError(f"{venue} has no list of symbols to ask for.")
        rest, gate = door
        request: Request | None = rest.listing()
        found: dict[str, Listing] = {}
        pages = 0
        while request is not None and pages < _LISTING_PAGES:
            pages += 1
            gate.wait_turn(request.weight, stop, _LISTING_S)
            answer = gate.ask(request)
            if answer.status != 200:
                raise FeedError(f"{gate.title} gave no list of symbols (HTTP {answer.status}).")
            found.update((one.symbol, one) for one in rest.parse_listing(answer.body))
            request = rest.more_listing(answer.body)
        return list(found.values())

    def fetch_candles(
        self, instrument: str, start_us: int, end_us: int, stop: threading.Event
    ) -> npt.NDArray[np.void] | None:
        """Return an answer's worth of candles; see `Backfill.fetch_candles`."""
        door = self.get(split_instrument(instrument)[0])
        if door is None:
            return None
        rest, gate = door
        request = rest.candles(instrument, start_us, end_us)
        gate.wait_turn(request.weight, stop, _CANDLES_S)
        answer = gate.ask(request)
        if answer.status != 200:
            raise FeedError(f"{gate.title} gave no candles (HTTP {answer.status}).")
        return rest.parse_candles(answer.body, instrument)

    def _opened(self, venue: str) -> tuple[RestVenue, Gate] | None:
        rest = self._venues(venue)
        if rest is None:
            return None
        gate = Gate(TITLES.get(venue, venue), rest.budget, self._client, rest.throttled)
        # This machine's clock may be wrong by years.
        rest.keep_time_by(gate.now_us)
        # A ban outlasts a restart, and asking during one makes it longer.
        until_us, problem = self._kept_pause(venue)
        if until_us > now_us():
            gate.resume_pause(problem, (until_us - now_us()) / SECOND_US)
        gate.on_throttled = functools.partial(self._keep_pause, venue)
        return rest, gate

    def _kept_pause(self, venue: str) -> tuple[int, str]:
        try:
            blob = self._store.load_state(_PAUSE_KEY + venue) or b""
        except StoreError as error:
            log.warning("Whether %s asked for a pause is unknown: %s", venue, error)
            return 0, ""
        until, _, problem = blob.decode("utf-8", "replace").partition(" ")
        is_time = until.isascii() and until.isdigit() and len(until) < 19
        return (int(until), problem) if is_time else (0, "")

    def _keep_pause(self, venue: str, problem: str, wait_s: float) -> None:
        until_us = now_us() + round(wait_s * SECOND_US)
        try:
            self._store.save_state(_PAUSE_KEY + venue, f"{until_us} {problem}".encode())
        except StoreError as error:
            log.warning("The pause %s asked for is not kept: %s", venue, error)

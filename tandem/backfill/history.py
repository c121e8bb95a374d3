"""Candles and funding rates of the past, page by page; with progress, and cut short at will."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.config import Settings
from tandem.core.clock import DAY_US, MINUTE_US, SECOND_US
from tandem.core.errors import Cancelled, DataError, FeedError
from tandem.core.events import BAR, Funding
from tandem.core.instruments import split_instrument
from tandem.net.venue_client import VenueClient, VenueClients
from tandem.venues.registry import rest_venue
from tandem.venues.rest import Request, RestVenue

Array = npt.NDArray[np.void]
Progress = Callable[[float], None]

MOST_DAYS = 366
_PAGE_S = 60.0


def download_candles(
    instrument: str,
    start_us: int,
    end_us: int,
    clients: VenueClients,
    stop: threading.Event,
    progress: Progress = lambda share: None,
) -> Array:
    """Return an instrument's one-minute bars from its venue.

    Parameters
    ----------
    start_us, end_us : int
        At most a year; the end excluded.
    clients : VenueClients
        Those of the process: a download spends the venue's one budget.
    stop : Event
        Ends the download.
    progress : callable
        Told of the share that is done, from 0 to 1, after each page.

    Returns
    -------
    ndarray of dtype BAR
        Ascending, without minutes in which nothing traded. `Store.put_candles` keeps it.

    Raises
    ------
    DataError
        The range is none, or the venue has no candles here.
    FeedError
        The venue did not answer; what was downloaded is lost, and it can be asked again.
    Cancelled
        `stop` was set.
    """
    venue = _venue(instrument, clients)
    span = _Span(instrument, *_range(start_us, end_us), MINUTE_US)
    return _pages(span, venue, venue[0].candles, venue[0].parse_candles, stop, progress)


def download_seconds(
    instrument: str,
    start_us: int,
    end_us: int,
    clients: VenueClients,
    stop: threading.Event,
    progress: Progress = lambda share: None,
) -> Array:
    """Return an instrument's one-second bars from its venue: what the forest learns from.

    Parameters, and errors, are those of `download_candles`, over at most a day; few venues have
    them (`shortest_candle`). Bars carry their number of trades.
    """
    venue = _venue(instrument, clients)
    if not venue[0].has_seconds:
        raise DataError(f"{venue[0].venue} gives candles of a minute and no shorter ones.")
    first, last = start_us // SECOND_US * SECOND_US, -(-end_us // SECOND_US) * SECOND_US
    if not 0 <= first < last or last - first > DAY_US:
        raise DataError("Seconds are downloaded of up to a day, which ends after it begins.")
    span = _Span(instrument, first, last, SECOND_US)
    return _pages(span, venue, venue[0].seconds, venue[0].parse_seconds, stop, progress)


def shortest_candle(instrument: str, settings: Settings) -> int:
    """Return how long the shortest candles are that a venue gives, in microseconds; 0: none."""
    venue = rest_venue(split_instrument(instrument)[0], settings)
    if venue is None:
        return 0
    return SECOND_US if venue.has_seconds else MINUTE_US


def download_funding(
    instrument: str,
    start_us: int,
    end_us: int,
    clients: VenueClients,
    stop: threading.Event,
    progress: Progress = lambda share: None,
) -> list[Funding]:
    """Return the funding rates a perpetual has been charged, ascending.

    Parameters, and errors, are those of `download_candles`; few venues tell them
    (`has_funding`). A rate's `next_us` is when it was charged; what arrived when is not known, so
    `received_us` is that time, too.
    """
    first, last = _range(start_us, end_us)
    rest, client = _venue(instrument, clients)
    if not rest.has_funding:
        raise DataError(f"Past funding rates cannot be downloaded of {rest.venue}.")
    found: dict[int, Funding] = {}
    at = first
    while at < last:
        body = _fetch(client, rest.funding(instrument, at, last), stop)
        page = rest.parse_funding(body, instrument)
        found.update((one.time_us, one) for one in page)
        newest = max((one.time_us for one in page), default=last)
        # A venue that repeats itself must not keep this going.
        at = last if len(page) < rest.funding_per_page or newest < at else newest + 1
        progress((min(at, last) - first) / (last - first))
    return [found[key] for key in sorted(found) if first <= key < last]


class _Span(NamedTuple):
    """Bars of an instrument from one time to another, both whole bars."""

    instrument: str
    first: int
    last: int
    bar_us: int


def _venue(instrument: str, clients: VenueClients) -> tuple[RestVenue, VenueClient]:
    name, _ = split_instrument(instrument)
    venue = clients.get(name)
    if venue is None:
        raise DataError(f"{name} has no candles to download; record it, or name a venue.")
    return venue


def _pages(
    span: _Span,
    venue: tuple[RestVenue, VenueClient],
    request: Callable[[str, int, int], Request],
    parse: Callable[[bytes, str], Array],
    stop: threading.Event,
    progress: Progress,
) -> Array:
    rest, client = venue
    pieces: list[Array] = []
    page_us = rest.candles_per_page * span.bar_us
    for at in range(span.first, span.last, page_us):
        until = min(at + page_us, span.last)
        bars = parse(_fetch(client, request(span.instrument, at, until), stop), span.instrument)
        pieces.append(bars[(bars["time_us"] >= at) & (bars["time_us"] < until)])
        progress((until - span.first) / (span.last - span.first))
    return np.concatenate(pieces) if pieces else np.empty(0, BAR)


def _range(start_us: int, end_us: int) -> tuple[int, int]:
    first = start_us // MINUTE_US * MINUTE_US
    last = -(-end_us // MINUTE_US) * MINUTE_US
    if not 0 <= first < last or last - first > MOST_DAYS * DAY_US:
        raise DataError(f"A download covers up to {MOST_DAYS} days and ends after it begins.")
    return first, last


def _fetch(client: VenueClient, request: Request, stop: threading.Event) -> bytes:
    if stop.is_set():
        raise Cancelled("The download was stopped.")
    try:
        client.wait_turn(request.weight, stop, _PAGE_S)
    except FeedError:
        if stop.is_set():
            raise Cancelled("The download was stopped.") from None
        raise
    answer = client.ask(request)
    if answer.status != 200:
        raise FeedError(
            f"{client.title} refused the history (HTTP {answer.status}); check the symbol."
        )
    return answer.body

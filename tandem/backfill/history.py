"""Candles and funding rates of the past, page by page; with progress, and cut short at will."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import orjson

from tandem.config import Settings
from tandem.core.clock import DAY_US, MINUTE_US, SECOND_US
from tandem.core.errors import Cancelled, DataError, FeedError
from tandem.core.events import BAR, Funding
from tandem.core.instruments import split_instrument
from tandem.net.http import Client
from tandem.net.venue_client import VenueClient
from tandem.venues.registry import create_rest
from tandem.venues.rest import Request, RestVenue

Array = npt.NDArray[np.void]
Progress = Callable[[float], None]

MOST_DAYS = 366
_PAGE_S = 60.0
_FUNDING_PAGE = 1_000


def download_candles(
    instrument: str,
    start_us: int,
    end_us: int,
    settings: Settings,
    stop: threading.Event,
    progress: Progress = lambda share: None,
    client: Client | None = None,
) -> Array:
    """Return an instrument's one-minute bars from its venue.

    Parameters
    ----------
    start_us, end_us : int
        At most a year; the end excluded.
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
    venue = _venue(instrument, settings)
    first, last = _range(start_us, end_us)
    span = _Span(instrument, first, last, MINUTE_US)
    return _pages(span, venue, venue.candles, venue.parse_candles, stop, progress, client)


def download_seconds(
    instrument: str,
    start_us: int,
    end_us: int,
    settings: Settings,
    stop: threading.Event,
    progress: Progress = lambda share: None,
    client: Client | None = None,
) -> Array:
    """Return an instrument's one-second bars from its venue: what the forest learns from.

    Parameters, and errors, are those of `download_candles`, over at most a day; few venues have
    them (`shortest_candle`). Bars carry their number of trades.
    """
    venue = _venue(instrument, settings)
    if not venue.has_seconds:
        raise DataError(f"{venue.venue} gives candles of a minute and no shorter ones.")
    first, last = start_us // SECOND_US * SECOND_US, -(-end_us // SECOND_US) * SECOND_US
    if not 0 <= first < last or last - first > DAY_US:
        raise DataError("Seconds are downloaded of up to a day, which ends after it begins.")
    span = _Span(instrument, first, last, SECOND_US)
    return _pages(span, venue, venue.seconds, venue.parse_seconds, stop, progress, client)


def shortest_candle(instrument: str, settings: Settings) -> int:
    """Return how long the shortest candles are that a venue gives, in microseconds; 0: none."""
    venue = _rest(instrument, settings)
    if venue is None:
        return 0
    return SECOND_US if venue.has_seconds else MINUTE_US


def download_funding(
    instrument: str,
    start_us: int,
    end_us: int,
    settings: Settings,
    stop: threading.Event,
    progress: Progress = lambda share: None,
    client: Client | None = None,
) -> list[Funding]:
    """Return the funding rates a Binance USD-M perpetual has charged, ascending.

    Parameters, and errors, are those of `download_candles`. A rate's `next_us` is when it was
    charged; what arrived when is not known, so `received_us` is that time, too.
    """
    first, last = _range(start_us, end_us)
    venue_name, symbol = split_instrument(instrument)
    if venue_name != "binance-usdm" or not settings.binance_usdm_rest_url:
        raise DataError("Past funding rates can be downloaded of binance-usdm only.")
    venue = create_rest(venue_name, settings.binance_usdm_rest_url)
    assert venue is not None
    own = client or Client()
    found: dict[int, Funding] = {}
    try:
        venue_client = VenueClient(venue_name, venue.budget, own, venue.throttled)
        at = first
        while at < last:
            query = urlencode(
                {
                    "symbol": symbol,
                    "startTime": at // 1_000,
                    "endTime": last // 1_000 - 1,
                    "limit": _FUNDING_PAGE,
                }
            )
            base = settings.binance_usdm_rest_url.rstrip("/")
            body = _fetch(venue_client, Request(f"{base}/fapi/v1/fundingRate?{query}", 1), stop)
            page = _fundings(body, instrument)
            found.update((one.time_us, one) for one in page)
            newest = max((one.time_us for one in page), default=last)
            # A venue that repeats itself must not keep this going.
            at = last if len(page) < _FUNDING_PAGE or newest < at else newest + 1
            progress((min(at, last) - first) / (last - first))
        return [found[key] for key in sorted(found) if first <= key < last]
    finally:
        if client is None:
            own.close()


class _Span(NamedTuple):
    """Bars of an instrument from one time to another, both whole bars."""

    instrument: str
    first: int
    last: int
    bar_us: int


def _rest(instrument: str, settings: Settings) -> RestVenue | None:
    venue_name, _ = split_instrument(instrument)
    url = getattr(settings, f"{venue_name.replace('-', '_')}_rest_url", "")
    return create_rest(venue_name, url) if url else None


def _venue(instrument: str, settings: Settings) -> RestVenue:
    venue = _rest(instrument, settings)
    if venue is None:
        name, _ = split_instrument(instrument)
        raise DataError(f"{name} has no candles to download; record it, or name a venue.")
    return venue


def _pages(
    span: _Span,
    venue: RestVenue,
    request: Callable[[str, int, int], Request | None],
    parse: Callable[[bytes, str], Array],
    stop: threading.Event,
    progress: Progress,
    client: Client | None,
) -> Array:
    own = client or Client()
    try:
        venue_client = VenueClient(venue.venue, venue.budget, own, venue.throttled)
        pieces: list[Array] = []
        page_us = venue.candles_per_page * span.bar_us
        for at in range(span.first, span.last, page_us):
            until = min(at + page_us, span.last)
            asked = request(span.instrument, at, until)
            assert asked is not None
            bars = parse(_fetch(venue_client, asked, stop), span.instrument)
            pieces.append(bars[(bars["time_us"] >= at) & (bars["time_us"] < until)])
            progress((until - span.first) / (span.last - span.first))
        return np.concatenate(pieces) if pieces else np.empty(0, BAR)
    finally:
        if client is None:
            own.close()


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


def _fundings(body: bytes, instrument: str) -> list[Funding]:
    try:
        rows = orjson.loads(body)
        if not isinstance(rows, list):
            raise TypeError
        found = []
        for row in rows:
            time_us = int(row["fundingTime"]) * 1_000
            mark = float(row.get("markPrice") or "nan")
            found.append(
                Funding(instrument, time_us, float(row["fundingRate"]), time_us, mark, time_us)
            )
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        raise FeedError("The funding rates could not be parsed.") from None
    return found

"""Every venue by its name: its feed, its REST interface, how patient to be with its prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tandem.config import VENUES, Settings
from tandem.core.errors import SettingError
from tandem.core.instruments import REPLAY_VENUE
from tandem.venues.base import RecordedFeed
from tandem.venues.binance import (
    BinanceSpot,
    BinanceSpotRest,
    BinanceUs,
    BinanceUsdm,
    BinanceUsdmRest,
    BinanceUsRest,
)
from tandem.venues.bitstamp import Bitstamp, BitstampRest
from tandem.venues.bybit import Bybit, BybitRest
from tandem.venues.coinbase import Coinbase, CoinbaseRest
from tandem.venues.coingecko import CoinGecko
from tandem.venues.kraken import Kraken, KrakenRest
from tandem.venues.okx import Okx, OkxRest
from tandem.venues.replay import Replay, StoredTrades
from tandem.venues.rest import PolledFeed, RestSource, RestVenue
from tandem.venues.simulated import Simulated

Feed = RecordedFeed | PolledFeed


class Patience(NamedTuple):
    """What a venue's prices take: seconds until late ones are in, and until one is stale."""

    grace_s: float
    stale_s: float
    least_bar_s: float = 1.0


def patience(venue: str, settings: Settings) -> Patience:
    """Return how patient to be with a venue: prices that are polled come late and seldom."""
    feed = create_feed(venue, settings)
    if feed.kind != "polled":
        return Patience(settings.grace_ms / 1_000.0, settings.stale_s)
    return Patience(feed.grace_s, max(feed.stale_s, settings.stale_s), feed.least_bar_s)


def create_feed(venue: str, settings: Settings, stored: StoredTrades | None = None) -> Feed:
    """Return the feed of a venue, set up from the settings; opens nothing.

    `stored` reads a Tandem database for the venue that replays recordings.
    """
    if venue == REPLAY_VENUE:
        return Replay(settings.replay_file, settings.replay_speed, stored)
    make = _FEEDS.get(venue)
    if make is not None:
        return make(settings)
    raise SettingError(f"{venue!r:.40} is not a venue; choose one of {', '.join(VENUES)}.")


_FEEDS: dict[str, Callable[[Settings], Feed]] = {
    "binance-usdm": lambda settings: BinanceUsdm(settings.binance_usdm_url),
    "binance-spot": lambda settings: BinanceSpot(settings.binance_spot_url),
    "binance-us": lambda settings: BinanceUs(settings.binance_us_url),
    "coinbase": lambda settings: Coinbase(settings.coinbase_url),
    "kraken": lambda settings: Kraken(settings.kraken_url),
    "okx": lambda settings: Okx(settings.okx_url),
    "bybit": lambda settings: Bybit(settings.bybit_url),
    "bitstamp": lambda settings: Bitstamp(settings.bitstamp_url),
    "coingecko": lambda settings: CoinGecko(settings.coingecko_rest_url, settings.coingecko_key),
    "sim": lambda settings: Simulated(settings.simulation_seed, settings.simulation_rate),
}


def create_rest(venue: str, url: str) -> RestVenue | None:
    """Return the REST interface of a venue at an address; None where it has none here."""
    kind = _REST.get(venue)
    return kind(url) if kind else None


def rest_venue(venue: str, settings: Settings) -> RestVenue | None:
    """Return the REST interface of a venue under the settings; None where there is none."""
    url = getattr(settings, f"{venue.replace('-', '_')}_rest_url", "")
    return create_rest(venue, url) if url else None


def rest_source(venue: str, settings: Settings) -> RestSource | None:
    """Return what a venue's list is asked of: its REST interface, or the polled feed itself."""
    feed = create_feed(venue, settings)
    return feed if feed.kind == "polled" else rest_venue(venue, settings)


_REST: dict[str, type[RestVenue]] = {
    kind.venue: kind
    for kind in (
        *(BinanceUsdmRest, BinanceSpotRest, BinanceUsRest, CoinbaseRest, KrakenRest, OkxRest),
        *(BybitRest, BitstampRest),
    )
}

"""Every venue by its name: one line each. What is known of a venue stands in its own file."""

from __future__ import annotations

from typing import NamedTuple

from tandem.config import Settings
from tandem.core.errors import SettingError
from tandem.venues import (
    binance,
    bitstamp,
    bybit,
    coinbase,
    coingecko,
    kraken,
    okx,
    replay,
    simulated,
)
from tandem.venues.base import StoredTrades
from tandem.venues.rest import RestVenue
from tandem.venues.venue import Feed, Venue

# In the order in which they are offered, and in which ``auto`` tries those it tries.
VENUES: dict[str, Venue] = {
    venue.name: venue
    for venue in (
        binance.USDM,
        binance.SPOT,
        binance.US,
        coinbase.VENUE,
        kraken.VENUE,
        okx.VENUE,
        bybit.VENUE,
        bitstamp.VENUE,
        coingecko.VENUE,
        simulated.VENUE,
        replay.VENUE,
    )
}


def offered(settings: Settings) -> list[Venue]:
    """Return the venues to choose from under the settings."""
    return [one for one in VENUES.values() if not one.needs or getattr(settings, one.needs)]


def tried() -> list[Venue]:
    """Return the venues that ``auto`` tries, the first first."""
    return [one for one in VENUES.values() if one.is_tried]


def venue_of(name: str) -> Venue:
    """Return a venue by its name; raises SettingError where there is none."""
    if name in VENUES:
        return VENUES[name]
    raise SettingError(f"{name!r:.40} is not a venue; choose one of {', '.join(VENUES)}.")


def create_feed(venue: str, settings: Settings, stored: StoredTrades | None = None) -> Feed:
    """Return the feed of a venue, set up from the settings; opens nothing.

    `stored` reads a Tandem database for the venue that replays recordings.
    """
    return venue_of(venue).feed(settings, stored)


def create_rest(venue: str, url: str) -> RestVenue | None:
    """Return the REST interface of a venue at an address; None where it has none."""
    kind = VENUES[venue].rest if venue in VENUES else None
    return kind(url) if kind else None


def rest_venue(venue: str, settings: Settings) -> RestVenue | None:
    """Return the REST interface of a venue under the settings; None where there is none."""
    return VENUES[venue].rest_under(settings) if venue in VENUES else None


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

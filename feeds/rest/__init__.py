"""Venues by REST: one file each, requests and pure parsers; nothing here opens a socket."""

from feeds.rest.base import Budget, Listing, Request, RestVenue
from feeds.rest.binance import BinanceSpotRest, BinanceUsdmRest, BinanceUsRest
from feeds.rest.bitstamp import BitstampRest
from feeds.rest.bybit import BybitRest
from feeds.rest.coinbase import CoinbaseRest
from feeds.rest.kraken import KrakenRest
from feeds.rest.okx import OkxRest

__all__ = ["Budget", "Listing", "Request", "RestVenue", "create"]

_KINDS: tuple[type[RestVenue], ...] = (
    *(BinanceUsdmRest, BinanceSpotRest, BinanceUsRest, CoinbaseRest, KrakenRest, OkxRest),
    *(BybitRest, BitstampRest),
)
_VENUES = {kind.venue: kind for kind in _KINDS}


def create(venue: str, url: str) -> RestVenue | None:
    """Return the REST interface of a venue at an address; None where it has none here."""
    kind = _VENUES.get(venue)
    return kind(url) if kind else None

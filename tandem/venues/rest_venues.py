"""Venues by REST: one file each, requests and pure parsers; nothing here opens a socket."""

from tandem.venues.rest import Budget, Listing, Request, RestVenue
from tandem.venues.rest_binance import BinanceSpotRest, BinanceUsdmRest, BinanceUsRest
from tandem.venues.rest_bitstamp import BitstampRest
from tandem.venues.rest_bybit import BybitRest
from tandem.venues.rest_coinbase import CoinbaseRest
from tandem.venues.rest_kraken import KrakenRest
from tandem.venues.rest_okx import OkxRest

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

"""Venues: one file each, and nothing here opens a socket."""

from tandem.venues.base import GeneratedFeed, Keepalive, Route, WebsocketFeed
from tandem.venues.binance import BinanceSpot, BinanceUs, BinanceUsdm
from tandem.venues.bitstamp import Bitstamp
from tandem.venues.bybit import Bybit
from tandem.venues.coinbase import Coinbase
from tandem.venues.coingecko import CoinGecko
from tandem.venues.kraken import Kraken
from tandem.venues.okx import Okx
from tandem.venues.polled import PolledFeed
from tandem.venues.replay import Replay
from tandem.venues.simulated import Simulated

__all__ = [
    "BinanceSpot",
    "BinanceUs",
    "BinanceUsdm",
    "Bitstamp",
    "Bybit",
    "CoinGecko",
    "Coinbase",
    "GeneratedFeed",
    "Keepalive",
    "Kraken",
    "Okx",
    "PolledFeed",
    "Replay",
    "Route",
    "Simulated",
    "WebsocketFeed",
]

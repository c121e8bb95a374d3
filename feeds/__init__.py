"""Venues: one file each, and nothing here opens a socket."""

from feeds.base import GeneratedFeed, Keepalive, Route, WebsocketFeed
from feeds.binance import BinanceSpot, BinanceUs, BinanceUsdm
from feeds.bitstamp import Bitstamp
from feeds.bybit import Bybit
from feeds.coinbase import Coinbase
from feeds.coingecko import CoinGecko
from feeds.kraken import Kraken
from feeds.okx import Okx
from feeds.polled import PolledFeed
from feeds.replay import Replay
from feeds.simulated import Simulated

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

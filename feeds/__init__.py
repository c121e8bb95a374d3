"""Venues: one file each, and nothing here opens a socket."""

from feeds.base import GeneratedFeed, Route, WebsocketFeed
from feeds.binance import BinanceSpot, BinanceUsdm
from feeds.coinbase import Coinbase
from feeds.replay import Replay
from feeds.simulated import Simulated

__all__ = [
    "BinanceSpot",
    "BinanceUsdm",
    "Coinbase",
    "GeneratedFeed",
    "Replay",
    "Route",
    "Simulated",
    "WebsocketFeed",
]

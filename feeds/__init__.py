"""Venues: one file each, and nothing here opens a socket."""

from feeds.base import GeneratedFeed, Route, WebsocketFeed
from feeds.simulated import Simulated

__all__ = ["GeneratedFeed", "Route", "Simulated", "WebsocketFeed"]

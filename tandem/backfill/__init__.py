"""Filling the holes of the record by REST: trades where they can be had, else candles."""

from tandem.backfill.jobs import Progress
from tandem.backfill.worker import Backfill
from tandem.core.events import Filled
from tandem.net.http import Answer, Client, Stopped
from tandem.net.polling import PriceGates
from tandem.net.venue_client import Gate, Refused, Throttled

__all__ = [
    "Answer",
    "Backfill",
    "Client",
    "Filled",
    "Gate",
    "PriceGates",
    "Progress",
    "Refused",
    "Stopped",
    "Throttled",
]

"""Filling the holes of the record by REST: trades where they can be had, else candles."""

from backfill.client import Answer, Client, Stopped
from backfill.gate import Gate, Refused, Throttled
from backfill.job import Filled, Progress
from backfill.polling import PriceGates
from backfill.worker import Backfill

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

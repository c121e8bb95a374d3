"""The record: a bounded buffer in memory for what is hot, a SQLite file for what is kept."""

from storage.buffer import HotBuffer
from storage.entries import Document, Recordable, SignalRow
from storage.health import StoreHealth
from storage.keep import Policy
from storage.null import ForeignRecord, NullStore
from storage.readers import Held, Reader, Span
from storage.store import Store

__all__ = [
    "Document",
    "ForeignRecord",
    "Held",
    "HotBuffer",
    "NullStore",
    "Policy",
    "Reader",
    "Recordable",
    "SignalRow",
    "Span",
    "Store",
    "StoreHealth",
]

"""The hot buffer in memory and the SQLite database on disk."""

from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.null import ForeignStore, NullStore
from tandem.storage.reader import Reader
from tandem.storage.records import Document, Held, Policy, Recordable, SignalRow, Span, StoreHealth
from tandem.storage.store import Store

__all__ = [
    "Document",
    "ForeignStore",
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

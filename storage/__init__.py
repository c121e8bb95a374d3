"""The record: a bounded buffer in memory for what is hot, a SQLite file for what is kept."""

from storage.buffer import HotBuffer

__all__ = ["HotBuffer"]

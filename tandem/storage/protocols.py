"""What the users of a database need of it, so that another may take its place: one set for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tandem.core.events import Funding, Gap, Trade
from tandem.storage.records import Document, Held, Recordable, SignalRow, Span, StoreHealth


class Sink(Protocol):
    """Where batches go after the hot buffer: the store, or whatever takes its place."""

    def submit(self, events: Sequence[Recordable]) -> None:
        """Take a batch over. It may wait when it is full; it drops nothing."""
        ...


class Documents(Protocol):
    """Small things kept by kind and name: alerts, rules, pinned pairs."""

    def save_documents(self, documents: Sequence[Document]) -> None:
        """Keep, replace or remove documents."""

    def documents(self, kind: str, most: int = ...) -> dict[str, bytes]:
        """Return the documents of a kind, the newest first."""


class Records(Protocol):
    """What is read of the database."""

    def trades(
        self, instrument: str, start_us: int, end_us: int, most: int = ..., newest: bool = ...
    ) -> list[Trade]:
        """Return trades."""

    def stream_trades(
        self, instrument: str, start_us: int, end_us: int, chunk: int = ...
    ) -> Iterator[list[Trade]]:
        """Yield trades in order of time, some at a time."""

    def bars(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-second bars."""

    def stream_bars(
        self, instrument: str, start_us: int, end_us: int, minutes: int = ...
    ) -> Iterator[npt.NDArray[np.void]]:
        """Yield one-second bars, some minutes of them at a time."""

    def candles(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-minute bars from a venue's candles."""

    def fundings(self, instrument: str, start_us: int, end_us: int) -> list[Funding]:
        """Return announcements of funding."""

    def gaps(
        self, instrument: str | None = None, since_us: int = ..., states: Sequence[str] = ...
    ) -> list[Gap]:
        """Return known gaps."""

    def spans(self) -> dict[str, Span]:
        """Return first and last trade of each instrument."""

    def inventory(self) -> list[Held]:
        """Return what is held of every instrument."""


class Database(Sink, Documents, Records, Protocol):
    """All of it: what is written, what is read, and small state kept under a key."""

    def put_candles(self, instrument: str, rows: npt.NDArray[np.void]) -> None:
        """Keep minutes from a venue's candles."""

    def replace_gap(self, old: Gap, pieces: Sequence[Gap]) -> None:
        """Put pieces in the place of a gap, after everything submitted before."""

    def save_signals(self, pair: str, rows: Sequence[SignalRow]) -> None:
        """Keep signals as they were shown."""

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything before is committed; False where it was not in time."""

    def health(self) -> StoreHealth:
        """Return how recording goes."""

    def keep(self, days: float = ..., bars_days: float = ..., gigabytes: float = ...) -> None:
        """Set how much is kept."""

    def save_state(self, key: str, blob: bytes) -> None:
        """Keep something small under a key."""

    def load_state(self, key: str) -> bytes | None:
        """Return what was kept under a key."""

    def load_state_dated(self, key: str) -> tuple[bytes, int] | None:
        """Return what was kept under a key, and when."""

"""What the users of a store need of it: each the least, so that another may take its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tandem.core.events import Funding, Gap, Quote, Trade
from tandem.storage.records import Held, Span, StoreHealth


class Sink(Protocol):
    """Where batches go after the hot buffer: the store, or whatever takes its place."""

    def submit(self, events: Sequence[Trade | Quote | Funding | Gap]) -> None:
        """Take a batch over. It may wait when it is full; it drops nothing."""
        ...


class GapStore(Protocol):
    """What filling gaps needs: the gaps, what fills them, and small things kept by name."""

    def submit(self, events: Sequence[Trade | Gap]) -> None:
        """Hand trades and gaps to the writer."""

    def replace_gap(self, old: Gap, pieces: Sequence[Gap]) -> None:
        """Put pieces in the place of a gap, after everything submitted before."""

    def put_candles(self, instrument: str, rows: npt.NDArray[np.void]) -> None:
        """Keep minutes from the venue's candles."""

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything before is committed."""

    def health(self) -> StoreHealth:
        """Tell how recording goes."""

    def gaps(
        self, instrument: str | None = None, since_us: int = 0, states: Sequence[str] = ...
    ) -> list[Gap]:
        """Return known gaps."""

    def spans(self) -> dict[str, Span]:
        """Return first and last trade of each instrument."""

    def bars(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-second bars."""

    def trades(
        self, instrument: str, start_us: int, end_us: int, most: int = ..., newest: bool = ...
    ) -> list[Trade]:
        """Return trades."""

    def save_state(self, key: str, blob: bytes) -> None:
        """Keep something small under a key."""

    def load_state(self, key: str) -> bytes | None:
        """Return what was kept under a key."""

    def load_state_dated(self, key: str) -> tuple[bytes, int] | None:
        """Return what was kept under a key, and when."""


class ImportTarget(Protocol):
    """Where the trades of a vendor's archive go."""

    def submit(self, events: Sequence[Trade]) -> None:
        """Take trades to be recorded."""

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is recorded."""

    def health(self) -> StoreHealth:
        """Return how recording is going."""


class ExportSource(Protocol):
    """What files are written from."""

    def stream_trades(
        self, instrument: str, start_us: int, end_us: int, chunk: int = ...
    ) -> Iterator[list[Trade]]:
        """Yield trades in order of time, some at a time."""

    def stream_bars(
        self, instrument: str, start_us: int, end_us: int, minutes: int = ...
    ) -> Iterator[npt.NDArray[np.void]]:
        """Yield one-second bars, some minutes of them at a time."""

    def candles(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return one-minute bars a venue told."""


class InventorySource(Protocol):
    """What tells what is held and what is missing."""

    def inventory(self) -> list[Held]:
        """Return what is held of every instrument."""

    def gaps(
        self, instrument: str | None = None, since_us: int = ..., states: Sequence[str] = ...
    ) -> list[Gap]:
        """Return known gaps."""


class Database(Protocol):
    """What pages ask of the database."""

    def health(self) -> StoreHealth:
        """Return how recording goes."""

    def candles(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return minutes from a venue's candles."""

    def replace_gap(self, old: Gap, pieces: Sequence[Gap]) -> None:
        """Put pieces in the place of a gap."""

    def keep(self, days: float = ..., bars_days: float = ..., gigabytes: float = ...) -> None:
        """Set how much is kept."""

    def save_state(self, key: str, blob: bytes) -> None:
        """Keep something small under a key."""

    def load_state(self, key: str) -> bytes | None:
        """Return what was kept under a key."""

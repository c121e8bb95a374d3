"""What filling needs of the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tandem.core.events import Gap, Trade
from tandem.storage.health import StoreHealth
from tandem.storage.reader import Span


class Record(Protocol):
    """What filling needs of the record."""

    def submit(self, events: Sequence[Trade | Gap]) -> None:
        """Hand trades and holes to the writer."""

    def replace_gap(self, old: Gap, pieces: Sequence[Gap]) -> None:
        """Put pieces in the place of a hole, after everything submitted before."""

    def put_candles(self, instrument: str, rows: npt.NDArray[np.void]) -> None:
        """Keep minutes from the venue's candles."""

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything before is committed."""

    def health(self) -> StoreHealth:
        """Tell how recording goes."""

    def gaps(
        self, instrument: str | None = None, since_us: int = 0, states: Sequence[str] = ...
    ) -> list[Gap]:
        """Return known holes."""

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

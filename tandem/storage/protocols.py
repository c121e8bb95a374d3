"""What the rest of Tandem asks of a database, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tandem.core.events import Gap
from tandem.storage.health import StoreHealth


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

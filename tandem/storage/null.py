"""The database that is not there: the same questions, empty answers, and the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tandem.core.clock import steady_s
from tandem.core.events import BAR, Funding, Gap, Quote, Trade
from tandem.storage.files import check_readable, size_of
from tandem.storage.lock import is_locked
from tandem.storage.reader import GAP_STATES, Reader
from tandem.storage.records import Document, Held, Recordable, SignalRow, Span, StoreHealth

# How often a database of another process is asked whether that process still has it.
_ASK_S = 5.0


class NullStore:
    """Stands in where no record can be kept, so that live prices and signals go on without one.

    Parameters
    ----------
    reason : str
        Why there is none, as the screen shows it.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def submit(self, events: Sequence[Recordable]) -> None:
        """Keep nothing."""

    def save_signals(self, pair: str, rows: Sequence[SignalRow]) -> None:
        """Keep nothing."""

    def put_candles(self, instrument: str, rows: npt.NDArray[np.void]) -> None:
        """Keep nothing."""

    def replace_gap(self, old: Gap, pieces: Sequence[Gap]) -> None:
        """Keep nothing."""

    def save_documents(self, documents: Sequence[Document]) -> None:
        """Keep nothing."""

    def save_state(self, key: str, blob: bytes) -> None:
        """Keep nothing."""

    def keep(self, days: float = 0.0, bars_days: float = 0.0, gigabytes: float = 0.0) -> None:
        """Keep nothing."""

    def flush(self, timeout: float | None = None) -> bool:
        """Return True: nothing waits."""
        return True

    def close(self, timeout: float = 5.0) -> int:
        """Return 0: nothing waited."""
        return 0

    @property
    def is_alive(self) -> bool:
        """Whether the thread that writes runs: there is none that could have ended."""
        return True

    def health(self) -> StoreHealth:
        """Return the reason there is no record."""
        return StoreHealth(state="paused", text=self._reason)

    def bars(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return no bars."""
        return np.empty(0, BAR)

    def trades(
        self,
        instrument: str,
        start_us: int,
        end_us: int,
        most: int = 1_000_000,
        newest: bool = False,
    ) -> list[Trade]:
        """Return no trades."""
        return []

    def arrivals(self, instrument: str, start_us: int, end_us: int) -> list[Trade]:
        """Return no trades."""
        return []

    def stream_trades(
        self, instrument: str, start_us: int, end_us: int, chunk: int = 10_000
    ) -> Iterator[list[Trade]]:
        """Return no trades."""
        return iter(())

    def stream_bars(
        self, instrument: str, start_us: int, end_us: int, minutes: int = 600
    ) -> Iterator[npt.NDArray[np.void]]:
        """Return no bars."""
        return iter(())

    def last_trade(self, instrument: str) -> Trade | None:
        """Return None."""
        return None

    def spans(self) -> dict[str, Span]:
        """Return no spans."""
        return {}

    def candles(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        """Return no candles."""
        return np.empty(0, BAR)

    def gaps(
        self,
        instrument: str | None = None,
        since_us: int = 0,
        states: Sequence[str] = GAP_STATES,
    ) -> list[Gap]:
        """Return no gaps."""
        return []

    def inventory(self) -> list[Held]:
        """Return nothing held."""
        return []

    def quotes(self, instrument: str, start_us: int, end_us: int) -> list[Quote]:
        """Return no quotes."""
        return []

    def fundings(self, instrument: str, start_us: int, end_us: int) -> list[Funding]:
        """Return no funding rates."""
        return []

    def signals(self, pair: str, since_us: int = 0) -> list[SignalRow]:
        """Return no signals."""
        return []

    def documents(self, kind: str, most: int = 10_000) -> dict[str, bytes]:
        """Return nothing."""
        return {}

    def load_state(self, key: str) -> bytes | None:
        """Return None."""
        return None

    def load_state_dated(self, key: str) -> tuple[bytes, int] | None:
        """Return None."""
        return None


class ForeignStore(Reader, NullStore):
    """The database of another process: read beside it, and nothing written.

    Parameters
    ----------
    reason : str
        Who records into it, as the screen shows it.

    Raises
    ------
    StoreUnusable, StoreFull
        It cannot be read.
    """

    def __init__(self, path: Path, reason: str) -> None:
        check_readable(path)
        Reader.__init__(self, path)
        NullStore.__init__(self, reason)
        self._asked_s = steady_s()
        self._is_held = True

    def health(self) -> StoreHealth:
        """Return whose record this is, as long as that is true."""
        if steady_s() - self._asked_s > _ASK_S:
            self._asked_s = steady_s()
            self._is_held = is_locked(self.path)
        text = self._reason
        if not self._is_held:
            text = (
                f"The process that recorded into {self.path} has ended, and nobody records into it "
                "now. Prices and signals go on; restart Tandem here to record."
            )
        return StoreHealth(state="reading", text=text, bytes=size_of(self.path))

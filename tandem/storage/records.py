"""What goes into the database and what it says of itself: its entries, and how it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal, NamedTuple

import numpy as np

from tandem.core.clock import MINUTE_US
from tandem.core.events import Funding, Gap, Quote, Trade
from tandem.core.histogram import Histogram
from tandem.storage.codec import LAST_MINUTE, SECOND_BYTES, Array

CANDLE_COLUMNS = ("open", "high", "low", "close", "volume", "buy_volume", "notional")
# What a slot can hold; a later minute would be another instrument's.
END_US = (LAST_MINUTE + 1) * MINUTE_US


class SignalRow(NamedTuple):
    """A signal as it was shown: what to do, and the numbers it was decided on."""

    time_us: int
    kind: Literal["long", "short", "exit", "stop"]
    z: float
    y_price: float
    x_price: float
    beta: float


class Signals(NamedTuple):
    """Signals of one pair, to be recorded."""

    pair: str
    rows: tuple[SignalRow, ...]


class Candles(NamedTuple):
    """One-minute bars of an instrument as its venue tells them, to be recorded."""

    instrument: str
    rows: Array


class Replacement(NamedTuple):
    """A gap, and what has become of its parts."""

    old: Gap
    pieces: tuple[Gap, ...]


class Document(NamedTuple):
    """Something small kept under a kind and a key, until it is replaced or (None) removed."""

    kind: str
    key: str
    body: bytes | None


Recordable = Trade | Quote | Funding | Gap
Entry = Recordable | Signals | Candles | Replacement | Document


# How it stands ----------------------------------------------------------------------------

StoreState = Literal["recording", "paused", "closed", "reading"]
# Measured: benchmarks/store.py.
_TRADE_BYTES, _CANDLE_BYTES = 60, 70


class Span(NamedTuple):
    """What is recorded of an instrument: times of its first and last trade, and how many."""

    first_us: int
    last_us: int
    trades: int


class Held(NamedTuple):
    """What the database holds of an instrument.

    `first_us` and `last_us` are the times of its first and last trade, 0 where it has none.
    `seconds` counts its one-second bars, `minutes` its candles, `gaps` its gaps by state. Trades
    before `kept_from_us` were let go; 0 where none were.
    """

    instrument: str
    first_us: int
    last_us: int
    trades: int
    seconds: int
    minutes: int
    gaps: dict[str, int]
    kept_from_us: int = 0

    @property
    def bytes(self) -> int:
        """About how much of the file it takes."""
        return (
            _TRADE_BYTES * self.trades + SECOND_BYTES * self.seconds + _CANDLE_BYTES * self.minutes
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is kept; 0 stands for everything.

    Attributes
    ----------
    days : float
        Age from which trades, quotes and funding rates go.
    bars_days : float
        Age from which bars and candles go, but never before the trades they were made of.
    gigabytes : float
        Size of the file from which the oldest trades go, then the oldest bars; an hour stays.
    """

    days: float = 0.0
    bars_days: float = 0.0
    gigabytes: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the database is doing.

    Attributes
    ----------
    state : {"recording", "paused", "closed", "reading"}
    text : str
        What happened, what still works and what to do, for the screen.
    queued : int
        Entries that wait for the writer.
    written : int
        New trades committed since the start.
    oldest_waiting_s : float
        How long the oldest of the waiting entries has waited.
    bytes : int
        Size of the file with its write-ahead log.
    last_commit_us : int
        This machine's time of the last commit; 0 before the first.
    lost : int
        Trades and candles that found no room while recording was paused; the trades' place is
        recorded as a gap. What fills a gap is settled only where this has not grown meanwhile.
    refused : int
        Entries that no database could hold (not a number, out of range).
    expired : int
        Trades not taken because they are older than the retention limit.
    pruned : int
        Trades removed since the start because they are older than the retention limit.
    kept : Policy
        How long trades and bars are retained.
    renumbered : dict
        By instrument, trades since the start that came under the number of an earlier one: the
        venue began to count anew. They are recorded, under their number and time.
    notes : tuple of str
        What happened since the start that the user should know although recording goes on.
    commits : Histogram, optional
        How many seconds each commit took.
    """

    state: StoreState
    text: str
    queued: int = 0
    written: int = 0
    oldest_waiting_s: float = 0.0
    bytes: int = 0
    last_commit_us: int = 0
    lost: int = 0
    refused: int = 0
    expired: int = 0
    pruned: int = 0
    kept: Policy = Policy()
    renumbered: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    commits: Histogram | None = None


# What can be stored -----------------------------------------------------------------------

_NUMBER = (int, float)
_FIELDS: dict[type, tuple[type | tuple[type, ...], ...]] = {
    Trade: (str, (int, str), int, _NUMBER, _NUMBER, int, int),
    Quote: (str, int, *repeat(_NUMBER, 4), int),
    Funding: (str, int, _NUMBER, int, _NUMBER, int),
    Gap: (str, int, int, int, int, str),
    SignalRow: (int, str, *repeat(_NUMBER, 4)),
}


def storable(entry: Entry) -> bool:
    """Tell whether an entry can be stored: known kind, right types, finite, within 64 bits."""
    if isinstance(entry, Signals):
        return is_plain(entry.pair) and all(map(_storable_signal, entry.rows))
    if isinstance(entry, Candles):
        if not is_plain(entry.instrument):
            return False
        prices = np.stack([entry.rows[name] for name in CANDLE_COLUMNS[:5]])
        times = entry.rows["time_us"]
        return bool(np.isfinite(prices).all() and ((times >= 0) & (times < END_US)).all())
    if isinstance(entry, Document):
        return is_plain(entry.kind) and is_plain(entry.key)
    if isinstance(entry, Replacement):
        return all(map(storable, (entry.old, *entry.pieces)))
    kinds = _FIELDS.get(type(entry))
    if kinds is None or not all(map(_storable_value, entry, kinds)):
        return False
    if not isinstance(entry, Trade):
        return True
    return math.isfinite(entry.price * entry.quantity) and 0 <= entry.time_us < END_US


def _storable_signal(row: SignalRow) -> bool:
    # Prices may be missing: what is not a number is kept as nothing.
    return all(
        _storable_value(value, kind) or (kind is _NUMBER and isinstance(value, float))
        for value, kind in zip(row, _FIELDS[SignalRow], strict=True)
    )


def is_plain(text: object) -> bool:
    """Tell whether something is text that a database takes and a screen shows."""
    return isinstance(text, str) and text.isprintable()


def _storable_value(value: object, kind: type | tuple[type, ...]) -> bool:
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str) and value.isprintable()

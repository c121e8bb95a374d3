"""What the record takes: the entries of a batch, and whether one can be stored."""

from __future__ import annotations

import math
from itertools import repeat
from typing import Literal, NamedTuple

import numpy as np

from tandem.core.clock import MINUTE_US
from tandem.core.events import Funding, Gap, Quote, Trade
from tandem.storage.codec import Array
from tandem.storage.schema import LAST_MINUTE

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

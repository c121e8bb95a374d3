"""The words every part of Tandem shares: instruments, trades, quotes, bars, errors.

Time is ``int64`` microseconds since the Unix epoch, UTC, in every field named ``*_us``.
An instrument is ``venue:SYMBOL``, for example ``binance-usdm:BTCUSDT``; simulated
instruments live under ``sim:`` and are never mixed with recorded ones.
"""

from __future__ import annotations

import re
import time
from typing import Literal, NamedTuple

import numpy as np

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

BUY, SELL, UNKNOWN_SIDE = 1, -1, 0

SIMULATED_VENUE = "sim"
REPLAY_VENUE = "replay"

TradeId = int | str


# Errors ---------------------------------------------------------------------------------
#
# TandemError             every failure Tandem raises on purpose; its text is for the user
# ├── DataError           the input cannot give the answer asked for (also a ValueError)
# ├── SettingError        a setting is wrong; names the setting and what it accepts
# ├── FeedError           a venue cannot be read
# │   ├── VenueRefused    it answered no (region, ban); retrying at once is pointless
# │   ├── UnknownSymbol   it does not list the instrument
# │   └── MessageError    one message was not understood; counted and skipped
# ├── Cancelled           long work was told to stop, and did
# └── StoreError          the record cannot be written or read
#     ├── StoreInUse      another process is recording into the same file
#     ├── StoreUnusable   the file is damaged or is not a Tandem database
#     └── StoreFull       no space, or no permission to write; recording pauses


class TandemError(Exception):
    """A failure whose text tells the user what happened and what to do."""


class DataError(TandemError, ValueError):
    """Input that cannot give the answer: says what was there, what was needed, what to do."""


class Cancelled(TandemError):
    """Long work that was told to stop, and did."""


class SettingError(TandemError):
    """A setting with a value that cannot be used."""


class FeedError(TandemError):
    """A venue that cannot be read."""


class VenueRefused(FeedError):
    """A venue that answered no, with the HTTP status it gave (0 if none)."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class UnknownSymbol(FeedError):
    """A symbol the venue does not list."""


class MessageError(FeedError):
    """One message that was not understood."""


class StoreError(TandemError):
    """The record cannot be written or read."""


class StoreInUse(StoreError):
    """Another process holds the database for writing."""


class StoreUnusable(StoreError):
    """The file is damaged, or it is not a Tandem database."""


class StoreFull(StoreError):
    """There is no space left, or no permission to write."""


# Instruments ----------------------------------------------------------------------------

_VENUE = re.compile(r"[a-z][a-z0-9-]{0,23}")
_SYMBOL = re.compile(r"[^\W_][\w./-]{0,39}")


def instrument(venue: str, symbol: str) -> str:
    """Join a venue and a symbol into an instrument name.

    Parameters
    ----------
    venue : str
        Lower case, for example ``binance-usdm``.
    symbol : str
        The venue's own symbol, for example ``BTCUSDT`` or ``BTC-USD``.

    Raises
    ------
    DataError
        If either part has characters outside letters, digits and ``. _ / -``.
    """
    if not _VENUE.fullmatch(venue):
        raise DataError(f"{venue!r:.60} is not a venue name; use one like 'binance-usdm'.")
    if not _SYMBOL.fullmatch(symbol):
        raise DataError(
            f"{symbol!r:.60} is not a symbol; use letters, digits and . / - only, as in BTCUSDT."
        )
    return f"{venue}:{symbol.upper()}"


def split_instrument(name: str) -> tuple[str, str]:
    """Take ``venue:SYMBOL`` apart; raises DataError if it is not of that form."""
    venue, colon, symbol = name.partition(":")
    if not colon:
        raise DataError(f"{name!r:.60} is not an instrument; write venue:SYMBOL.")
    if instrument(venue, symbol) != name:
        raise DataError(f"{name!r:.60} is not an instrument; the symbol is upper case.")
    return venue, symbol


# Events ---------------------------------------------------------------------------------


class Trade(NamedTuple):
    """One trade as the venue reported it.

    ``trade_id`` is unique per instrument: a number on most venues, text on some. ``time_us``
    is the exchange's trade time, ``received_us`` this machine's clock on arrival: latency is
    measured with it, legs are never aligned by it. ``side`` is the taker's: +1 bought,
    -1 sold, 0 unknown.
    """

    instrument: str
    trade_id: TradeId
    time_us: int
    price: float
    quantity: float
    side: int
    received_us: int


def renumbered(trade_id: int, time_us: int) -> str:
    """Return the id of a trade whose number is another trade's: its venue began to count anew."""
    return f"{trade_id}@{time_us}"


def venue_id(trade_id: TradeId) -> TradeId:
    """Return the id the venue gave: the number in what `renumbered` made, else the id itself."""
    if isinstance(trade_id, str):
        number, mark, time_us = trade_id.partition("@")
        if mark and number.isdecimal() and time_us.isdecimal():
            return int(number)
    return trade_id


class Quote(NamedTuple):
    """Best bid and ask at one moment."""

    instrument: str
    time_us: int
    bid: float
    bid_quantity: float
    ask: float
    ask_quantity: float
    received_us: int


class Funding(NamedTuple):
    """The funding rate a perpetual future will charge at ``next_us`` (fraction per interval)."""

    instrument: str
    time_us: int
    rate: float
    next_us: int
    mark_price: float
    received_us: int


class Notice(NamedTuple):
    """Something a venue said that is not market data, told to the user as plain text.

    ``kind`` is what the reader acts on: ``error`` (the venue refused what was asked),
    ``closing`` (it will hang up soon) or ``alive`` (a heartbeat: the line works).
    """

    kind: Literal["error", "closing", "alive"]
    text: str


class Gap(NamedTuple):
    """Trades known to be missing: ids ``first_id`` to ``last_id``, both included.

    A hole known only by its time has -1 for both ids. ``candles`` says that the venue's candles
    stand in for the trades, ``lost`` that nothing does.
    """

    instrument: str
    first_id: int
    last_id: int
    start_us: int
    end_us: int
    state: Literal["open", "filled", "candles", "lost"]


Event = Trade | Quote | Funding | Notice

TRADE = np.dtype(
    [
        ("time_us", np.int64),
        ("price", np.float64),
        ("quantity", np.float64),
        ("side", np.int8),
        ("received_us", np.int64),
    ]
)

# A bar covers [time_us, time_us + interval). `notional` is the sum of price times quantity,
# so vwap = notional / volume. `last_us` is the time of its last trade. A second without a
# trade has no bar. A bar taken from a venue's candle has CANDLE for its number of trades.
CANDLE = -1
BAR = np.dtype(
    [
        ("time_us", np.int64),
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
        ("volume", np.float64),
        ("buy_volume", np.float64),
        ("notional", np.float64),
        ("last_us", np.int64),
        ("trades", np.int64),
    ]
)


# Clocks ---------------------------------------------------------------------------------
#
# Time within the process runs by one clock that nobody can set: a step of the machine's clock
# would otherwise close an hour of bars at once, or none for an hour. It counts while the machine
# sleeps (`time.monotonic` does not, on Linux), so what fell silent over night is noticed on waking.

_STEADY = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def _steady_ns() -> int:
    return time.monotonic_ns() if _STEADY is None else time.clock_gettime_ns(_STEADY)


_EPOCH_NS = time.time_ns() - _steady_ns()


def now_us() -> int:
    """Return the time in microseconds: this machine's clock at the start, plus what has passed.

    It never steps, whatever is done to the machine's clock meanwhile.
    """
    return (_EPOCH_NS + _steady_ns()) // 1_000


def steady_s() -> float:
    """Return seconds that never go back and go on while the machine sleeps; for every timer."""
    return _steady_ns() / 1e9

"""What a venue reports: trades, quotes, funding rates, notices; and what is known to be missing."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

BUY, SELL, UNKNOWN_SIDE = 1, -1, 0

TradeId = int | str


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


class PastTrade(Trade):
    """A trade from before the subscription that a venue sends on subscribing.

    It arrived when it was asked for: it tells nothing of delays and clocks.
    """

    __slots__ = ()


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


class NoQuote(NamedTuple):
    """From one moment on there is no best bid and ask: a side of the book is empty, or they cross.

    The quote before it holds no longer.
    """

    instrument: str
    time_us: int
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


class Unread(NamedTuple):
    """A trade that arrived and could not be read.

    ``instrument`` is empty where the message does not even say whose trade it was: it may be of
    any instrument that comes over the connection.
    """

    instrument: str
    received_us: int
    cause: str


class OffBook(NamedTuple):
    """A trade made outside the order book: a block trade, or one of an insurance fund or ADL.

    Its price is agreed or forced, and nobody could have traded at it; it is counted, not recorded.
    """

    instrument: str
    received_us: int


class Gap(NamedTuple):
    """Trades known to be missing: ids ``first_id`` to ``last_id``, both included.

    A gap known only by its time has -1 for both ids. ``candles`` says that the venue's candles
    stand in for the trades, ``lost`` that nothing does.
    """

    instrument: str
    first_id: int
    last_id: int
    start_us: int
    end_us: int
    state: Literal["open", "filled", "candles", "lost"]


class Filled(NamedTuple):
    """A stretch of an instrument that the database holds now, committed."""

    instrument: str
    start_us: int
    end_us: int
    kind: Literal["trades", "candles"]


Event = Trade | Quote | NoQuote | Funding | Notice | Unread | OffBook

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

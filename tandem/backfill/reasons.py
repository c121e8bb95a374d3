"""Why trades of a gap are filled by candles, or not at all; words are made for screen and log."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple


class Cause(Enum):
    """What keeps trades or candles away, with the words for it."""

    NO_REST = "the venue has no REST interface"
    NO_TRADES = "the venue's trades cannot be asked for"
    TOO_LONG_AGO = "the venue gives no trades of so long ago"
    REACH = "the venue gives no trades from before"
    TOO_MANY = "{number:,} trades are too many to ask for"
    LATEST_ONLY = "the venue gives only its latest trades"
    NOT_RECORDED = "it was not recorded yet"
    REPEATS = "the venue repeats itself"
    MISSING = "the venue does not have them"
    HTTP_STATUS = "the venue answered with HTTP {number}"
    UNREADABLE = "the venue's response could not be parsed ({detail})"
    NO_CANDLE = "no candle came"
    CANDLE_REACH = "candles do not reach back so far"


class Reason(NamedTuple):
    """One cause.

    Attributes
    ----------
    number : int
        Trades, or the HTTP status.
    detail : str
        What a parser says.
    tries : int
        How often it was met before trades or candles were given up; 0 where once is enough.
    """

    cause: Cause
    number: int = 0
    detail: str = ""
    tries: int = 0


# Empty where nothing keeps them away.
Reasons = tuple[Reason, ...]


def words(reasons: Iterable[Reason]) -> str:
    """Return reasons as part of a sentence."""
    return "; ".join(
        one.cause.value.format(number=one.number, detail=one.detail)
        + (f", {one.tries} times" if one.tries else "")
        for one in reasons
    )

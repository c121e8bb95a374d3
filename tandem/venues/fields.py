"""The fields of venues' messages, each checked as it is taken out; MessageError if it is not one.

Causes are short and quote nothing: what a venue sent is hostile until it is parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from tandem.core.clock import DAY_US
from tandem.core.errors import MessageError
from tandem.core.events import NoQuote, Quote

# Trade times outside 2009 to 2100 are garbled, whatever unit they were meant in.
EARLIEST_US = 14_245 * DAY_US
LATEST_US = 47_847 * DAY_US
MOST_PRICE = 1e15
MOST_ID = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def json_object(raw: bytes | str) -> dict[str, Any]:
    """Return a message as the JSON object it must be."""
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise MessageError("not JSON") from None
    if type(message) is not dict:
        raise MessageError("not an object")
    return message


def moment(time_us: int) -> int:
    """Return a time in microseconds if anything traded can have it.

    Every time of every venue passes here. This machine's clock is not asked: it may be wrong by
    years. What is dated ahead of its venue's clock is told by the other trades, of a stream in
    `ingest.clock.VenueClock`, of a page in `backfill.paging`.
    """
    if EARLIEST_US <= time_us <= LATEST_US:
        return time_us
    raise MessageError("a time is not plausible")


def milliseconds(value: Any) -> int:
    """Return a time given as a number of milliseconds, in microseconds."""
    if type(value) is not int:
        raise MessageError("a time is not a whole number")
    return moment(value * 1000)


def iso_time(text: Any) -> int:
    """Return a time given as ISO 8601 text in UTC, in microseconds."""
    if type(text) is not str or not text.endswith("Z"):
        raise MessageError("a time is not a UTC time")
    try:
        time_us = (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise MessageError("a time is not a UTC time") from None
    return moment(time_us)


def number(text: Any) -> float:
    """Return the number written in a text, whatever its sign; it may be infinite."""
    if type(text) is not str:
        raise MessageError("a number is not text")
    try:
        return float(text)
    except ValueError:
        raise MessageError("a number is not one") from None


def amount(text: Any) -> float:
    """Return the number written in a text, which must not be negative."""
    value = number(text)
    if not 0.0 <= value < MOST_PRICE:
        raise MessageError("a number is negative or not finite")
    return value


def positive(text: Any) -> float:
    """Return the number written in a text, which must be above zero."""
    value = number(text)
    if not 0.0 < value < MOST_PRICE:
        raise MessageError("a price or quantity is not positive and finite")
    return value


def whole(text: Any) -> int:
    """Return the whole number written in a text, digits only."""
    if type(text) is not str or not (text.isascii() and text.isdigit() and len(text) < 20):
        raise MessageError("a whole number is not one")
    return int(text)


def trade_number(value: Any) -> int:
    """Return a trade id that is a number."""
    if type(value) is not int or not 0 <= value <= MOST_ID:
        raise MessageError("the trade id is not a whole number")
    return value


def best(text: Any) -> float:
    """Return a price or quantity of the best bid or ask, given as text; 0.0 where it is empty."""
    return 0.0 if text == "" else amount(text)


def top(levels: Any) -> tuple[float, float]:
    """Return price and quantity of the best of a side's levels; zeros where there are none."""
    return (0.0, 0.0) if levels == [] else (amount(levels[0][0]), amount(levels[0][1]))


def quote_of(
    name: str,
    time_us: int,
    bid: tuple[float, float],
    ask: tuple[float, float],
    received_us: int,
) -> Quote | NoQuote:
    """Return the best bid and ask, each a price and a quantity, or that there is no such pair.

    A side without a price, and a bid above the ask, which books show for a moment while they are
    in auction or behind, are no errors.
    """
    if not 0.0 < bid[0] <= ask[0]:
        return NoQuote(name, time_us, received_us)
    return Quote(name, time_us, *bid, *ask, received_us)


def side_of(value: Any, sides: Mapping[Any, int]) -> int:
    """Return the taker's side that a venue means by a text or a whole number."""
    if type(value) not in (str, int) or value not in sides:
        raise MessageError(f"the side is not {' or '.join(map(str, sides))}")
    return sides[value]

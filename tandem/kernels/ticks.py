"""Compiled reading of plain trades, rows of unquoted numbers, and their bars.

A row that is anything else is left to a reader that knows more: it is listed, not judged.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

SKIP, TIME, PRICE, QUANTITY, MAKER, SIDE, ID = range(7)

_NEWLINE, _RETURN, _QUOTE, _ZERO = 10, 13, 34, 48
_COMMON = 32  # the space; what is above it may be in a word
_POINT = 46 - _ZERO
_LOWER = 32  # this bit makes a letter lower case
_EXACT = 2**53  # up to here whole numbers are floats, and a division by a power is rounded once
_MOST_DIGITS = 18
_POWERS = 10.0 ** np.arange(_MOST_DIGITS + 1)

_TRUE, _FALSE = int.from_bytes(b"true"), int.from_bytes(b"false")
_ONE, _NONE = int.from_bytes(b"1"), int.from_bytes(b"0")
_BUY, _SELL = int.from_bytes(b"buy"), int.from_bytes(b"sell")

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


@compiled
def count_lines(buffer: Bytes, start: int, end: int) -> int:
    """Count the line feeds in ``buffer[start:end]``."""
    count = 0
    for at in range(start, end):
        count += buffer[at] == _NEWLINE
    return count


@compiled
def line_starts(buffer: Bytes, wanted: Whole, starts: Whole) -> None:
    """Find where lines begin: `wanted` are line numbers from 0, ascending; `starts` is filled."""
    line, found, at = 0, 0, 0
    while found < len(wanted):
        while line < wanted[found]:
            line += buffer[at] == _NEWLINE
            at += 1
        starts[found] = at
        found += 1


@compiled
def _side_of(buffer: Bytes, start: int, end: int, role: int) -> int:
    """Return the taker's side, 1 or -1, from a word; 0 where it is another word."""
    word = 0
    for at in range(start, min(end, start + 6)):
        word = word << 8 | (buffer[at] | _LOWER)
    if role == MAKER:
        return -1 if word in (_TRUE, _ONE) else 1 if word in (_FALSE, _NONE) else 0
    return 1 if word == _BUY else -1 if word == _SELL else 0


@compiled
def parse_trades(
    buffer: Bytes,
    span: tuple[int, int],
    delimiter: int,
    roles: Whole,
    unit: tuple[int, int, int, int],
    first_row: int,
    times: Whole,
    prices: Floats,
    quantities: Floats,
    sides: npt.NDArray[np.int8],
    ids: Whole,
    odd: Whole,
) -> tuple[int, int]:
    """Read whole lines of plain trades into arrays from `first_row` on.

    Parameters
    ----------
    buffer : ndarray of uint8
        The file; the last of its lines need not end in a line feed.
    span : (int, int)
        The bytes to read, from the beginning of a line.
    roles : ndarray of int64
        What each column is: SKIP, TIME, PRICE, QUANTITY, MAKER, SIDE or ID.
    unit : (int, int, int, int)
        Lowest and highest valid time number, and the numerator and denominator that make it
        microseconds.
    times, prices, quantities, sides, ids : ndarray
        Filled; `ids` may be of length 0 where no column is an id.
    odd : ndarray of int64
        Filled with the numbers of the lines that are no plain trade, 0 for the first of the span.

    Returns
    -------
    rows : int
        Trades read; -1 if there are more odd lines than `odd` has places.
    n_odd : int
    """
    low, high, numerator, denominator = unit
    at, end = span
    row, line, n_odd, last = first_row, 0, 0, len(roles) - 1
    while at < end:
        is_odd = False
        time_us, price, quantity, side, key = 0, 0.0, 0.0, 0, 0
        for column in range(last + 1):
            role = roles[column]
            if role == SKIP:
                while at < end and buffer[at] != delimiter and buffer[at] != _NEWLINE:
                    is_odd |= buffer[at] == _QUOTE
                    at += 1
            elif role in (MAKER, SIDE):
                start = at
                while at < end and buffer[at] > _COMMON and buffer[at] != delimiter:
                    at += 1
                side = _side_of(buffer, start, at, role)
                is_odd |= side == 0
            else:
                mantissa, digits, places = 0, 0, -1
                start = at
                while at < end:
                    digit = int(buffer[at]) - _ZERO
                    if 0 <= digit <= 9:
                        mantissa = mantissa * 10 + digit
                        digits += 1
                    elif digit == _POINT and places < 0:
                        places = digits
                    else:
                        break
                    at += 1
                places = digits - places if places >= 0 else 0
                is_odd |= digits == 0 or digits > _MOST_DIGITS
                if role in (PRICE, QUANTITY):
                    is_odd |= mantissa <= 0 or mantissa > _EXACT
                    value = mantissa / _POWERS[min(places, _MOST_DIGITS)]
                    if role == PRICE:
                        price = value
                    else:
                        quantity = value
                else:
                    is_odd |= at - start != digits
                    if role == ID:
                        key = mantissa
                    else:
                        is_odd |= mantissa < low or mantissa >= high
                        time_us = mantissa * numerator // denominator
            if at < end and buffer[at] == _RETURN:
                at += 1
                is_odd |= at < end and buffer[at] != _NEWLINE
            if is_odd or at >= end or buffer[at] != delimiter:
                is_odd |= column != last
                break
            at += column != last
        if is_odd or (at < end and buffer[at] != _NEWLINE):
            if n_odd == len(odd):
                return -1, n_odd
            odd[n_odd] = line
            n_odd += 1
            while at < end and buffer[at] != _NEWLINE:
                at += 1
        else:
            times[row], prices[row], quantities[row] = time_us, price, quantity
            sides[row] = side
            if len(ids):
                ids[row] = key
            row += 1
        at += 1
        line += 1
    return row - first_row, n_odd


@compiled
def count_bars(times: Whole, interval_us: int) -> int:
    """Count the intervals that have a trade; `times` are ascending."""
    count, last = 0, times[0] // interval_us - 1
    for at in range(len(times)):
        bar = times[at] // interval_us
        count += bar != last
        last = bar
    return count


@compiled
def fill_bars(
    times: Whole,
    prices: Floats,
    quantities: Floats,
    sides: npt.NDArray[np.int8],
    interval_us: int,
    starts: Whole,
    lasts: Whole,
    counts: Whole,
    values: Floats,
) -> None:
    """Make the bars of trades ascending in time.

    `starts`, `lasts` and `counts` have one place a bar. `values`, shape (7, n_bars), is filled with
    open, high, low, close, volume, volume bought and notional; sums run from left to right.
    """
    bar, last = -1, times[0] // interval_us - 1
    for at in range(len(times)):
        price, quantity = prices[at], quantities[at]
        here = times[at] // interval_us
        if here != last:
            bar, last = bar + 1, here
            starts[bar], counts[bar] = here * interval_us, 0
            values[:4, bar] = price
            values[4:, bar] = 0.0
        values[1, bar] = max(values[1, bar], price)
        values[2, bar] = min(values[2, bar], price)
        values[3, bar] = price
        values[4, bar] += quantity
        values[5, bar] += quantity if sides[at] > 0 else 0.0
        values[6, bar] += price * quantity
        lasts[bar] = times[at]
        counts[bar] += 1

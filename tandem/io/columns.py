"""What each column is: by its name, by what it contains, or by the table's shape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tandem.io.column import Column
from tandem.io.column_names import (
    AMOUNTS,
    DATED,
    END_NAMES,
    EVENTS,
    OTHER_NAMES,
    PRICES,
    RANKS,
    is_ticker,
    plain,
    role_named,
    role_of,
)
from tandem.io.contents import Content, Rows, are_points, content, is_price_like
from tandem.io.date_columns import date_and_clock, time_by_content, year_month_day
from tandem.io.price_columns import (
    CLOSES,
    UNMISTAKABLE,
    are_bars,
    are_quotes,
    bars_by_content,
    is_priced,
    is_trades,
    own_analysis,
    quoted,
    swapped,
    two_volumes,
)

_PARTS = "open|high|low|close|price|last|bid|ask|volume|vol"
_WIDE = re.compile(rf"(?P<symbol>.+?)[_ .:/-]+(?P<part>{_PARTS})", re.IGNORECASE)
_WIDE_FRONT = re.compile(rf"(?P<part>{_PARTS})[_ .:/-]+(?P<symbol>.+)", re.IGNORECASE)
_PART_ROLE = {"price": "close", "last": "close", "vol": "volume"}


def by_name(header: Sequence[str], sample: Rows, symbols: Sequence[str] = ()) -> list[Column]:
    """Take each column for what its name says, where its cells do not say otherwise.

    Parameters
    ----------
    header : sequence of str
    sample : sequence of rows
        The first rows, and some of the others.
    symbols : sequence of str
        The instrument of each column, where a second row of names has them.
    """
    if any(plain(name) == "price_y" for name in header):
        columns = [Column(i, name, role_of(plain(name))) for i, name in enumerate(header)]
        return own_analysis(columns)
    some = sample[:: max(len(sample) * len(header) // _CELLS, 1)]
    contents = [content([row[i] for row in some]) for i in range(len(header))]
    columns = [
        Column(i, name, _judged(role_named(name), name, what))
        for i, (name, what) in enumerate(zip(header, contents, strict=True))
    ]
    columns = year_month_day(columns, contents, sample)
    columns = time_by_content(columns, contents, sample)
    if any(symbols):
        return _first_of_each(_under(columns, symbols), contents)
    columns = two_volumes(columns, sample)
    wide = [_wide(column) if not column.role else column for column in columns]
    columns = swapped(columns, sample)
    bars = bars_by_content(columns, sample)
    if bars is not None:
        columns = bars
    elif _strong(columns, sample) or are_bars(columns, sample):
        pass
    elif any(column.symbol for column in wide):
        columns = wide
    elif not are_quotes(columns, sample):
        columns = _as_symbols(columns, contents, sample)
    columns = quoted(date_and_clock(columns, sample), contents, sample)
    return _first_of_each(columns, contents)


def _judged(role: str, name: str, what: Content) -> str:
    """Return the role, or none where the cells cannot be that."""
    if role == "time" and is_ticker(name) and what.times < 0.5 < what.numbers:
        return ""
    if plain(name) in END_NAMES and what.times < 0.5:  # the close of a bar is a price as well
        return ""
    if role == "buyer_maker" and what.booleans < 0.8:
        return ""
    if role == "symbol" and what.fractions > 0.5:  # codes are whole
        return ""
    return role


def _under(columns: list[Column], symbols: Sequence[str]) -> list[Column]:
    """Give columns the instruments that stand over or under their names."""
    return [
        replace(column, symbol=symbols[column.index])
        if symbols[column.index] and column.role not in ("", *DATED)
        else column
        for column in columns
    ]


def _strong(columns: list[Column], sample: Rows) -> bool:
    """Tell whether a column is called a price by a word that is no ticker, as RATE may be.

    LAST is one beside two other names of tickers over prices.
    """
    others = [column for column in columns if not column.role and is_priced(column, sample)]
    weak = {"last"} if len(others) > 1 else set()
    return any(
        column.role in CLOSES
        and (
            plain(column.name) in UNMISTAKABLE
            and not (column.name.isupper() and plain(column.name) in weak)
            or not is_ticker(column.name)
        )
        for column in columns
    )


def _as_symbols(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Take columns of prices for the instruments they are named after, also V, OPEN, ALL or ID."""
    new = [_as_symbol(column, contents[column.index], sample) for column in columns]
    added = [column for column in new if column.symbol]

    def could_be(column: Column) -> bool:
        if column.symbol or column.role in DATED or not column.name:
            return False
        is_style = is_ticker(column.name) and column.name.isupper()
        return is_style and is_price_like([row[column.index] for row in sample])

    others = {column.index for column in columns if could_be(column)}
    is_weak = any(column.role in ("close", "price") for column in columns)
    if is_weak and len(others) + len(added) < 2:
        return columns
    if not added and len(others) < 2:
        return columns
    return [
        replace(column, role="close", symbol=column.name) if column.index in others else column
        for column in new
    ]


_CELLS = 20_000  # looked at to tell what columns hold


def _wide(column: Column) -> Column:
    """Read names like BTCUSDT_close or close_BTCUSDT."""
    name = column.name.strip()
    found = _WIDE.fullmatch(name) or _WIDE_FRONT.fullmatch(name)
    if not found or OTHER_NAMES.fullmatch(plain(name)):
        return column
    part = found["part"].lower()
    return replace(column, role=_PART_ROLE.get(part, part), symbol=found["symbol"])


def _as_symbol(column: Column, what: Content, sample: Rows) -> Column:
    """Take an unknown column of numbers for the price of the symbol it is named after."""
    if column.role or not column.name or OTHER_NAMES.fullmatch(plain(column.name)):
        return column
    is_price = what.numbers >= 0.5 or are_points([row[column.index] for row in sample])
    if not what.filled or not is_price:
        return column
    return replace(column, role="close", symbol=column.name)


def _first_of_each(columns: list[Column], contents: list[Content]) -> list[Column]:
    """Keep one column per role and symbol: of those that read most rows the best named one.

    A lone price is the close.
    """

    def read(column: Column) -> float:
        what = contents[column.index]
        if column.role == "time":
            return what.filled * max(what.times, what.clocks)
        return what.readable if column.role in (*PRICES, *AMOUNTS, *EVENTS) else what.filled

    most: dict[tuple[str, str], float] = {}
    for column in columns:
        key = (column.role, column.symbol)
        most[key] = max(most.get(key, 0.0), read(column))
    best: dict[tuple[str, str], Column] = {}
    for column in sorted(columns, key=lambda c: (RANKS.get(plain(c.name), 99), c.index)):
        key = (column.role, column.symbol)
        if column.role and read(column) >= 0.9 * most[key]:
            best.setdefault(key, column)
    kept = {column.index for column in best.values()}
    columns = [c if c.index in kept else replace(c, role="", symbol="") for c in columns]
    for symbol in {column.symbol for column in columns}:
        roles = {column.role for column in columns if column.symbol == symbol}
        lone = next((one for one in ("price", "adjusted") if one in roles), "")
        if lone and not roles & {"close", "bid"} and not (lone == "price" and is_trades(columns)):
            columns = [
                replace(c, role="close") if (c.role, c.symbol) == (lone, symbol) else c
                for c in columns
            ]
    return columns

"""Columns as the user names them, and what cannot be two things at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tandem.core.errors import DataError
from tandem.io.column import Column
from tandem.io.column_names import AMOUNTS, PRICES, plain


def corrected(columns: Sequence[Column], told: Sequence[tuple[int | str, str]]) -> list[Column]:
    """Give columns the roles they are told to have; who had such a role before loses it.

    Raises
    ------
    DataError
        A column of a name that none has.
    """
    places = {_place(columns, which): role for which, role in told}
    roles = {index: role for index, role in places.items() if 0 <= index < len(columns)}
    symbols = _symbols_told(columns, roles)
    mine = {(role, symbols.get(index, "")) for index, role in roles.items() if role}
    is_one = not any(symbols.values()) and any(role in (*PRICES, *AMOUNTS) for role, _ in mine)
    kept = [
        replace(column, role="", symbol="")
        if (column.role, column.symbol) in mine or (is_one and column.symbol)
        else column
        for column in columns
    ]
    return [_told(column, roles, symbols) for column in kept]


def _told(column: Column, roles: dict[int, str], symbols: dict[int, str]) -> Column:
    if column.index not in roles:
        return column
    role, symbol = roles[column.index], symbols.get(column.index, "")
    return replace(column, role="close" if symbol and role == "price" else role, symbol=symbol)


def _symbols_told(columns: Sequence[Column], roles: dict[int, str]) -> dict[int, str]:
    """Return the instruments of the columns of a wide table that are told to be amounts or prices.

    A close is that of its column's instrument, another role needs a close of the same one. Where
    one has none, as where four columns are told to be open, high, low and close, or where there is
    one close in all, the table is of one instrument, and nothing is returned.
    """
    told = {index: role for index, role in roles.items() if role in (*PRICES, *AMOUNTS)}
    closes = [index for index, role in told.items() if role in ("close", "price")]
    if not any(column.symbol for column in columns) and len(closes) < 2:
        return {}
    symbols = {index: columns[index].symbol for index in told}
    symbols |= {index: columns[index].symbol or columns[index].name for index in closes}
    known = {symbols[index] for index in closes}
    known |= {
        column.symbol for column in columns if column.role == "close" and column.index not in roles
    }
    is_each = all(symbol in known - {""} for symbol in symbols.values())
    return symbols if is_each and len(known) > 1 else {}


def same_of(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    """Return two columns that are the same thing of one instrument; None where no two are."""
    there: dict[tuple[str, str], Column] = {}
    for column in columns:
        if not column.role:
            continue
        for symbol in {"", column.symbol} if column.symbol else _symbols(columns):
            if (column.role, symbol) in there:
                return there[column.role, symbol], column
        there[column.role, column.symbol] = column
    return None


def named_twice(columns: Sequence[Column], names: Sequence[str]) -> Column | None:
    """Return a price whose name another column has, too, and which nobody chose; None without one.

    Parameters
    ----------
    columns : sequence of Column
    names : sequence of str
        Names of all columns, each with its instrument where a row of names has them.
    """
    prices = [column for column in columns if column.role in PRICES]
    return next((one for one in prices if names.count(names[one.index]) > 1), None)


def _symbols(columns: Sequence[Column]) -> set[str]:
    return {"", *(column.symbol for column in columns)}


def _place(columns: Sequence[Column], which: int | str) -> int:
    """Return the number from 0 of a column given by number, or by name."""
    if isinstance(which, int):
        return which
    for same in (lambda name: name == which, lambda name: plain(name) == plain(which)):
        for column in columns:
            if same(column.name):
                return column.index
    if which.isascii() and which.isdigit() and 1 <= int(which[:9]) <= len(columns):
        return int(which) - 1
    names = ", ".join(repr(column.name[:20]) for column in columns[:8])
    raise DataError(
        f"No column is called {which[:40]!r}; there are {names}. "
        "A column can be given by its number, too, from 1."
    )

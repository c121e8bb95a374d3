"""One column of a table: where it is, what it is called, and what it is taken for."""

from __future__ import annotations

from dataclasses import dataclass

from tandem.io.column_names import ROLES


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its place, its name in the file, what it is taken for, and for which symbol.

    `role` is empty where the column is not used; `symbol` is empty but in a wide table.
    """

    index: int
    name: str
    role: str
    symbol: str = ""


def key_of(column: Column) -> str:
    """Return the name a column goes by in the data: its role, and its symbol in a wide table."""
    return f"{column.role} {column.symbol}" if column.symbol else column.role


def taken(columns: list[Column]) -> tuple[tuple[str, str], ...]:
    """Return each column's name and what it is taken for."""
    return tuple((column.name, _taken_for(column)) for column in columns)


def _taken_for(column: Column) -> str:
    if not column.role:
        return "not used"
    what = ROLES[column.role]
    return f"{what} of {column.symbol}" if column.symbol else what

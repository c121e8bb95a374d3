"""What instruments and columns of a file are called."""

from __future__ import annotations

import re
from pathlib import Path

from tandem.core.errors import DataError
from tandem.core.instruments import instrument, split_instrument
from tandem.io.columns import Column
from tandem.io.model import ROLES

FILE_VENUE = "file"


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


def stem(name: str) -> str:
    """Return a file's name without folders and the endings of tables."""
    return re.sub(r"\.(csv|txt|tsv|parquet)$", "", Path(name).name, flags=re.IGNORECASE)


def unique(label: str, names: set[str]) -> str:
    """Return an instrument name: the label where it is one, else under ``file:``."""
    try:
        split_instrument(label)
        name = label
    except DataError:
        symbol = re.sub(r"[^\w./-]+", "-", label).lstrip("_-./")[:36] or "PRICES"
        name = instrument(FILE_VENUE, symbol)
    for number in range(2, 10_000):
        if name not in names:
            break
        name = f"{name.removesuffix(f'-{number - 1}')}-{number}"
    names.add(name)
    return name

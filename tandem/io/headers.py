"""Rows of names above a table: which lines they are, and what several of them say together."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.io.column_names import ROLES_BY_NAME, plain, role_of
from tandem.io.contents import is_boolean, is_date, is_number


def is_known_name(name: str) -> bool:
    """Tell whether a cell is a column name known here."""
    return plain(name) in ROLES_BY_NAME


def is_header(fields: Sequence[str]) -> bool:
    """Tell names from data: a known name, or no number among them."""
    if any(plain(field) in ROLES_BY_NAME and not is_number(field) for field in fields):
        return True
    return not any(is_number(field) or is_boolean(field) for field in fields if field)


def stacked(
    header: Sequence[str], more: Sequence[Sequence[str]]
) -> tuple[int, list[str], list[str]]:
    """Read two or three rows of names, as frames with a column for each part and ticker have.

    Returns
    -------
    count : int
        How many of `more` are names, too; 0 where there is one row of them.
    names : list of str
        What each column is.
    symbols : list of str
        The instrument of each column; empty where there is one row.
    """
    if not more or any(is_number(cell) or is_date(cell) for cell in more[0]):
        return 0, list(header), []
    rows = [list(header), list(more[0])]
    parts = [sum(bool(role_of(plain(cell))) for cell in row[1:] if cell) for row in rows]
    if max(parts) < len([cell for cell in header[1:] if cell]) or not max(parts):
        return 0, list(header), []
    names, symbols = rows if parts[0] >= parts[1] else rows[::-1]
    is_third = len(more) > 1 and not any(more[1][1:]) and not is_date(more[1][0])
    first = more[1][0] if is_third else ""
    return 1 + is_third, [first or "time", *names[1:]], ["", *symbols[1:]]

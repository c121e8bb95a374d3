"""Which columns have the time: by content, in parts, or one for each price."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tandem.io.bare_clocks import bare_clocks
from tandem.io.column import Column
from tandem.io.column_names import HOUR_NAMES, is_ticker, plain, role_named
from tandem.io.contents import CLOCK, Content, Rows, content, is_date, month_of, value

# Names, as `plain` leaves them, of the parts of a date in columns of their own.
_DATE_PARTS = {
    "time": ("year", "yr", "yyyy", "jahr", "annee", "ano", "anno"),
    "month": ("month", "mon", "mm", "monat", "mois", "mes", "mese"),
    "day": ("day", "day_of_month", "dd", "tag", "jour", "dia", "giorno"),
}
_IN_DATE_PART = {
    "time": re.compile(r"(?:19|20)\d\d"),
    "month": re.compile(r"0?[1-9]|1[0-2]"),
    "day": re.compile(r"0?[1-9]|[12]\d|3[01]"),
}


def year_month_day(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Find year, month and, where it is there, day, where no column has whole dates."""
    found: dict[int, str] = {}
    for role, names in _DATE_PARTS.items():
        for column in columns:
            cells = [row[column.index] for row in sample]
            is_part = all(
                _IN_DATE_PART[role].fullmatch(cell) or (role == "month" and month_of(cell))
                for cell in cells
            )
            if plain(column.name) in names and cells and is_part:
                found.setdefault(column.index, role)
                break
    is_dated = any(one.role == "time" and contents[one.index].moments > 0.5 for one in columns)
    if is_dated or not {"time", "month"} <= set(found.values()):
        return columns
    others = [replace(one, role="") if one.role == "time" else one for one in columns]
    return [replace(one, role=found.get(one.index, one.role), symbol="") for one in others]


def time_by_content(columns: list[Column], contents: list[Content], sample: Rows) -> list[Column]:
    """Find the time where no column is called so: the first whose cells are all times."""
    roles = {column.role for column in columns}
    if "month" in roles or any(
        column.role == "time" and contents[column.index].times > 0.5 for column in columns
    ):
        return columns
    for column in columns:
        what = contents[column.index]
        is_free = column.role in ("", "symbol", "id", "last_trade")
        is_time = what.filled > 0.5 and what.moments > 0.9
        if is_free and is_time and _ascends(column, sample):
            return [replace(one, role="time" if one is column else one.role) for one in columns]
    return columns


def _ascends(column: Column, sample: Rows) -> bool:
    """Tell times that are numbers from amounts: they go one way, or stay."""
    numbers = [value(row[column.index]) for row in sample if row[column.index]]
    if not all(number == number for number in numbers):  # dates in writing
        return True
    steps = [b - a for a, b in zip(numbers, numbers[1:], strict=False)]
    return all(step >= 0 for step in steps) or all(step <= 0 for step in steps)


def date_and_clock(columns: list[Column], sample: Rows) -> list[Column]:
    """Find a date and a time of day in two columns; the clock's may have any name."""
    times = [column for column in columns if column.role == "time"]
    free = [column for column in columns if column.role in ("time", "")]
    is_split = any(column.role == "month" for column in columns)

    def cells(column: Column) -> list[str]:
        return [row[column.index] for row in sample]

    def is_bare(column: Column) -> bool:
        is_named = plain(column.name) in HOUR_NAMES
        is_time = column.role == "time" and not is_split and not is_ticker(column.name)
        is_date_too = all(map(is_date, cells(column)))
        return (is_named or is_time) and not is_date_too and bare_clocks(cells(column)) is not None

    clock = next((one for one in free if sample and all(map(CLOCK.fullmatch, cells(one)))), None)
    if clock is None and (is_split or any(all(map(is_date, cells(one))) for one in times)):
        clock = next((column for column in free if is_bare(column)), None)
    dates = [column for column in times if column is not clock]
    if clock is None or not dates or any(":" in row[dates[0].index] for row in sample):
        return columns
    return [replace(column, role="clock") if column is clock else column for column in columns]


def own_dates(columns: Sequence[Column], sample: Rows) -> Column | None:
    """Return a second column of dates that instruments of their own follow; None without one.

    A spreadsheet has such tables where each list of prices was put in with its dates.
    """

    def are_dates(column: Column) -> bool:
        cells = [row[column.index] for row in sample]
        name, count = re.subn(r"[._]\d+$", "", column.name)  # Date.1
        if role_named(name) == "time" and (column.role == "time" or count or not column.role):
            return content(cells).times > 0.9
        is_free = column.role in ("", "time")
        return is_free and sum(map(is_date, cells)) > 0.9 * len(cells)

    dates = [column for column in columns if are_dates(column)]
    prices = [one.index for one in columns if one.role == "close" and one.symbol]
    return next(
        (one for one in dates[1:] if prices and min(prices) < one.index < max(prices)), None
    )

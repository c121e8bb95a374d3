"""What a table's columns are: by its header, the form of its rows, or what the user says."""

from __future__ import annotations

from tandem.io.column import Column
from tandem.io.column_names import ROLES
from tandem.io.columns import by_name
from tandem.io.date_columns import own_dates
from tandem.io.layouts import by_layout
from tandem.io.model import NAMED
from tandem.io.sheet import Sheet, unclear
from tandem.io.text import shown
from tandem.io.told_columns import corrected, named_twice, same_of


def find(sheet: Sheet) -> tuple[str, list[Column]]:
    """Return the layout's name and what each column is; raises where that cannot do."""
    header, sample, told = sheet.lines.header, sheet.lines.sample, sheet.told.roles
    if header is not None:
        layout, columns = NAMED, by_name(header, sample, sheet.lines.symbols)
    else:
        layout, columns = _without_names(sheet, bool(told))
    columns = corrected(columns, told)
    _require(sheet, columns)
    if header is not None and not told:
        _require_one_name(sheet, columns)
    return layout, columns


def _without_names(sheet: Sheet, is_told: bool) -> tuple[str, list[Column]]:
    found = by_layout(sheet.lines.sample)
    if found is None:
        columns = [Column(i, f"column {i + 1}", "") for i in range(sheet.lines.width)]
        if is_told:
            return "columns as corrected", columns
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has no column names, and its {sheet.lines.width} columns "
            "are of no layout known here; add a first line like time,open,high,low,close.",
            columns,
        )
    return f"{found[0]}, without column names", found[1]


def _require(sheet: Sheet, columns: list[Column]) -> None:
    found = {column.role for column in columns}
    names = ", ".join(shown(column.name, 20) for column in columns[:8])
    more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
    if "time" not in found:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has no time column; its columns are {names}{more}. "
            "Name one time, date or timestamp, or say which it is (--columns time=NAME).",
            columns,
        )
    if not found & {"close", "price", "bid"}:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has no price column; its columns are {names}{more}. "
            "Name one close or price, or say which it is (--columns close=NAME).",
            columns,
        )
    same = same_of(columns)
    if same:
        both = " and ".join(shown(column.name, 20) for column in same)
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has two columns for the {ROLES[same[0].role]} of one "
            f"instrument: {both}. Leave one out (--columns none=NAME).",
            columns,
        )
    other = own_dates(columns, sheet.lines.sample)
    if other is not None:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has a second column of dates, {shown(other.name, 20)} (column "
            f"{other.index + 1}), for the prices to its right. Save each column of dates with its "
            "prices as a file of its own.",
            columns,
        )


def _require_one_name(sheet: Sheet, columns: list[Column]) -> None:
    header = sheet.lines.header or []
    names = [" ".join(one) for one in zip(header, sheet.lines.symbols or header, strict=True)]
    twice = named_twice(columns, names)
    if twice is not None:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has several columns called {shown(twice.name, 20)}. Name each "
            f"otherwise, or say which one counts (--columns {twice.role}=NUMBER).",
            columns,
        )

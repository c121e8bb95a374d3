"""Which column of a file is what: by names, by layout, or as told."""

from __future__ import annotations

from tandem.io import columns as roles
from tandem.io.columns import Column
from tandem.io.model import NAMED, Unclear
from tandem.io.naming import taken
from tandem.io.sheet import Sheet
from tandem.io.text import shown


def find(sheet: Sheet) -> tuple[str, list[Column]]:
    """Return the layout's name and what each column is; raises where that cannot do."""
    header, sample, told = sheet.lines.header, sheet.lines.sample, sheet.told.roles
    if header is not None:
        layout, columns = NAMED, roles.by_name(header, sample)
    else:
        layout, columns = _without_names(sheet, bool(told))
    columns = roles.corrected(columns, told)
    _require(sheet, columns)
    return layout, columns


def unclear(sheet: Sheet, text: str, columns: list[Column]) -> Unclear:
    """Return the error with what is needed to correct it."""
    return Unclear(text, taken(columns), sheet.sample())


def _without_names(sheet: Sheet, is_told: bool) -> tuple[str, list[Column]]:
    found = roles.by_layout(sheet.lines.sample)
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
            "Name one time, date or timestamp.",
            columns,
        )
    if not found & {"close", "price"}:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has no price column; its columns are {names}{more}. "
            "Name one close or price.",
            columns,
        )

"""The report of what was read from a file."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from tandem.io.model import Report, Table, interval_text
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say

SYMBOLS_SHOWN = 6
MOST_ROWS = 9
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
DECIMALS = {".": "a decimal point", ",": "a decimal comma"}


def report(table: Table) -> None:
    """Show how a table was read, and which rows were rejected."""
    told = table.report
    span = f"{f.day_clock(told.first_us)} to {f.day_clock(told.last_us)} UTC"
    with st.expander(say.escaped(f"{told.kept_text}, {span}"), expanded=bool(told.rows_aside)):
        lines = [f"**{name}:** {say.escaped(text)}" for name, text in facts(table)]
        st.markdown("  \n".join(lines))
        if told.notes:
            say.note(" ".join(told.notes))
        left, right = st.columns([2, 3])
        left.dataframe(
            {"column": [a for a, _ in told.columns], "read as": [b for _, b in told.columns]},
            hide_index=True,
            height=height(len(told.columns)),
        )
        with right:
            _aside(told)


def height(rows: int) -> int | Literal["content"]:
    """Return a table's height: all of a short one, a window on a long one."""
    return "content" if rows < MOST_ROWS else 35 * MOST_ROWS


def _aside(told: Report) -> None:
    """Show which lines were not used, and why."""
    if not told.aside:
        return
    st.dataframe(
        {
            "line": [one.line for one in told.aside],
            "reason": [one.reason for one in told.aside],
            "text": [one.text for one in told.aside],
        },
        hide_index=True,
        height=height(len(told.aside)),
    )
    if sum(told.reasons.values()) > len(told.aside):
        say.note(f"Showing the first {len(told.aside)} lines.")


def facts(table: Table) -> list[tuple[str, str]]:
    """Return what was found, each with its name; text from outside is among it."""
    told = table.report
    names = [f.symbol_of(name) for name in table.instruments]
    more = f" and {len(names) - SYMBOLS_SHOWN} more" if len(names) > SYMBOLS_SHOWN else ""
    bars = f"bars of {interval_text(told.interval_us)}" if told.interval_us else told.kind
    missing = f", {told.gaps:,} missing within the range" if told.kind == "bars" else ""
    repeats = f" (duplicates: {told.duplicates:,})" if told.duplicates else ""
    found = [
        ("Format", ", ".join(dict.fromkeys(one for one in (told.vendor, told.layout) if one))),
        ("Content", f"{bars} of {', '.join(names[:SYMBOLS_SHOWN])}{more}{missing}"),
        ("Rows", f"{told.rows_kept:,} kept, {told.rows_aside:,} rejected{repeats}"),
        ("Range", f"{f.day_clock(told.first_us)} to {f.day_clock(told.last_us)} UTC"),
        ("Times", f"{told.times}; zone: {told.time_zone}"),
        ("Text", text_of(told)),
    ]
    if told.reasons:
        why = "; ".join(f"{reason} ({count:,})" for reason, count in told.reasons.items())
        found.insert(3, ("Rejected", why))
    return found


def text_of(told: Report) -> str:
    """Return how a file's text was read."""
    cut = DELIMITERS.get(told.delimiter, repr(told.delimiter))
    return f"{told.encoding}, delimiter: {cut}, {DECIMALS.get(told.decimal, told.decimal)}"

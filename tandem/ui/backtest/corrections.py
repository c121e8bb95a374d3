"""What a file was taken for, to be corrected: a box for each guess, which stands until changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from tandem.io.column_names import ROLES
from tandem.io.model import (
    ACCEPT_LOSS,
    DATE_ORDERS,
    LABELS,
    MOST_LOSS,
    NAMED,
    TIME_UNITS,
    Corrections,
    Report,
)
from tandem.ui.backtest.upload import Upload
from tandem.ui.shared import messages as say

MOST_COLUMNS = 24
WIDTH = 152
CELL_SHOWN = 24

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar |": "|", "space": " "}
_DECIMALS = {"point": ".", "comma": ","}
_ENCODINGS = (
    *("utf-8", "utf-16", "cp1252", "cp1250", "cp1251", "cp1254"),
    *("gb18030", "big5", "shift_jis", "euc-kr"),
)
# How the example in a report's `times` begins, by what stands first in the file's dates.
_UNUSED = "not used"


@cache
def _zones() -> tuple[str, ...]:
    return "UTC", *sorted(name for name in available_timezones() if "/" in name)


def ask(upload: Upload, key: str, changed: Callable[[Corrections], None]) -> None:
    """Offer a box for each guess; `changed` is given the corrections once one is chosen."""
    told = upload.told
    report = upload.tables[0].report if upload.tables else None
    guesses = _guesses(report) if report else {}
    boxes: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("delimiter", "Delimiter", _DELIMITERS),
        ("decimal", "Decimal mark", _DECIMALS),
        ("header", "First row contains", {"names": True, "data": False}),
        ("date_order", "Date order", {one: one for one in DATE_ORDERS}),
        ("time_unit", "Time unit", {one: one for one in TIME_UNITS}),
        ("time_zone", "Time zone", {one: one for one in _zones()}),
        ("label", "Times of bars", {f"{one} of bar": one for one in LABELS}),
        ("encoding", "Encoding", {one: one for one in _ENCODINGS}),
    )
    with st.container(horizontal=True):
        for name, label, values in boxes:
            _box(name, label, values, guesses.get(name, ""), told, key, changed)
    _loss(told, key, changed)
    _columns(upload, key, changed)
    if told != Corrections():
        st.button(
            "Reset to auto-detected",
            key=f"{key}-guess",
            icon=":material/undo:",
            on_click=changed,
            args=(Corrections(),),
        )


def _guesses(report: Report) -> dict[str, str]:
    """Return the words for what a file was taken for."""
    decimals = {mark: name for name, mark in _DECIMALS.items()}
    delimiters = {mark: name for name, mark in _DELIMITERS.items()}
    return {
        "delimiter": delimiters.get(report.delimiter, ""),
        "decimal": decimals.get(report.decimal, ""),
        "header": "names" if report.layout == NAMED else "data",
        "date_order": report.date_order,
        "time_unit": report.time_unit,
        "time_zone": "UTC",
        "label": f"{report.label} of bar" if report.label else "",
        "encoding": report.encoding,
    }


def _first(guess: str) -> str:
    return f"{guess} (detected)" if guess else "detected"


def _box(
    name: str,
    label: str,
    values: Mapping[str, Any],
    guess: str,
    told: Corrections,
    key: str,
    changed: Callable[[Corrections], None],
) -> None:
    given = getattr(told, name)
    current = next((text for text, value in values.items() if value == given), "")
    # What a correction made of it is no guess any more.
    first = _first("" if current else guess)

    def chosen(text: str) -> None:
        told_now: Any = values.get(text, getattr(Corrections(), name))
        changed(replace(told, **{name: told_now}))

    _select(label, first, tuple(values), current, f"{key}-{name}", chosen)


def _loss(told: Corrections, key: str, changed: Callable[[Corrections], None]) -> None:
    """Show the box that accepts that many rows are set aside."""
    box = f"{key}-accept_loss"

    def change() -> None:
        changed(replace(told, accept_loss=bool(st.session_state[box])))

    st.session_state[box] = told.accept_loss
    st.checkbox(ACCEPT_LOSS, key=box, on_change=change, help=f"More than {MOST_LOSS:.0%} of rows.")


def _columns(upload: Upload, key: str, changed: Callable[[Corrections], None]) -> None:
    guessed, told = upload.guessed(), upload.told
    if not guessed:
        if len(upload.tables) > 1:
            say.note("The files have different columns; correct each file separately.")
        return
    roles, names = dict(told.roles), {text: role for role, text in ROLES.items()}
    firsts = upload.sample[0] if upload.sample else ()
    say.note("Column roles, with the first row's value next to each name:")
    with st.container(horizontal=True):
        for place, (name, guess) in enumerate(guessed[:MOST_COLUMNS]):
            cell = firsts[place] if place < len(firsts) else ""
            label = f"{_short(name) or f'column {place + 1}'}: {_short(cell)}"
            current = {None: "", "": _UNUSED}.get(
                roles.get(place), ROLES.get(roles.get(place, ""), "")
            )

            def chosen(text: str, place: int = place) -> None:
                rest = {one: role for one, role in roles.items() if one != place}
                if text in names or text == _UNUSED:
                    rest[place] = names.get(text, "")
                changed(replace(told, roles=tuple(sorted(rest.items()))))

            _select(
                label, _first(guess), (*names, _UNUSED), current, f"{key}-column-{place}", chosen
            )
    if len(guessed) > MOST_COLUMNS:
        say.note(f"The first {MOST_COLUMNS} of {len(guessed):,} columns can be corrected here.")


def _short(text: str) -> str:
    return text if len(text) <= CELL_SHOWN else text[: CELL_SHOWN - 1] + "\u2026"


def _select(
    label: str,
    first: str,
    texts: tuple[str, ...],
    current: str,
    key: str,
    chosen: Callable[[str], None],
) -> None:
    """Show a box with the guess first; its state is what was told, not what was clicked last."""
    options = (first, *texts)

    def change() -> None:
        chosen(st.session_state[key])

    st.session_state[key] = current or first
    st.selectbox(say.escaped(label), options, key=key, on_change=change, width=WIDTH)

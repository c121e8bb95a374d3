"""Files dropped on the Backtest page: read once each, with a report of what was made of them."""

from __future__ import annotations

from typing import Any

import streamlit as st

import tables
from market import DataError
from ui import format as f
from ui import say
from ui.state import engine, forget_uploads, hold_upload, is_operator

MOST_FILES = 2

# Visitors of a public desk share its memory.
VISITOR_UPLOAD_MB = 10
# What a file's instruments are filed under; nobody needs to read it.
_PREFIXES = ("file:", "example:")


def called(name: str) -> str:
    """Return an instrument as it is called on screen: what came from a file by its symbol alone."""
    return f.symbol_of(name) if name.startswith(_PREFIXES) else name


def read_files() -> list[tables.Table] | None:
    """Ask for files and show what was read; those that cannot be used are left out.

    None where no file was given.
    """
    limit = engine().settings.upload_mb
    if not is_operator():
        limit = min(limit, VISITOR_UPLOAD_MB)
    files = _files(limit)
    if not files:
        return None
    read = [_read(file, limit) for file in files]
    found = [table for table in read if table is not None]
    for table in found:
        _report(table)
    return found


def _files(limit_mb: int) -> list[Any]:
    """Ask for a pair of files; what one session and all of them together hold is bounded."""
    memory = st.session_state
    turn = memory.setdefault("tandem_upload_turn", 0)
    given = st.file_uploader(
        "One or two CSV files: bars or trades, one instrument each or several in one",
        accept_multiple_files=True,
        max_upload_size=limit_mb,
        key=f"files-{turn}",
    )
    files, more = given[:MOST_FILES], given[MOST_FILES:]
    names = [file.file_id for file in files]
    if names != memory.get("tandem_upload_names"):
        forget_uploads(
            [name for name in memory.get("tandem_upload_names", ()) if name not in names]
        )
        memory["tandem_upload_names"] = names
        memory["tandem_upload_more"] = 0
        if names:
            memory.pop("tandem_upload_refused", None)
        for name in set(memory.get("tandem_files", ())) - set(names):
            del memory["tandem_files"][name]
    if more:
        forget_uploads([file.file_id for file in more])
        memory["tandem_upload_more"] = len(more)
    size_bytes = sum(file.size for file in files)
    if not hold_upload(size_bytes):
        forget_uploads(names)
        memory["tandem_upload_names"] = []
        memory["tandem_upload_turn"] = turn + 1
        memory["tandem_upload_refused"] = size_bytes
        st.rerun()
    _say_what_was_dropped(memory.get("tandem_upload_more", 0), memory.get("tandem_upload_refused"))
    return files


def _say_what_was_dropped(more: int, refused_bytes: int | None) -> None:
    if more:
        say.warning(
            f"{more + MOST_FILES} files were given; the first {MOST_FILES} are used, the others "
            "were dropped."
        )
    if refused_bytes:
        say.warning(
            f"There is no room for {f.size_of(refused_bytes)} now: the files of all who use this "
            f"desk may hold {engine().settings.upload_total_mb} MB together, and they do. "
            "Everything else works. Try again later or upload a smaller file; whoever runs the "
            "desk can raise TANDEM_UPLOAD_TOTAL_MB."
        )


def _read(file: Any, limit_mb: int) -> tables.Table | None:
    """Read a file once per upload; None (with the reason on screen) if it cannot be used."""
    memory = st.session_state.setdefault("tandem_files", {})
    if file.file_id not in memory:
        with st.spinner(f"Reading {say.escaped(file.name)}"):
            try:
                memory[file.file_id] = engine().run_heavy(
                    tables.read, file.getvalue(), file.name, limit_mb * 2**20
                )
            except DataError as error:
                memory[file.file_id] = str(error)
    table = memory[file.file_id]
    if isinstance(table, str):
        say.problem(f"{file.name}: {table}")
        return None
    return table


def _report(table: tables.Table) -> None:
    report = table.report
    kept = f"{report.rows_kept:,} of {report.rows_read:,} rows kept"
    span = f"{f.day_clock(report.first_us)} to {f.day_clock(report.last_us)} UTC"
    with st.expander(
        say.escaped(f"{report.name}: {kept}, {span}"), expanded=bool(report.rows_aside)
    ):
        st.text(
            f"Read as {report.kind}, {report.layout}; encoding {report.encoding}, "
            f"delimiter {report.delimiter!r}, decimal {report.decimal!r}, times {report.times}."
        )
        for sentence in report.notes:
            st.text(sentence)
        taken, aside = st.columns(2)
        taken.dataframe(
            {"column": [a for a, _ in report.columns], "taken for": [b for _, b in report.columns]},
            hide_index=True,
        )
        if report.aside:
            aside.dataframe(
                {
                    "line": [one.line for one in report.aside],
                    "set aside because": [one.reason for one in report.aside],
                    "text": [one.text for one in report.aside],
                },
                hide_index=True,
            )

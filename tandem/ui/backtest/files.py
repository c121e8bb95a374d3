"""Files dropped on the Backtest page: read once each, with a report of what was made of them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from tandem.io.model import Corrections, Table
from tandem.io.pairing import apart
from tandem.ui.backtest import assumptions, corrections
from tandem.ui.backtest.upload import Upload
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.jobs import follow
from tandem.ui.shared.state import (
    forget_uploads,
    is_operator,
    upload_limit_mb,
    warn_of_room,
)

MOST_FILES = 2
# A small file is waited for; a larger one is followed while everything else works.
SMALL_BYTES, SMALL_S = 4_000_000, 10.0
# What a file's instruments are filed under; nobody needs to read it.
_PREFIXES = ("file:", "example:")


def called(name: str) -> str:
    """Return an instrument as it is called on screen: what came from a file by its symbol alone."""
    return f.symbol_of(name) if name.startswith(_PREFIXES) else name


def read_files() -> list[Table] | None:
    """Ask for files and show what was read; those that cannot be used are left out.

    None where no file was given.
    """
    limit = upload_limit_mb(is_operator())
    files = _files(limit)
    if not files:
        return None
    uploads = _uploads(files, limit)
    for file, upload in zip(files, uploads, strict=True):
        _show(file, upload)
    return apart([table for upload in uploads for table in upload.tables])


def asked_for() -> tuple[Any, ...]:
    """Return what the tables at hand depend on: the files, and what was corrected."""
    memory: dict[str, Upload] = st.session_state.get("tandem_files", {})
    return tuple(sorted((name, hash(one.told)) for name, one in memory.items()))


def _files(limit_mb: int) -> list[Any]:
    """Ask for a pair of files; more than those are dropped."""
    memory = st.session_state
    given = st.file_uploader(
        "One or two files of bars or trades, with one or several instruments: CSV, TXT or TSV, "
        "plain, zipped or gzipped, or Parquet",
        accept_multiple_files=True,
        max_upload_size=limit_mb,
        key="files",
    )
    files, more = given[:MOST_FILES], given[MOST_FILES:]
    names = [file.file_id for file in files]
    if names != memory.get("tandem_upload_names"):
        forget_uploads(
            [name for name in memory.get("tandem_upload_names", ()) if name not in names]
        )
        memory["tandem_upload_names"] = names
        memory["tandem_upload_more"] = 0
        for name in set(memory.get("tandem_files", ())) - set(names):
            memory["tandem_files"].pop(name).close()
    if more:
        forget_uploads([file.file_id for file in more])
        memory["tandem_upload_more"] = len(more)
    if dropped := memory.get("tandem_upload_more", 0):
        say.warning(
            f"{dropped + MOST_FILES} files were uploaded; the first {MOST_FILES} are used, the "
            "others ignored."
        )
    warn_of_room(limit_mb)
    return files


def _uploads(files: list[Any], limit_mb: int) -> list[Upload]:
    """Return what was made of each file; one that is new is begun to be read."""
    memory: dict[str, Upload] = st.session_state.setdefault("tandem_files", {})
    for file in files:
        if file.file_id not in memory:
            memory[file.file_id] = Upload(file.getvalue(), file.name, limit_mb * 2**20)
    found = [memory[file.file_id] for file in files]
    for file, upload in zip(files, found, strict=True):
        if upload.job is not None and upload.job.is_going_on and file.size <= SMALL_BYTES:
            with st.spinner(f"Reading {say.escaped(upload.name)}"):
                upload.job.wait(SMALL_S)
    return found


def _show(file: Any, upload: Upload) -> None:
    """Show a file's report, or why there is none, and let what was guessed be corrected."""
    if upload.job is not None and upload.job.is_going_on:
        follow(upload.job, file.file_id, f"Reading {upload.name}")
        return
    if upload.job is not None and upload.job.state == "cancelled":
        say.note(f"{upload.name}: reading was cancelled.")
        st.button(
            "Read again",
            key=f"again-{file.file_id}",
            icon=":material/refresh:",
            on_click=lambda: upload.again(file.getvalue()),
        )
        return
    if upload.problem:
        say.problem(f"{upload.name}: {upload.problem}")
    for table in upload.tables:
        if table.report.loss:
            say.warning(table.report.loss)
        assumptions.report(table)
    if upload.tables or upload.unclear or upload.told != Corrections():
        with st.expander(
            say.escaped(f"Not right? Correct how {upload.name} is read"),
            expanded=upload.unclear is not None,
            icon=":material/tune:",
        ):
            corrections.ask(
                upload, file.file_id, lambda told: upload.correct(file.getvalue(), told)
            )

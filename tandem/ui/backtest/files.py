"""Files dropped on the Backtest page: read once each, with a report of what was made of them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from tandem.config import Settings
from tandem.io.model import Corrections, Table
from tandem.io.pairing import apart
from tandem.ui.backtest import assumptions as backtest_read
from tandem.ui.backtest import corrections as backtest_guesses
from tandem.ui.backtest.upload import Upload
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import forget_uploads, hold_upload, is_operator, part

MOST_FILES = 2
# A small file is waited for; a larger one is followed while everything else works.
SMALL_BYTES, SMALL_S = 4_000_000, 10.0
LOOK_S = 0.3

# Visitors of a public desk share its memory.
VISITOR_UPLOAD_MB = 10
# What a file's instruments are filed under; nobody needs to read it.
_PREFIXES = ("file:", "example:")


def called(name: str) -> str:
    """Return an instrument as it is called on screen: what came from a file by its symbol alone."""
    return f.symbol_of(name) if name.startswith(_PREFIXES) else name


def read_files() -> list[Table] | None:
    """Ask for files and show what was read; those that cannot be used are left out.

    None where no file was given.
    """
    limit = part(Settings).upload_mb
    if not is_operator():
        limit = min(limit, VISITOR_UPLOAD_MB)
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
    """Ask for a pair of files; what one session and all of them together hold is bounded."""
    memory = st.session_state
    turn = memory.setdefault("tandem_upload_turn", 0)
    given = st.file_uploader(
        "One or two files of bars or trades, with one or several instruments: CSV, TXT or TSV, "
        "plain, zipped or gzipped, or Parquet",
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
            memory["tandem_files"].pop(name).close()
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
            f"{more + MOST_FILES} files were uploaded; the first {MOST_FILES} are used, the others "
            "ignored."
        )
    if refused_bytes:
        say.warning(
            f"Upload of {f.size_of(refused_bytes)} rejected: the shared upload limit of "
            f"{part(Settings).upload_total_mb} MB for all users is reached. Everything else works. "
            "Try again later or upload a smaller file; the operator can raise "
            "TANDEM_UPLOAD_TOTAL_MB."
        )


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


def _follow(upload: Upload, key: str) -> None:
    """Show how far a file is read, beside everything else, and let it be cancelled."""

    @st.fragment(run_every=LOOK_S)
    def follow() -> None:
        job = upload.job
        if job is None or not job.is_going_on:
            st.rerun()
        job.look()
        text = (
            "queued behind another file" if job.state == "waiting" else f"{100.0 * job.share:.0f} %"
        )
        st.progress(min(job.share, 1.0), say.escaped(f"Reading {upload.name}: {text}"))
        if st.button("Cancel", key=f"cancel-{key}", icon=":material/close:"):
            job.cancel()

    follow()


def _show(file: Any, upload: Upload) -> None:
    """Show a file's report, or why there is none, and let what was guessed be corrected."""
    if upload.job is not None and upload.job.is_going_on:
        _follow(upload, file.file_id)
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
        backtest_read.report(table)
    if upload.tables or upload.unclear or upload.told != Corrections():
        with st.expander(
            say.escaped(f"Not right? Correct how {upload.name} is read"),
            expanded=upload.unclear is not None,
            icon=":material/tune:",
        ):
            backtest_guesses.ask(
                upload, file.file_id, lambda told: upload.correct(file.getvalue(), told)
            )

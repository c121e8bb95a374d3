"""The one engine of the process, and who is looking at it."""

from __future__ import annotations

import atexit
import logging
import math
import sys
import threading
import time
import types
import uuid
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import config as served
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from tandem import config
from tandem.core.errors import SettingError
from tandem.engine import Engine
from tandem.ui.shared import messages as say
from tandem.ui.shared.login_throttle import Guesses
from tandem.ui.shared.uploads import Uploads

# A module made here has no file, so no source edit and no cache clearing can throw it away:
# whatever reruns, the process keeps one engine, one set of sockets and one writer.
_PROCESS = "tandem_process"
# Streamlit serves what lies in `static` beside its script.
EXPORTS = Path(__file__).parents[1] / "static" / "exports"
log = logging.getLogger("tandem.app")


def _process() -> Any:
    fresh = types.ModuleType(_PROCESS)
    fresh.lock = threading.Lock()  # type: ignore[attr-defined]
    fresh.engine = None  # type: ignore[attr-defined]
    fresh.guesses = Guesses(time.monotonic)  # type: ignore[attr-defined]
    fresh.uploads = None  # type: ignore[attr-defined]
    return sys.modules.setdefault(_PROCESS, fresh)


def engine() -> Engine:
    """Return the process's engine, starting it where nothing did before."""
    process = _process()
    with process.lock:
        if process.engine is None:
            settings = config.load(_secrets())
            logging.getLogger("tandem").setLevel(settings.log_level)
            process.engine = Engine(settings, EXPORTS)
            process.engine.start()
            process.uploads = Uploads(settings.upload_total_mb * 2**20)
            # The page's own limit is the browser's; this one the server keeps whatever is sent.
            served.set_option("server.maxUploadSize", settings.upload_mb)
            atexit.register(close)
        running: Engine = process.engine
        return running


@asynccontextmanager
async def recording(_app: st.App) -> AsyncIterator[None]:
    """Record from the server's start to its end, whoever looks.

    Nothing is then lost before the first visitor, who does not wait for imports either: pandas
    is among them, since Streamlit brings it with its first component.
    """
    import pandas  # noqa: F401

    try:
        engine()
    except SettingError as error:
        # The server goes on: each page says which setting is wrong.
        log.error("Tandem did not start. %s", error)
    yield
    close()


def close() -> None:
    """Stop the process's engine; the next session would start another."""
    process = _process()
    with process.lock:
        if process.engine is not None:
            process.engine.stop()
            process.engine = None


def _secrets() -> Mapping[str, Any]:
    """Return Streamlit's secrets; a project without any is an ordinary project."""
    try:
        return dict(st.secrets)
    except StreamlitSecretNotFoundError:
        return {}


def session_id() -> str:
    """Return a name for this browser session, kept over its reruns."""
    return str(st.session_state.setdefault("tandem_session", uuid.uuid4().hex))


def is_operator() -> bool:
    """Tell whether this session may change what others see."""
    return not engine().settings.is_public or bool(st.session_state.get("tandem_operator"))


def shown(value: Any) -> Any:
    """Return what this session may read of it: the public learns no folders and processes."""
    return value if is_operator() else say.without_places(value, engine().settings.database)


def offer_operator() -> None:
    """In public mode, let whoever knows the operator's secret take the operator's rights."""
    settings = engine().settings
    if not settings.is_public or is_operator():
        return
    st.caption("Public desk: you may look at everything and change your own view.")
    if not settings.operator_secret:
        return
    given = st.text_input("Operator secret", type="password", key="tandem_secret")
    # A rerun brings the same text again; only a new text is a new guess.
    if not given or given == st.session_state.get("tandem_guess"):
        return
    guesses: Guesses = _process().guesses
    wait_s = guesses.wait_s()
    if wait_s > 0.0:
        say.warning(f"Too many wrong guesses. Try again in {math.ceil(wait_s)} s.")
    elif guesses.is_right(given, settings.operator_secret):
        st.session_state["tandem_operator"] = True
        st.session_state.pop("tandem_guess", None)
        st.rerun()
    else:
        st.session_state["tandem_guess"] = given
        say.problem("That is not the operator's secret. Nothing changed.")


class _SessionEnd:
    """Lives in a session's state and dies with it."""


def hold_upload(size_bytes: int, page: str = "backtest") -> bool:
    """Count what this session holds for a page until it changes or ends; False: no room."""
    uploads: Uploads = _process().uploads
    holder, kept = f"{session_id()}/{page}", f"tandem_upload_end_{page}"
    if size_bytes and kept not in st.session_state:
        end = st.session_state[kept] = _SessionEnd()
        weakref.finalize(end, uploads.release, holder)
    return uploads.hold(holder, size_bytes)


def forget_uploads(names: Iterable[str]) -> None:
    """Free uploaded files that this session no longer shows; Streamlit keeps them to its end."""
    context = get_script_run_ctx()
    # Another manager of Streamlit's protocol need not be able to forget a single file.
    if context is None or not isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        return
    for name in names:
        context.uploaded_file_mgr.remove_file(session_id=context.session_id, file_id=name)


def leave_backtest() -> None:
    """Let go of what the Backtest page holds: bars and results are kept only while shown."""
    study = st.session_state.pop("tandem_study", None)
    if study is not None:
        study.close()
    for upload in st.session_state.pop("tandem_files", {}).values():
        upload.close()
    for name in ("tandem_source", "tandem_source_key"):
        st.session_state.pop(name, None)

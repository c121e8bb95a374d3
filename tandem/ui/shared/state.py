"""The one desk of the process, its parts, and who is looking at it."""

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
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import streamlit as st
from streamlit import config as served
from streamlit import runtime
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from tandem import config
from tandem.config import Settings
from tandem.ui.shared import messages as say
from tandem.ui.shared.login_throttle import Guesses
from tandem.ui.shared.uploads import Uploads

# A module made here has no file, so no source edit and no cache clearing can throw it away:
# whatever reruns, the process keeps one desk, one set of sockets and one writer.
_PROCESS = "tandem_process"
log = logging.getLogger("tandem.app")

T = TypeVar("T")


def _process() -> Any:
    fresh = types.ModuleType(_PROCESS)
    fresh.lock = threading.Lock()  # type: ignore[attr-defined]
    fresh.desk = None  # type: ignore[attr-defined]
    fresh.parts = {}  # type: ignore[attr-defined]
    fresh.guesses = Guesses(time.monotonic)  # type: ignore[attr-defined]
    fresh.uploads = None  # type: ignore[attr-defined]
    fresh.has_routes = False  # type: ignore[attr-defined]
    return sys.modules.setdefault(_PROCESS, fresh)


class Desk(Protocol):
    """What the process runs, made once: `tandem.engine.Engine`, which pages need not know."""

    def start(self) -> None:
        """Begin to connect, record and compute."""

    def stop(self) -> None:
        """Stop reading and close the database."""

    def parts(self) -> Mapping[type, object]:
        """Return every part a page may ask for, by its class."""


def start(create: Callable[[Settings], Desk]) -> None:
    """Start the process's desk where nothing did before.

    Raises
    ------
    SettingError
        A setting is wrong.
    """
    process = _process()
    with process.lock:
        if process.desk is not None:
            return
        settings = config.load(_secrets())
        logging.getLogger("tandem").setLevel(settings.log_level)
        desk = create(settings)
        desk.start()
        process.uploads = Uploads(settings.upload_total_mb * 2**20)
        process.parts = {_name(kind): part for kind, part in desk.parts().items()}
        process.desk = desk
        # The page's own limit is the browser's; this one the server keeps whatever is sent.
        served.set_option("server.maxUploadSize", settings.upload_mb)
        atexit.register(close)


def export_folder(settings: Settings) -> Path:
    """Return where files to download are written: where they are served from."""
    return (static_folder() or settings.database.parent).absolute() / "exports"


def serve_by_routes() -> None:
    """Note that the server has routes for the files it hands out."""
    _process().has_routes = True


def static_folder() -> Path | None:
    """Return the folder Streamlit serves files from; None where the server has routes for them.

    Only a plain script has no routes. A test harness has no server at all, and writes none.
    """
    if _process().has_routes:
        return None
    context = get_script_run_ctx(suppress_warning=True)
    if context is None or type(runtime.get_instance()) is not Runtime:
        return None
    return Path(context.main_script_path).parent / "static"


def close() -> None:
    """Stop the process's desk; `start` would make another."""
    process = _process()
    with process.lock:
        if process.desk is not None:
            process.desk.stop()
            process.desk = None


def desk() -> Desk | None:
    """Return the process's desk; None where it was not started."""
    found: Desk | None = _process().desk
    return found


def part(kind: type[T]) -> T:
    """Return the process's one object of a class: its database, its alerts, its jobs."""
    found: T = _process().parts[_name(kind)]
    return found


def _name(kind: type) -> str:
    # By name: a class whose source was edited is another object, and the part is still the same.
    return f"{kind.__module__}.{kind.__qualname__}"


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
    return not part(Settings).is_public or bool(st.session_state.get("tandem_operator"))


def shown(value: Any) -> Any:
    """Return what this session may read of it: the public learns no folders and processes."""
    return value if is_operator() else say.without_places(value, part(Settings).database)


def offer_operator() -> None:
    """In public mode, let whoever knows the operator's secret take the operator's rights."""
    settings = part(Settings)
    if not settings.is_public or is_operator():
        return
    st.caption("Public mode: you can view everything and change your own view.")
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
        say.problem("Wrong operator secret.")


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

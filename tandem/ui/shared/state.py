"""The one desk of the process, its parts, and who is looking at it."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import streamlit as st
from streamlit import config as served
from streamlit import runtime
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from tandem.config import EVERYONE, Settings, exposures
from tandem.core.histogram import Histogram
from tandem.observability import logs
from tandem.observability.health import Health
from tandem.observability.metrics import Metric, measured, one, serve
from tandem.ui.shared import messages as say
from tandem.ui.shared.loggers import adopt_loggers
from tandem.ui.shared.login_throttle import Guesses
from tandem.ui.shared.pace import Pace
from tandem.ui.shared.uploads import Uploads, session_of
from tandem.ui.shared.visitors import is_forwarded

if TYPE_CHECKING:
    from starlette.types import Scope

# A module made here has no file, so no source edit and no cache clearing can throw it away:
# whatever reruns, the process keeps one desk, one set of sockets and one writer.
_PROCESS = "tandem_process"
# No message to a browser is as large.
UNCACHED_BYTES = 10**12
# How often a database that cannot be recorded into is tried again.
TRY_S = 3.0
# How long a login lasts.
LOGIN_S = 12 * 3_600.0
# Visitors in public mode share memory.
VISITOR_UPLOAD_MB = 10
log = logging.getLogger("tandem.app")

T = TypeVar("T")


def _process() -> Any:
    fresh = types.ModuleType(_PROCESS)
    fresh.lock = threading.Lock()  # type: ignore[attr-defined]
    fresh.desk = None  # type: ignore[attr-defined]
    fresh.parts = {}  # type: ignore[attr-defined]
    fresh.guesses = Guesses(time.monotonic)  # type: ignore[attr-defined]
    fresh.uploads = None  # type: ignore[attr-defined]
    # Streamlit's name of a session -> when its login ends.
    fresh.operators = {}  # type: ignore[attr-defined]
    fresh.pace = Pace(time.monotonic)  # type: ignore[attr-defined]
    fresh.refreshes = None  # type: ignore[attr-defined]
    fresh.has_routes = False  # type: ignore[attr-defined]
    fresh.taken_over = ""  # type: ignore[attr-defined]
    return sys.modules.setdefault(_PROCESS, fresh)


class Desk(Protocol):
    """What the process runs, made once: `tandem.engine.Engine`, which pages need not know."""

    def start(self) -> None:
        """Begin to connect, record and compute."""

    def stop(self) -> None:
        """Stop reading and close the database."""

    def waits_to_record(self) -> bool:
        """Return whether nothing is recorded, for a reason that may pass by itself."""

    def could_record(self) -> bool:
        """Return whether it could record now, begun anew."""

    def check_health(self) -> Health:
        """Return what is wrong with it; never waits."""

    def metrics(self) -> list[Metric]:
        """Return what is measured of it."""

    def parts(self) -> Mapping[type, object]:
        """Return every part a page may ask for, by its class."""


def start(load: Callable[..., Settings], create: Callable[[Settings], Desk]) -> None:
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
        address = served.get_option("server.address")
        settings = load(_secrets(), address=address)
        logs.set_up(settings, to_file=True)
        adopt_loggers()
        _log_mode(settings, exposures(settings, address))
        # Before anything is recorded: a port that is taken is a setting that is wrong.
        process.end_metrics = serve(settings.metrics, _metrics)
        try:
            desk = create(settings)
            desk.start()
        except BaseException:
            process.end_metrics()
            raise
        process.refreshes = measured(settings)
        process.uploads = Uploads(settings.upload_total_mb * 2**20, _stored_bytes)
        process.parts = {_name(kind): part for kind, part in desk.parts().items()}
        process.desk = desk
        # The page's own limit is the browser's; this one the server keeps whatever is sent.
        served.set_option("server.maxUploadSize", settings.upload_mb)
        # Not after each refresh of each visitor: the desk collects once a minute.
        served.set_option("runner.postScriptGC", False)
        # A browser may have dropped a message between naming it in a request and being referred to
        # it, and then stands still. Charts tell for themselves what they have.
        served.set_option("global.minCachedMessageSize", UNCACHED_BYTES)
        atexit.register(close)
    if desk.waits_to_record():
        threading.Thread(
            target=_take_over, args=(desk, load, create), name="take-over", daemon=True
        ).start()


def _take_over(
    desk: Desk, load: Callable[..., Settings], create: Callable[[Settings], Desk]
) -> None:
    """Start another desk as soon as the database can be recorded into."""
    process = _process()
    while process.desk is desk and not desk.could_record():
        time.sleep(TRY_S)
    # It may have been closed while the database was tried.
    if process.desk is not desk:
        return
    close()
    start(load, create)
    process.taken_over = (
        f"Recording began at {datetime.now(UTC):%H:%M:%S} UTC: the database can be recorded into "
        "again."
    )
    log.info("%s", process.taken_over)


def taken_over() -> str:
    """Return the sentence that recording began late, and why; empty where it did not."""
    return str(_process().taken_over)


def _metrics() -> list[Metric]:
    process = _process()
    # Read once: it may be closed meanwhile.
    desk: Desk | None = process.desk
    if desk is None:
        return []
    refreshes = one(process.refreshes) if process.refreshes else []
    return [
        *desk.metrics(),
        Metric("refresh_seconds", "histogram", "Duration of the Live page's refreshes.", refreshes),
    ]


@contextmanager
def refreshing() -> Iterator[None]:
    """Measure a refresh of a page: for the pace of all, and where metrics are on."""
    refreshes: Histogram | None = _process().refreshes
    began = time.perf_counter()
    try:
        yield
    finally:
        took_s = time.perf_counter() - began
        # What draws the page for the first time may have waited for a price.
        if is_refresh():
            pace().spent(took_s)
        if refreshes is not None:
            refreshes.observe(took_s)


def pace() -> Pace:
    """Return how often the process's pages are refreshed."""
    found: Pace = _process().pace
    return found


def _log_mode(settings: Settings, reasons: tuple[str, ...]) -> None:
    """Log who may change what others see, and why."""
    because = " and ".join(reasons)
    if settings.public == EVERYONE and reasons:
        log.warning("Every visitor has operator rights, although %s.", because)
    elif not settings.is_public:
        log.info("Private mode, on loopback only: whoever opens it is the operator.")
    else:
        log.info(
            "Public mode, because %s: visitors have read-only access. %s",
            because or "TANDEM_PUBLIC is on",
            "The operator logs in with the secret."
            if settings.operator_secret
            else "No one can log in as operator until TANDEM_OPERATOR_SECRET is set.",
        )


def export_folder(settings: Settings) -> Path:
    """Return where files to download are written: where they are served from."""
    return (static_folder() or settings.database.parent).absolute() / "exports"


def serve_by_routes() -> None:
    """Note that the server has routes for the files it hands out."""
    _process().has_routes = True


def is_refresh() -> bool:
    """Return whether a fragment runs by itself, and what else is on the page stays as it is."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and bool(context.fragment_ids_this_run)


def has_routes() -> bool:
    """Return whether the server has routes of ours."""
    return bool(_process().has_routes)


def static_folder() -> Path | None:
    """Return the folder Streamlit serves files from; None where the server has routes for them.

    Only a plain script has no routes. A test harness has no server at all, and writes none.
    """
    if has_routes():
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
            process.end_metrics()
            process.desk, process.parts, process.uploads = None, {}, None


def desk() -> Desk | None:
    """Return the process's desk; None where it was not started."""
    found: Desk | None = _process().desk
    return found


def part(kind: type[T]) -> T:
    """Return the running desk's one object of a class: its database, its alerts, its jobs.

    Between two desks a page stops here, and draws again with the next one.

    Raises
    ------
    KeyError
        There is no such part, or no desk and no page.
    """
    process = _process()
    if process.desk is None and get_script_run_ctx(suppress_warning=True):
        st.stop()
    found: T = process.parts[_name(kind)]
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
    if "tandem_session" not in st.session_state:
        st.session_state["tandem_session"] = uuid.uuid4().hex
    return str(st.session_state["tandem_session"])


def guesses() -> Guesses:
    """Return the guesses of the operator's secret that this process has seen."""
    found: Guesses = _process().guesses
    return found


def is_forwarded_session() -> bool:
    """Return whether this session's requests come through a proxy."""
    return is_forwarded(st.context.headers)


def is_own_desk() -> bool:
    """Return whether whoever opens this session needs no secret to be the operator."""
    return _is_own_desk(is_forwarded_session())


def _is_own_desk(is_forwarded: bool) -> bool:
    mode = part(Settings).public
    return mode == EVERYONE or (mode == "off" and not is_forwarded)


def is_operators_request(scope: Scope) -> bool:
    """Return whether a request without a session is the operator's: it can bring no secret."""
    names = (name.decode("latin-1") for name, _ in scope["headers"])
    return desk() is not None and _is_own_desk(is_forwarded(names))


def is_operator() -> bool:
    """Return whether this session may change what others see."""
    until_s: float = st.session_state.get("tandem_operator", 0.0)
    return time.monotonic() < until_s or is_own_desk()


def set_operator(is_operator: bool) -> None:
    """Give this session the operator's rights for some hours, or take them from it."""
    until_s = time.monotonic() + LOGIN_S if is_operator else 0.0
    st.session_state["tandem_operator"] = until_s
    context = get_script_run_ctx()
    if context is not None:
        now, operators = time.monotonic(), _process().operators
        alive = {name: end for name, end in operators.items() if end > now}
        _process().operators = alive | {context.session_id: until_s}


def shown(value: Any) -> Any:
    """Return what this session may read of it: the public learns no folders and processes."""
    return value if is_operator() else say.without_places(value, part(Settings).database)


def uploads() -> Uploads | None:
    """Return what counts uploads; None while no desk runs."""
    found: Uploads | None = _process().uploads
    return found


def upload_limit_mb(is_operator: bool) -> int:
    """Return the size of the largest file that may be uploaded."""
    limit = part(Settings).upload_mb
    return limit if is_operator else min(limit, VISITOR_UPLOAD_MB)


def warn_of_room(limit_mb: int) -> None:
    """Warn where the next upload may be refused because of those there are."""
    held = uploads()
    room_mb = held.room() // 2**20 if held else limit_mb
    if room_mb < limit_mb:
        say.warning(
            f"Uploads above {room_mb} MB will be rejected for now: the shared upload limit of "
            f"{part(Settings).upload_total_mb} MB for all users is nearly reached. Everything else "
            "works. Try again later or upload a smaller file; the operator can raise "
            "TANDEM_UPLOAD_TOTAL_MB."
        )


def most_upload_bytes(scope: Scope) -> int:
    """Return the size of the largest file that a request may bring."""
    until_s: float = _process().operators.get(session_of(scope), 0.0)
    is_known = is_operators_request(scope) or time.monotonic() < until_s
    return upload_limit_mb(is_known) * 2**20


def _stored_bytes() -> int:
    """Return the bytes of the uploaded files that Streamlit stores for all its sessions."""
    manager = runtime.get_instance().uploaded_file_mgr if runtime.exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return 0
    stats = manager.get_stats()
    return sum(one.byte_length for family in stats.values() for one in family)


def forget_uploads(names: Iterable[str]) -> None:
    """Free uploaded files that this session no longer shows; Streamlit keeps them to its end."""
    context = get_script_run_ctx()
    # Another manager of Streamlit's protocol need not be able to forget a single file.
    if context is None or not isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        return
    for name in names:
        context.uploaded_file_mgr.remove_file(session_id=context.session_id, file_id=name)


def leave_backtest() -> None:
    """Release what the Backtest page holds: bars and results are kept only while shown."""
    study = st.session_state.pop("tandem_study", None)
    if study is not None:
        study.work.close()
    for upload in st.session_state.pop("tandem_files", {}).values():
        upload.close()
    for name in ("tandem_source", "tandem_source_key"):
        st.session_state.pop(name, None)

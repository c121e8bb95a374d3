"""The one engine of the process, and who is looking at it."""

from __future__ import annotations

import atexit
import hmac
import logging
import sys
import threading
import types
import uuid
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

import config
from engine import Engine

# A module made here has no file, so no source edit and no cache clearing can throw it away:
# whatever reruns, the process keeps one engine, one set of sockets and one writer.
_PROCESS = "tandem_process"


def _process() -> Any:
    fresh = types.ModuleType(_PROCESS)
    fresh.lock = threading.Lock()  # type: ignore[attr-defined]
    fresh.engine = None  # type: ignore[attr-defined]
    return sys.modules.setdefault(_PROCESS, fresh)


def engine() -> Engine:
    """Return the process's engine, starting it for the first session."""
    process = _process()
    with process.lock:
        if process.engine is None:
            settings = config.load(_secrets())
            logging.getLogger("tandem").setLevel(settings.log_level)
            process.engine = Engine(settings)
            process.engine.start()
            atexit.register(close)
        running: Engine = process.engine
        return running


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


def offer_operator() -> None:
    """In public mode, let whoever knows the operator's secret take the operator's rights."""
    settings = engine().settings
    if not settings.is_public or is_operator():
        return
    st.caption("Public desk: you may look at everything and change your own view.")
    if not settings.operator_secret:
        return
    given = st.text_input("Operator secret", type="password", key="tandem_secret")
    if given and hmac.compare_digest(given.encode(), settings.operator_secret.encode()):
        st.session_state["tandem_operator"] = True
        st.rerun()
    elif given:
        st.error("That is not the operator's secret. Nothing changed.", icon=":material/error:")

"""Files built when their button is clicked, and kept until the browser has fetched them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import ScriptRunContext, add_script_run_ctx, get_script_run_ctx


def button(
    label: str,
    build: Callable[[], bytes],
    name: str,
    mime: str,
    *,
    key: str,
    disabled: bool = False,
    look: Literal["primary", "secondary", "tertiary"] = "secondary",
) -> None:
    """Offer a file that `build` makes at the click, on a thread of the server's."""
    context = get_script_run_ctx()

    def kept() -> bytes:
        content = build()
        if context is not None and runtime.exists():
            _hold(context, content, name, mime, key)
        return content

    st.download_button(
        label,
        kept,
        name,
        mime,
        key=key,
        on_click="ignore",
        icon=":material/download:",
        disabled=disabled,
        type=look,
    )


def _hold(context: ScriptRunContext, content: bytes, name: str, mime: str, key: str) -> None:
    """Let the session own a file that was built for it.

    Streamlit drops a file nobody owns after two reruns of any fragment: on a page that refreshes
    every half second, a second after it was built, which a slow line does not manage. An
    owned one stays until the same button builds the next, the page is left or the session ends.
    """
    files = runtime.get_instance().media_file_mgr
    owner = threading.Thread(
        target=files.add,
        args=(content, mime, f"download.{key}"),
        kwargs={"file_name": name, "is_for_static_download": True},
    )
    # The owner is the session of the thread that adds the file.
    add_script_run_ctx(owner, context)
    owner.start()
    owner.join()

"""Streamlit's script: every rerun of every session runs it, and it draws the chosen page."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from streamlit import runtime
from streamlit.navigation.page import StreamlitPage

from tandem.config import Settings, on_community_cloud
from tandem.core.errors import SettingError
from tandem.core.threads import Supervisor
from tandem.engine import Engine
from tandem.observability import logs
from tandem.observability.health import Health
from tandem.observability.service import ServiceManager
from tandem.ui.alerts import toasts
from tandem.ui.components import scripts
from tandem.ui.shared import health, served, state
from tandem.ui.shared import messages as say
from tandem.ui.shared.hosts import HostGuard
from tandem.ui.shared.links import take_earlier_names
from tandem.ui.shared.loggers import adopt_loggers
from tandem.ui.shared.uploads import UploadGuard
from tandem.venues.settings import load

HERE = Path(__file__).parent
log = logging.getLogger("tandem.app")
ICONS = {"Live": "monitoring", "Surveillance": "radar", "Scanner": "grid_view"}
ICONS |= {"Backtest": "history", "Data": "database"}


def later(name: str) -> Callable[[], None]:
    """Return a page that is imported when opened: the first price need not wait for it."""
    return lambda: import_module(f"tandem.ui.{name}.page").page()


def page_of(title: str) -> StreamlitPage:
    """Return the page of a title, with its address and icon; Live is the first one shown."""
    name, icon = title.lower(), f":material/{ICONS[title]}:"
    return st.Page(later(name), title=title, url_path=name, default=name == "live", icon=icon)


def start() -> None:
    """Start the process's desk where nothing did before."""
    state.start(load, lambda settings: Engine(settings, state.export_folder(settings)))


@asynccontextmanager
async def recording(_app: st.App) -> AsyncIterator[None]:
    """Record from the server's start to its end, whoever looks.

    Nothing is then lost before the first visitor, who does not wait for imports either: those of
    the first page, and pandas, which Streamlit brings with its first component.
    """
    # Until the settings say more.
    logs.set_up(Settings())
    adopt_loggers()
    state.serve_by_routes()
    import_module("pandas")
    import_module("tandem.ui.live.page")
    manager = ServiceManager()
    try:
        start()
        manager.ready()
    except SettingError as error:
        # The server goes on: each page says which setting is wrong.
        log.error("Tandem did not start. %s", error)
    telling = asyncio.create_task(_tell(manager))
    yield
    manager.stopping()
    telling.cancel()
    state.close()


async def _tell(manager: ServiceManager) -> None:
    """Tell the service manager that threads and server work; its watchdog acts on silence."""
    if manager.every_s == math.inf:
        return
    checking = Supervisor("The health of the process cannot be checked; it goes on.")

    def tell() -> None:
        if not _health().dead:
            manager.alive()

    while True:
        await asyncio.to_thread(checking.watch, tell)
        await asyncio.sleep(manager.every_s)


def parts() -> dict[str, Any]:
    """Return what `st.App` is given beside the script: what records, files, and who is served."""
    return {
        "lifespan": recording,
        "routes": [
            *served.routes(_exports),
            *scripts.routes(),
            *health.routes(_health, state.is_operators_request),
        ],
        "middleware": [
            Middleware(HostGuard, names=_host_names),
            Middleware(UploadGuard, uploads=state.uploads, most_bytes=state.most_upload_bytes),
        ],
    }


def _host_names() -> Collection[str] | None:
    """Return the names the server answers to beside loopback; None for any.

    Community Cloud's own proxy decides there, and apps do not learn their name.
    """
    if on_community_cloud():
        return None
    return state.part(Settings).host_names if state.desk() else ()


def _health() -> Health:
    desk = state.desk()
    if desk is None:
        return Health(unready=("Tandem has not started; the log says why.",))
    found = desk.check_health()
    if not runtime.exists():
        return replace(found, unready=(*found.unready, "Pages cannot be served."))
    return found


def _exports() -> Path | None:
    return state.export_folder(state.part(Settings)) if state.desk() else None


def main() -> None:
    """Draw the page this session has chosen."""
    st.set_page_config("Tandem", ":material/balance:", "wide", initial_sidebar_state=300)
    st.html(f"<style>{(HERE / 'page.css').read_text(encoding='utf-8')}{scripts.style()}</style>")
    try:
        start()
    except SettingError as error:
        say.problem(f"Tandem did not start. {error}")
        st.stop()
    st.logo(str(HERE / "static" / "tandem.svg"), size="large")
    take_earlier_names()
    chosen = st.navigation([page_of(title) for title in ICONS])
    if chosen.title != "Backtest":
        state.leave_backtest()
    # Where a page has its own, one refresh serves both.
    if chosen.title != "Live":
        toasts.follow()
    chosen.run()


if __name__ == "__main__":
    main()

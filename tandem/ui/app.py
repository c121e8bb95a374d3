"""Streamlit's script: every rerun of every session runs it, and it draws the chosen page."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import streamlit as st

from tandem.core.errors import SettingError
from tandem.ui.alerts import toasts
from tandem.ui.live import page as live
from tandem.ui.shared import messages as say
from tandem.ui.shared import state

HERE = Path(__file__).parent
ICONS = {"Live": "monitoring", "Surveillance": "radar", "Scanner": "grid_view"}
ICONS |= {"Backtest": "history", "Data": "database"}


def later(name: str) -> Callable[[], None]:
    """Return a page that is imported when opened: the first price need not wait for it."""
    return lambda: import_module(f"tandem.ui.{name}.page").page()


def icon(title: str) -> str:
    """Return a page's icon."""
    return f":material/{ICONS[title]}:"


def main() -> None:
    """Draw the page this session has chosen."""
    st.set_page_config("Tandem", ":material/balance:", "wide", initial_sidebar_state=300)
    st.html(HERE / "page.css")
    try:
        state.engine()
    except SettingError as error:
        say.problem(f"Tandem did not start. {error}")
        st.stop()
    st.logo(str(HERE / "static" / "tandem.svg"), size="large")
    pages = [st.Page(live.page, title="Live", url_path="live", default=True, icon=icon("Live"))]
    for title in list(ICONS)[1:]:
        url = title.lower()
        pages.append(st.Page(later(url), title=title, url_path=url, icon=icon(title)))
    chosen = st.navigation(pages)
    if chosen.title != "Backtest":
        state.leave_backtest()
    toasts.follow()
    chosen.run()


if __name__ == "__main__":
    main()

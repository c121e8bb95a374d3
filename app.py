"""Tandem's entry point: `streamlit run app.py`.

Streamlit's server imports this file once and finds `app`, which starts recording; then every
rerun of every session runs it as a script, which draws the chosen page.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from market import SettingError
from ui import live, say, state

HERE = Path(__file__).parent
LIVE, BACKTEST, DATA = ":material/monitoring:", ":material/history:", ":material/database:"


def backtest_page() -> None:
    """Open the Backtest page; what it brings, the first price need not wait for."""
    from ui import backtest

    backtest.page()


def data_page() -> None:
    """Open the Data page."""
    from ui import data

    data.page()


def main() -> None:
    """Draw the page this session has chosen."""
    st.set_page_config("Tandem", ":material/balance:", "wide", initial_sidebar_state=300)
    st.html(HERE / "ui" / "page.css")
    try:
        state.engine()
    except SettingError as error:
        say.problem(f"Tandem did not start. {error}")
        st.stop()
    st.logo(str(HERE / "static" / "tandem.svg"), size="large")
    live_page = st.Page(live.page, title="Live", url_path="live", default=True, icon=LIVE)
    backtest = st.Page(backtest_page, title="Backtest", url_path="backtest", icon=BACKTEST)
    data = st.Page(data_page, title="Data", url_path="data", icon=DATA)
    chosen = st.navigation([live_page, backtest, data])
    if chosen is not backtest:
        state.leave_backtest()
    chosen.run()


if __name__ == "__main__":
    main()
else:
    app = st.App(__file__, lifespan=state.recording)

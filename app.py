"""Tandem's entry point: `streamlit run app.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from market import SettingError
from ui import live, say, state

st.set_page_config(
    page_title="Tandem", page_icon=":material/balance:", layout="wide", initial_sidebar_state=300
)
HERE = Path(__file__).parent
st.html(HERE / "ui" / "page.css")


def backtest_page() -> None:
    """Open the Backtest page; it brings pandas, which the first price need not wait for."""
    from ui import backtest

    backtest.page()


def data_page() -> None:
    """Open the Data page."""
    from ui import data

    data.page()


try:
    state.engine()
except SettingError as error:
    say.problem(f"Tandem did not start. {error}")
    st.stop()

st.logo(str(HERE / "static" / "tandem.svg"), size="large")
chosen = st.navigation(
    [
        st.Page(
            live.page, title="Live", url_path="live", default=True, icon=":material/monitoring:"
        ),
        st.Page(backtest_page, title="Backtest", url_path="backtest", icon=":material/history:"),
        st.Page(data_page, title="Data", url_path="data", icon=":material/database:"),
    ]
)
if chosen.url_path != "backtest":
    state.leave_backtest()
chosen.run()

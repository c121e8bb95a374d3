"""Notification channels: status and test of each."""

from __future__ import annotations

import streamlit as st

from tandem.alerts.rules import CHANNELS
from tandem.alerts.service import Alerts
from tandem.ui.alerts import wording as words
from tandem.ui.alerts.channel_test import Tests
from tandem.ui.components import ledger
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part

REFRESH_S = 1.0
_TESTS = "tandem_channel_tests"


def draw() -> None:
    """Draw the channels, refreshed about once a second."""
    alerts = part(Alerts)
    running = st.session_state.setdefault(_TESTS, Tests())

    st.fragment(_list, run_every=REFRESH_S)(alerts, running)
    if not is_operator():
        say.note("Public mode: only the operator can test channels and see their configuration.")


def _list(alerts: Alerts, running: Tests) -> None:
    may = is_operator()
    rows = [
        words.channel_row(state, running.said(state.name), running.is_going_on(state.name), may)
        for state in alerts.channels()
    ]
    asked = ledger(words.channel_list(rows), key="channel-list")
    if asked and asked[0] == "test" and asked[1] in CHANNELS and may:
        running.begin(alerts, asked[1])
        st.rerun()

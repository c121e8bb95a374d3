"""Alerts raised by rules: filters, acknowledgement and CSV download."""

from __future__ import annotations

import streamlit as st

from tandem.alerts.service import Alerts
from tandem.core.errors import StoreError
from tandem.ui.alerts import wording as words
from tandem.ui.alerts.wording import Filters
from tandem.ui.components import ledger
from tandem.ui.shared import downloads
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part

REFRESH_S = 1.0
ALL = "all"
_EVERY_ALERT = 1_000_000
# What this session has on its screen: nothing it has not seen is acknowledged with it.
_DRAWN = "tandem_alerts_drawn"


def draw() -> None:
    """Draw the list, refreshed about once a second."""
    alerts = part(Alerts)
    if alerts.problem:
        say.problem(
            str(alerts.problem) if is_operator() else "Alerts are currently not being saved."
        )
    filters = _filters(alerts)
    _actions(alerts, filters)

    st.fragment(_list, run_every=REFRESH_S)(alerts, filters)


def _filters(alerts: Alerts) -> Filters:
    kept = alerts.history.recent(_EVERY_ALERT)
    scopes = sorted({one.alert.scope for one in kept})
    rules = sorted({one.alert.rule for one in kept} | {rule.name for rule in alerts.rules.all()})
    columns = st.columns([1.45, 1.2, 1.2, 1.1], vertical_alignment="bottom")
    severity = columns[0].segmented_control(
        "Severity",
        [ALL, "critical", "warning", "info"],
        default=ALL,
        key="alerts_severity",
        required=True,
        persist_state="session",
    )
    with columns[1]:
        scope = _choice("Instrument, pair or venue", scopes, "alerts_scope")
    with columns[2]:
        rule = _choice("Rule", rules, "alerts_rule")
    is_open = columns[3].toggle("Unacknowledged only", key="alerts_open", persist_state="session")
    return Filters(None if severity in (ALL, None) else severity, scope, rule, is_open)


def _choice(label: str, options: list[str], key: str) -> str | None:
    chosen = st.session_state.get(key)
    # What is chosen stays, also once the last alert of it has gone.
    if chosen and chosen != ALL and chosen not in options:
        options = [*options, chosen]
    value = st.selectbox(label, [ALL, *options], key=key, persist_state="session")
    return None if value in (ALL, None) else str(value)


def _actions(alerts: Alerts, filters: Filters) -> None:
    may = is_operator()
    with st.container(horizontal=True, vertical_alignment="center"):
        if may and st.button("Acknowledge shown", key="alerts_seen", icon=":material/check:"):
            _acknowledge(alerts, st.session_state.get(_DRAWN, ()))
        if may and st.button("Acknowledge all", key="alerts_all", icon=":material/done_all:"):
            kept = alerts.history.recent(_EVERY_ALERT, unacknowledged=True)
            _acknowledge(alerts, [one.alert.id for one in kept])
        downloads.button(
            "Download CSV",
            lambda: words.csv_file(
                one.alert for one in alerts.history.recent(_EVERY_ALERT, **filters.given)
            ),
            "tandem-alerts.csv",
            "text/csv",
            key="alerts_csv",
        )
    if not may:
        say.note("Public mode: only the operator can acknowledge; visitors can view and export.")


def _list(alerts: Alerts, filters: Filters) -> None:
    found = alerts.history.recent(_EVERY_ALERT, **filters.given)
    kept = len(alerts.history.recent(_EVERY_ALERT)) if filters.is_any else len(found)
    st.session_state[_DRAWN] = [
        one.alert.id for one in found[: words.MOST_SHOWN] if not one.acknowledged_us
    ]
    may = is_operator()
    shown = words.alert_list(found, kept, filters, alerts.rules.all(), may=may, may_read=may)
    asked = ledger(shown, key="alert-list")
    if asked and asked[0] == "acknowledge" and may:
        _acknowledge(alerts, [asked[1]])
        st.rerun()


def _acknowledge(alerts: Alerts, ids: list[str]) -> None:
    try:
        alerts.history.acknowledge(*ids)
    except StoreError as error:
        say.problem(f"Acknowledged until restart, but the change could not be saved: {error}")

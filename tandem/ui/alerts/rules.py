"""When to tell whom: the table of rules, and the form that makes one."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import get_args

import streamlit as st

from tandem.alerts.rules import MEASURES, Comparison, Rule, Severity
from tandem.alerts.service import Alerts, ChannelState
from tandem.core.errors import DataError, StoreError
from tandem.surveillance.monitor import Monitor
from tandem.ui.alerts import wording as words
from tandem.ui.alerts.wording import EVERY, Draft
from tandem.ui.components import ledger
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part

REFRESH_S = 2.0
_EVERY_ALERT = 1_000_000
# The rule that is edited ("" for a new one), what its form begins with, and what was done last.
_EDITED, _BEGIN, _DONE = "tandem_rule_edited", "tandem_rule_begin", "tandem_rule_done"
_NEW = Rule("New rule", "bar_return_z", "beyond", 6.0, channels=("screen", "log"))
_CHANNELS = "rule_channels"


def draw() -> None:
    """Draw the form, where one is open, and the table of rules."""
    _say_done()
    may = is_operator()
    if not may:
        say.note("Public mode: only the operator can change rules; visitors can view them.")
    elif _EDITED in st.session_state:
        _form()
    elif st.button("Add rule", key="rule_add", type="primary", icon=":material/add:"):
        _open("", _NEW)

    st.fragment(_table, run_every=REFRESH_S)(may)


# The table ------------------------------------------------------------------------------


def _table(may: bool) -> None:
    alerts = part(Alerts)
    rules = alerts.rules.all()
    raised = Counter(one.alert.rule for one in alerts.history.recent(_EVERY_ALERT))
    problems = alerts.rules.unmatched(part(Monitor).scopes())
    shown = words.rule_list(rules, raised, problems, alerts.channels(), may)
    asked = ledger(shown, key="rule-list")
    rule = next((one for one in rules if asked and one.name == asked[1]), None)
    if asked and rule and may:
        _do(alerts, asked[0], rule)


def _do(alerts: Alerts, act: str, rule: Rule) -> None:
    if act == "edit":
        _open(rule.name, rule)
    elif act == "remove":
        _keep(lambda: alerts.rules.remove(rule.name), f"Rule {rule.name} removed.")
        st.rerun()
    elif act in ("on", "off"):
        changed = dataclasses.replace(rule, enabled=act == "on")
        _keep(lambda: alerts.rules.put(changed), "")
        st.rerun()


# The form -------------------------------------------------------------------------------


def _open(name: str, rule: Rule) -> None:
    st.session_state[_EDITED] = name
    st.session_state[_BEGIN] = rule
    st.rerun()


def _close() -> None:
    for name in (_EDITED, _BEGIN):
        st.session_state.pop(name, None)


def _form() -> None:
    begin = st.session_state.pop(_BEGIN, None)
    if begin is not None:
        _fill(begin, is_new=not st.session_state[_EDITED])

    @st.fragment
    def form() -> None:
        with st.container(border=True, key="rule_form"):
            _fields()

    form()


def _fill(rule: Rule, is_new: bool) -> None:
    """Put a rule into the form's fields."""
    st.session_state.update(
        {
            "rule_name": "" if is_new else rule.name,
            "rule_measure": rule.measure,
            "rule_comparison": rule.comparison,
            "rule_threshold": float(rule.threshold),
            "rule_release": None if rule.release is None else float(rule.release),
            "rule_scope": rule.scope,
            "rule_minutes": rule.cooldown_s / 60.0,
            "rule_severity": rule.severity,
            _CHANNELS: list(rule.channels),
        }
    )


def _fields() -> None:
    alerts = part(Alerts)
    edited = st.session_state.get(_EDITED, "")
    st.markdown("**New rule**" if not edited else f"**{say.escaped(edited)}**")
    draft = _draft()
    try:
        rule = words.rule_of(draft, _is_enabled(alerts, edited))
        problem = ""
    except DataError as error:
        rule, problem = None, str(error)
    if rule:
        told = words.would_have_told(rule, alerts.history.recent(_EVERY_ALERT))
        say.note(f"Fires when: {words.condition(rule)}. {told}")
    with st.container(horizontal=True):
        wanted = st.button("Save", key="rule_keep", type="primary")
        if st.button("Cancel", key="rule_leave"):
            _close()
            st.rerun()
    if wanted and rule is None:
        say.problem(problem)
    elif wanted and rule:
        _take(alerts, edited, rule)


def _is_enabled(alerts: Alerts, name: str) -> bool:
    return next((one.enabled for one in alerts.rules.all() if one.name == name), True)


def _draft() -> Draft:
    left, right = st.columns([1, 2])
    name = left.text_input(
        "Name",
        key="rule_name",
        persist_state="session",
        max_chars=60,
        placeholder="Flash crash",
    )
    measure = right.selectbox(
        "Measure",
        list(MEASURES),
        key="rule_measure",
        persist_state="session",
        format_func=MEASURES.__getitem__,
    )
    unit = words.WORDS[measure].unit
    columns = st.columns([1.2, 1, 1, 1])
    comparison = columns[0].segmented_control(
        "Condition",
        list(get_args(Comparison)),
        key="rule_comparison",
        persist_state="session",
        required=True,
        help="Beyond compares the absolute value: it fires in either direction.",
    )
    with columns[1]:
        threshold = _number(f"Threshold, {unit}" if unit else "Threshold", "rule_threshold", 0.1)
    with columns[2]:
        release = _number(
            "Re-arm level",
            "rule_release",
            0.1,
            "The value must return past this level before the rule can fire again. Empty: 20 % "
            "inside the threshold.",
        )
    with columns[3]:
        minutes = _number(
            "Cool-down, minutes",
            "rule_minutes",
            1.0,
            "Minimum time between two alerts for the same instrument.",
        )
    left, right = st.columns([2, 1])
    with left:
        scope = _scope(measure)
    severity = right.segmented_control(
        "Severity",
        list(get_args(Severity)),
        key="rule_severity",
        persist_state="session",
        required=True,
    )
    channels = _channels(part(Alerts).channels())
    return Draft(
        name, measure, str(comparison), threshold, release, scope, minutes, str(severity), channels
    )


def _number(label: str, key: str, step: float, hint: str = "") -> float | None:
    value: float | None = st.number_input(
        label,
        value=None,
        step=step,
        key=key,
        persist_state="session",
        format="%g",
        help=hint or None,
    )
    return value


def _scope(measure: str) -> str | None:
    known = part(Monitor).scopes()
    options = [EVERY, *words.scopes_for(measure, known)]
    chosen = st.session_state.get("rule_scope")
    if chosen and chosen not in options:
        options.append(chosen)
    scope: str | None = st.selectbox(
        "Scope",
        options,
        key="rule_scope",
        persist_state="session",
        accept_new_options=True,
        # Not a bare *: the box would take it off the end of whatever is typed over it.
        format_func=words.whereof,
        help="* matches any text and ? any character, e.g. sim:* or *:ETHUSDT.",
    )
    if scope:
        say.note(words.fitting(scope, measure, known))
    return scope


def _channels(states: tuple[ChannelState, ...]) -> list[str]:
    """Offer the channels that can be used, and those that the rule names already."""
    named = st.session_state.get(_CHANNELS) or []
    ready = {one.name for one in states if one.is_ready}
    chosen = st.pills(
        "Notify",
        [one.name for one in states if one.is_ready or one.name in named],
        selection_mode="multi",
        key=_CHANNELS,
        persist_state="session",
        format_func=lambda name: (
            words.CHANNEL_NAMES[name] + ("" if name in ready else " (not configured)")
        ),
    )
    missing = [f"{words.CHANNEL_NAMES[one.name]}: {one.text}" for one in states if not one.is_ready]
    if missing:
        say.note(" ".join(missing))
    return list(chosen)


# Keeping --------------------------------------------------------------------------------


def _take(alerts: Alerts, edited: str, rule: Rule) -> None:
    is_taken = any(one.name == rule.name for one in alerts.rules.all())
    if rule.name != edited and is_taken:
        say.problem(
            f"A rule named {rule.name} already exists; choose another name, or edit that rule."
        )
        return

    def keep() -> None:
        alerts.rules.put(rule)
        if edited and edited != rule.name:
            alerts.rules.remove(edited)

    try:
        _keep(keep, f"Rule {rule.name} is active.")
    except DataError as error:
        say.problem(str(error))
        return
    _close()
    st.rerun()


def _keep(change: Callable[[], None], done: str) -> None:
    """Change the rules; a failure to save them is reported on the next rerun."""
    try:
        change()
    except StoreError as error:
        st.session_state[_DONE] = (
            "warn",
            f"The change applies until restart but could not be saved: {error}",
        )
        return
    if done:
        st.session_state[_DONE] = ("good", done)


def _say_done() -> None:
    tone, said = st.session_state.pop(_DONE, ("", ""))
    if tone == "good":
        st.success(say.escaped(said), icon=":material/check:")
    elif tone:
        say.warning(said)

"""What is watched for: read by everybody, changed by the operator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from tandem.core.errors import DataError, StoreError
from tandem.surveillance.instrument import FEATURES
from tandem.surveillance.monitor import Monitor
from tandem.surveillance.settings import WatchSettings
from tandem.ui.components import sheets
from tandem.ui.data.actions import ONLY_OPERATOR
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part, shown
from tandem.ui.surveillance import wording as words
from tandem.ui.surveillance.overview import FEATURE_NAMES

_SAID = "tandem_watch_said"


def draw() -> None:
    """Draw the tab."""
    now = part(Monitor).settings
    if not is_operator():
        sheets([words.settings_sheet(now)], key="watch-settings")
        say.note(ONLY_OPERATOR)
        return
    if said := st.session_state.pop(_SAID, None):
        st.success(say.escaped(said), icon=":material/check_circle:")
    asked = _form(now)
    if asked is None or not _apply(asked):
        return
    st.session_state[_SAID] = (
        "Settings applied. Windows are refilled from the database, and models are retrained where "
        "their features or contamination changed."
    )
    st.rerun()


def _form(now: WatchSettings) -> dict[str, object] | None:
    """Draw the form; returns what was asked for when it is applied."""
    with st.form("watch_settings"):
        z, contamination, minutes = st.columns(3)
        anomaly_z = z.number_input(
            "Outlier threshold, |z|",
            value=now.anomaly_z,
            step=0.5,
            help="In standard deviations. Returns have fat tails: about 1 second in 100 exceeds 3, "
            "not 1 in 370.",
        )
        share = contamination.number_input(
            "Contamination, %",
            value=100.0 * now.contamination,
            step=0.05,
            format="%g",
            help="Share of the training bars the model flags as anomalous.",
        )
        again = minutes.number_input(
            "Retrain every, minutes",
            value=now.retrain_bars / 60.0,
            step=5.0,
            format="%g",
            help="Counted in 1 s bars; a second without a trade has no bar.",
        )
        features = st.multiselect(
            "Isolation Forest features",
            FEATURES,
            default=now.features,
            format_func=FEATURE_NAMES.__getitem__,
            help="Order-flow imbalance and trade intensity are optional; without "
            "volume data only RSI and volatility can be used.",
        )
        percent, within = st.columns(2)
        divergence_percent = percent.number_input(
            "Leg divergence threshold, %",
            value=now.divergence_percent,
            step=0.1,
            format="%g",
            help="Difference between the legs' percentage moves.",
        )
        divergence_s = within.number_input(
            "Divergence window, seconds", value=now.divergence_s, step=10, help="2 to 86,400."
        )
        is_applied = st.form_submit_button("Apply", type="primary")
    if not is_applied:
        return None
    return {
        "anomaly_z": anomaly_z,
        "contamination": share / 100.0,
        "retrain_bars": round(60.0 * again),
        "features": tuple(features),
        "divergence_percent": divergence_percent,
        "divergence_s": divergence_s,
    }  # fmt: skip


def _apply(asked: dict[str, Any]) -> bool:
    """Apply the settings; False, with the reason on screen, if they are invalid."""
    try:
        settings = replace(part(Monitor).settings, **asked)
        if settings.divergence_s > 86_400:
            raise DataError("The divergence window must be 2 to 86,400 seconds.")
        part(Monitor).use(settings)
    except (DataError, StoreError) as error:
        say.problem(shown(f"Nothing was changed. {error}" if isinstance(error, DataError)
                          else f"The settings apply until restart. {error}"))  # fmt: skip
        return False
    return True

"""A past to learn from, downloaded for one watched instrument: hours, progress, Stop."""

from __future__ import annotations

import streamlit as st

from tandem.backfill.history import shortest_candle
from tandem.config import Settings
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.surveillance.monitor import Monitor
from tandem.surveillance.training import MOST_HOURS, SECONDS_HOURS, DownloadProgress, ModelTraining
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part

REFRESH_S = 0.5
HOURS = 4.0


def draw(instrument: str) -> None:
    """Offer the download to the operator, with its progress."""
    if not is_operator():
        return
    shortest_us = shortest_candle(instrument, part(Settings))
    if not shortest_us:
        return
    gives = shortest_us == SECOND_US
    with st.expander("Download training history"):
        say.note(_offer(gives))
        hours = st.number_input(
            "Hours back",
            0.5,
            float(SECONDS_HOURS if gives else MOST_HOURS),
            HOURS,
            0.5,
            key=f"learn_hours_{instrument}",
        )
        _progress(instrument, hours)


def _offer(gives_seconds: bool) -> str:
    if gives_seconds:
        return (
            f"1 s candles, up to {SECONDS_HOURS} hours: the Isolation Forest is trained on them "
            "at once instead of waiting for recorded data."
        )
    return (
        "This venue provides 1 min candles only; the Isolation Forest is trained on recorded 1 s "
        "bars. Candles (and funding history, where charged) are stored for pairs and backtests."
    )


def _progress(instrument: str, hours: float) -> None:
    training = part(ModelTraining)
    was = training.progress(instrument)
    is_going = was is not None and not was.is_over

    @st.fragment(run_every=REFRESH_S if is_going else None)
    def follow() -> None:
        progress = training.progress(instrument)
        if is_going and (progress is None or progress.is_over):
            st.rerun()
        if progress is not None:
            _say(progress)
        if is_going:
            if st.button("Stop", key="learn_stop"):
                training.cancel(instrument)
            return
        if st.button("Download", key="learn_start"):
            try:
                training.start(instrument, hours, part(Monitor).settings)
            except DataError as error:
                say.warning(str(error))
            else:
                st.rerun()

    follow()


def _say(progress: DownloadProgress) -> None:
    if progress.is_over:
        say.note(progress.text)
    else:
        st.progress(progress.share, say.escaped(progress.text))

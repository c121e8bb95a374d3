"""One watched instrument, close up: scores, features, liquidity, momentum, volatility, volume."""

from __future__ import annotations

import math
from concurrent.futures import CancelledError, Future

import streamlit as st

from tandem.core.clock import SECOND_US, now_us
from tandem.core.errors import DataError
from tandem.pairs.snapshot_builder import SnapshotBuilder
from tandem.surveillance.liquidity import volume_profile
from tandem.surveillance.monitor import Monitor
from tandem.surveillance.volatility import Forecast
from tandem.ui.components import chart, sheets
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.links import Choice
from tandem.ui.shared.state import part
from tandem.ui.surveillance import charts, training
from tandem.ui.surveillance import wording as words
from tandem.ui.surveillance.overview import FEATURE_NAMES, SHOCK, Scores

REFRESH_S = 1.0
# What changes slowly, or costs more to draw than it tells by the second.
SLOW_S = 5.0
PROFILE_TRADES = 5_000
SHARE = 0.7
SPANS = {"5": 5, "15": 15, "60": 60}
SPAN = Choice("watch_span", {"5": "5 min", "15": "15 min", "60": "1 h"}, "15", "span")
HORIZONS = Choice(
    "watch_horizon", {"60": "1 min", "300": "5 min", "900": "15 min"}, "300", "horizon"
)
_FORECAST = "tandem_forecast"


def detail(instrument: str) -> None:
    """Draw the detail of an instrument that is watched."""
    title, span = st.columns([3, 2], vertical_alignment="bottom")
    title.subheader(say.escaped(f.symbol_of(instrument)), anchor=False)
    minutes = SPAN.segments("Span", label_visibility="collapsed", place=span)
    seconds = 60 * SPANS[minutes]

    st.fragment(_scores, run_every=REFRESH_S)(instrument, seconds)
    st.fragment(_measures, run_every=SLOW_S)(instrument, seconds)
    left, right = st.columns(2)
    with left:
        st.fragment(_numbers, run_every=REFRESH_S * 2)(instrument)
    with right:
        st.fragment(_profile, run_every=SLOW_S)(instrument)
    training.draw(instrument)


def _shown(instrument: str, seconds: int) -> Scores | None:
    """Return the scores of the last seconds; None, with a sentence, where they are gone."""
    try:
        scores = part(Monitor).surveillance.scores(instrument)
    except DataError:
        say.note("Not monitored at the moment; monitoring resumes with its next trade.")
        return None
    if not len(scores):
        return scores
    last: Scores = scores[scores["time_us"] > scores["time_us"][-1] - seconds * SECOND_US]
    return last


def _version(scores: Scores, *rest: object) -> str:
    last = int(scores["time_us"][-1]) if len(scores) else 0
    return "/".join(map(str, (*rest, len(scores), last)))


def _scores(instrument: str, seconds: int) -> None:
    scores = _shown(instrument, seconds)
    if scores is None:
        return
    watched = part(Monitor).surveillance
    settings = watched.settings
    for text in words.doubts(watched.scores(instrument), settings):
        say.note(text)
    version = _version(scores, instrument, seconds, settings.anomaly_z)
    chart(charts.score_chart(scores, settings, version), key="watch-scores")
    say.note(words.SCORES_HELP.format(window=settings.bar_window, limit=settings.anomaly_z))
    problem = next((r.text for r in part(Monitor).wall() if r.instrument == instrument), "")
    model = watched.model(instrument)
    say.note(words.model_text(model, problem, watched.scores(instrument), settings))


def _measures(instrument: str, seconds: int) -> None:
    scores = _shown(instrument, seconds)
    if scores is None:
        return
    settings = part(Monitor).settings
    version = _version(scores, instrument, seconds)
    left, right = st.columns(2)
    with left:
        st.markdown("**Features**")
        used = ", ".join(FEATURE_NAMES[name] for name in settings.features)
        say.note(words.FEATURES_HELP.format(used=used, window=settings.window))
        chart(charts.feature_chart(scores, version), key="watch-features")
    with right:
        st.markdown("**Liquidity**")
        say.note(words.LIQUIDITY_HELP.format(shock=SHOCK))
        chart(charts.liquidity_chart(scores, version), key="watch-liquidity")


def _numbers(instrument: str) -> None:
    watched = part(Monitor).surveillance
    scores = _shown(instrument, watched.settings.keep)
    if scores is None:
        return
    price = float(scores["price"][-1]) if len(scores) else math.nan
    forecast, age_s, text = _forecast_now(instrument)
    sheets(
        [
            words.momentum_sheet(watched.momentum(instrument), price),
            words.apart_sheet(instrument, watched.divergences(), watched.settings),
            words.volatility_sheet(scores, watched.settings, forecast, age_s),
        ],
        key="watch-numbers",
    )
    _ask_forecast(instrument)
    if text:
        say.note(text)


# The forecast ---------------------------------------------------------------------------


def _ask_forecast(instrument: str) -> None:
    button, horizon = st.columns([1, 1], vertical_alignment="bottom")
    asked = HORIZONS.segments("Horizon", label_visibility="collapsed", place=horizon)
    pending = st.session_state.get(_FORECAST)
    is_pending = pending is not None and not pending[1].done()
    # Fitted beside the page; a click while one is under way would only queue behind it.
    if button.button("GARCH forecast", key="forecast", disabled=is_pending, width="stretch"):
        found = part(Monitor).forecast(instrument, int(asked))
        st.session_state[_FORECAST] = (instrument, found, now_us())


def _forecast_now(instrument: str) -> tuple[Forecast | None, float, str]:
    """Return this session's forecast of the instrument, its age, and what is to be said of it."""
    kept: tuple[str, Future[Forecast], int] | None = st.session_state.get(_FORECAST)
    if kept is None or kept[0] != instrument:
        return None, math.nan, ""
    _, found, asked_us = kept
    if not found.done():
        return None, math.nan, "Fitting the forecast; the page keeps updating."
    try:
        return found.result(), (now_us() - asked_us) / SECOND_US, ""
    except DataError as error:
        return None, math.nan, f"No forecast. {error}"
    except CancelledError:
        return None, math.nan, "The forecast was cancelled because monitoring stopped."


# Volume by price ------------------------------------------------------------------------


def _profile(instrument: str) -> None:
    st.markdown("**Volume profile**")
    trades = part(SnapshotBuilder).tape((instrument,), PROFILE_TRADES)
    try:
        profile = volume_profile(
            [trade.price for trade in trades],
            [trade.quantity for trade in trades],
            buckets=40,
            share=SHARE,
        )
    except DataError as error:
        say.note(str(error))
        return
    say.note(
        words.PROFILE_HELP.format(
            trades=len(trades),
            share=SHARE,
            low=f.price(profile.low),
            high=f.price(profile.high),
        )
    )
    version = f"{instrument}/{trades[0].trade_id}/{len(trades)}"
    chart(charts.profile_chart(profile, instrument, version), key="watch-profile")

"""One pair of a scan: its picture, its figures, and the way to Live and Backtest."""

from __future__ import annotations

import numpy as np
import streamlit as st

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.instruments import SIMULATED_VENUE, split_instrument
from tandem.ingest.service import Ingest
from tandem.ui.components import chart
from tandem.ui.scanner.charts import pair_chart
from tandem.ui.scanner.study import Study
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.jobs import leave_for
from tandem.ui.shared.model_controls import BARS
from tandem.ui.shared.state import part

_BAR_NAMES = {seconds * SECOND_US: name for name, seconds in BARS.items()}


def head(study: Study, pair: int, text: str) -> None:
    """Name the opened pair, with links to the Live and Backtest pages."""
    y, x = _legs(study, pair)
    called = f"{study.source.called(y)} vs {study.source.called(x)}"
    left, live, back = st.columns([5, 1.2, 1.2], vertical_alignment="center")
    left.markdown(f"**{say.escaped(called)}**")
    is_asked_live = live.button(
        "Open on Live",
        key="scan_live",
        icon=":material/monitoring:",
        width="stretch",
        disabled=not _is_live(study, y, x),
        help="Available if both legs are on a venue that can be recorded here.",
    )
    is_asked_back = back.button(
        "Backtest", key="scan_backtest", icon=":material/history:", width="stretch"
    )
    say.note(text)
    if is_asked_live:
        _open_live(y, x)
    if is_asked_back:
        _open_backtest(study, y, x)


def show(study: Study, pair: int) -> None:
    """Show one pair's picture and figures."""
    y, x = _legs(study, pair)
    figures = {name: float(column[pair]) for name, column in study.found.figures.items()}
    _picture(study, pair, (study.source.called(y), study.source.called(x)))
    say.note(sentence(figures, study.asked.settings.log_prices))


def _legs(study: Study, pair: int) -> tuple[str, str]:
    found = study.found
    return found.names[found.y[pair]], found.names[found.x[pair]]


def sentence(figures: dict[str, float], log_prices: bool) -> str:
    """Summarise a pair's figures."""
    life = figures["half_life"]
    parts = [
        f"Hedge ratio {f.significant(figures['beta'])} "
        + ("(X notional per Y notional)" if log_prices else "(units of X per unit of Y)"),
        f"t {f.number(figures['statistic'])} at {figures['lags']:.0f} lags, "
        f"p {f.p_value(figures['p_value'])}, q {f.p_value(figures['q_value'])}",
        "not mean-reverting"
        if np.isinf(life)
        else "half-life " + f.half_life(life, figures["half_life_low"], figures["half_life_high"]),
        f"round-trip cost {f.number(figures['cost_bp'], 1)} bp "
        f"({f.number(figures['break_even_z'])} \u03c3 of the spread)",
    ]
    if "held" in figures:
        parts.append(f"found in {figures['held']:.0f} of {figures['windows']:.0f} windows")
    return "; ".join(parts) + "."


def _picture(study: Study, pair: int, names: tuple[str, str]) -> None:
    found, source = study.found, study.source
    spread = study.spread(pair)
    known = np.isfinite(spread)
    deviation = float(spread[known].std()) or 1.0
    price = source.price(found.names[found.y[pair]])
    level = study.level(int(found.y[pair]))
    hedged = level - spread
    if study.asked.settings.log_prices:
        hedged = np.exp(hedged)
    version = f"{id(study.first)}/{pair}"
    drawn = pair_chart(source.times, price, hedged, spread / deviation, names, version)
    chart(drawn, key="scan-pair")


# The way to other pages -----------------------------------------------------------------


def _is_live(study: Study, y: str, x: str) -> bool:
    """Tell whether the live page can show both legs."""
    if not (study.source.recorded_bar_us or study.source.is_watched):
        return False
    venues = {split_instrument(leg)[0] for leg in (y, x)}
    return not (SIMULATED_VENUE in venues and part(Ingest).choice().venue != SIMULATED_VENUE)


def _open_live(y: str, x: str) -> None:
    venue = split_instrument(y)[0]
    st.session_state["venue"] = venue
    st.session_state["tandem_chosen"] = y, x
    leave_for("Live")


def _open_backtest(study: Study, y: str, x: str) -> None:
    memory, source = st.session_state, study.source
    memory["prices"] = "log" if study.asked.settings.log_prices else "raw"
    if source.recorded_bar_us:
        start, end = int(source.times[0]), int(source.times[-1]) + source.recorded_bar_us
        asked = {
            "from": "Database",
            "record_y": y,
            "record_x": x,
            "file_bar": _BAR_NAMES[source.recorded_bar_us],
            "record_range": "exact",
            "record_from": f.minute(start),
            "record_to": f.minute(end + MINUTE_US - 1),
        }
        for key, value in asked.items():
            memory[key] = value
    else:
        memory["tandem_scanned_pair"] = source.title, source.prices[[y, x]]
        memory["from"] = "Scanner"
    leave_for("Backtest")

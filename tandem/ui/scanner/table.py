"""The Scanner page's ranked table: filtered, searched, and one pair opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from tandem.scanner.result import FIGURE_TEXTS, Scan
from tandem.ui.scanner.export import offer
from tandem.ui.scanner.pair import head, show
from tandem.ui.scanner.study import Study
from tandem.ui.scanner.wording import rate
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.links import Choice, check_number
from tandem.ui.shared.model_controls import URL

Bools = npt.NDArray[np.bool_]

MOST_ROWS = 500
PAIR = "scan_pair"
ORDER = Choice(
    "scan_order",
    {
        "p_value": "p-value",
        "half_life": "half-life",
        "break_even_z": "break-even z",
        "r_squared": "R\u00b2",
        "correlation": "correlation",
        "crossings": "crossings",
        "activity": "activity",
        "held": "windows held",
    },
    "p_value",
    "order",
)
_DESCENDING = ("r_squared", "correlation", "crossings", "activity", "held")
SHOWS = Choice("scan_show", {"all": "All pairs", "found": "Findings"}, "all", "pairs shown")

# Title, format, and what the tooltip says where FIGURE_TEXTS does not.
COLUMNS: dict[str, tuple[str, str, str]] = {
    "q_value": ("q", "%.2g", ""),
    "q_value_noise": ("q (surrogates)", "%.2g", "q-value calibrated on the surrogate runs"),
    "p_value": ("p", "%.2g", ""),
    "half_life": ("half-life", "%.1f", ""),
    "break_even_z": ("break-even z", "%.2f", ""),
    "r_squared": ("R\u00b2", "%.3f", ""),
    "correlation": ("corr.", "%.2f", ""),
    "crossings_per_day": ("crossings/day", "%.1f", ""),
    "held": ("held", "%d", "number of windows in which the pair was found; see Windows"),
    "family": ("family", "%d", "findings that share instruments form a family; 1 is the largest"),
    "leads": ("leads", "", "independent: not implied by more significant findings"),
    "beta": ("beta", "%.4g", ""),
    "spread_volatility": ("spread, bp", "%.1f", ""),
    "cost_bp": ("cost, bp", "%.1f", ""),
    "activity": (
        "activity",
        "%.2f",
        "liquidity proxy: share of bars in which the price of the less active leg moved; a missing "
        "price counts as no move. A price table has no volume",
    ),
    "hurst": ("Hurst", "%.2f", ""),
    "statistic": ("t", "%.2f", ""),
    "lags": ("lags", "%d", ""),
    "bars": ("bars", "%,d", ""),
    "q_value_any": ("q, any dependence", "%.2g", ""),
}


@dataclass(frozen=True)
class Filter:
    """Which pairs are shown.

    Attributes
    ----------
    text : str
        What a leg's name must hold, words in any order.
    most_q, least_life, most_life, most_even, least_active, least_r, least_corr, least_held : float
        Bounds of q, half-life, break-even z, activity, R2, correlation and windows held.
    """

    text: str = ""
    only_found: bool = False
    only_leads: bool = False
    most_q: float = 1.0
    least_life: float = 0.0
    most_life: float = np.inf
    most_even: float = np.inf
    least_active: float = 0.0
    least_r: float = 0.0
    least_corr: float = -1.0
    least_held: float = 0.0

    def keeps(self, found: Scan, findings: Bools, by: str) -> Bools:
        """Return which pairs are kept; an unknown figure never shuts a pair out by itself."""
        figures = found.figures
        keeps = ~(figures[by] > self.most_q)
        keeps &= ~(figures["half_life"] < self.least_life)
        keeps &= ~(figures["half_life"] > self.most_life)
        keeps &= ~(figures["break_even_z"] > self.most_even)
        keeps &= ~(figures["activity"] < self.least_active)
        keeps &= ~(figures["r_squared"] < self.least_r)
        keeps &= ~(figures["correlation"] < self.least_corr)
        if "held" in figures:
            keeps &= ~(figures["held"] < self.least_held)
        if self.only_found:
            keeps &= findings
        if self.only_leads:
            keeps &= figures["leads"] > 0.0
        for word in self.text.casefold().split():
            has = np.array([word in name.casefold() for name in found.names], np.bool_)
            keeps &= has[found.y] | has[found.x]
        return keeps


def pairs(study: Study) -> None:
    """Show the ranked table with its filters, and the pair that was clicked."""
    chosen, order = _ask(study)
    found = study.found
    kept = np.flatnonzero(chosen.keeps(found, study.findings, study.by))
    places = ranked(found, kept, order)[:MOST_ROWS]
    if not len(places):
        st.info("No pair matches these filters. Relax one, or change the search.")
        return
    bar = st.container()
    _table(study, places)
    pair = _opened(study, int(places[0]))
    with bar:
        head(study, pair, _count(len(kept), found.tested))
    show(study, pair)
    offer(study)


def ranked(found: Scan, places: npt.NDArray[np.int64], order: str) -> npt.NDArray[np.int64]:
    """Return pairs by a figure, unknown ones last, equals by p-value."""
    values = found.figures.get(order)
    if values is None:
        return places
    keys = -values[places] if order in _DESCENDING else values[places]
    return places[np.argsort(keys, kind="stable")]


def _count(kept: int, tested: int) -> str:
    text = f"{kept:,} of {f.plural(tested, 'pair')}"
    if kept > MOST_ROWS:
        text += f", showing the first {MOST_ROWS:,}"
    return f"{text}. Click a row to open it; click a column header to sort."


# Filters --------------------------------------------------------------------------------


def _ask(study: Study) -> tuple[Filter, str]:
    search, shown, order = st.columns([2.2, 1.6, 1.2], vertical_alignment="bottom")
    text = search.text_input(
        "Search",
        key="scan_text",
        bind=URL,
        placeholder="part of one or both names",
        type="search",
    )
    which = SHOWS.segments("Show", place=shown)
    with order:
        ranked_by = ORDER.box("Rank by")
    with st.expander(
        "Filter by half-life, cost, liquidity, fit and persistence", icon=":material/tune:"
    ):
        first, second = st.columns(5), st.columns(5)
        most_q = _bound(first[0], "Max q", "max_q", 0.0, 1.0, 1.0, 0.01)
        least = _bound(first[1], "Min half-life, bars", "min_life", 0.0, 1e6, 0.0, 1.0)
        most = _bound(first[2], "Max half-life, bars", "max_life", 0.0, 1e6, None, 1.0)
        even = _bound(first[3], "Max break-even z", "max_even", 0.0, 1e6, None, 0.1)
        active = _activity(first[4])
        least_r = _bound(second[0], "Min R\u00b2", "min_r", 0.0, 1.0, 0.0, 0.05)
        corr = _bound(second[1], "Min correlation", "min_corr", -1.0, 1.0, -1.0, 0.05)
        held = _bound(second[2], "Min windows held", "min_held", 0.0, 100.0, 0.0, 1.0)
        if study.held is None and held:
            say.note("Windows have not been scanned yet: open the Windows tab.")
        leads = second[3].toggle(
            "Independent findings only",
            key="leaders",
            bind=URL,
            help="Hides redundant findings, which are implied by more significant ones.",
        )
    chosen = Filter(
        text=str(text or ""),
        only_found=which == "found",
        only_leads=bool(leads),
        most_q=1.0 if most_q is None else most_q,
        least_life=least or 0.0,
        most_life=np.inf if most is None else most,
        most_even=np.inf if even is None else even,
        least_active=active,
        least_r=least_r or 0.0,
        least_corr=-1.0 if corr is None else corr,
        least_held=held or 0.0,
    )
    return chosen, ranked_by


def _activity(place: Any) -> float:
    check_number("min_active", "min activity", 0.0, 1.0)
    given: float = place.slider(
        "Min activity",
        0.0,
        1.0,
        0.0,
        0.01,
        key="min_active",
        bind=URL,
        help="Liquidity proxy: excludes pairs with a leg whose price moved in a smaller share of "
        "bars. A price table has no volume.",
    )
    return given


def _bound(
    place: Any, label: str, name: str, low: float, high: float, usual: float | None, step: float
) -> float | None:
    check_number(name, label.partition(",")[0].lower(), low, high)
    given: float | None = place.number_input(
        label, low, high, usual, step, format="%g", key=name, bind=URL, placeholder="any"
    )
    return given


# The table ------------------------------------------------------------------------------


def frame(study: Study, places: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return what the table shows of some pairs."""
    found, names = study.found, [study.source.called(name) for name in study.found.names]
    columns: dict[str, Any] = {
        "": ["\u25cf" if one else "" for one in study.findings[places]],
        "Y": [names[k] for k in found.y[places]],
        "X": [names[k] for k in found.x[places]],
        "spread": [study.spark(int(place)) for place in places],
    }
    for name, (title, _, _) in COLUMNS.items():
        if name not in found.figures:
            continue
        values = found.figures[name][places]
        if name == "leads":
            columns[title] = ["\u2713" if one else "" for one in values]
        elif name == "half_life":
            columns[title] = np.where(np.isinf(values), np.nan, values)
        else:
            columns[title] = values
    return pd.DataFrame(columns)


def _config(level: float) -> dict[str, Any]:
    text = st.column_config.TextColumn
    config: dict[str, Any] = {
        "": text(width=28, help=f"\u25cf: a finding at FDR {rate(level)}", pinned=True),
        "Y": text(help="dependent leg", pinned=True),
        "X": text(help="hedge leg", pinned=True),
        "spread": st.column_config.LineChartColumn(
            width=150, help="standardised residual over time"
        ),
    }
    for name, (title, form, hint) in COLUMNS.items():
        hint = hint or FIGURE_TEXTS[name]
        if form:
            config[title] = st.column_config.NumberColumn(help=hint, format=form)
        else:
            config[title] = text(help=hint)
    return config


def _table(study: Study, places: npt.NDArray[np.int64]) -> None:
    shown = st.dataframe(
        frame(study, places),
        hide_index=True,
        height=min(38 + 35 * len(places), 388),
        column_config=_config(study.asked.settings.level),
        key="scan_table",
        on_select="rerun",
        selection_mode="single-cell",
        placeholder="\u2013",
    )
    cells = shown.selection.cells
    clicked = (int(cells[0][0]), tuple(cells)) if cells else None
    if clicked is not None and clicked[0] < len(places):
        found, place = study.found, int(places[clicked[0]])
        pair = f"{found.names[found.y[place]]}|{found.names[found.x[place]]}"
        if st.session_state.get("tandem_scan_click") != (clicked[1], pair):
            st.session_state["tandem_scan_click"] = clicked[1], pair
            st.query_params[PAIR] = pair


def _opened(study: Study, first: int) -> int:
    """Return the pair the URL names, the first one listed where it names none of these."""
    y, _, x = st.query_params.get(PAIR, "").partition("|")
    place = study.place_of(y, x) if x else None
    return first if place is None else place

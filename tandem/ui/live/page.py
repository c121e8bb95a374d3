"""The Live page: data quality, signal, cointegration and costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TypeVar

import streamlit as st

from tandem.ingest.service import Ingest
from tandem.pairs.snapshot import Snapshot
from tandem.pairs.snapshot_builder import SnapshotBuilder
from tandem.pairs.tracker import PairTracker
from tandem.ui.alerts import toasts
from tandem.ui.components import Encoded, chart, encoded, pulse, send_whole
from tandem.ui.live import cards, charts, exports
from tandem.ui.live import tables as tables_view
from tandem.ui.live.controls import Refusal, View, choose_pair, sidebar, venue_choice
from tandem.ui.live.shared_figures import SharedFigures
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.canvas import POINTS, Figure
from tandem.ui.shared.links import Choice, say_doubts
from tandem.ui.shared.login import offer_operator
from tandem.ui.shared.state import pace, part, refreshing, session_id, shown

# How long the first drawing of a page waits for a price.
PATIENCE_S = 0.6
TAB = Choice(
    "tab",
    {
        "hedge": "Hedge ratio",
        "flow": "Volume and flow",
        "trades": "Trades",
        "signals": "Signals",
        "export": "Export",
    },
    "hedge",
    "tab",
)
_SLOWER = "Refreshed every {:g} s: this server is behind with the pages that are open."
_FIGURES = SharedFigures()

T = TypeVar("T")


def page() -> None:
    """Draw the page."""
    with st.sidebar:
        pair_place = st.container()
        venue = venue_choice()
        view = sidebar(venue, pair_place) if venue else None
        offer_operator()
    say_doubts()
    if view is None:
        _waiting()
    elif isinstance(view, Refusal):
        _refused(view)
    else:
        _live(view)


def _waiting() -> None:
    """Stand in until `auto` has found a venue."""

    @st.fragment(run_every=0.5)
    def look_again() -> None:
        toasts.show()
        choice = part(Ingest).choice()
        if choice.venue is not None:
            st.rerun()
        pulse({"status": cards.connecting(choice), "watch": []}, key="pulse")

    look_again()


def _refused(refusal: Refusal) -> None:
    """Say why there is nothing to show, and offer what there is."""
    say.problem(refusal.text)
    pairs = refusal.pairs
    instead = ", or open one of these pairs" if pairs else ""
    say.note(f"Nothing else is affected. Change the selection in the sidebar{instead}.")

    @st.fragment(run_every=1.0)
    def offer() -> None:
        toasts.show()
        snapshot = part(SnapshotBuilder).look(session_id(), pairs[0], pairs)
        chips = [cards.chip(row, snapshot.settings) | {"active": False} for row in snapshot.watch]
        chosen = pulse({"status": shown(cards.status(snapshot)), "watch": chips}, key="pulse")
        if chosen:
            choose_pair(chosen)

    if pairs:
        offer()
    else:
        toasts.follow()


def _live(view: View) -> None:
    """Draw everything in one fragment: each one costs the server more than what it shows."""
    still: bool | None = None
    doubts = st.container()
    factor = pace().factor
    every_s = factor * view.refresh_s

    @st.fragment(run_every=every_s)
    def refresh() -> None:
        nonlocal still
        # What is drawn for downloads stays.
        if pace().factor != factor and not still:
            st.rerun()
        toasts.show()
        with refreshing():
            snapshot = _first_look(view)
            if factor > 1:
                snapshot = replace(snapshot, notices=(*snapshot.notices, _SLOWER.format(every_s)))
            chosen = pulse(shown(cards.page(snapshot)), key="pulse")
            if chosen:
                choose_pair(chosen)
            chart(_pair_figure(charts.pair_chart, snapshot, view), key="live-chart")
            tab = TAB.segments("Detail", label_visibility="collapsed", on_change=send_whole)
            was_still, still = still, tab == "export" and _has_bars(snapshot)
            if was_still not in (None, still):
                st.rerun()
            if not still:
                DETAILS[tab](snapshot, view)

    @st.fragment
    def downloads() -> None:
        exports.offer(_look(view))

    refresh()
    # Of the tab, once: the next refresh has nothing to say.
    with doubts:
        say_doubts()
    # A download must not be drawn anew between the click and the file.
    if still:
        downloads()


def _look(view: View) -> Snapshot:
    return part(SnapshotBuilder).look(session_id(), view.settings, view.watchlist)


def _first_look(view: View) -> Snapshot:
    """Return a snapshot; the first one of a session waits a moment for prices.

    A page that is drawn without them has to come back for them, which takes the browser a second
    while it still loads its own parts.
    """
    snapshot = _look(view)
    if st.session_state.get("tandem_looked"):
        return snapshot
    st.session_state["tandem_looked"] = True
    end = time.monotonic() + PATIENCE_S
    while (snapshot.y.trade is None or snapshot.x.trade is None) and time.monotonic() < end:
        time.sleep(0.02)
        snapshot = _look(view)
    return snapshot


def _has_bars(snapshot: Snapshot) -> bool:
    return snapshot.view is not None and bool(len(snapshot.view.columns["time_us"]))


def _pair_figure(draw: Callable[..., Figure], snapshot: Snapshot, view: View) -> Encoded:
    """Return the encoded figure of the bars that are shown."""

    def make() -> Encoded:
        columns, first = _shown(snapshot, view.shown_bars)
        return encoded(draw(columns, snapshot.settings, first, _version(snapshot, view)))

    return _shared(snapshot, (draw.__name__, view.shown_bars), make)


def _shared(snapshot: Snapshot, kind: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """Return what is made of a pair's bars, the same one to every session until the next bar."""
    return make() if snapshot.view is None else _FIGURES.of(snapshot.view, kind, make)


def _shown(snapshot: Snapshot, most: int) -> tuple[charts.Columns, int]:
    """Return the columns to draw, cut to the bars that are shown, and how many came before."""
    if snapshot.view is None:
        return charts.empty(), 0
    columns = snapshot.view.columns
    count = len(columns["time_us"])
    start = max(count - most, 0) if most else 0
    return {
        name: column[start:] for name, column in columns.items()
    }, snapshot.view.bars - count + start


def _version(snapshot: Snapshot, view: View) -> str:
    bars = snapshot.view.bars if snapshot.view else 0
    return f"{snapshot.settings.key}/{view.shown_bars}/{bars}"


def _volume(snapshot: Snapshot, view: View) -> None:
    settings = snapshot.settings
    for leg, side in zip((settings.y, settings.x), st.columns(2), strict=True):
        with side:
            figures = _volume_figures(leg, snapshot, view)
            if figures is None:
                st.info(
                    f"No volume for {f.symbol_of(leg)}: this source provides prices only. Choose a "
                    "leg on an exchange to see volume and order flow."
                )
                continue
            profile, flow = figures
            chart(profile, key=f"profile-{leg}")
            chart(flow, key=f"flow-{leg}")


def _volume_figures(leg: str, snapshot: Snapshot, view: View) -> tuple[Encoded, Encoded] | None:
    """Return a leg's volume by price and by time; None where its source tells no volume."""
    bar_us, version = snapshot.settings.bar_us, _version(snapshot, view)

    def make() -> tuple[Encoded, Encoded] | None:
        end_us = snapshot.now_us // bar_us * bar_us
        start_us = end_us - (view.shown_bars or POINTS) * bar_us
        bars = tables_view.resampled(part(SnapshotBuilder).seconds(leg, start_us, end_us), bar_us)
        if not charts.tells_volume(bars):
            return None
        return (
            encoded(charts.profile_chart(bars, leg, version)),
            encoded(charts.flow_chart(bars, leg, version)),
        )

    return _shared(snapshot, ("volume", leg, view.shown_bars), make)


def _trades(snapshot: Snapshot, view: View) -> None:
    settings = snapshot.settings
    tables_view.tape(part(SnapshotBuilder).tape((settings.y, settings.x), 60))


def _signals(snapshot: Snapshot, view: View) -> None:
    tables_view.position(snapshot)

    def make() -> Encoded:
        # The account is shown from its start, whatever the other charts show.
        columns, first = _shown(snapshot, 0)
        unit = f.quote(snapshot.settings.y)
        return encoded(charts.equity_chart(columns, first, _version(snapshot, view), unit))

    chart(_shared(snapshot, ("equity", view.shown_bars), make), key="equity-chart")
    tables_view.closed_trades(part(PairTracker).trades(snapshot.settings))


DETAILS: dict[str, Callable[[Snapshot, View], None]] = {
    "hedge": lambda snapshot, view: chart(
        _pair_figure(charts.hedge_chart, snapshot, view), key="hedge-chart"
    ),
    "flow": _volume,
    "trades": _trades,
    "signals": _signals,
    "export": lambda snapshot, view: exports.offer(snapshot),
}

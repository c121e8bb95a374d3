"""The Surveillance page: what is unusual now, in which instrument, why, and who was told."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

import streamlit as st

from tandem.alerts.service import Alerts
from tandem.config import Settings
from tandem.core.clock import now_us
from tandem.core.errors import DataError
from tandem.core.instruments import split_instrument
from tandem.ingest.service import Ingest
from tandem.surveillance.monitor import Monitor
from tandem.ui.components import pulse, wall
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.links import Choice, say_doubts
from tandem.ui.shared.login import offer_operator
from tandem.ui.shared.state import part, shown
from tandem.ui.surveillance import overview
from tandem.ui.surveillance import settings as settings_tab
from tandem.ui.surveillance import wording as words
from tandem.ui.surveillance.detail import detail
from tandem.ui.surveillance.overview import Look
from tandem.venues.registry import patience

REFRESH_S = 1.0
# The strip above says what is wrong with a feed.
NOTHING_YET = (
    "Nothing is monitored yet: an instrument appears with its first trade, once its recorded "
    "history has been loaded."
)
TAB = Choice(
    "watch",
    {
        "instrument": "Instruments",
        "alerts": "Alerts",
        "rules": "Rules",
        "channels": "Channels",
        "settings": "Settings",
    },
    "instrument",
    "tab",
)
ORDER = Choice("watch_order", {"steady": "steady", "flagged": "flagged first"}, "steady", "order")
_CHOSEN = "instrument"
_KEPT = "tandem_instrument"
_MOST_ALERTS = 200
_LONGEST_NAME = 120


def page() -> None:
    """Draw the page."""
    tab = TAB.segments("Part", label_visibility="collapsed")
    with st.sidebar:
        st.caption("Every recorded instrument is monitored, whether or not this page is open.")
        order = ORDER.segments("Order", width="stretch")
        offer_operator()
    say_doubts()
    if tab == "instrument":
        _instruments(order == "flagged")
        return
    _strip()
    TABS[tab]()


def _later(name: str) -> Callable[[], None]:
    """Return a tab that is imported when it is chosen."""
    return lambda: import_module(f"tandem.ui.alerts.{name}").draw()


TABS: dict[str, Callable[[], None]] = {
    "alerts": _later("list"),
    "rules": _later("rules"),
    "channels": _later("channels"),
    "settings": settings_tab.draw,
}


# The wall and the detail ----------------------------------------------------------------


def _instruments(is_flagged_first: bool) -> None:
    names = [row.instrument for row in part(Monitor).wall()]
    chosen = _chosen(names)

    @st.fragment(run_every=REFRESH_S)
    def refresh() -> None:
        look = look_at()
        if _is_other(names, [row.instrument for row in look.rows], chosen):
            st.rerun()
        drawn = overview.wall(look, chosen, is_flagged_first)
        _say_state(look, drawn["rows"])
        if not look.rows:
            say.note(NOTHING_YET)
            return
        picked = wall(drawn, key="wall")
        if picked and picked != chosen:
            st.session_state[_KEPT] = picked
            st.rerun()

    refresh()
    if not names:
        return
    settings = part(Monitor).settings
    say.note(
        words.WALL_HELP.format(
            trades=settings.trade_window,
            bars=settings.bar_window,
            limit=settings.anomaly_z,
            hold=overview.HOLD_S,
            alert=overview.ALERT_S // 60,
        )
    )
    with st.container(key="watch-detail"):
        if chosen in names:
            detail(chosen)
        else:
            say.warning(
                f"The link asks for {chosen[:_LONGEST_NAME]}, which is not monitored. Choose one "
                "from the list; an instrument opened on Live is monitored from then on."
            )


def _is_other(before: list[str], now: list[str], chosen: str) -> bool:
    """Tell whether the detail must be drawn anew: its instrument came or went, or the first did."""
    return bool(before) != bool(now) or (chosen in before) != (chosen in now)


def _chosen(names: list[str]) -> str:
    """Return the instrument this session looks at, and put it into the URL.

    A link may name one that is not watched (yet); it may leave the venue out.
    """
    asked = st.session_state.get(_KEPT) or st.query_params.get(_CHOSEN, "")
    if not asked:
        return names[0] if names else ""
    found = asked
    if asked not in names:
        symbols = {f.symbol_of(name).casefold(): name for name in reversed(names)}
        found = symbols.get(asked.casefold(), asked)
    if found in names:
        st.session_state[_KEPT] = found
        st.query_params[_CHOSEN] = found
    return found


# What is looked at ----------------------------------------------------------------------


def look_at() -> Look:
    """Return everything the wall is made of, as of now."""
    monitor = part(Monitor)
    watched, rows = monitor.surveillance, monitor.wall()
    flags = {}
    for row in rows:
        try:
            scores = watched.scores(row.instrument)
        except DataError:
            # It has just left, or the settings have just changed.
            continue
        if reason := overview.recent_flag(scores, watched.settings):
            flags[row.instrument] = reason
    told = part(Alerts).history.recent(_MOST_ALERTS, unacknowledged=True)
    return Look(
        rows=rows,
        settings=watched.settings,
        flags=flags,
        apart=watched.divergences(),
        alerts=[one.alert for one in told],
        stale_s={
            row.instrument: _stale_s(split_instrument(row.instrument)[0], part(Settings))
            for row in rows
        },
        now_us=now_us(),
    )


@lru_cache(maxsize=64)
def _stale_s(venue: str, settings: Settings) -> float:
    return patience(venue, settings).stale_s


def _strip() -> None:
    @st.fragment(run_every=REFRESH_S)
    def refresh() -> None:
        look = look_at()
        _say_state(look, overview.wall(look, "")["rows"])

    refresh()


def _say_state(look: Look, rows: list[overview.Row]) -> None:
    for died in part(Monitor).problems:
        say.problem(shown(died))
    strip = overview.status(look, rows, part(Ingest).statuses())
    pulse({"status": shown(strip), "watch": []}, key="watch-strip")

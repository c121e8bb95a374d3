"""The sidebar: which pair, which model, which thresholds. Every control lives in the URL."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from tandem.backfill.service import BackfillService
from tandem.config import AUTO, Settings
from tandem.core.clock import MINUTE_US
from tandem.core.errors import DataError, FeedError, StoreError
from tandem.core.instruments import split_instrument
from tandem.ingest.service import Ingest
from tandem.pairs.pinned import PinnedPairs
from tandem.pairs.stream import PairSettings
from tandem.pairs.subscriptions import Subscriptions
from tandem.pairs.venue_facts import VenueFacts
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.links import Choice
from tandem.ui.shared.model_controls import REFRESH, SHOW, SHOWN, URL, Controls, model_controls
from tandem.ui.shared.state import is_operator, part
from tandem.venues.registry import offered, tried

MOST_OFFERED = 500


@dataclass(frozen=True)
class View:
    """What this session asked to see."""

    settings: PairSettings
    watchlist: tuple[PairSettings, ...]
    shown_bars: int
    refresh_s: float


@dataclass(frozen=True)
class Refusal:
    """Why what was asked cannot be shown, and pairs that can."""

    text: str
    pairs: tuple[PairSettings, ...]


def sidebar(venue: str, pair_place: DeltaGenerator) -> View | Refusal:
    """Draw the live page's controls, the pair in its place above the venue."""
    offered = _offered(venue)
    _take_chosen_pair(venue)
    y = pair_place.selectbox(
        "Dependent leg (Y)", offered, index=0, key="y", bind=URL, accept_new_options=True
    )
    x = pair_place.selectbox(
        "Hedge leg (X)",
        offered,
        index=1,
        key="x",
        bind=URL,
        accept_new_options=True,
        help="Type a symbol that is not listed; for another venue write e.g. coinbase:BTC-USD.",
    )
    try:
        controls = model_controls()
    except DataError as error:
        return Refusal(str(error), ())
    try:
        settings = _pair(
            controls,
            part(Subscriptions).resolve(venue, y or ""),
            part(Subscriptions).resolve(venue, x or ""),
        )
        watchlist = _watchlist(controls, settings)
    except (DataError, FeedError) as error:
        return Refusal(str(error), _own_pairs(controls, venue))
    if settings.bar_us > controls.bar_us:
        st.caption(
            f"Bar interval raised to {settings.bar_us // MINUTE_US} minutes: prices for one leg "
            "are polled, and shorter bars would only repeat the last price."
        )
    with pair_place:
        _stand(settings)
    shown, refresh = (st.session_state.get(one.name) or one.default for one in (SHOW, REFRESH))
    return View(settings, watchlist, SHOWN[shown], float(refresh))


def _stand(settings: PairSettings) -> None:
    """Let the operator keep a pair running, as it is set now, when this page is closed."""
    if not is_operator():
        return
    own = settings in part(Subscriptions).default_pairs()
    is_on = own or settings in part(PinnedPairs).pairs()
    # A name of its own for each pair and state: the widget shows what is, whoever changed it.
    wanted = st.toggle(
        "Pin to be alerted",
        is_on,
        key=f"stand_{settings.key}_{is_on}",
        disabled=own,
        help="Alerts are raised for pinned pairs only. A pinned pair, with these settings, keeps "
        "running in the background after the page is closed and across restarts."
        + (" Default pairs always run." if own else ""),
    )
    if wanted == is_on:
        return
    try:
        if wanted:
            part(PinnedPairs).add(settings)
        else:
            part(PinnedPairs).remove(settings)
    except (DataError, StoreError) as error:
        say.warning(str(error))
    else:
        st.rerun()


def _offered(venue: str) -> list[str]:
    """Return the symbols to choose from: the recorded ones, then all the venue is known to list."""
    own = [f.symbol_of(name) for name in part(VenueFacts).own_instruments(venue)]
    listed = part(BackfillService).catalogue.search(venue, "", MOST_OFFERED)
    return list(dict.fromkeys([*own, *(listing.symbol for listing in listed)]))


def choose_pair(key: str) -> None:
    """Remember a pair picked outside the sidebar; its widgets take it on the next run."""
    y, _, x = key.partition("|")
    st.session_state["tandem_chosen"] = (y, x)
    st.rerun()


def _take_chosen_pair(venue: str) -> None:
    for key, name in zip("yx", st.session_state.pop("tandem_chosen", ()), strict=False):
        named, symbol = split_instrument(name)
        st.session_state[key] = symbol if named == venue else name


def venue_choice() -> str | None:
    """Draw the venue box; return the venue to show, None while `auto` is still looking."""
    settings = part(Settings)
    titles = {AUTO: "automatic"} | {one.name: one.title for one in offered(settings)}
    choice = Choice("venue", titles, settings.venue, "venue")
    asked = choice.box(
        "Venue",
        help=f"Automatic tries {', '.join(one.title for one in tried())}, then the simulation.",
    )
    return part(Ingest).choice().venue if asked == AUTO else asked


def _watchlist(controls: Controls, current: PairSettings) -> tuple[PairSettings, ...]:
    """Return the watched pairs: the desk's own on this venue, then those this session added."""
    venue = split_instrument(current.y)[0]
    legs = [(pair.y, pair.x) for pair in _own_pairs(controls, venue)]
    added = st.session_state.setdefault("tandem_watch", [])
    if (current.y, current.x) not in legs + added:
        added.append((current.y, current.x))
        del added[:-3]
    legs += [pair for pair in added if split_instrument(pair[0])[0] == venue]
    return tuple(_pair(controls, y, x) for y, x in dict.fromkeys(legs))


def _own_pairs(controls: Controls, venue: str) -> tuple[PairSettings, ...]:
    """Return the desk's own pairs on a venue."""
    return tuple(
        _pair(controls, pair.y, pair.x)
        for pair in part(Subscriptions).default_pairs()
        if split_instrument(pair.y)[0] == venue
    )


def _pair(controls: Controls, y: str, x: str) -> PairSettings:
    """Return a pair under these controls, on bars no shorter than its legs' prices allow."""
    bar_us = part(VenueFacts).least_bar_us(controls.bar_us, y, x)
    return controls.model.extended(PairSettings, y=y, x=x, bar_us=bar_us)


def named(settings: PairSettings) -> str:
    """Return a pair as it is called in headings and file names."""
    return f"{f.symbol_of(settings.y)}-{f.symbol_of(settings.x)}"

"""What Streamlit does not have: a steady chart, status strip, cards, tables, and a wall of prices.

They are Streamlit components (version 2): their JavaScript is called again with new data and
changes what is there instead of replacing it. Their HTML, CSS and JavaScript are files of this
project; outside text reaches them only as data, which they place as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import streamlit as st

from tandem.ui.components import scripts
from tandem.ui.shared import served, state

_DRAWN = "tandem_drawn"


@st.cache_resource(show_spinner=False)
def _mount(name: str) -> Callable[..., Any]:
    """Register a component once per process; a second registration would warn."""
    return st.components.v2.component(
        f"tandem_{name}",
        html=scripts.part(name, "html"),
        js=scripts.loader(name) if state.has_routes() else scripts.script(name),
        isolate_styles=False,
    )


@st.cache_resource(show_spinner=False)
def _serve_plotly() -> None:
    """See to it that the browser can fetch Plotly's script."""
    folder = state.static_folder()
    if folder is not None:
        served.copy_plotly(folder)


def pulse(data: Mapping[str, Any], *, key: str) -> str | None:
    """Show status, watchlist and cards; returns the pair just chosen in the watchlist, if any."""
    chosen: str | None = _mount("pulse")(data=dict(data), key=key, on_pair_change=lambda: None).pair
    return chosen


class Encoded(NamedTuple):
    """A figure as it is sent, and its version, which changes with it."""

    version: str
    content: bytes


def encoded(figure: Mapping[str, Any]) -> Encoded:
    """Return a figure as `chart` sends it; a figure that many sessions show is encoded once."""
    content = orjson.dumps(figure, option=orjson.OPT_SERIALIZE_NUMPY)
    return Encoded(str(figure["version"]), content)


def chart(figure: Mapping[str, Any] | Encoded, *, key: str) -> None:
    """Show a figure from a page's `charts` module and keep the viewer's zoom when it changes.

    A refresh sends a figure that the browser has by its version alone. Where the browser has it
    no longer, it asks for it.
    """
    _serve_plotly()
    whole = figure if isinstance(figure, Encoded) else encoded(figure)
    drawn = st.session_state.setdefault(_DRAWN, {})
    is_known = state.is_refresh() and drawn.get(key) == whole.version
    drawn[key] = whole.version
    _mount("chart")(
        data=orjson.dumps({"version": whole.version}) if is_known else whole.content,
        key=key,
        on_lacks_change=lambda: drawn.pop(key, None),
    )


def send_whole() -> None:
    """Let the next refresh send its figures whole: another tab has none of them on the screen."""
    st.session_state.pop(_DRAWN, None)


def sheets(tables: Sequence[Mapping[str, Any]], *, key: str) -> None:
    """Show tables from a page's `tables` or `wording`; on a narrow screen rows become cards."""
    _mount("sheet")(data={"sheets": [dict(table) for table in tables]}, key=key)


def wall(data: Mapping[str, Any], *, key: str) -> str | None:
    """Show the wall of `tandem.ui.surveillance.overview`; returns the instrument just chosen."""
    chosen: str | None = _mount("wall")(
        data=dict(data), key=key, on_instrument_change=lambda: None
    ).instrument
    return chosen


def ledger(data: Mapping[str, Any], *, key: str) -> tuple[str, str] | None:
    """Show a list from `tandem.ui.alerts.wording`; returns the action just chosen and its row.

    It comes from a browser: whoever uses it asks whether that row and that right are there.
    """
    act = _mount("ledger")(data=dict(data), key=key, on_act_change=lambda: None).act
    if not isinstance(act, list) or len(act) != 2 or not all(isinstance(one, str) for one in act):
        return None
    return act[0], act[1]


def toasts(data: Mapping[str, Any], *, key: str) -> None:
    """Show messages from `tandem.ui.alerts.wording` in a corner of whatever page is open."""
    _mount("toasts")(data=dict(data), key=key)

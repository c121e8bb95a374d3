"""The Data page: is recording going well, what is there, what is missing; then what can be done."""

from __future__ import annotations

import shutil

import streamlit as st

from tandem.core.clock import now_us
from tandem.core.errors import StoreError, StoreInUse, StoreUnusable
from tandem.engine import Engine
from tandem.storage.store import Store
from tandem.ui.components import pulse
from tandem.ui.components import sheets as draw
from tandem.ui.data import tables as sheets
from tandem.ui.data.actions import ACTIONS, ONLY_OPERATOR
from tandem.ui.shared import messages as say
from tandem.ui.shared import state
from tandem.ui.shared.state import engine, is_operator, offer_operator, shown

REFRESH_S = 2.0


def page() -> None:
    """Draw the page."""
    running = engine()
    with st.sidebar:
        st.caption("What is recorded, how well, and what is missing. Times are UTC.")
        offer_operator()
    if moved := st.session_state.pop("tandem_moved", None):
        st.success(say.escaped(moved), icon=":material/check_circle:")
    _refused(running)

    @st.fragment(run_every=REFRESH_S)
    def look() -> None:
        _overview(running)

    look()
    action = st.segmented_control(
        "Action",
        list(ACTIONS),
        default="Export",
        key="action",
        bind="query-params",
        label_visibility="collapsed",
        required=True,
    )
    ACTIONS[action or "Export"](running)


def _overview(running: Engine) -> None:
    for died in running.problems():
        say.problem(shown(died))
    health = running.store.health()
    strip = sheets.status(
        health,
        running.settings.queue_trades,
        _free_bytes(running),
        now_us(),
        running.refusal is not None,
    )
    pulse({"status": shown(strip), "watch": []}, key="record")
    feeds = running.ingest.statuses()
    describe = running.upkeep.catalogue.describe
    lists = {feed.venue: describe(feed.venue) for feed in feeds}
    overview = sheets.overview(
        feeds,
        lists,
        running.holdings(),
        running.upkeep.progress(),
        is_recording=health.state != "reading",
    )
    draw(shown(overview), key="overview")


def _free_bytes(running: Engine) -> int:
    folder = running.settings.database.absolute().parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        # The folder could not be made; the record's own state says so.
        return 0


# A record that is not this process's -----------------------------------------------------


def _refused(running: Engine) -> None:
    """Say why nothing is recorded, and offer the way out that there is."""
    refusal = running.refusal
    said = shown(str(refusal))
    if isinstance(refusal, StoreInUse):
        say.warning(
            f"{said} What it records is shown below and can be exported; prices and signals of "
            "this process go on. Importing, and what is kept, are the other's business."
        )
    elif isinstance(refusal, StoreUnusable):
        say.problem(f"{said} Live prices and signals go on; nothing is recorded.")
        _offer_aside(running)
    elif refusal is not None:
        say.problem(f"{said} Live prices and signals go on; nothing is recorded.")


def _offer_aside(running: Engine) -> None:
    path = running.settings.database
    if not path.exists():
        return
    with st.container(border=True):
        st.markdown("**Move the file aside and begin a new record**")
        say.note(
            f"{path.name} keeps its content under a new name in the same folder; nothing is "
            "deleted. All pages of this desk begin anew."
        )
        if not is_operator():
            say.note(ONLY_OPERATOR)
            return
        agreed = st.checkbox(
            say.escaped(f"Yes, {path.name} may be renamed"), key="aside_agreed", value=False
        )
        if st.button(
            "Move aside", key="aside", disabled=not agreed, icon=":material/drive_file_move:"
        ):
            _move_aside(running)


def _move_aside(running: Engine) -> None:
    try:
        now_at = Store.move_aside(running.settings.database)
    except StoreError as error:
        say.problem(str(error))
        return
    state.close()
    st.session_state["tandem_moved"] = (
        f"The old file is now {now_at}. A new record has begun at {running.settings.database}."
    )
    st.rerun()

"""The Data page: is recording going well, what is there, what is missing; then what can be done."""

from __future__ import annotations

import shutil

import streamlit as st

from tandem.backfill.service import BackfillService
from tandem.config import Settings
from tandem.core.clock import now_us
from tandem.core.errors import StoreError, StoreInUse, StoreUnusable
from tandem.ingest.service import Ingest
from tandem.pairs.snapshot_builder import SnapshotBuilder
from tandem.storage.inventory import Inventory
from tandem.storage.opening import Opened
from tandem.storage.protocols import Database
from tandem.storage.store import Store
from tandem.ui.components import pulse
from tandem.ui.components import sheets as draw
from tandem.ui.data import tables as sheets
from tandem.ui.data.actions import ACTIONS, ONLY_OPERATOR
from tandem.ui.shared import messages as say
from tandem.ui.shared import state
from tandem.ui.shared.login import offer_operator
from tandem.ui.shared.state import is_operator, part, shown

REFRESH_S = 2.0


def page() -> None:
    """Draw the page."""
    with st.sidebar:
        st.caption("Recording status, stored data and gaps. Times are UTC.")
        offer_operator()
    if moved := st.session_state.pop("tandem_moved", None):
        st.success(say.escaped(moved), icon=":material/check_circle:")
    if began := state.taken_over():
        st.success(say.escaped(began), icon=":material/check_circle:")
    _refused()

    st.fragment(_overview, run_every=REFRESH_S)()
    action = st.segmented_control(
        "Action",
        list(ACTIONS),
        default="Export",
        key="action",
        bind="query-params",
        label_visibility="collapsed",
        required=True,
    )
    ACTIONS[action or "Export"]()


def _overview() -> None:
    for died in part(SnapshotBuilder).problems():
        say.problem(shown(died))
    health = part(Database).health()
    strip = sheets.status(
        health,
        part(Settings).queue_trades,
        _free_bytes(),
        now_us(),
        part(Opened).refusal is not None,
    )
    pulse({"status": shown(strip), "watch": []}, key="record")
    feeds = part(Ingest).statuses()
    describe = part(BackfillService).catalogue.describe
    lists = {feed.venue: describe(feed.venue) for feed in feeds}
    overview = sheets.overview(
        feeds,
        lists,
        part(Inventory).now(),
        part(BackfillService).progress(),
        is_recording=health.state != "reading",
    )
    draw(shown(overview), key="overview")


def _free_bytes() -> int:
    folder = part(Settings).database.absolute().parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        # The folder could not be made; the database's own state says so.
        return 0


# A database that is not this process's -----------------------------------------------------


def _refused() -> None:
    """Show why nothing is recorded, and offer the remedy."""
    refusal = part(Opened).refusal
    said = shown(str(refusal))
    if isinstance(refusal, StoreInUse):
        say.warning(
            f"{said} Its data is shown below and can be exported; prices and signals of this "
            "process continue. Import and retention are available only in the recording process. "
            "When that process ends, recording starts here within seconds."
        )
    elif isinstance(refusal, StoreUnusable):
        say.problem(f"{said} Live prices and signals continue; nothing is recorded.")
        _offer_aside()
    elif refusal is not None:
        say.problem(
            f"{said} Live prices and signals continue; nothing is recorded. Recording starts "
            "within seconds once the folder can be written."
        )


def _offer_aside() -> None:
    path = part(Settings).database
    if not path.exists():
        return
    with st.container(border=True):
        st.markdown("***Quarantine the file and start a new database**")
        say.note(
            f"{path.name} is renamed in the same folder with its content intact; nothing is "
            "deleted. All pages restart with an empty database."
        )
        if not is_operator():
            say.note(ONLY_OPERATOR)
            return
        agreed = st.checkbox(
            say.escaped(f"Yes, rename {path.name}"), key="aside_agreed", value=False
        )
        if st.button(
            "Quarantine", key="aside", disabled=not agreed, icon=":material/drive_file_move:"
        ):
            _move_aside()


def _move_aside() -> None:
    database = part(Settings).database
    try:
        now_at = Store.move_aside(database)
    except StoreError as error:
        say.problem(str(error))
        return
    state.close()
    st.session_state["tandem_moved"] = (
        f"The old file is now {now_at}. A new database was created at {database}."
    )
    st.rerun()

"""Actions on the database: export, import, retry backfill, retention."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import streamlit as st

from tandem.config import Settings
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.events import Gap
from tandem.core.instruments import split_instrument
from tandem.storage.archive_import import Importer
from tandem.storage.export import Exporter, Form, Kind, Wanted
from tandem.storage.inventory import Inventory
from tandem.storage.protocols import Database
from tandem.storage.records import Held
from tandem.ui.components import sheets as draw
from tandem.ui.data import tables as sheets
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part, session_id, shown

WORKING_S = 1.0
KINDS: dict[str, Kind] = {"trades": "trades", "bars": "bars", "venue's candles": "candles"}
LENGTHS = {"1 s": SECOND_US, "1 min": MINUTE_US, "5 min": 5 * MINUTE_US, "1 h": HOUR_US}
RANGES = {"last hour": HOUR_US, "last day": DAY_US, "last 7 days": 7 * DAY_US, "all": 0}
CHOSEN = "from \u2026 to"
ONLY_OPERATOR = "Public mode: only the operator can do this; visitors can view and export."


# Export ----------------------------------------------------------------------------------


def _export() -> None:
    held = [one for one in part(Inventory).now().held if one.trades or one.seconds or one.minutes]
    held.sort(key=lambda one: not one.trades)
    if not held:
        say.note("Nothing to export yet.")
        return
    by_name = {one.instrument: one for one in held}
    left, middle, right = st.columns([1.3, 1.1, 0.8])
    name = left.selectbox("Instrument", list(by_name), key="export_instrument")
    one = by_name[name]
    kind = middle.segmented_control(
        "Content", _kinds(one), default=_kinds(one)[0], key="export_kind", required=True
    )
    form = right.segmented_control(
        "Format", ["CSV", "Parquet"], default="CSV", key="export_form", required=True
    )
    left, right = st.columns([1.3, 1.9])
    with left:
        span = _range(one)
    length = None
    if kind == "bars":
        length = right.segmented_control(
            "Bar interval", list(LENGTHS), default="1 s", key="export_length", required=True
        )
    asked = st.button("Export", key="export", type="primary", icon=":material/download:")
    if asked:
        wanted = Wanted(
            name,
            KINDS[kind or "trades"],
            *span,
            cast(Form, (form or "CSV").lower()),
            LENGTHS[length or "1 s"],
        )
        try:
            part(Exporter).export(session_id(), wanted)
        except DataError as error:
            say.problem(str(error))
    _follow_export()


def _kinds(held: Held) -> list[str]:
    """Return what can be exported of an instrument."""
    counts = {"trades": held.trades, "bars": held.seconds, "venue's candles": held.minutes}
    return [kind for kind, count in counts.items() if count]


def _range(held: Held) -> tuple[int, int]:
    chosen = st.segmented_control(
        "Range (UTC)", [*RANGES, CHOSEN], default="last day", key="export_range", required=True
    )
    end_us = max(held.last_us + 1, now_us()) if not held.trades else held.last_us + 1
    if chosen != CHOSEN:
        length_us = RANGES[chosen or "all"]
        # Candles and kept bars may begin long before the first trade that is there.
        return (end_us - length_us, end_us) if length_us else (0, end_us)
    begin, end = st.columns(2)
    with begin:
        start = _moment("From", "export_from", max(held.first_us, end_us - DAY_US))
    with end:
        stop = _moment("To", "export_to", end_us + MINUTE_US)
    return start, stop


def _moment(label: str, key: str, default_us: int) -> int:
    default = datetime.fromtimestamp(default_us // SECOND_US // 60 * 60, UTC).replace(tzinfo=None)
    given = st.datetime_input(label, default, key=key, step=60)
    moment = given or default
    return int(moment.replace(tzinfo=UTC).timestamp()) * SECOND_US


def _follow_export() -> None:
    @st.fragment(run_every=WORKING_S)
    def follow() -> None:
        now = part(Exporter).of(session_id())
        if now is None:
            return
        table = sheets.exported(now, part(Exporter).waiting_before(session_id()))
        if now.state == "failed":
            say.problem(table["note"])
            return
        draw([table], key="export-files")
        if now.is_going_on and st.button("Stop", key="export_end", icon=":material/close:"):
            part(Exporter).drop(session_id())
            st.rerun()

    follow()


# Import ----------------------------------------------------------------------------------


def _import() -> None:
    if not is_operator():
        say.note(ONLY_OPERATOR)
        return
    health = part(Database).health()
    if health.state != "recording":
        say.warning(f"Import is not possible now. {health.text}")
        return
    say.note(
        "A vendor's trade archive: Binance aggTrades or trades as CSV, plain, zipped or gzipped, "
        "or trades exported here as CSV or Parquet. Trades are identified by venue ids: duplicates "
        "are ignored, and an interrupted import can be repeated."
    )
    names = [one.instrument for one in part(Inventory).now().held]
    left, right = st.columns([1, 1.4])
    name = left.selectbox(
        "Instrument",
        names,
        index=None,
        placeholder="choose or type venue:SYMBOL",
        key="import_instrument",
        accept_new_options=True,
    )
    file = right.file_uploader(
        "Archive", key="import_file", max_upload_size=part(Settings).upload_mb
    )
    ready = bool(name) and file is not None
    if file is not None and not name:
        say.note("Choose the instrument; for trades exported here it is part of the file name.")
    if st.button("Import", key="import", disabled=not ready, icon=":material/upload:"):
        _start_import(file, str(name))
    _follow_import()


def _start_import(file: Any, name: str) -> None:
    try:
        venue, symbol = split_instrument(name.strip())
        part(Importer).start(file, file.name, f"{venue}:{symbol}")
    except (DataError, StoreError) as error:
        say.problem(str(error))


def _follow_import() -> None:
    @st.fragment(run_every=WORKING_S)
    def follow() -> None:
        now = part(Importer).now()
        if now is None:
            return
        table = sheets.imported(now)
        if now.state == "failed":
            say.problem(table["note"])
            return
        draw([table], key="import-report")
        if now.state == "running" and st.button("Stop", key="import_end"):
            part(Importer).end()

    follow()


# Retention ----------------------------------------------------------------------------


def _keep() -> None:
    kept = part(Database).health().kept
    if not is_operator():
        say.note(ONLY_OPERATOR)
    say.note(
        "0 keeps everything. Older data is deleted in small batches without blocking recording; "
        "bars are kept at least as long as their trades. Deletion cannot be undone."
    )
    may = is_operator() and part(Database).health().state == "recording"
    columns = st.columns(3)
    with columns[0]:
        days = _limit("Trades, days", "keep_days", kept.days, may)
    with columns[1]:
        bars_days = _limit("Bars and candles, days", "keep_bars_days", kept.bars_days, may)
    with columns[2]:
        gigabytes = _limit("Total size, GB", "keep_gb", kept.gigabytes, may)
    changed = (days, bars_days, gigabytes) != (kept.days, kept.bars_days, kept.gigabytes)
    agreed = _agreed(days, bars_days, gigabytes) if changed and may else False
    if st.button("Apply", key="keep", disabled=not (changed and may and agreed)):
        try:
            part(Database).keep(days, bars_days, gigabytes)
        except (DataError, StoreError) as error:
            say.problem(str(error))
            return
        st.rerun()
    say.note("Applies until restart; to make it permanent, add these lines to .env:")
    st.code(
        f"TANDEM_KEEP_DAYS={days:g}\nTANDEM_KEEP_BARS_DAYS={bars_days:g}\n"
        f"TANDEM_KEEP_GB={gigabytes:g}",
        language=None,
    )


def _limit(label: str, key: str, value: float, may: bool) -> float:
    given = st.number_input(
        label, min_value=0.0, value=float(value), step=1.0, key=key, disabled=not may, format="%g"
    )
    return float(given)


def _agreed(days: float, bars_days: float, gigabytes: float) -> bool:
    """Ask before anything goes; True where nothing does."""
    held = part(Inventory).now().held
    now = now_us()
    losses = []
    for what, limit in (("trades", days), ("bars", bars_days)):
        edge_us, losing = sheets.kept_from(held, limit, now)
        if limit and losing:
            losses.append(
                f"{what} before {f.day_clock(edge_us)} UTC for {f.plural(losing, 'instrument')}"
            )
    if gigabytes and part(Database).health().bytes > gigabytes * 1e9:
        losses.append(f"the oldest data until {gigabytes:g} GB remain")
    if not losses:
        return True
    return st.checkbox(say.escaped(f"Delete {' and '.join(losses)}"), key="keep_agreed")


# Retry backfill ---------------------------------------------------------------------------


def _fill() -> None:
    say.note(
        "Open gaps are backfilled automatically, pairs on screen first. Lost gaps can be retried, "
        "for example after a venue outage."
    )
    if not is_operator():
        say.note(ONLY_OPERATOR)
        return
    lost: dict[str, list[Gap]] = {}
    for gap in part(Inventory).now().missing:
        if gap.state == "lost":
            lost.setdefault(gap.instrument, []).append(gap)
    if not lost:
        say.note("There are no lost gaps.")
        return
    left, right = st.columns([1.3, 1.9], vertical_alignment="bottom")
    name = left.selectbox("Instrument", list(lost), key="fill_instrument")
    count = len(lost[name])
    label = f"Retry {f.plural(count, 'lost gap')}"
    asked = right.button(label, key="fill", icon=":material/refresh:")
    if asked:
        _ask_again(lost[name])


def _ask_again(gaps: list[Gap]) -> None:
    health = part(Database).health()
    if health.state != "recording":
        say.problem(f"Backfill is not possible now. {shown(health.text)}")
        return
    try:
        for gap in gaps:
            part(Database).replace_gap(gap, [gap._replace(state="open")])
    except StoreError as error:
        say.problem(str(error))
        return
    say.note("The gaps are open again and queued for backfill; see the table above for progress.")


ACTIONS: dict[str, Callable[[], None]] = {
    "Export": _export,
    "Import": _import,
    "Retry backfill": _fill,
    "Retention": _keep,
}

"""Where a backtest's bars come from: files, the database, or the bundled example."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import streamlit as st

from tandem.backtest.examples import crude
from tandem.backtest.files import aligned, suspect_prices
from tandem.backtest.run import bar_length
from tandem.backtest.trials import data_set_key
from tandem.config import Settings
from tandem.core.bars import align
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.instruments import split_instrument
from tandem.core.startup import HeavyWork
from tandem.io.files import read
from tandem.io.model import Table
from tandem.io.pairing import legs_offered, pair_from
from tandem.pairs.snapshot_builder import SnapshotBuilder
from tandem.storage.inventory import Inventory
from tandem.storage.records import Held
from tandem.ui.backtest.files import asked_for, called, read_files
from tandem.ui.backtest.source import Source
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.links import Choice
from tandem.ui.shared.model_controls import BARS, URL
from tandem.ui.shared.state import part
from tandem.venues.registry import patience

MOST_BARS = 200_000
LONGEST_US = 366 * DAY_US

FILES, DATABASE, EXAMPLE, SCANNED = "Files", "Database", "Example", "Scanner"
RANGES = {"hour": HOUR_US, "day": DAY_US, "week": 7 * DAY_US, "all": LONGEST_US}
CHOSEN = "exact"
RANGE = Choice(
    "record_range",
    {
        **{"hour": "last hour", "day": "last day", "week": "last 7 days", "all": "all"},
        CHOSEN: "from \u2026 to",
    },
    "day",
    "range",
)


def choose() -> Source | None:
    """Let the viewer choose; None, with the reason on screen, where there is nothing to test."""
    offered = [FILES, DATABASE, EXAMPLE]
    if "tandem_scanned_pair" in st.session_state:
        offered.append(SCANNED)
    asked = st.segmented_control(
        "Data source",
        offered,
        default=FILES,
        key="from",
        bind=URL,
        required=True,
        help="Files: your own CSV. Database: recorded by this deployment. Example: monthly "
        "crude oil, WTI vs Brent, 1987 to 2020. Scanner: the pair opened there.",
    )
    try:
        if asked == DATABASE:
            return _from_database()
        if asked == EXAMPLE:
            return _example("Bundled example")
        if asked == SCANNED:
            return _scanned()
        return _from_files()
    except DataError as error:
        say.problem(str(error))
    except StoreError as error:
        say.problem(f"The database cannot be read: {error}")
    return None


def _remembered(key: tuple[Any, ...], make: Callable[[], Source]) -> Source:
    """Return the source made last if it is the one asked for, else make it in its place."""
    memory = st.session_state
    if memory.get("tandem_source_key") != key:
        memory.pop("tandem_source", None)
        memory["tandem_source"], memory["tandem_source_key"] = make(), key
    source: Source = memory["tandem_source"]
    return source


def _example(said: str) -> Source:
    def make() -> Source:
        bars, y, x = part(HeavyWork).run(crude)
        bar_us = bar_length(bars.time_us) // SECOND_US * SECOND_US
        told = (
            "Bundled example: monthly spot prices of crude oil in USD per barrel, WTI vs "
            "Brent, May 1987 to January 2020 (US Energy Information Administration).",
        )
        key = data_set_key(bars)
        return Source(f"example:{y}", f"example:{x}", bars, bar_us, told, key)

    source = _remembered(("example",), make)
    say.note(
        f"{said}: WTI vs Brent crude oil, USD per barrel, monthly bars from 1987 to 2020. Bars "
        "have a single price, so orders fill at the next month's price."
    )
    return source


def _scanned() -> Source:
    """Return the pair that was opened on the Scanner page: a title, and a column for each leg."""
    title, prices = st.session_state["tandem_scanned_pair"]

    def make() -> Source:
        table = read(prices.to_csv(float_format="%.12g").encode(), title)
        y, x = table.instruments[:2]
        return _paired([table], y, x, _bar_us())

    source = _remembered(("scanned", title, *prices.columns), make)
    say.note(
        f"From the Scanner page: {title}. Bars have a single price, so orders fill at the next one."
    )
    return source


# Files ----------------------------------------------------------------------------------


def _from_files() -> Source | None:
    found = read_files()
    if found is None:
        return _example("Showing the bundled example until files are uploaded above")
    names, others = legs_offered(found) if found else ([], [])
    if len(names) < 2:
        if found:
            say.warning(
                "Only one instrument found; a pair needs two. Add a file, or use one with two "
                "price columns."
            )
        return None
    with st.sidebar:
        y = _leg_box("Dependent leg (Y)", names, "file_y", called)
        x = _leg_box("Hedge leg (X)", [name for name in others if name != y], "file_x", called)
        if any(not table.interval_us for table in found):
            _bar_control()
    chosen_us = _bar_us()
    key = ("files", *asked_for(), y, x, chosen_us)
    return _remembered(key, lambda: _paired(found, y, x, chosen_us))


def _bar_control() -> None:
    st.segmented_control(
        "Bar", list(BARS), default="1m", key="file_bar", bind=URL, width="stretch", required=True
    )


def _bar_us() -> int:
    return BARS[st.session_state.get("file_bar") or "1m"] * SECOND_US


def _paired(found: list[Table], y: str, x: str, chosen_us: int) -> Source:
    y_bars, x_bars, interval_us = pair_from(found, y, x, chosen_us, MOST_BARS)
    bars = aligned(y_bars, x_bars, interval_us, MOST_BARS)
    told = (*(one.report.kept_text for one in found), *suspect_prices(bars, called(y), called(x)))
    return Source(y, x, bars, interval_us, told, data_set_key(bars))


# The database -----------------------------------------------------------------------------


def _from_database() -> Source | None:
    held = {
        one.instrument: one
        for one in part(Inventory).now().held
        if one.trades or one.seconds or one.minutes
    }
    names = sorted(held, key=lambda name: -(held[name].seconds + 60 * held[name].minutes))
    if len(names) < 2:
        say.warning(
            f"The database holds {len(names)} instruments; a pair needs two. Let the Live page run "
            "for a while, or import an archive on the Data page."
        )
        return None
    with st.sidebar:
        y = _leg_box("Dependent leg (Y)", names, "record_y")
        x = _leg_box("Hedge leg (X)", [name for name in names if name != y], "record_x")
        _bar_control()
    bar_us = _bar_us()
    chosen, start_us, end_us = _range(held[y], held[x])
    if chosen != CHOSEN and st.button(
        "Update to now", key="record_again", icon=":material/refresh:"
    ):
        st.session_state.pop("tandem_source_key", None)
    key = ("record", y, x, bar_us, chosen, start_us, end_us)

    def make() -> Source:
        if chosen == CHOSEN:
            return _recorded(y, x, bar_us, start_us, end_us)
        # Whole minutes, as the boxes of a range that is kept hold them.
        end = now_us() // MINUTE_US * MINUTE_US
        return _recorded(y, x, bar_us, end - RANGES[chosen], end)

    with st.spinner("Loading from the database"):
        source = _remembered(key, make)
    if chosen != CHOSEN and source.range_us is not None:
        st.button(
            "Pin this range in the link",
            key="record_keep",
            on_click=_keep_range,
            args=source.range_us,
            icon=":material/link:",
            help="The link then reopens exactly these bars; until then the range is relative to "
            "when it is opened.",
        )
    return source


def _keep_range(start_us: int, end_us: int) -> None:
    st.session_state[RANGE.name] = CHOSEN
    for key, time_us in (("record_from", start_us), ("record_to", end_us)):
        st.session_state[key] = f.minute(time_us)


def _leg_box(label: str, names: list[str], key: str, called: Callable[[str], str] = str) -> str:
    """Draw a leg's box; what it holds is in the URL, also where it is the first offered.

    Which one that is depends on what is recorded or dropped, and a link must not.
    """
    memory, asked = st.session_state, st.query_params.get(key)
    if memory.get(key) not in names:
        memory[key] = asked if asked in names else names[0]
    chosen = st.selectbox(label, names, key=key, format_func=called, persist_state="session")
    st.query_params[key] = chosen
    return str(chosen)


def _range(y: Held, x: Held) -> tuple[str, int, int]:
    """Return which range of the database is wanted: its name, and where it is exact, its ends."""
    chosen = RANGE.segments("Range (UTC)", width="content")
    if chosen != CHOSEN:
        return chosen, 0, 0
    first, last = max(y.first_us, x.first_us), min(y.last_us, x.last_us)
    begin, end = st.columns(2)
    start_us = _moment(begin, "From", "record_from", max(first, last - DAY_US))
    return chosen, start_us, _moment(end, "To", "record_to", last + MINUTE_US)


def _moment(place: Any, label: str, key: str, default_us: int) -> int:
    """Draw a box for a time in whole minutes; it is in the URL, the usual one too."""
    memory = st.session_state
    if memory.get(key) is None:
        memory[key] = _asked_moment(key) or f.minute(default_us)
    given: datetime = place.datetime_input(label, key=key, step=60, persist_state="session")
    given = given or f.minute(default_us)
    st.query_params[key] = given.isoformat(timespec="minutes")
    return int(given.replace(tzinfo=UTC).timestamp()) * SECOND_US


def _asked_moment(key: str) -> datetime | None:
    """Return the time a link asks for; None where it asks for none that a database could hold."""
    try:
        asked = datetime.fromisoformat(st.query_params.get(key, ""))
    except ValueError:
        return None
    if asked.tzinfo is not None or not 2000 <= asked.year < 2100:
        return None
    return asked.replace(second=0, microsecond=0)


def _recorded(y: str, x: str, bar_us: int, start_us: int, end_us: int) -> Source:
    legs = [_leg(name, bar_us, start_us, end_us) for name in (y, x)]
    for name, leg in zip((y, x), legs, strict=True):
        if not len(leg):
            raise DataError(
                f"No data for {name} between {f.day_clock(start_us)} and "
                f"{f.day_clock(end_us)} UTC; choose a longer range."
            )
    begin = max(int(leg["time_us"][0]) for leg in legs)
    end = min(int(leg["time_us"][-1]) for leg in legs) + bar_us
    count = (end - begin) // bar_us
    if count < 2 or count > MOST_BARS:
        raise DataError(
            f"The legs have {max(count, 0):,} bars in common; this page supports 2 to "
            f"{MOST_BARS:,}. Choose another range or bar interval."
        )
    stale_s = max(patience(split_instrument(leg)[0], part(Settings)).stale_s for leg in (y, x))
    bars = align(legs[0], legs[1], bar_us, begin, end, int(stale_s * SECOND_US))
    told = f"Recorded history: {y} vs {x}, {f.day_clock(begin)} to {f.day_clock(end)} UTC."
    key = data_set_key(bars)
    notes = (told, *suspect_prices(bars, y, x))
    return Source(y, x, bars, bar_us, notes, key, (start_us, end_us))


def link_sentence(source: Source) -> str:
    """Say what the browser's address reopens."""
    if source.range_us is not None and st.session_state.get(RANGE.name) == CHOSEN:
        return (
            "The page address links to this study: legs, range and every setting. It works as long "
            "as these bars are retained."
        )
    if source.range_us is not None:
        return (
            "The page address links to these legs and settings; the range is relative to when it "
            "is opened. \u201cPin this range in the link\u201d above fixes it to these bars."
        )
    if source.y.startswith("example:"):
        return "The page address links to this study."
    return (
        "The page address holds legs and settings, but not the files: upload the same files first "
        "when opening it. The fingerprint in the settings shows whether the bars are identical."
    )


def _leg(name: str, bar_us: int, start_us: int, end_us: int) -> np.ndarray:
    held = next(one for one in part(Inventory).now().held if one.instrument == name)
    return part(SnapshotBuilder).bars(name, bar_us, max(start_us, held.first_us), end_us)

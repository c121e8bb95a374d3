"""Where a backtest's bars come from: files, the record, or the bundled example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import streamlit as st

import tables
import trading
from bars import AlignedBars, align, resample, with_candles
from ingest import patience
from market import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    SECOND_US,
    SIMULATED_VENUE,
    DataError,
    StoreError,
    now_us,
    split_instrument,
)
from storage import Held
from ui import format as f
from ui import say
from ui.backtest_files import asked_for, called, read_files
from ui.controls import BARS, URL
from ui.state import engine

MOST_BARS = 200_000
# The record is read and shortened piece by piece: a week of seconds is never in memory at once.
PIECE_US = 6 * HOUR_US
LONGEST_US = 366 * DAY_US

FILES, RECORD, EXAMPLE = "Files", "Record", "Example"
RANGES = {"last hour": HOUR_US, "last day": DAY_US, "last 7 days": 7 * DAY_US, "all": 0}
CHOSEN = "from \u2026 to"


@dataclass(frozen=True)
class Source:
    """Two legs on one grid, and where they come from.

    Attributes
    ----------
    y, x : str
        Instruments.
    bars : AlignedBars
    bar_us : int
    told : tuple of str
        Sentences about the origin, for the screen and the report; text from outside.
    key : str
        See `trading.data_set_key`.
    """

    y: str
    x: str
    bars: AlignedBars
    bar_us: int
    told: tuple[str, ...]
    key: str

    @property
    def is_simulated(self) -> bool:
        """Whether a leg's prices were made up by the simulated market."""
        return SIMULATED_VENUE in {leg.partition(":")[0] for leg in (self.y, self.x)}


def choose() -> Source | None:
    """Let the viewer choose; None, with the reason on screen, where there is nothing to test."""
    asked = st.segmented_control(
        "Test a pair from",
        [FILES, RECORD, EXAMPLE],
        default=FILES,
        key="from",
        bind=URL,
        required=True,
        help="Files: your own CSV. Record: what this desk has recorded. Example: monthly crude "
        "oil, WTI priced in Brent, 1987 to 2020.",
    )
    try:
        if asked == RECORD:
            return _from_record()
        if asked == EXAMPLE:
            return _example("The bundled example")
        return _from_files()
    except DataError as error:
        say.problem(str(error))
    except StoreError as error:
        say.problem(f"The record cannot be read: {error}")
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
        bars, y, x = engine().run_heavy(trading.crude)
        bar_us = int(np.median(np.diff(bars.time_us)))
        bar_us -= bar_us % SECOND_US
        told = (
            "Bundled example: monthly spot prices of crude oil in dollars a barrel, WTI priced in "
            "Brent, May 1987 to January 2020 (US Energy Information Administration).",
        )
        key = trading.data_set_key(bars)
        return Source(f"example:{y}", f"example:{x}", bars, bar_us, told, key)

    source = _remembered(("example",), make)
    say.note(
        f"{said}: WTI priced in Brent, crude oil, dollars a barrel, one bar a month from 1987 to "
        "2020. A bar has one price, so an order fills at the next month's."
    )
    return source


# Files ----------------------------------------------------------------------------------


def _from_files() -> Source | None:
    found = read_files()
    if found is None:
        return _example("Until files are dropped above, this is the bundled example")
    names = list(dict.fromkeys(name for table in found for name in table.instruments))
    if len(names) < 2:
        if found:
            say.warning(
                "One instrument was found; a pair needs two. Add a file, or use one with two price "
                "columns."
            )
        return None
    with st.sidebar:
        y = st.selectbox("Y, priced in X", names, key="file_y", format_func=called)
        # The second file's instrument first: that is what it was added for.
        others = [*found[-1].instruments, *names] if len(found) > 1 else names
        others = [name for name in dict.fromkeys(others) if name != y]
        x = st.selectbox("X, the hedge", others, key="file_x", format_func=called)
        if any(not table.interval_us for table in found):
            _bar_control()
    if y is None or x is None:
        return None
    chosen_us = _bar_us()
    key = ("files", *asked_for(), y, x, chosen_us)
    return _remembered(key, lambda: _paired(found, y, x, chosen_us))


def _bar_control() -> None:
    st.segmented_control(
        "Bar", list(BARS), default="1m", key="file_bar", bind=URL, width="stretch", required=True
    )


def _bar_us() -> int:
    return BARS[st.session_state.get("file_bar") or "1m"] * SECOND_US


def _paired(found: list[tables.Table], y: str, x: str, chosen_us: int) -> Source:
    y_bars, x_bars, interval_us = tables.pair_from(found, y, x, chosen_us)
    bars = trading.aligned(y_bars, x_bars, interval_us, MOST_BARS)
    told = tuple(
        f"{one.report.name}: {one.report.rows_kept:,} of {one.report.rows_read:,} rows kept"
        for one in found
    )
    return Source(y, x, bars, interval_us, told, trading.data_set_key(bars))


# The record -----------------------------------------------------------------------------


def _from_record() -> Source | None:
    held = {
        one.instrument: one
        for one in engine().holdings().held
        if one.trades or one.seconds or one.minutes
    }
    names = sorted(held, key=lambda name: -(held[name].seconds + 60 * held[name].minutes))
    if len(names) < 2:
        say.warning(
            f"The record holds {len(names)} instruments; a pair needs two. Let the Live page run "
            "for a while, or import an archive on the Data page."
        )
        return None
    with st.sidebar:
        y = st.selectbox("Y, priced in X", names, key="record_y", bind=URL)
        others = [name for name in names if name != y]
        x = st.selectbox("X, the hedge", others, key="record_x", bind=URL)
        _bar_control()
    if y is None or x is None:
        return None
    bar_us = _bar_us()
    range_us, again = _range(held[y], held[x])
    if again:
        st.session_state.pop("tandem_source_key", None)
    key = ("record", y, x, bar_us, *range_us)
    with st.spinner("Reading the record"):
        return _remembered(key, lambda: _recorded(y, x, bar_us, *range_us))


def _range(y: Held, x: Held) -> tuple[tuple[str, int, int], bool]:
    """Return which range of the record is asked for, and whether to read it anew."""
    chosen = (
        st.segmented_control(
            "Range (UTC)",
            [*RANGES, CHOSEN],
            default="last day",
            key="record_range",
            bind=URL,
            required=True,
        )
        or "last day"
    )
    if chosen == CHOSEN:
        first, last = max(y.first_us, x.first_us), min(y.last_us, x.last_us)
        begin, end = st.columns(2)
        start_us = _moment(begin, "From", "record_from", max(first, last - DAY_US))
        return (chosen, start_us, _moment(end, "To", "record_to", last + MINUTE_US)), False
    again = st.button("Read to now", key="record_again", icon=":material/refresh:")
    return (chosen, RANGES[chosen], 0), again


def _moment(place: Any, label: str, key: str, default_us: int) -> int:
    default = datetime.fromtimestamp(default_us // MINUTE_US * 60, UTC).replace(tzinfo=None)
    given = place.datetime_input(label, default, key=key, step=60) or default
    return int(given.replace(tzinfo=UTC).timestamp()) * SECOND_US


def _recorded(y: str, x: str, bar_us: int, chosen: str, first: int, last: int) -> Source:
    end_us = last if chosen == CHOSEN else now_us()
    start_us = first if chosen == CHOSEN else end_us - (first or LONGEST_US)
    legs = [_leg(name, bar_us, start_us, end_us) for name in (y, x)]
    for name, leg in zip((y, x), legs, strict=True):
        if not len(leg):
            raise DataError(
                f"Nothing of {name} is recorded between {f.day_clock(start_us)} and "
                f"{f.day_clock(end_us)} UTC; choose a longer range."
            )
    begin = max(int(leg["time_us"][0]) for leg in legs)
    end = min(int(leg["time_us"][-1]) for leg in legs) + bar_us
    count = (end - begin) // bar_us
    if count < 2 or count > MOST_BARS:
        raise DataError(
            f"The legs have {max(count, 0):,} bars in common; this page follows 2 to "
            f"{MOST_BARS:,}. Choose another range or another bar."
        )
    stale_s = max(patience(split_instrument(leg)[0], engine().settings).stale_s for leg in (y, x))
    bars = align(legs[0], legs[1], bar_us, begin, end, int(stale_s * SECOND_US))
    told = f"Recorded history: {y} priced in {x}, {f.day_clock(begin)} to {f.day_clock(end)} UTC."
    return Source(y, x, bars, bar_us, (told,), trading.data_set_key(bars))


def _leg(name: str, bar_us: int, start_us: int, end_us: int) -> np.ndarray:
    """Return a leg's bars, made of seconds and, in bars of whole minutes, of candles for holes."""
    held = next(one for one in engine().holdings().held if one.instrument == name)
    start_us = max(start_us, held.first_us) // bar_us * bar_us
    # The bar that still runs is left out.
    end_us = end_us // bar_us * bar_us
    parts = []
    for piece in range(start_us, end_us, PIECE_US - PIECE_US % bar_us):
        stop = min(piece + PIECE_US - PIECE_US % bar_us, end_us)
        seconds = engine().seconds(name, piece, stop)
        if bar_us % MINUTE_US == 0:
            seconds = with_candles(seconds, engine().store.candles(name, piece, stop))
        parts.append(resample(seconds, bar_us))
    return np.concatenate(parts) if parts else engine().seconds(name, start_us, start_us)

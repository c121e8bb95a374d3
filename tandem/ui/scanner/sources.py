"""Where a scan's prices come from: a file, the database, or the bundled simulated universe.

A source is a callable without arguments that draws its own controls and returns a `Source`, or
None, with the reason on screen, where there is nothing to scan yet. Another is added to `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.instruments import SIMULATED_VENUE, split_instrument
from tandem.core.jobs import Job
from tandem.core.parallel import Watch
from tandem.io.model import ACCEPT_LOSS, LOSS_ADVICE, Corrections
from tandem.pairs.snapshot_builder import SnapshotBuilder
from tandem.scanner.files import Universe, read_universe
from tandem.scanner.live.minute_prices import Minutes
from tandem.scanner.simulated import simulated
from tandem.storage.inventory import Inventory
from tandem.storage.records import Held
from tandem.ui.data.actions import ONLY_OPERATOR
from tandem.ui.scanner.source import Source
from tandem.ui.scanner.venue import frame, watched
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.jobs import begin, follow
from tandem.ui.shared.links import Choice
from tandem.ui.shared.model_controls import BARS
from tandem.ui.shared.state import is_operator, part, upload_limit_mb, warn_of_room

Floats = npt.NDArray[np.float64]

# More make a table that a page should not hold; `python scanner.py` takes them.
MOST_INSTRUMENTS = 1_000
MOST_BARS = 50_000
_GUESS = Corrections()
RANGES = {"hour": HOUR_US, "day": DAY_US, "week": 7 * DAY_US, "month": 30 * DAY_US}

FROM = Choice(
    "scan_from",
    {"simulated": "Simulated", "file": "File", "record": "Database", "venue": "Venue"},
    "simulated",
    "source",
)
BAR = Choice("scan_bar", {name: name for name in BARS}, "1m", "bar")
RANGE = Choice(
    "scan_range",
    {"hour": "hour", "day": "day", "week": "7 days", "month": "30 days"},
    "day",
    "range",
)


def choose() -> Source | None:
    """Let the viewer choose; None, with the reason on screen, where there is nothing to scan."""
    asked = FROM.segments(
        "Data source",
        help="Simulated: 60 synthetic instruments with a few known cointegrated pairs. File: a "
        "CSV with a time column and one price column per instrument. Database: every recorded "
        "instrument. Venue: everything a venue trades, monitored and rescanned periodically.",
    )
    try:
        return SOURCES[asked]()
    except DataError as error:
        say.problem(str(error))
    except StoreError as error:
        say.problem(f"The database cannot be read: {error}")
    return None


# The simulated universe -----------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _bundled() -> Source:
    made = simulated()
    count = len(made.prices.columns)
    return Source(f"{count} simulated instruments", made.prices, True, built_in=made)


def _from_simulation() -> Source:
    return _bundled()


# A file ---------------------------------------------------------------------------------


@dataclass(eq=False)
class _File:
    """A file dropped here, kept while other pages are looked at."""

    file_id: str
    name: str
    job: Job
    source: Source | None = None
    # Until it is read: for reading it again, its loss accepted.
    raw: bytes = b""


def _from_file() -> Source | None:
    if not is_operator():
        say.note(f"{ONLY_OPERATOR} Anyone can scan the simulated universe.")
        return None
    memory = st.session_state
    limit = upload_limit_mb(is_operator())
    given = st.file_uploader(
        "A file with a time column and one price column per instrument, or a list of bars: CSV, "
        "TXT or TSV, plain, zipped or gzipped, or Parquet",
        max_upload_size=limit,
        key="scan_file",
    )
    warn_of_room(limit)
    last: _File | None = memory.get("tandem_scan_file")
    if given is not None and (last is None or last.file_id != given.file_id):
        last = memory["tandem_scan_file"] = _begun(given, last)
    if last is None:
        say.note(
            "The first column holds times, each other column one instrument's prices; empty cells "
            "are missing prices and are not filled."
        )
        return None
    if last.job.is_going_on:
        follow(last.job, "scan_reading", f"Reading {last.name}")
        return None
    if last.job.state != "done":
        say.problem(f"{last.name}: {last.job.text or 'reading was cancelled.'}")
        if last.raw and LOSS_ADVICE in (last.job.text or ""):
            st.checkbox(ACCEPT_LOSS, key="scan_accept_loss", on_change=_accept, args=(last,))
        return None
    if last.source is None:
        last.raw = b""
        prices, notes, loss = last.job.result
        last.source = Source(last.name, _checked(prices), notes=notes, loss=loss)
    if given is None:
        say.note(f"Using the earlier upload {last.name}. Upload another file to replace it.")
    return last.source


def _begun(given: Any, last: _File | None) -> _File | None:
    """Begin to read a file in place of the last one."""
    if last is not None:
        last.job.cancel()
    raw, name = given.getvalue(), given.name
    begun = _File(given.file_id, name, begin(partial(_read, raw, name), "read"), raw=raw)
    with st.spinner(f"Reading {say.escaped(name)}"):
        begun.job.wait(3.0)
    return begun


def _accept(last: _File) -> None:
    """Read a file again, whatever it loses."""
    told = Corrections(accept_loss=True)
    job = begin(partial(_read, last.raw, last.name, corrections=told), "read")
    st.session_state["tandem_scan_file"] = _File(last.file_id, last.name, job, raw=last.raw)


def _read(raw: bytes, name: str, watch: Watch, corrections: Corrections = _GUESS) -> Universe:
    found = read_universe(raw, name, watch, corrections)
    watch.check()
    return found


def _checked(prices: pd.DataFrame) -> pd.DataFrame:
    if prices.shape[1] > MOST_INSTRUMENTS:
        raise DataError(
            f"The table has {prices.shape[1]:,} instruments; this page scans up to "
            f"{MOST_INSTRUMENTS:,}. Use fewer, or run: python scanner.py FILE --top 50."
        )
    return prices


# The database -----------------------------------------------------------------------------


def _from_database() -> Source | None:
    if not is_operator():
        say.note(f"{ONLY_OPERATOR} Anyone can scan the simulated universe.")
        return None
    held = [one for one in part(Inventory).now().held if one.seconds or one.minutes]
    if len(held) < 2:
        say.warning(
            f"The database holds {len(held)} instruments; a pair needs two. Let the Live page run "
            "for a while, or import an archive on the Data page."
        )
        return None
    left, right, last = st.columns([2, 2, 1.2], vertical_alignment="bottom")
    bar = BAR.segments("Bar", place=left)
    span = RANGE.segments("Last", place=right)
    again = last.button("Update to now", key="scan_again", icon=":material/refresh:")
    return _closes_read(held, BARS[bar] * SECOND_US, RANGES[span], again)


def _closes_read(held: list[Held], bar_us: int, span_us: int, again: bool) -> Source | None:
    """Return the database's closes, begun to be read where others were asked for before."""
    memory, asked = st.session_state, (bar_us, span_us)
    last: tuple[Any, Job, list[Source]] | None = memory.get("tandem_scan_record")
    if last is None or last[0] != asked or again:
        if last is not None:
            last[1].cancel()
        end_us = now_us() // MINUTE_US * MINUTE_US
        if span_us // bar_us > MOST_BARS:
            raise DataError(
                f"{span_us // bar_us:,} bars exceed the limit of {MOST_BARS:,}. Choose a longer "
                "bar interval or a shorter range."
            )
        work = partial(recorded_closes, held, bar_us, end_us - span_us, end_us)
        last = asked, begin(work, "read"), []
        memory["tandem_scan_record"] = last
        last[1].wait(2.0)
    _, job, made = last
    if job.is_going_on:
        follow(job, "scan_recorded", "Loading from the database")
        return None
    if job.state != "done":
        say.problem(job.text or "Reading was cancelled; \u201cUpdate to now\u201d starts it again.")
        return None
    if not made:
        made.append(_recorded(job.result, bar_us))
    return made[0]


def _recorded(prices: pd.DataFrame, bar_us: int) -> Source:
    is_simulated = any(name.startswith(f"{SIMULATED_VENUE}:") for name in prices.columns)
    return Source("Recorded history", _checked(prices), is_simulated, bar_us)


def recorded_closes(
    held: list[Held], bar_us: int, start_us: int, end_us: int, watch: Watch
) -> pd.DataFrame:
    """Read every recorded instrument's closes of a range onto one grid.

    A bar without a trade has no price; in bars of whole minutes the venue's candles stand in where
    seconds are missing.
    """
    start_us, end_us = start_us // bar_us * bar_us, end_us // bar_us * bar_us
    grid = np.arange(start_us, end_us, bar_us)
    columns: dict[str, Floats] = {}
    for done, one in enumerate(held):
        closes = np.full(len(grid), np.nan)
        first = max(start_us, one.first_us)
        found = part(SnapshotBuilder).bars(one.instrument, bar_us, first, end_us, watch)
        closes[(found["time_us"] - start_us) // bar_us] = found["close"]
        if np.isfinite(closes).any():
            columns[one.instrument] = closes
        watch.progress(done + 1, len(held))
    if len(columns) < 2:
        raise DataError(
            f"{len(columns)} instruments have bars from {f.day_clock(start_us)} UTC on; a pair "
            "needs two. Choose a longer range."
        )
    index = pd.DatetimeIndex(grid.astype("datetime64[us]"), tz="UTC", name="time")
    return pd.DataFrame(columns, index=index).dropna(how="all")


# A venue ------------------------------------------------------------------------------------------


def _from_venue() -> Source | None:
    minutes = watched()
    if minutes is None:
        return None
    memory = st.session_state
    last: tuple[Minutes, Source] | None = memory.get("tandem_scan_minutes")
    if last is None or last[0] is not minutes:
        venue = split_instrument(minutes.names[0])[0]
        title = f"{len(minutes.names)} instruments of {venue}"
        last = minutes, Source(title, frame(minutes), venue == SIMULATED_VENUE, is_watched=True)
        memory["tandem_scan_minutes"] = last
    return last[1]


SOURCES: dict[str, Callable[[], Source | None]] = {
    "simulated": _bundled,
    "file": _from_file,
    "record": _from_database,
    "venue": _from_venue,
}

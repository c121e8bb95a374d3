"""A venue watched whole: start and stop, how it goes, and what its scheduled scans found."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from tandem.config import Settings
from tandem.core.instruments import SIMULATED_VENUE, split_instrument
from tandem.ingest.service import Ingest
from tandem.scanner.live.minute_prices import Minutes
from tandem.scanner.live.service import Rescan, Status, Universe
from tandem.ui.data.actions import ONLY_OPERATOR
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part
from tandem.venues.registry import VENUES

LOOK_S = 1.0
MOST_SHOWN = 200


def watched() -> Minutes | None:
    """Draw the controls and what was found; return the prices of the latest scheduled scan."""
    universe = part(Universe)
    if is_operator():
        _controls(universe.status())
    rescan = universe.rescan()
    _follow(rescan.at_us if rescan else 0)
    if rescan is None:
        return None
    _told(rescan)
    return rescan.minutes


def _controls(status: Status) -> None:
    venues = [venue.name for venue in VENUES.values() if venue.can_be_scanned]
    usual = status.venue or part(Ingest).choice().venue
    left, right = st.columns([3, 1.2], vertical_alignment="bottom")
    venue = left.selectbox(
        "Venue",
        venues,
        index=venues.index(usual) if usual in venues else 0,
        key="scan_venue",
        help="All instruments in the venue's main quote currency, on a separate connection; "
        "the last price of each minute is kept in memory and not recorded.",
    )
    is_on = status.state in ("listing", "watching") and status.venue == venue
    with right:
        if is_on and st.button("Stop", key="scan_unwatch", width="stretch"):
            part(Universe).stop()
            st.rerun()
        if not is_on and st.button(
            "Monitor all", key="scan_watch", width="stretch", type="primary"
        ):
            part(Universe).start(str(venue))
            st.rerun()


def _follow(drawn_us: int) -> None:
    """Show the progress, and redraw the page when another scan is done."""

    @st.fragment(run_every=LOOK_S)
    def look() -> None:
        universe = part(Universe)
        rescan = universe.rescan()
        if (rescan.at_us if rescan else 0) != drawn_us:
            st.rerun()
        status = universe.status()
        if status.state == "failed":
            say.problem(status.text)
        elif status.state == "off":
            say.note(_off())
        elif status.state == "listing":
            say.note(f"Requesting the instrument list from {status.venue}.")
        else:
            if status.with_history < status.instruments:
                st.progress(status.with_history / status.instruments)
            say.note(going(status))

    look()


def _off() -> str:
    every = part(Settings).scan_minutes
    if not is_operator():
        return f"No venue is being monitored. {ONLY_OPERATOR}"
    return (
        f"No venue is monitored yet. Once started, all pairs are scanned every {every} minutes, "
        "with new, persisting and broken pairs listed here. Live recording is unaffected."
    )


def going(status: Status) -> str:
    """Describe the monitoring status."""
    feed = status.feed
    simulated = "SIMULATED: " if status.venue == SIMULATED_VENUE else ""
    parts = [
        f"{simulated}{status.instruments:,} instruments of {status.venue}, "
        f"{status.trades:,} trades so far"
        + (f", {feed.trades_per_s:,.0f} trades/s" if feed else "")
    ]
    if status.with_history < status.instruments:
        parts.append(f"history loaded for {status.with_history:,}")
    if status.scanning:
        parts.append("scanning now")
    elif status.next_us:
        parts.append(f"next scan at {f.clock(status.next_us)} UTC")
    text = "; ".join(parts) + "."
    if feed is not None and feed.state != "live" and feed.text:
        text += f" {feed.text}"
    return f"{text} {status.text}".strip()


def _told(rescan: Rescan) -> None:
    look, found, changed = rescan.look, rescan.scan, rescan.changes
    say.note(
        f"Scan {look.number} of {look.of} today, {f.clock(rescan.at_us)} UTC: {found.tested:,} "
        f"pairs tested in {found.seconds:.1f} s. {rule(rescan)} {len(changed.appeared)} new, "
        f"{len(changed.held)} persisting, {len(changed.broke)} broken."
    )
    rows = [
        {"since the previous scan": word, **_symbols(y, x)}
        for word, pairs in (
            ("new", changed.appeared),
            ("persisting", changed.held),
            ("broken", changed.broke),
        )
        for y, x in pairs
    ]
    if rows:
        shown = pd.DataFrame(rows[:MOST_SHOWN])
        st.dataframe(shown, hide_index=True, height=min(38 + 35 * len(shown), 220))
        if len(rows) > MOST_SHOWN:
            say.note(f"Showing the first {MOST_SHOWN} of {len(rows):,}.")
    _past()


def rule(rescan: Rescan) -> str:
    """Describe the significance threshold of a scan and its reliability."""
    told, level = rescan.told, rescan.look.level
    if told.threshold <= 0.0:
        return (
            f"{told.pooled:,} surrogates of this window without cointegration were scanned: too "
            "few to calibrate the threshold, so no pair is reported; the next scan adds to them."
        )
    return (
        f"{told.surrogates:,} surrogates of this window without cointegration were scanned "
        f"({told.pooled:,} including previous scans): a pair is reported below "
        f"p = {told.threshold:.1g}, reached by chance in {level * 100:.3f} % of scans, which "
        "limits false alarms to one day in twenty without cointegration. The threshold is "
        "extrapolated; SCANNER.md has simulated false-alarm rates and the power lost."
    )


def _symbols(y: str, x: str) -> dict[str, str]:
    return {"Y": split_instrument(y)[1], "X": split_instrument(x)[1]}


def _past() -> None:
    past = list(part(Universe).past)
    if len(past) < 2:
        return
    with st.expander(f"Last {len(past)} scans"):
        st.dataframe(
            pd.DataFrame(
                {
                    "until (UTC)": [f.day_clock(one.at_us) for one in past],
                    "pairs tested": [one.tested for one in past],
                    "new": [one.appeared for one in past],
                    "persisting": [one.held for one in past],
                    "broken": [one.broke for one in past],
                }
            )[::-1],
            hide_index=True,
        )


def frame(minutes: Minutes) -> pd.DataFrame:
    """Return watched prices as a scan's table."""
    index = pd.DatetimeIndex(minutes.times_us.astype("datetime64[us]"), tz="UTC", name="time")
    return pd.DataFrame(minutes.prices, index=index, columns=pd.Index(minutes.names))

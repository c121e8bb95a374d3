"""Downloads: built only when clicked, and readable by the Backtest page again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt
import streamlit as st

from tandem.pairs.snapshot import Snapshot
from tandem.pairs.snapshot_builder import SnapshotBuilder
from tandem.pairs.stream import PairSettings
from tandem.pairs.tracker import PairTracker
from tandem.strategy.trader import ClosedTrade
from tandem.ui.live.tables import resampled
from tandem.ui.shared import downloads
from tandem.ui.shared import format as f
from tandem.ui.shared.state import part

MOST_TRADES = 500_000


def offer(snapshot: Snapshot) -> None:
    """Offer the pair's bars with every number, its resampled bars and its trades."""
    settings, view = snapshot.settings, snapshot.view
    if view is None or not len(view.columns["time_us"]):
        st.info("No bar has closed yet; nothing to download.")
        return
    start_us = int(view.columns["time_us"][0])
    end_us = int(view.columns["time_us"][-1]) + settings.bar_us
    st.caption(
        f"{len(view.columns['time_us']):,} bars, "
        f"{f.day_clock(start_us)} to {f.day_clock(end_us)} UTC. "
        "Files are generated on click; each can be uploaded to the Backtest page."
    )
    offer_result(settings, view.columns, part(PairTracker).trades(settings))

    def bars() -> bytes:
        legs = {
            leg: resampled(part(SnapshotBuilder).seconds(leg, start_us, end_us), settings.bar_us)
            for leg in (settings.y, settings.x)
        }
        return _written("bars", legs)

    def trades() -> bytes:
        return _written(
            "trades", part(SnapshotBuilder).recorded(settings, start_us, end_us, MOST_TRADES)
        )

    _button("Resampled bars of both legs", bars, settings, "bars")
    _button("Recorded trades of both legs", trades, settings, "trades")


def offer_result(
    settings: PairSettings, columns: Mapping[str, npt.NDArray[Any]], closed: list[ClosedTrade]
) -> None:
    """Offer the aligned bars with all analytics, and the paper account's trades."""

    def analysis() -> bytes:
        return _written("analysis", columns, settings.y, settings.x, settings.log_prices)

    _button("Aligned bars with all analytics", analysis, settings, "analysis")
    if closed:
        _button(
            "Closed paper trades",
            lambda: _written("closed_trades", closed),
            settings,
            "paper-trades",
        )


def _button(label: str, build: Any, settings: PairSettings, kind: str) -> None:
    safe = "".join(
        c if c.isalnum() else "-" for c in f"{f.asset(settings.y)}-{f.asset(settings.x)}"
    )
    downloads.button(
        label, build, f"tandem-{safe[:60]}-{kind}.csv", "text/csv", key=f"download-{kind}"
    )


def _written(kind: str, *content: Any) -> bytes:
    """Build a file; the writers bring pandas, which no page needs before a click."""
    from tandem.io import writer

    chunks: Iterable[bytes] = getattr(writer, f"write_{kind}")(*content)
    return b"".join(chunks)

"""What an instrument takes in memory, whatever the days; what is older comes from the database."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tandem.config import Settings
from tandem.core.events import BAR
from tandem.core.ring import RingBuffer
from tandem.storage.live_bars import SecondBars
from tandem.surveillance.instrument import InstrumentWatch
from tandem.surveillance.settings import WatchSettings

NAME, DAY_SECONDS = "sim:ETHUSDT", 86_400


def rows_of(holder: Any) -> list[RingBuffer]:
    return [one for one in vars(holder).values() if isinstance(one, RingBuffer)]


def arrays_mb(holder: Any) -> float:
    """Return the megabytes of all arrays an object holds, in rings, tuples and tables too."""
    if isinstance(holder, np.ndarray | RingBuffer):
        return holder.nbytes / 1e6
    if isinstance(holder, dict):
        return sum(map(arrays_mb, holder.values()))
    if isinstance(holder, tuple | list):
        return sum(map(arrays_mb, holder))
    return arrays_mb(getattr(holder, "__dict__", {}))


def test_an_instrument_takes_at_most_six_megabytes_after_days() -> None:
    bars, watch = SecondBars(NAME, 0), InstrumentWatch(NAME, WatchSettings())
    kept = [(rows, rows.view().dtype) for one in (bars, watch) for rows in rows_of(one)]
    assert len(kept) == 4
    for rows, kind in kept:
        for _ in range(0, 2 * DAY_SECONDS, 7_200):
            rows.append(np.zeros(7_200, kind))
    assert 3.0 < arrays_mb(bars) + arrays_mb(watch) <= 6.0


def test_the_setting_bounds_it() -> None:
    usual, less = Settings(), Settings(memory_hours=1.0)
    sizes = [
        rows_of(SecondBars(NAME, 0, round(one.memory_hours * 3_600)))[0].nbytes
        for one in (usual, less)
    ]
    assert sizes[0] == pytest.approx(usual.memory_hours * sizes[1])
    assert sizes[1] == 3_600 * 9 // 8 * BAR.itemsize

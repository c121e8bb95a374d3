"""Recorded bars are read in one way, for every page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tandem.core.bars import resample, with_candles
from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import Cancelled
from tandem.core.events import BAR
from tandem.core.parallel import Watch
from tandem.pairs.snapshot_builder import PIECE_US, SnapshotBuilder
from tests.support.architecture import MODULES

START_US = 1_780_000_000 * SECOND_US // HOUR_US * HOUR_US


def bars(first_us: int, count: int, step_us: int, price: float) -> np.ndarray:
    made = np.zeros(count, BAR)
    made["time_us"] = first_us + np.arange(count) * step_us
    for name in ("open", "high", "low", "close"):
        made[name] = price + np.arange(count)
    made["last_us"] = made["time_us"] + step_us - 1
    made["trades"] = 1
    return made


class Recorded:
    """Seconds with a gap of 20 minutes, over which the venue has candles; asked for in pieces."""

    def __init__(self) -> None:
        whole = bars(START_US, 8 * 3_600, SECOND_US, 100.0)
        gap = (whole["time_us"] >= START_US + HOUR_US) & (
            whole["time_us"] < START_US + HOUR_US + 20 * MINUTE_US
        )
        self.whole = whole[~gap]
        self.minutes = bars(START_US + HOUR_US, 20, MINUTE_US, 5_000.0)
        self.longest_us = 0

    def seconds(self, instrument: str, start_us: int, end_us: int) -> np.ndarray:
        self.longest_us = max(self.longest_us, end_us - start_us)
        return _between(self.whole, start_us, end_us)

    def candles(self, instrument: str, start_us: int, end_us: int) -> np.ndarray:
        return _between(self.minutes, start_us, end_us)


def _between(rows: np.ndarray, start_us: int, end_us: int) -> np.ndarray:
    return rows[(rows["time_us"] >= start_us) & (rows["time_us"] < end_us)]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def builder(recorded: Recorded) -> SnapshotBuilder:
    parts: dict[str, Any] = dict.fromkeys(
        ("settings", "venues", "buffer", "recorded_before", "ingest", "backfill", "sessions")
    )
    parts |= dict.fromkeys(("tests", "readiness", "problems"))
    return SnapshotBuilder(**parts, database=recorded, tracker=recorded)


@pytest.mark.parametrize("bar_us", [5 * SECOND_US, 7 * MINUTE_US])
def test_pieces_give_what_the_whole_gives(
    builder: SnapshotBuilder, recorded: Recorded, bar_us: int
) -> None:
    end_us = START_US + 8 * HOUR_US - 1
    seconds = recorded.whole
    if bar_us % MINUTE_US == 0:
        seconds = with_candles(seconds, recorded.minutes)
    expected = resample(seconds, bar_us)
    expected = expected[expected["time_us"] + bar_us <= end_us // bar_us * bar_us]
    np.testing.assert_array_equal(builder.bars("sim:Y", bar_us, START_US, end_us), expected)
    assert recorded.longest_us <= PIECE_US


def test_nothing_recorded_is_no_bars(builder: SnapshotBuilder) -> None:
    assert builder.bars("sim:Y", MINUTE_US, START_US - HOUR_US, START_US).dtype == BAR
    assert not len(builder.bars("sim:Y", MINUTE_US, START_US, START_US))


def test_reading_is_cancelled_between_pieces(builder: SnapshotBuilder) -> None:
    with pytest.raises(Cancelled):
        builder.bars(
            "sim:Y", MINUTE_US, START_US, START_US + HOUR_US, Watch(is_cancelled=lambda: True)
        )


def test_one_place_puts_candles_into_recorded_seconds() -> None:
    """The tracker does for its open pairs; whoever reads the database asks for `bars`."""
    calling = {
        name for name, path in MODULES.items() if "with_candles(seconds" in path.read_text("utf-8")
    }
    assert calling == {
        "tandem.core.bars",
        "tandem.pairs.snapshot_builder",
        "tandem.pairs.tracker",
    }

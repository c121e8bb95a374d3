"""Arrays that grow at the end: the last rows, whatever the pieces and the room."""

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from tandem.core.ring import RingBuffer


@pytest.mark.parametrize("spare", [None, 0, 1, 3, 50])
@pytest.mark.parametrize("piece", [1, 2, 7, 10, 11, 30])
def test_the_last_rows_are_kept(spare: int | None, piece: int) -> None:
    rows = RingBuffer(np.int64, 10, spare)
    given = np.arange(100)
    held = []
    for start in range(0, 100, piece):
        rows.append(given[start : start + piece])
        stop = min(start + piece, 100)
        expected = given[max(0, stop - 10) : stop]
        np.testing.assert_array_equal(rows.view(), expected)
        assert len(rows) == len(expected)
        held.append((rows.view(), expected))
    # What was looked at stays as it was.
    for view, expected in held:
        np.testing.assert_array_equal(view, expected)


def test_a_view_cannot_be_written() -> None:
    rows = RingBuffer(np.int64, 3)
    rows.append(np.arange(2))
    with pytest.raises(ValueError, match="read-only"):
        rows.view()[0] = 1


def test_a_reader_at_any_moment_of_an_append_sees_the_rows_before_or_after_it() -> None:
    rows = RingBuffer(np.int64, 3, 1)
    seen: list[list[int]] = []

    def look(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code is RingBuffer.append.__code__:
            seen.append(rows.view().tolist())
            return look
        return None

    given, tracer = np.arange(1, 10), sys.gettrace()
    for stop in given:
        before = rows.view().tolist()
        sys.settrace(look)
        try:
            rows.append(given[stop - 1 : stop])
        finally:
            sys.settrace(tracer)
        assert all(found in (before, rows.view().tolist()) for found in seen)
        assert len(seen) > 2
        seen.clear()

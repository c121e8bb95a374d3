"""Arrays that grow at the end: the last rows, whatever the pieces and the room."""

import numpy as np
import pytest

from tandem.core.ring import Rows


@pytest.mark.parametrize("spare", [None, 0, 1, 3, 50])
@pytest.mark.parametrize("piece", [1, 2, 7, 10, 11, 30])
def test_the_last_rows_are_kept(spare: int | None, piece: int) -> None:
    rows = Rows(np.int64, 10, spare)
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
    rows = Rows(np.int64, 3)
    rows.append(np.arange(2))
    with pytest.raises(ValueError, match="read-only"):
        rows.view()[0] = 1

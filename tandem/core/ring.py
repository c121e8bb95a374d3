"""Arrays that grow at the end and forget the beginning, safe to read while they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class RingBuffer:
    """The last rows of an endless array.

    A row once written never changes and its memory is never reused, so a view taken by one
    thread stays valid while another appends.

    Parameters
    ----------
    keep : int
        Rows a view holds at most.
    spare : int, optional
        Rows of memory beyond those; the kept ones are copied each time they are used up. An
        eighth as many by default.
    """

    def __init__(self, kind: npt.DTypeLike, keep: int, spare: int | None = None) -> None:
        self._keep = keep
        # The memory and the end of what is in it, replaced together: a reader has both or neither.
        self._filled = np.empty(keep + max(1, keep // 8 if spare is None else spare), kind), 0

    @property
    def nbytes(self) -> int:
        """The memory it takes, however many rows were appended."""
        return int(self._filled[0].nbytes)

    def __len__(self) -> int:
        return min(self._filled[1], self._keep)

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows at the end; only the last `keep` of a longer batch are taken."""
        rows = rows[-self._keep :]
        array, stop = self._filled
        if stop + len(rows) > len(array):
            kept = self.view()
            kept = kept[max(0, len(kept) + len(rows) - len(array)) :]
            array, stop = np.empty_like(array), len(kept)
            array[:stop] = kept
        array[stop : stop + len(rows)] = rows
        self._filled = array, stop + len(rows)

    def view(self) -> npt.NDArray[Any]:
        """Return the kept rows, oldest first, read-only."""
        array, stop = self._filled
        view = array[max(0, stop - self._keep) : stop]
        view.flags.writeable = False
        return view

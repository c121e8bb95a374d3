"""Arrays that grow at the end and forget the beginning, safe to read while they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


class Rows:
    """The last rows of an endless array.

    A row once written never changes and its memory is never reused, so a view taken by one
    thread stays valid while another appends.

    Parameters
    ----------
    kind : dtype
    keep : int
        Rows a view holds at most.
    spare : int, optional
        Rows of memory beyond those; the kept ones are copied each time they are used up. An
        eighth as many by default.
    """

    def __init__(self, kind: npt.DTypeLike, keep: int, spare: int | None = None) -> None:
        self._keep = keep
        self._array = np.empty(keep + max(1, keep // 8 if spare is None else spare), kind)
        self._stop = 0

    @property
    def nbytes(self) -> int:
        """The memory it takes, however many rows were appended."""
        return int(self._array.nbytes)

    def __len__(self) -> int:
        return min(self._stop, self._keep)

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows at the end; only the last `keep` of a longer batch are taken."""
        rows = rows[-self._keep :]
        if self._stop + len(rows) > len(self._array):
            kept = self.view()
            kept = kept[max(0, len(kept) + len(rows) - len(self._array)) :]
            self._array = np.empty_like(self._array)
            self._array[: len(kept)] = kept
            self._stop = len(kept)
        self._array[self._stop : self._stop + len(rows)] = rows
        self._stop += len(rows)

    def view(self) -> npt.NDArray[Any]:
        """Return the kept rows, oldest first, read-only."""
        view = self._array[self._stop - len(self) : self._stop]
        view.flags.writeable = False
        return view

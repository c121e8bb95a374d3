"""One table on its way from lines to bars or trades, and what is noted about it on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.io.model import ASIDE_SHOWN, TEXT_SHOWN, Aside, Corrections
from tandem.io.text import Lines

SAMPLE_ROWS = 5

AGAIN = (
    "the same bar again",
    "another bar of the same time; the first is kept",
    "the same trade id again",
)
# What a spreadsheet writes where a column is too narrow for its number.
NARROW = (r"#{3,}", "a spreadsheet wrote ##### because its column was too narrow")


def sorted_note(back: int) -> str:
    """Say that so many rows had a later one before them."""
    if back == 1:
        return "1 row was out of time order; the rows were sorted."
    return f"{back:,} rows were out of time order; they were sorted."


@dataclass
class Sheet:
    """The lines of a table, and what is found out about them.

    Attributes
    ----------
    lines : Lines
    name : str
    told : Corrections
    aside : list of Aside
        The first lines that cannot be used.
    more : Counter
        Lines not used that are not among `lines`, by reason.
    notes : list of str
        Sentences for the report.
    decimal, times, zone : str
        As in `tables.Report`.
    texts : dict of str to Series
        Columns of numbers, by key, that were not written as plain numbers.
    kept : ndarray of bool
        Which lines are used for at least one instrument.
    """

    lines: Lines
    name: str
    told: Corrections = field(default_factory=Corrections)
    aside: list[Aside] = field(default_factory=list)
    more: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    decimal: str = "."
    times: str = ""
    zone: str = ""
    texts: dict[str, pd.Series[Any]] = field(default_factory=dict)
    kept: npt.NDArray[np.bool_] = field(init=False)
    _wrong: dict[str, list[npt.NDArray[np.int64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept = np.zeros(len(self.lines.numbers), bool)

    def set_aside(self, wrong: npt.NDArray[np.bool_], reason: str, rows: Any) -> None:
        """Note the rows (positions in the data) that are wrong."""
        positions = np.asarray(rows)[wrong]
        if not len(positions):
            return
        self._wrong.setdefault(reason, []).append(positions)
        for position in positions[: max(ASIDE_SHOWN - len(self.aside), 0)]:
            start, end = self._line_ends[position : position + 2]
            text = self.lines.text[start + 1 : end].decode(errors="replace")
            self.aside.append(Aside(int(self.lines.numbers[position]), reason, text))

    def reasons(self) -> Counter[str]:
        """Return how many lines are not used, by reason; a line counts once for all its legs."""
        found = {reason: len(np.unique(np.concatenate(w))) for reason, w in self._wrong.items()}
        return Counter(found) + self.more + Counter(entry.reason for entry in self.lines.aside)

    def sample(self) -> tuple[tuple[str, ...], ...]:
        """Return the first rows as text."""
        rows = self.lines.sample[:SAMPLE_ROWS]
        return tuple(tuple(cell[:TEXT_SHOWN] for cell in row) for row in rows)

    @cached_property
    def _line_ends(self) -> npt.NDArray[np.int64]:
        ends = np.flatnonzero(np.frombuffer(self.lines.text, np.uint8) == ord("\n"))
        return np.concatenate((np.array([-1]), ends))

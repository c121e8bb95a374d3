"""What reading a file gives: its tables, and the report of what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from market import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tables.lines import Aside

Bars = npt.NDArray[np.void]
Trades = npt.NDArray[np.void]

ASIDE_SHOWN = 200
TEXT_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, as what, and what was left out.

    Attributes
    ----------
    name : str
        File name as given; text from outside.
    kind : {"bars", "trades"}
    layout : str
        "named columns", or the vendor's layout recognised without names.
    rows_read, rows_kept : int
        Lines with content but for the header, and those used for at least one instrument.
    aside : tuple of Aside
        The first lines not used, with line number, reason and text.
    reasons : dict
        How many lines were not used, by reason.
    columns : tuple of (str, str)
        Each column's name and what it was taken for ("not used" otherwise).
    first_us, last_us : int
        Time range of what was kept.
    interval_us : int
        Bar interval (the usual distance of two bars); 0 for trades.
    gaps : int
        Bars missing inside the range, over all instruments, as far as the interval tells.
    encoding, delimiter, decimal, times : str
        How the text was read.
    notes : tuple of str
        Sentences about what else is worth knowing.
    """

    name: str
    kind: Literal["bars", "trades"]
    layout: str
    rows_read: int
    rows_kept: int
    aside: tuple[Aside, ...]
    reasons: dict[str, int]
    columns: tuple[tuple[str, str], ...]
    first_us: int
    last_us: int
    interval_us: int
    gaps: int
    encoding: str
    delimiter: str
    decimal: str
    times: str
    notes: tuple[str, ...]

    @property
    def rows_aside(self) -> int:
        """Lines that were not used."""
        return self.rows_read - self.rows_kept


@dataclass(frozen=True, slots=True)
class Table:
    """One file's content, by instrument.

    Attributes
    ----------
    bars : dict of str to ndarray of dtype BAR
        Ascending in time. What the file does not tell is NaN (volumes) or 0 (trade count). Without
        a time of the last trade, a bar counts as traded up to its very end.
    trades : dict of str to ndarray of dtype TRADE
        Ascending in time, in file order within a time. Only one of the two is filled.
    report : Report
    """

    bars: dict[str, Bars]
    trades: dict[str, Trades]
    report: Report

    @property
    def instruments(self) -> tuple[str, ...]:
        """Names of what the file holds, in its order."""
        return tuple(self.bars) or tuple(self.trades)

    @property
    def interval_us(self) -> int:
        """Bar interval; 0 for trades."""
        return self.report.interval_us


def interval_text(interval_us: int) -> str:
    """Return an interval in words: 5 min, 1 h, 1 day, 1 month."""
    if 28 * DAY_US <= interval_us <= 31 * DAY_US:
        return "1 month"
    for unit, name in ((DAY_US, "day"), (HOUR_US, "h"), (MINUTE_US, "min"), (SECOND_US, "s")):
        if interval_us >= unit and interval_us % unit == 0:
            count = interval_us // unit
            return f"{count} {name}{'s' if name == 'day' and count > 1 else ''}"
    return f"{interval_us / SECOND_US:g} s"


def time_text(time_us: int) -> str:
    """Return a time as UTC text, to the second."""
    return str(np.datetime64(time_us, "us").astype("M8[s]")).replace("T", " ")

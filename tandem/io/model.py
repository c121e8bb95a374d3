"""What reading a file gives: its tables, and the report of what was made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import DataError
from tandem.io.column_names import ROLES
from tandem.io.zones import zone

Bars = npt.NDArray[np.void]
Trades = npt.NDArray[np.void]

ASIDE_SHOWN = 200
TEXT_SHOWN = 200
FILE_VENUE = "file"  # where a file does not say which venue an instrument is of
NAMED = "named columns"  # the layout of a file whose first row holds names


BEFORE_TABLE = "a line before the table"
HEADER_AGAIN = "the header again"
NO_TRADE = "no trade in the bar (volume 0)"
AGAIN = (
    "the same bar again",
    "another bar of the same time; the newest is kept",
    "the same trade id again",
)
OLDER_QUOTE = "an earlier quote of the same time"
# Rows without which nothing is lost.
HARMLESS = frozenset((BEFORE_TABLE, HEADER_AGAIN, NO_TRADE, AGAIN[0], AGAIN[2], OLDER_QUOTE))
# Share of the rows set aside from which on it is said first, and that has to be accepted.
LOUD_LOSS, MOST_LOSS = 0.02, 0.2
_REASONS_SHOWN = 3
ACCEPT_LOSS = "Accept the loss"  # what pages call the box that does
LOSS_ADVICE = (
    f"Correct how the file is read, or accept the loss (--accept-loss; on a page {ACCEPT_LOSS!r})."
)


class Aside(NamedTuple):
    """A line that was not used, and why."""

    line: int
    reason: str
    text: str


DELIMITERS = (",", ";", "\t", "|")
DATE_ORDERS = ("day first", "month first", "year first")
LABELS = ("start", "end")
TIME_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")


@dataclass(frozen=True, slots=True)
class Corrections:
    """What the reader is told instead of guessing; empty means: guess.

    Attributes
    ----------
    roles : tuple of (int or str, str)
        Column number from 0 or name, and one of `ROLES` or "" for a column not to be used. A name
        that no column has may be a number from 1.
    delimiter : str
        One character.
    encoding : str
        A name Python knows.
    decimal : {"", ".", ","}
    date_order : str
        One of `DATE_ORDERS`.
    time_unit : str
        One of `TIME_UNITS`, for times that are numbers.
    time_zone : str
        The zone that times without an offset are in, as America/New_York, UTC-5 or +01:00.
    header : bool or None
        Whether the first row holds names.
    label : str
        One of `LABELS`: whether a bar's time is its start or its end.
    accept_loss : bool
        Whether a file is used of which more than `MOST_LOSS` of the rows is set aside.

    Raises
    ------
    DataError
        If a value is none of those.
    """

    roles: tuple[tuple[int | str, str], ...] = ()
    delimiter: str = ""
    encoding: str = ""
    decimal: str = ""
    date_order: str = ""
    time_unit: str = ""
    time_zone: str = ""
    header: bool | None = None
    label: str = ""
    accept_loss: bool = False

    def __post_init__(self) -> None:
        for value, allowed, what in (
            (self.decimal, (".", ","), "decimal mark"),
            (self.date_order, DATE_ORDERS, "order of dates"),
            (self.time_unit, TIME_UNITS, "unit of time"),
            (self.label, LABELS, "part of a bar"),
            *((role, tuple(ROLES), "column role") for _, role in self.roles),
        ):
            if value and value not in allowed:
                raise DataError(
                    f"{value[:30]!r} is not a known {what}; choose one of {', '.join(allowed)}."
                )
        if self.delimiter and (len(self.delimiter) != 1 or not 8 < ord(self.delimiter) < 127):
            raise DataError("A delimiter is one plain character, such as a comma or a tab.")
        if self.encoding:
            _check_encoding(self.encoding)
        if self.time_zone:
            zone(self.time_zone)


def _check_encoding(name: str) -> None:
    try:
        b"a".decode(name)
    except (LookupError, UnicodeError, ValueError):
        raise DataError(
            f"{name[:30]!r} is no encoding known here; use one like utf-8, gb18030 or cp1252."
        ) from None


class Unclear(DataError):
    """A file that a correction would make readable.

    Attributes
    ----------
    columns : tuple of (str, str)
        Each column's name and what it is taken for so far.
    sample : tuple of tuple of str
        The first rows.
    """

    def __init__(
        self,
        text: str,
        columns: tuple[tuple[str, str], ...] = (),
        sample: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        super().__init__(text)
        self.columns, self.sample = columns, sample


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, as what, and what was left out.

    Attributes
    ----------
    name : str
        File name as given; text from outside.
    kind : {"bars", "trades"}
    layout : str
        `NAMED`, or the vendor's layout recognised without names.
    rows_read, rows_kept : int
        Lines with content but for the header, and those used for at least one instrument.
    aside : tuple of Aside
        The first lines not used, with line number, reason and text.
    reasons : dict
        How many lines were not used, by reason; in a wide table also those that one instrument
        does not use.
    losses : dict
        Of those, how many lines no instrument uses.
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
    vendor : str
        Whose format it looks like; "" where it is nobody's in particular.
    time_zone : str
        The zone times are in, and how that is known.
    time_unit, date_order : str
        One of `TIME_UNITS` or `DATE_ORDERS`, where times were read as such; else empty.
    label : str
        One of `LABELS`: what the times of bars were taken for; empty for trades.
    duplicates : int
        Lines not used because they repeat another, or another of the same time was there first.
    sample : tuple of tuple of str
        The first rows as text, one cell for each of `columns`.
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
    vendor: str = ""
    time_zone: str = ""
    time_unit: str = ""
    date_order: str = ""
    label: str = ""
    duplicates: int = 0
    sample: tuple[tuple[str, ...], ...] = ()
    losses: dict[str, int] = field(default_factory=dict)

    @property
    def rows_aside(self) -> int:
        """Lines that were not used."""
        return self.rows_read - self.rows_kept

    @property
    def kept_text(self) -> str:
        """How many rows were kept."""
        return f"{self.name}: {self.rows_kept:,} of {self.rows_read:,} rows kept"

    @property
    def corrections(self) -> tuple[str, ...]:
        """What was done to the rows, in sentences."""
        return (*left_out(self.reasons), *self.notes)

    @property
    def loss_share(self) -> float:
        """Share of the rows that were set aside, but for those without which nothing is lost."""
        return lost(self.losses) / max(self.rows_read, 1)

    @property
    def loss(self) -> str:
        """What to say first where many rows were set aside; empty where few were."""
        return loss_text(self.name, self.rows_read, self.losses, self.aside)


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


def left_out(reasons: Mapping[str, int]) -> tuple[str, ...]:
    """Say how many rows were left out, a sentence for each reason."""
    return tuple(
        f"{count:,} row{'s' if count > 1 else ''} left out: {reason}."
        for reason, count in reasons.items()
    )


def lost(reasons: Mapping[str, int]) -> int:
    """Return how many rows were set aside, but for those without which nothing is lost."""
    return sum(count for reason, count in reasons.items() if reason not in HARMLESS)


def loss_text(name: str, rows: int, reasons: Mapping[str, int], aside: Sequence[Aside] = ()) -> str:
    """Say that more than `LOUD_LOSS` of the rows were set aside, why, and which; else empty."""
    count = lost(reasons)
    if count <= LOUD_LOSS * rows:
        return ""
    why = []
    for reason in [one for one in reasons if one not in HARMLESS][:_REASONS_SHOWN]:
        example = next((one for one in aside if one.reason == reason), None)
        shown = f", for example line {example.line:,}: {example.text[:60]!r}" if example else ""
        why.append(f"{reason} ({reasons[reason]:,}{shown})")
    share = 100.0 * count / rows
    return f"{name}: {count:,} of {rows:,} rows ({share:.1f} %) are set aside: {'; '.join(why)}."


def require_bearable(text: str, share: float, told: Corrections) -> None:
    """Raise DataError with `text` where so much is set aside that somebody must accept it."""
    if share > MOST_LOSS and not told.accept_loss:
        raise DataError(f"{text} {LOSS_ADVICE}")


def interval_text(interval_us: int) -> str:
    """Return an interval in words: 5 min, 1 h, 1 day, 1 month."""
    for days, name in ((28, "1 month"), (89, "3 months"), (365, "1 year")):
        if days * DAY_US <= interval_us <= (days + 3) * DAY_US:
            return name
    for unit, name in ((DAY_US, "day"), (HOUR_US, "h"), (MINUTE_US, "min"), (SECOND_US, "s")):
        if interval_us >= unit and interval_us % unit == 0:
            count = interval_us // unit
            return f"{count} {name}{'s' if name == 'day' and count > 1 else ''}"
    return f"{interval_us / SECOND_US:g} s"


def time_text(time_us: int) -> str:
    """Return a time as UTC text, to the second."""
    return str(np.datetime64(time_us, "us").astype("M8[s]")).replace("T", " ")

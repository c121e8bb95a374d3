"""Big files of plain trades, read by compiled loops in pieces, in all processors' threads.

The top of the file and every line the loops do not take are read as `reader.read_text` does, which
knows all notations and why a line cannot be used; so the table is the one it would give, sooner.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.core.events import TRADE
from tandem.core.parallel import UNWATCHED, Watch, each
from tandem.io import text as lines
from tandem.io.arrays import trade_array
from tandem.io.column import Column, key_of
from tandem.io.epochs import EPOCHS, Epoch
from tandem.io.model import AGAIN, ASIDE_SHOWN, TEXT_SHOWN, Aside, Corrections, Table, Trades
from tandem.io.parsing import data
from tandem.io.price_columns import is_trades
from tandem.io.read_times import LATEST_US
from tandem.io.reports import report, stem, unique
from tandem.io.row_order import REVERSED, sorted_note
from tandem.io.sheet import Sheet, frame
from tandem.io.table_layout import find
from tandem.io.valid_rows import valid_trades
from tandem.kernels import ticks

LEAST_BYTES = 4_000_000
HEAD_BYTES = 65_536
PIECE_BYTES = 8_000_000
MOST_ODD = 1_000  # lines of a piece; with more the file is no plain one

_KERNEL_ROLES = {
    "": ticks.SKIP,
    "time": ticks.TIME,
    "price": ticks.PRICE,
    "quantity": ticks.QUANTITY,
    "volume": ticks.QUANTITY,
    "buyer_maker": ticks.MAKER,
    "side": ticks.SIDE,
    "id": ticks.ID,
}
Ids = npt.NDArray[np.int64]


class Plan(NamedTuple):
    """What the top of a file says about the rest: where that begins, and how to read it."""

    columns: list[Column]
    layout: str
    delimiter: str
    unit: Epoch
    start: int  # byte
    lines: int  # before it


class Piece(NamedTuple):
    """A part of the file: its bytes, its first line in the file, its first row in the arrays."""

    start: int
    end: int
    line: int
    row: int


class Rows(NamedTuple):
    """Trades in file order after `front` free places, their ids, and the lines not among them."""

    trades: Trades
    ids: Ids
    odd: npt.NDArray[np.int64]
    front: int


def read_quick(
    raw: bytes,
    name: str,
    told: Corrections,
    note: str = "",
    watch: Watch = UNWATCHED,
    least_bytes: int = LEAST_BYTES,
) -> Table | None:
    """Read a big file of plain trades; None where it is another, or not plain enough.

    Parameters are those of `reader.read_text`. The watch is asked after every piece.
    """
    plan = _plan(raw, name, told) if len(raw) >= least_bytes else None
    # Of the lines that are read with care alone the encoding may seem another than of the whole.
    if plan is None or not (raw.isascii() or lines.is_utf8(raw)):
        return None
    rows = _rows(raw, plan, watch)
    if rows is None:
        return None
    return _Whole(raw, name, told, plan, note).table(rows)


# The top ----------------------------------------------------------------------------------


def _plan(raw: bytes, name: str, told: Corrections) -> Plan | None:
    start = raw.rfind(b"\n", 0, HEAD_BYTES) + 1
    head = raw[:start]
    plain_ends = head.count(b"\r") == head.count(b"\r\n")
    if not start or not plain_ends or told.encoding not in ("", "utf-8") or told.decimal == ",":
        return None
    try:
        sheet = Sheet(lines.split(head, name, told), name, told)
        layout, columns = find(sheet)
        top = data(sheet, frame(sheet, columns), columns)
    except DataError:
        return None
    unit = next((unit for unit in EPOCHS if unit.unit == sheet.time_unit), None)
    used = [column.role for column in columns if column.role]
    if unit is None or sheet.lines.encoding != "utf-8" or sheet.decimal != ".":
        return None
    amounts = [role for role in used if role in ("quantity", "volume")]
    is_plain = set(used) <= set(_KERNEL_ROLES) and is_trades(columns)
    if not is_plain or len(amounts) != 1 or not (top[amounts[0]] > 0).any():
        return None
    if (top[amounts[0]] < 0).any():  # sales, of which the loops know nothing
        return None
    if {"side", "buyer_maker"} <= set(used) or len(set(used)) != len(used):
        return None
    if "id" in used and top["id"].dtype.kind != "i":
        return None
    return Plan(columns, layout, sheet.lines.delimiter, unit, start, head.count(b"\n"))


# The rest ---------------------------------------------------------------------------------


def _rows(raw: bytes, plan: Plan, watch: Watch) -> Rows | None:
    buffer = np.frombuffer(raw, np.uint8)
    spans = list(_spans(raw, plan.start))
    count = partial(_count, buffer)
    counts = each(spans, count, watch.part(0.0, 0.15))
    before = np.cumsum([0, *counts])
    front = plan.lines  # at most as many trades are in the top
    pieces = [
        Piece(*span, plan.lines + int(line), front + int(line))
        for span, line in zip(spans, before, strict=False)
    ]
    trades = np.empty(front + int(before[-1]), TRADE)
    has_ids = any(column.role == "id" for column in plan.columns)
    ids = np.empty(len(trades) if has_ids else 0, np.int64)
    parse = partial(_parse, buffer, plan, trades, ids)
    found = each(pieces, parse, watch.part(0.15, 0.9))
    if any(rows < 0 for rows, _ in found):
        return None
    kept = front
    for piece, (rows, _) in zip(pieces, found, strict=True):  # close the gaps between the pieces
        if kept != piece.row:
            trades[kept : kept + rows] = trades[piece.row : piece.row + rows]
            ids[kept : kept + rows] = ids[piece.row : piece.row + rows]
        kept += rows
    odd = np.concatenate([np.zeros(0, np.int64), *(lines for _, lines in found)])
    return Rows(trades[:kept], ids[:kept], odd, front)


def _spans(raw: bytes, start: int) -> list[tuple[int, int]]:
    """Cut the bytes from `start` on into pieces of whole lines."""
    spans = []
    while start < len(raw):
        end = raw.find(b"\n", min(start + PIECE_BYTES, len(raw))) + 1 or len(raw)
        spans.append((start, end))
        start = end
    return spans


def _count(buffer: npt.NDArray[np.uint8], span: tuple[int, int]) -> int:
    start, end = span
    return int(ticks.count_lines(buffer, start, end)) + int(buffer[end - 1] != ord("\n"))


def _parse(
    buffer: npt.NDArray[np.uint8], plan: Plan, trades: Trades, ids: Ids, piece: Piece
) -> tuple[int, npt.NDArray[np.int64]]:
    """Read a piece into its place; returns its rows (-1: too many are odd) and its odd lines."""
    unit = plan.unit
    latest = LATEST_US * unit.us_denominator // unit.us_numerator
    odd = np.empty(MOST_ODD, np.int64)
    rows, n_odd = ticks.parse_trades(
        buffer,
        (piece.start, piece.end),
        ord(plan.delimiter),
        np.array([_KERNEL_ROLES[column.role] for column in plan.columns], np.int64),
        (
            int(unit.low),
            min(int(unit.high), latest),
            unit.us_numerator,
            unit.us_denominator,
        ),
        piece.row,
        trades["time_us"],
        trades["price"],
        trades["quantity"],
        trades["side"],
        ids,
        odd,
    )
    done = trades[piece.row : piece.row + max(rows, 0)]
    done["received_us"] = done["time_us"]
    return rows, odd[:n_odd] + piece.line


# Together ---------------------------------------------------------------------------------


class _Whole:
    """The top and the odd lines, read with all care, and the plain rows, put together."""

    def __init__(self, raw: bytes, name: str, told: Corrections, plan: Plan, note: str) -> None:
        self.raw, self.name, self.told, self.plan, self.note = raw, name, told, plan, note

    def table(self, rows: Rows) -> Table | None:
        """Return the whole table."""
        sheet = self._careful(rows.odd)
        columns = self.plan.columns
        few = data(sheet, frame(sheet, columns), columns)
        keys = {column.role: key_of(column) for column in columns if column.role}
        part = valid_trades(sheet, few, keys)
        few_ids = _whole_ids(part["id"]) if "id" in keys else np.zeros(0, np.int64)
        if few_ids is None:
            return None
        numbers = sheet.lines.numbers[part["row"].to_numpy()]
        sheet.kept[part["row"].to_numpy()] = True
        trades, ids, line_of = self._joined(rows, trade_array(sheet, part, keys), few_ids, numbers)
        if sheet.decimal != ".":
            return None
        # Rows without a price have their place in the file's order, as the careful reader sees it.
        times = trades["time_us"] if len(part) == len(few) else self._times(sheet, rows, few)
        trades, ids, order = self._in_order(sheet, trades, ids, times)
        trades, dropped = self._once(sheet, trades, ids, order, line_of)
        instrument = unique(stem(self.name), set())
        told = report(sheet, {}, {instrument: trades}, self.plan.layout, columns)
        plain = len(rows.trades) - rows.front
        n_read = plain + told.rows_read
        n_kept = plain + told.rows_kept - dropped
        told = replace(told, rows_read=n_read, rows_kept=n_kept)
        return Table({}, {instrument: trades}, told)

    def _careful(self, odd: npt.NDArray[np.int64]) -> Sheet:
        """Read the top and the odd lines as a file of their own, with the lines' true numbers."""
        plan = self.plan
        starts = np.empty(len(odd), np.int64)
        ticks.line_starts(np.frombuffer(self.raw, np.uint8), odd, starts)
        texts = [self.raw[: plan.start]]
        for start in starts.tolist():
            end = self.raw.find(b"\n", start) + 1
            texts.append(self.raw[start : end or len(self.raw)])
        found = lines.split(b"".join(texts), self.name, self.told)
        numbers = np.concatenate((np.arange(plan.lines), odd)) + 1
        aside = [one._replace(line=int(numbers[one.line - 1])) for one in found.aside]
        found = replace(found, numbers=numbers[found.numbers - 1], aside=aside)
        sheet = Sheet(found, self.name, self.told)
        if self.note:
            sheet.notes.append(self.note)
        return sheet

    def _joined(
        self, rows: Rows, few: Trades, few_ids: Ids, numbers: npt.NDArray[np.int64]
    ) -> tuple[Trades, Ids, _LineOf]:
        """Put the carefully read trades where they stand in the file."""
        line_of = _LineOf(rows.odd, self.plan.lines, numbers)
        n_top = int((numbers <= self.plan.lines).sum())
        first = rows.front - n_top
        trades, ids = rows.trades[first:], rows.ids[first:]
        trades[:n_top] = few[:n_top]
        ids[:n_top] = few_ids[:n_top]
        if n_top == len(few):
            return trades, ids, line_of
        at = n_top + line_of.places(numbers[n_top:])
        ids = np.insert(ids, at, few_ids[n_top:]) if len(ids) else ids
        return np.insert(trades, at, few[n_top:]), ids, line_of

    def _times(self, sheet: Sheet, rows: Rows, few: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Return the time of every row that has one, used or not, in file order."""
        numbers = sheet.lines.numbers[few["row"].to_numpy()]
        n_top = int((numbers <= self.plan.lines).sum())
        at = _LineOf(rows.odd, self.plan.lines, numbers).places(numbers[n_top:])
        times = few["time_us"].to_numpy()
        rest = np.insert(rows.trades["time_us"][rows.front :], at, times[n_top:])
        return np.concatenate((times[:n_top], rest))

    def _in_order(
        self, sheet: Sheet, trades: Trades, ids: Ids, times: npt.NDArray[np.int64]
    ) -> tuple[Trades, Ids, npt.NDArray[np.int64] | None]:
        back = int((times[1:] < times[:-1]).sum())
        if not back:
            return trades, ids, None
        order = np.arange(len(trades))
        forth = int((times[1:] > times[:-1]).sum())
        if back > forth:
            order = order[::-1]
            sheet.notes.append(REVERSED)
            back = forth
        if back:
            sheet.notes.append(sorted_note(back))
        order = order[np.argsort(trades["time_us"][order], kind="stable")]
        return trades[order], ids[order] if len(ids) else ids, order

    def _once(
        self,
        sheet: Sheet,
        trades: Trades,
        ids: Ids,
        order: npt.NDArray[np.int64] | None,
        line_of: _LineOf,
    ) -> tuple[Trades, int]:
        """Leave out trades whose id was there before; returns the others, and how many went."""
        if not len(ids) or bool((ids[1:] > ids[:-1]).all()):
            return trades, 0
        again = pd.Series(ids).duplicated().to_numpy()
        dropped = np.flatnonzero(again)
        if not len(dropped):
            return trades, 0
        sheet.more[AGAIN[2]] += len(dropped)
        shown = dropped[:ASIDE_SHOWN]
        numbers = np.array([line_of(int(i if order is None else order[i])) for i in shown])
        starts = np.empty(len(numbers), np.int64)
        ticks.line_starts(np.frombuffer(self.raw, np.uint8), np.sort(numbers) - 1, starts)
        for number, start in zip(np.sort(numbers).tolist(), starts.tolist(), strict=True):
            text = self.raw[start : start + 4 * TEXT_SHOWN].split(b"\n")[0].rstrip(b"\r")
            sheet.aside.append(Aside(number, AGAIN[2], text.decode(errors="replace")))
        return trades[~again], len(dropped)


def _whole_ids(ids: pd.Series[Any]) -> Ids | None:
    """Return ids as whole numbers, None where one is none."""
    if ids.dtype.kind == "f":
        ids = ids.where(ids.abs() < 2.0**53).map("{:.15g}".format)
    texts = ids.astype(str)
    if not texts.str.fullmatch("[0-9]{1,18}").all():
        return None
    return np.array(texts.astype(np.int64), np.int64)


class _LineOf:
    """Where a trade stood in the file, from its place among all trades in file order."""

    def __init__(self, odd: npt.NDArray[np.int64], first: int, few: npt.NDArray[np.int64]) -> None:
        # The plain line with `i` plain lines before it is the file's line first + i + (odd before).
        self.steps = odd - first - np.arange(len(odd))
        self.first, self.few = first, few
        self.few_at = self.places(few) + np.arange(len(few))

    def places(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many plain rows stand before lines that are none; numbers count from 1."""
        lines = numbers - 1 - self.first
        odd_before = np.searchsorted(self.steps + np.arange(len(self.steps)), lines)
        plain: npt.NDArray[np.int64] = np.maximum(lines - odd_before, 0)
        return plain

    def __call__(self, place: int) -> int:
        """Return the line number, from 1."""
        before = int(np.searchsorted(self.few_at, place))
        if before < len(self.few_at) and self.few_at[before] == place:
            return int(self.few[before])
        plain = place - before
        return self.first + plain + int(np.searchsorted(self.steps, plain, "right")) + 1

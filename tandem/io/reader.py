"""From a file's text to its table, with the report of what was made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.io import text as lines
from tandem.io.arrays import bar_array, fresh, trade_array
from tandem.io.bar_times import settle
from tandem.io.column import Column, key_of
from tandem.io.derived import derived, unscaled, unsplit
from tandem.io.instrument_column import with_symbols
from tandem.io.layouts import LEAN, LEAN_SCALE
from tandem.io.model import Bars, Corrections, Table, Trades
from tandem.io.parsing import data
from tandem.io.price_columns import is_trades
from tandem.io.reports import report, stem, unique
from tandem.io.row_order import in_order, once, once_by_id
from tandem.io.sheet import Sheet, frame, texts_of, unclear
from tandem.io.table_layout import find
from tandem.io.text import shown
from tandem.io.valid_rows import note_currencies, traded, valid_prices, valid_trades


def read_text(
    raw: bytes, name: str, told: Corrections, note: str = "", watch: Watch = UNWATCHED
) -> Table:
    """Read the text of one table; see `files.read`."""
    sheet = Sheet(lines.split(raw, name, told), name, told)
    watch.progress(1, 3)
    watch.check()
    if note:
        sheet.notes.append(note)
    return _table(sheet)


def _table(sheet: Sheet) -> Table:
    if len(sheet.lines.numbers) < 2:
        raise DataError(_too_short(sheet))
    layout, columns = find(sheet)
    has_trades, used = is_trades(columns), columns
    try:
        rows = data(sheet, frame(sheet, columns), columns)
        if not has_trades:
            if not any(role == "symbol" for _, role in sheet.told.roles):
                rows, columns, notes = with_symbols(
                    rows, columns, sheet.lines.sample, partial(texts_of, sheet)
                )
                sheet.notes += notes
            rows = _settled(sheet, rows, columns)
            used, notes = derived(rows, columns)
            sheet.has_quotes = any(column.role == "bid" for column in columns)
            sheet.notes += notes
            if layout.startswith(LEAN):
                sheet.notes.append(unscaled(rows, LEAN_SCALE))
        note_currencies(sheet, rows)
        rows = in_order(sheet, rows)
    except DataError as error:
        raise unclear(sheet, str(error), columns) from None
    if has_trades:
        bars, trades = {}, dict(trades_in(sheet, rows, columns))
    else:
        bars, trades = dict(bars_in(sheet, rows, used)), {}
    return Table(bars, trades, report(sheet, bars, trades, layout, columns))


def _settled(sheet: Sheet, rows: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """Replace the times of bars by their starts, or by their dates; see `bar_times.settle`."""
    time_name = next(column.name for column in columns if column.role == "time")
    name = sheet.end_name or time_name
    local_us = sheet.local_us[rows["row"].to_numpy()] if sheet.local_us is not None else None
    time_us = rows["time_us"].to_numpy()
    settled = settle(time_us, local_us, sheet.told.label, name, are_dates=sheet.are_dates)
    sheet.label, sheet.time_notes = settled.label, settled.notes
    return rows if settled.time_us is time_us else rows.assign(time_us=settled.time_us)


def _too_short(sheet: Sheet) -> str:
    count = len(sheet.lines.numbers)
    what = "a single row of data" if count else "no rows of data"
    left_out = Counter(entry.reason for entry in sheet.lines.aside)
    why = "".join(f" ({count:,} left out: {one})" for one, count in left_out.most_common(1))
    return f"{shown(sheet.name)} has {what}{why}; at least two rows of prices are needed."


def bars_in(sheet: Sheet, data: pd.DataFrame, columns: list[Column]) -> Iterator[tuple[str, Bars]]:
    """Make the bars of each instrument in turn."""
    for name, used, part in _parts(sheet, data, columns):
        keys = {column.role: key_of(column) for column in used}
        if any(column.symbol for column in used):  # a leg may lack a price where another has one
            there = part[keys["close"]].notna().to_numpy()
            part = part if there.all() else part[there]
        if "age" in keys:
            part = fresh(part, keys)
        prices = [keys[role] for role in ("open", "high", "low", "close") if role in keys]
        part = valid_prices(sheet, part, prices, are_bars=True)
        part = once(sheet, traded(sheet, part, keys), keys)
        if "split" in keys:
            named = next(column.name for column in used if column.role == "split")
            part, notes = unsplit(part, keys, named)
            sheet.notes += notes
        if len(part):
            sheet.kept[part["row"].to_numpy()] = True
            yield name, bar_array(sheet, part, keys)


def trades_in(
    sheet: Sheet, data: pd.DataFrame, columns: list[Column]
) -> Iterator[tuple[str, Trades]]:
    """Make the trades of each instrument in turn."""
    for name, used, part in _parts(sheet, data, columns):
        keys = {column.role: key_of(column) for column in used}
        part, keys = _signed(part, keys)
        part = once_by_id(sheet, valid_trades(sheet, part, keys), keys)
        if len(part):
            sheet.kept[part["row"].to_numpy()] = True
            yield name, trade_array(sheet, part, keys)


def _signed(part: pd.DataFrame, keys: dict[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Take amounts below zero for sales where there is no other word on the side."""
    amount = keys.get("quantity")
    if amount is None or {"side", "buyer_maker"} & set(keys) or not (part[amount] < 0).any():
        return part, keys
    sides = np.where(part[amount] < 0, "sell", "buy")
    part = part.assign(side=sides)
    part[amount] = part[amount].abs()
    return part, keys | {"side": "side"}


def _parts(
    sheet: Sheet, data: pd.DataFrame, columns: list[Column]
) -> Iterator[tuple[str, list[Column], pd.DataFrame]]:
    """Take the rows apart by symbol column, by symbols in names, or as one."""
    used = [column for column in columns if column.role]
    symbols = [column.symbol for column in used if column.symbol and column.role == "close"]
    names: set[str] = set()
    if symbols:
        for symbol in symbols:
            given = f"{symbol}_instrument"
            named = str(data[given].iloc[0]) if given in data else symbol
            yield unique(named, names), [c for c in used if c.symbol in ("", symbol)], data
    elif any(c.role == "symbol" for c in used):
        missing = data["symbol"].isna().to_numpy()
        sheet.set_aside(missing, "the instrument is missing", data["row"])
        groups = list(data[~missing].groupby("symbol", sort=False))
        for label, part in sorted(groups, key=lambda group: int(group[1]["row"].min())):
            yield unique(str(label), names), used, part
    else:
        yield unique(stem(sheet.name), names), used, data

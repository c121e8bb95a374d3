"""From a file's text to its table, with the report of what was made of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.core.events import BAR, BUY, CANDLE, SELL, TRADE, UNKNOWN_SIDE
from tandem.core.instruments import instrument, split_instrument
from tandem.core.parallel import UNWATCHED, Watch
from tandem.io import columns as roles
from tandem.io import text as lines
from tandem.io.bar_times import gaps, settle, usual_interval
from tandem.io.columns import Column, key_of, taken
from tandem.io.derived import derived, unscaled, unsplit
from tandem.io.instrument_column import with_symbols
from tandem.io.model import (
    AGAIN,
    ASIDE_SHOWN,
    FILE_VENUE,
    NAMED,
    TEXT_SHOWN,
    Bars,
    Corrections,
    Report,
    Table,
    Trades,
    Unclear,
    require_bearable,
)
from tandem.io.parsing import (
    Sheet,
    amount_of,
    data,
    frame,
    in_order,
    note_currencies,
    once,
    once_by_id,
    texts_of,
    traded,
    valid_prices,
    valid_trades,
)
from tandem.io.text import shown

MOST_TRADES = 2**53  # in a bar; more is a misread number

_MAKER_SIDES = {"true": SELL, "1": SELL, "false": BUY, "0": BUY}
_SIDES = {"buy": BUY, "b": BUY, "1": BUY, "+1": BUY, "sell": SELL, "s": SELL, "-1": SELL}


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
    is_trades, used = roles.is_trades(columns), columns
    try:
        rows = data(sheet, frame(sheet, columns), columns)
        if not is_trades:
            if not any(role == "symbol" for _, role in sheet.told.roles):
                rows, columns, notes = with_symbols(
                    rows, columns, sheet.lines.sample, partial(texts_of, sheet)
                )
                sheet.notes += notes
            rows = _settled(sheet, rows, columns)
            used, notes = derived(rows, columns)
            sheet.has_quotes = any(column.role == "bid" for column in columns)
            sheet.notes += notes
            if layout.startswith(roles.LEAN):
                sheet.notes.append(unscaled(rows, roles.LEAN_SCALE))
        note_currencies(sheet, rows)
        rows = in_order(sheet, rows)
    except DataError as error:
        raise unclear(sheet, str(error), columns) from None
    if is_trades:
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


# What each column is ----------------------------------------------------------------------


def find(sheet: Sheet) -> tuple[str, list[Column]]:
    """Return the layout's name and what each column is; raises where that cannot do."""
    header, sample, told = sheet.lines.header, sheet.lines.sample, sheet.told.roles
    if header is not None:
        layout, columns = NAMED, roles.by_name(header, sample, sheet.lines.symbols)
    else:
        layout, columns = _without_names(sheet, bool(told))
    columns = roles.corrected(columns, told)
    _require(sheet, columns)
    if header is not None and not told:
        _require_one_name(sheet, columns)
    return layout, columns


def unclear(sheet: Sheet, text: str, columns: list[Column]) -> Unclear:
    """Return the error with what is needed to correct it."""
    return Unclear(text, taken(columns), sheet.sample())


def _without_names(sheet: Sheet, is_told: bool) -> tuple[str, list[Column]]:
    found = roles.by_layout(sheet.lines.sample)
    if found is None:
        columns = [Column(i, f"column {i + 1}", "") for i in range(sheet.lines.width)]
        if is_told:
            return "columns as corrected", columns
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has no column names, and its {sheet.lines.width} columns "
            "are of no layout known here; add a first line like time,open,high,low,close.",
            columns,
        )
    return f"{found[0]}, without column names", found[1]


def _require(sheet: Sheet, columns: list[Column]) -> None:
    found = {column.role for column in columns}
    names = ", ".join(shown(column.name, 20) for column in columns[:8])
    more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
    if "time" not in found:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has no time column; its columns are {names}{more}. "
            "Name one time, date or timestamp, or say which it is (--columns time=NAME).",
            columns,
        )
    if not found & {"close", "price", "bid"}:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has no price column; its columns are {names}{more}. "
            "Name one close or price, or say which it is (--columns close=NAME).",
            columns,
        )
    same = roles.same_of(columns)
    if same:
        both = " and ".join(shown(column.name, 20) for column in same)
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has two columns for the {roles.ROLES[same[0].role]} of one "
            f"instrument: {both}. Leave one out (--columns none=NAME).",
            columns,
        )
    other = roles.own_dates(columns, sheet.lines.sample)
    if other is not None:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has a second column of dates, {shown(other.name, 20)} (column "
            f"{other.index + 1}), for the prices to its right. Save each column of dates with its "
            "prices as a file of its own.",
            columns,
        )


def _require_one_name(sheet: Sheet, columns: list[Column]) -> None:
    header = sheet.lines.header or []
    names = [" ".join(one) for one in zip(header, sheet.lines.symbols or header, strict=True)]
    twice = roles.named_twice(columns, names)
    if twice is not None:
        raise unclear(
            sheet,
            f"{shown(sheet.name)} has several columns called {shown(twice.name, 20)}. Name each "
            f"otherwise, or say which one counts (--columns {twice.role}=NUMBER).",
            columns,
        )


# Bars and trades --------------------------------------------------------------------------


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
            yield name, _bar_array(sheet, part, keys)


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


def _bar_array(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> Bars:
    bars = np.zeros(len(part), BAR)

    def given(role: str) -> npt.NDArray[np.float64]:
        return part[keys[role]].to_numpy() if role in keys else np.full(len(part), np.nan)

    bars["time_us"] = part["time_us"]
    bars["close"] = given("close")
    bars["open"] = given("open") if "open" in keys else bars["close"]
    top, bottom = (
        np.maximum(bars["open"], bars["close"]),
        np.minimum(bars["open"], bars["close"]),
    )
    bars["high"] = given("high") if "high" in keys else top
    bars["low"] = given("low") if "low" in keys else bottom
    odd = int(((bars["high"] < top) | (bars["low"] > bottom)).sum())
    if odd:
        sheet.notes.append(f"In {odd:,} bars open or close lie outside low and high.")
    bars["volume"], bars["buy_volume"] = given("volume"), given("buy_volume")
    bars["notional"] = given("quote_volume")
    counts = np.nan_to_num(given("trades"))
    bars["trades"] = np.clip(counts, 0, MOST_TRADES)
    if "last_trade" in part:
        bars["last_us"] = part["last_trade"]
        # Of our own exports: bars that were a venue's candles stay marked as such.
        bars["trades"][counts == CANDLE] = CANDLE
    return bars


def trade_array(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> Trades:
    """Return rows as trades, in their order."""
    amount = amount_of(part, keys)
    trades = np.zeros(len(part), TRADE)
    trades["time_us"] = part["time_us"]
    trades["price"] = part[keys["price"]]
    trades["quantity"] = part[amount] if amount else np.nan
    trades["side"] = _sides(sheet, part, keys)
    trades["received_us"] = part[keys.get("received", "time_us")]
    return trades


def _sides(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> npt.NDArray[np.int8]:
    """Return the taker's side of each trade."""
    column = keys.get("buyer_maker", keys.get("side"))
    if column is None:
        return np.zeros(len(part), np.int8)
    known = _MAKER_SIDES if "buyer_maker" in keys else _SIDES
    codes, texts = pd.factorize(part[column])  # few distinct ones; -1 stands for a missing one
    meanings = [known.get(str(text).strip().lower(), UNKNOWN_SIDE) for text in texts]
    sides = np.array([*meanings, UNKNOWN_SIDE], np.int8)[codes]
    unknown = int((sides == UNKNOWN_SIDE).sum())
    if unknown:
        sheet.notes.append(f"{unknown:,} trades have an unrecognised side.")
    return sides


def stem(name: str) -> str:
    """Return a file's name without folders and the endings of tables."""
    return re.sub(r"\.(csv|txt|tsv|parquet)$", "", Path(name).name, flags=re.IGNORECASE)


def unique(label: str, names: set[str]) -> str:
    """Return an instrument name: the label where it is one, else under ``file:``."""
    try:
        split_instrument(label)
        name = label
    except DataError:
        symbol = re.sub(r"[^\w./-]+", "-", label).lstrip("_-./")[:36] or "PRICES"
        name = instrument(FILE_VENUE, symbol)
    for number in range(2, 10_000):
        if name not in names:
            break
        name = f"{name.removesuffix(f'-{number - 1}')}-{number}"
    names.add(name)
    return name


# The grid of the bars ---------------------------------------------------------------------


def fresh(part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the bars in which the leg traded, as told by the age of its last trade at their end.

    The first row's price may be older than its bar: it is put into the bar it comes from, whose
    other prices are not known.
    """
    interval_us = max(usual_interval(part["time_us"].to_numpy()), 1)
    last_us = (part["time_us"] + interval_us - part[keys["age"]]).astype(np.int64)
    traded = (last_us >= part["time_us"]).to_numpy().copy()
    traded[:1] = True
    time_us = np.minimum(part["time_us"], last_us // interval_us * interval_us)
    part = part.assign(time_us=time_us, last_trade=last_us)[traded]
    first = part.index[:1]
    if "open" in keys and part.loc[first, keys["open"]].isna().all():
        part.loc[first, keys["open"]] = part.loc[first, keys["close"]]
    return part


# The report -------------------------------------------------------------------------------


def report(
    sheet: Sheet,
    bars: dict[str, Bars],
    trades: dict[str, Trades],
    layout: str,
    columns: list[Column],
) -> Report:
    """Return what was made of the file."""
    arrays = [*bars.values(), *trades.values()]
    if sum(map(len, arrays)) < 2:
        raise unclear(sheet, _nothing_left(sheet), columns)
    intervals = [usual_interval(rows["time_us"]) for rows in bars.values()]
    interval_us = min((interval for interval in intervals if interval), default=0)
    for rows in bars.values():
        unknown = rows["last_us"] == 0
        rows["last_us"][unknown] = rows["time_us"][unknown] + max(interval_us, 1) - 1
    sheet.notes += sheet.time_notes
    aside = sorted({*sheet.lines.aside, *sheet.aside})[:ASIDE_SHOWN]
    reasons = sheet.reasons()
    found = Report(
        name=sheet.name,
        kind="bars" if bars else "trades",
        layout=layout,
        rows_read=len(sheet.lines.numbers) + len(sheet.lines.aside),
        rows_kept=int(sheet.kept.sum()),
        aside=tuple(entry._replace(text=entry.text[:TEXT_SHOWN]) for entry in aside),
        reasons=dict(reasons.most_common()),
        columns=taken(columns),
        first_us=min(int(array["time_us"][0]) for array in arrays),
        last_us=max(int(array["time_us"][-1]) for array in arrays),
        interval_us=interval_us,
        gaps=sum(gaps(rows["time_us"], interval_us) for rows in bars.values()),
        encoding=sheet.lines.encoding,
        delimiter=sheet.lines.delimiter,
        decimal=sheet.decimal,
        times=sheet.times,
        notes=tuple(sheet.notes),
        vendor=_vendor(sheet, layout),
        time_zone=sheet.zone,
        time_unit=sheet.time_unit,
        date_order=sheet.date_order,
        label=sheet.label,
        duplicates=sum(reasons[reason] for reason in AGAIN),
        sample=sheet.sample(),
        losses=dict(sheet.reasons(is_lost=True).most_common()),
    )
    try:
        require_bearable(found.loss, found.loss_share, sheet.told)
    except DataError as error:
        raise unclear(sheet, str(error), columns) from None
    return found


def _vendor(sheet: Sheet, layout: str) -> str:
    if sheet.lines.header is not None:
        return roles.vendor(sheet.lines.header)
    named = layout.split(",")[0]
    return named if named.startswith(("Binance", "Kraken", "Lean", "MetaTrader")) else ""


def _nothing_left(sheet: Sheet) -> str:
    why = "; ".join(f"{count:,}: {reason}" for reason, count in sheet.reasons().most_common(3))
    return (
        f"{shown(sheet.name)} has {len(sheet.lines.numbers):,} rows, but fewer than two can be "
        f"used ({why or 'they hold no prices; say which column does, --columns close=NAME'})."
    )

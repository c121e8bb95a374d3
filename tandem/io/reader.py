"""From a file's text to its table, with the report of what was made of it."""

from __future__ import annotations

from collections import Counter

from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.io import columns as roles
from tandem.io import grid
from tandem.io import text as lines
from tandem.io.columns import Column
from tandem.io.finding import find, unclear
from tandem.io.making import bars_in, trades_in
from tandem.io.model import ASIDE_SHOWN, TEXT_SHOWN, Bars, Corrections, Report, Table, Trades
from tandem.io.naming import taken
from tandem.io.parsing import data, frame, in_order
from tandem.io.sheet import AGAIN, Sheet
from tandem.io.text import shown


def read_text(
    raw: bytes, name: str, told: Corrections, note: str = "", watch: Watch = UNWATCHED
) -> Table:
    """Read the text of one table; see `tables.read`."""
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
    try:
        rows = in_order(sheet, data(sheet, frame(sheet, columns), columns))
    except DataError as error:
        raise unclear(sheet, str(error), columns) from None
    if roles.is_trades(columns):
        bars, trades = {}, dict(trades_in(sheet, rows, columns))
    else:
        bars, trades = dict(bars_in(sheet, rows, columns)), {}
    return Table(bars, trades, report(sheet, bars, trades, layout, columns))


def _too_short(sheet: Sheet) -> str:
    count = len(sheet.lines.numbers)
    what = "a single row of data" if count else "no rows of data"
    left_out = Counter(entry.reason for entry in sheet.lines.aside)
    why = "".join(f" ({count:,} left out: {one})" for one, count in left_out.most_common(1))
    return f"{shown(sheet.name)} has {what}{why}; at least two rows of prices are needed."


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
    intervals = [grid.usual_interval(rows["time_us"]) for rows in bars.values()]
    interval_us = min((interval for interval in intervals if interval), default=0)
    for rows in bars.values():
        unknown = rows["last_us"] == 0
        rows["last_us"][unknown] = rows["time_us"][unknown] + max(interval_us, 1) - 1
    if bars:
        sheet.notes.append("Times are taken as the start of each bar.")
    aside = sorted({*sheet.lines.aside, *sheet.aside})[:ASIDE_SHOWN]
    reasons = sheet.reasons()
    return Report(
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
        gaps=sum(grid.gaps(rows["time_us"], interval_us) for rows in bars.values()),
        encoding=sheet.lines.encoding,
        delimiter=sheet.lines.delimiter,
        decimal=sheet.decimal,
        times=sheet.times,
        notes=tuple(sheet.notes),
        vendor=_vendor(sheet, layout),
        time_zone=sheet.zone,
        duplicates=sum(reasons[reason] for reason in AGAIN),
        sample=sheet.sample(),
    )


def _vendor(sheet: Sheet, layout: str) -> str:
    if sheet.lines.header is not None:
        return roles.vendor(sheet.lines.header)
    named = layout.split(",")[0]
    return named if named.startswith(("Binance", "Kraken", "MetaTrader")) else ""


def _nothing_left(sheet: Sheet) -> str:
    why = "; ".join(f"{count:,}: {reason}" for reason, count in sheet.reasons().most_common(3))
    return (
        f"{shown(sheet.name)} has {len(sheet.lines.numbers):,} rows, but fewer than two can be "
        f"used ({why or 'they hold no prices'})."
    )

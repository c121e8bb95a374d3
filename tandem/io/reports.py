"""What was made of a file, and what its instruments are called."""

from __future__ import annotations

import re
from pathlib import Path

from tandem.core.errors import DataError
from tandem.core.instruments import instrument, split_instrument
from tandem.io.bar_times import gaps, usual_interval
from tandem.io.column import Column, taken
from tandem.io.column_names import vendor
from tandem.io.model import (
    AGAIN,
    ASIDE_SHOWN,
    FILE_VENUE,
    TEXT_SHOWN,
    Bars,
    Report,
    Trades,
    require_bearable,
)
from tandem.io.sheet import Sheet, unclear
from tandem.io.text import shown


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
        return vendor(sheet.lines.header)
    named = layout.split(",")[0]
    return named if named.startswith(("Binance", "Kraken", "Lean", "MetaTrader")) else ""


def _nothing_left(sheet: Sheet) -> str:
    why = "; ".join(f"{count:,}: {reason}" for reason, count in sheet.reasons().most_common(3))
    return (
        f"{shown(sheet.name)} has {len(sheet.lines.numbers):,} rows, but fewer than two can be "
        f"used ({why or 'they hold no prices; say which column does, --columns close=NAME'})."
    )

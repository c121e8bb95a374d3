"""Rows that can be used: with prices, traded, and not ruined by a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tandem.io.column_names import plain
from tandem.io.model import NO_TRADE
from tandem.io.sheet import NARROW, Sheet, amount_of, texts_of, without
from tandem.io.text import shown

CURRENCY_COLUMNS = ("currency", "ccy", "price_currency", "currency_code", "waehrung", "wahrung")

_EXCEL = (
    NARROW,
    (
        r"(?i)\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
        r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*-\d{2,4}",
        "a spreadsheet turned the number into a date",
    ),
    (r"(?i)#(value|ref|name|num|div/0|null)[!?]?", "a spreadsheet wrote an error for the number"),
)


def note_currencies(sheet: Sheet, rows: pd.DataFrame) -> None:
    """Say where the prices of an instrument change their currency."""
    for index, name in enumerate(sheet.lines.header or ()):
        if plain(name) not in CURRENCY_COLUMNS:
            continue
        currencies = texts_of(sheet, [index])[index].iloc[rows["row"].to_numpy()].to_numpy()
        found = pd.DataFrame({"instrument": rows.get("symbol", ""), "currency": currencies})
        several = found.dropna().groupby("instrument")["currency"].unique()
        several = several[several.map(len) > 1]
        if len(several):
            sheet.notes.append(
                f"Prices change their currency ({', '.join(map(shown, several.iloc[0][:4]))} in "
                f"column {shown(name)}); they are not converted."
            )


def valid_prices(
    sheet: Sheet, part: pd.DataFrame, names: list[str], are_bars: bool = False
) -> pd.DataFrame:
    """Set aside the rows in which one of these columns has no number above zero.

    The price of a bar may be below zero, as that of oil was; 0 stands for no price.
    """
    checks: tuple[tuple[Callable[[Any], Any], str], ...] = (
        (np.isnan, "a price or quantity is missing or is no number"),
        (np.isinf, "a price or quantity is infinite"),
        (
            (lambda values: values == 0) if are_bars else (lambda values: values <= 0),
            "a price or quantity is not above zero",
        ),
    )
    part = _ruined(sheet, part, names)
    for check, reason in checks:
        wrong = check(part[names].to_numpy()).any(axis=1)
        part = without(sheet, part, wrong, reason)
    return part


def _ruined(sheet: Sheet, part: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Set aside the rows in whose price a spreadsheet put something else."""
    for name in names:
        if name not in sheet.texts:
            continue
        missing = part[name].isna().to_numpy()
        rows = part["row"].to_numpy()
        cells_there = sheet.texts[name].iloc[rows[missing]].astype(str).str.strip()
        for pattern, reason in _EXCEL:
            wrong = missing.copy()
            wrong[missing] = cells_there.str.fullmatch(pattern).to_numpy(bool)
            sheet.set_aside(wrong, reason, part["row"])
            part, missing = part[~wrong], missing[~wrong]
            rows = part["row"].to_numpy()
            cells_there = sheet.texts[name].iloc[rows[missing]].astype(str).str.strip()
    return part


def traded(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Leave out bars in which nothing traded: they only repeat the last price."""
    if "volume" not in keys or not {"open", "high", "low"} <= set(keys):
        return part
    dead = (part[keys["volume"]] == 0).to_numpy()
    flat = (part[keys["high"]] == part[keys["low"]]).to_numpy()
    if dead.all():
        return part
    return without(sheet, part, dead & flat, NO_TRADE)


def valid_trades(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Set aside the rows without a price or a quantity; `keys` is the column of each role."""
    amount = amount_of(part, keys)
    return valid_prices(sheet, part, [keys["price"]] + ([amount] if amount else []))

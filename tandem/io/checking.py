"""Which rows can be used: prices above zero, no bar and no trade twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.io import cells
from tandem.io.sheet import AGAIN, NARROW, Sheet

_EXCEL = (
    NARROW,
    (
        r"(?i)\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
        r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*-\d{2,4}",
        "a spreadsheet turned the number into a date",
    ),
    (r"(?i)#(value|ref|name|num|div/0|null)[!?]?", "a spreadsheet wrote an error for the number"),
)


def valid_prices(sheet: Sheet, part: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Set aside the rows in which one of these columns has no number above zero."""
    checks: tuple[tuple[Callable[[Any], Any], str], ...] = (
        (np.isnan, "a price or quantity is missing or is no number"),
        (np.isinf, "a price or quantity is infinite"),
        (lambda values: values <= 0, "a price or quantity is not above zero"),
    )
    part = _ruined(sheet, part, names)
    for check, reason in checks:
        wrong = check(part[names].to_numpy()).any(axis=1)
        part = without(sheet, part, wrong, reason)
    return part


def without(
    sheet: Sheet, part: pd.DataFrame, wrong: npt.NDArray[np.bool_], reason: str
) -> pd.DataFrame:
    """Set rows aside; the others are copied only where some are."""
    if not wrong.any():
        return part
    sheet.set_aside(wrong, reason, part["row"])
    return part[~wrong]


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
    return without(sheet, part, dead & flat, "no trade in the bar (volume 0)")


def once(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the first bar of each time."""
    times = part["time_us"].to_numpy()
    if bool((times[1:] > times[:-1]).all()):
        return part
    again = part.duplicated("time_us").to_numpy()
    same = part.duplicated(["time_us", keys["close"]]).to_numpy()
    sheet.set_aside(again & same, AGAIN[0], part["row"])
    sheet.set_aside(again & ~same, AGAIN[1], part["row"])
    return part[~again]


def valid_trades(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Set aside the rows without a price or a quantity; `keys` is the column of each role."""
    amount = amount_of(part, keys)
    return valid_prices(sheet, part, [keys["price"]] + ([amount] if amount else []))


def amount_of(part: pd.DataFrame, keys: dict[str, str]) -> str | None:
    """Return the column that holds the quantity of each trade, if one does."""
    # Prices that are only told come with no quantity at all: it is unknown.
    amount = keys.get("quantity", keys.get("volume"))
    return None if amount and (part[amount] == 0.0).all() else amount


def once_by_id(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the first trade of each id."""
    if "id" not in keys or _are_ids_ruined(sheet, part[keys["id"]]):
        return part
    again = (part.duplicated(keys["id"]) & part[keys["id"]].notna()).to_numpy()
    return without(sheet, part, again, AGAIN[2])


def _are_ids_ruined(sheet: Sheet, ids: pd.Series[Any]) -> bool:
    """Tell ids a spreadsheet cut short, as 1.23E+11: many are then alike, and prove nothing."""
    if ids.dtype.kind in "iu":
        return False
    texts = ids.iloc[:10_000].map(
        lambda cell: f"{cell:.15g}" if isinstance(cell, float) else str(cell)
    )
    shortened = texts.str.fullmatch(cells.SHORTENED) | texts.str.fullmatch(r"[1-9]\d{0,5}0{5,}")
    if shortened.mean() < 0.5:
        return False
    sheet.notes.append(
        "A spreadsheet shortened the trade ids to a few digits (like 1.23E+11); they are not "
        "used, so that trades that are there twice count twice."
    )
    return True

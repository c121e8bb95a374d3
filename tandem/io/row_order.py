"""Rows in the order of their times, each time or id once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.io.model import AGAIN, OLDER_QUOTE
from tandem.io.sheet import Sheet, without
from tandem.io.times import SHORTENED

REVERSED = "The newest rows came first; their order was reversed."


def sorted_note(back: int) -> str:
    """Say that so many rows had a later one before them."""
    if back == 1:
        return "1 row was out of time order; the rows were sorted."
    return f"{back:,} rows were out of time order; they were sorted."


def time_order(
    time_us: npt.NDArray[np.int64], steps: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp] | None, list[str]]:
    """Return the order that sorts rows by time, and what to say of it; None where they are sorted.

    Rows of one time stay in file order, or are reversed with all others where the newest come
    first, so that the newest of them is the last.

    Parameters
    ----------
    time_us : ndarray of shape (n_rows,)
    steps : ndarray
        Changes of time from row to row, within an instrument.
    """
    back, forth = int((steps < 0).sum()), int((steps > 0).sum())
    if not back:
        return None, []
    notes, rows = [], np.arange(len(time_us))
    if back > forth:
        rows = rows[::-1]
        notes.append(REVERSED)
        back = forth
    if back:
        notes.append(sorted_note(back))
    return rows[np.argsort(time_us[rows], kind="stable")], notes


def in_order(sheet: Sheet, data: pd.DataFrame) -> pd.DataFrame:
    """Sort by time; see `time_order`."""
    time_us = data["time_us"].to_numpy()
    steps = np.diff(time_us)
    if "symbol" in data:  # one instrument below the other, or rows of several in turn
        codes = pd.factorize(data["symbol"])[0]
        together = np.argsort(codes, kind="stable")
        is_same = np.diff(codes[together]) == 0
        steps = np.diff(time_us[together])[is_same]
        if not (steps < 0).any():
            return data.sort_values("time_us", kind="stable")
    order, notes = time_order(time_us, steps)
    sheet.notes += notes
    return data if order is None else data.iloc[order]


def once(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the newest bar of each time: an unfinished candle may come before the finished one."""
    again, same = repeats(part["time_us"].to_numpy(), part[keys["close"]].to_numpy())
    if not again.any():
        return part
    other = OLDER_QUOTE if sheet.has_quotes else AGAIN[1]
    sheet.set_aside(again & same, AGAIN[0], part["row"])
    sheet.set_aside(again & ~same, other, part["row"])
    return part[~again]


def repeats(
    time_us: npt.NDArray[np.int64], close: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which rows are of a time that comes again, and which of them say the same as that.

    Of rows of one time, in the order of `time_order`, the last counts, whatever reads the file.
    """
    if bool((time_us[1:] > time_us[:-1]).all()):
        nothing = np.zeros(len(time_us), np.bool_)
        return nothing, nothing
    rows = pd.DataFrame({"time_us": time_us, "close": close}, copy=False)
    again = rows.duplicated("time_us", keep="last").to_numpy()
    return again, rows.duplicated(keep="last").to_numpy()


def once_by_id(sheet: Sheet, part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the first trade of each id."""
    if "id" not in keys or are_ids_ruined(sheet, part[keys["id"]]):
        return part
    again = (part.duplicated(keys["id"]) & part[keys["id"]].notna()).to_numpy()
    return without(sheet, part, again, AGAIN[2])


def are_ids_ruined(sheet: Sheet, ids: pd.Series[Any]) -> bool:
    """Tell ids a spreadsheet cut short, as 1.23E+11: many are then alike, and prove nothing."""
    if ids.dtype.kind in "iu":
        return False
    texts = ids.iloc[:10_000].map(
        lambda cell: f"{cell:.15g}" if isinstance(cell, float) else str(cell)
    )
    shortened = texts.str.fullmatch(SHORTENED) | texts.str.fullmatch(r"[1-9]\d{0,5}0{5,}")
    if shortened.mean() < 0.5:
        return False
    sheet.notes.append(
        "A spreadsheet shortened the trade ids to a few digits (like 1.23E+11); they are not "
        "used, so that trades that are there twice count twice."
    )
    return True

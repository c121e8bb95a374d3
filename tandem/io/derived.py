"""Prices made of others: the mid of bid and ask, and bars scaled to their adjusted close."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.io.column import Column, key_of

Floats = npt.NDArray[np.float64]

QUOTES = "Prices are the mid of bid and ask; the median spread is {:.3g} basis points."
ADJUSTED = "Prices are adjusted: open, high and low are scaled with the adjusted close."
SPLIT = "{} before {:,} split{} were divided by the split's ratio, as the column {} has it."
SPLITS_DONE = "The column {} names splits at which no price jumps: prices are adjusted already."
SPLITS_UNSURE = (
    "The column {} names splits; whether prices are adjusted for them cannot be told from their "
    "steps."
)
DIVIDENDS = (
    "The file has dividends but no adjusted close; whether its prices are adjusted for them is not "
    "known."
)
_SMALL = 0.25


def derived(rows: pd.DataFrame, columns: list[Column]) -> tuple[list[Column], list[str]]:
    """Replace, in `rows`, quotes by their mid and prices by adjusted ones.

    Returns
    -------
    columns : list of Column
        As `rows` has them now.
    notes : list of str
        Sentences on what was done.
    """
    notes: list[str] = []
    for symbol in dict.fromkeys(column.symbol for column in columns if column.role):
        mine = {column.role: column for column in columns if column.symbol == symbol}
        if {"bid", "ask"} <= set(mine):
            notes.append(_mid(rows, mine))
            columns = _with(columns, mine["bid"], "close")
            columns = _with(columns, mine["ask"], "")
        if {"adjusted", "close"} <= set(mine):
            _adjust(rows, mine)
            notes.append(ADJUSTED)
            columns = _with(columns, mine["adjusted"], "")
            columns = _with(columns, mine["split"], "") if "split" in mine else columns
    roles = {column.role for column in columns}
    if "dividend" in roles and ADJUSTED not in notes:
        paid = [key_of(column) for column in columns if column.role == "dividend"]
        notes += [DIVIDENDS] * bool((rows[paid].fillna(0.0) != 0.0).any().any())
    return columns, list(dict.fromkeys(notes))


def unscaled(rows: pd.DataFrame, scale: float) -> str:
    """Divide prices that are whole multiples of a part by their scale; returns a sentence."""
    for role in ("open", "high", "low", "close"):
        rows[role] /= scale
    return f"Prices are whole numbers of 1/{scale:,.0f}; they were divided by that."


def _with(columns: list[Column], which: Column, role: str) -> list[Column]:
    return [
        replace(column, role=role, symbol=column.symbol if role else "")
        if column.index == which.index
        else column
        for column in columns
    ]


def _mid(rows: pd.DataFrame, mine: dict[str, Column]) -> str:
    bid, ask = (rows[key_of(mine[side])].to_numpy() for side in ("bid", "ask"))
    mid = (bid + ask) / 2.0
    rows[key_of(replace(mine["bid"], role="close"))] = np.where((bid > 0) & (ask > 0), mid, np.nan)
    there = mid > 0
    spread = float(np.median((ask - bid)[there] / mid[there])) if there.any() else np.nan
    return QUOTES.format(1e4 * spread)


def _adjust(rows: pd.DataFrame, mine: dict[str, Column]) -> None:
    close = rows[key_of(mine["close"])].to_numpy()
    adjusted = rows[key_of(mine["adjusted"])].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = adjusted / close
    for role in ("open", "high", "low"):
        if role in mine:
            rows[key_of(mine[role])] *= factor
    rows[key_of(mine["close"])] = adjusted


def unsplit(part: pd.DataFrame, keys: dict[str, str], name: str) -> tuple[pd.DataFrame, list[str]]:
    """Divide prices before a split by its ratio, where they jump by it.

    Parameters
    ----------
    part : DataFrame
        Bars of one instrument, ascending in time.
    keys : dict of str to str
        The column of each role; ``split`` holds ratios, 0 or 1 where there is none.
    name : str
        What the file calls the column of splits.
    """
    ratio = part[keys["split"]].to_numpy()
    close = part[keys["close"]].to_numpy()
    places = [int(i) for i in np.flatnonzero((ratio > 0) & (ratio != 1)) if i]
    falls = {i: float(close[i - 1] / close[i]) for i in places}
    divisors = {i: _divisor(fall, float(ratio[i])) for i, fall in falls.items()}
    raw = [i for i in places if divisors[i] != 1.0]
    if not places:
        return part, []
    if not raw:
        are_small = all(_is_small(fall, float(ratio[i])) for i, fall in falls.items())
        return part, [(SPLITS_DONE if are_small else SPLITS_UNSURE).format(repr(name))]
    factor: Floats = np.ones(len(part))
    for place in raw:
        factor[:place] *= divisors[place]
    scaled: dict[str, Any] = {
        keys[role]: part[keys[role]].to_numpy() / factor
        for role in ("open", "high", "low", "close")
        if role in keys
    }
    many = "s" if len(raw) > 1 else ""
    return part.assign(**scaled), [SPLIT.format("Prices", len(raw), many, repr(name))]


def _divisor(fall: float, ratio: float) -> float:
    """Return the ratio that a price falls by rather than not at all, either way round; else 1.

    Files have 4 or 0.25 for four new shares for an old one.
    """
    if not fall > 0:
        return 1.0
    near = min((1.0, ratio, 1.0 / ratio), key=lambda one: abs(np.log(fall / one)))
    return float(near)


def _is_small(fall: float, ratio: float) -> bool:
    """Tell whether a step is far smaller than the split's."""
    return bool(fall > 0 and abs(np.log(fall)) < _SMALL * abs(np.log(ratio)))

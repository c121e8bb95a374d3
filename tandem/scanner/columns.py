"""A table of prices made ready: which instruments can be tested, and why the others cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.analytics.inputs import LIMIT, is_frame, same_index
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.scanner.settings import ScanSettings

Floats = npt.NDArray[np.float64]

MOST_INSTRUMENTS = 5_000
MOST_CELLS = 50_000_000
# How much of a foreign text an error shows.
SHOWN = 40


class LeftOut(NamedTuple):
    """An instrument that is not tested, or some prices of one, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Instruments that can be tested, in the order that says which leg is y.

    Attributes
    ----------
    names : tuple of str
    levels : ndarray of shape (instruments, bars)
        Prices, or their logarithms; NaN where there is none.
    returns : ndarray of shape (instruments, bars - 1)
        Log returns; plain changes of an instrument with a price of 0 or less; NaN over a gap.
    bar_seconds : float
        NaN where it is not known.
    activity : ndarray of shape (instruments,)
        See `activity_of`.
    left_out : tuple of LeftOut
    remarks : tuple of LeftOut
        Instruments that are tested though some of their prices count as missing.
    """

    names: tuple[str, ...]
    levels: Floats
    returns: Floats
    bar_seconds: float
    activity: Floats
    left_out: tuple[LeftOut, ...]
    remarks: tuple[LeftOut, ...] = ()


def counted(count: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def columns_of(
    prices: Any, settings: ScanSettings, names: Any = None, watch: Watch = UNWATCHED
) -> Columns:
    """Check a table and order its instruments.

    Parameters
    ----------
    prices : DataFrame or array of shape (bars, instruments)
        Empty cells, NaN and infinities are missing prices. Nothing is filled.
    names : sequence of str, optional
        Of an array's columns; "0", "1", ... if not given.
    watch : Watch
        Asked about cancelling at every column.

    Raises
    ------
    Cancelled
        When the watch says so.
    DataError
        Fewer than two instruments that can be tested, a name given twice, times that repeat or run
        backwards, or a table too large, or too short for the lags asked for.
    """
    table, labels, texts = _table(prices, names, watch)
    settings.check_bars(table.shape[1])
    if len(set(labels)) < len(labels):
        twice = next(name for place, name in enumerate(labels) if name in labels[:place])
        raise DataError(f"{twice!r:.{SHOWN}} names two columns; give each a name of its own.")
    left_out, kept, remarks = [], [], []
    for place, name in enumerate(labels):
        watch.check()
        strange = _without_strange(table[place])
        reason = texts.get(place) or _unusable(table[place], settings)
        if reason:
            left_out.append(LeftOut(name, "; ".join(filter(None, (reason, strange)))))
            continue
        kept.append(place)
        if strange:
            remarks.append(LeftOut(name, strange))
    if len(kept) < 2:
        told = "; ".join(f"{name:.{SHOWN}}: {reason}" for name, reason in left_out[:5])
        raise DataError(
            f"{len(kept)} of {len(labels)} instruments can be tested; a pair needs two."
            + (f" {told}." if told else " Give a table with a column per instrument.")
        )
    order = _ordered(kept, labels, table, settings)
    levels = table[order]
    # The table may be as large as everything that is made of it.
    del table
    returns = _returns(levels)
    activity = np.array([activity_of(price) for price in levels])
    if settings.log_prices:
        np.log(levels, out=levels)
    return Columns(
        tuple(labels[place] for place in order),
        levels,
        returns,
        settings.bar_seconds or _step(prices),
        activity,
        tuple(left_out),
        tuple(remarks),
    )


def _table(prices: Any, names: Any, watch: Watch) -> tuple[Floats, list[str], dict[int, str]]:
    """Return prices by instrument, with NaN where there is none, their names, and what is text."""
    if is_frame(prices):
        same_index(prices)
        _check_size(prices.shape)
        labels = [str(name) for name in prices.columns]
        table, texts = np.empty((len(labels), len(prices))), {}
        for place in range(len(labels)):
            watch.check()
            table[place], reason = _numbers(prices.iloc[:, place])
            if reason:
                texts[place] = reason
    else:
        cells = np.asarray(prices)
        if cells.ndim != 2:
            raise DataError(f"prices has shape {cells.shape}; give a table of bars by instruments.")
        _check_size(cells.shape)
        labels = [str(k) for k in range(cells.shape[1])] if names is None else list(map(str, names))
        if len(labels) != cells.shape[1]:
            raise DataError(f"{len(labels)} names for {cells.shape[1]} columns; give one for each.")
        if cells.dtype.kind not in "fiub":
            raise DataError("prices is not a table of numbers; give numbers or a DataFrame.")
        table, texts = np.array(cells.T, dtype=np.float64, order="C"), {}
    return table, labels, texts


def _without_strange(price: Floats) -> str:
    """Take prices that can be none out of a column, and say how many they were."""
    is_strange = np.abs(price) >= LIMIT
    count = int(np.count_nonzero(is_strange))
    if not count:
        return ""
    first = int(np.argmax(is_strange)) + 1
    price[is_strange] = np.nan
    return (
        f"{counted(count, 'price')} infinite or beyond {LIMIT:.0e}, first in bar {first}, "
        "taken as missing"
    )


def _check_size(shape: tuple[int, ...]) -> None:
    bars, instruments = shape
    if instruments > MOST_INSTRUMENTS or bars * instruments > MOST_CELLS:
        raise DataError(
            f"The table has {instruments:,} instruments of {bars:,} bars; {MOST_INSTRUMENTS:,} "
            f"instruments and {MOST_CELLS:,} cells are the most. Take fewer, or longer bars."
        )


def _numbers(column: Any) -> tuple[Floats, str]:
    """Return a DataFrame's column as numbers, and what is wrong if it is not one of numbers."""
    if column.dtype.kind in "fiu":
        return np.asarray(column, dtype=np.float64), ""
    nothing = np.full(len(column), np.nan)
    if column.dtype.kind in "mMbc":
        return nothing, f"{column.dtype} instead of prices"
    out, first, count = nothing, "", 0
    for place, cell in enumerate(column.to_numpy(dtype=object, na_value=None)):
        if cell is None:
            continue
        try:
            out[place] = float(cell)
        except (TypeError, ValueError, OverflowError):
            first, count = first or f"{str(cell)!r:.{SHOWN}} in bar {place + 1}", count + 1
    if not count:
        return out, ""
    return out, f"text in {count:,} of {len(column):,} cells, first {first}"


def _unusable(price: Floats, settings: ScanSettings) -> str:
    """Return why an instrument cannot be tested; empty where it can."""
    known = np.flatnonzero(~np.isnan(price))
    if len(known) == 0:
        return "no prices at all"
    needed = settings.bars_needed
    if len(known) < needed:
        lags = f" for {settings.max_lags} lags" if needed > settings.fewest_bars else ""
        return f"{counted(len(known), 'bar')} with a price, {needed:,} are needed{lags}"
    values = price[known]
    if np.ptp(values) <= 1e-14 * np.abs(values).max():
        return f"constant: {values[0]:.6g} in all {len(values):,} bars"
    bad = int(np.count_nonzero(values <= 0.0))
    if settings.log_prices and bad:
        return (
            f"{counted(bad, 'price')} of 0 or less, first in bar "
            f"{known[np.argmax(values <= 0.0)] + 1}: no logarithm; raw prices can be tested"
        )
    silent = len(price) - 1 - int(known[-1])
    if silent >= settings.stale_bars:
        return f"stale: no price in the last {silent:,} bars"
    same = float(np.mean(np.diff(values) == 0.0))
    if same > settings.most_unchanged:
        return f"stale: the price repeats in {same:.1%} of the bars"
    return ""


def activity_of(price: Floats) -> float:
    """Return the share of an instrument's bars in which its price moved.

    Its bars are those after its first price, up to its last. A bar without a price is one in which
    it did not move: a repeated price and a missing one say the same.

    Parameters
    ----------
    price : ndarray of shape (bars,)
        NaN where there is none.

    Returns
    -------
    float
        From 0 to 1; NaN with fewer than two prices. One less the share of zero returns (Lesmond,
        Ogden and Trzcinka 1999, "A new estimate of transaction costs").
    """
    known = np.flatnonzero(~np.isnan(price))
    if len(known) < 2:
        return math.nan
    return float(np.count_nonzero(np.diff(price[known])) / (known[-1] - known[0]))


def _returns(prices: Floats) -> Floats:
    """Return each instrument's log returns, or its changes where a price is 0 or less."""
    returns = np.empty((len(prices), prices.shape[1] - 1))
    # One by one: a copy of the whole table would double what a scan takes.
    for own, price in zip(returns, prices, strict=True):
        np.subtract(*_neighbours(price if (price <= 0.0).any() else np.log(price)), out=own)
    return returns


def _neighbours(values: Floats) -> tuple[Floats, Floats]:
    """Return every value but the first, and the one before each."""
    return values[1:], values[:-1]


def _ordered(
    kept: list[int], labels: list[str], table: Floats, settings: ScanSettings
) -> list[int]:
    """Return the instruments in their order: of a pair the one that comes first is y."""
    if settings.direction in ("order", "both"):
        return kept
    if settings.direction == "volatility":
        spread = {place: np.nanstd(_returns(table[place : place + 1])) for place in kept}
        return sorted(kept, key=lambda place: (-float(spread[place]), labels[place]))
    return sorted(kept, key=lambda place: labels[place])


def _step(prices: Any) -> float:
    """Return the usual step of a DataFrame's times in seconds; NaN where it has none."""
    times = getattr(prices, "index", None)
    if times is None or getattr(times, "dtype", np.dtype("f8")).kind != "M" or len(times) < 2:
        return math.nan
    return float(np.median(np.diff(times.as_unit("us").asi8)) / 1e6)

"""Two legs out of one or two tables, on one grid of bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tandem.core.bars import resample
from tandem.core.clock import DAY_US, MINUTE_US
from tandem.core.errors import DataError
from tandem.core.events import BAR
from tandem.io.model import Bars, Table, Trades, interval_text, time_text
from tandem.io.reader import unique
from tandem.io.text import shown
from tandem.kernels.ticks import count_bars, fill_bars

# Bars this long follow the calendar; they are matched by month, not by a clock.
MONTH_US = 27 * DAY_US


def apart(tables: Sequence[Table]) -> list[Table]:
    """Return tables no two of which have an instrument of the same name.

    Where one was there before, as with the same symbol from two venues, it gets a number.
    """
    names: set[str] = set()
    found = []
    for table in tables:
        bars = {unique(name, names): rows for name, rows in table.bars.items()}
        trades = {unique(name, names): rows for name, rows in table.trades.items()}
        found.append(Table(bars, trades, table.report))
    return found


def legs_offered(tables: Sequence[Table]) -> tuple[list[str], list[str]]:
    """Return the instruments of some files in the order in which Y and X are looked for.

    A second file's instrument comes first for X: that is what the file was added for.
    """
    names = [name for table in tables for name in table.instruments]
    others = [*tables[-1].instruments, *names] if len(tables) > 1 else names
    return names, list(dict.fromkeys(others))


def pair_from(
    tables: Sequence[Table],
    y_name: str,
    x_name: str,
    trades_interval_us: int = MINUTE_US,
    most: int | None = None,
) -> tuple[Bars, Bars, int]:
    """Pick two instruments and bring them to one bar interval, the longer of the two.

    Parameters
    ----------
    tables : sequence of Table
        One or more files as read.
    y_name, x_name : str
        Two of their `instruments`. Where two files have the same name the first file's is taken.
    trades_interval_us : int
        Bar interval made of trades, where a file has trades; the other leg's if that has bars.
    most : int, optional
        Bars of less than a day the legs may span; more are refused before they are copied.

    Returns
    -------
    y_bars, x_bars : ndarray of dtype BAR
        Ascending, at multiples of the interval since the epoch (monthly bars: at the first of their
        months). Bars that both start at the same odd time, as half past, are moved back to it.
    interval_us : int

    Raises
    ------
    DataError
        The same instrument twice, a name no table has, intervals or starting times that do not
        fit together, no time in common (both ranges are shown), or too many bars.
    """
    if y_name == x_name:
        raise DataError(f"Both legs are {shown(y_name)}; choose two different instruments.")
    y_table, x_table = _holding(tables, y_name), _holding(tables, x_name)
    interval_us = max(y_table.interval_us, x_table.interval_us) or trades_interval_us
    y, x = _bars(y_table, y_name, interval_us), _bars(x_table, x_name, interval_us)
    count = _common((y_name, y), (x_name, x), interval_us)
    if most is not None and count > most and interval_us < DAY_US:
        raise DataError(
            f"The files span {count:,} bars; at most {most:,} are followed. "
            "Choose a longer bar or a shorter file."
        )
    if interval_us >= MONTH_US:
        return _by_month(y), _by_month(x), interval_us
    offsets = _offset(y, interval_us), _offset(x, interval_us)
    if offsets[0] != offsets[1] and interval_us < DAY_US:
        raise DataError(
            f"{shown(y_name)} has bars that start {interval_text(offsets[0])} after the grid of "
            f"{interval_text(interval_us)}, {shown(x_name)} {interval_text(offsets[1])} after it; "
            "pairing them would look ahead. Use files with the same starting times."
        )
    if offsets[0] == offsets[1]:
        y, x = _moved(y, offsets[0]), _moved(x, offsets[0])
    return _on_grid(y, interval_us), _on_grid(x, interval_us), interval_us


def _holding(tables: Sequence[Table], name: str) -> Table:
    for table in tables:
        if name in table.instruments:
            return table
    known = ", ".join(shown(one) for table in tables for one in table.instruments)
    raise DataError(f"No file has {shown(name)}; there are {known or 'none'}.")


def _bars(table: Table, name: str, interval_us: int) -> Bars:
    """Return one instrument's bars at the interval, or finer ones put together."""
    if name in table.trades:
        return bars_of(table.trades[name], interval_us)
    own_us = table.interval_us
    if own_us in (0, interval_us) or interval_us >= MONTH_US:
        return table.bars[name]
    if interval_us % own_us:
        raise DataError(
            f"Bars of {interval_text(own_us)} ({shown(name)}) do not add up to bars of "
            f"{interval_text(interval_us)}; use files whose intervals fit."
        )
    return resample(table.bars[name], interval_us)


def bars_of(trades: Trades, interval_us: int) -> Bars:
    """Return the bars of trades ascending in time, as `bars.aggregate` makes them, in one pass."""
    columns = [trades[name] for name in ("time_us", "price", "quantity", "side")]
    n_bars = count_bars(columns[0], interval_us) if len(trades) else 0
    made = np.empty(n_bars, BAR)
    values = np.empty((7, n_bars))
    if n_bars:
        ends = made["time_us"], made["last_us"], made["trades"]
        times, prices, quantities, sides = columns
        starts, lasts, counts = ends
        fill_bars(times, prices, quantities, sides, interval_us, starts, lasts, counts, values)
    names = ("open", "high", "low", "close", "volume", "buy_volume", "notional")
    for name, row in zip(names, values, strict=True):
        made[name] = row
    return made


def _common(y: tuple[str, Bars], x: tuple[str, Bars], interval_us: int) -> int:
    """Return how many bars both legs span; raises where there is none."""
    first = max(int(bars["time_us"][0]) for _, bars in (y, x))
    last = min(int(bars["time_us"][-1]) for _, bars in (y, x))
    if first < last + interval_us:
        return (last - first) // interval_us + 1
    ranges = "; ".join(
        f"{shown(name)} runs from {time_text(int(bars['time_us'][0]))} to "
        f"{time_text(int(bars['time_us'][-1]))}"
        for name, bars in (y, x)
    )
    raise DataError(f"The two legs have no time in common: {ranges} (UTC). Use the same period.")


def _offset(bars: Bars, interval_us: int) -> int:
    """Return how long after the grid most bars start; 0 where there is no such time."""
    values, counts = np.unique(bars["time_us"] % interval_us, return_counts=True)
    most = int(np.argmax(counts))
    return int(values[most]) if counts[most] >= 0.9 * len(bars) else 0


def _moved(bars: Bars, offset_us: int) -> Bars:
    if not offset_us:
        return bars
    bars = bars.copy()
    bars["time_us"] -= offset_us
    bars["last_us"] -= offset_us
    return bars


def _on_grid(bars: Bars, interval_us: int) -> Bars:
    return resample(bars, interval_us) if np.any(bars["time_us"] % interval_us) else bars


def _by_month(bars: Bars) -> Bars:
    """Put bars together by calendar month, UTC."""
    months = bars["time_us"].astype("M8[us]").astype("M8[M]")
    whole = bars.copy()
    whole["time_us"] = months.astype("M8[us]").astype(np.int64)
    starts = np.unique(whole["time_us"], return_index=True)[1]
    return whole if len(starts) == len(bars) else resample(whole, 1)

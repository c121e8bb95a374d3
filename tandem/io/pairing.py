"""Two legs out of one or two tables, on one grid of bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.bars import resample
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US
from tandem.core.errors import DataError
from tandem.core.events import BAR
from tandem.io.bar_times import (
    MONTH_US,
    WEEK_US,
    calendar_starts,
    is_week_known,
    week_label,
    week_starts,
)
from tandem.io.model import Bars, Table, Trades, interval_text, time_text
from tandem.io.reports import unique
from tandem.io.text import shown
from tandem.kernels.ticks import count_bars, fill_bars

# Where each file's times are corrected: in its boxes on the page, or by options in file order.
_CORRECTED = "(each file's boxes, or --time-zone and --label, given once for each file in order)"
_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


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


def instrument_called(tables: Sequence[Table], name: str) -> str:
    """Return the instrument somebody means, also without the venue in front of it.

    Raises
    ------
    DataError
        None is called so, or several are.
    """
    names = [one for table in tables for one in table.instruments]
    if name in names:
        return name
    found = [one for one in names if one.partition(":")[2].casefold() == name.casefold()]
    if len(found) == 1:
        return found[0]
    raise DataError(f"No single instrument is called {shown(name)}{_known(found or names)}")


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
        Ascending, on one grid of the interval (not always one of multiples since the epoch), or
        with equal starts where they meet. Weeks, months, quarters and years are at their first day.
    interval_us : int

    Raises
    ------
    DataError
        The same instrument twice, a name no table has, intervals or starting times that do not
        fit together, no time in common (both ranges are shown), or too many bars.
    """
    if y_name == x_name:
        raise DataError(f"Both legs are {shown(y_name)}; choose two different instruments.")
    tables_of = {name: _holding(tables, name) for name in (y_name, x_name)}
    legs, interval_us = on_one_grid(tables_of, trades_interval_us)
    y, x = legs[y_name], legs[x_name]
    count = _common((y_name, y), (x_name, x), interval_us)
    if most is not None and count > most and interval_us < DAY_US:
        raise DataError(
            f"The files span {count:,} bars; at most {most:,} are followed. "
            "Choose a longer bar or a shorter file."
        )
    return y, x, interval_us


def _holding(tables: Sequence[Table], name: str) -> Table:
    for table in tables:
        if name in table.instruments:
            return table
    known = [one for table in tables for one in table.instruments]
    raise DataError(f"No file has {shown(name)}{_known(known)}")


def _known(names: Sequence[str]) -> str:
    return (
        f"; there are {', '.join(map(shown, names))}." if names else ", nor any other instrument."
    )


# One grid ---------------------------------------------------------------------------------


class _Leg(NamedTuple):
    """Bars of one instrument; `own_us` is 0 where they are prices of a moment."""

    name: str
    bars: Bars
    own_us: int

    def ends(self) -> npt.NDArray[np.int64]:
        """Return when each close was known: at its bar's end, or when the next bar began.

        A bar of several hours is one longer where clocks go back.
        """
        starts = self.bars["time_us"]
        following = np.append(starts[1:], np.iinfo(np.int64).max)
        ends: npt.NDArray[np.int64] = np.minimum(starts + max(self.own_us, 1), following)
        if self.own_us > HOUR_US:
            ends[following - ends == HOUR_US] += HOUR_US
        return ends


def on_one_grid(
    tables: Mapping[str, Table], trades_interval_us: int = MINUTE_US
) -> tuple[dict[str, Bars], int]:
    """Bring instruments to one bar interval, the longest of theirs.

    No close is known before the end of the bar it is put into; that is checked for every bar.

    Parameters
    ----------
    tables : dict of str to Table
        The table that holds each instrument.
    trades_interval_us : int
        Bar interval where there are only trades.

    Returns
    -------
    dict of str to ndarray of dtype BAR
        As `pair_from` describes them.
    interval_us : int

    Raises
    ------
    DataError
        Intervals or starting times that do not fit together.
    """
    moments = {name for name, table in tables.items() if _are_moments(table, name)}
    own = [table.interval_us for name, table in tables.items() if name not in moments]
    longest_us = max(own or [table.interval_us for table in tables.values()])
    interval_us = longest_us or trades_interval_us
    if interval_us >= MONTH_US:
        return _by_calendar(tables, interval_us), interval_us
    if interval_us == WEEK_US:
        return _by_week(tables), interval_us
    origin_us = next(
        (
            _usual_offset(table.bars[name], interval_us)
            for name, table in tables.items()
            if table.interval_us == interval_us
        ),
        0,
    )
    legs = [
        _Leg(name, table.bars[name], 0)
        if name in moments
        else _leg(table, name, interval_us, origin_us)
        for name, table in tables.items()
    ]
    if len(legs) == 1:
        return {leg.name: leg.bars for leg in legs}, interval_us
    paired = _overlapping(legs)
    wrong = next((leg for leg in paired if _crossing(leg, interval_us, origin_us).any()), None)
    if wrong is None:
        return {leg.name: _regrid(leg.bars, interval_us, origin_us) for leg in legs}, interval_us
    if len({leg.own_us for leg in legs}) == 1 and _meet(paired):
        return {leg.name: leg.bars for leg in legs}, interval_us
    raise _look_ahead(paired, wrong, interval_us, origin_us)


def _leg(table: Table, name: str, interval_us: int, origin_us: int) -> _Leg:
    """Return one instrument's bars, those of trades at the interval."""
    if name in table.trades:
        trades = table.trades[name]
        if origin_us:
            trades = trades.copy()
            trades["time_us"] -= origin_us
        return _Leg(name, _moved(bars_of(trades, interval_us), origin_us), interval_us)
    bars, own_us = table.bars[name], table.interval_us
    if own_us and interval_us % own_us:
        raise DataError(
            f"Bars of {interval_text(own_us)} ({shown(name)}) do not add up to bars of "
            f"{interval_text(interval_us)}; use files whose intervals fit."
        )
    return _Leg(name, bars, own_us)


def _are_moments(table: Table, name: str) -> bool:
    """Return whether a table has single prices at uneven times, not bars."""
    if name in table.trades or not table.interval_us:
        return False
    bars = table.bars[name]
    counts = np.unique(bars["time_us"] % table.interval_us, return_counts=True)[1]
    return counts.max() <= 0.3 * len(bars) and bool((bars["high"] == bars["low"]).all())


def _usual_offset(bars: Bars, interval_us: int) -> int:
    """Return how long after multiples of the interval most bars start."""
    values, counts = np.unique(bars["time_us"] % interval_us, return_counts=True)
    return int(values[np.argmax(counts)])


def _overlapping(legs: list[_Leg]) -> list[_Leg]:
    """Return of each leg what shares time with any other; only what can be paired must fit."""
    firsts = [int(leg.bars["time_us"][0]) for leg in legs]
    lasts = [int(leg.ends()[-1]) for leg in legs]
    found = []
    for place, leg in enumerate(legs):
        first = min(firsts[:place] + firsts[place + 1 :])
        last = max(lasts[:place] + lasts[place + 1 :])
        is_shared = (leg.ends() > first) & (leg.bars["time_us"] < last)
        found.append(leg._replace(bars=leg.bars[is_shared]))
    return found


def _crossing(leg: _Leg, interval_us: int, origin_us: int) -> npt.NDArray[np.bool_]:
    """Return which bars' closes are not known at the end of their bar of the grid."""
    starts = leg.bars["time_us"]
    grid_ends = (starts - origin_us) // interval_us * interval_us + origin_us + interval_us
    late: npt.NDArray[np.bool_] = leg.ends() > grid_ends
    return late


def _meet(legs: Sequence[_Leg]) -> bool:
    """Return whether bars of all legs start together wherever they overlap."""
    starts = np.concatenate([leg.bars["time_us"] for leg in legs])
    ends = np.concatenate([leg.ends() for leg in legs])
    order = np.lexsort((ends, starts))
    starts, ends = starts[order], ends[order]
    is_other_start = starts[1:] > starts[:-1]
    return not bool((is_other_start & (ends[:-1] > starts[1:])).any())


def _look_ahead(legs: list[_Leg], wrong: _Leg, interval_us: int, origin_us: int) -> DataError:
    place = int(np.argmax(_crossing(wrong, interval_us, origin_us)))
    start_us = int(wrong.bars["time_us"][place])
    others = ", ".join(shown(leg.name) for leg in legs if leg is not wrong)
    return DataError(
        f"{shown(wrong.name)} has bars that start {_after(start_us, interval_us)} after the grid "
        f"of {interval_text(interval_us)}, {others} {_after(origin_us, interval_us)} after it: the "
        f"bar from {time_text(start_us)} to {time_text(int(wrong.ends()[place]))} UTC ends later "
        "than the one it would be paired with; pairing them would look ahead. Use files with the "
        "same starting times, or say which time zone they are in or whether times are ends of bars "
        f"{_CORRECTED}."
    )


def _after(time_us: int, interval_us: int) -> str:
    rest_us = time_us % interval_us
    if rest_us > MINUTE_US and rest_us % MINUTE_US:
        return str(timedelta(microseconds=rest_us))
    return interval_text(rest_us) if rest_us else "0 s"


def _regrid(bars: Bars, interval_us: int, origin_us: int) -> Bars:
    """Put bars together on the grid; those that are on it stay as they are."""
    if not np.any((bars["time_us"] - origin_us) % interval_us):
        return bars
    return _moved(resample(_moved(bars, -origin_us), interval_us), origin_us)


def _moved(bars: Bars, by_us: int) -> Bars:
    if not by_us:
        return bars
    bars = bars.copy()
    bars["time_us"] += by_us
    bars["last_us"] += by_us
    return bars


# Weeks and months -------------------------------------------------------------------------


def _by_calendar(tables: Mapping[str, Table], interval_us: int) -> dict[str, Bars]:
    """Put bars together by calendar month, quarter or year."""
    _require_days(tables, interval_us)
    return {
        name: _at(bars, calendar_starts(bars["time_us"], interval_us))
        for name, bars in _days(tables).items()
    }


def _by_week(tables: Mapping[str, Table]) -> dict[str, Bars]:
    """Put bars together by week, whatever day labels it."""
    _require_days(tables, WEEK_US)
    legs = _days(tables)
    labels = {
        name: week_label(legs[name]["time_us"])
        for name, table in tables.items()
        if table.interval_us == WEEK_US
    }
    first = 0
    if not all(map(is_week_known, labels.values())):
        name, first = next(item for item in labels.items() if not is_week_known(item[1]))
        if len(labels) < len(tables) or len(set(labels.values())) > 1:
            raise DataError(
                f"The weeks of {shown(name)} are labelled on {_WEEKDAYS[first]}, which may be "
                "their first day or their last; pairing them could look ahead by a week. Say "
                f"whether times are the start or the end of bars {_CORRECTED}."
            )
    return {name: _at(bars, week_starts(bars["time_us"], first)) for name, bars in legs.items()}


def _require_days(tables: Mapping[str, Table], interval_us: int) -> None:
    """Refuse bars that do not end within a day of the longer ones."""
    for name, table in tables.items():
        if DAY_US < table.interval_us < 0.9 * interval_us:
            raise DataError(
                f"Bars of {interval_text(table.interval_us)} ({shown(name)}) do not add up to bars "
                f"of {interval_text(interval_us)}; use files whose intervals fit."
            )


def _days(tables: Mapping[str, Table]) -> dict[str, Bars]:
    return {
        name: bars_of(table.trades[name], DAY_US) if name in table.trades else table.bars[name]
        for name, table in tables.items()
    }


def _at(bars: Bars, starts: npt.NDArray[np.int64]) -> Bars:
    """Give bars these starts; those of one start become one."""
    whole = bars.copy()
    whole["time_us"] = starts
    return whole if len(np.unique(starts)) == len(bars) else resample(whole, 1)


# Bars of trades ---------------------------------------------------------------------------


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

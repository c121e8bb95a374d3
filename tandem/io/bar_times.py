"""When each bar was: its own date where it lasts a day or longer, else its start in UTC."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.io.column_names import END_NAMES, plain

Times = npt.NDArray[np.int64]

WEEK_US = 7 * DAY_US
# Bars this long follow the calendar; they are matched by month, quarter or year.
MONTH_US = 27 * DAY_US
# A day on which clocks go forward has 23 hours, a trading day cut short a little less.
SHORTEST_DAY_US = 20 * HOUR_US
_CLOCK_CHANGE_US = 2 * HOUR_US
# Steps of days with holidays between them; longer ones are weeks.
_LONGEST_DAYS_US = 5 * DAY_US

BAR_STARTS = "Times are taken as the start of each bar."
BAR_ENDS = "Times are taken as the end of each bar, {}; they were moved to its start."
DATES = "Bars of a day or longer belong to their local date; clock and offset were dropped."
ENDING_DATES = "Dates without a clock are those on which each bar ends."
EVENING = "Sessions begin on the evening before their date; they were given the next date."
MORNING_AFTER = (
    "Days are labelled at their end (Tuesday to Saturday); they were given the date before."
)

_SUNDAY, _SATURDAY, _FRIDAY, _MONDAY = 6, 5, 4, 0
_WEEKENDS = ((_SATURDAY, _SUNDAY), (_FRIDAY, _SATURDAY))
_FEWEST_SESSIONS = 3


class Settled(NamedTuple):
    """Starts of bars, what their labels were taken for (start or end), and sentences."""

    time_us: Times
    label: str
    notes: tuple[str, ...]


def settle(
    time_us: Times,
    local_us: Times | None = None,
    label: str = "",
    name: str = "",
    *,
    are_dates: bool = False,
) -> Settled:
    """Return the start of each bar, or its date at midnight where it lasts a day or longer.

    Parameters
    ----------
    time_us : ndarray of shape (n_rows,)
        Times in UTC as the file has them, in any order; rows of several instruments may mix.
    local_us : ndarray, optional
        The clock on the wall where the file has one of its own.
    label : {"", "start", "end"}
        What the times are; empty: found by the column's name and by the times themselves.
    name : str
        The time column's name.
    are_dates : bool
        Whether the file has dates without a clock: a day that ends on a date is that date's.

    Notes
    -----
    Days without a weekend in them are trading days and go by their date, whatever clock they have.
    Days of every weekday go by date at midnight UTC, otherwise by the clock: those that begin at
    another zone's midnight end hours before or after those of UTC.
    """
    wall = time_us if local_us is None else local_us
    distinct = wall if bool((wall[1:] > wall[:-1]).all()) else _distinct(wall)
    interval_us = usual_interval(distinct)
    rest_us = _rest(distinct, interval_us)
    why = "as corrected" if label else _why_ends(distinct, interval_us, rest_us, name)
    end = _End(label == "end" or (not label and bool(why)), why, rest_us, are_dates)
    if interval_us >= SHORTEST_DAY_US and _is_one_a_date(distinct):
        return _dated(time_us, wall, distinct, interval_us, end)
    if not end.is_label or not interval_us:
        return Settled(time_us, "start", (BAR_STARTS,))
    return Settled(time_us + (rest_us - interval_us), "end", (BAR_ENDS.format(why),))


def _distinct(times: Times) -> Times:
    """Return what `numpy.unique` does, which takes many times as long for times."""
    ascending = np.sort(times)
    is_first = np.ones(len(ascending), np.bool_)
    is_first[1:] = ascending[1:] != ascending[:-1]
    found: Times = ascending[is_first]
    return found


def _is_one_a_date(distinct: Times) -> bool:
    """Return whether times are days or longer bars: one a date, all near one clock time."""
    days, clocks = np.divmod(distinct, DAY_US)
    apart_us = (clocks - int(np.median(clocks)) + DAY_US // 2) % DAY_US - DAY_US // 2
    is_one_each = len(np.unique(days)) >= 0.98 * len(days)
    return is_one_each and _nearly_all(np.abs(apart_us) <= _CLOCK_CHANGE_US)


def _nearly_all(there: npt.NDArray[np.bool_]) -> bool:
    """Return whether all is true but for 2 %, or for one row of ten: the last may be unfinished."""
    return int((~there).sum()) <= 0.02 * len(there) + (len(there) >= 10)


# Labels -----------------------------------------------------------------------------------


class _End(NamedTuple):
    """Whether times are ends of bars, why, what is missing to the end, and if they are dates."""

    is_label: bool
    why: str
    rest_us: int
    are_dates: bool


def _rest(distinct: Times, interval_us: int) -> int:
    """Return what is missing to the end of bars whose times are just before it, else 0."""
    whole_us = interval_us if interval_us < SHORTEST_DAY_US else DAY_US
    for rest_us in (1, 1_000, SECOND_US):
        if interval_us > 2 * rest_us and all(
            bool(((some + rest_us) % whole_us == 0).all()) for some in (distinct[:9], distinct)
        ):
            return rest_us
    return 0


def _why_ends(distinct: Times, interval_us: int, rest_us: int, name: str) -> str:
    """Return why times are ends of bars; empty where they are starts."""
    if not interval_us:
        return ""
    if rest_us:
        return "just before the next begins"
    if plain(name) in END_NAMES:
        return "as their column's name says"
    return "by where sessions begin and end" if _ends_sessions(distinct, interval_us) else ""


def _ends_sessions(distinct: Times, interval_us: int) -> bool:
    """Return whether sessions begin a bar after a full or half hour and end on one."""
    half_us = 30 * MINUTE_US
    if half_us % interval_us or interval_us == half_us:
        return False
    breaks = np.flatnonzero(np.diff(distinct) >= max(4 * HOUR_US, 2 * interval_us))
    if len(breaks) < _FEWEST_SESSIONS:
        return False
    first, last = distinct[breaks + 1] % half_us, distinct[breaks] % half_us
    return bool((first == interval_us).mean() > 0.9 and (last == 0).mean() > 0.6)


# Days, weeks, months ----------------------------------------------------------------------


def _dated(time_us: Times, wall: Times, distinct: Times, interval_us: int, end: _End) -> Settled:
    is_end = end.is_label
    is_inclusive = is_end and end.are_dates and interval_us <= _LONGEST_DAYS_US
    back = 1 if is_end and not is_inclusive else 0
    notes = (BAR_ENDS.format(end.why),) if is_end else (BAR_STARTS,)
    notes = (ENDING_DATES,) if is_inclusive else notes
    day = (wall - back) // DAY_US
    days, clocks = np.divmod(distinct - back, DAY_US)
    if interval_us > _LONGEST_DAYS_US:
        move = _move_to_first(days, clocks, interval_us)
        if (is_end or end.why) and 6 * DAY_US <= interval_us <= 8 * DAY_US:
            week = _weeks(day + move, days + move, is_end)
            return Settled(week * DAY_US, "end" if is_end else "start", notes)
        return _on_dates(time_us, day + move, is_end, notes)
    move, note = _move_to_session(days, clocks)
    if note:
        return _on_dates(time_us, day + move, is_end or move < 0, (note,))
    is_whole = _nearly_all(clocks == (DAY_US - back) % DAY_US) or bool(
        (clocks >= DAY_US - MINUTE_US - back).all()
    )
    if are_trading_days(days) or (is_whole and np.array_equal(wall, time_us)):
        return _on_dates(time_us, day, is_end, notes)
    if is_end:
        return Settled(_days_before(time_us + end.rest_us, interval_us), "end", notes)
    return Settled(time_us, "start", notes)


def _weeks(day: Times, days: Times, is_end: bool) -> Times:
    """Return the Monday of the week in which each week's last day is.

    A week that begins late or ends early for a holiday belongs to the file's usual weekday.
    """
    usual = week_label(days * DAY_US)
    if is_end:
        return _monday(day + (usual - _weekday(day)) % 7)
    return _monday(day - (_weekday(day) - usual) % 7 + 6)


def _days_before(ends_us: Times, interval_us: int) -> Times:
    """Return the starts of days: where the one before ends, also as clocks change."""
    distinct, places = np.unique(ends_us, return_inverse=True)
    starts = distinct - interval_us
    is_next = np.abs(np.diff(distinct) - interval_us) <= _CLOCK_CHANGE_US
    starts[1:][is_next] = distinct[:-1][is_next]
    found: Times = starts[places]
    return found


def _on_dates(time_us: Times, day: Times, is_end: bool, notes: tuple[str, ...]) -> Settled:
    dates = day * DAY_US
    moved = (DATES,) * (not is_end and not np.array_equal(dates, time_us) and DATES not in notes)
    return Settled(dates, "end" if is_end else "start", (*notes, *moved))


def _weekday(days: Times) -> Times:
    """Return 0 for Monday; 1970-01-01 was a Thursday."""
    return (days + 3) % 7


def _monday(days: Times) -> Times:
    return days - _weekday(days)


def _spans_weekends(days: Times) -> bool:
    return len(days) >= 5 and int(days.max() - days.min()) >= 6


def are_trading_days(days: Times) -> bool:
    """Return whether days since 1970 leave out weekends, but for a rare session on one."""
    weekdays = _weekday(days)
    return _spans_weekends(days) and any(
        _nearly_all(~np.isin(weekdays, weekend)) for weekend in _WEEKENDS
    )


def _move_to_session(days: Times, clocks: Times) -> tuple[int, str]:
    """Return how many days to move so that trading days fall on Monday to Friday, and say so."""
    if not _spans_weekends(days):
        return 0, ""
    there = set(_weekday(days).tolist())
    noon = 12 * HOUR_US
    if there <= {6, 0, 1, 2, 3} and 6 in there and bool((clocks >= noon).all()):
        return 1, EVENING
    if there <= {1, 2, 3, 4, 5} and 5 in there and bool((clocks < noon).all()):
        return -1, MORNING_AFTER
    return 0, ""


def _move_to_first(days: Times, clocks: Times, interval_us: int) -> int:
    """Return 1 where weeks or months begin at a local midnight that is an evening in UTC."""
    if not bool(((clocks >= 12 * HOUR_US) & (clocks < DAY_US - MINUTE_US)).all()):
        return 0
    if interval_us >= MONTH_US:
        firsts = (days + 1).astype("M8[D]")
        return int(bool((firsts == firsts.astype("M8[M]").astype("M8[D]")).all()))
    return int(bool((_weekday(days) == _SUNDAY).mean() > 0.9))


def calendar_starts(time_us: Times, interval_us: int) -> Times:
    """Return the start of the month, quarter or year of each date."""
    months = time_us.astype("M8[us]").astype("M8[M]").astype(np.int64)
    count = 12 if interval_us >= 300 * DAY_US else 3 if interval_us >= 80 * DAY_US else 1
    starts = (months // count * count).astype("M8[M]").astype("M8[us]")
    found: Times = starts.astype(np.int64)
    return found


def week_label(time_us: Times) -> int:
    """Return the weekday that weeks are labelled with, 0 for Monday: the most frequent one."""
    return int(np.bincount(_weekday(time_us // DAY_US), minlength=7).argmax())


def is_week_known(weekday: int) -> bool:
    """Return whether a weekday says which week is meant: Mondays begin one, Fridays end one."""
    return weekday in (_MONDAY, _FRIDAY)


def week_starts(time_us: Times, first_weekday: int = _MONDAY) -> Times:
    """Return the start of the week of each date, at midnight."""
    days = time_us // DAY_US
    return (days - (_weekday(days) - first_weekday) % 7) * DAY_US


# The grid of the bars ---------------------------------------------------------------------


def usual_interval(time_us: Times) -> int:
    """Return the usual distance of two bars: the commonest, or the median where none is common."""
    steps = np.diff(time_us)
    steps = steps[steps > 0]
    if not len(steps):
        return 0
    values, counts = np.unique(steps, return_counts=True)
    median = int(values[np.searchsorted(np.cumsum(counts), len(steps) / 2)])
    if median >= MONTH_US:  # months differ in length, and business month ends do more
        usual = int(values[np.argmax(counts)])
        return usual if abs(usual - median) <= 3 * DAY_US else round(median / DAY_US) * DAY_US
    if counts.max() >= 0.3 * len(steps):
        usual = int(values[np.argmax(counts)])
        if usual >= WEEK_US or np.mean(steps % usual == 0) >= 0.9:
            return usual
    common = int(np.gcd.reduce(steps))
    # Bars exist only where something traded: the grid is then finer than the usual distance.
    return common if common >= SECOND_US else int(np.median(steps))


def gaps(time_us: Times, interval_us: int) -> int:
    """Count the bars missing inside the range; weekends are none where no weekend has bars."""
    if not interval_us or interval_us >= MONTH_US:
        return 0
    if interval_us == DAY_US:
        days = time_us // DAY_US
        if (_weekday(days) < _SATURDAY).all():
            days = np.busday_count("1970-01-05", days.astype("datetime64[D]"))
        return int(np.maximum(np.diff(days) - 1, 0).sum())
    steps = np.round(np.diff(time_us) / interval_us).astype(np.int64)
    return int(np.maximum(steps - 1, 0).sum())

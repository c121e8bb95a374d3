"""When bars were: local dates, weeks, months, labels at ends; no close is known early."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tandem.backtest.files import aligned
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import DataError
from tandem.io import files
from tandem.io.bar_times import DATES, ENDING_DATES, settle
from tandem.io.model import Corrections, Table, interval_text
from tandem.io.pairing import on_one_grid, pair_from
from tandem.scanner.files import read_universe

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Lord_Howe")
FORMS = ("offset", "told", "epoch")
# The last Saturdays before clocks change.
CHANGES = ("2024-03-09", "2024-03-30", "2024-10-05", "2024-10-26", "2024-11-02")


def written(stamps: pd.DatetimeIndex, form: str) -> list[str]:
    """Write moments of a zone with their offset, without, or as seconds since 1970."""
    if form == "epoch":
        return [str(one.value // 10**9) for one in stamps]
    texts = stamps.strftime("%Y-%m-%dT%H:%M:%S%z")
    return [text[:-2] + ":" + text[-2:] if form == "offset" else text[:19] for text in texts]


def read(times: list[str], name: str, told: Corrections | None = None) -> Table:
    """Read a file whose closes count from 100, so that each tells which row it comes from."""
    rows = "".join(f"{time},{100 + place}\n" for place, time in enumerate(times))
    return files.read(f"time,close\n{rows}".encode(), f"{name}.csv", corrections=told or GUESS)


GUESS = Corrections()


def pair(y: Table, x: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return the times of paired bars, the row each close comes from, and the interval."""
    y_bars, x_bars, interval_us = pair_from([y, x], "file:Y", "file:X")
    bars = aligned(y_bars, x_bars, interval_us)
    rows = [np.round(leg[bars.usable] - 100).astype(int) for leg in (bars.y, bars.x)]
    return bars.time_us[bars.usable], rows[0], rows[1], interval_us


# No close is known early ------------------------------------------------------------------


def local_bars(day: str, zone: str, minutes: int, shift: int, is_local: bool) -> pd.DatetimeIndex:
    """Return starts of four days of bars, on the grid of the zone's clock or of UTC."""
    count = 4 * 1440 // minutes
    grid = pd.date_range(day, periods=count, freq=f"{minutes}min") + pd.Timedelta(minutes=shift)
    if not is_local:
        return grid.tz_localize("UTC").tz_convert(zone)
    there = grid.tz_localize(zone, ambiguous=np.ones(count, np.bool_), nonexistent="shift_forward")
    return there.unique()


legs = st.tuples(
    st.sampled_from(ZONES),
    st.sampled_from(FORMS),
    st.sampled_from(("start", "end")),
    st.sampled_from((0, 0, 30, 60)),
    st.booleans(),
)


@settings(deadline=None, max_examples=40)
@given(
    day=st.sampled_from(CHANGES),
    minutes=st.sampled_from((30, 60, 240)),
    y=legs,
    x=legs,
    x_factor=st.sampled_from((1, 1, 2, 4)),
)
def test_every_paired_close_was_known_at_the_end_of_its_bar(day, minutes, y, x, x_factor):
    ends, tables = [], []
    for (zone, form, label, shift, is_local), long, name in zip(
        (y, x), (minutes, minutes * x_factor), "yx", strict=True
    ):
        starts = local_bars(day, zone, long, shift, is_local)
        end = starts[1:].append(starts[-1:] + pd.Timedelta(minutes=long))
        if long <= 60:
            # Longer ones run on through an hour that clocks repeat; of these, that hour's are
            # missing where a table has each clock once.
            end = starts + pd.Timedelta(minutes=long)
        ends.append(end.tz_convert("UTC").as_unit("us").asi8)
        labels = starts if label == "start" else end
        told = Corrections(label=label, time_zone=zone if form == "told" else "")
        tables.append(read(written(labels, form), name, told))
    try:
        time_us, *rows, interval_us = pair(*tables)
    except DataError as refused:
        assert "look ahead" in str(refused) or "no bar at the same time" in str(refused)
        return
    for known, row in zip(ends, rows, strict=True):
        assert (known[row] <= time_us + interval_us).all()


@settings(deadline=None, max_examples=40)
@given(
    day=st.sampled_from(CHANGES),
    zones=st.tuples(st.sampled_from(ZONES), st.sampled_from(ZONES)),
    forms=st.tuples(st.sampled_from(FORMS[:2]), st.sampled_from(FORMS[:2])),
    freq=st.sampled_from(("B", "MS", "ME", "BME")),
)
def test_trading_days_and_months_pair_by_local_date(day, zones, forms, freq):
    dates = pd.date_range(day, periods=40, freq=freq)
    tables = []
    for zone, form, name in zip(zones, forms, "yx", strict=True):
        stamps = dates.tz_localize(zone, nonexistent="shift_forward")
        told = Corrections(time_zone=zone if form == "told" else "")
        tables.append(read(written(stamps, form), name, told))
    time_us, y, x, _ = pair(*tables)
    assert len(y) == 40 and (y == x).all()
    expected = dates.to_period("M").start_time if freq.endswith(("MS", "ME")) else dates
    assert time_us.tolist() == expected.as_unit("us").asi8.tolist()


@settings(deadline=None, max_examples=40)
@given(
    day=st.sampled_from(CHANGES),
    zones=st.tuples(st.sampled_from(ZONES), st.sampled_from(ZONES)),
    forms=st.tuples(st.sampled_from(FORMS), st.sampled_from(FORMS)),
    labels=st.tuples(st.sampled_from(("start", "end")), st.sampled_from(("start", "end"))),
)
def test_days_of_every_weekday_meet_in_one_zone_and_are_never_paired_early(
    day, zones, forms, labels
):
    dates = pd.date_range(day, periods=41, freq="D")
    ends, tables = [], []
    for zone, form, label, name in zip(zones, forms, labels, "yx", strict=True):
        stamps = dates.tz_localize(zone)
        ends.append(stamps[1:].tz_convert("UTC").as_unit("us").asi8)
        told = Corrections(label=label, time_zone=zone if form == "told" else "")
        times = stamps[:-1] if label == "start" else stamps[1:]
        tables.append(read(written(times, form), name, told))
    try:
        time_us, *rows, interval_us = pair(*tables)
    except DataError as refused:
        assert zones[0] != zones[1] and "look ahead" in str(refused)
        return
    assert zones[0] != zones[1] or (len(rows[0]) == 40 and (rows[0] == rows[1]).all())
    for known, row in zip(ends, rows, strict=True):
        assert (known[row] <= time_us + interval_us + HOUR_US).all()  # where clocks go back
        assert (known[row[:-1]] <= time_us[1:]).all()


def test_a_trading_day_on_a_rare_saturday_and_weeks_from_sunday_go_by_date():
    dates = pd.bdate_range("2024-01-01", periods=100).union([pd.Timestamp("2024-01-20")])
    mumbai = read(written(dates.tz_localize("Asia/Kolkata"), "offset"), "y")
    assert mumbai.bars["file:Y"]["time_us"].tolist() == dates.as_unit("us").asi8.tolist()
    dates = pd.bdate_range("2024-01-01", periods=100) - pd.Timedelta(days=1)  # Sunday to Thursday
    tel_aviv = read(written(dates.tz_localize("Asia/Jerusalem"), "offset"), "y")
    assert tel_aviv.bars["file:Y"]["time_us"].tolist() == dates.as_unit("us").asi8.tolist()


@settings(deadline=None, max_examples=30)
@given(
    weekdays=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    labels=st.tuples(st.sampled_from(("start", "end", "")), st.sampled_from(("start", "end", ""))),
)
def test_weeks_pair_by_week_or_ask(weekdays, labels):
    monday = pd.Timestamp("2024-01-01")
    tables = []
    for weekday, label, name in zip(weekdays, labels, "yx", strict=True):
        dates = pd.date_range(monday + pd.Timedelta(days=weekday), periods=30, freq="7D")
        tables.append(read([str(one.date()) for one in dates], name, Corrections(label=label)))
    try:
        time_us, y, x, interval_us = pair(*tables)
    except DataError as refused:
        assert "" in labels and "pairing them could look ahead by a week" in str(refused)
        return
    assert interval_us == 7 * DAY_US
    for weekday, label, rows in zip(weekdays, labels, (y, x), strict=True):
        if not label and weekday not in (0, 4):
            assert weekdays[0] == weekdays[1] or "" not in labels
            continue
        is_start = label == "start" or (not label and weekday == 0)
        last_day = np.array([monday.value // 1000 // DAY_US + weekday + 7 * row for row in rows])
        last_day += 6 * is_start - (label == "end" and weekday == 0)  # the week before ends there
        assert (last_day <= time_us // DAY_US + 6).all()


# Kinds of files ---------------------------------------------------------------------------


def test_local_midnights_of_three_zones_meet_by_date_in_page_and_scanner() -> None:
    dates = pd.bdate_range("2024-01-01", periods=300)
    by_zone = {zone: written(dates.tz_localize(zone), "offset") for zone in ZONES[1:4]}
    tables = [read(times, "y" if zone == ZONES[1] else "x") for zone, times in by_zone.items()]
    for x in tables[1:]:
        _, y_row, x_row, interval_us = pair(tables[0], x)
        assert interval_us == DAY_US and len(y_row) == 300 and (y_row == x_row).all()
    assert DATES in tables[0].report.notes
    text = "time,A,B\n" + "".join(
        f"{time},{i + 1},{i + 2}\n" for i, time in enumerate(by_zone[ZONES[3]])
    )
    index = read_universe(text.encode(), "wide.csv").prices.index
    assert index.tz_localize(None).tolist() == dates.tolist()


def test_trading_days_stamped_in_utc_get_their_date() -> None:
    dates = pd.bdate_range("2024-01-01", periods=200)
    for zone in ZONES[1:4]:
        stamps = dates.tz_localize(zone)
        assert read(written(stamps, "epoch"), "y").bars["file:Y"]["time_us"].tolist() == (
            dates.as_unit("us").asi8.tolist()
        )


def test_days_labelled_on_the_morning_after_get_the_date_before() -> None:
    dates = pd.bdate_range("2024-01-01", periods=100)
    table = read([str(one.date()) for one in dates + pd.Timedelta(days=1)], "y")
    assert table.bars["file:Y"]["time_us"].tolist() == dates.as_unit("us").asi8.tolist()
    assert table.report.label == "end"


def test_days_that_run_from_another_hour_are_refused() -> None:
    midnight = pd.date_range("2024-01-01", periods=60, freq="D", tz="UTC")
    eight = midnight + pd.Timedelta(hours=8)
    y, x = read(written(midnight, "epoch"), "y"), read(written(eight, "epoch"), "x")
    with pytest.raises(DataError, match="ends later than the one it would be paired with"):
        pair(y, x)
    hours = pd.date_range("2024-01-01", periods=60 * 24, freq="h", tz="UTC")
    time_us, y_row, x_row, _ = pair(read(written(hours, "epoch"), "y"), x)
    assert ((time_us % DAY_US) == 8 * HOUR_US).all()
    assert (y_row[:-1] == 24 * x_row[:-1] + 31).all()


def test_how_long_after_the_grid_a_bar_starts_is_said_as_a_clock_says_it() -> None:
    midnight = pd.date_range("2024-01-01", periods=60, freq="D", tz="UTC")
    odd = midnight + pd.Timedelta(hours=23, minutes=50, seconds=9)
    y, x = read(written(midnight, "epoch"), "y"), read(written(odd, "epoch"), "x")
    with pytest.raises(DataError, match="has bars that start 23:50:09 after the grid of 1 day"):
        pair(y, x)


def test_one_bar_of_another_hour_is_enough_to_refuse() -> None:
    hours = pd.date_range("2024-01-01", periods=200, freq="4h", tz="UTC")
    odd = hours.to_series().reset_index(drop=True)
    odd[100:] += pd.Timedelta(hours=1)
    y, x = read(written(hours, "epoch"), "y"), read(written(pd.DatetimeIndex(odd), "epoch"), "x")
    with pytest.raises(DataError, match="look ahead"):
        pair(y, x)
    z = read(written(pd.DatetimeIndex(odd), "epoch"), "y")
    assert len(pair(z, x)[0]) == 200


def test_legs_of_a_scan_are_checked_where_only_two_of_them_have_bars() -> None:
    hours = pd.date_range("2024-01-01", periods=200, freq="4h", tz="UTC")
    odd = hours.to_series().reset_index(drop=True)
    odd[:100] += pd.Timedelta(hours=1)
    times = {"a": hours, "b": pd.DatetimeIndex(odd), "c": hours[150:]}
    tables = {name: read(written(index, "epoch"), name) for name, index in times.items()}
    legs = {table.instruments[0]: table for table in tables.values()}
    with pytest.raises(DataError, match="look ahead"):
        on_one_grid(legs)
    after = {name: table for name, table in legs.items() if name != "file:A"}
    assert len(on_one_grid(after)[0]["file:B"]) == 200


def test_legs_of_a_scan_that_each_meet_the_first_must_meet_one_another() -> None:
    def leg(name: str, *parts: pd.DatetimeIndex) -> Table:
        return read(written(parts[0].append(list(parts[1:])), "epoch"), name)

    early = pd.date_range("2024-01-01", periods=100, freq="4h", tz="UTC")
    late, shifted = early + pd.Timedelta(days=30), early + pd.Timedelta(days=30, hours=1)
    tables = [leg("a", early), leg("b", early, late), leg("c", early, shifted)]
    with pytest.raises(DataError, match="look ahead"):
        on_one_grid({table.instruments[0]: table for table in tables})


def sessions(first: str, last: str, step: int) -> pd.DatetimeIndex:
    days = pd.bdate_range("2024-01-02", periods=20)
    return pd.DatetimeIndex(
        [
            one
            for day in days
            for one in pd.date_range(
                f"{day.date()} {first}", f"{day.date()} {last}", freq=f"{step}min"
            )
        ]
    )


def test_ends_of_bars_are_recognised_by_sessions() -> None:
    ends, starts = sessions("09:35", "16:00", 5), sessions("09:30", "15:55", 5)
    by_end, by_start = (read([str(one) for one in kind], "y") for kind in (ends, starts))
    assert (by_end.report.label, by_start.report.label) == ("end", "start")
    assert (by_end.bars["file:Y"]["time_us"] == by_start.bars["file:Y"]["time_us"]).all()


def test_ends_of_bars_are_recognised_by_the_last_millisecond_and_by_name() -> None:
    hours = pd.date_range("2024-01-01", periods=50, freq="h", tz="UTC").as_unit("us").asi8
    rows = "".join(f"{(one + HOUR_US) // 1000 - 1},{i + 1}\n" for i, one in enumerate(hours))
    table = files.read(f"time,close\n{rows}".encode(), "y.csv")
    assert table.bars["file:Y"]["time_us"].tolist() == hours.tolist()
    rows = "".join(f"{(one + HOUR_US) // SECOND_US},{i + 1}\n" for i, one in enumerate(hours))
    table = files.read(f"close_time,close\n{rows}".encode(), "y.csv")
    assert table.bars["file:Y"]["time_us"].tolist() == hours.tolist()
    assert "as their column's name says" in table.report.notes[-1]


@pytest.mark.parametrize(
    "name",
    [
        *("close_time", "Close Time", "Bar End", "End Time", "bar_close", "Period Ending"),
        *("Interval End", "time_end", "To", "Ende", "EndDate", "Hour Ending"),
        *("Candle Close Time", "CLOSE_TIME (UTC)", "endTime"),
    ],
)
def test_ends_of_bars_are_recognised_by_many_names_in_page_and_scanner(name) -> None:
    hours = pd.date_range("2024-01-01", periods=50, freq="h")
    rows = "".join(f"{one + pd.Timedelta(hours=1)},{i + 1}\n" for i, one in enumerate(hours))
    table = files.read(f"{name},close\n{rows}".encode(), "y.csv")
    assert table.bars["file:Y"]["time_us"].tolist() == hours.as_unit("us").asi8.tolist()
    rows = rows.replace("\n", ",7\n")
    index = read_universe(f"{name},AAA,BBB\n{rows}".encode(), "y.csv").prices.index
    assert index.tz_localize(None).tolist() == hours.tolist()


def test_a_column_called_bar_close_may_hold_the_close_and_a_start_is_used_where_it_is() -> None:
    rows = "".join(f"2024-01-01 {hour:02}:00,{hour + 1},{hour + 9}\n" for hour in range(24))
    table = files.read(f"time,bar_close,volume\n{rows}".encode(), "y.csv")
    assert table.report.label == "start"
    rows = rows.replace(":00,", ":00,2024-01-01 05:00,")
    table = files.read(f"window_start,End Time,close,volume\n{rows}".encode(), "y.csv")
    assert (table.report.label, table.report.rows_kept) == ("start", 24)


@pytest.mark.parametrize("rest", ["59.999999", "59.999", "59"])
@pytest.mark.parametrize("freq", ["h", "D"])
def test_to_confirm_that_times_are_ends_changes_nothing(rest, freq) -> None:
    starts = pd.date_range("2024-01-01", periods=50, freq=freq)
    ends = [f"{one:%Y-%m-%d} {23 if freq == 'D' else one.hour}:59:{rest}" for one in starts]
    found, told = (read(ends, "y", Corrections(label=label)) for label in ("", "end"))
    for table in (found, told):
        assert table.report.label == "end"
        assert table.bars["file:Y"]["time_us"].tolist() == starts.as_unit("us").asi8.tolist()


def test_days_of_every_weekday_that_end_on_dates_keep_them() -> None:
    dates = pd.date_range("2024-01-01", periods=50, freq="D")
    rows = "".join(f"{one.date()},{i + 1}\n" for i, one in enumerate(dates))
    for name, label in (("End Date", ""), ("date", "end")):
        told = Corrections(label=label)
        table = files.read(f"{name},close\n{rows}".encode(), "y.csv", corrections=told)
        assert table.bars["file:Y"]["time_us"].tolist() == dates.as_unit("us").asi8.tolist()
        assert (table.report.label, table.report.notes[-1]) == ("end", ENDING_DATES)
    text = f"End Time,close\n{rows}".replace(",", " 00:00,").replace("Time 00:00", "Time")
    table = files.read(text.encode(), "y.csv")
    before = (dates - pd.Timedelta(days=1)).as_unit("us").asi8
    assert table.bars["file:Y"]["time_us"].tolist() == before.tolist()


@pytest.mark.parametrize(("first", "label", "holiday"), [
    ("2024-01-01", "start", 1), ("2024-01-02", "start", 1),
    ("2024-01-05", "end", -1), ("2024-01-09", "end", -1),
])  # fmt: skip
def test_weeks_with_a_holiday_stay_in_their_week(first, label, holiday) -> None:
    weeks = pd.date_range(first, periods=30, freq="7D")
    shifted = weeks.to_series().reset_index(drop=True)
    shifted[[7, 20]] += pd.Timedelta(days=holiday)
    tables = [read([str(one.date()) for one in weeks], "y", Corrections(label=label))]
    tables += [read([str(one.date()) for one in shifted], "y", Corrections(label=label))]
    whole, with_holidays = (table.bars["file:Y"]["time_us"].tolist() for table in tables)
    assert with_holidays == whole and len(set(whole)) == 30


def test_weeks_that_end_just_before_midnight_and_by_name_say_that_they_are_ends() -> None:
    mondays = pd.date_range("2024-01-01", periods=30, freq="7D")
    sundays = [f"{one.date()} 23:59:59" for one in mondays + pd.Timedelta(days=6)]
    wednesdays = "".join(
        f"{one.date()},{i + 1}\n" for i, one in enumerate(mondays + pd.Timedelta(days=2))
    )
    by_name = files.read(f"Week Ending,close\n{wednesdays}".encode(), "y.csv")
    for table in (read(sundays, "y"), by_name):
        assert table.report.label == "end"
        assert table.bars["file:Y"]["time_us"].tolist() == mondays.as_unit("us").asi8.tolist()


def test_business_month_ends_quarters_and_years_have_no_gaps() -> None:
    for freq, text in (("BME", "1 month"), ("BQE", "3 months"), ("YE", "1 year")):
        dates = pd.date_range("2000-01-01", periods=40, freq=freq)
        report = read([str(one.date()) for one in dates], "y").report
        assert (interval_text(report.interval_us), report.gaps) == (text, 0)


def test_months_that_begin_at_a_local_midnight_keep_their_month() -> None:
    dates = pd.date_range("2020-01-01", periods=40, freq="MS")
    berlin = read(written(dates.tz_localize("Europe/Berlin"), "epoch"), "y")
    time_us, y, x, _ = pair(berlin, read([str(one.date()) for one in dates], "x"))
    assert (y == x).all() and time_us.tolist() == dates.as_unit("us").asi8.tolist()


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize("is_newest_first", [False, True])
def test_an_hour_that_is_there_twice_is_told_apart_by_order(minutes, is_newest_first) -> None:
    count, zone = 3 * 1440 // minutes, "America/New_York"
    stamps = pd.date_range("2024-11-02", periods=count, freq=f"{minutes}min", tz=zone)
    texts = written(stamps, "told")
    expected = stamps.as_unit("us").asi8
    rows = [f"{time},{i + 1}\n" for i, time in enumerate(texts)]
    text = "time,close\n" + "".join(rows[::-1] if is_newest_first else rows)
    table = files.read(text.encode(), "y.csv", corrections=Corrections(time_zone=zone))
    assert table.bars["file:Y"]["time_us"].tolist() == expected.tolist()
    assert table.report.rows_aside == 0


def test_an_hour_there_twice_whose_order_says_nothing_is_set_aside() -> None:
    hours = pd.date_range("2024-11-02", periods=72, freq="h", tz="America/New_York")
    texts = list(dict.fromkeys(written(hours, "told")))
    table = read(texts, "y", Corrections(time_zone="America/New_York"))
    assert table.report.rows_aside == 1 and "twice as clocks went back" in table.report.notes[0]


@given(st.integers(0, 10**6))
def test_settled_times_do_not_depend_on_the_order_of_rows(seed) -> None:
    times = np.arange(30, dtype=np.int64) * DAY_US + 8 * HOUR_US
    order = np.random.default_rng(seed).permutation(30)
    assume(not (order == np.arange(30)).all())
    whole = settle(times)
    assert (settle(times[order]).time_us == whole.time_us[order]).all()


def test_single_prices_at_uneven_times_are_no_bars() -> None:
    uneven = (
        np.cumsum(np.random.default_rng(3).integers(40_000_000, 80_000_000, 200))
        + 1_704_067_200_000_000
    )
    minutes = (uneven[0] // MINUTE_US + np.arange(190)) * MINUTE_US
    y, x = read([str(one) for one in uneven], "y"), read([str(one) for one in minutes], "x")
    time_us, rows, _, interval_us = pair(y, x)
    assert (uneven[rows] < time_us + interval_us).all()

"""Times in every form: digits, counts, words of several languages, zones, clocks."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.io.contents import month_of
from tandem.io.files import read
from tandem.io.model import Table, Unclear
from tandem.scanner.files import read_universe

HOURS = pd.date_range("2024-01-01 22:30", periods=60, freq="h", tz="UTC")
DAYS = pd.date_range("2024-01-20", periods=200, freq="D", tz="UTC")


def file(times: list[str], header: str = "time;close") -> Table:
    rows = "".join(f"{time};{100 + place / 4}\n" for place, time in enumerate(times))
    return read(f"{header}\n{rows}".encode(), "a.csv")


def found(times: list[str]) -> list[int]:
    table = file(times)
    assert table.report.rows_aside == 0
    return table.bars["file:A"]["time_us"].tolist()


def us(stamps: pd.DatetimeIndex) -> list[int]:
    return stamps.as_unit("us").asi8.tolist()


@pytest.mark.parametrize(
    "form",
    [
        "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H%M%S000", "%Y%m%d %H%M%S000", "%Y%m%d %H%M",
        "%Y-%m-%dD%H:%M:%S", "%Y-%m-%dD%H:%M:%S.000000000", "%Y.%m.%d %H:%M:%S.000",
        "%Y/%m/%d %H:%M:%S.000", "%d.%m.%Y %H:%M:%S.000", "%Y/%m/%d %H:%M:%S,000",
        "%Y%m%d %H:%M:%S UTC", "%d.%m.%Y %H:%M:%S.000 GMT+0000", "%b %d, %Y %I:%M %p",
        "%d %B %Y %H:%M", "%Y-%m-%d %H:%M:%S GMT+00", "%a, %d %b %Y %H:%M:%S GMT",
        "%Y年%m月%d日 %H:%M", "%Y-%m-%dT%H:%M:%S.000Z", "%Y-%m-%d %H:%M:%S.000000",
        "%Y-%m-%dT%H:%M:%S.0", "%Y-%m-%d %H:%M:%S.000+00:00",
    ],
)  # fmt: skip
def test_a_time_of_the_day_in_writing(form):
    assert found(HOURS.strftime(form).tolist()) == us(HOURS)


def test_digits_down_to_the_hour():
    full = HOURS.floor("h")
    assert found(full.strftime("%Y%m%d%H").tolist()) == us(full)


@pytest.mark.parametrize(
    ("form", "freq"),
    [
        ("%Y-%m", "MS"), ("%Y%m", "MS"), ("%YM%m", "MS"), ("%B %Y", "MS"), ("%b-%Y", "MS"),
        ("%Y年%m月", "MS"), ("%Y", "YS"), ("%m/%Y", "MS"), ("%b-%y", "MS"), ("%b %y", "MS"),
        ("%B-%y", "QS"), ("%m-%Y", "MS"), ("%G-W%V", "W-MON"), ("%GW%V", "W-MON"),
        ("%G-W%V-%u", "W-MON"), ("%Y-%j", "D"), ("%Y-%j", "B"),
    ],
)  # fmt: skip
def test_months_and_years_in_writing(form, freq):
    dates = pd.date_range("1974-01-01", periods=40, freq=freq)
    assert found(dates.strftime(form).tolist()) == us(dates)


def test_days_without_a_year_are_no_months():
    for dates in (
        pd.date_range("2024-01-01", periods=28),
        pd.date_range("2015", periods=9, freq="YS"),
    ):
        with pytest.raises(Unclear, match="could not be parsed"):
            file(dates.strftime("%b-%d" if len(dates) == 28 else "%b-%y").tolist())


@pytest.mark.parametrize("form", ["{0}-Q{1}", "{0}Q{1}", "{0} Q{1}", "Q{1} {0}"])
def test_quarters_in_writing(form):
    dates = pd.date_range("1974-01-01", periods=40, freq="QS")
    assert found([form.format(day.year, day.quarter) for day in dates]) == us(dates)


NAMES = {
    "French": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "French, whole": "janvier février mars avril mai juin juillet août septembre octobre novembre "
    "décembre",
    "German": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "German, whole": "Januar Februar März April Mai Juni Juli August September Oktober November "
    "Dezember",
    "Spanish": "ene feb mar abr may jun jul ago sep oct nov dic",
    "Spanish, whole": "enero febrero marzo abril mayo junio julio agosto septiembre octubre "
    "noviembre diciembre",
    "Portuguese": "jan fev mar abr mai jun jul ago set out nov dez",
    "Portuguese, whole": "janeiro fevereiro março abril maio junho julho agosto setembro outubro "
    "novembro dezembro",
    "Italian": "gen feb mar apr mag giu lug ago set ott nov dic",
    "Italian, whole": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre "
    "novembre dicembre",
    "Polish": "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    "Polish, of": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września "
    "października listopada grudnia",
    "Russian": "янв фев мар апр май июн июл авг сен окт ноя дек",
    "Russian, of": "января февраля марта апреля мая июня июля августа сентября октября ноября "
    "декабря",
    "English": "January February March April May June July August September October November "
    "December",
}


@pytest.mark.parametrize("language", NAMES)
def test_months_have_names_in_many_languages(language):
    names = NAMES[language].split()
    assert [month_of(name.strip(".")) for name in names] == list(range(1, 13))
    for form in ("{0} {1} {2}", "{1} {0}, {2}", "{0:02}-{1}-{2}", "{0}. {1} {2}"):
        times = [form.format(day.day, names[day.month - 1], day.year) for day in DAYS]
        assert found(times) == us(DAYS), form


def test_dates_of_the_east():
    for form in ("{0}年{1}月{2}日", "{0}년 {1}월 {2}일", "{0}/{1}/{2}"):
        assert found([form.format(day.year, day.month, day.day) for day in DAYS]) == us(DAYS)
    republic = [f"{day.year - 1911}/{day.month:02}/{day.day:02}" for day in DAYS]
    assert found(republic) == us(DAYS)


def test_a_zone_behind_the_time_is_used():
    for zone in ("US/Eastern", "Europe/Berlin", "Asia/Tokyo"):
        local = HOURS.tz_convert(zone)
        assert found((local.strftime("%Y%m%d %H:%M:%S ") + zone).tolist()) == us(HOURS)
    changing = pd.date_range("2024-11-02", periods=72, freq="h", tz="US/Eastern")
    texts = (changing.strftime("%Y%m%d %H:%M:%S ") + "US/Eastern").tolist()
    assert found(texts) == us(changing.tz_convert("UTC"))
    berlin = HOURS.tz_convert("Europe/Berlin")
    assert found((berlin.strftime("%d.%m.%Y %H:%M:%S.000 ") + "GMT+0100").tolist()) == us(HOURS)
    assert found((berlin.strftime("%Y-%m-%d %H:%M:%S ") + "CET").tolist()) == us(HOURS)


def test_abbreviations_of_several_zones_are_asked_for():
    with pytest.raises(Unclear, match="could not be parsed"):
        file((HOURS.strftime("%Y-%m-%d %H:%M:%S ") + "CST").tolist())


# Numbers ----------------------------------------------------------------------------------

COUNTS: dict[str, Callable[[int], str]] = {
    "year 1": lambda one: str(one * 10 + 621_355_968_000_000_000),
    "1601": lambda one: str(one * 10 + 116_444_736_000_000_000),
    "MATLAB": lambda one: repr(one / 86_400e6 + 719_529),
    "spreadsheet": lambda one: repr(one / 86_400e6 + 25_569),
}


@pytest.mark.parametrize("count", COUNTS)
def test_ticks_and_days_counted_from_other_years(count):
    assert found([COUNTS[count](one) for one in us(HOURS)]) == us(HOURS)


def test_a_unit_that_changes_within_a_file_is_judged_by_value():
    times = us(HOURS)
    texts = [str(one // 1000) for one in times[:40]] + [str(one) for one in times[40:]]
    table = file(texts)
    assert table.bars["file:A"]["time_us"].tolist() == times
    assert "milliseconds and microseconds" in " ".join(table.report.notes)


def test_numbers_before_1990_are_asked_for():
    with pytest.raises(Unclear, match="could not be parsed"):
        file([str(200_000_000 + 3600 * place) for place in range(60)])


@settings(deadline=None, max_examples=60)
@given(
    start=st.datetimes(pd.Timestamp("1991-01-01"), pd.Timestamp("2032-01-01")),
    step=st.sampled_from(("s", "min", "h", "D")),
    form=st.sampled_from(
        ("%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y-%m-%dD%H:%M:%S", "%s",
         "%b %d %Y %H:%M:%S", "%d-%b-%y %H:%M:%S")
    ),
)  # fmt: skip
def test_what_is_written_is_read_or_asked_for(start, step, form):
    start = start.replace(microsecond=0, second=start.second % 50)  # at :59 it is a bar's end
    stamps = pd.date_range(start, periods=40, freq=step, tz="UTC")
    seconds = [str(one // 10**6) for one in us(stamps)]
    times = seconds if form == "%s" else stamps.strftime(form).tolist()
    try:
        table = file(times)
    except Unclear:
        assert form.startswith("%d.%m")
        return
    assert table.bars["file:A"]["time_us"].tolist() == us(stamps)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("%Y-%m-%d %H:%M:%S+02:00", "%Y-%m-%d %H:%M:%S"),
        ("%Y-%m-%dT%H:%M:%S.000-05:00", "%Y-%m-%dT%H:%M:%S.000"),
        ("%d %B %Y %H:%M EST", "%d %B %Y %H:%M"),
        ("%Y-%m-%d %H:%M:%S US/Eastern", "%Y-%m-%d %H:%M:%S"),
    ],
)
def test_times_with_an_offset_and_without_are_asked_about(one, other):
    texts = [f"{stamp:{one if i < 30 else other}}" for i, stamp in enumerate(HOURS)]
    with pytest.raises(Unclear, match="Some times have an offset .* and some have none"):
        file(texts)


def test_times_in_utc_may_say_so_or_not():
    texts = [f"{stamp:%Y-%m-%d %H:%M:%S}{'Z' * (i < 30)}" for i, stamp in enumerate(HOURS)]
    assert found(texts) == us(HOURS)


@pytest.mark.parametrize(
    ("header", "form", "freq"),
    [
        ("Year,Month", "%Y,%m", "MS"), ("Year,Month", "%Y,%b", "MS"),
        ("YEAR,MONTH,DAY", "%Y,%m,%d", "B"), ("Year,Month,Day,Hour", "%Y,%m,%d,%H", "h"),
        ("Jahr,Monat,Tag,Uhrzeit", "%Y,%m,%d,%H:%M", "15min"),
    ],
)  # fmt: skip
def test_the_parts_of_a_date_in_columns_of_their_own(header, form, freq):
    stamps = pd.date_range("2015-01-01", periods=100, freq=freq)
    for zeros in (r"(?<=,)0(?=\d)", r"(?!)"):  # without zeros in front, and with them
        texts = [re.sub(zeros, "", f"{stamp:{form}}") for stamp in stamps]
        rows = "".join(f"{text},{i + 1},{i + 5}\n" for i, text in enumerate(texts))
        table = read(f"{header},Price,Volume\n{rows}".encode(), "a.csv")
        assert table.instruments == ("file:A",)
        assert table.bars["file:A"]["time_us"].tolist() == us(stamps)
        index = read_universe(f"{header},AAA,BBB\n{rows}".encode(), "a.csv").prices.index
        assert index.tz_localize(None).tolist() == stamps.tolist()


# Day numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["1985-01-01", "2015-03-01", "2025-01-12"])
@pytest.mark.parametrize("zero", ["1970-01-01", "1899-12-30"])
def test_day_numbers_count_from_1970_or_are_a_spreadsheets(first, zero):
    dates = pd.date_range(first, periods=4000 if first < "2000" else 200, freq="D", tz="UTC")
    numbers = (dates.tz_localize(None) - pd.Timestamp(zero)).days
    if zero < "1970" and first < "1990":  # most of them in the years to 2060 since 1970
        dates, numbers = dates[1000:], numbers[1000:]
    assert found(list(map(str, numbers))) == us(dates)


def test_day_numbers_that_may_be_either_are_asked_about():
    with pytest.raises(Unclear, match="may be days since 1970 or a spreadsheet's since 1900"):
        file([str(25_000 + day) for day in range(100)])


# A date and a clock in two columns --------------------------------------------------------

TWO_DAYS = pd.date_range("2024-01-29", periods=48, freq="h")


@pytest.mark.parametrize("date", ["%Y%m%d", "%Y-%m-%d", "%d/%m/%Y"])
@pytest.mark.parametrize(
    ("name", "clock", "freq"),
    [
        ("Time", lambda one: f"{one.hour}{one.minute:02}{one.second:02}".lstrip("0") or "0", "h"),
        ("Time", lambda one: f"{one.hour}{one.minute:02}{one.second:02}".lstrip("0") or "0", "7s"),
        ("Time", lambda one: f"{one.hour}{one.minute:02}".lstrip("0") or "0", "10min"),
        ("Time", lambda one: f"{one:%H%M}", "h"),
        ("time", lambda one: f"{one:%H%M%S}000", "h"),
        ("Hour", lambda one: f"{one.hour}", "h"),
        ("HR", lambda one: f"{one:%H}", "h"),
        ("Time", lambda one: f"{one:%H:%M:%S}Z", "h"),
        ("Time", lambda one: f"{one:%H:%M} GMT", "h"),
        ("Clock", lambda one: f"{one:%H:%M:%S}+00:00", "h"),
    ],
)
def test_a_clock_beside_a_date_however_it_is_written(date, name, clock, freq):
    stamps = pd.date_range("2024-01-29", periods=800, freq=freq)
    rows = "".join(f"{one:{date}},{clock(one)},{i + 1}\n" for i, one in enumerate(stamps))
    table = read(f"Date,{name},Close\n{rows}".encode(), "a.csv")
    assert table.instruments == ("file:A",)
    assert table.bars["file:A"]["time_us"].tolist() == us(stamps)
    assert table.bars["file:A"]["close"].tolist() == [i + 1 for i in range(800)]


@pytest.mark.parametrize(("name", "first"), [("Hour", 1), ("HE", 1), ("Hour Ending", 1)])
def test_hours_that_count_from_1_to_24_end_then(name, first):
    rows = "".join(f"{one.date()},{one.hour + first},{i + 1}\n" for i, one in enumerate(TWO_DAYS))
    table = read(f"Date,{name},Close\n{rows}".encode(), "a.csv")
    assert table.bars["file:A"]["time_us"].tolist() == us(TWO_DAYS)
    assert table.report.label == "end"


def test_a_clock_with_an_offset_beside_a_date_is_of_that_offset():
    rows = "".join(f"{one:%Y-%m-%d},{one:%H:%M:%S}+01:00,{i}1\n" for i, one in enumerate(TWO_DAYS))
    table = read(f"Date,Time,Close\n{rows}".encode(), "a.csv")
    assert table.bars["file:A"]["time_us"].tolist() == us(TWO_DAYS - pd.Timedelta(hours=1))


def test_hours_that_are_no_clock_are_no_instruments():
    rows = "".join(f"{one.date()},{one.hour + 2},{i + 1}\n" for i, one in enumerate(TWO_DAYS))
    with pytest.raises(Unclear, match="another bar of the same time"):
        read(f"Date,Hour,Close\n{rows}".encode(), "a.csv")


def test_a_clock_beside_a_date_in_a_wide_table_reaches_the_scanner():
    rows = "".join(
        f"{one:%Y-%m-%d},{one.hour * 100},{i + 1},{i + 5}\n" for i, one in enumerate(TWO_DAYS)
    )
    index = read_universe(f"Date,Time,AAA,BBB\n{rows}".encode(), "a.csv").prices.index
    assert index.tz_localize(None).tolist() == TWO_DAYS.tolist()

"""The zone of times: by name or offset, in a column's name, a column, or a line above."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

from tandem.core.errors import DataError
from tandem.io import cli
from tandem.io.files import read
from tandem.io.model import Corrections, Table
from tandem.io.zones import named_in, zone
from tandem.scanner.files import read_universe

HOURS = pd.date_range("2024-07-01", periods=48, freq="h")


def file(header: str, more: str = "", above: str = "", freq: str = "h") -> Table:
    stamps = pd.date_range("2024-07-01", periods=48, freq=freq)
    form = "%Y-%m-%d" if freq in "DB" else "%Y-%m-%d %H:%M"
    rows = "".join(f"{one:{form}},{100 + i}{more}\n" for i, one in enumerate(stamps))
    return read(f"{above}{header}\n{rows}".encode(), "a.csv")


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("Time (UTC+1)", -1), ("Datetime (UTC+01:00)", -1), ("Time GMT-5", 5),
        ("Time (+0530)", -5.5), ("timestamp [America/New_York]", 4), ("Date Asia/Tokyo", -9),
        ("Time (UTC)", 0), ("Gmt time", 0), ("time", 0), ("Time (local)", 0), ("Time (HH:MM)", 0),
    ],
)  # fmt: skip
def test_a_zone_in_the_name_of_the_column_is_used_in_page_and_scanner(name, hours):
    expected = HOURS + pd.Timedelta(hours=hours)
    table = file(f"{name},close")
    assert table.bars["file:A"]["time_us"].tolist() == expected.as_unit("us").asi8.tolist()
    unnamed = ("time", "Time (local)", "Time (HH:MM)")
    assert ("name says so" in table.report.time_zone) == (name not in unnamed)
    rows = "".join(f"{one},{i + 1},{i + 2}\n" for i, one in enumerate(HOURS))
    index = read_universe(f"{name},AAA,BBB\n{rows}".encode(), "a.csv").prices.index
    assert index.tz_localize(None).tolist() == expected.tolist()


@pytest.mark.parametrize(
    "name", ["Time (EST)", "Time (ET)", "Datetime CET", "time_jst", "Date (HKT)", "TIME EST"]
)
def test_an_abbreviated_zone_is_asked_about_except_for_trading_dates(name):
    with pytest.raises(DataError, match="does not tell one zone.*--time-zone"):
        file(f"{name},close")
    dates = pd.bdate_range("2024-07-01", periods=48)
    table = file(f"{name},close", freq="B")
    assert table.bars["file:A"]["time_us"].tolist() == dates.as_unit("us").asi8.tolist()
    told = Corrections(time_zone="America/New_York")
    rows = "".join(f"{one},{100 + i}\n" for i, one in enumerate(HOURS))
    table = read(f"{name},close\n{rows}".encode(), "a.csv", corrections=told)
    assert table.report.time_zone == "America/New_York, as corrected"


def test_a_zone_in_a_column_or_above_the_table_is_used_or_asked_about():
    expected = (HOURS - pd.Timedelta(hours=9)).as_unit("us").asi8.tolist()
    for table in (
        file("time,close,timezone", ",Asia/Tokyo"),
        file("time,close,Time Zone", ",+09:00"),
        file("time,close", above="# timezone: Asia/Tokyo\n"),
        file("time,close", above="Prices\nTime Zone: UTC+9\n"),
    ):
        assert table.bars["file:A"]["time_us"].tolist() == expected
        assert table.report.time_zone.endswith("says so")
    for arguments in (
        ("time,close,timezone", ",JST"),
        ("time,close,GMT Offset", ",-5"),
        ("time,close", "", "# timezone: EST\n"),
    ):
        with pytest.raises(DataError, match="--time-zone"):
            file(*arguments)


def test_what_times_say_themselves_stands_before_what_the_file_says():
    rows = "".join(f"{one}Z,{100 + i},-5\n" for i, one in enumerate(HOURS))
    table = read(f"Time (UTC+1),close,GMT Offset\n{rows}".encode(), "a.csv")
    assert table.bars["file:A"]["time_us"].tolist() == HOURS.as_unit("us").asi8.tolist()


@pytest.mark.parametrize(
    ("name", "minutes"), [("+01:00", 60), ("UTC-5", -300), ("gmt+0530", 330), ("-03:30", -210)]
)
def test_a_zone_may_be_an_offset(name, minutes, tmp_path):
    assert pd.Timestamp("2024-01-01", tz=zone(name)).utcoffset() == pd.Timedelta(minutes=minutes)
    path = tmp_path / "a.csv"
    path.write_text("time,close\n" + "".join(f"{one},1\n" for one in HOURS))
    out = io.StringIO()
    assert cli.main([str(path), f"--time-zone={name}", "--json"], out) == 0
    (facts,) = json.loads(out.getvalue())
    assert facts["first"] == str(HOURS[0] - pd.Timedelta(minutes=minutes))
    assert facts["time_zone"] == f"{name}, as corrected"


@pytest.mark.parametrize("name", ["+15:00", "UTC+1:99", "Mars/Phobos", "EUR", "x" * 500, "../etc"])
def test_what_is_no_zone_is_refused_by_name(name):
    with pytest.raises(DataError, match="is not a known time zone; use a name like UTC"):
        zone(name)


@pytest.mark.parametrize(
    "name", ["close_time", "Date/Time", "Ist-Zeit", "time (close/open)", "date_est_close", "Zeit"]
)
def test_other_words_in_a_name_are_no_zones(name):
    assert named_in(name) == ""


@pytest.mark.parametrize("name", ["A" * 500_000, "(" * 500_000, "GMT " * 100_000, "A/" * 250_000])
def test_a_long_name_is_looked_at_as_far_as_a_name_goes(name):
    assert named_in(name) in ("", "UTC")

"""Every shape of file, guessed right; wrong guesses, corrected."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tables import PAGE, ROWS, START_S, made, shown
from tandem.core.clock import DAY_US, HOUR_US
from tandem.core.errors import DataError
from tandem.io.files import read, read_files
from tandem.io.model import Corrections, Table, Unclear

START = START_S * 1_000_000
MADE = dict(made())
REFUSED = {
    "excel-ruined-times.csv": "shortened the times in column 'time' .* .like '1.7E.12'.; they are",
    "ambiguous-dates.csv": "whether '01/02/2024' has the day or the month first",
}
OFFSET = {"tradingview-iso.csv": -2 * HOUR_US}
TRADES = ("aggtrades", "trades", "fills", "ids")
CLOSES = {
    "binance-klines-us.csv": 102.0,
    "binance-aggtrades.csv": 100.0,
    "coinbase-candles.csv": 100.0,
    "excel-decimal-comma.csv": 102.0,
    "investing-de.csv": 100.0,
    "investing-zh-gbk.csv": 100.0,
    "metatrader5.csv": 102.0,
    "thousands.csv": 1000.5,
    "wide.csv": 100.5,
    "yahoo.csv": 51.0,
}


@pytest.mark.parametrize("name", [name for name in MADE if name not in REFUSED])
def test_a_shape_is_understood(name):
    for table in read_files(MADE[name], name):
        report = table.report
        ruined = 2 if name == "excel-ruined-prices.csv" else 0
        assert report.rows_kept == ROWS * (2 if "long" in name else 1) - ruined
        assert report.kind == ("trades" if any(one in name for one in TRADES) else "bars")
        for rows in (table.bars or table.trades).values():
            assert len(rows) == ROWS - ruined
            assert rows["time_us"][0] // 1_000_000 * 1_000_000 == START + OFFSET.get(name, 0)
            assert np.all(np.diff(rows["time_us"]) > 0)
        assert report.kind == "trades" or report.interval_us in (HOUR_US, DAY_US)
        assert report.time_zone.startswith("UTC")
        assert len(report.sample) == 5 and len(report.sample[0]) == len(report.columns)
        if name in CLOSES:
            first = next(iter((table.bars or table.trades).values()))[0]
            assert first["close" if table.bars else "price"] == CLOSES[name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_shape_is_refused(name):
    with pytest.raises(DataError, match=REFUSED[name]):
        read(MADE[name], name)


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        ("investing-de.csv", "Investing.com"),
        ("investing-ko.csv", "Investing.com"),
        ("yahoo.csv", "Yahoo"),
        ("stooq-ascii.txt", "Stooq"),
        ("metatrader4.csv", "MetaTrader bars"),
        ("metatrader5.csv", "MetaTrader"),
        ("cryptodatadownload.csv", "CryptoDataDownload"),
        ("coinbase-fills.csv", "Coinbase"),
        ("tradingview.csv", "TradingView"),
        ("kraken-trades.csv", "Kraken trades"),
        ("binance-klines-us.csv", "Binance klines"),
        ("wide.csv", ""),
    ],
)
def test_the_vendor_is_named(name, vendor):
    assert read(MADE[name], name).report.vendor == vendor


def test_what_a_spreadsheet_ruined_is_named():
    prices = read(MADE["excel-ruined-prices.csv"], "p.csv").report
    assert prices.reasons == {
        "a spreadsheet wrote ##### because its column was too narrow": 1,
        "a spreadsheet turned the number into a date": 1,
    }
    assert [(one.line, one.text.split(",")[1]) for one in prices.aside] == [
        (5, "########"),
        (6, "Mar-21"),
    ]
    ids = read(MADE["excel-ruined-ids.csv"], "i.csv").report
    assert any("shortened the trade ids" in note for note in ids.notes)
    assert ids.rows_kept == ROWS
    serial = read(MADE["excel-serial.csv"], "s.csv").report
    assert any("day numbers" in note for note in serial.notes)


def test_some_shortened_times_are_set_aside():
    text = "time,close\n" + "".join(f"{START_S + 60 * i},{5 + i}\n" for i in range(9))
    report = read((text + "1.7E+09,5\n").encode(), "t.csv").report
    assert report.reasons == {"a spreadsheet shortened the time to a few digits": 1}


def only(table: Table) -> np.ndarray:
    (found,) = (table.bars or table.trades).values()
    return found


DATES = b"date,close\n01/02/2024,1\n02/02/2024,2\n03/02/2024,3\n"


def test_the_order_of_dates_can_be_told():
    for order, days in (("day first", [1, 1]), ("month first", [31, 29])):
        bars = only(read(DATES, "d.csv", corrections=Corrections(date_order=order)))
        assert (np.diff(bars["time_us"]) // DAY_US).tolist() == days
    short = DATES.replace(b"/2024", b"/05")
    years = only(read(short, "d.csv", corrections=Corrections(date_order="year first")))
    assert str(years["time_us"][0].astype("M8[us]"))[:10] == "2001-02-05"


def test_even_steps_tell_the_order_of_dates_and_say_so():
    text = "time,close\n" + "".join(
        f"0{1 + i // 24}/02/2024 {i % 24:02}:00,{i + 1}\n" for i in range(72)
    )
    table = read(text.encode(), "d.csv")
    assert table.interval_us == HOUR_US and table.report.gaps == 0
    assert any("taken as day first: then the rows are even" in one for one in table.report.notes)


def test_an_unclear_file_shows_its_columns_for_correction():
    with pytest.raises(Unclear) as caught:
        read(DATES, "d.csv")
    assert caught.value.columns == (("date", "time"), ("close", "close price"))
    assert caught.value.sample[0] == ("01/02/2024", "1")
    with pytest.raises(Unclear) as caught:
        read(b"foo,bar\n7,1\n8,2\n", "d.csv")
    told = Corrections(roles=((0, "time"), (1, "close")))
    assert only(read(b"foo,bar\n1704067200,1\n1704067260,2\n", "d.csv", corrections=told))[
        "close"
    ].tolist() == [1.0, 2.0]


def test_roles_can_be_told_where_there_are_no_names():
    text = b"7;1704067200;x;5.5\n8;1704067260;y;6.5\n"
    with pytest.raises(Unclear, match="no layout known"):
        read(text, "d.csv")
    told = Corrections(roles=((1, "time"), (3, "close")))
    assert only(read(text, "d.csv", corrections=told))["close"].tolist() == [5.5, 6.5]


def test_a_role_told_takes_it_from_who_had_it():
    text = b"time,close,settled\n1704067200,1,5\n1704067260,2,6\n"
    table = read(text, "d.csv", corrections=Corrections(roles=((2, "close"),)))
    assert only(table)["close"].tolist() == [5.0, 6.0]
    assert table.report.columns[1] == ("close", "not used")
    unused = Corrections(roles=((1, ""),))
    with pytest.raises(Unclear, match="no price column"):
        read(text, "d.csv", corrections=unused)


def test_the_decimal_mark_can_be_told():
    text = b"time;close\n1704067200;1,234\n1704067260;1,235\n"
    with pytest.raises(Unclear, match="decimal comma or groups thousands"):
        read(text, "d.csv")
    for mark, value in ((",", 1.234), (".", 1234.0)):
        table = read(text, "d.csv", corrections=Corrections(decimal=mark))
        assert only(table)["close"][0] == value


def test_the_unit_of_time_can_be_told():
    text = b"time,close\n1000,1\n2000,2\n3000,3\n"
    with pytest.raises(Unclear, match="could not be parsed"):
        read(text, "d.csv")
    for unit, first in (("seconds", 10**9), ("milliseconds", 10**6), ("microseconds", 1_000)):
        table = read(text, "d.csv", corrections=Corrections(time_unit=unit))
        assert only(table)["time_us"][0] == first


def test_the_time_zone_can_be_told():
    text = (
        b"time,close\n2024-01-02 09:30:00,1\n2024-07-02 09:30:00,2\n2024-11-03 01:30:00,3\n"
        b"2024-11-03 12:00:00,4\n"
    )
    told = Corrections(time_zone="America/New_York", accept_loss=True)
    table = read(text, "d.csv", corrections=told)
    times = [str(one)[5:16] for one in only(table)["time_us"].astype("M8[us]")]
    assert times == ["01-02T14:30", "07-02T13:30", "11-03T17:00"]
    assert table.report.time_zone == "America/New_York, as corrected"
    assert table.report.rows_aside == 1
    assert any("twice as clocks went back" in note for note in table.report.notes)
    plain = read(text, "d.csv").report
    assert plain.time_zone == "UTC, assumed: the file names no zone"


def test_encoding_delimiter_and_header_can_be_told():
    text = "time:close\n1704067200:1\n1704067260:2\n"
    with pytest.raises(DataError):
        read(text.encode(), "d.csv")
    told = Corrections(delimiter=":")
    assert len(only(read(text.encode(), "d.csv", corrections=told))) == 2
    russian = "дата;цена\n2024-01-01;1\n2024-01-02;2\n".encode("koi8-r")
    told = Corrections(encoding="koi8-r")
    assert only(read(russian, "d.csv", corrections=told))["close"].tolist() == [1.0, 2.0]
    bare = b"1704067200,1\n1704067260,2\n"
    told = Corrections(header=True, roles=((0, "time"), (1, "close")))
    with pytest.raises(DataError, match="a single row of data"):
        read(bare, "d.csv", corrections=told)


def test_rows_that_are_there_twice_are_counted():
    text = b"time,close\n1704067200,1\n1704067260,2\n1704067260,2\n1704067260,3\n"
    told = Corrections(accept_loss=True)
    assert read(text, "d.csv", corrections=told).report.duplicates == 2


def test_the_page_of_formats_says_what_is_read_today() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [row for name, raw in made() for row in shown(name, raw) if row not in text] == []

"""Reading CSV files: shapes people have, made by the test, and files that cannot be used."""

from __future__ import annotations

import codecs

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.backtest.files import aligned
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import Trade
from tandem.io import files as tables
from tandem.io.model import Aside, Corrections, Table, Unclear
from tandem.io.numbers import _number
from tandem.io.pairing import apart, pair_from
from tandem.io.writer import write_trades

START = 1_704_067_200_000_000  # 2024-01-01

CLOSES = [100.0, 101.5, 99.25, 102.0]
OHLC = "time,open,high,low,close,volume\n"


def rows(times: list[str], cut: str = ",") -> str:
    return "".join(
        cut.join((time, "100.0", "110.0", "90.0", str(close), "5.0")) + "\n"
        for time, close in zip(times, CLOSES, strict=True)
    )


def read(text: str | bytes, name: str = "prices.csv") -> Table:
    return tables.read(text.encode() if isinstance(text, str) else text, name)


def only(table: Table) -> np.ndarray:
    (found,) = (table.bars or table.trades).values()
    return found


# Times ------------------------------------------------------------------------------------


HOURS = [START + hour * HOUR_US for hour in range(4)]


def iso(us: int, unit: str = "s", between: str = "T") -> str:
    return str(np.datetime64(us, "us").astype(f"M8[{unit}]")).replace("T", between)


@pytest.mark.parametrize(
    ("form", "write"),
    [
        ("seconds", lambda us: str(us // SECOND_US)),
        ("seconds, a fraction", lambda us: f"{us / SECOND_US:.3f}"),
        ("milliseconds", lambda us: str(us // 1_000)),
        ("microseconds", str),
        ("nanoseconds", lambda us: str(us * 1_000)),
        ("ISO", iso),
        ("ISO with a space", lambda us: iso(us, "s", " ")),
        ("ISO with Z", lambda us: iso(us, "ms") + "Z"),
        ("UTC behind", lambda us: iso(us, "s", " ") + " UTC"),
        ("offset", lambda us: iso(us + 2 * HOUR_US) + "+02:00"),
        ("slashes", lambda us: iso(us, "m", " ").replace("-", "/")),
        ("points", lambda us: iso(us, "m", " ").replace("-", ".")),
        ("digits", lambda us: iso(us, "s", "").replace("-", "").replace(":", "")),
    ],
)
def test_times_in_every_form(form, write):
    table = read(OHLC + rows([write(us) for us in HOURS]))
    assert only(table)["time_us"].tolist() == HOURS, form
    assert table.interval_us == HOUR_US


def test_an_hour_written_in_english():
    text = OHLC + rows([f"2024-01-01 {hour}" for hour in ("12-AM", "01-AM", "02-AM", "03-AM")])
    assert only(read(text))["time_us"].tolist() == HOURS


@pytest.mark.parametrize(
    "dates",
    [
        ["Jan 1, 2024", "Jan 2, 2024", "Jan 3, 2024", "Jan 4, 2024"],
        ["20240101", "20240102", "20240103", "20240104"],
        ["01.01.2024", "02.01.2024", "03.01.2024", "04.01.2024"],
        ["1-Jan-2024", "2-Jan-2024", "3-Jan-2024", "4-Jan-2024"],
    ],
)
def test_dates_in_every_form(dates):
    text = "Date;Close\n" + "".join(f"{d};{c}\n" for d, c in zip(dates, CLOSES, strict=True))
    assert only(read(text))["time_us"].tolist() == [START + day * DAY_US for day in range(4)]


def test_day_or_month_first_is_told_by_the_values():
    text = "date,close\n30/12/2023,1.5\n31/12/2023,1.5\n01/01/2024,1.5\n"
    assert only(read(text))["time_us"][-1] == START
    text = "date,close\n12/30/2023,1.5\n12/31/2023,1.5\n01/01/2024,1.5\n"
    assert only(read(text))["time_us"][-1] == START


def test_day_or_month_first_is_asked_where_nothing_tells():
    with pytest.raises(DataError, match="the day or the month first; write dates as 2024-12-31"):
        read("date,close\n01/02/2024,1.5\n02/02/2024,1.5\n")


def test_date_and_clock_in_two_columns():
    text = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n" + "".join(
        f"2024.01.01\t0{hour}:00:00\t1.1\t1.2\t1.0\t1.15\t10\t0\t3\n" for hour in range(4)
    )
    assert only(read(text))["time_us"].tolist() == HOURS


# Shapes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_file_cut_within_a_letter_keeps_its_encoding(encoding):
    rows = "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 29))
    raw = f"\u65e5\u671f,\u6536\u76d8\n{rows}\u65e5".encode(encoding)[:-1]
    table = read(raw)
    assert len(only(table)) == 28
    assert "\u6536" in str(table.report.columns)


def test_a_western_letter_at_the_end_is_no_character_cut_off():
    rows = "".join(f"2024-01-{day:02},{day},x\n" for day in range(1, 29))
    table = read(f"date,close,note\n{rows}2024-01-29,29,caf\u00e9".encode("cp1252"))
    assert table.report.encoding == "cp1252"


@pytest.mark.parametrize("cut", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_delimiters_line_ends_and_encodings(cut, end, encoding):
    text = OHLC.replace("volume", "Größe").replace(",", cut) + rows(list(map(str, HOURS)), cut)
    bars = only(read(text.replace("\n", end).encode(encoding)))
    assert bars["close"].tolist() == CLOSES
    assert bars["time_us"].tolist() == HOURS


def test_what_columns_were_taken_for_is_told():
    report = read(OHLC.replace("volume", "mood") + rows(list(map(str, HOURS)))).report
    assert report.columns[0] == ("time", "time")
    assert report.columns[4:] == (("close", "close price"), ("mood", "not used"))
    assert (report.rows_read, report.rows_kept, report.rows_aside) == (4, 4, 0)
    assert (report.first_us, report.last_us) == (HOURS[0], HOURS[-1])
    assert report.times == "microseconds since 1970"


def test_decimal_commas_and_thousands_points():
    text = "Datum;Schluss;Volumen\n2024-01-01;1.234,5;1.000\n2024-01-02;1.235,75;2.500\n"
    table = read(text)
    assert only(table)["close"].tolist() == [1234.5, 1235.75]
    assert only(table)["volume"].tolist() == [1000.0, 2500.0]
    assert table.report.decimal == ","


def test_thousands_commas_and_suffixes():
    text = 'Date,Price,Vol.\n2024-01-01,"1,234.5",1.5K\n2024-01-02,"$1,235.75",2M\n'
    assert only(read(text))["close"].tolist() == [1234.5, 1235.75]
    assert only(read(text))["volume"].tolist() == [1500.0, 2_000_000.0]


def test_a_comma_that_may_mean_either_is_asked():
    with pytest.raises(DataError, match="decimal comma or groups thousands; write numbers as"):
        read('date,close\n2024-01-01,"1,234"\n2024-01-02,"1,235"\n')


def test_commas_and_points_mixed_are_refused():
    with pytest.raises(DataError, match="write them all in one way"):
        read('date,close\n2024-01-01,"1,5"\n2024-01-02,"1,234.5"\n')


def test_a_symbol_column_gives_several_instruments():
    text = "time,symbol,close\n"
    text += "".join(f"{us},{s},{c}\n" for us, c in zip(HOURS, CLOSES, strict=True) for s in "AB")
    table = read(text)
    assert table.instruments == ("file:A", "file:B")
    assert table.bars["file:B"]["close"].tolist() == CLOSES
    assert not table.report.notes[0].startswith("The newest")


@pytest.mark.parametrize(
    "header", ["time,AAA,BBB", "time,AAA_close,BBB_close", "t,close AAA,close BBB"]
)
def test_a_column_per_symbol_gives_several_instruments(header):
    text = header + "\n" + "".join(f"{us},{c},\n" for us, c in zip(HOURS[:2], CLOSES, strict=False))
    text += "".join(f"{us},{c},{2 * c}\n" for us, c in zip(HOURS[2:], CLOSES[2:], strict=True))
    table = read(text)
    assert table.bars["file:AAA"]["close"].tolist() == CLOSES
    assert table.bars["file:BBB"]["close"].tolist() == [198.5, 204.0], "a missing price is no bar"
    assert (table.report.rows_kept, table.report.rows_aside) == (4, 0)


def test_newest_first_is_turned_round():
    table = read(OHLC + rows([str(us) for us in HOURS[::-1]]))
    assert only(table)["close"].tolist() == CLOSES[::-1]
    assert table.report.notes[0] == "The newest rows came first; their order was reversed."


def test_trades_of_one_time_stay_in_file_order_also_newest_first():
    trades = [(HOURS[0], 1.0), (HOURS[0], 2.0), (HOURS[1], 3.0), (HOURS[2], 4.0)]
    text = "timestamp,price,amount,side\n" + "".join(
        f"{us},{p},1.5,buy\n" for us, p in trades[::-1]
    )
    table = read(text)
    assert table.report.kind == "trades"
    assert only(table)["price"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert only(table)["side"].tolist() == [1, 1, 1, 1]


def test_prices_without_any_quantity_are_read_with_the_quantity_unknown():
    trades = [
        Trade("coingecko:BITCOIN", n, n * MINUTE_US, 60_000.0 + n, 0.0, 0, n * MINUTE_US + 5)
        for n in range(30_000_000, 30_000_003)
    ]
    table = read(b"".join(write_trades(trades)))
    assert only(table)["price"].tolist() == [trade.price for trade in trades]
    assert np.isnan(only(table)["quantity"]).all()
    assert not table.report.reasons


def test_the_same_trade_id_counts_once():
    text = (
        "time,id,price,qty,is_buyer_maker\n" + f"{START},7,1.5,2,true\n{START},8,1.5,2,false\n" * 2
    )
    table = read(text)
    assert only(table)["side"].tolist() == [-1, 1]
    assert table.report.reasons == {"the same trade id again": 2}


@pytest.mark.parametrize(
    ("row", "layout", "price"),
    [
        ("{ms},1.5,2.5,1.0,2.0,10,{ms},20,3,5,10,0", "Binance klines", 2.0),
        ("{s},1.5,2.5,1.0,2.0,10,3", "Kraken OHLCVT", 2.0),
        ("{n},2.0,10,1,2,{ms},true", "Binance futures aggTrades", 2.0),
        ("{n},2.0,10,1,2,{us},True,True", "Binance spot aggTrades", 2.0),
        ("{n},2.0,10,20,{ms},true", "Binance futures trades", 2.0),
        ("{n},2.0,10,20,{us},True,True", "Binance spot trades", 2.0),
        ("{s},2.0,10", "Kraken trades", 2.0),
        ("{s},2.0", "times and prices", 2.0),
    ],
)
def test_vendors_files_without_column_names(row, layout, price):
    text = "".join(
        row.format(n=n, s=us // SECOND_US, ms=us // 1_000, us=us) + "\n"
        for n, us in enumerate(HOURS)
    )
    table = read(text)
    found = only(table)
    assert table.report.layout == f"{layout}, without column names"
    assert found["time_us"].tolist() == HOURS
    assert set(found["price" if table.trades else "close"]) == {price}


def test_other_files_without_column_names_are_asked_for_them():
    with pytest.raises(DataError, match="has no column names.*add a first line like time,open"):
        read("1,2,3,4\n5,6,7,8\n")


def test_bars_that_repeat_the_last_price_are_no_trades():
    dead = f"{HOURS[1]},101.5,101.5,101.5,101.5,0\n"
    lines = rows(list(map(str, HOURS))).splitlines(keepends=True)
    table = read(OHLC + lines[0] + dead + lines[2] + lines[3])
    assert only(table)["time_us"].tolist() == [HOURS[0], HOURS[2], HOURS[3]]
    assert table.report.aside == (Aside(3, "no trade in the bar (volume 0)", dead.strip()),)
    assert table.report.gaps == 1
    quiet = OHLC + "".join(f"{us},5,5,5,5,0\n" for us in HOURS)
    assert len(only(read(quiet))) == 4, "an index has no volume at all"


def test_names_are_safe_instruments():
    table = read(OHLC + rows(list(map(str, HOURS))), "<img src=x onerror=alert(1)>.csv")
    assert table.instruments == ("file:IMG-SRC-X-ONERROR-ALERT-1-",)
    table = read("time,price,qty,symbol\n" + f"{START},1,1,=cmd()\n" * 2 + f"{START},1,1,sim:ABC\n")
    assert table.instruments == ("file:CMD-", "sim:ABC")


# Rows set aside ---------------------------------------------------------------------------


def test_every_line_not_used_has_a_number_and_a_reason():
    good = rows(list(map(str, HOURS))).splitlines(keepends=True)
    lines = [
        "Downloaded from somewhere\n", OHLC, good[0], "nonsense,1,2,1,1.5,5\n",
        f"{HOURS[0] + 1},1,2,1,,5\n", "\n", f"{HOURS[0] + 2},1,2,1,0,5\n",
        f"{HOURS[0] + 3},1,2,1,inf,5\n", f"{HOURS[0] + 4},1,2,1,1,5,6,7\n", OHLC,
        f'{HOURS[0] + 5},"1,2,1,1.5,5\n', good[0], good[1].replace("101.5", "103"), good[1],
        good[2], good[3], f"{HOURS[3] + HOUR_US},1,2,1",
    ]  # fmt: skip
    with pytest.raises(Unclear, match=r"8 of 15 rows \(53.3 %\) are set aside: .* accept the loss"):
        read("".join(lines))
    told = Corrections(accept_loss=True)
    table = tables.read("".join(lines).encode(), "prices.csv", corrections=told)
    assert only(table)["close"].tolist() == CLOSES
    assert [(entry.line, entry.reason) for entry in table.report.aside] == [
        (1, "a line before the table"),
        (3, "the same bar again"),
        (4, "the time could not be parsed"),
        (5, "a price or quantity is missing or is no number"),
        (7, "a price or quantity is not above zero"),
        (8, "a price or quantity is infinite"),
        (9, "8 fields where the table has 6"),
        (10, "the header again"),
        (11, "a quote that does not open and close a cell"),
        (13, "another bar of the same time; the newest is kept"),
        (17, "the file ends in the middle of the line"),
    ]
    assert (table.report.rows_read, table.report.rows_kept) == (15, 4)


def test_amounts_that_are_no_numbers_are_told():
    table = read(OHLC + rows(list(map(str, HOURS))).replace("5.0", "many", 2).replace("5.0", "-"))
    assert np.isnan(only(table)["volume"]).all()
    assert table.report.notes[0] == "2 cells of column 'volume' left empty: no number."


def test_long_text_from_outside_is_shortened():
    table = read(OHLC + rows(list(map(str, HOURS))) + "x" * 5_000 + ",1,1,1,1,1\n")
    assert len(table.report.aside[0].text) == 200


# Files that cannot be used ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b" \n\n ", "is empty"),
        (b"time,close\n", "no rows of data; at least two"),
        (b"time,close\n1704067200,5\n", "a single row of data; at least two"),
        (b'time,close\n1,"5\n2,"6\n', "no rows of data .2 left out: a quote"),
        (b"time,volume\n1704067200,5\n1704067260,5\n", "no price column; its columns are 'time'"),
        (b"close,volume\n5,5\n6,6\n", "no time column; its columns are 'close', 'volume'"),
        (b"time,close\nyesterday,5\ntoday,6\n", "could not be parsed, for example 'yesterday'"),
        (b"time,close\n1704067200,a\n1704067260,b\n", "fewer than two can be used .2: a price"),
        (b"time,close\n1704067200,True\n1704067260,False\n", "a price or quantity is missing"),
        (b"just some words\nin lines\n", "has no columns"),
        (b"PK\x03\x04rest", "damaged or cannot be read"),
        (b"\x1f\x8brest", "damaged or cannot be read"),
        (b"PAR1rest", "Parquet"),
        (b"SQLite format 3\x00rest", "SQLite"),
        (bytes(range(256)) * 10, "is not text"),
        (b'{"time": 1}\n', "JSON"),
        (b"a," * 600_000 + b"a\n" * 5, "a line of over 500,000 characters"),
        ((b"a," * 2_000 + b"a\n") * 5, "2,001 columns; the limit is 1,000"),
        (codecs.BOM_UTF16_LE + b"a\x00,\x00\x00\xdc", "damaged UTF-16"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_get_a_sentence(data, says):
    with pytest.raises(DataError, match=says) as caught:
        tables.read(data, "x.csv")
    assert str(caught.value).startswith(("'x.csv'", "In ")) and str(caught.value).endswith(".")


def test_files_that_are_too_large_or_absent_get_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"'x.csv' has 0.1 MB; the limit is 0.0 MB"):
        tables.read(b"1" * 100_000, "x.csv", 10_000)
    path = tmp_path / "x.csv"
    path.write_bytes(b"1" * 100_000)
    with pytest.raises(DataError, match=r"the limit is 0.0 MB"):
        tables.read(path, "x.csv", 10_000)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        tables.read(tmp_path / "absent.csv", "absent.csv")


def test_text_from_outside_is_quoted_and_short_in_messages():
    name = "<script>" + "a" * 300
    with pytest.raises(DataError) as caught:
        tables.read(b"", name)
    assert str(caught.value).startswith("'<script>aaa") and len(str(caught.value)) < 120


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300) | st.text("0123456789,;.\n\"-:eE time close=\t\r'", max_size=300))
def test_no_bytes_make_a_traceback(data):
    head = b"time,close\n1704067200,1.5\n1704067260,1.5\n"
    raw = data if isinstance(data, bytes) else data.encode()
    for whole in (raw, head + raw, b"time,open,high,low,close,symbol\n" + raw):
        try:
            table = tables.read(whole, "x.csv")
        except DataError:
            continue
        assert table.report.rows_kept + table.report.rows_aside == table.report.rows_read


# Pairs ------------------------------------------------------------------------------------


def bars_file(times: list[int], name: str) -> Table:
    return read("time,close\n" + "".join(f"{us},{5 + i}\n" for i, us in enumerate(times)), name)


def test_a_finer_leg_is_put_together():
    minutes = bars_file([START + i * MINUTE_US for i in range(180)], "y.csv")
    hours = bars_file([START + i * HOUR_US for i in range(3)], "x.csv")
    y, x, interval_us = pair_from([minutes, hours], "file:Y", "file:X")
    assert interval_us == HOUR_US
    assert y["close"].tolist() == [5 + 59, 5 + 119, 5 + 179]
    assert x["close"].tolist() == [5, 6, 7]


def test_trades_become_bars_of_the_other_leg():
    trades = read(
        "time,price,qty\n" + "".join(f"{START + i * SECOND_US},{1 + i},1\n" for i in range(180)),
        "y.csv",
    )
    bars = bars_file([START + i * MINUTE_US for i in range(3)], "x.csv")
    y, _, interval_us = pair_from([trades, bars], "file:Y", "file:X")
    assert interval_us == MINUTE_US and y["close"].tolist() == [60.0, 120.0, 180.0]
    y, _, interval_us = pair_from(
        [trades, read("time,price,qty\n" + f"{START},1,1\n{START + 1},1,1\n", "x.csv")],
        "file:Y", "file:X", 10 * SECOND_US,
    )  # fmt: skip
    assert interval_us == 10 * SECOND_US and len(y) == 18


def test_bars_at_half_past_pair_among_themselves():
    half = [START + 30 * MINUTE_US + i * HOUR_US for i in range(5)]
    full = [START + i * HOUR_US for i in range(5)]
    y, x, _ = pair_from([bars_file(half, "y"), bars_file(half, "x")], "file:Y", "file:X")
    assert y["time_us"].tolist() == x["time_us"].tolist() == half
    assert aligned(y, x, HOUR_US).time_us.tolist() == half
    with pytest.raises(
        DataError, match="start 0 s after the grid of 1 h.*30 min after it.*look ahead"
    ):
        pair_from([bars_file(half, "y"), bars_file(full, "x")], "file:Y", "file:X")


def test_pairs_that_do_not_fit_are_refused():
    minutes = [START + i * MINUTE_US for i in range(4)]
    y, x = bars_file(minutes, "y"), bars_file([us + DAY_US for us in minutes], "x")
    for names, says in [
        (("file:Y", "file:Y"), "choose two different instruments"),
        (("file:Y", "file:Z"), "No file has 'file:Z'; there are 'file:Y', 'file:X'"),
        (("file:Y", "file:X"), "no time in common: 'file:Y' runs from 2024-01-01 00:00:00 to"),
    ]:
        with pytest.raises(DataError, match=says):
            pair_from([y, x], *names)
    seven = bars_file([START + i * 7 * MINUTE_US for i in range(4)], "x")
    five = bars_file([START + i * 5 * MINUTE_US for i in range(4)], "y")
    with pytest.raises(DataError, match="Bars of 5 min .'file:Y'. do not add up to bars of 7 min"):
        pair_from([five, seven], "file:Y", "file:X")


# Cells ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1,234.5", ".", 1234.5), ("1.234,5", ",", 1234.5), ("1 234,5", ",", 1234.5),
        ("1'234.5", ".", 1234.5), ("12,34,567.8", ".", 1234567.8), ("(5.5)", ".", -5.5),
        ("$1.5", ".", 1.5), ("44.97K", ".", 44970.0), ("118,93M", ",", 118.93e6),
        ("1.2e3", ".", 1200.0), ("-", ".", None), ("N/A", ".", None), ("1,2,3", ".", None),
        ("1.2.3", ".", None), ("0x1F", ".", None), ("1_000", ".", None), ("\u0661", ".", None),
    ],
)  # fmt: skip
def test_numbers_in_every_notation(text, decimal, value):
    assert _number(text, decimal) == pytest.approx(value or np.nan, nan_ok=True)


def test_a_line_left_out_for_two_legs_counts_once() -> None:
    found = tables.read(
        b"date,ETH,BTC\n2024-01-01,1,2\n2024-01-02,3,4\n2024-01-02,5,6\n",
        "a.csv",
        corrections=Corrections(accept_loss=True),
    )
    assert found.report.reasons == {"another bar of the same time; the newest is kept": 1}
    assert [one.line for one in found.report.aside] == [3]
    assert found.report.duplicates == 1


def test_a_file_of_which_nothing_is_left_can_be_corrected() -> None:
    with pytest.raises(Unclear, match="fewer than two can be used") as caught:
        tables.read(b"time,close\n2024-01-01,0\n2024-01-02,0\n", "a.csv")
    assert caught.value.columns == (("time", "time"), ("close", "close price"))


def test_tables_with_the_same_instrument_are_told_apart() -> None:
    raw = b"time,close,symbol\n2024-01-01,1,BTCUSDT\n2024-01-02,2,BTCUSDT\n"
    one, two = apart([tables.read(raw, "a.csv"), tables.read(raw, "b.csv")])
    assert not set(one.instruments) & set(two.instruments)


def test_too_long_a_pair_is_refused_before_it_is_copied() -> None:
    rows = "".join(f"{1_700_000_000 + 60 * i},{5 + i % 3},{7 + i % 2}\n" for i in range(100))
    table = tables.read(f"time,A,B\n{rows}".encode(), "pair.csv")
    with pytest.raises(DataError, match="span 100 bars; at most 99"):
        pair_from([table], *table.instruments, most=99)
    assert len(pair_from([table], *table.instruments, most=100)[0]) == 100


@pytest.mark.parametrize("is_newest_first", [False, True])
@pytest.mark.parametrize("column", ["symbol", "anything"])
def test_of_bars_of_one_time_the_newest_is_kept_where_instruments_take_turns(
    is_newest_first, column
):
    rows = [
        f"2024-01-0{1 + hour // 24} {hour % 24:02}:00,{name},{hour + start + finished}\n"
        for hour in range(120)
        for finished in ((0, 0.5) if hour == 7 else (0.5,))
        for name, start in (("AAA", 1), ("BBB", 501))
    ]
    text = "".join(rows[::-1] if is_newest_first else rows)
    table = tables.read(f"time,{column},close\n{text}".encode(), "a.csv")
    for name, start in (("file:AAA", 1.5), ("file:BBB", 501.5)):
        assert table.bars[name]["close"].tolist() == [hour + start for hour in range(120)]
    assert table.report.reasons == {"another bar of the same time; the newest is kept": 2}

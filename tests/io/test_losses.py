"""Losses are said first and large ones accepted; of one time the last row counts; commands."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tandem.backtest import cli as backtest
from tandem.core.errors import DataError
from tandem.io import cli
from tandem.io.files import read
from tandem.io.model import Corrections, Unclear
from tandem.io.options import corrections
from tandem.scanner import cli as scan
from tandem.scanner.files import read_universe

ROWS = 200
START_S = 1_704_067_200


def lines(bad: int) -> list[str]:
    """Return hourly rows of two instruments, the first so many of them without a time."""
    price = 100.0 + np.cumsum(np.random.default_rng(1).normal(0, 1, (ROWS, 2)), axis=0).round(4)
    times = [("soon" if i < bad else str(START_S + 3600 * i)) for i in range(ROWS)]
    return ["time,A,B", *(f"{t},{a + 50},{b + 50}" for t, (a, b) in zip(times, price, strict=True))]


def file(tmp_path: Path, bad: int) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(lines(bad)), encoding="utf-8")
    return path


@pytest.mark.parametrize(("bad", "is_loud"), [(0, False), (4, False), (5, True), (40, True)])
def test_a_loss_is_said_first_by_every_door(bad, is_loud, tmp_path):
    path = file(tmp_path, bad)
    loss = read(path, path.name).report.loss
    assert bool(loss) == is_loud == bool(read_universe(path, path.name).loss)
    if is_loud:
        said = f"{bad} of 200 rows ({bad / 2:.1f} %) are set aside: the time could not be parsed"
        assert said in loss and "for example line 2: 'soon," in loss
    outs = []
    for command, more in ((backtest, ["--lookback", "50"]), (scan, []), (cli, [])):
        out = io.StringIO()
        assert command.main([str(path), *more], out) == 0
        outs.append(out.getvalue().splitlines()[0])
    assert all(("are set aside" in first) == is_loud for first in outs)


def test_a_loss_above_a_fifth_has_to_be_accepted(tmp_path, capsys):
    path = file(tmp_path, 41)
    for door in (read, read_universe):
        with pytest.raises(DataError, match="accept the loss"):
            door(path, path.name)
        door(path, path.name, corrections=Corrections(accept_loss=True))
    with pytest.raises(Unclear) as asked:
        read(path, path.name)
    assert asked.value.columns[0] == ("time", "time")
    for command, more in (
        (backtest, ["--lookback", "50", "--z-window", "50"]),
        (scan, []),
        (cli, []),
    ):
        out = io.StringIO()
        assert command.main([str(path), *more], out) == 1
        assert "accept the loss (--accept-loss" in capsys.readouterr().err
        assert command.main([str(path), *more, "--accept-loss"], out) == 0


def test_rows_without_which_nothing_is_lost_are_no_loss():
    doubled = "\n".join([*lines(0), *lines(0)[1:]])
    report = read(doubled.encode(), "prices.csv").report
    assert report.rows_aside == ROWS and not report.loss


@pytest.mark.parametrize("blank", ["", "0"])
def test_rows_that_one_instrument_uses_are_not_lost(blank):
    rows = [f"{START_S + 3600 * i},{i + 1},{blank if i < 30 else i + 2}" for i in range(60)]
    table = read("\n".join(["time,A,B", *rows]).encode(), "a.csv")
    assert [len(bars) for bars in table.bars.values()] == [60, 30]
    assert not table.report.loss and table.report.loss_share == 0.0
    # Half of the times are there twice, where only A has a price again.
    again = [
        f"{START_S + 3600 * i},{i + 7},{i + 2}\n{START_S + 3600 * i},{i + 1}," for i in range(60)
    ]
    for door in (read, read_universe):
        door("\n".join(["time,A,B", *again]).encode(), "a.csv")


@pytest.mark.parametrize("is_long", [False, True])
def test_the_last_row_of_a_time_counts(is_long):
    rows = [f"{START_S + 3600 * i},{i + 1},{i + 2}" for i in range(60)]
    text = "\n".join(["time,A,B", *rows[:59], f"{START_S + 3600 * 59},7,7", rows[59]])
    table = read(text.encode(), "a.csv")
    assert table.bars["file:A"]["close"][-1] == 60.0
    assert read_universe(text.encode(), "a.csv").prices["B"].iloc[-1] == 61
    if is_long:
        text = text.replace("time,A,B", "time,close,volume")
        assert read(text.encode(), "a.csv").bars["file:A"]["close"][-1] == 60.0


def test_equal_times_of_trades_are_ordinary():
    rows = "".join(f"{START_S + i // 3},{100 + i},1\n" for i in range(90))
    table = read(f"time,price,qty\n{rows}".encode(), "a.csv")
    assert len(table.trades["file:A"]) == 90 and not table.report.reasons


# The commands -----------------------------------------------------------------------------

ODD = "was;bucht;wert\n" + "".join(
    f"01/{1 + i // 28:02}/2024 {i % 24:02}:00;x{i};1,{i + 100}\n" for i in range(12)
)


def test_what_the_page_can_correct_the_command_can(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text(ODD, encoding="utf-8")
    told = ["--columns", "time=was,close=3", "--day-first", "--decimal", ",", "--label", "end"]
    out = io.StringIO()
    clean = tmp_path / "clean.parquet"
    options = ["--time-zone", "Europe/Berlin", "--out", str(clean), "--json"]
    assert cli.main([str(path), *told, *options], out) == 0
    (facts,) = json.loads(out.getvalue())
    assert (facts["first"], facts["label"]) == ("2023-12-31 22:00:00", "end")
    columns = [["was", "time"], ["bucht", "not used"], ["wert", "close price"]]
    assert facts["columns"] == columns
    again = read(clean, clean.name)
    assert again.bars["file:ODD"]["close"].tolist() == [1 + (100 + i) / 1000 for i in range(12)]
    assert str(again.bars["file:ODD"]["time_us"][0].astype("M8[us]"))[:13] == "2023-12-31T22"


TOLD = {
    "roles": (["--columns", "close=Last"], (("Last", "close"),)),
    "delimiter": (["--delimiter", ";"], ";"),
    "encoding": (["--encoding", "cp1252"], "cp1252"),
    "decimal": (["--decimal", ","], ","),
    "date_order": (["--year-first"], "year first"),
    "time_unit": (["--time-unit", "seconds"], "seconds"),
    "time_zone": (["--time-zone", "Europe/Berlin"], "Europe/Berlin"),
    "header": (["--header", "data"], False),
    "label": (["--label", "end"], "end"),
    "accept_loss": (["--accept-loss"], True),
}


def test_a_column_is_left_out(tmp_path):
    out = io.StringIO()
    assert cli.main([str(file(tmp_path, 0)), "--columns", "none=B", "--json"], out) == 0
    assert json.loads(out.getvalue())[0]["instruments"] == ["file:A"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("time,close\n" + "01/02/2024,1\n02/02/2024,2\n", "--day-first"),
        ("foo,close\nx,1\ny,2\n", "--columns time="),
        ("time,foo\n2024-01-01,x\n2024-01-02,y\n", "--columns close="),
        ("time:close\n1704067200:1\n1704067260:2\n", "--delimiter"),
    ],
)
def test_a_refusal_names_the_option_that_helps(raw, said):
    with pytest.raises(DataError, match=said):
        read(raw.encode(), "a.csv")


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Corrections)])
def test_every_correction_has_an_option(name):
    arguments, value = TOLD[name]
    options = cli.parser().parse_args(["prices.csv", *arguments])
    assert corrections(options) == Corrections(**{name: value})


def test_rows_of_names_are_read_where_the_first_row_is_told_to_be_names():
    rows = "".join(f"2024-01-{d:02},{d},{d + 9}\n" for d in range(2, 12))
    raw = f"Price,Close,Close\nTicker,AAPL,MSFT\nDate,,\n{rows}".encode()
    found = read(raw, "a.csv", corrections=Corrections(header=True))
    assert found.instruments == ("file:AAPL", "file:MSFT")


def test_a_column_that_is_not_there_is_named(tmp_path, capsys):
    path = file(tmp_path, 0)
    for columns, says in (
        ("time=when", "No column is called 'when'; there are 'time', 'A', 'B'"),
        ("time", "write ROLE=COLUMN"),
        ("clothes=A", "is not a known column role"),
    ):
        assert cli.main([str(path), "--columns", columns], io.StringIO()) == 1
        assert says in capsys.readouterr().err


def test_legs_are_called_by_symbol_or_as_told(tmp_path):
    path, out = file(tmp_path, 0), io.StringIO()
    names = ["--y", "b", "--x", "A", "--name-y", "Coke", "--json", "--lookback", "50"]
    assert backtest.main([str(path), *names], out) == 0
    told = json.loads(out.getvalue())
    assert (told["y"], told["x"]) == ("Coke", "file:A")


def test_two_files_of_one_name_are_called_after_their_folders(tmp_path):
    paths = []
    for folder in ("binance", "bybit"):
        paths.append(tmp_path / folder / "BTC.csv")
        paths[-1].parent.mkdir()
        paths[-1].write_text("\n".join(lines(0)).replace("time,A,B", "time,close,x1"), "utf-8")
    out = io.StringIO()
    same = ["--json", "--lookback", "50"]
    paths[1].write_text(paths[1].read_text("utf-8").replace(",1", ",2"), "utf-8")
    assert backtest.main([*map(str, paths), *same], out) == 0
    told = json.loads(out.getvalue())
    assert (told["y"], told["x"]) == ("file:BINANCE-BTC", "file:BYBIT-BTC")


def test_files_of_one_instrument_in_a_zip_stay_two_instruments_when_written(tmp_path):
    path, clean = tmp_path / "prices.zip", tmp_path / "clean.parquet"
    with zipfile.ZipFile(path, "w") as packed:
        for place in (1, 2):
            rows = "".join(f"{START_S + 60 * i},X,{place * 100 + i}\n" for i in range(9))
            packed.writestr(f"{place}/prices.csv", f"time,symbol,close\n{rows}")
    assert cli.main([str(path), "--out", str(clean)], io.StringIO()) == 0
    again = read(clean, clean.name)
    assert {name: rows["close"][0] for name, rows in again.bars.items()} == {
        "file:X": 100.0,
        "file:X-2": 200.0,
    }


@pytest.mark.parametrize("name", ["Date", "Date.1", "Day"])
def test_a_scan_ignores_no_second_column_of_dates_either(name):
    raw = f"Date,A,{name},B\n" + "".join(
        f"2024-01-{d:02},{d},2024-01-{d + 1:02},{d + 9}\n" for d in range(2, 12)
    )
    with pytest.raises(DataError, match=r"second column of dates|two columns 'Date'"):
        read_universe(raw.encode(), "prices.csv")

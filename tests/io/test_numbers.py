"""Numbers in the notations of exchanges and countries; prices below zero."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest

from tandem.backtest import cli
from tandem.io.files import read
from tandem.io.model import Table, Unclear
from tandem.io.numbers import numbers, points_of

DATES = pd.date_range("2024-01-01", periods=120, freq="D").strftime("%Y-%m-%d")


def file(cells: list[str], cut: str = ";") -> Table:
    rows = "".join(f"{day}{cut}{cell}\n" for day, cell in zip(DATES, cells, strict=False))
    return read(f"date{cut}close\n{rows}".encode(), "a.csv")


def closes(cells: list[str]) -> list[float]:
    found: list[float] = file(cells).bars["file:A"]["close"].tolist()
    return found


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["110'16", "110'00", "99'31"], [110.5, 110.0, 99.96875]),
        (["110-16", "110-00+"], [110.5, 110.015625]),
        (["110'16.5", "110'00.25"], [110.515625, 110.0078125]),
        (["600'2", "599'7"], [600.25, 599.875]),
        (["11'200", "11'330"], [11_200.0, 11_330.0]),
        (["1'40", "1'63"], [1.625, 1.984375]),
        (["-0'16", "0'16"], [-0.5, 0.5]),
        ([f"110'{part:02}{end}" for part in range(4) for end in "0257"],
         [110 + (part + end) / 32 for part in range(4) for end in (0, 0.25, 0.5, 0.75)]),
        (["1'234'567.5", "1'234.5"], [1234567.5, 1234.5]),
        (["7,45E-06", "1,010E-06"], [0.00000745, 0.00000101]),
        (["USD 1,234.50", "USD 999.00"], [1234.5, 999.0]),
        (["1.234,50 EUR", "999,10 EUR"], [1234.5, 999.1]),
        (["€1,234.50", "€ 99.25"], [1234.5, 99.25]),
        (["100.5 kr", "99 kr"], [100.5, 99.0]),
        (['="100.5"', '="99"'], [100.5, 99.0]),
        (["101.5*", "102.25**", "103.5†"], [101.5, 102.25, 103.5]),
        (["\u221237.63", "12.5"], [-37.63, 12.5]),
    ],
)  # fmt: skip
def test_prices_in_every_notation(cells, values):
    assert closes(cells) == values


def test_thousands_are_no_parts_of_a_point():
    assert points_of(["110'165", "110'432", "110'891"]) == 0
    assert points_of(["110'16", "1'234.5"]) == 0
    assert numbers(pd.Series(["1'234", "1'999"])).tolist() == [1234.0, 1999.0]


@pytest.mark.parametrize("cells", [["11'200", "11'225"], [f"11'{i:02}0" for i in range(12, 24)]])
def test_thousands_that_may_be_32nds_are_asked_about(cells):
    with pytest.raises(Unclear, match="thousands or 32nds"):
        file(cells)


def test_columns_of_one_table_may_have_marks_of_their_own():
    rows = "".join(f"{day};{100 + i},25;{50 + i}.25\n" for i, day in enumerate(DATES))
    found = read(f"date;A;B\n{rows}".encode(), "a.csv")
    assert [bars["close"][0] for bars in found.bars.values()] == [100.25, 50.25]
    doubtful = "".join(f"{day};{i},25;{i}.25;1,{100 + i}\n" for i, day in enumerate(DATES, 1))
    with pytest.raises(Unclear, match="--decimal"):
        read(f"date;A;B;D\n{doubtful}".encode(), "a.csv")


def test_a_cell_of_a_wide_table_that_is_no_number_is_said():
    rows = "".join(f"{day},{'n.t.' if i == 3 else i + 9},{50 + i}\n" for i, day in enumerate(DATES))
    found = read(f"date,AA,BB\n{rows}".encode(), "a.csv")
    assert len(found.bars["file:AA"]) == len(DATES) - 1
    assert "1 cell of column 'AA' left empty: no number." in found.report.notes


def test_32nds_may_stand_beside_decimals():
    rows = "".join(f"{day},110-{i % 32:02},{50 + i}.25\n" for i, day in enumerate(DATES))
    found = read(f"date,ZN,B\n{rows}".encode(), "a.csv")
    assert [bars["close"][1] for bars in found.bars.values()] == [110.03125, 51.25]


def test_parts_of_points_are_told():
    assert "Prices in column 'close' are in 32nds." in file(["110'16", "110'17"]).report.notes
    assert "Prices in column 'close' are in 64ths." in file(["1'40", "1'07"]).report.notes


def test_a_comma_in_amounts_is_no_question_where_prices_have_points():
    rows = "".join(f"{day};{100 + i}.25;1,{i:03}\n" for i, day in enumerate(DATES))
    table = read(f"date;close;volume\n{rows}".encode(), "a.csv")
    assert table.bars["file:A"]["volume"][:2].tolist() == [1000.0, 1001.0]
    with pytest.raises(Unclear, match="decimal comma or groups thousands"):
        file(["1,234", "1,235"])


def test_a_price_below_zero_is_a_price_and_what_logs_leave_out_is_said(tmp_path):
    x = 30.0 + np.cumsum(np.random.default_rng(1).normal(0, 0.3, len(DATES)))
    y = x + np.random.default_rng(2).normal(0, 0.5, len(DATES))
    y[60] = -37.63
    path = tmp_path / "oil.csv"
    pd.DataFrame({"date": DATES, "WTI": y, "BRENT": x}).to_csv(path, index=False)
    table = read(path, path.name)
    assert table.bars["file:WTI"]["close"][60] == -37.63 and not table.report.reasons
    said = "file:WTI: 1 price of 0 or less, first at 2024-03-01 00:00:00 UTC; log prices"
    for more, usable in (([], True), (["--log"], True)):
        out = io.StringIO()
        options = ["--lookback", "30", "--z-window", "20", "--json", *more]
        assert cli.main([str(path), *options], out) == 0
        told = json.loads(out.getvalue())
        assert any(line.startswith(said) for line in told["read"]) == usable
    zero = read(path.read_bytes().replace(b"-37.63", b"0"), path.name)
    assert len(zero.bars["file:WTI"]) == len(DATES) - 1

"""A file says the same to the Backtest page, its command and the scanner."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem.backtest import cli as backtest
from tandem.backtest.files import aligned
from tandem.io.files import read_files
from tandem.io.model import Corrections
from tandem.io.pairing import apart, legs_offered, pair_from
from tandem.scanner.files import read_universe
from tests.support import architecture, made_pairs

BARS = 300
Y, X = made_pairs.cointegrated(BARS, seed=2)
TIMES = pd.date_range("2026-01-01", periods=BARS, freq="min", tz="UTC")
MODEL = ["--lookback", "50", "--z-window", "20", "--json"]


def clean() -> pd.DataFrame:
    return pd.DataFrame({"YY": Y, "XX": X}, TIMES.rename("time"))


def troubled() -> bytes:
    """Return a file with rows of one time, rows out of order, and cells of several kinds."""
    lines = clean().to_csv().splitlines()
    stamp, y, x = lines[50].split(",")
    lines.insert(50, f"{stamp},{2.0 * float(y)},{x}")
    lines.insert(90, lines[89])
    lines[120] = lines[120].replace(lines[120].split(",")[2], f'"{float(X[119]):,.10f}"')
    lines.append(lines.pop(200))
    lines.append("soon,1.0,2.0")
    return "\n".join(lines).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_bytes(troubled())
    return path


def on_the_page(*paths: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read as the Backtest page does: `ui.backtest.upload`, then `ui.backtest.files`."""
    tables = apart([one for path in paths for one in read_files(path.read_bytes(), path.name)])
    names, others = legs_offered(tables)
    x = next(name for name in others if name != names[0])
    bars = aligned(*pair_from(tables, names[0], x))
    index = pd.DatetimeIndex(bars.time_us.astype("M8[us]"), tz="UTC", name="time")
    notes = tuple(note for one in tables for note in one.report.corrections)
    return pd.DataFrame({"YY": bars.y, "XX": bars.x}, index), notes


def test_the_page_and_the_scanner_read_one_table_and_list_the_same_corrections(file: Path) -> None:
    page, corrections = on_the_page(file)
    scanned = read_universe(file, file.name)
    pd.testing.assert_frame_equal(scanned.prices, page, check_freq=False, check_exact=True)
    assert sorted(scanned.notes) == sorted(corrections)
    assert set(corrections) == {
        "2 rows left out: the same bar again.",
        "1 row left out: another bar of the same time; the newest is kept.",
        "1 row left out: the time could not be parsed.",
        "1 row was out of time order; the rows were sorted.",
        "Times are taken as the start of each bar.",
    }
    # The last price of a time counts, through each door.
    np.testing.assert_allclose(page["YY"], Y, rtol=1e-12)


def test_the_command_lists_the_corrections_of_the_page(file: Path) -> None:
    out = io.StringIO()
    assert backtest.main([str(file), *MODEL], out) == 0
    told = json.loads(out.getvalue())
    _, corrections = on_the_page(file)
    assert [line.strip() for line in told["read"][1:]] == list(corrections)
    assert told["bars"]["count"] == BARS


def test_an_instrument_keeps_its_price_where_another_row_of_the_time_has_none() -> None:
    raw = b"time,A,B\n2026-01-01,9,5\n2026-01-01,1,\n2026-01-02,2,7\n2026-01-03,3,8\n"
    expected = pd.DataFrame({"A": [1.0, 2.0, 3.0], "B": [5.0, 7.0, 8.0]})
    told = Corrections(accept_loss=True)
    wide = read_universe(raw, "prices.csv", corrections=told).prices
    pd.testing.assert_frame_equal(wide.reset_index(drop=True).astype(float), expected)
    (table,) = read_files(raw, "prices.csv", corrections=told)
    for name in "AB":
        assert table.bars[f"file:{name}"]["close"].tolist() == expected[name].tolist()


def test_two_files_of_one_name_are_a_pair_in_the_command_as_on_the_page(tmp_path: Path) -> None:
    paths = []
    for folder, leg in (("binance", Y), ("kraken", X)):
        path = tmp_path / folder / "prices.csv"
        path.parent.mkdir()
        pd.DataFrame({"close": leg}, TIMES.rename("time")).to_csv(path)
        paths.append(path)
    out = io.StringIO()
    assert backtest.main([*map(str, paths), *MODEL], out) == 0
    told = json.loads(out.getvalue())
    assert (told["y"], told["x"]) == ("file:BINANCE-PRICES", "file:KRAKEN-PRICES")
    page, _ = on_the_page(*paths)
    np.testing.assert_allclose(page.to_numpy(), np.transpose([Y, X]), rtol=1e-12)


def test_a_zip_of_two_files_is_read_through_each_door(tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, leg in (("YY", Y), ("XX", X)):
            rows = pd.DataFrame({"close": leg}, TIMES.rename("time")).to_csv()
            archive.writestr(f"{name}.csv", rows)
    page, _ = on_the_page(path)
    scanned = read_universe(path, path.name).prices
    pd.testing.assert_frame_equal(scanned, page, check_freq=False, check_exact=True)
    assert backtest.main([str(path), *MODEL], io.StringIO()) == 0


def test_one_place_decides_which_row_of_a_time_counts() -> None:
    deciding = {
        name
        for name, path in architecture.MODULES.items()
        if re.search(r"\.duplicated\(.*(time_us|keep=\"last\")", path.read_text("utf-8"))
    }
    assert deciding == {"tandem.io.row_order"}

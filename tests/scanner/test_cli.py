"""`python scanner.py prices.csv`, and the files it reads."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.universes import market_like, universe
from tandem.core.errors import Cancelled, DataError
from tandem.core.parallel import Watch
from tandem.io.bar_times import BAR_STARTS
from tandem.scanner import cli as command
from tandem.scanner import files
from tandem.scanner.files import read_prices
from tandem.scanner.scan import scan
from tests.support.paths import ROOT


def as_csv(prices: pd.DataFrame, **options: object) -> bytes:
    return prices.to_csv(index_label="time", **options).encode()


def run(*arguments: object) -> str:
    out = io.StringIO()
    assert command.main([str(argument) for argument in arguments], out) == 0
    return out.getvalue()


def test_a_wide_table_is_read_as_it_is() -> None:
    prices = market_like(6, 300, seed=2)
    prices.iloc[3:9, 2] = np.nan
    got = read_prices(as_csv(prices), "prices.csv")
    pd.testing.assert_frame_equal(
        got, prices, check_freq=False, check_index_type=False, check_names=False
    )
    shuffled = as_csv(pd.concat([prices[100:], prices[:101]]))
    pd.testing.assert_frame_equal(read_prices(shuffled, "prices.csv"), got)
    epochs = prices.set_axis(prices.index.as_unit("ms").asi8, axis=0)
    pd.testing.assert_frame_equal(read_prices(as_csv(epochs), "prices.csv"), got)


def test_a_wide_table_may_be_packed_or_cut_by_other_signs() -> None:
    # C is a company here; elsewhere it stands for a close.
    prices = market_like(4, 200, seed=2).set_axis(list("ABCD"), axis=1)
    plain = as_csv(prices)
    got = read_prices(plain, "prices.csv")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("prices.csv", plain)
    parquet = io.BytesIO()
    prices.rename_axis("time").reset_index().to_parquet(parquet)
    for raw in (gzip.compress(plain), zipped.getvalue(), plain.replace(b",", b"\t"),
                plain.replace(b",", b";"), parquet.getvalue()):  # fmt: skip
        pd.testing.assert_frame_equal(read_prices(raw, "prices"), got, check_index_type=False)


def test_decimal_commas_are_read() -> None:
    prices = market_like(3, 200, seed=2).set_axis(["BTC", "ETH", "SOL"], axis=1)
    got = read_prices(as_csv(prices, sep=";", decimal=","), "prices.csv")
    np.testing.assert_allclose(got, prices)


def test_a_comma_within_quotation_marks_is_no_cell_too_many() -> None:
    raw = b"time,A,B\n" + b'2026-01-01,"1,234.5","2,345.6"\n2026-01-02,"1,235.5","2,345.7"\n'
    assert read_prices(raw, "prices.csv").shape == (2, 2)


def test_text_in_a_wide_table_is_kept_for_the_scan_to_name() -> None:
    prices = market_like(4, 300, seed=2).astype(object)
    prices.iloc[7, 1] = "closed"
    found = scan(read_prices(as_csv(prices), "prices.csv"))
    assert found.left_out == (("C0001", "text in 1 of 300 cells, first 'closed' in bar 8"),)


def test_a_list_of_bars_is_put_side_by_side() -> None:
    prices = market_like(3, 200, seed=1)
    long = (
        prices.rename_axis("time").reset_index().melt("time", var_name="symbol", value_name="close")
    )
    got = read_prices(long.to_csv(index=False).encode(), "bars.csv")
    np.testing.assert_allclose(got[list(prices)], prices)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"time,A,A\n1,2,3\n", "names two columns 'A'"),
        (b"time," + b",".join(b"S%d" % k for k in range(6_000)) + b"\n1\n", "5,000 are the most"),
        (b"time,A,B\nx,1,2\ny,1,2\n", "no times in its first column"),
        (b"\x00\xff\xfe" * 50, "prices.csv"),
        (b"", "prices.csv"),
        (b"time,A,B\n1,2,3,4\n2,2,3,4\n", "more cells in a row"),
        (b'time,A,B\n1,2,3\n1,2\n"', "a quotation mark is opened and never closed"),
        (b"time,A,B\n", "no rows"),
        (b"a,b", "no rows of data"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not text"),
    ],
)
def test_a_file_that_is_no_universe_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_prices(raw, "prices.csv")


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_reading_shows_how_far_it_is_and_stops(shape: str) -> None:
    prices = market_like(40, 3_000, seed=1)
    raw = as_csv(prices)
    if shape == "long":
        named = prices.iloc[:, :3].rename_axis("time").reset_index()
        raw = named.melt("time", var_name="symbol", value_name="close").to_csv(index=False).encode()
    asked, told = [0], []

    def ask() -> bool:
        asked[0] += 1
        return False

    watch = Watch(lambda done, total: told.append(done / total), ask)
    whole = read_prices(raw, "prices.csv", watch)
    assert len(whole) == 3_000
    assert asked[0] >= 2
    if shape == "wide":
        # A question for every piece of some hundred thousand bytes at the least.
        assert asked[0] >= len(raw) // 300_000 > 3
        assert told == sorted(told) and 0.5 < told[-1] <= 1.0
    count = [0]

    def stop() -> bool:
        count[0] += 1
        return count[0] >= 2

    with pytest.raises(Cancelled):
        read_prices(raw, "prices.csv", Watch(is_cancelled=stop))
    assert count == [2]


def test_a_file_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST_FILE", 10)
    with pytest.raises(DataError, match="are the most"):
        read_prices(b"time,A,B\n1,2,3\n", "prices.csv")


def test_the_command_shows_and_writes_what_the_scan_found(tmp_path: Path) -> None:
    prices = universe("independent", 10, 600, 1, related=2, half_life=4.0)
    prices["FLAT"] = 1.0
    path, out = tmp_path / "prices.csv", tmp_path / "pairs.csv"
    path.write_bytes(as_csv(prices))
    text = run(path, "--top", 4, "--noise", 2, "--windows", 3, "--split", 0.6, "--out", out)
    assert "10 instruments, 600 bars: 45 pairs tested" in text
    assert "p at most 0.05" in text and "2 expected by chance" in text
    assert "On 2 surrogate universes without cointegration" in text
    assert "excluded: FLAT: constant: 1 in all 600 bars" in text
    assert "of the control group" in text
    assert "C0000 C0001" in text and "C0002 C0003" in text
    assert text.rstrip().count("\n") < 20
    written = pd.read_csv(out)
    assert len(written) == 45 and {"y", "x", "q_value_noise", "held", "family"} <= set(written)


def test_every_option_reaches_the_scan(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(market_like(4, 200, seed=1)))
    options = ["--raw", "--trend", "ct", "--direction", "both", "--max-lags", "3", "--level", "0.2"]
    options += ["--fewest-bars", "60", "--fee", "1", "--half-spread", "2"]
    options += ["--slippage", "0.25", "--workers", "1"]
    asked = command.parser().parse_args([str(path), *options])
    settings = command._settings(asked)
    assert not settings.log_prices and settings.trend == "ct" and settings.direction == "both"
    assert (settings.max_lags, settings.level, settings.fewest_bars) == (3, 0.2, 60)
    assert settings.costs.fee_bp == 1.0 and settings.costs.slips_bp == (2.25, 2.25)
    assert "6 pairs tested" in run(path, *options)


def test_only_pairs_of_active_legs_are_listed(tmp_path: Path) -> None:
    path, out = tmp_path / "prices.csv", tmp_path / "pairs.csv"
    prices = market_like(5, 400, seed=1)
    prices["C0004"] = prices["C0004"].where(np.arange(400) % 4 == 0).ffill()
    path.write_bytes(as_csv(prices))
    assert "C0004" in run(path)
    text = run(path, "--least-activity", 0.5, "--out", out)
    assert "10 pairs tested" in text and "C0003" in text and "C0004" not in text
    assert "6 of 10 pairs have an activity of at least 0.5 and are listed" in text
    # The file has every pair, as q-values count every test.
    written = pd.read_csv(out)
    assert len(written) == 10
    assert written["activity"].lt(0.5).tolist() == written["x"].eq("C0004").tolist()
    assert "No pair meets the activity threshold" in run(path, "--least-activity", 1)


@pytest.mark.parametrize("share", [-0.1, 1.5, "nan"])
def test_an_activity_that_is_no_share_is_a_sentence(
    share: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(market_like(2, 200)))
    assert command.main([str(path), "--least-activity", str(share)], io.StringIO()) == 1
    said = capsys.readouterr().err
    assert f"scanner.py: least-activity is {share}; give a share of the bars from 0 to 1" in said


def test_what_goes_wrong_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path / "none.csv")]) == 1
    path = tmp_path / "one.csv"
    path.write_bytes(as_csv(market_like(1, 200)))
    assert command.main([str(path)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert "none.csv: No such file" in said[0] and all(
        line.startswith("scanner.py:") for line in said
    )


def test_without_distributed_the_rest_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(market_like(4, 200)))
    assert "6 pairs tested" in run(path)
    assert command.main([str(path), "--dask", "tcp://127.0.0.1:1"]) == 1
    assert "pip install distributed" in capsys.readouterr().err


def walk(seed: int, bars: int = 300) -> np.ndarray:
    return 100.0 + np.cumsum(np.random.default_rng(seed).standard_normal(bars))


def table_of(columns: dict[str, object], bars: int = 300) -> pd.DataFrame:
    return pd.DataFrame(columns, pd.date_range("2026-01-01", periods=bars, freq="1h", tz="UTC"))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"BAD": 5.0}, "excluded: BAD: constant: 5 in all 300 bars"),
        ({"BAD": 3.0 * walk(1)}, "same asset: A and BAD"),
        ({"BAD": np.nan}, "excluded: BAD: no prices at all"),
        (
            {"BAD": np.where(np.arange(300) == 7, 0.0, walk(5))},
            "BAD: 1 price of 0 or less, first in",
        ),
        ({"BAD": -walk(5)}, "excluded: BAD: 300 prices of 0 or less, first in bar 1: no logarithm"),
        (
            {"BAD": np.where(np.arange(300) == 7, np.inf, walk(5))},
            "BAD: 1 price infinite or beyond",
        ),
        ({"BAD": np.inf}, "excluded: BAD: no prices at all; 300 prices infinite or beyond"),
        ({"BAD": ["1"] * 299 + ["soon"]}, "BAD: text in 1 of 300 cells, first 'soon' in bar 300"),
        ({"BAD": True}, "excluded: BAD: bool instead of prices"),
    ],
)
def test_the_command_names_each_bad_column(
    columns: dict[str, object], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(table_of({"A": walk(1), "B": walk(2)} | columns)))
    text = run(path)
    assert said in text
    assert "2 instruments, 300 bars: 1 pair tested" in text or "3 instruments" in text


def test_a_table_of_one_asset_twice_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(table_of({"A": walk(1), "TWIN": walk(1)})))
    text = run(path, "--noise", 2, "--windows", 3, "--split", 0.6)
    assert "same asset: A and TWIN" in text
    assert text.endswith("No pair could be tested.\n") and "nan" not in text


def test_bad_prints_and_splits_are_said_and_kept() -> None:
    a, b = walk(1), walk(2)
    a[20], b[30:] = 10.0 * a[20], 2.0 * b[30:]
    found = files.read_universe(as_csv(table_of({"A": a, "B": b})), "prices.csv")
    assert found.notes[-1] == (
        "Suspect prices in A (1 bad print), B (1 split-like jump); they are tested as they are."
    )
    assert found.prices["A"].iloc[20] == pytest.approx(a[20])


def test_what_was_done_to_rows_is_said(tmp_path: Path) -> None:
    prices = table_of({"A": walk(1), "B": walk(2)})
    lines = as_csv(prices).decode().splitlines()
    lines.append(lines[7])
    lines[7] = f"{lines[7].split(',')[0]},1.5,2.5"
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([*lines, "soon,1,2", ""]), encoding="utf-8")
    found = files.read_universe(path, "prices.csv")
    assert list(found.notes) == [
        "1 row left out: the time could not be parsed.",
        "1 row left out: another bar of the same time; the newest is kept.",
        "1 row was out of time order; the rows were sorted.",
        BAR_STARTS,
    ]
    pd.testing.assert_frame_equal(found.prices, read_prices(as_csv(prices), "prices.csv"))
    text = run(path)
    assert all(f"prices.csv: {note}" in text for note in found.notes)
    assert files.read_universe(as_csv(prices), "prices.csv").notes == (BAR_STARTS,)


def test_a_column_without_a_name_is_called_by_its_place() -> None:
    got = read_prices(b"time,A,,C\n2026-01-01,10,20,30\n2026-01-02,10.1,20.2,30.3\n", "prices.csv")
    assert list(got) == ["A", "column 3", "C"]


def test_foreign_names_steer_neither_a_terminal_nor_a_spreadsheet(tmp_path: Path) -> None:
    path, out = tmp_path / "prices.csv", tmp_path / "pairs.csv"
    names = {"\x1b[31mRED": walk(1), "=1+1": walk(2), "\x9b2J": 5.0, "\u202eright": walk(3)}
    path.write_bytes(as_csv(table_of(names)))
    text = run(path, "--out", out)
    assert all(one == "\n" or one.isprintable() for one in text)
    assert "[31mRED" in text and "excluded: " in text
    legs = pd.read_csv(out)[["y", "x"]].to_numpy().ravel()
    assert "'=1+1" in legs and "=1+1" not in legs


@pytest.mark.parametrize("wrong", [("--seed", -1, "--noise", 1), ("--top", -3), ("--workers", 0)])
def test_a_number_that_cannot_be_is_a_sentence(
    wrong: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(table_of({"A": walk(1), "B": walk(2)})))
    assert command.main([str(path), *map(str, wrong)], io.StringIO()) == 1
    assert f"scanner.py: {str(wrong[0])[2:]} is {wrong[1]}; it must be at least" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("address", ["nonsense", "foo://x:1", "tcp://127.0.0.1:port"])
def test_an_address_that_is_none_is_a_sentence(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(table_of({"A": walk(1), "B": walk(2)})))
    assert command.main([str(path), "--dask", address], io.StringIO()) == 1
    assert "is no scheduler's address" in capsys.readouterr().err


@pytest.mark.slow  # a process of its own
def test_it_runs_as_a_program(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(as_csv(market_like(5, 200, seed=1)))
    done = subprocess.run(
        [sys.executable, str(ROOT / "scanner.py"), str(path), "--top", "3"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "10 pairs tested" in done.stdout and not done.stderr

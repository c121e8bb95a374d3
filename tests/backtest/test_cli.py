"""`python backtest.py` from a terminal: numbers out, or a sentence and a failure."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tandem.backtest.cli import main
from tandem.backtest.examples import crude
from tests.support import made_pairs, reference_data
from tests.support.paths import ROOT

QUICK = ["--model", "ols", "--lookback", "60", "--z-window", "40", "--stop", "inf"]


def write_leg(path: Path, name: str, time_us: np.ndarray, price: np.ndarray) -> Path:
    stamps = np.datetime_as_string(time_us.astype("M8[us]").astype("M8[s]"), timezone="UTC")
    rows = [
        f"{stamp},{value!r},{value!r},{value!r},{value!r},1.0"
        for stamp, value in zip(stamps, price.tolist(), strict=True)
    ]
    path = path / f"{name}.csv"
    path.write_text("time,open,high,low,close,volume\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    y, x = made_pairs.cointegrated(1_200, seed=1)
    time_us = 1_780_000_800_000_000 + np.arange(1_200) * 3_600_000_000
    return [str(write_leg(tmp_path, name, time_us, leg)) for name, leg in (("yy", y), ("xx", x))]


def answer(*arguments: str) -> str:
    out = io.StringIO()
    assert main(list(arguments), out) == 0
    return out.getvalue()


def test_two_files_give_the_numbers(files):
    text = answer(*files, *QUICK)
    for part in ("1,200 bars", "cointegration (Engle-Granger)", "sharpe", "returns by bar", "luck"):
        assert part in text


def test_the_figures_are_those_of_the_engine(files):
    answers = json.loads(answer(*files, *QUICK, "--fee", "0", "--slippage", "0", "--json"))
    metrics = answers["metrics"]
    assert answers["bars"]["count"] == 1_200
    parts = metrics["convergence"] + metrics["hedge_drift"] - metrics["spread_cost"]
    assert metrics["net"] == pytest.approx(parts + metrics["open_profit"])
    assert metrics["trades"] > 5
    assert answers["luck"]["trials"] == 1


def test_every_question_is_answered(files):
    answers = json.loads(
        answer(*files, *QUICK, "--sweep", "--walk-forward", "300", "100", "--null", "19", "--json")
    )
    assert answers["sweep"]["variants"] == 15
    assert answers["luck"]["trials"] == 15, "the variant asked for is one of the sweep's"
    assert answers["walk_forward"]["folds"] > 3
    assert 1 / 20 <= answers["null"]["p_value"] <= 1.0


def test_trades_and_equity_are_written(files, tmp_path):
    trades, equity = tmp_path / "trades.csv", tmp_path / "equity.csv"
    answers = json.loads(
        answer(*files, *QUICK, "--json", "--trades", str(trades), "--equity", str(equity))
    )
    rows = list(csv.DictReader(trades.read_text().splitlines()))
    assert len(rows) == answers["metrics"]["trades"]
    assert {"convergence_quote", "hedge_drift_quote", "borrow_quote", "rehedges_count"} <= set(
        rows[0]
    )
    curve = list(csv.DictReader(equity.read_text().splitlines()))
    assert len(curve) == 1_200
    last = next(float(value) for name, value in curve[-1].items() if name.startswith("equity"))
    assert last - 20_000.0 == pytest.approx(answers["metrics"]["net"])


def test_the_bundled_example_needs_no_file():
    text = answer("--example", "crude", "--log", "--lookback", "24", "--z-window", "24")
    assert "WTI vs Brent" in text and "393 bars" in text and "12.0 per year" in text


def weekly(path: Path, name: str, first: str) -> str:
    """Write 200 weeks labelled on the weekday of a date; returns the file's path."""
    weeks = np.datetime64(first) + 7 * np.arange(200)
    leg = made_pairs.cointegrated(200, seed=2)[name == "x.csv"]
    rows = "".join(f"{day},{price}\n" for day, price in zip(weeks, leg.tolist(), strict=True))
    (path / name).write_text(f"Date,Close\n{rows}")
    return str(path / name)


def test_options_are_for_both_files_or_for_each_in_order(tmp_path, capsys):
    wednesdays = weekly(tmp_path, "y.csv", "2020-01-08")
    tuesdays = weekly(tmp_path, "x.csv", "2020-01-07")
    pair = [wednesdays, tuesdays, "--model", "ols", "--lookback", "30", "--z-window", "20"]
    assert main(pair) == 1
    assert "--label, given once for each file in order" in capsys.readouterr().err
    firsts = []
    for labels in (["end", "end"], ["start", "end"], ["end"], ["end", "detect"]):
        each = [part for label in labels for part in ("--label", label)]
        if labels[-1] == "detect":
            assert main([*pair, *each]) == 1
            continue
        firsts.append(json.loads(answer(*pair, *each, "--json"))["bars"]["first"])
    assert firsts == ["2020-01-06 00:00:00", "2020-01-13 00:00:00", "2020-01-06 00:00:00"]
    assert main([*pair, "--label", "end", "--label", "end", "--label", "end"]) == 1
    assert "given 3 times; give it once for all files, or once for each of the 2" in (
        capsys.readouterr().err
    )


def test_funding_and_limits_reach_the_engine(files):
    plain = json.loads(answer(*files, *QUICK, "--json"))["metrics"]
    more = json.loads(
        answer(
            *files, *QUICK, "--json", "--funding", "0.01", "0.02", "--lot", "1", "0",
            "--borrow", "5", "5", "--cool-down", "3", "--rehedge-bars", "8", "--fill", "close",
        )
    )["metrics"]  # fmt: skip
    assert more["funding"] != 0.0 and more["borrow"] > 0.0
    assert (plain["funding"], plain["borrow"]) == (0.0, 0.0)
    assert more["net"] != plain["net"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "0 files given; use one or two"),
        (["a.csv", "b.csv", "c.csv"], "3 files given"),
        (["missing.csv", "b.csv"], "missing.csv: No such file"),
        (["--example", "crude", "--entry", "0.1"], "entry above exit"),
        (["--example", "crude", "--lookback", "2"], "at least 10 and 5"),
        (["--example", "crude", "--null", "3"], "use 19 to"),
        (["--example", "crude", "--lookback", "400"], "393 bars are too few for kalman"),
        (["--example", "crude", "--null", "19", "--lookback", "400"], "too few"),
    ],
)
def test_what_is_wrong_is_said_and_the_command_fails(arguments, says, capsys):
    assert main(arguments, io.StringIO()) == 1
    said = capsys.readouterr().err
    assert said.startswith("backtest.py: ") and says in said
    assert said.count("\n") == 1


def test_files_that_are_no_prices_are_refused(tmp_path, files, capsys):
    for content in (b"", b"\x00\x01\x02" * 500, b"a,b\n1,2\n"):
        wrong = tmp_path / "wrong.csv"
        wrong.write_bytes(content)
        assert main([str(wrong), files[1]], io.StringIO()) == 1
        assert "Traceback" not in capsys.readouterr().err


def test_one_instrument_is_no_pair(files, capsys):
    assert main([files[0]], io.StringIO()) == 1
    assert "needs two instruments" in capsys.readouterr().err


@pytest.mark.slow  # two processes; `main` is tried beside it
def test_the_script_itself_runs_and_fails():
    script = [sys.executable, str(ROOT / "backtest.py")]
    good = subprocess.run(
        [*script, "--example", "crude", "--model", "ols", "--lookback", "24", "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
    )  # fmt: skip
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["metrics"]["trades"] >= 0
    bad = subprocess.run(
        [*script, "nothing.csv", "there.csv"],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
    )  # fmt: skip
    assert bad.returncode == 1 and "nothing.csv" in bad.stderr


def test_the_example_is_the_reference_data():
    bars, y, x = crude()
    table = reference_data.table("pairs/crude_brent_wti_monthly.csv")
    assert (y, x) == ("WTI", "Brent")
    np.testing.assert_array_equal(bars.y, table.WTI)
    np.testing.assert_array_equal(bars.x, table.Brent)
    assert bars.usable.all() and (bars.y_open == bars.y).all()


def test_real_bars_of_two_formats():
    """ETH and LTC in BTC, five-minute bars of January 2018."""
    eth = reference_data.path("bars/ETH_BTC-5m.converted_from_feather.csv")
    ltc = reference_data.path("bars/LTC_BTC-5m.converted_from_feather.csv")
    answers = json.loads(answer(str(eth), str(ltc), *QUICK, "--json"))
    assert answers["bars"]["count"] > 1_000
    assert answers["metrics"]["trades"] > 10

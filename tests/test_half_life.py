"""One pair has one half-life, whichever page, command or file shows it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem import analytics
from tandem.analytics.persistence import HalfLife
from tandem.backtest import cli as backtest
from tandem.core.clock import MINUTE_US
from tandem.pairs.cointegration import assess
from tandem.pairs.stream import PairSettings, PairStream
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.strategy.rules import Rules
from tandem.ui.shared import format as f
from tests.support import architecture, made_pairs

BARS = 1_500
Y, X = made_pairs.cointegrated(BARS, seed=6, half_life=30.0)
SCAN_TOLERANCE = 1e-6


def figures(life: HalfLife) -> tuple[float, float, float]:
    return life.half_life, life.low, life.high


@pytest.fixture(scope="module")
def expected() -> tuple[float, float, float]:
    found = figures(analytics.half_life(analytics.engle_granger(Y, X).residual))
    # The least-squares root, biased short near 1, would give another number.
    assert (
        found[0] > 1.02 * analytics.half_life(analytics.engle_granger(Y, X).residual).least_squares
    )
    return found


def test_the_live_page_and_the_backtest_page(expected: tuple[float, float, float]) -> None:
    pair = PairSettings(
        "sim:Y", "sim:X", MINUTE_US, lookback=50, z_window=20, rules=Rules(log_prices=False)
    )
    stream = PairStream(pair)
    stream.extend(made_pairs.aligned(Y, X, MINUTE_US))
    relation = assess(stream.view(), pair, most=BARS)
    assert relation is not None
    assert figures(relation.quality.half_life) == pytest.approx(expected, rel=1e-9)


def test_the_backtest_command(tmp_path: Path, expected: tuple[float, float, float]) -> None:
    path = tmp_path / "pair.csv"
    times = pd.date_range("2026-01-01", periods=BARS, freq="min", tz="UTC", name="time")
    pd.DataFrame({"YY": Y, "XX": X}, times).to_csv(path)
    out = io.StringIO()
    asked = [str(path), "--lookback", "50", "--z-window", "20", "--json"]
    assert backtest.main(asked, out) == 0
    told = json.loads(out.getvalue())["cointegration"]
    shown = told["half_life_bars"], told["half_life_low"], told["half_life_high"]
    assert shown == pytest.approx(expected, rel=1e-9)
    assert told["p_value"] == pytest.approx(
        analytics.engle_granger(Y, X).p_value_searched, rel=1e-9
    )


@pytest.mark.parametrize("has_gaps", [False, True])
def test_the_scanner_and_its_filters(has_gaps: bool, expected: tuple[float, float, float]) -> None:
    prices = pd.DataFrame({"A": Y, "B": X})
    if has_gaps:
        # One leg goes on after the other: the pair is tested over its own bars.
        later = pd.DataFrame({"A": [np.nan] * 5, "B": X[:5]})
        prices = pd.concat([prices, later], ignore_index=True)
    found = scan(prices, ScanSettings(log_prices=False, direction="order", bar_seconds=60.0))
    row = found.table().iloc[0]
    shown = row["half_life"], row["half_life_low"], row["half_life_high"]
    assert shown == pytest.approx(expected, rel=SCAN_TOLERANCE)


def test_it_is_written_one_way() -> None:
    assert f.half_life(14.2, 10.0, np.inf) == "14.2 bars (10.0 to \u221e)"


def test_one_function_turns_roots_into_bars() -> None:
    """Logarithms of 2 also scale a Gumbel law and make the simulated market; nothing else."""
    holding = {
        name for name, path in architecture.MODULES.items() if "log(2.0)" in path.read_text("utf-8")
    }
    assert holding == {
        "tandem.analytics.persistence",
        "tandem.scanner.multiple_testing",
        "tandem.venues.simulated_market",
    }

"""Bad prints, split-like jumps and frozen prices: found where they are, and nowhere else."""

from __future__ import annotations

import ast

import numpy as np
import pytest

from tandem import analytics
from tandem.analytics.defects import DefectKind, find_defects
from tests.support.architecture import mentioning, nodes

BARS = 2_000


def market(seed: int = 1, bars: int = BARS) -> np.ndarray:
    """Return prices with heavy tails whose volatility changes."""
    rng = np.random.default_rng(seed)
    loud = np.exp(0.5 * np.sin(np.arange(bars) / 150.0))
    return 100.0 * np.exp(np.cumsum(0.001 * loud * rng.standard_t(4, bars)))


@pytest.mark.parametrize("seed", range(20))
def test_a_market_has_none(seed: int) -> None:
    assert find_defects(market(seed)) == ()


@pytest.mark.parametrize("bars", [1, 3])
def test_a_bad_print_is_one_that_is_taken_back(bars: int) -> None:
    price = market()
    price[700 : 700 + bars] *= 1.4
    (found,) = find_defects(price)
    assert (found.kind, found.first, found.bars) == (DefectKind.BAD_PRINT, 700, bars)
    assert found.ratio == pytest.approx(1.4, rel=0.05)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 2.0, 1_000.0])
def test_a_split_stays(ratio: float) -> None:
    price = market()
    price[900:] *= ratio
    (found,) = find_defects(price)
    assert (found.kind, found.first) == (DefectKind.SPLIT, 900)
    assert found.ratio == pytest.approx(ratio, rel=0.05)


def test_a_crash_that_is_no_split_is_a_move_of_the_market() -> None:
    price = market()
    price[900:] *= 0.8
    assert find_defects(price) == ()


def test_a_frozen_price_is_one_that_usually_moves() -> None:
    price = market()
    price[300:360] = price[300]
    (found,) = find_defects(price)
    assert (found.kind, found.first, found.last) == (DefectKind.FROZEN, 300, 359)
    # One that moves in a bar of ten stands still for 20 bars as a matter of course.
    quiet = np.repeat(market(bars=400), np.random.default_rng(2).geometric(0.1, 400))
    assert find_defects(quiet) == ()


def test_places_are_those_of_all_bars() -> None:
    price = market()
    price[100:150] = np.nan
    price[200] = 0.0
    price[700] *= 3.0
    (found,) = find_defects(price)
    assert (found.first, found.last) == (700, 700)


def test_nothing_is_told_of_a_few_bars_or_of_one_price() -> None:
    assert find_defects(market()[:19]) == ()
    assert find_defects(np.r_[np.full(10, 1.0), 5.0, np.full(8, 1.0)]) == ()


def test_a_change_of_unit_changes_no_finding() -> None:
    price = market()
    price[[500, 700]] *= 1.5
    price[1_200:] *= 0.5
    assert [one.first for one in find_defects(price)] == [500, 700, 1_200]
    other = [(one.kind, one.first, one.last) for one in find_defects(1e6 * price)]
    assert other == [(one.kind, one.first, one.last) for one in analytics.find_defects(price)]


def test_there_is_one_finder() -> None:
    """No other module decides from a ratio or a run of prices that they are wrong."""
    words = ("bad_print", "split_like", "defects", "is_split")
    defining = [
        module
        for module, path in mentioning(*words).items()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef) and any(word in node.name for word in words)
    ]
    assert set(defining) == {"tandem.analytics.defects"}

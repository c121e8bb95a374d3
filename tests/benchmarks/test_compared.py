"""docs/COMPARED.md: every row agrees, and the page has every row and every mistake."""

from __future__ import annotations

import warnings

import pytest

from benchmarks import compared
from benchmarks.compared import ROWS, Compared, huber_excess, phillips_ouliaris_units, worst
from benchmarks.peers import COMPARISONS
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "COMPARED.md"


EVERY_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.ours} and {row.library}")


@EVERY_ROW
def test_ours_equals_the_library_on_short_samples(row, monkeypatch):
    monkeypatch.setattr(compared, "LENGTHS", compared.LENGTHS[:2])
    assert_equal_to_the_library(row)


@pytest.mark.slow  # the libraries' searches for lags in long samples
@EVERY_ROW
def test_ours_equals_the_library(row):
    assert_equal_to_the_library(row)


def assert_equal_to_the_library(row):
    with warnings.catch_warnings():
        # The libraries' remarks on their own interfaces and on short samples.
        warnings.simplefilter("ignore")
        count, largest = worst(row, 1)
    assert count >= 2
    assert largest <= row.close


def test_a_difference_and_a_missing_number_are_seen():
    def row(*cases):
        return Compared("ours", "library", "numbers", lambda _: iter(cases), 0.0)

    nan = float("nan")
    assert worst(row(([1.0, nan], [1.0, nan]), ([2.0, 4.0], [2.0, 5.0])), 1) == (2, 0.2)
    assert worst(row(([1.0, nan], [1.0, 2.0])), 1) == (1, float("inf"))


def test_the_huber_solver_stops_above_its_minimum():
    excess, slope = huber_excess(20)
    assert 0.0 < excess < 1e-6
    assert 1e-7 < slope < 1e-2


def test_units_change_archs_statistics_and_not_ours():
    with warnings.catch_warnings():
        # The library's remark on a matrix that only the units made singular.
        warnings.simplefilter("ignore")
        rows = phillips_ouliaris_units()
    for column in (2, 3, 4):
        assert len({row[column] for row in rows}) > 1
    assert len({row[5] for row in rows}) == 1


def test_the_page_has_every_row():
    page = PAGE.read_text(encoding="utf-8")
    for row in ROWS:
        assert f"| `{row.ours}` | {row.library} | {row.what} |" in page
    for bench in COMPARISONS:
        assert bench.peer is None or f"| {bench.name} | {bench.peer_name} |" in page
    assert page.startswith("# Agreement with the reference libraries\n")

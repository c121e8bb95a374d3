"""The table that is timed: both sides of every row give the same numbers, in little memory."""

from __future__ import annotations

import re
import sys
import warnings

import numpy as np
import pytest

from benchmarks import __main__ as bench
from benchmarks.memory import extra_mb, size_mb
from benchmarks.peers import COMPARISONS, difference
from tests.support.written import DOCUMENTS

WITH_PEER = [row for row in COMPARISONS if row.peer]


def named(row):
    return f"{row.name} ({row.peer_name or 'no peer'})"


@pytest.mark.parametrize("row", WITH_PEER, ids=named)
def test_ours_equals_the_peer(row):
    window = re.search(r"window (\d+)", row.name)
    bars = int(window[1]) + 40 if window else 320
    with warnings.catch_warnings():
        # The peers' remarks on their own interfaces.
        warnings.simplefilter("ignore")
        assert difference(row, bars) <= row.close


@pytest.mark.parametrize("row", [row for row in COMPARISONS if not row.peer], ids=named)
def test_rows_without_a_peer_give_numbers(row):
    assert np.isfinite(row.ours(*row.workload(1_200))).all()


@pytest.mark.slow  # as many bars as are timed
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted by Linux")
@pytest.mark.parametrize("row", COMPARISONS, ids=named)
def test_no_more_memory_than_input_output_and_ten_megabytes(row):
    prices = row.workload(row.bars)
    assert extra_mb(lambda: row.ours(*prices)) < 10.0


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted by Linux")
def test_memory_taken_for_a_while_is_seen():
    def wasteful():
        return float(np.ones(5_000_000).sum())

    assert extra_mb(wasteful) == pytest.approx(38.1, abs=2.0)
    assert size_mb(np.ones(1_000_000)) == pytest.approx(7.63, abs=0.01)
    assert size_mb(np.broadcast_to(1.0, 1_000_000)) == 0.0


def test_the_measurements_have_every_row():
    _, _, rest = bench.PAGE.read_text(encoding="utf-8").partition(bench.START)
    section, end, _ = rest.partition(bench.END)
    assert end
    assert "## Speed" in section
    for row in COMPARISONS:
        assert f"| {row.name}" in section, row.name
        assert row.peer_name in section, row.peer_name


def test_the_table_of_speeds_is_in_one_document():
    written = [path for path in DOCUMENTS if bench.START in path.read_text(encoding="utf-8")]
    assert written == [bench.PAGE]


def test_a_new_table_replaces_the_old_one_alone(monkeypatch, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{bench.START}\nold\n{bench.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(bench, "PAGE", page)
    bench.into_page("new\n")
    assert page.read_text(encoding="utf-8") == (f"before\n{bench.START}\nnew\n{bench.END}\nafter\n")

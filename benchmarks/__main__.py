"""Times every row of `benchmarks/peers.py` and writes the table of speeds in docs/MEASUREMENTS.md.

python -m benchmarks [--dry]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from benchmarks.machine import describe
from benchmarks.memory import extra_mb
from benchmarks.peers import COMPARISONS, Comparison, difference
from tandem import analytics
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "MEASUREMENTS.md"
START, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
PACKAGES = ("numpy", "numba", "pandas", "scipy", "statsmodels", "scikit-learn", "pykalman", "arch")
# Rounds of a row: up to seven, but no new one after so many seconds, and two at the least.
ROUNDS, ENOUGH_S = 7, 3.0
# A call is repeated until the clock has something to measure.
LEAST_S = 2e-3


class Measured(NamedTuple):
    """Seconds per bar or per call, megabytes beyond input and output, largest difference."""

    ours: float
    peer: float | None
    extra_mb: float | None
    apart: float | None


def measure(row: Comparison) -> Measured:
    """Time both sides in turn, each warm, and take the medians."""
    ours = partial(row.ours, *row.workload(row.bars))
    peer = row.peer(*row.workload(row.peer_bars)) if row.peer else None
    apart = difference(row, row.peer_bars) if row.peer else None
    extra = extra_mb(ours)
    own, others = [], []
    end = time.perf_counter() + ENOUGH_S
    while len(own) < 2 or (len(own) < ROUNDS and time.perf_counter() < end):
        own.append(seconds(ours))
        if peer:
            others.append(seconds(peer))
    bars, peer_bars = (row.bars, row.peer_bars) if row.by_bar else (1, 1)
    return Measured(
        statistics.median(own) / bars,
        statistics.median(others) / peer_bars if others else None,
        extra,
        apart,
    )


def seconds(work: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    times = 1
    while True:
        start = time.perf_counter()
        for _ in range(times):
            work()
        spent = time.perf_counter() - start
        if spent >= LEAST_S:
            return spent / times
        times *= 4


def spoken(value: float) -> str:
    """Return a duration in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def line(row: Comparison, found: Measured) -> str:
    """Return one row of the table."""
    unit = " per bar" if row.by_bar else ""
    name, peer, faster, apart = row.name, "none", "", ""
    if row.by_bar:
        name += f", {row.bars:,} bars"
    if found.peer is not None:
        few = f" *({row.peer_bars:,} bars)*" if row.peer_bars != row.bars else ""
        peer = f"{row.peer_name}, {spoken(found.peer)}{unit}{few}"
        ratio = found.peer / found.ours
        faster = f"**{ratio:,.{0 if ratio >= 20 else 1}f}x**"
        apart = f"{found.apart:.0e}"
    asked = f"{row.least:,.0f}x" if row.least else f"{row.most_ms:g} ms" if row.most_ms else ""
    extra = "" if found.extra_mb is None else f"{found.extra_mb:.1f} MB"
    cells = (name, spoken(found.ours) + unit, peer, faster, asked, apart, extra)
    return f"| {' | '.join(cells)} |"


TEXT = """\

## Speed

`make bench` times every row of `benchmarks/peers.py` and writes this table: Tandem and the reference library in turn, in one process; the
tests require equal results of the same rows. Times are medians of warm runs on centred and scaled prices, with the libraries on one BLAS
thread. A library that was given fewer bars (in brackets) is timed per bar of those. *Max. difference* is the largest absolute difference of
the two results, relative to the largest value in them. *Extra memory* is the peak beyond input and output.

| computation | Tandem | reference | speed-up | target | max. difference | extra memory |
|---|---|---|---|---|---|---|
{rows}

{machine}; load average {before:.2f} at the start, {after:.2f} at the end.

"""  # noqa: E501


def into_page(text: str) -> None:
    """Replace what stands between the marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{PAGE} has no {START} and {END}; put them where the table belongs.")
    PAGE.write_text(f"{before}{START}\n{text}{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="leave docs/MEASUREMENTS.md as it is")
    options = parser.parse_args()
    before, start = os.getloadavg()[0], time.perf_counter()
    analytics.warm_up()
    rows = []
    with threadpool_limits(1), warnings.catch_warnings():
        # The peers' remarks on their own interfaces.
        warnings.simplefilter("ignore")
        for row in COMPARISONS:
            rows.append(line(row, measure(row)))
            sys.stdout.write(f"{rows[-1]}\n")
            sys.stdout.flush()
    text = TEXT.format(
        rows="\n".join(rows),
        machine=describe(*PACKAGES),
        before=before,
        after=os.getloadavg()[0],
    )
    sys.stdout.write(f"{text.splitlines()[-2]} {time.perf_counter() - start:.0f} s.\n")
    if not options.dry:
        into_page(text)


if __name__ == "__main__":
    main()

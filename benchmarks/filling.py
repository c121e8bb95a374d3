"""Filling a gap while the venue's REST interface fails: table 2 of docs/FAULTS.md."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.backfill_desk import SPOT, USDM, desk_at, expected, hole, quicken, tape
from tests.support.rest_exchange import RestExchange

HEAD = """
## Filling a gap while REST fails

Each row: 2,500 trades are missing from a database, and the fault hits their backfill twice before
the venue answers correctly. *In the gap table* is what is still listed as open or lost. Waits
between attempts are shortened (20 to 100 ms; a request may take 0.5 s).

| fault | times | trades missing | fetched | in the gap table | unaccounted | until filled |
|---|---:|---:|---:|---:|---:|---:|
"""
FIRST, LAST = 2_000, 4_499
FAULTS: tuple[tuple[str, int | str, dict[str, str]], ...] = (
    ("HTTP 500", 500, {}),
    ("HTTP 429, Retry-After 1 s", 429, {"retry_after": "1"}),
    ("HTTP 418, Retry-After 1 s", 418, {"retry_after": "1"}),
    ("request hangs", "hang", {}),
    ("slow drip, byte by byte", "drip", {}),
    ("connection reset", "reset", {}),
    ("answer cut short", "cut", {}),
    ("truncated JSON", "truncated", {}),
    ("garbage", "garbage", {}),
    ("oversized answer", "oversized", {}),
    ("other ids than asked for", "wrong ids", {}),
    ("trades repeated", "duplicated", {}),
    ("empty page", "empty", {}),
    ("one trade of a page that cannot be parsed", "bad row", {}),
)


class Outcome(NamedTuple):
    """What one attempt came to: trades missing, fetched, listed as missing, and seconds."""

    missing: int
    fetched: int
    listed: int
    seconds: float


def attempt(kind: int | str, headers: dict[str, str], folder: Path) -> Outcome:
    """Strike the filling of a hole with a fault, twice."""
    with (
        pytest.MonkeyPatch.context() as patch,
        RestExchange() as exchange,
        desk_at(folder, exchange) as desk,
    ):
        quicken(patch)
        instrument = USDM if kind in (418, 429) else SPOT
        made = tape(10_000)
        hole(desk, instrument, made, FIRST, LAST)
        exchange.fail(kind, times=2, **headers)
        start = time.perf_counter()
        desk.settle()
        seconds = time.perf_counter() - start
        missing = set(range(FIRST, LAST + 1))
        fetched = missing & set(desk.ids(instrument))
        listed = sum(gap.last_id - gap.first_id + 1 for gap in desk.gaps("open", "lost", "candles"))
        assert set(desk.ids(instrument)) <= set(expected(made, FIRST, LAST))
        return Outcome(len(missing), len(fetched), listed, seconds)


def lines(times: int) -> tuple[list[str], int]:
    """Return the table's lines, and how many trades are unaccounted for."""
    found, unaccounted = [], 0
    for name, kind, headers in FAULTS:
        outcomes = []
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(attempt(kind, headers, Path(folder)))
        missing, fetched, listed = (sum(values) for values in list(zip(*outcomes, strict=True))[:3])
        lost = int(missing - fetched - listed)
        unaccounted += abs(lost)
        seconds = [outcome.seconds for outcome in outcomes]
        found.append(
            f"| {name} | {times:,} | {missing:,} | {fetched:,} | {listed:,} | {lost:,} | "
            f"{statistics.median(seconds):.2f} s, {max(seconds):.2f} s |\n"
        )
    return found, unaccounted

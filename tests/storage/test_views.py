"""The views: what whoever reads the file without Tandem finds in it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.events import BAR, Funding, Gap, Quote, Trade
from tandem.storage.records import SignalRow
from tandem.storage.store import Store
from tests.support.paths import ROOT

NAME = "bybit:ETHUSDT"
AT = 1_750_032_000 * SECOND_US + 42
TIME, LATER = "2025-06-16T00:00:00.000042Z", "2025-06-16T00:00:02.000042Z"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    store = Store.open(path)
    later = AT + 2 * SECOND_US
    store.submit(
        [
            Trade(NAME, "a-1", AT, 2_500.5, 0.25, 1, later),
            Trade(NAME, 7, later, 2_501.0, 1.0, -1, later),
            Trade(NAME, 8, later, 2_502.0, 1.0, 0, later),
            Quote(NAME, AT, 1.0, 2.0, 3.0, 4.0, later),
            Funding(NAME, AT, 0.0001, later, 2_500.0, later),
            Gap(NAME, -1, -1, AT, later, "lost"),
        ]
    )
    candle = np.zeros(1, BAR)
    candle["time_us"] = AT // MINUTE_US * MINUTE_US
    for number, column in enumerate(("open", "high", "low", "close", "volume"), start=1):
        candle[column] = number
    candle["buy_volume"] = candle["notional"] = np.nan
    store.put_candles(NAME, candle)
    store.save_signals("a vs b", [SignalRow(AT, "long", -2.5, 1.0, 2.0, np.nan)])
    assert store.flush(30.0)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        yield connection


ROWS: dict[str, list[tuple[Any, ...]]] = {
    "trades_utc": [
        (NAME, 7, LATER, AT + 2_000_000, 2_501.0, 1.0, "sell", LATER, AT + 2_000_000),
        (NAME, 8, LATER, AT + 2_000_000, 2_502.0, 1.0, None, LATER, AT + 2_000_000),
        (NAME, "a-1", TIME, AT, 2_500.5, 0.25, "buy", LATER, AT + 2_000_000),
    ],
    "quotes_utc": [(NAME, TIME, AT, 1.0, 2.0, 3.0, 4.0, LATER, AT + 2_000_000)],
    "funding_utc": [(NAME, TIME, AT, 0.0001, LATER, AT + 2_000_000, 2_500.0)],
    "candles_utc": [
        (NAME, "2025-06-16T00:00:00.000000Z", AT - 42, 1.0, 2.0, 3.0, 4.0, 5.0, None, None)
    ],
    "gaps_utc": [(NAME, -1, -1, TIME, AT, LATER, AT + 2_000_000, "lost")],
    "signals_utc": [("a vs b", TIME, AT, "long", -2.5, 1.0, 2.0, None)],
    "instruments_utc": [(NAME, TIME, LATER, 3, 2, 1)],
}


@pytest.mark.parametrize("view", ROWS)
def test_a_view_has_names_and_plain_columns(connection: sqlite3.Connection, view: str) -> None:
    assert connection.execute(f"SELECT * FROM {view}").fetchall() == ROWS[view]


def test_trades_that_were_let_go_are_not_in_the_view(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE instruments SET kept_from_us = ?", (AT + 1,))
    assert [row[1] for row in connection.execute("SELECT * FROM trades_utc")] == [7, 8]


def test_trades_of_one_instrument_are_found_by_their_key(connection: sqlite3.Connection) -> None:
    query = "EXPLAIN QUERY PLAN SELECT * FROM trades_utc WHERE instrument = ? AND time_us > ?"
    plan = " / ".join(row[-1] for row in connection.execute(query, (NAME, AT)))
    assert "SEARCH trades USING PRIMARY KEY (instrument_id=?)" in plan


def test_the_document_names_every_table_view_and_column(connection: sqlite3.Connection) -> None:
    text = (ROOT / "docs" / "DATABASE.md").read_text(encoding="utf-8")
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
    ).fetchall()
    for (table,) in tables:
        assert f"`{table}`" in text
        (rows,) = [line for line in text.splitlines() if line.startswith(f"| `{table}`")] or [text]
        columns = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        if table.endswith("_utc"):
            missing = [name for (name,) in columns if not re.search(rf"\b{name}\b", rows)]
            assert not missing, f"{table}: {missing}"

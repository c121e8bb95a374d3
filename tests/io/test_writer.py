"""CSV out: every float survives, a file written here reads back, no text acts as a formula."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tandem.core.bars import aggregate, align, trade_array
from tandem.core.clock import SECOND_US
from tandem.core.events import Trade
from tandem.io import writer as writing
from tandem.io.files import read
from tandem.io.pairing import pair_from
from tandem.io.writer import write_analysis, write_bars, write_closed_trades, write_trades
from tandem.strategy.rules import Costs, Rules
from tandem.strategy.trader import BarsIn, Trader

START = 1_704_067_200_000_000
Y, X = "binance-usdm:ETHUSDT", "sim:BTCUSDT"


def some_trades(seed: int, instrument: str, count: int = 600) -> list[Trade]:
    rng = np.random.default_rng(seed)
    times = START + np.sort(rng.integers(0, 900 * SECOND_US, count))
    prices = 3_000.0 * np.exp(np.cumsum(rng.normal(0, 1e-4, count)))
    return [
        Trade(
            instrument,
            i,
            int(t),
            float(p),
            float(rng.exponential()),
            int(rng.choice([-1, 1])),
            int(t) + 7,
        )
        for i, (t, p) in enumerate(zip(times, prices, strict=True))
    ]


def joined(chunks) -> bytes:
    return b"".join(chunks)


def cells_of(raw: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(raw.decode())))


def test_bars_read_back_to_the_same_bits(monkeypatch):
    monkeypatch.setattr(writing, "CHUNK_ROWS", 100)
    bars = {
        name: aggregate(trade_array(some_trades(seed, name)), SECOND_US)
        for seed, name in enumerate((Y, X))
    }
    chunks = list(write_bars(bars))
    assert len(chunks) == sum(-(-len(rows) // 100) for rows in bars.values())
    table = read(joined(chunks), "bars.csv")
    assert table.instruments == (Y, X)
    assert table.interval_us == SECOND_US
    for name, rows in bars.items():
        assert table.bars[name].tobytes() == rows.tobytes()


def test_trades_read_back_to_the_same_bits(monkeypatch):
    monkeypatch.setattr(writing, "CHUNK_ROWS", 250)
    trades = some_trades(3, Y)
    table = read(joined(write_trades(iter(trades))), "trades.csv")
    assert table.trades[Y].tobytes() == trade_array(trades).tobytes()
    assert joined(write_trades([])) == b""


def test_text_ids_are_written_as_they_are():
    trades = [some_trades(3, Y)[0]._replace(trade_id=name) for name in ("a-1", "=HYPERLINK(1)")]
    raw = joined(write_trades(trades))
    assert [row[2] for row in cells_of(raw)] == ["trade_id", "a-1", "'=HYPERLINK(1)"]


@pytest.mark.parametrize("log_prices", [False, True])
def test_an_analysis_uploads_again_as_two_legs(log_prices):
    y = aggregate(trade_array(some_trades(1, Y, 300)), SECOND_US)
    x = aggregate(trade_array(some_trades(2, X, 300)), SECOND_US)
    start, end = START + 60 * SECOND_US, START + 840 * SECOND_US
    bars = align(y, x, 5 * SECOND_US, start, end, 30 * SECOND_US)
    rng = np.random.default_rng(0)
    columns = {name: getattr(bars, name) for name in bars.__slots__}
    columns |= {name: rng.normal(size=len(bars.time_us)) for name in ("alpha", "beta", "z", "mean")}
    columns["beta"][:5] = np.nan
    raw = joined(write_analysis(columns, Y, X, log_prices))
    head, first = cells_of(raw)[:2]
    assert ("beta_notional_x_per_y" if log_prices else "beta_x_per_y") in head
    assert ("alpha_log" if log_prices else "alpha_price") in head
    assert first[head.index("time_utc")] == "2024-01-01T00:01:00.000000Z"
    assert first[head.index("beta_notional_x_per_y" if log_prices else "beta_x_per_y")] == ""
    table = read(raw, "analysis.csv")
    assert table.instruments == (Y, X)
    y_again, x_again, interval_us = pair_from([table], Y, X)
    again = align(y_again, x_again, interval_us, start, end, 30 * SECOND_US)
    for name in bars.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(bars, name), err_msg=name)


def test_an_analysis_without_ages_and_without_bars():
    columns = {"time_us": START + np.arange(3) * SECOND_US, "y": np.ones(3), "x": np.full(3, 2.0)}
    raw = joined(write_analysis(columns, Y, X))
    y, x, _ = pair_from([read(raw, "a.csv")], Y, X)
    assert (y["close"].tolist(), x["close"].tolist()) == ([1.0] * 3, [2.0] * 3)
    empty = joined(write_analysis({name: c[:0] for name, c in columns.items()}, Y, X))
    assert empty == b"time_us,time_utc,y_instrument,x_instrument,price_y,price_x\n"


def made_trades():
    n_bars = 200
    rng = np.random.default_rng(5)
    y, x = 100.0 + rng.normal(size=n_bars), 50.0 + rng.normal(size=n_bars)
    z = 2.0 * rng.normal(size=n_bars)
    times = START + np.arange(n_bars, dtype=np.int64) * SECOND_US
    trader = Trader(Rules(), Costs())
    trader.extend(BarsIn(times, y, x, y, x, z, np.ones(n_bars), np.ones(n_bars, bool)))
    return trader.trades


@pytest.mark.parametrize("beta", ["beta_x_per_y", "beta_notional_x_per_y"])
def test_every_column_of_a_trade_names_its_unit(beta):
    log_prices = "notional" in beta
    head = cells_of(joined(write_closed_trades(made_trades()[:1], log_prices)))[0]
    plain = {"side", "exit_reason", beta}
    units = ("_us", "_utc", "_bars", "_base", "price_y", "price_x", "_score", "_quote", "_count")
    assert [name for name in head if name not in plain and not name.endswith(units)] == []
    assert plain <= set(head) and len(set(head)) == len(head)


def test_closed_trades_show_every_part_of_the_profit():
    made = made_trades()
    head, *lines = cells_of(joined(write_closed_trades(made)))
    assert len(lines) == len(made) > 5
    for line, trade in zip(lines, made, strict=True):
        row = dict(zip(head, line, strict=True))
        assert float(row["net_quote"]) == trade.net and float(row["fees_quote"]) == trade.fees
        assert row["exit_reason"] == trade.reason
        parts = float(row["gross_quote"]) - sum(
            float(row[f"{part}_quote"]) for part in ("fees", "spread_cost", "funding", "borrow")
        )
        assert parts == pytest.approx(trade.net)
        assert float(row["exit_quantity_x_base"]) == trade.exit_x_quantity
    assert joined(write_closed_trades([])) == b""


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float64, st.integers(2, 30), elements=st.floats(1e-300, 1e300)))
def test_every_float_survives(prices):
    columns = {"time_us": START + np.arange(len(prices)) * SECOND_US, "y": prices, "x": prices}
    table = read(joined(write_analysis(columns, Y, X)), "a.csv")
    assert table.bars[Y]["close"].tobytes() == prices.tobytes()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", " =1", "=1\r\n+2"])
def test_text_that_a_spreadsheet_would_run_is_defused(text):
    columns = {
        "time_us": np.array([START]),
        "y": np.ones(1),
        "x": np.ones(1),
        text: np.array([-1.5]),
    }
    raw = joined(write_analysis(columns, text, X))
    head, line = cells_of(raw)
    safe = "'" + " ".join(text.splitlines())
    assert head[-1] == line[2] == safe
    assert line[-1] == "-1.5", "numbers stay numbers"


def test_plain_text_is_left_alone():
    assert [writing.defused(value) for value in ("a=b", "", -1.5, "x-y")] == [
        "a=b",
        "",
        -1.5,
        "x-y",
    ]

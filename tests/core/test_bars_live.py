"""Bars as they close: the same whatever the batches, and none that a late trade rewrites."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.bars import BACKLOG_US, BarBuilder, aggregate, trade_array
from tandem.core.clock import SECOND_US
from tandem.core.events import BAR, Trade
from tests.support.paths import SHARED

BASE_US = 1_700_000_010 * SECOND_US
GRACE_US = 500_000

# (pause before the arrival, delay of the arrival): jitter, long pauses, clocks that differ.
arrivals = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 400_000), st.integers(0, 45 * SECOND_US)),
        st.one_of(st.integers(0, 200_000), st.integers(-3 * SECOND_US, 5 * SECOND_US)),
    ),
    max_size=80,
)
chunkings = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 100)), max_size=80)


def to_trades(rows):
    trades, received_us = [], BASE_US
    for number, (pause, delay) in enumerate(rows):
        received_us += pause
        price = 100.0 + number % 7
        trades.append(
            Trade("sim:AUSDT", number, received_us - delay, price, 0.1 * number, 1, received_us)
        )
    return trades


def plain_live(trades, grace_us):
    """The plain twin: one trade at a time. Returns what is in time, and how many are late."""
    in_time, late, clock = [], 0, 0
    bucket, older, newest = None, [], []
    for trade in trades:
        before = older + newest
        at = trade.received_us // (30 * SECOND_US)
        if bucket is None or at not in (bucket, bucket - 1):
            bucket, older, newest = at, newest, []
        newest = [*newest, trade.received_us - trade.time_us]
        delay = min(older + newest + before)
        clock = max(clock, trade.received_us - delay)
        second_end = trade.time_us // SECOND_US * SECOND_US + SECOND_US
        if clock >= second_end + grace_us:
            late += 1
        else:
            in_time.append(trade)
    return in_time, late


def close_all(builder, now_us=BASE_US + 10**12):
    """Close what is left, as a call well after the last trade was added does."""
    parts = [builder.close(now_us), builder.close(now_us + BACKLOG_US)]
    return np.concatenate(parts)


def play(trades, chunks, grace_us=GRACE_US):
    """Add in the given chunks, closing between them at times up to the next arrival."""
    builder, bars, at = BarBuilder("sim:AUSDT", grace_us), [], 0
    for size, share in chunks:
        builder.add(trade_array(trades[at : at + size]))
        at += size
        if 0 < at < len(trades):
            last_us, next_us = trades[at - 1].received_us, trades[at].received_us
            bars.append(builder.close(last_us + (next_us - last_us) * share // 100))
    builder.add(trade_array(trades[at:]))
    bars.append(close_all(builder))
    return builder, np.concatenate(bars)


@given(arrivals, chunkings)
def test_any_chunking_gives_the_bars_of_one_trade_at_a_time(rows, chunks):
    trades = to_trades(rows)
    builder, bars = play(trades, chunks)
    in_time, late = plain_live(trades, GRACE_US)
    assert builder.late == late
    assert bars.tobytes() == aggregate(trade_array(in_time), SECOND_US).tobytes()
    assert (np.diff(bars["time_us"]) > 0).all()


@given(arrivals, chunkings, st.integers(-(10**9), 10**9))
def test_a_clock_wrong_by_a_constant_closes_the_same_seconds(rows, chunks, error_s):
    """Whole buckets only, so that both clocks forget old delays at the same arrivals."""
    shift = error_s // 30 * 30 * SECOND_US
    trades = to_trades(rows)
    wrong = [trade._replace(received_us=trade.received_us + shift) for trade in trades]
    right_builder, right = BarBuilder("sim:AUSDT", GRACE_US), []
    wrong_builder, other = BarBuilder("sim:AUSDT", GRACE_US), []
    at = 0
    for size, _ in chunks:
        part = slice(at, at + size)
        right_builder.add(trade_array(trades[part]))
        wrong_builder.add(trade_array(wrong[part]))
        at += size
        if trades[part]:
            now_us = trades[part][-1].received_us
            right.append(right_builder.close(now_us).tobytes())
            other.append(wrong_builder.close(now_us + shift).tobytes())
    assert right == other
    assert right_builder.late == wrong_builder.late


def trade(time_s, received_s, price=100.0, number=0):
    def to_us(seconds):
        return BASE_US + round(seconds * SECOND_US)

    return Trade("sim:AUSDT", number, to_us(time_s), price, 1.0, 1, to_us(received_s))


def test_a_second_closes_at_its_end_plus_the_grace_by_the_exchange_clock():
    builder = BarBuilder("sim:AUSDT", GRACE_US)
    builder.add(trade_array([trade(0.2, 0.3)]))
    assert builder.clock_us(BASE_US + SECOND_US) == BASE_US + 900_000
    assert len(builder.close(BASE_US + 1_599_999)) == 0
    (bar,) = builder.close(BASE_US + 1_600_000)
    assert bar["time_us"] == BASE_US
    assert builder.closed_until_us == BASE_US + SECOND_US
    assert len(builder.close(BASE_US + 1_600_000)) == 0


def test_empty_seconds_close_by_the_clock_alone():
    builder = BarBuilder("sim:AUSDT", GRACE_US)
    builder.add(trade_array([trade(0.2, 0.2)]))
    builder.close(BASE_US + 2 * SECOND_US)
    assert len(builder.close(BASE_US + 9 * SECOND_US)) == 0
    assert builder.closed_until_us == BASE_US + 8 * SECOND_US


def test_before_the_first_trade_nothing_is_known_and_nothing_closes():
    builder = BarBuilder("sim:AUSDT", GRACE_US)
    builder.add(trade_array([]))
    assert len(builder.close(BASE_US)) == 0
    assert builder.closed_until_us == 0
    assert builder.clock_us(BASE_US) == BASE_US


def test_a_late_trade_is_counted_and_changes_no_bar():
    builder = BarBuilder("sim:AUSDT", GRACE_US)
    builder.add(trade_array([trade(0.2, 0.2)]))
    assert len(builder.close(BASE_US + 1_600_000)) == 1
    builder.add(trade_array([trade(0.9, 1.7), trade(1.8, 1.8)]))
    bars = builder.close(BASE_US + 3 * SECOND_US)
    assert bars["time_us"].tolist() == [BASE_US + SECOND_US]
    assert builder.late == 1


def test_closing_ahead_of_what_arrives_loses_trades_as_late_and_repeats_no_bar():
    builder = BarBuilder("sim:AUSDT", GRACE_US)
    builder.add(trade_array([trade(0.2, 0.2)]))
    assert len(close_all(builder, BASE_US + 60 * SECOND_US)) == 1
    builder.add(trade_array([trade(0.4, 0.4), trade(1.5, 1.5)]))
    assert builder.late == 2
    assert len(close_all(builder, BASE_US + 64 * SECOND_US)) == 0


def test_a_backlog_added_in_pieces_loses_nothing():
    """Two hours of history come in five parts while the clock on the wall shows now."""
    trades = [trade(at, at + 0.05, number=at) for at in range(7_200)]
    now_us = BASE_US + 7_200 * SECOND_US
    builder, bars = BarBuilder("sim:AUSDT", GRACE_US), []
    for first in range(0, 7_200, 1_440):
        builder.add(trade_array(trades[first : first + 1_440]))
        bars.extend(builder.close(now_us + pause) for pause in (0, 50_000, 1_900_000))
    assert builder.late == 0
    bars.append(builder.close(now_us + 4 * SECOND_US))
    assert sum(map(len, bars)) == 7_200
    assert builder.closed_until_us == now_us + 3 * SECOND_US


def test_a_trade_that_comes_at_once_ends_a_backlog():
    builder = BarBuilder("sim:AUSDT", GRACE_US)
    builder.add(trade_array([trade(0.2, 0.2)]))
    assert len(builder.close(BASE_US + 9 * SECOND_US)) == 0
    builder.add(trade_array([trade(9.1, 9.1)]))
    assert len(builder.close(BASE_US + 9_200_000)) == 1
    assert len(builder.close(BASE_US + 10_500_000)) == 1


def test_a_machine_clock_set_back_stops_nothing():
    builder = BarBuilder("sim:AUSDT", GRACE_US)
    builder.add(trade_array([trade(0.2, 0.2)]))
    builder.close(BASE_US + SECOND_US)
    builder.add(trade_array([trade(2.0, 2.0 - 7_200), trade(5.0, 5.0 - 7_200)]))
    bars = builder.close(BASE_US + (5 - 7_200) * SECOND_US)
    assert bars["time_us"].tolist() == [BASE_US, BASE_US + 2 * SECOND_US]
    assert builder.late == 0


@pytest.mark.parametrize("symbol", ["btcusdt", "ethusdt"])
def test_a_recording_loses_nothing_and_gives_the_bars_of_all_its_trades(symbol):
    """Its receiving clock ran 1.27 s behind the exchange."""
    path = SHARED / f"data/ticks/usdm_{symbol}.trades.rawws.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not here; set TANDEM_SHARED to the folder with data/")
    trades = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            received_ns, _, frame = line.partition(" ")
            data = json.loads(frame)["data"]
            trades.append(
                Trade(
                    "replay:X",
                    data["t"],
                    data["T"] * 1_000,
                    float(data["p"]),
                    float(data["q"]),
                    -1 if data["m"] else 1,
                    int(received_ns) // 1_000,
                )
            )
    builder, bars = BarBuilder("replay:X", GRACE_US), [np.empty(0, BAR)]
    for at in range(0, len(trades), 37):
        builder.add(trade_array(trades[at : at + 37]))
        bars.append(builder.close(trades[min(at + 36, len(trades) - 1)].received_us))
    bars.append(close_all(builder, trades[-1].received_us + 60 * SECOND_US))
    assert builder.late == 0
    assert np.concatenate(bars).tobytes() == aggregate(trade_array(trades), SECOND_US).tobytes()

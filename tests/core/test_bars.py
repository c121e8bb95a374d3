"""Bars from trades, coarser bars from finer ones, and two legs on one grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.core.bars import NEVER_US, aggregate, align, extend, join, merge, resample, trade_array
from tandem.core.clock import DAY_US, SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR, TRADE, Trade

BASE_US = 1_700_000_000 * SECOND_US
COLUMNS = ("time_us", "y", "x", "y_open", "x_open", "y_age_us", "x_age_us", "usable")

sequences = st.lists(
    st.tuples(
        st.integers(0, 12 * SECOND_US),
        st.floats(0.01, 1e5),
        st.floats(1e-8, 1e4),
        st.sampled_from((-1, 0, 1)),
    ),
    max_size=60,
)


def to_trades(rows):
    return [
        Trade("sim:AUSDT", number, BASE_US + at, price, quantity, side, BASE_US + at)
        for number, (at, price, quantity, side) in enumerate(rows)
    ]


def plain_aggregate(trades, interval_us):
    """The plain twin: one trade after the other, in order of (time, arrival)."""
    bars = {}
    for trade in sorted(trades, key=lambda trade: trade.time_us):
        start = trade.time_us // interval_us * interval_us
        bar = bars.setdefault(
            start, [start, trade.price, -math.inf, math.inf, 0.0, 0.0, 0.0, 0.0, 0, 0]
        )
        bar[2] = max(bar[2], trade.price)
        bar[3] = min(bar[3], trade.price)
        bar[4] = trade.price
        bar[5] += trade.quantity
        bar[6] += trade.quantity if trade.side > 0 else 0.0
        bar[7] += trade.price * trade.quantity
        bar[8] = trade.time_us
        bar[9] += 1
    return np.array([tuple(bars[start]) for start in sorted(bars)], BAR)


@given(sequences, st.sampled_from((SECOND_US, 5 * SECOND_US, 250_000)))
def test_aggregate_is_its_plain_twin_to_the_last_bit(rows, interval_us):
    trades = to_trades(rows)
    got = aggregate(trade_array(trades), interval_us)
    assert got.tobytes() == plain_aggregate(trades, interval_us).tobytes()


def test_aggregate_by_hand():
    trades = to_trades([(0, 10.0, 1.0, 1), (1_000_000, 9.0, 3.0, 1), (900_000, 12.0, 2.0, -1)])
    bars = aggregate(trade_array(trades), SECOND_US)
    assert bars.tolist() == [
        (BASE_US, 10.0, 12.0, 10.0, 12.0, 3.0, 1.0, 34.0, BASE_US + 900_000, 2),
        (BASE_US + SECOND_US, 9.0, 9.0, 9.0, 9.0, 3.0, 3.0, 27.0, BASE_US + SECOND_US, 1),
    ]


def test_trades_of_one_moment_open_and_close_in_arrival_order():
    trades = to_trades([(500, 10.0, 1.0, 1), (500, 11.0, 1.0, 1), (500, 12.0, 1.0, 1)])
    (bar,) = aggregate(trade_array(trades), SECOND_US)
    assert (bar["open"], bar["close"], bar["trades"]) == (10.0, 12.0, 3)


def test_nothing_gives_nothing():
    none = np.empty(0, TRADE)
    assert len(aggregate(none, SECOND_US)) == 0
    assert len(resample(np.empty(0, BAR), SECOND_US)) == 0
    assert len(merge(np.empty(0, BAR), np.empty(0, BAR))) == 0
    assert len(extend(np.empty(0, BAR), none, SECOND_US)) == 0


@pytest.mark.parametrize("interval_us", [0, -SECOND_US])
def test_an_interval_that_is_not_positive_is_refused(interval_us):
    with pytest.raises(DataError, match="must be positive"):
        aggregate(np.empty(0, TRADE), interval_us)
    with pytest.raises(DataError, match="must be positive"):
        resample(np.empty(0, BAR), interval_us)


@given(sequences)
def test_resampled_seconds_are_the_coarser_bars_of_the_trades(rows):
    trades = trade_array(to_trades(rows))
    got = resample(aggregate(trades, SECOND_US), 5 * SECOND_US)
    want = aggregate(trades, 5 * SECOND_US)
    for name in BAR.names:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-12)


def test_bars_out_of_order_are_not_resampled():
    bars = aggregate(
        trade_array(to_trades([(0, 1.0, 1.0, 1), (SECOND_US, 1.0, 1.0, 1)])), SECOND_US
    )
    with pytest.raises(DataError, match="sort them"):
        resample(bars[::-1], 5 * SECOND_US)


@given(sequences, st.lists(st.integers(0, 60), max_size=6))
def test_extending_bars_batch_by_batch_is_aggregating_at_once(rows, cuts):
    trades = trade_array(to_trades(sorted(rows, key=lambda row: row[0])))
    bars = np.empty(0, BAR)
    for part in np.split(trades, sorted(min(cut, len(trades)) for cut in cuts)):
        bars = extend(bars, part, SECOND_US)
    assert bars.tobytes() == aggregate(trades, SECOND_US).tobytes()


@given(sequences, st.integers(0, 60))
def test_merge_combines_bars_of_the_same_second(rows, cut):
    trades = trade_array(to_trades(sorted(rows, key=lambda row: row[0])))
    got = merge(aggregate(trades[:cut], SECOND_US), aggregate(trades[cut:], SECOND_US))
    want = aggregate(trades, SECOND_US)
    for name in BAR.names:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-12)


def test_merge_interleaves_bars_of_different_seconds():
    early = aggregate(
        trade_array(to_trades([(0, 1.0, 1.0, 1), (9_000_000, 3.0, 1.0, 1)])), SECOND_US
    )
    more = aggregate(trade_array(to_trades([(5_000_000, 2.0, 1.0, 1)])), SECOND_US)
    assert merge(early, more)["close"].tolist() == [1.0, 2.0, 3.0]


# Alignment ------------------------------------------------------------------------------


def plain_align(trades, interval_us, start_us, end_us):
    """Price, first price in the bar and age per bar of one leg, looking at every trade."""
    rows = []
    for start in range(start_us, end_us, interval_us):
        end = start + interval_us
        seen = [trade for trade in trades if trade.time_us < end]
        inside = [trade for trade in seen if trade.time_us >= start]
        last = max(seen, key=lambda trade: (trade.time_us, trade.trade_id)) if seen else None
        first = min(inside, key=lambda trade: (trade.time_us, trade.trade_id)) if inside else None
        rows.append(
            (
                last.price if last else math.nan,
                first.price if first else math.nan,
                end - last.time_us if last else NEVER_US,
            )
        )
    return [np.array(column) for column in zip(*rows, strict=True)]


@given(sequences, sequences, st.integers(0, 4), st.integers(1, 5))
def test_alignment_is_its_plain_twin(y_rows, x_rows, skipped, bars):
    interval_us = 3 * SECOND_US
    start_us = BASE_US // interval_us * interval_us + skipped * interval_us
    end_us = start_us + bars * interval_us
    y_trades, x_trades = to_trades(y_rows), to_trades(x_rows)
    got = align(
        aggregate(trade_array(y_trades), SECOND_US),
        aggregate(trade_array(x_trades), SECOND_US),
        interval_us,
        start_us,
        end_us,
        stale_us=2 * SECOND_US,
    )
    y, y_open, y_age_us = plain_align(y_trades, interval_us, start_us, end_us)
    x, x_open, x_age_us = plain_align(x_trades, interval_us, start_us, end_us)
    np.testing.assert_array_equal(got.time_us, np.arange(start_us, end_us, interval_us))
    np.testing.assert_array_equal(got.y, y)
    np.testing.assert_array_equal(got.x, x)
    np.testing.assert_array_equal(got.y_open, y_open)
    np.testing.assert_array_equal(got.x_open, x_open)
    np.testing.assert_array_equal(got.y_age_us, y_age_us)
    np.testing.assert_array_equal(got.x_age_us, x_age_us)
    np.testing.assert_array_equal(
        got.usable, (y_age_us <= 2 * SECOND_US) & (x_age_us <= 2 * SECOND_US)
    )


@given(sequences, sequences, st.integers(1, 12))
def test_alignment_uses_nothing_after_a_bar(y_rows, x_rows, known_s):
    """Cutting the future off changes no bar before the cut."""
    y, x = (aggregate(trade_array(to_trades(rows)), SECOND_US) for rows in (y_rows, x_rows))
    end_us = BASE_US + 12 * SECOND_US
    cut_us = BASE_US + known_s * SECOND_US
    whole = align(y, x, SECOND_US, BASE_US, end_us, SECOND_US)
    known = align(
        y[y["time_us"] < cut_us], x[x["time_us"] < cut_us], SECOND_US, BASE_US, cut_us, SECOND_US
    )
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(known, name), getattr(whole, name)[:known_s])


def test_a_leg_without_trades_is_never_usable():
    bars = aggregate(trade_array(to_trades([(0, 1.0, 1.0, 1)])), SECOND_US)
    got = align(bars, np.empty(0, BAR), SECOND_US, BASE_US, BASE_US + 2 * SECOND_US, 10**15)
    assert np.isnan(got.x).all()
    assert not got.usable.any()
    assert got.x_age_us.tolist() == [NEVER_US, NEVER_US]


def test_a_grid_off_the_clock_is_refused():
    none = np.empty(0, BAR)
    with pytest.raises(DataError, match="multiples"):
        align(none, none, 5 * SECOND_US, 3 * SECOND_US, 10 * SECOND_US, SECOND_US)


def test_an_empty_grid_has_no_bars():
    none = np.empty(0, BAR)
    assert len(align(none, none, SECOND_US, BASE_US, BASE_US, SECOND_US).time_us) == 0


# Pieces joined ------------------------------------------------------------------------


def bars(days: list[int], closes: list[float]) -> np.ndarray:
    made = np.zeros(len(days), BAR)
    made["time_us"] = np.array(days) * DAY_US
    made["open"] = np.array(closes) - 1.0
    made["close"] = closes
    made["last_us"] = made["time_us"] + DAY_US
    return made


def test_only_times_both_legs_have_are_paired() -> None:
    joined = join(
        bars([1, 2, 3, 5], [1.0, 2.0, 3.0, 5.0]),
        bars([2, 3, 4, 5], [20.0, np.nan, 40.0, 50.0]),
        DAY_US,
    )
    np.testing.assert_array_equal(joined.time_us, np.array([2, 3, 5]) * DAY_US)
    np.testing.assert_array_equal(joined.y, [2.0, 3.0, 5.0])
    np.testing.assert_array_equal(joined.y_open, [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(joined.usable, [True, False, True])
    assert not joined.y_age_us.any()


def test_legs_that_never_meet_are_refused() -> None:
    with pytest.raises(DataError, match="no bar at the same time"):
        join(bars([1, 2], [1.0, 2.0]), bars([3], [1.0]), DAY_US)

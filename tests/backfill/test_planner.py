"""Decisions about holes, and holes taken apart: the pieces are always exactly the hole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.backfill.planner import (
    NEWEST_TRADES,
    expected_trades,
    missing_ids,
    newest,
    outside,
    pieces_by_id,
    pieces_by_time,
    plan,
    seconds_for,
    split,
)
from tandem.backfill.reasons import Cause, Reason, words
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.core.events import Gap, Trade
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import Budget, RestVenue

NOW_US = now_us()


def venue(name: str) -> RestVenue:
    found = create(name, "http://venue")
    assert found is not None
    return found


def gap(name: str, ids: int, age_us: int, length_us: int) -> Gap:
    """Return a hole by `ids` ids, or by time where there are 0, that ended so long ago."""
    pair = (5_000_000, 5_000_000 + ids - 1) if ids else (-1, -1)
    symbol = {"kraken": "BTC/USD", "coinbase": "BTC-USD", "okx": "BTC-USDT"}.get(name, "BTCUSDT")
    end_us = NOW_US - age_us
    return Gap(f"{name}:{symbol}", *pair, end_us - length_us, end_us, "open")


USDM, OKX, BYBIT, KRAKEN = "binance-usdm", "okx", "bybit", "kraken"


@pytest.mark.parametrize(
    ("name", "ids", "age_us", "length_us", "urgent", "kind", "reason"),
    [
        (USDM, 1, SECOND_US, SECOND_US, False, "trades", ""),
        (USDM, 400_000, SECOND_US, HOUR_US, False, "trades", ""),
        (USDM, 600_000, SECOND_US, HOUR_US, False, "candles", "600,000 trades are too many"),
        (USDM, 600_000, SECOND_US, HOUR_US, True, "trades", ""),
        (USDM, 1_400_000, SECOND_US, DAY_US, True, "trades", ""),
        # Too many: the newest as trades, the rest as candles.
        (USDM, 5_000_000, SECOND_US, SECOND_US, True, "trades", "5,000,000 trades are too many"),
        (USDM, 5_000_000, SECOND_US, SECOND_US, False, "candles", "5,000,000 trades are too many"),
        # Trades of the last 48 hours only.
        (USDM, 100, 49 * HOUR_US, HOUR_US, True, "candles", "no trades of so long ago"),
        (USDM, 100_000, HOUR_US, 60 * HOUR_US, True, "trades", "no trades from before"),
        ("binance-spot", 100, 1_000 * DAY_US, HOUR_US, True, "trades", ""),
        (OKX, 0, SECOND_US, MINUTE_US, True, "candles", "trades cannot be asked for"),
        # By time, walked back from now: a far one costs all that is between.
        (USDM, 0, SECOND_US, MINUTE_US, True, "trades", ""),
        (USDM, 0, 40 * HOUR_US, MINUTE_US, True, "candles", "too many to ask for"),
        (BYBIT, 0, SECOND_US, SECOND_US, True, "trades", ""),
        (KRAKEN, 10_000, 30 * DAY_US, HOUR_US, False, "trades", ""),
        # Kraken's candles go back 12 hours: then trades may take longer.
        (KRAKEN, 1_000_000, 30 * DAY_US, DAY_US, False, "trades", ""),
        (KRAKEN, 9_000_000, 30 * DAY_US, DAY_US, False, "lost", "candles do not reach back so far"),
    ],
)
def test_holes_are_planned(
    name: str, ids: int, age_us: int, length_us: int, urgent: bool, kind: str, reason: str
) -> None:
    hole = gap(name, ids, age_us, length_us)
    chosen = plan(hole, venue(name), NOW_US, 10.0, urgent)
    assert chosen.kind == kind
    assert reason in words(chosen.reason)
    assert bool(reason) == bool(chosen.reason)
    if not reason:
        assert chosen.ask == hole


def test_the_newest_of_too_many_are_asked_for_as_trades() -> None:
    hole = gap(USDM, 5_000_000, SECOND_US, DAY_US)
    chosen = plan(hole, venue(USDM), NOW_US, 0.0, True)
    assert chosen.ask.last_id == hole.last_id
    assert chosen.ask.last_id - chosen.ask.first_id + 1 == chosen.cost == NEWEST_TRADES
    assert hole.start_us < chosen.ask.start_us < chosen.ask.end_us == hole.end_us


def test_beyond_the_reach_only_the_reachable_part_is_asked_for() -> None:
    hole = gap(USDM, 100_000, HOUR_US, 60 * HOUR_US)
    ask = plan(hole, venue(USDM), NOW_US, 0.0, True).ask
    assert NOW_US - 48 * HOUR_US < ask.start_us <= NOW_US - 48 * HOUR_US + 3 * MINUTE_US
    assert ask.last_id == hole.last_id
    assert hole.first_id < ask.first_id
    # 47 of 60 hours.
    assert (ask.last_id - ask.first_id) / 100_000 == pytest.approx(47 / 60, abs=0.01)


def test_given_up_trades_are_not_planned_again() -> None:
    hole = gap(USDM, 10, SECOND_US, SECOND_US)
    why, and_why = (Reason(Cause.HTTP_STATUS, 500, tries=8),), (Reason(Cause.NO_CANDLE),)
    assert plan(hole, venue(USDM), NOW_US, 0.0, True, why).kind == "candles"
    lost = plan(hole, venue(USDM), NOW_US, 0.0, True, why, and_why)
    assert (lost.kind, lost.reason) == ("lost", why + and_why)
    assert words(lost.reason) == "the venue answered with HTTP 500, 8 times; no candle came"


def test_candles_that_reach_back_less_leave_the_older_part() -> None:
    hole = gap(KRAKEN, 1_000, HOUR_US, 24 * HOUR_US)
    chosen = plan(hole, venue(KRAKEN), NOW_US, 0.0, False, "why")
    assert chosen.kind == "candles"
    assert chosen.ask.start_us == NOW_US - 718 * MINUTE_US
    (before,) = outside(hole, chosen.ask)
    assert plan(before, venue(KRAKEN), NOW_US, 0.0, False, "why").kind == "lost"


def test_time_follows_from_budget_and_weight() -> None:
    budget = Budget(2_400, 60.0, 0.0)
    # 96 pages of 1,000 in a minute, at four fifths of the budget.
    assert seconds_for(96_000, budget, 20) == pytest.approx(60.0)
    assert seconds_for(1, Budget(10**9, 1.0, 2.0), 1) == 2.0
    assert seconds_for(4_000, Budget(10**9, 1.0, 0.0), 1) == 1.0


def test_trades_are_counted_by_id_or_estimated() -> None:
    assert expected_trades(gap(USDM, 48_000, 0, SECOND_US), 7.0) == 48_000
    assert expected_trades(gap(USDM, 0, 0, MINUTE_US), 7.0) == 420
    assert expected_trades(gap(USDM, 0, 0, 0), 7.0) == 1


# Pieces ---------------------------------------------------------------------------------

HOLES = st.builds(
    lambda first, ids, start, length: Gap("a:B", first, first + ids, start, start + length, "open"),
    *(st.integers(0, 10**6), st.integers(0, 400), st.integers(0, 10**9), st.integers(0, 10**9)),
)


@given(HOLES, st.lists(st.integers(0, 400), max_size=300))
def test_pieces_by_id_are_the_hole(hole: Gap, offsets: list[int]) -> None:
    received = {
        hole.first_id + offset for offset in offsets if hole.first_id + offset <= hole.last_id
    }
    span = hole.last_id - hole.first_id + 1
    length_us = hole.end_us - hole.start_us
    rows = [(one, hole.start_us + length_us * (one - hole.first_id) // span) for one in received]
    pieces = pieces_by_id(hole, rows + rows[:3])
    told = {
        one: piece.state for piece in pieces for one in range(piece.first_id, piece.last_id + 1)
    }
    assert told == {
        one: "filled" if one in received else "open"
        for one in range(hole.first_id, hole.last_id + 1)
    }
    assert sum(piece.last_id - piece.first_id + 1 for piece in pieces) == span
    for piece in pieces:
        assert hole.start_us <= piece.start_us <= piece.end_us <= hole.end_us
        assert piece.instrument == hole.instrument
    assert len({piece[:4] for piece in pieces}) == len(pieces)


def test_very_many_pieces_are_kept_few_and_nothing_is_called_filled_that_is_not() -> None:
    hole = Gap("a:B", 0, 9_999, 0, 9_999, "open")
    received = [(one, one) for one in range(10_000) if one % 2 or one > 8_000]
    pieces = pieces_by_id(hole, received)
    assert len(pieces) <= 201
    ids = {one for one, _ in received}
    for piece in pieces:
        if piece.state == "filled":
            assert ids.issuperset(range(piece.first_id, piece.last_id + 1))
    assert pieces[-1][1:3] == (8_001, 9_999)
    assert sum(piece.last_id - piece.first_id + 1 for piece in pieces) == 10_000


@given(HOLES, st.integers(-10, 10**9 + 10), st.integers(-10, 10**9 + 10))
def test_pieces_by_time_are_the_hole(hole: Gap, first: int, last: int) -> None:
    hole = hole._replace(first_id=-1, last_id=-1)
    pieces = pieces_by_time(hole, hole.start_us + first, hole.start_us + last)
    assert (pieces[0].start_us, pieces[-1].end_us) == (hole.start_us, hole.end_us)
    for before, after in zip(pieces, pieces[1:], strict=False):
        assert after.start_us == before.end_us + 1
    for piece in pieces:
        assert piece.start_us <= piece.end_us
        if piece.state == "filled":
            assert piece.start_us >= hole.start_us + first
            assert piece.end_us <= hole.start_us + last


@given(HOLES, st.integers(-10, 10**9 + 10), st.booleans())
def test_a_hole_cut_in_two_is_whole(hole: Gap, at: int, by_time: bool) -> None:
    if by_time:
        hole = hole._replace(first_id=-1, last_id=-1)
    before, after = split(hole, hole.start_us + at)
    if before.last_id == before.first_id - 1:
        assert after == hole
        return
    assert (before.start_us, after.end_us) == (hole.start_us, hole.end_us)
    assert before.end_us <= after.start_us or hole.start_us == hole.end_us
    if not by_time:
        assert (before.first_id, after.last_id) == (hole.first_id, hole.last_id)
        assert after.first_id == before.last_id + 1
        assert before.first_id <= before.last_id
        assert after.first_id <= after.last_id


@given(HOLES, st.integers(1, 500))
def test_the_newest_part_and_the_rest_are_the_hole(hole: Gap, trades: int) -> None:
    part = newest(hole, 0, trades)
    assert part.last_id == hole.last_id
    count = hole.last_id - hole.first_id + 1
    assert part.last_id - part.first_id + 1 == min(trades, count)
    rest = outside(hole, part)
    assert sum(one.last_id - one.first_id + 1 for one in (*rest, part)) == count


def test_the_newest_part_by_time_is_by_its_share() -> None:
    hole = Gap("a:B", -1, -1, 0, 1_000_000, "open")
    part = newest(hole, 100_000, 20_000)
    assert (part.start_us, part.end_us) == (800_000, 1_000_000)
    assert outside(hole, part) == [hole._replace(end_us=799_999)]
    assert newest(hole, 10, 20_000) == hole


def test_ids_left_out_are_found() -> None:
    def trade(trade_id: int | str, time_us: int) -> Trade:
        return Trade("a:B", trade_id, time_us, 1.0, 1.0, 1, 0)

    trades = [trade(5, 10), trade(6, 20), trade(9, 30), trade(10, 40), trade(12, 40)]
    assert missing_ids(trades) == [
        Gap("a:B", 7, 8, 20, 30, "open"),
        Gap("a:B", 11, 11, 40, 40, "open"),
    ]
    assert missing_ids([trade("a", 1), trade("b", 2)]) == []
    assert missing_ids([]) == []
    many = missing_ids([trade(2 * one, one) for one in range(1, 500)])
    assert many == [Gap("a:B", 3, 997, 1, 499, "open")]

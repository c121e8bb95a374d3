"""Faults of venues and of this program: after each the database is whole, or the table says it."""

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from tandem.backfill import jobs as job_module
from tandem.backfill import planner as plan_module
from tandem.backfill import worker
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US, now_us
from tandem.core.errors import FeedError
from tandem.core.events import Gap
from tandem.storage.records import Candles
from tandem.venues.registry import create_rest as create
from tandem.venues.rest import RestVenue
from tests.support.backfill_desk import (
    COINBASE,
    KRAKEN,
    SPOT,
    USDM,
    Desk,
    assert_whole,
    desk_at,
    expected,
    hole,
    tape,
)
from tests.support.exchange import unused_url
from tests.support.rest_exchange import RestExchange, Tape
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize(
    "fault",
    [
        *(500, 502, 503, 302, 404, 400, "hang", "drip", "cut", "truncated", "garbage"),
        *("oversized", "endless", "reset", "packed", "wrong ids", "duplicated", "empty"),
        "bad row",
    ],
)
def test_a_fault_that_passes_leaves_no_trace(
    tmp_path: Path, exchange: RestExchange, fault: int | str
) -> None:
    made = tape(10_000)
    with desk_at(tmp_path, exchange, total_s=0.5) as desk:
        gap = hole(desk, SPOT, made, 2_000, 4_499)
        desk.exchange.fail(fault, times=2)
        desk.settle()
        assert desk.ids(SPOT) == expected(made, 2_000, 4_499)
        assert {one.state for one in desk.gaps()} == {"filled"}
        assert_whole(gap, desk.gaps())


@pytest.mark.parametrize("instrument", [COINBASE, KRAKEN])
@pytest.mark.parametrize("fault", ["garbage", "empty", "duplicated", "wrong ids", "bad row", 500])
def test_a_fault_in_the_middle_of_other_venues_pages(
    desk: Desk, instrument: str, fault: int | str
) -> None:
    made = tape(10_000)
    gap = hole(desk, instrument, made, 2_000, 4_499)
    desk.exchange.fail("duplicated")
    desk.exchange.fail(fault)
    desk.settle()
    assert desk.ids(instrument) == expected(made, 2_000, 4_499)
    assert {one.state for one in desk.gaps()} == {"filled"}
    assert_whole(gap, desk.gaps())


@pytest.mark.parametrize("instrument", [USDM, COINBASE, KRAKEN])
@pytest.mark.parametrize("by_time", [False, True])
def test_empty_answers_are_not_the_last_word_on_what_a_venue_may_still_have(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, instrument: str, by_time: bool
) -> None:
    monkeypatch.setattr(job_module, "PATIENCE_US", DAY_US)
    made = tape(10_000)
    hole(desk, instrument, made, 2_000, 3_499, by_time)
    desk.exchange.fail("empty", times=3 * job_module.MISSING_TRIES)
    desk.settle()
    assert desk.ids(instrument) == expected(made, 2_000, 3_499)
    assert {one.state for one in desk.gaps()} == {"filled"}


def test_a_trade_the_venue_never_tells_readably_costs_only_itself(desk: Desk) -> None:
    made = tape(10_000)
    hole(desk, SPOT, made, 2_000, 2_400)
    desk.exchange.fail("bad row", times=100, path="aggTrades")
    desk.settle()
    assert desk.ids(SPOT) == [one for one in expected(made, 2_000, 2_400) if one != 2_200]
    assert [one[1:3] for one in desk.gaps("candles", "lost")] == [(2_200, 2_200)]


def test_a_venue_that_leaves_trades_out_is_said_to(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "PATIENCE_US", DAY_US)
    monkeypatch.setattr(job_module, "_FIRST_WAIT_S", 60.0)
    monkeypatch.setattr(job_module, "_LAST_MISSING_WAIT_S", 60.0)
    hole(desk, SPOT, tape(10_000, missing=frozenset([2_000])), 2_000, 2_000)
    desk.backfill.start()
    wait_until(lambda: (p := desk.progress(SPOT)) and p.state == "paused", "being told")
    said = desk.progress(SPOT)
    assert said is not None
    assert said.text.startswith("The venue left trades out of its answers. Backfill of 0 of 1 ")


def test_a_jump_of_a_million_ids_keeps_nobody_waiting(desk: Desk) -> None:
    made = Tape(1_000, 1_010_000, now_us() - 20 * MINUTE_US, 1, range(3_000, 1_003_000))
    hole(desk, USDM, made, 3_000, 1_002_999)
    desk.exchange.tapes["ETHUSDT"] = tape(10_000)
    gap = desk.gaps("open")[0]
    other = Gap("binance-usdm:ETHUSDT", 2_000, 2_499, gap.start_us - 2, gap.start_us - 1, "open")
    desk.store.submit([other])
    desk.backfill.want([USDM, "binance-usdm:ETHUSDT"])
    desk.settle()
    asked = [path for path in desk.exchange.paths("aggTrades") if "BTCUSDT" in path]
    assert len(asked) <= 2 * job_module.MISSING_TRIES
    assert len(desk.ids("binance-usdm:ETHUSDT")) == 500


@pytest.mark.parametrize("status", [418, 429])
def test_asked_to_wait_it_asks_nothing_until_then_and_says_so(desk: Desk, status: int) -> None:
    made = tape(10_000)
    hole(desk, USDM, made, 2_000, 4_499)
    desk.exchange.fail(status, retry_after="3000")
    desk.backfill.start()
    text = wait_until(lambda: said(desk, USDM, "asked for fewer requests"))
    assert f"HTTP {status}" in text
    assert "resumes automatically in" in text
    assert len(desk.exchange.asked) == 1
    # Others are served meanwhile.
    other = tape(5_000)
    hole(desk, COINBASE, other, 2_000, 2_999)
    wait_until(lambda: desk.ids(COINBASE) == expected(other, 2_000, 2_999))
    assert len(desk.exchange.paths("aggTrades")) == 1
    assert [one.state for one in desk.gaps() if one.instrument == USDM] == ["open"]


def test_a_ban_outlasts_a_restart(tmp_path: Path, exchange: RestExchange) -> None:
    with desk_at(tmp_path, exchange) as desk:
        hole(desk, USDM, tape(10_000), 2_000, 4_499)
        exchange.fail(418, retry_after="7200")
        desk.backfill.start()
        wait_until(lambda: said(desk, USDM, "asked for fewer requests"))
    with desk_at(tmp_path, exchange) as desk:
        desk.backfill.start()
        text = wait_until(lambda: said(desk, USDM, "asked for fewer requests (HTTP 418)"))
        assert "resumes automatically in 2.0 h" in text
        with pytest.raises(FeedError, match="asked for fewer requests"):
            desk.backfill._clients.fetch_candles(USDM, 0, MINUTE_US, threading.Event())
    assert len(exchange.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://nobody.invalid", unused_url("http")], ids=["no name", "no port"]
)
def test_a_venue_that_cannot_be_reached_keeps_its_holes_open(
    tmp_path: Path, exchange: RestExchange, url: str
) -> None:
    def venues(name: str) -> RestVenue | None:
        return create(name, url if name == "binance-usdm" else exchange.url)

    with desk_at(tmp_path, exchange, venues) as desk:
        gap = hole(desk, USDM, tape(10_000), 2_000, 4_499)
        made = tape(10_000)
        hole(desk, COINBASE, made, 2_000, 2_499)
        desk.backfill.start()
        wait_until(lambda: desk.ids(COINBASE) == expected(made, 2_000, 2_499))
        text = wait_until(lambda: said(desk, USDM, "live prices are unaffected"))
        assert text.startswith(("The name nobody.invalid", "Nothing answers at", "Nobody.invalid"))
        assert [one for one in desk.gaps() if one.instrument == USDM] == [gap]


def test_after_a_pause_it_goes_on(desk: Desk) -> None:
    made = tape(10_000)
    hole(desk, USDM, made, 2_000, 4_499)
    desk.exchange.fail(429, retry_after="0")
    desk.settle()
    assert desk.ids(USDM) == expected(made, 2_000, 4_499)


@pytest.mark.parametrize(("status", "reason"), [(451, "region"), (403, "forbidden")])
def test_a_refusal_is_named_and_the_hole_stays_open(desk: Desk, status: int, reason: str) -> None:
    hole(desk, USDM, tape(10_000), 2_000, 4_499)
    desk.exchange.fail(status, times=10**6)
    desk.backfill.start()
    text = wait_until(lambda: said(desk, USDM, "refuses this address"))
    assert reason in text
    assert desk.progress(USDM).state == "refused"  # type: ignore[union-attr]
    assert [one.state for one in desk.gaps()] == ["open"]
    assert len(desk.exchange.asked) == 1


def said(desk: Desk, instrument: str, words: str) -> str:
    progress = desk.progress(instrument)
    return progress.text if progress and words in progress.text else ""


@pytest.mark.parametrize("fault", ["garbage", "truncated", 400])
def test_pages_that_never_come_right_are_candles_in_the_end(desk: Desk, fault: int | str) -> None:
    made = tape(10_000)
    gap = hole(desk, SPOT, made, 2_000, 4_499)
    desk.exchange.fail(fault, times=10**6, path="aggTrades")
    desk.settle()
    assert [one.state for one in desk.gaps()] == ["candles"]
    assert desk.gaps()[0][:5] == gap[:5]
    minutes = desk.store.candles(SPOT, 0, now_us())
    assert minutes["time_us"][0] == gap.start_us // MINUTE_US * MINUTE_US
    assert minutes["time_us"][-1] == gap.end_us // MINUTE_US * MINUTE_US
    assert (minutes["trades"] == -1).all()
    assert len(desk.exchange.paths("aggTrades")) == job_module.TRIES


def test_what_neither_gives_is_lost_with_the_reason(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    gap = hole(desk, SPOT, tape(10_000), 2_000, 4_499)
    desk.exchange.fail(404, times=10**6)
    desk.settle()
    assert desk.gaps() == [gap._replace(state="lost")]
    text = wait_until(lambda: said(desk, SPOT, "are lost"))
    assert "2,500 BTCUSDT trades are lost: the venue answered with HTTP 404, 8 times" in text
    assert "are lost (ids 2000 to 4499" in caplog.text
    # It is not asked for ever.
    assert len(desk.exchange.asked) == 2 * job_module.TRIES


def test_a_venue_that_is_down_for_long_costs_nothing(desk: Desk) -> None:
    made = tape(10_000)
    hole(desk, SPOT, made, 2_000, 4_499)
    desk.exchange.fail(500, times=job_module.TRIES + 2)
    desk.settle()
    assert desk.ids(SPOT) == expected(made, 2_000, 4_499)
    assert {one.state for one in desk.gaps()} == {"filled"}


def test_a_venue_without_rest_loses_its_holes(tmp_path: Path, exchange: RestExchange) -> None:
    with desk_at(tmp_path, exchange, lambda venue: None) as desk:
        gap = hole(desk, SPOT, tape(10_000), 2_000, 4_499)
        desk.settle()
        assert desk.gaps() == [gap._replace(state="lost")]


# Long and far ---------------------------------------------------------------------------


def test_a_day_away_is_filled_from_candles_but_for_the_newest_trades(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "URGENT_S", 20.0)
    # 864,000 trades in a day.
    made = Tape(1_000, 900_000, now_us() - 26 * HOUR_US, 100_000)
    gap = hole(desk, SPOT, made, 5_000, 868_999)
    desk.backfill.want([SPOT])
    desk.settle()
    pieces = desk.gaps()
    assert_whole(gap, pieces)
    filled = [one for one in pieces if one.state == "filled"]
    assert [one[1:3] for one in filled] == [(849_000, 868_999)]
    assert desk.ids(SPOT) == [*range(4_950, 5_000), *range(849_000, 869_050)]
    (covered,) = [one for one in pieces if one.state == "candles"]
    assert covered[1:3] == (5_000, 848_999)
    minutes = desk.store.candles(SPOT, 0, now_us())["time_us"]
    first, last = (moment // MINUTE_US * MINUTE_US for moment in covered[3:5])
    assert minutes.tolist() == list(range(first, last + 1, MINUTE_US))
    kinds = {filled.kind for filled in desk.backfill.take_filled()}
    assert kinds == {"trades", "candles"}


def test_a_day_away_on_a_quiet_pair_is_filled_with_trades(desk: Desk) -> None:
    made = Tape(1_000, 30_000, now_us() - 25 * HOUR_US, 3 * SECOND_US)
    gap = hole(desk, USDM, made, 1_100, 28_000)
    desk.settle()
    assert desk.ids(USDM) == expected(made, 1_100, 28_000)
    assert_whole(gap, desk.gaps("filled"))


def test_candles_that_found_no_room_are_fetched_again_before_they_settle_a_hole(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, lost = desk.store.put_candles, [1]

    def full_once(instrument: str, rows: Any) -> None:
        if lost:
            lost.pop()
            with desk.store._backlog._changed:
                desk.store._backlog._lose([Candles(instrument, rows)])
        else:
            put(instrument, rows)

    monkeypatch.setattr(desk.store, "put_candles", full_once)
    made = Tape(1_000, 5_010_000, now_us() - 20 * MINUTE_US, 1, range(3_000, 5_003_000))
    hole(desk, USDM, made, 3_000, 5_002_999)
    desk.settle()
    (covered,) = desk.gaps("candles")
    assert not lost
    assert len(desk.store.candles(USDM, covered.start_us - MINUTE_US, covered.end_us))


def test_an_id_jump_of_five_million_goes_to_candles(desk: Desk) -> None:
    """The venue does not have them: it began to count anew."""
    made = Tape(1_000, 5_010_000, now_us() - 20 * MINUTE_US, 1, range(3_000, 5_003_000))
    gap = hole(desk, USDM, made, 3_000, 5_002_999)
    desk.backfill.want([USDM])
    desk.settle()
    assert [one.state for one in desk.gaps()] == ["candles"]
    assert desk.gaps()[0][:3] == gap[:3]


def test_ids_missing_over_pages_do_not_hide_those_before_them(desk: Desk) -> None:
    made = tape(10_000, missing=frozenset(range(3_000, 6_000)))
    gap = hole(desk, USDM, made, 2_000, 8_000)
    desk.settle()
    assert desk.ids(USDM) == expected(made, 2_000, 8_000)
    assert_whole(gap, desk.gaps())
    lost = [range(one.first_id, one.last_id + 1) for one in desk.gaps("lost")]
    assert sorted(one for ids in lost for one in ids) == list(range(3_000, 6_000))


@pytest.mark.parametrize("name", [USDM, SPOT, COINBASE])
def test_pages_shorter_than_they_should_be_cost_requests_not_trades(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tests.support.rest_exchange._PAGE", 100)
    made = tape(10_000)
    hole(desk, name, made, 2_000, 4_500)
    desk.settle()
    assert desk.ids(name) == expected(made, 2_000, 4_500)
    assert not desk.gaps("open", "lost", "candles")


def test_beyond_the_reach_candles_stand_in(desk: Desk) -> None:
    made = Tape(1_000, 40_000, now_us() - 60 * HOUR_US, 5 * SECOND_US)
    gap = hole(desk, USDM, made, 2_000, 30_000)
    desk.settle()
    pieces = desk.gaps()
    assert_whole(gap, pieces)
    (covered,) = [one for one in pieces if one.state == "candles"]
    filled = [one for one in pieces if one.state == "filled"]
    assert covered.first_id == 2_000
    edge_us = now_us() - 48 * HOUR_US
    assert edge_us <= min(one.start_us for one in filled) <= edge_us + 5 * MINUTE_US
    assert desk.ids(USDM) == [
        *range(1_950, 2_000),
        *range(covered.last_id + 1, 30_051),
    ]


def test_a_venue_that_forgot_earlier_than_it_says_is_believed(desk: Desk) -> None:
    """Code -4166 in the middle of a hole: its clock is a day ahead of what it told."""
    made = Tape(1_000, 40_000, now_us() - 30 * HOUR_US, SECOND_US)
    gap = hole(desk, USDM, made, 2_000, 30_000)
    desk.exchange.reach_us = 26 * HOUR_US
    desk.settle()
    pieces = desk.gaps()
    assert_whole(gap, pieces)
    assert {one.state for one in pieces} == {"filled", "candles"}
    (covered,) = [one for one in pieces if one.state == "candles"]
    assert desk.ids(USDM) == [*range(1_950, 2_000), *range(covered.last_id + 1, 30_051)]


# Order, stops and restarts --------------------------------------------------------------


def test_what_is_looked_at_goes_first(desk: Desk) -> None:
    made = tape(20_000)
    hole(desk, SPOT, made, 2_000, 12_000)
    desk.exchange.tapes["ETHUSDT"] = made
    eth = SPOT.replace("BTC", "ETH")
    for one in (*range(2_950, 3_000), *range(9_001, 9_051)):
        desk.store.submit([made.trade(eth, one)])
    gap = desk.gaps()[0]._replace(
        instrument=eth, first_id=3_000, last_id=9_000,
        start_us=made.time_of(2_999), end_us=made.time_of(9_001),
    )  # fmt: skip
    desk.store.submit([gap])
    desk.store.flush(5.0)
    desk.backfill.want([eth, SPOT])
    desk.settle()
    asked = ["ETH" if "ETHUSDT" in path else "BTC" for path in desk.exchange.paths("aggTrades")]
    assert asked == ["ETH"] * asked.count("ETH") + ["BTC"] * asked.count("BTC")
    assert asked.count("ETH") == 7
    assert desk.ids(eth) == expected(made, 3_000, 9_000)
    assert desk.ids(SPOT) == expected(made, 2_000, 12_000)


def test_a_new_wish_overtakes_a_fill_under_way(desk: Desk) -> None:
    made = tape(50_000)
    hole(desk, SPOT, made, 2_000, 20_000)
    desk.exchange.hold(after=3)
    desk.backfill.start()
    wait_until(lambda: len(desk.exchange.asked) > 3)
    desk.exchange.tapes["ETHUSDT"] = made
    eth = SPOT.replace("BTC", "ETH")
    gap = desk.gaps("open")[0]._replace(
        instrument=eth, first_id=3_000, last_id=3_100,
        start_us=made.time_of(2_999), end_us=made.time_of(3_101),
    )  # fmt: skip
    desk.backfill.want([eth])
    desk.store.submit([made.trade(eth, 2_999), gap])
    desk.store.flush(5.0)
    desk.backfill.note(gap)
    desk.exchange.release()
    desk.wait_settled()
    # The page under way is taken, then the wish is granted.
    assert "ETHUSDT" in desk.exchange.asked[4]
    assert desk.ids(eth) == list(range(2_999, 3_101))
    assert desk.ids(SPOT) == expected(made, 2_000, 20_000)


def test_stopped_in_the_middle_it_goes_on_from_there(
    tmp_path: Path, exchange: RestExchange
) -> None:
    made = tape(100_000)
    with desk_at(tmp_path, exchange) as desk:
        gap = hole(desk, SPOT, made, 2_000, 20_000)
        exchange.hold(after=6)
        desk.backfill.start()
        wait_until(lambda: len(exchange.asked) > 6)
        assert desk.backfill.stop(2.0)
        pieces = desk.gaps()
        assert_whole(gap, pieces)
        assert {one.state for one in pieces} == {"open", "filled"}
        have = set(desk.ids(SPOT))
        for one in pieces:
            if one.state == "filled":
                assert have.issuperset(range(one.first_id, one.last_id + 1))
    exchange.release()
    with desk_at(tmp_path, exchange) as desk:
        desk.settle()
        assert desk.ids(SPOT) == expected(made, 2_000, 20_000)
        assert_whole(gap, desk.gaps("filled"))
    # 19 pages; only the one that was cut short was asked for twice.
    assert len(exchange.asked) == 20


def test_killed_in_the_middle_nothing_is_called_filled_that_is_not_there(
    tmp_path: Path, exchange: RestExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill leaves what was committed; here, without a last word, all that was."""
    monkeypatch.setattr(worker, "SETTLE_S", 0.0)
    made = tape(60_000)
    with desk_at(tmp_path, exchange) as desk:
        gap = hole(desk, SPOT, made, 2_000, 20_000)
        monkeypatch.setattr(type(desk.backfill), "_leave", lambda self: None)
        exchange.hold(after=6)
        desk.backfill.start()
        wait_until(lambda: len(exchange.asked) > 6)
        assert desk.backfill.stop(2.0)
        pieces = desk.gaps()
        assert_whole(gap, pieces)
        assert {one.state for one in pieces} == {"open", "filled"}
        have = set(desk.ids(SPOT))
        for one in pieces:
            if one.state == "filled":
                assert have.issuperset(range(one.first_id, one.last_id + 1))
    exchange.release()
    with desk_at(tmp_path, exchange) as desk:
        desk.settle()
        assert desk.ids(SPOT) == expected(made, 2_000, 20_000)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_stop_does_not_wait_for_a_venue(
    tmp_path: Path, exchange: RestExchange, fault: str
) -> None:
    with desk_at(tmp_path, exchange) as desk:
        hole(desk, SPOT, tape(10_000), 2_000, 4_499)
        exchange.fail(fault, times=10)
        desk.backfill.start()
        wait_until(lambda: exchange.asked)
        assert desk.backfill.stop(2.0)
        assert not [one for one in threading.enumerate() if one.name == "backfill"]


def test_the_weight_limit_is_never_reached(desk: Desk) -> None:
    """A limit of 500 a minute: 25 requests of 20, of which a fifth stays unused."""
    desk.exchange.weight_limit = 500
    desk.exchange.foreign_weight = 1_500
    made = tape(100_000)
    hole(desk, USDM, made, 2_000, 60_000)
    desk.exchange.weight_limit = 2_400
    desk.backfill.want([USDM])
    desk.backfill.start()
    text = wait_until(lambda: said(desk, USDM, "the venue's rate limit is reached"))
    assert "of 58,001 BTCUSDT trades" in text
    # 1,920 of 2,400, others use 1,500: room for 21 of 20.
    assert len(desk.exchange.paths("aggTrades")) <= 22
    assert desk.exchange.throttled == 0


# Fresh instruments ----------------------------------------------------------------------


@pytest.mark.parametrize("instrument", [USDM, COINBASE, KRAKEN])
def test_a_fresh_instrument_gets_candles_and_then_trades(desk: Desk, instrument: str) -> None:
    made = tape(7_200 * 5, minutes_ago=120.0, step_us=200_000)
    live = made.last_id - 10
    hole(desk, instrument, made, 2_000, 2_000)  # names the tape
    desk.store.close()
    start_us = now_us() - HOUR_US
    with desk_at(desk.store.path.parent / "fresh", desk.exchange) as fresh:
        fresh.backfill.warm(instrument, start_us)
        fresh.backfill.start()
        wait_until(lambda: len(fresh.store.candles(instrument, 0, now_us())) >= 59)
        fresh.store.submit([made.trade(instrument, one) for one in range(live, live + 5)])
        wait_until(lambda: len(fresh.ids(instrument)) >= 17_000)
        wait_until(lambda: (p := fresh.progress(instrument)) and p.state == "done")
        fresh.wait_settled()
        ids = fresh.ids(instrument)
        assert ids == list(range(ids[0], live + 5))
        assert made.time_of(ids[0]) <= start_us + 2 * MINUTE_US
        kinds = [filled.kind for filled in fresh.backfill.take_filled()]
        assert kinds[0] == "candles"
        assert "trades" in kinds
        asked = len(desk.exchange.asked)
        # Once is enough.
        fresh.backfill.warm(instrument, start_us)
        wait_until(lambda: not fresh.backfill._pasts._asked)
        assert len(desk.exchange.asked) == asked


def test_an_instrument_recorded_long_enough_is_left_alone(desk: Desk) -> None:
    made = tape(10_000)
    hole(desk, SPOT, made, 2_000, 2_100)
    desk.settle()
    asked = len(desk.exchange.asked)
    desk.backfill.warm(SPOT, made.time_of(3_000))
    wait_until(lambda: not desk.backfill._pasts._asked)
    desk.backfill.warm("sim:BTCUSDT", 0)
    wait_until(lambda: not desk.backfill._pasts._asked)
    assert len(desk.exchange.asked) == asked
    assert now_us() - DAY_US < made.start_us


# All of it at once ----------------------------------------------------------------------


def run_of_bad_luck(path: Path, seed: int) -> None:
    """Fill some holes of two venues through random faults, stops and starts; check what is told."""
    dice = random.Random(seed)
    with RestExchange(weight_limit=10**9) as exchange:
        made = tape(12_000, missing=frozenset(dice.sample(range(1_500, 12_000), 5)))
        edges = sorted(dice.sample(range(1_100, 12_900, 200), 6))
        holes = []
        with desk_at(path, exchange) as desk:
            for name in (SPOT, COINBASE):
                for first, last in zip(edges[::2], edges[1::2], strict=True):
                    holes.append(hole(desk, name, made, first + 51, last - 51))
        for _ in range(dice.randrange(0, 4)):
            for _ in range(dice.randrange(0, 6)):
                exchange.fail(dice.choice(FAULTS), times=dice.randrange(1, 4))
            with desk_at(path, exchange, total_s=0.1) as desk:
                desk.backfill.want(dice.choice([[], [SPOT], [COINBASE, SPOT]]))
                asked, more = len(exchange.asked), dice.randrange(1, 12)
                desk.backfill.start()
                wait_until(
                    lambda asked=asked, more=more, desk=desk: (
                        len(exchange.asked) >= asked + more or not desk.gaps("open")
                    )
                )
                assert desk.backfill.stop(5.0)
                check_the_table(desk, holes)
        exchange.heal()
        with desk_at(path, exchange) as desk:
            desk.settle()
            check_the_table(desk, holes)
            # What the venues have is in the database, or in the table as candles or lost.
            for one in holes:
                have = set(desk.ids(one.instrument))
                told = [gap for gap in desk.gaps("candles", "lost") if gap[0] == one.instrument]
                for trade_id in set(range(one.first_id, one.last_id + 1)) - have - made.missing:
                    assert any(gap.first_id <= trade_id <= gap.last_id for gap in told)


def check_the_table(desk: Desk, holes: list[Gap]) -> None:
    """Check that every hole is whole in the table, and what is filled there is in the database."""
    table = desk.gaps()
    for name in (SPOT, COINBASE):
        have = set(desk.ids(name))
        for gap in table:
            if gap.instrument == name and gap.state == "filled":
                assert have.issuperset(range(gap.first_id, gap.last_id + 1))
    for one in holes:
        pieces = [
            gap
            for gap in table
            if gap.instrument == one.instrument and one.first_id <= gap.first_id <= one.last_id
        ]
        assert_whole(one, pieces)


FAULTS = [
    *(500, 503, 404, 302, "hang", "drip", "cut", "truncated", "garbage", "oversized", "reset"),
    *("packed", "wrong ids", "duplicated", "empty"),
]


@pytest.mark.parametrize("seed", range(3))
def test_runs_of_bad_luck(tmp_path: Path, seed: int) -> None:
    run_of_bad_luck(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 60))
def test_long_runs_of_bad_luck(tmp_path: Path, seed: int) -> None:
    run_of_bad_luck(tmp_path, seed)

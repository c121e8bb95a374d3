"""A connection replaced while it is read: nothing lost, nothing doubled."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.config import Settings
from tandem.core.events import Funding, Gap, Notice, Quote, Trade
from tandem.ingest.connection import Handover, Timing
from tandem.ingest.recorder import Recorder
from tandem.ingest.sequence import Track
from tandem.storage.hot_buffer import HotBuffer
from tandem.venues.base import Route
from tandem.venues.binance import BinanceUsdm
from tandem.venues.bybit import Bybit
from tests.support.exchange import Exchange
from tests.support.sinks import MemorySink
from tests.support.waiting import wait_until

BTC, ETH = "binance-usdm:BTCUSDT", "binance-usdm:ETHUSDT"
HOUR_S = 3_600.0
QUICK = Timing(
    connect_s=5.0, silence_s=5.0, ping_s=0.5, dead_s=5.0, overlap_s=0.5, poll_s=0.05, settled_s=0.0
)


class Clock:
    """Seconds that run as they do, plus what a test adds."""

    def __init__(self) -> None:
        self.added = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.added


class Desk:
    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.clock = Clock()
        self.sink = MemorySink()
        self.buffer = HotBuffer(100_000)
        self.recorder: Recorder | None = None

    def record(
        self, *names: str, feed: Any = None, quoted: bool = False, timing: Timing = QUICK
    ) -> Recorder:
        self.recorder = Recorder(
            feed or BinanceUsdm(self.exchange.url),
            self.sink,
            self.buffer,
            Settings(),
            timing,
            lambda: iter([0.02] * 1_000),
            self.clock,
        )
        self.recorder.watch(frozenset(names), frozenset(names if quoted else ()))
        self.recorder.start()
        streams = [name.partition(":")[2].lower() + "@aggTrade" for name in names]
        if feed is None:
            self.exchange.wait_for_streams(*streams)
        return self.recorder

    def bought(self, name: str) -> list[Any]:
        return [trade.trade_id for trade in self.buffer.tail(name, 100_000)]


@pytest.fixture
def desk(exchange: Exchange) -> Iterator[Desk]:
    desk = Desk(exchange)
    yield desk
    if desk.recorder is not None:
        assert desk.recorder.stop(10.0), "a recorder's thread did not end"
    wait_until(
        lambda: not [t for t in threading.enumerate() if t.name.startswith("ingest-")],
        "the end of every thread",
    )


def renewals(recorder: Recorder) -> int:
    return recorder.status().renewals


def test_after_23_hours_a_new_connection_takes_over_without_a_trade_lost_or_doubled(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BTC, ETH)
    exchange.play(400.0, ["BTCUSDT", "ETHUSDT"], quotes=False)
    for turn in range(1, 4):
        count = desk.buffer.count(BTC)
        wait_until(lambda n=count: desk.buffer.count(BTC) > n + 50)
        desk.clock.added += 22.9 * HOUR_S
        wait_until(lambda n=count: desk.buffer.count(BTC) > n + 100)
        assert (exchange.opened, renewals(recorder)) == (turn, turn - 1), "renewed too early"
        desk.clock.added += 0.2 * HOUR_S
        wait_until(lambda n=turn: renewals(recorder) == n)
        assert exchange.opened == turn + 1
        wait_until(lambda: exchange.connections() == 1, "the end of the old connection")
    exchange.pause()
    for name in (BTC, ETH):
        sent = [s.trade_id for s in exchange.sent if s.symbol == name.partition(":")[2]]
        wait_until(lambda n=name, s=sent: len(desk.bought(n)) >= len(s))
        assert desk.bought(name) == sent
    recorded = {(e.instrument, e.trade_id) for e in desk.sink.events if type(e) is Trade}
    assert len(recorded) == len(exchange.sent)
    status = recorder.status()
    assert (status.reconnects, status.gaps, status.trades) == (0, 0, len(exchange.sent))
    assert not [event for event in desk.sink.events if type(event) is Gap]


def test_the_old_connection_is_kept_until_the_new_one_delivers(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BTC)
    exchange.trade("BTCUSDT", 1.0)
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: exchange.connections() == 2)
    time.sleep(2.0 * QUICK.overlap_s)  # nothing trades: nothing tells whether the new one works
    assert exchange.connections() == 2
    assert renewals(recorder) == 0
    exchange.trade("BTCUSDT", 2.0)
    wait_until(lambda: renewals(recorder) == 1)
    wait_until(lambda: exchange.connections() == 1)
    exchange.trade("BTCUSDT", 3.0)
    wait_until(lambda: desk.buffer.count(BTC) == 3)
    assert [trade.price for trade in desk.buffer.tail(BTC, 9)] == [1.0, 2.0, 3.0]


def test_quotes_are_renewed_too(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BTC, quoted=True)
    exchange.wait_for_streams("btcusdt@bookTicker")
    exchange.play(100.0, ["BTCUSDT"])
    wait_until(lambda: desk.buffer.quote(BTC))
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: renewals(recorder) == 2)
    assert exchange.opened == 4
    before = desk.buffer.quote(BTC)
    wait_until(lambda: desk.buffer.quote(BTC) != before)


def test_a_new_connection_that_is_refused_leaves_the_old_one_alone_and_is_tried_again(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BTC)
    exchange.play(100.0, ["BTCUSDT"], quotes=False)
    exchange.refuse(503)
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: exchange.refused == 1)
    count = desk.buffer.count(BTC)
    wait_until(lambda: desk.buffer.count(BTC) > count + 20)
    assert recorder.status().state == "live"
    assert exchange.refused == 1, "tried again at once"
    exchange.refuse(0)
    desk.clock.added += QUICK.renew_again_s
    wait_until(lambda: renewals(recorder) == 1)
    assert recorder.status().reconnects == 0


def test_a_new_connection_whose_handshake_hangs_does_not_stop_the_old_one(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BTC)
    exchange.play(100.0, ["BTCUSDT"], quotes=False)
    wait_until(lambda: desk.buffer.count(BTC) > 10)
    exchange.hang()
    desk.clock.added += 23.1 * HOUR_S
    count = desk.buffer.count(BTC)
    wait_until(lambda: desk.buffer.count(BTC) > count + 50)
    assert recorder.status().state == "live"
    start = time.monotonic()
    assert recorder.stop(2.0)
    assert time.monotonic() - start < 2.5


@pytest.mark.parametrize("venue", ["binance-usdm", "bybit"])
def test_a_connection_that_falls_silent_while_pings_are_answered_is_replaced(
    desk: Desk, exchange: Exchange, venue: str
) -> None:
    feed, name = None, BTC
    if venue == "bybit":
        feed, name = Bybit(exchange.url + "/v5/public/linear"), "bybit:BTCUSDT"
    timing = dataclasses.replace(QUICK, stalled_s=0.5)
    recorder = desk.record(name, feed=feed, timing=timing)
    wait_until(lambda: len(exchange.subscribed()) > 0)
    exchange.play(100.0, ["BTCUSDT"], quotes=False)
    # Until its own silences are known.
    wait_until(lambda: desk.buffer.count(name) > 150)
    exchange.delay_oldest()
    wait_until(lambda: renewals(recorder) >= 1)
    count = desk.buffer.count(name)
    wait_until(lambda: desk.buffer.count(name) > count + 20)
    exchange.pause()
    kept = {trade.time_us for trade in desk.sink.of(Trade)}
    gaps = desk.sink.of(Gap)
    for sent in exchange.sent:
        assert sent.time_us in kept or any(
            gap.start_us <= sent.time_us <= gap.end_us for gap in gaps
        )
    assert recorder.status().reconnects == 0


def test_a_silence_is_judged_by_the_instruments_own() -> None:
    track, now = Track([trade(BTC, 1)], True), 0.0
    for _ in range(30):
        track.heard = now
        for _ in range(10):
            now += 1.0
            assert not track.is_stalled(now, 5.0), "ten seconds are usual with it"
    assert [second for second in range(11, 250) if track.is_stalled(now - 10.0 + second, 5.0)] == [
        *(51, 101, 201),
    ]


class Deaf(BinanceUsdm):
    """Asks for the wrong stream the second time."""

    asked = 0

    def trade_route(self, instruments: Any) -> Route:
        self.asked += 1
        route = super().trade_route(instruments)
        return route._replace(url=route.url.replace("btc", "foo")) if self.asked == 2 else route


def test_a_new_connection_that_brings_nothing_is_given_up(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BTC, feed=Deaf(exchange.url))
    exchange.wait_for_streams("btcusdt@aggTrade")
    exchange.play(100.0, ["BTCUSDT"], quotes=False)
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: exchange.connections() == 2)
    wait_until(lambda: exchange.connections() == 1)
    assert renewals(recorder) == 0
    desk.clock.added += QUICK.renew_again_s
    wait_until(lambda: renewals(recorder) == 1)
    exchange.pause()
    wait_until(lambda: desk.buffer.count(BTC) == len(exchange.sent))
    assert desk.bought(BTC) == [sent.trade_id for sent in exchange.sent]


def test_a_cut_while_both_are_open_goes_on_with_the_new_one(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BTC)
    exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: exchange.connections() == 2)
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.endswith("-next")])
    exchange.drop_oldest()
    wait_until(lambda: renewals(recorder) == 1)
    exchange.trade("BTCUSDT", 2.0)
    wait_until(lambda: desk.buffer.count(BTC) == 2)
    status = recorder.status()
    assert (status.reconnects, status.gaps, exchange.opened) == (0, 0, 2)


def test_an_old_connection_that_lags_is_waited_for(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BTC, timing=dataclasses.replace(QUICK, overlap_s=60.0))
    exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    exchange.delay_oldest()
    exchange.trade("BTCUSDT", 2.0)  # on its way over the old one when the new one subscribes
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: exchange.connections() == 2)
    messages = recorder.status().messages
    exchange.trade("BTCUSDT", 3.0)
    wait_until(lambda: recorder.status().messages > messages, "the trade over the new one")
    time.sleep(0.2)  # time enough to take over too early
    assert desk.buffer.count(BTC) == 1
    exchange.deliver()
    wait_until(lambda: renewals(recorder) == 1)
    assert [trade.price for trade in desk.buffer.tail(BTC, 9)] == [1.0, 2.0, 3.0]
    assert recorder.status().gaps == 0


def test_what_came_over_the_new_one_alone_is_not_lost(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BTC)
    exchange.trade("BTCUSDT", 1.0)
    wait_until(lambda: desk.buffer.count(BTC) == 1)
    exchange.delay_oldest()
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: exchange.connections() == 2)
    for price in (2.0, 3.0, 4.0):
        exchange.trade("BTCUSDT", price)
    wait_until(lambda: renewals(recorder) == 1, "the end of the wait for a deaf connection")
    wait_until(lambda: desk.buffer.count(BTC) == 4)
    assert [trade.price for trade in desk.buffer.tail(BTC, 9)] == [1.0, 2.0, 3.0, 4.0]
    assert recorder.status().gaps == 0


def test_a_venue_that_says_it_will_restart_is_left_only_for_a_connection_that_delivers(
    desk: Desk, exchange: Exchange
) -> None:
    recorder = desk.record(BTC)
    exchange.play(100.0, ["BTCUSDT"], quotes=False)
    wait_until(lambda: desk.buffer.count(BTC) > 10)
    exchange.raw('{"e":"serverShutdown","E":1770123456789}')
    wait_until(lambda: renewals(recorder) == 1)
    exchange.pause()
    wait_until(lambda: desk.buffer.count(BTC) == len(exchange.sent))
    assert desk.bought(BTC) == [sent.trade_id for sent in exchange.sent]
    assert recorder.status().reconnects == 0


def test_what_is_wanted_may_change_while_both_are_open(desk: Desk, exchange: Exchange) -> None:
    recorder = desk.record(BTC)
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: exchange.connections() == 2)
    recorder.watch(frozenset({ETH}))
    exchange.wait_for_streams("ethusdt@aggTrade")
    wait_until(lambda: "btcusdt@aggTrade" not in exchange.subscribed())
    exchange.play(100.0, ["ETHUSDT"], quotes=False)
    wait_until(lambda: renewals(recorder) == 1)
    exchange.pause()
    wait_until(lambda: desk.buffer.count(ETH) == len(exchange.sent))
    recorder.watch(frozenset())
    wait_until(lambda: exchange.connections() == 0)


class Mortal(Bybit):
    """Bybit, were it to cut connections."""

    def trade_route(self, instruments: Any) -> Route:
        return super().trade_route(instruments)._replace(renew_s=23 * HOUR_S)


def test_text_ids_are_told_apart_as_well(desk: Desk, exchange: Exchange) -> None:
    name = "bybit:BTCUSDT"
    recorder = desk.record(name, feed=Mortal(exchange.url + "/v5/public/linear"))
    exchange.wait_for_streams(name)
    exchange.play(200.0, ["BTCUSDT"], quotes=False)
    wait_until(lambda: desk.buffer.count(name) > 20)
    desk.clock.added += 23.1 * HOUR_S
    wait_until(lambda: renewals(recorder) == 1)
    exchange.pause()
    wait_until(lambda: desk.buffer.count(name) == len(exchange.sent))
    prices = [trade.price for trade in desk.buffer.tail(name, 100_000)]
    assert prices == [sent.price for sent in exchange.sent]


# The decision alone ---------------------------------------------------------------------------


def trade(name: str, number: int) -> Trade:
    time_us = 1_795_000_000_000_000 + number
    return Trade(name, number, time_us, 1.0, 1.0, 1, time_us)


QUOTE = Quote(BTC, 0, 1.0, 1.0, 2.0, 1.0, 0)
RATE = Funding(BTC, 0, 0.0, 0, 1.0, 0)


def test_it_waits_for_the_trade_the_new_one_brought_first() -> None:
    handover = Handover()
    handover.opened()
    handover.from_new([trade(BTC, 7)], 0.0)
    handover.from_old([trade(BTC, 5)], 0.1)
    assert handover.verdict(0.1, 3.0) == "wait"
    handover.from_old([trade(BTC, 6), trade(BTC, 7)], 0.2)
    assert handover.verdict(0.2, 3.0) == "ready"


def test_what_the_old_one_brought_while_the_new_one_opened_counts() -> None:
    handover = Handover()
    handover.from_old([trade(BTC, 7), trade(ETH, 1)], 0.0)
    handover.opened()
    handover.from_new([trade(BTC, 7)], 0.1)
    assert handover.verdict(0.1, 3.0) == "ready"


def test_every_instrument_that_trades_must_have_shown_up() -> None:
    handover = Handover()
    handover.opened()
    handover.from_old([trade(BTC, 7), trade(ETH, 1)], 0.0)
    handover.from_new([trade(BTC, 7)], 0.1)
    assert handover.verdict(2.9, 3.0) == "wait"
    handover.from_new([trade(ETH, 1)], 2.9)
    assert handover.verdict(2.9, 3.0) == "ready"


def test_a_wait_has_an_end_and_a_silent_newcomer_is_useless() -> None:
    quiet = Handover()
    quiet.opened()
    assert quiet.verdict(1e9, 3.0) == "wait", "nothing trades anywhere"
    quiet.from_old([Notice("alive", "")], 0.0)
    assert quiet.verdict(1e9, 3.0) == "wait", "a heartbeat is no delivery"
    quiet.from_old([trade(BTC, 7)], 10.0)
    assert quiet.verdict(12.9, 3.0) == "wait"
    assert quiet.verdict(13.0, 3.0) == "useless"
    quiet.from_new([trade(BTC, 8)], 13.0)
    assert quiet.verdict(13.0, 3.0) == "ready"


def test_quotes_and_funding_show_that_it_delivers_and_are_not_kept() -> None:
    handover = Handover()
    handover.opened()
    handover.from_new([QUOTE, RATE], 0.0)
    assert handover.verdict(0.0, 3.0) == "ready"
    assert handover.held == []


@settings(max_examples=200, deadline=None)
@given(
    names=st.lists(st.sampled_from([BTC, ETH]), min_size=1, max_size=30),
    joined=st.integers(0, 29),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 4)), max_size=40),
)
def test_any_two_delays_give_every_trade_once_and_in_order(
    names: list[str], joined: int, steps: list[tuple[bool, int]]
) -> None:
    """Both connections bring the same trades, the new one from some point on."""
    trades = [trade(name, number) for number, name in enumerate(names)]
    recorder = Recorder(BinanceUsdm("ws://x"), MemorySink(), buffer := HotBuffer(100), Settings())
    recorder.watch(frozenset({BTC, ETH}))
    handover = Handover()
    handover.opened()
    old, new = 0, min(joined, len(trades))
    for from_old, most in [*steps, (True, 30), (False, 30)]:
        if handover.verdict(0.0, 3.0) == "ready":
            break
        if from_old:
            recorder.intake.take(trades[old : old + most])
            handover.from_old(trades[old : old + most], 0.0)
            old += most
        else:
            handover.from_new(trades[new : new + most], 0.0)
            new += most
    recorder.intake.take(handover.held)
    recorder.intake.take(trades[new:])
    for name in (BTC, ETH):
        assert buffer.tail(name, 100) == [one for one in trades if one.instrument == name]

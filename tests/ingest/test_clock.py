"""The clocks of the exchange and of this machine: wrong ones, moved ones, and trades that lie."""

import json
import math
import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.config import Settings
from tandem.core import clock
from tandem.core.bars import BarBuilder, trade_array
from tandem.core.clock import DAY_US, HOUR_US, SECOND_US
from tandem.core.events import Funding, Gap, NoQuote, OffBook, Quote, Trade
from tandem.ingest.clock import VenueClock
from tandem.ingest.recorder import Recorder
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.store import Store
from tandem.venues.base import WebsocketFeed
from tandem.venues.binance import BinanceUsdm
from tandem.venues.bybit import Bybit
from tandem.venues.kraken import Kraken
from tests.support.dialects import iso
from tests.support.sinks import MemorySink

BTC = "binance-usdm:BTCUSDT"
START_US = 1_795_000_000_000_000


class Market:
    """Trades a tenth of a second apart, as a machine with a wrong clock receives them."""

    def __init__(self, skew_us: int = 0, seed: int = 1) -> None:
        self.clock = VenueClock()
        self.skew_us = skew_us
        self.us = START_US
        self.count = 0
        self.passed: list[Trade] = []
        self.refused = 0
        self._dice = random.Random(seed)

    def trade(self, ahead_us: int = 0) -> Trade:
        """Make the next trade; one that lies is dated ahead."""
        self.us += SECOND_US // 10
        self.count += 1
        delay_us = self._dice.randrange(20_000, 200_000)
        received_us = self.us + delay_us + self.skew_us
        return Trade(BTC, self.count, self.us + ahead_us, 1.0, 1.0, 1, received_us)

    def send(self, *trades: Trade) -> None:
        passed, refused = self.clock.admit(trades, self.us / 1e6)
        self.passed += passed
        self.refused += len(refused)

    def run(self, seconds: int) -> None:
        for _ in range(10 * seconds):
            self.send(self.trade())


@pytest.mark.parametrize(
    "skew_us", [0, -1_270_000, 4 * HOUR_US, -4 * HOUR_US, -20 * HOUR_US, -5_000_000, -4_990_000]
)
def test_a_wrong_clock_of_this_machine_costs_no_trade(skew_us: int) -> None:
    market = Market(skew_us)
    market.run(60)
    assert market.refused == 0
    assert [trade.trade_id for trade in market.passed] == list(range(1, 601))


@pytest.mark.parametrize("skew_us", [0, -1_270_000, 4 * HOUR_US, -4 * HOUR_US])
@pytest.mark.parametrize("ahead_us", [DAY_US, HOUR_US, 2 * SECOND_US, 500_000])
def test_a_trade_dated_ahead_is_refused_whatever_this_machines_clock(
    skew_us: int, ahead_us: int
) -> None:
    market = Market(skew_us)
    market.run(60)
    market.send(liar := market.trade(ahead_us))
    market.run(60)
    assert market.refused == 1
    assert liar not in market.passed
    assert len(market.passed) == 1_200


@pytest.mark.parametrize("position", [0, 1, 5])
def test_a_trade_dated_ahead_among_the_very_first_is_refused(position: int) -> None:
    market = Market()
    for number in range(100):
        market.send(market.trade(DAY_US // 2 if number == position else 0))
    assert market.refused == 1
    assert len(market.passed) == 99


def test_liars_in_the_minority_never_move_the_clock_however_many() -> None:
    market, lies = Market(), 0
    market.run(20)
    for number in range(6_000):
        lies += number % 3 == 0
        market.send(market.trade(900_000 if number % 50 == 0 else HOUR_US * (number % 3 == 0)))
    market.run(10)
    assert not [t for t in market.passed if t.time_us - t.received_us > SECOND_US // 4]
    assert market.refused >= lies


def test_a_clock_that_moves_loses_nothing_and_keeps_the_order() -> None:
    market = Market()
    market.run(60)
    for step_us in (-HOUR_US, HOUR_US, -2 * SECOND_US, 3 * HOUR_US):
        market.skew_us += step_us
        market.run(1_300)
    assert market.refused == 0
    assert [trade.trade_id for trade in market.passed] == list(range(1, market.count + 1))


def test_a_quiet_market_is_waited_for_and_then_believed() -> None:
    market = Market(skew_us=-HOUR_US)
    for number in range(5):
        assert len(market.passed) == 0
        market.us += 60 * SECOND_US
        market.send(market.trade())
        assert number < 4 or len(market.passed) == 5


def test_what_was_held_back_comes_with_time_without_another_trade() -> None:
    market = Market(skew_us=-HOUR_US)
    for _ in range(6):
        market.send(market.trade())
    assert market.passed == []
    market.us += 2 * SECOND_US
    market.send()
    assert len(market.passed) == 6


def test_a_backlog_read_late_changes_nothing() -> None:
    market = Market()
    market.run(60)
    late = [market.trade() for _ in range(600)]
    market.send(*(trade._replace(received_us=market.us) for trade in late))
    market.run(60)
    assert market.refused == 0
    assert len(market.passed) == market.count
    market.send(market.trade(DAY_US), *(market.trade() for _ in range(100)))
    assert market.refused == 1


@given(st.lists(st.integers(-(2**62), 2**62), max_size=300), st.integers(1, 20))
def test_whatever_the_dates_nothing_is_doubled_and_little_is_kept(
    dates: list[int], size: int
) -> None:
    clock, passed, refused = VenueClock(), [], 0
    trades = [Trade(BTC, n, time_us, 1.0, 1.0, 1, START_US) for n, time_us in enumerate(dates)]
    for start in range(0, len(trades), size):
        admitted, bad = clock.admit(trades[start : start + size], start * 0.1)
        passed += admitted
        refused += len(bad)
    ids = [trade.trade_id for trade in passed]
    assert len(set(ids)) == len(ids)
    held = len(trades) - len(ids) - refused
    assert 0 <= held < 100 + size


# In the recorder ----------------------------------------------------------------------------


def recorder_of(feed: WebsocketFeed, *names: str, **options: Any) -> tuple[Recorder, Any, Any]:
    sink, buffer = MemorySink(), HotBuffer(10_000)
    recorder = Recorder(feed, sink, buffer, Settings(), **options)
    recorder.watch(frozenset(names), frozenset(names))
    return recorder, sink, buffer


def test_a_lying_trade_is_counted_and_said_and_does_not_freeze_the_bars(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder, _, buffer = recorder_of(BinanceUsdm("ws://x"), BTC)
    market, builder, closed = Market(), BarBuilder(BTC, 500_000), 0
    cursor = 0
    for number in range(1_200):
        recorder.intake.take([market.trade(DAY_US - SECOND_US if number == 300 else 0)])
        trades, cursor = buffer.since(BTC, cursor)
        builder.add(trade_array(trades))
        closed += len(builder.close(market.us))
    for _ in range(100):
        recorder.intake.take([market.trade()])
    status = recorder.status()
    assert (status.not_understood, status.trades) == (1, 1_299)
    assert "dated ahead of the exchange's clock" in caplog.text
    assert builder.late == 0
    assert closed > 115


def test_what_passes_makes_no_other_trade_late() -> None:
    recorder, _, buffer = recorder_of(BinanceUsdm("ws://x"), BTC)
    market, builder, cursor = Market(), BarBuilder(BTC, 500_000), 0
    for number in range(3_000):
        # Every tenth second one that is dated ahead a little more than the one before.
        ahead_us = number * 300 if number > 600 and number % 100 == 0 else 0
        recorder.intake.take([market.trade(ahead_us)])
        trades, cursor = buffer.since(BTC, cursor)
        builder.add(trade_array(trades))
        builder.close(market.us)
    assert builder.late == 0
    assert 0 < recorder.status().not_understood < 24, "some were refused, and some passed"


def test_a_restless_line_is_given_more_room() -> None:
    market = Market()
    dice = random.Random(3)
    for _ in range(3_000):
        trade = market.trade()
        late_us = dice.choice([0, 400_000, 900_000, 1_500_000])
        market.send(trade._replace(received_us=trade.received_us + late_us))
    assert market.refused == 0


def test_quotes_and_funding_dated_ahead_are_refused_too() -> None:
    recorder, _, buffer = recorder_of(BinanceUsdm("ws://x"), BTC)
    ahead = START_US + 10 * SECOND_US
    recorder.intake.take([Quote(BTC, ahead, 1.0, 1.0, 2.0, 1.0, START_US)])
    recorder.intake.take([Funding(BTC, ahead, 0.1, ahead, 1.0, START_US)])
    assert (buffer.quote(BTC), buffer.funding(BTC)) == (None, None)
    assert recorder.status().not_understood == 2
    recorder.intake.take([Quote(BTC, START_US, 1.0, 1.0, 2.0, 1.0, START_US)])
    assert buffer.quote(BTC)


def test_trades_outside_the_book_are_counted_and_not_recorded() -> None:
    recorder, sink, buffer = recorder_of(Bybit("ws://x"), "bybit:BTCUSDT")
    recorder.intake.take([OffBook("bybit:BTCUSDT", START_US)] * 2)
    assert recorder.status().off_book == 2
    assert recorder.status().not_understood == 0
    assert (sink.of(Trade), sink.of(Gap), buffer.count("bybit:BTCUSDT")) == ([], [], 0)


def test_a_quote_ends_with_the_side_of_a_book_and_is_no_error() -> None:
    recorder, sink, buffer = recorder_of(BinanceUsdm("ws://x"), BTC)
    quote = Quote(BTC, START_US, 1.0, 1.0, 2.0, 1.0, START_US)
    recorder.intake.take([quote])
    recorder.intake.take([NoQuote(BTC, START_US + 1, START_US + 1)])
    assert buffer.quote(BTC) is None
    assert recorder.status().not_understood == 0
    recorder.intake.take([NoQuote(BTC, START_US + 2, START_US + 2), quote])
    assert buffer.quote(BTC) == quote
    assert sink.of(Quote) == [quote, quote]


@pytest.mark.parametrize(
    ("wrong_us", "words"),
    [
        (-2 * DAY_US, "is 2.0 days behind Binance USD-M's"),
        (-50 * 365 * DAY_US, "is 18250.0 days behind"),
        (70 * 365 * DAY_US, "is 25550.0 days ahead of"),
    ],
)
def test_a_clock_wrong_by_days_at_the_start_costs_no_message_and_is_told(
    wrong_us: int, words: str
) -> None:
    recorder, sink, buffer = recorder_of(BinanceUsdm("ws://x"), BTC)
    for number in range(100):
        time_us = START_US + number * 10_000
        message = (
            f'{{"data":{{"e":"aggTrade","s":"BTCUSDT","a":{number},"p":"1.5","q":"2",'
            f'"T":{time_us // 1_000},"m":true}}}}'
        )
        received_us = time_us + 30_000 + wrong_us
        recorder.intake.take(recorder.intake.understand([message.encode()], received_us))
    trades = [event for event in sink.events if type(event) is Trade]
    assert [(trade.trade_id, trade.time_us) for trade in trades] == [
        (number, START_US + number * 10_000) for number in range(100)
    ]
    assert buffer.count(BTC) == 100
    status = recorder.status()
    assert status.not_understood == 0
    assert words in status.errors[0]


@pytest.mark.parametrize("step_s", [3_600, -3_600])
def test_a_step_of_this_machines_clock_is_not_seen_at_all(
    monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    real, before = time.time_ns, clock.now_us()
    monkeypatch.setattr(time, "time_ns", lambda: real() + step_s * 1_000_000_000)
    monkeypatch.setattr(time, "time", lambda: real() / 1e9 + step_s)
    assert 0 <= clock.now_us() - before < 60 * SECOND_US


def test_time_counts_while_the_machine_sleeps() -> None:
    if not hasattr(time, "CLOCK_BOOTTIME"):
        pytest.skip("this system has no clock that is known to run while it sleeps")
    before, now, after = (
        time.clock_gettime(time.CLOCK_BOOTTIME),
        clock.steady_s(),
        time.clock_gettime(time.CLOCK_BOOTTIME),
    )
    assert before <= now <= after


def test_the_quotes_connection_neither_brings_trades_nor_decides_on_them() -> None:
    recorder, _, buffer = recorder_of(BinanceUsdm("ws://x"), BTC)
    market = Market(skew_us=-HOUR_US)
    recorder.intake.take([market.trade()], "quotes")
    assert recorder.status().trades == 0
    for _ in range(99):
        recorder.intake.take([market.trade()])
    assert buffer.count(BTC) == 0, "held back"
    recorder.intake.take([], "quotes")
    recorder.intake.take([market.trade()])
    assert [trade.trade_id for trade in buffer.tail(BTC, 200)] == list(range(2, 102))


def test_what_a_venue_sends_of_the_past_teaches_nothing_of_its_clock() -> None:
    recorder, _, buffer = recorder_of(Kraken("ws://x"), "kraken:BTC/USD")
    market = Market()

    def send(kind: str, trades: list[Trade]) -> None:
        data = [
            {
                **{"symbol": "BTC/USD", "side": "buy", "price": 1.0, "qty": 1.0},
                **{"trade_id": trade.trade_id, "timestamp": iso(trade.time_us)},
            }
            for trade in trades
        ]
        message = json.dumps({"channel": "trade", "type": kind, "data": data}).encode()
        recorder.intake.take(recorder.intake.understand([message], trades[-1].received_us))

    past = [market.trade() for _ in range(50)]
    market.us += 600 * SECOND_US
    send("snapshot", [*past[:49], past[49]._replace(received_us=market.us)])
    status = recorder.status()
    assert (status.trades, status.errors) == (50, ())
    assert math.isnan(status.delay_ms)
    for _ in range(100):
        send("update", [market.trade()])
    status = recorder.status()
    assert (status.trades, status.not_understood) == (150, 0)
    assert status.delay_ms < 250.0
    assert buffer.count("kraken:BTC/USD") == 150


# Holes where no id tells ----------------------------------------------------------------------


def bybit(number: int, time_us: int) -> Trade:
    return Trade("bybit:BTCUSDT", f"id-{number}", time_us, 1.0, 1.0, 1, time_us)


def around(name: str, start_us: int, end_us: int) -> Gap:
    """Return the gap around two trades: those of one moment may come a second out of order."""
    return Gap(name, -1, -1, start_us - SECOND_US, end_us + SECOND_US, "open")


def holes(sink: MemorySink) -> list[Gap]:
    return [event for event in sink.events if type(event) is Gap]


@pytest.fixture
def text_ids() -> Iterator[tuple[Recorder, MemorySink]]:
    recorder, sink, _ = recorder_of(Bybit("ws://x"), "bybit:BTCUSDT")
    recorder.intake.reopened()
    for number in range(3):
        recorder.intake.take([bybit(number, START_US + number)])
    assert holes(sink) == [], "there is no hole before the first trade"
    yield recorder, sink


def test_the_time_around_a_cut_is_a_hole(text_ids: tuple[Recorder, MemorySink]) -> None:
    recorder, sink = text_ids
    recorder.intake.reopened()
    recorder.intake.take([bybit(7, START_US + 50), bybit(8, START_US + 60)])
    hole = around("bybit:BTCUSDT", START_US + 2, START_US + 50)
    assert holes(sink) == [hole]
    assert recorder.status().gaps == 1
    recorder.intake.take([bybit(9, START_US + 70)])
    assert holes(sink) == [hole]


def test_the_newest_trade_coming_again_closes_the_question(
    text_ids: tuple[Recorder, MemorySink],
) -> None:
    recorder, sink = text_ids
    recorder.intake.reopened()
    recorder.intake.take([bybit(2, START_US + 2), bybit(7, START_US + 50)])
    assert holes(sink) == []


def test_an_older_trade_coming_again_does_not(text_ids: tuple[Recorder, MemorySink]) -> None:
    recorder, sink = text_ids
    recorder.intake.reopened()
    recorder.intake.take([bybit(0, START_US), bybit(7, START_US + 50)])
    assert len(holes(sink)) == 1


def test_a_cut_is_a_hole_also_where_the_trade_before_it_is_dated_later(
    text_ids: tuple[Recorder, MemorySink],
) -> None:
    recorder, sink = text_ids
    recorder.intake.take([bybit(3, START_US + 90)])
    recorder.intake.reopened()
    recorder.intake.take([bybit(7, START_US + 50)])
    assert holes(sink) == [around("bybit:BTCUSDT", START_US + 50, START_US + 90)]


def test_only_the_trade_that_came_last_coming_again_closes_the_question(
    text_ids: tuple[Recorder, MemorySink],
) -> None:
    recorder, sink = text_ids
    recorder.intake.take([bybit(3, START_US + 90), bybit(4, START_US + 80)])
    recorder.intake.reopened()
    recorder.intake.take([bybit(3, START_US + 90), bybit(7, START_US + 95)])
    assert len(holes(sink)) == 1, "what came after the newest by its date may be missing"


BYBIT, OTHER = "bybit:BTCUSDT", "bybit:ETHUSDT"


def bybit_recorder() -> tuple[Recorder, MemorySink]:
    """Return a recorder that knows its exchange's clock, at START_US + 1 s."""
    recorder, sink, _ = recorder_of(Bybit("ws://x"), BYBIT, OTHER)
    step_us = SECOND_US // 100
    for number in range(1, 101):
        recorder.intake.take([bybit(number, START_US + number * step_us)])
    return recorder, sink


def test_a_trade_refused_for_its_date_is_a_hole_where_it_must_have_happened() -> None:
    recorder, sink = bybit_recorder()
    at_us = START_US + SECOND_US
    liar = bybit(200, at_us + DAY_US)._replace(received_us=at_us)
    near = bybit(201, at_us + 2 * SECOND_US)._replace(received_us=at_us)
    recorder.intake.take([liar, near])
    recorder.intake.take([bybit(n, at_us + n) for n in range(300, 420)])
    assert recorder.status().not_understood == 2
    first, second = holes(sink)
    assert first.start_us <= at_us - SECOND_US
    assert at_us + SECOND_US <= first.end_us < at_us + DAY_US // 2, "its date is not believed"
    assert second.end_us >= near.time_us, "but where it is near it may be right"


def test_a_trade_that_cannot_be_read_is_a_hole_and_the_others_of_its_message_are_kept() -> None:
    recorder, sink = bybit_recorder()
    at_us = START_US + SECOND_US
    items = [
        {"T": at_us // 1_000 + n, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "2", "i": f"new-{n}"}
        for n in range(500)
    ]
    items[250]["p"] = "none"
    message = json.dumps({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "data": items})
    received_us = at_us + 500_000
    before = recorder.status().trades
    recorder.intake.take(recorder.intake.understand([message.encode()], received_us))
    assert recorder.status().trades - before == 499
    assert recorder.status().not_understood == 1
    (hole,) = holes(sink)
    assert hole.instrument == BYBIT
    assert hole.start_us <= at_us - SECOND_US
    assert at_us + 500_000 <= hole.end_us < at_us + 10 * SECOND_US


def test_a_message_that_is_no_json_may_have_held_a_trade_of_any_instrument() -> None:
    recorder, sink = bybit_recorder()
    for number in range(1_000):
        received_us = START_US + SECOND_US + 1_000 * number
        recorder.intake.take(recorder.intake.understand([b"{"], received_us))
    assert {hole.instrument for hole in holes(sink)} == {BYBIT, OTHER}
    assert len(holes(sink)) < 8, "one gap is enough for trades that one gap covers"


def test_a_message_of_an_unknown_kind_held_no_trade() -> None:
    recorder, sink = bybit_recorder()
    recorder.intake.take(recorder.intake.understand([b'{"topic":"tickers.X"}'], START_US))
    assert recorder.status().not_understood == 1
    assert holes(sink) == []


def test_an_instrument_dropped_and_taken_up_again_has_a_hole(
    text_ids: tuple[Recorder, MemorySink],
) -> None:
    recorder, sink = text_ids
    recorder.watch(frozenset())
    recorder.intake.take([bybit(3, START_US + 3)])
    recorder.watch(frozenset({"bybit:BTCUSDT"}))
    recorder.intake.take([bybit(7, START_US + 50)])
    assert holes(sink) == [around("bybit:BTCUSDT", START_US + 2, START_US + 50)]


def test_the_time_since_the_last_recorded_trade_is_a_hole() -> None:
    last = bybit(1, START_US)
    recorder, sink, _ = recorder_of(Bybit("ws://x"), "bybit:BTCUSDT", recorded=lambda name: last)
    recorder.intake.reopened()
    recorder.intake.take([bybit(9, START_US + DAY_US)])
    assert holes(sink) == [around("bybit:BTCUSDT", START_US, START_US + DAY_US)]


def test_where_ids_count_up_only_a_jump_is_a_hole() -> None:
    recorder, sink, _ = recorder_of(BinanceUsdm("ws://x"), BTC)
    trades = [Trade(BTC, n, START_US + n, 1.0, 1.0, 1, START_US + n) for n in range(10)]
    recorder.intake.take(trades[:3])
    recorder.intake.reopened()
    recorder.intake.take(trades[3:5])
    assert holes(sink) == []
    recorder.watch(frozenset())
    recorder.watch(frozenset({BTC}))
    recorder.intake.take(trades[7:])
    assert holes(sink) == [Gap(BTC, 5, 6, START_US + 4, START_US + 7, "open")]


def counted(number: int, time_us: int) -> Trade:
    return Trade(BTC, number, time_us, 1.0, 1.0, 1, time_us)


def test_a_count_that_begins_anew_after_a_cut_leaves_a_hole_of_time() -> None:
    recorder, sink, _ = recorder_of(BinanceUsdm("ws://x"), BTC)
    recorder.intake.take([counted(100, START_US)])
    recorder.intake.reopened()
    recorder.intake.take([counted(5, START_US + 50), counted(6, START_US + 60)])
    assert holes(sink) == [around(BTC, START_US, START_US + 50)]
    recorder.intake.take([counted(9, START_US + 70)])
    assert holes(sink)[1:] == [Gap(BTC, 7, 8, START_US + 60, START_US + 70, "open")]


def test_a_count_that_begins_anew_after_a_pause_leaves_a_hole_without_a_cut() -> None:
    recorder, sink, _ = recorder_of(BinanceUsdm("ws://x"), BTC)
    later_us = START_US + 2 * SECOND_US
    recorder.intake.take([counted(100, START_US), counted(1, later_us)])
    assert holes(sink) == [around(BTC, START_US, later_us)]


@pytest.mark.parametrize("last_id", [100, f"7@{START_US}"])
def test_a_count_that_began_anew_while_nothing_ran_leaves_a_hole(last_id: int | str) -> None:
    last = counted(0, START_US)._replace(trade_id=last_id)
    recorder, sink, _ = recorder_of(BinanceUsdm("ws://x"), BTC, recorded=lambda name: last)
    recorder.intake.reopened()
    recorder.intake.take([counted(5, START_US + DAY_US)])
    assert holes(sink) == [around(BTC, START_US, START_US + DAY_US)]


def test_a_renumbered_trade_is_gone_on_from_by_its_number() -> None:
    last = counted(0, START_US)._replace(trade_id=f"7@{START_US}")
    recorder, sink, _ = recorder_of(BinanceUsdm("ws://x"), BTC, recorded=lambda name: last)
    recorder.intake.reopened()
    recorder.intake.take(
        [counted(7, START_US), counted(8, START_US + 5), counted(10, START_US + 9)]
    )
    assert holes(sink) == [Gap(BTC, 9, 9, START_US + 5, START_US + 9, "open")]


def test_late_trades_close_the_jump_they_were_missing_from(tmp_path: Path) -> None:
    trades = [counted(number, START_US + number) for number in range(10)]
    with closing(Store.open(tmp_path / "t.sqlite", batch_ms=1)) as store:
        recorder = Recorder(BinanceUsdm("ws://x"), store, HotBuffer(100), Settings())
        recorder.watch(frozenset({BTC}))
        recorder.intake.take([trades[0], trades[3], trades[6]])
        assert store.flush(10.0)
        assert len(store.gaps(states=("open",))) == 2
        for late in (trades[2], trades[2], trades[5], trades[1]):
            recorder.intake.take([late])
        assert store.flush(10.0)
        held = Gap(BTC, 1, 2, START_US, START_US + 3, "filled")
        left = Gap(BTC, 4, 5, START_US + 3, START_US + 6, "open")
        assert store.gaps() == [held, left]
        recorder.intake.take([trades[4], trades[7]])
        assert store.flush(10.0)
        assert [gap.state for gap in store.gaps()] == ["filled", "filled"]
        assert recorder.status().gaps == 2
        assert len(store.trades(BTC, START_US, START_US + 100)) == 8

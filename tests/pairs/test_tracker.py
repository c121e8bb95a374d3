"""The desk: trades in arrival order become the same bars and signals, live, replayed, restarted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import StoreError
from tandem.core.events import BAR, CANDLE, Funding, Trade
from tandem.pairs import tracker
from tandem.pairs.stream import COLUMNS, PairSettings
from tandem.pairs.tracker import PairTracker
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars
from tests.support.waiting import wait_until

PAIR = PairSettings(
    "sim:ETHUSDT", "sim:BTCUSDT", bar_us=SECOND_US, model="ols", lookback=20, z_window=10
)
START_US = 1_780_000_000 * SECOND_US
GRACE_US = 500_000


@dataclass
class Record:
    """A record in memory."""

    trades: list[Trade] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)
    saved: list = field(default_factory=list)
    announced: list[Funding] = field(default_factory=list)
    minutes: dict[str, np.ndarray] = field(default_factory=dict)

    def bars(self, instrument, start_us, end_us):
        own = [trade for trade in self.trades if trade.instrument == instrument]
        bars = aggregate(trade_array(own), SECOND_US) if own else np.empty(0, BAR)
        return bars[(bars["time_us"] >= start_us) & (bars["time_us"] < end_us)]

    def candles(self, instrument, start_us, end_us):
        own = self.minutes.get(instrument, np.empty(0, BAR))
        return own[(own["time_us"] >= start_us) & (own["time_us"] < end_us)]

    def fundings(self, instrument, start_us, end_us):
        own = [one for one in self.announced if one.instrument == instrument]
        return [one for one in own if start_us <= one.time_us < end_us]

    def save_state(self, key, blob):
        self.states[key] = blob

    def load_state(self, key):
        return self.states.get(key)

    def save_signals(self, pair, rows):
        self.saved += rows


def market(seconds: int, seed: int = 0, start_us: int = START_US, rate: float = 3.0) -> list[Trade]:
    """Return trades of two cointegrated legs in arrival order, some of them late."""
    random = np.random.default_rng(seed)
    x, spread, trades = 60_000.0, 0.0, []
    for second in range(seconds):
        x += random.normal(0.0, 5.0)
        spread = 0.9 * spread + random.normal(0.0, 1.0)
        for name, price in (("sim:BTCUSDT", x), ("sim:ETHUSDT", 0.05 * x + spread)):
            for _ in range(random.poisson(rate)):
                time_us = start_us + second * SECOND_US + int(random.integers(0, SECOND_US))
                delay = (
                    1_500_000 if random.random() < 0.01 else int(random.integers(20_000, 90_000))
                )
                trades.append(Trade(name, 0, time_us, price, 1.0, 1, time_us + delay))
    trades.sort(key=lambda trade: trade.received_us)
    return [trade._replace(trade_id=number) for number, trade in enumerate(trades)]


def desk(
    record: Record,
    buffer: HotBuffer,
    keep: int = 2_000,
    grace_us: int = GRACE_US,
    stale_us: Callable[[str], int] = lambda name: 30 * SECOND_US,
    arriving: Callable[[str], bool] = lambda name: False,
) -> PairTracker:
    bars = LiveBars(buffer, lambda name: grace_us)
    return PairTracker(buffer, bars, record, stale_us, keep, arriving)


def at(now_us: int) -> Callable[[str], int]:
    """Return a clock that stands still."""
    return lambda venue: now_us


def play(running: PairTracker, buffer: HotBuffer, trades: list[Trade], steps: list[int]) -> None:
    """Hand trades over in batches, stepping the desk after each at the arrival of its last."""
    edges = [0, *sorted({min(step, len(trades)) for step in steps}), len(trades)]
    for start, stop in zip(edges, edges[1:], strict=False):
        batch = trades[start:stop]
        if batch:
            buffer.append(batch)
            running.step(at(batch[-1].received_us))


def run(
    trades: list[Trade], steps: list[int], record: Record | None = None, settle: bool = True
) -> tuple[PairTracker, Record]:
    record = record or Record()
    buffer = HotBuffer(100_000)
    running = desk(record, buffer)
    running.want([PAIR], [PAIR])
    play(running, buffer, trades, steps)
    if settle:
        running.step(at(trades[-1].received_us + 5 * SECOND_US))
    return running, record


def same_bars(one: PairTracker, other: PairTracker, last: int = 0) -> None:
    views = one.view(PAIR), other.view(PAIR)
    assert views[0] is not None and views[1] is not None
    for name in COLUMNS:
        a, b = views[0].columns[name][-last:], views[1].columns[name][-last:]
        np.testing.assert_array_equal(a, b, err_msg=name)


TRADES = market(120)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, len(TRADES)), min_size=1, max_size=30))
def test_any_chunking_of_the_arrivals_gives_the_same_signals(steps) -> None:
    one, _ = run(TRADES, [1])
    other, _ = run(TRADES, [1, *steps])
    same_bars(one, other)


def test_replay_in_arrival_order_gives_the_signals_that_were_saved_live() -> None:
    trades = market(400, 3)
    _, live = run(trades, list(range(0, len(trades), 7)))
    _, replayed = run(trades, [*range(0, 60, 7), *range(60, len(trades), 501)])
    assert live.saved
    assert live.saved == replayed.saved


def test_the_history_comes_from_the_record_and_goes_on_live() -> None:
    trades = market(300, 4)
    cut = next(
        n for n, trade in enumerate(trades) if trade.received_us > START_US + 150 * SECOND_US
    )
    whole, _ = run(trades, [1])
    later, _ = run(trades[cut:], [1], Record(trades=list(trades[:cut])))
    view = later.view(PAIR)
    assert view is not None
    # Late trades amend the database, so the two differ at a few bars and agree on most.
    both = whole.view(PAIR)
    assert both is not None
    assert abs(len(view.columns["y"]) - len(both.columns["y"])) <= 1
    count = min(len(view.columns["y"]), len(both.columns["y"]))
    equal = view.columns["y"][-count:] == both.columns["y"][-count:]
    assert equal.mean() > 0.95


def test_a_restart_goes_on_from_the_saved_state() -> None:
    trades = [trade for trade in market(300, 5) if trade.received_us - trade.time_us < SECOND_US]
    cut = next(n for n, trade in enumerate(trades) if trade.time_us >= START_US + 150 * SECOND_US)
    whole, _ = run(trades, [1])
    first, record = run(trades[:cut], [1], settle=False)
    first.save()
    assert record.states
    second, _ = run(trades[cut:], [1], Record(trades=list(trades[:cut]), states=record.states))
    view, restarted = whole.view(PAIR), second.view(PAIR)
    assert view is not None and restarted is not None
    start = np.searchsorted(restarted.columns["time_us"], START_US + 160 * SECOND_US)
    for name in ("y", "beta", "z"):
        np.testing.assert_allclose(
            restarted.columns[name][start:],
            view.columns[name][-(len(restarted.columns[name]) - start) :],
            rtol=1e-9,
            err_msg=name,
        )


def test_states_are_packed_beside_the_desk_at_times_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker, "STATE_EVERY_US", 20 * SECOND_US)
    saved: list[tuple[str, str]] = []
    record, buffer = Record(), HotBuffer(100_000)
    record.save_state = lambda key, blob: saved.append((key, threading.current_thread().name))
    running = desk(record, buffer)
    pinned = [replace(PAIR, lookback=lookback) for lookback in (50, 60, 70)]
    running.want((), pinned)
    trades = market(60, 5)
    play(running, buffer, trades[:20], [])
    play(running, buffer, trades[20:], list(range(0, len(trades), 5)))
    due = sorted(live.saved_us // SECOND_US % 20 for live in running._pairs.values())
    assert len(set(due)) == 3
    running.save()
    assert len(saved) >= 9 and {key for key, _ in saved} == {pair.key for pair in pinned}
    assert all(thread.startswith("saving") for _, thread in saved)


def test_a_state_that_cannot_be_saved_stops_a_step_of_the_desk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracker, "STATE_EVERY_US", 1)
    record, buffer = Record(), HotBuffer(100_000)

    def refuse(key: str, blob: bytes) -> None:
        raise StoreError("The disk is full.")

    record.save_state = refuse
    running = desk(record, buffer)
    running.want((), [PAIR])
    buffer.append(TRADES[:100])
    moments = count(TRADES[100].received_us, 10)

    def is_told() -> bool:
        try:
            running.step(at(next(moments)))
        except StoreError:
            return True
        return False

    wait_until(is_told)


def test_a_state_of_another_version_is_left_and_the_pair_starts_afresh() -> None:
    for blob in (b"not a state", b""):
        running, _ = run(TRADES, [1], Record(states={PAIR.key: blob}))
        view = running.view(PAIR)
        assert view is not None
        assert len(view.columns["y"]) > 100


def test_a_silent_leg_leaves_bars_masked() -> None:
    trades = [
        t
        for t in market(120, 6)
        if t.instrument == "sim:BTCUSDT" or t.time_us < START_US + 40 * SECOND_US
    ]
    running, _ = run(trades, [1])
    view = running.view(PAIR)
    assert view is not None
    usable = view.columns["usable"]
    assert usable[:60].all()
    assert not usable[75:].any()


@pytest.mark.parametrize("silent", ["sim:BTCUSDT", "sim:ETHUSDT"])
def test_a_leg_is_stale_by_its_own_limit(silent: str) -> None:
    """A price that is asked for every minute says something for longer than a stream's."""
    slow = {"sim:BTCUSDT": 60 * SECOND_US}
    trades = [
        t for t in market(120, 6) if t.instrument != silent or t.time_us < START_US + 40 * SECOND_US
    ]
    buffer = HotBuffer(100_000)
    running = desk(Record(), buffer, stale_us=lambda name: slow.get(name, 20 * SECOND_US))
    running.want([PAIR])
    play(running, buffer, trades, list(range(0, len(trades), 7)))
    view = running.view(PAIR)
    assert view is not None
    seconds = (view.columns["time_us"] - START_US) // SECOND_US
    last = seconds[view.columns["usable"]].max()
    assert last == pytest.approx(99 if silent in slow else 59, abs=1.5)


def test_prices_that_come_a_minute_late_make_bars_that_are_used() -> None:
    """Prices polled every minute, each computed up to two minutes before it arrives."""
    random = np.random.default_rng(8)
    pair = replace(PAIR, bar_us=300 * SECOND_US, y="coingecko:ETHEREUM", x="coingecko:BITCOIN")
    minutes, trades = 400, []
    for name, level in ((pair.y, 3_000.0), (pair.x, 60_000.0)):
        for minute in range(minutes):
            time_us = START_US + minute * MINUTE_US
            late_us = int(random.integers(5, 115)) * SECOND_US
            price = level * (1.0 + 0.01 * random.normal())
            trades.append(Trade(name, minute, time_us, price, 0.0, 0, time_us + late_us))
    # An answer never brings a price older than the one before.
    trades.sort(key=lambda trade: (trade.received_us, trade.time_us))
    buffer = HotBuffer(100_000)
    running = desk(
        Record(), buffer, grace_us=120 * SECOND_US, stale_us=lambda name: 180 * SECOND_US
    )
    running.want([pair])
    play(running, buffer, trades, list(range(len(trades))))
    view = running.view(pair)
    assert view is not None
    assert len(view.columns["usable"]) >= minutes // 5 - 3
    assert view.columns["usable"].all()
    own = [trade for trade in trades if trade.instrument == pair.x]
    for end_us, shown in zip(view.columns["time_us"] + pair.bar_us, view.columns["x"], strict=True):
        before = [trade for trade in own if trade.time_us < end_us]
        assert shown == max(before, key=lambda trade: trade.time_us).price


def test_pairs_nobody_wants_are_dropped_and_others_go_on() -> None:
    other = replace(PAIR, lookback=30)
    buffer = HotBuffer(100_000)
    running = desk(Record(), buffer)
    running.want([PAIR, other])
    play(running, buffer, TRADES, [100, 200])
    assert running.view(other) is not None
    running.want([PAIR])
    running.step(at(TRADES[-1].received_us))
    assert running.view(other) is None
    assert running.view(PAIR) is not None


def test_an_instrument_that_never_traded_keeps_its_pair_waiting() -> None:
    buffer = HotBuffer(1_000)
    running = desk(Record(), buffer)
    running.want([PAIR])
    buffer.append([trade for trade in TRADES if trade.instrument == "sim:BTCUSDT"])
    running.step(at(TRADES[-1].received_us))
    assert running.view(PAIR) is None
    assert running.provisional(PAIR, 1.0, 1.0) is None


def test_seconds_join_record_and_memory_without_a_seam() -> None:
    trades = [trade for trade in market(100, 8) if trade.received_us - trade.time_us < SECOND_US]
    cut = next(n for n, trade in enumerate(trades) if trade.time_us >= START_US + 50 * SECOND_US)
    running, _ = run(trades[cut:], [1], Record(trades=trades[:cut]))
    own = [trade for trade in trades if trade.instrument == PAIR.y]
    expected = aggregate(trade_array(own), SECOND_US)
    got = running.seconds(PAIR.y, START_US, START_US + 98 * SECOND_US)
    np.testing.assert_array_equal(
        got["time_us"], expected["time_us"][expected["time_us"] < START_US + 98 * SECOND_US]
    )


def test_seconds_that_left_memory_come_from_the_record() -> None:
    trades = market(100, 8)
    buffer, record = HotBuffer(100_000), Record(trades=trades)
    bars = LiveBars(buffer, lambda name: GRACE_US, 20)
    running = PairTracker(buffer, bars, record, lambda name: 30 * SECOND_US, 2_000)
    play(running, buffer, trades, list(range(0, len(trades), 50)))
    span = (START_US, START_US + 98 * SECOND_US)
    asked: list[int] = []
    record.bars, recorded = lambda *given: asked.append(given[2]) or recorded(*given), record.bars
    got = running.seconds(PAIR.y, *span)
    np.testing.assert_array_equal(got["time_us"], recorded(PAIR.y, *span)["time_us"])
    assert START_US + 70 * SECOND_US < asked[0] < span[1], "memory holds the last of them only"


def test_funding_is_charged_once_at_its_time_at_the_rate_last_announced() -> None:
    trades = market(400, 3)
    free = run(trades, [1])[0].trades(PAIR)
    assert not any(trade.funding for trade in free)
    held = next(trade for trade in free if trade.exit_us - trade.entry_us > 3 * SECOND_US)
    due_us = held.entry_us + 2 * SECOND_US
    buffer = HotBuffer(100_000)
    running = desk(Record(), buffer)
    running.want([PAIR])
    for rate in (9.0, 0.01):
        buffer.put_funding(Funding(PAIR.y, START_US, rate, due_us, 3_000.0, START_US))
        play(running, buffer, trades[:1] if rate > 1 else trades[1:], list(range(0, 5_000, 50)))
    charged = [trade for trade in running.trades(PAIR) if trade.funding]
    assert [trade.entry_us for trade in charged] == [held.entry_us]
    assert charged[0].funding == pytest.approx(held.side * 0.01 * 10_000.0, rel=0.01)


def test_recorded_funding_is_charged_when_a_pair_is_opened_on_its_history() -> None:
    trades = market(400, 3)
    free = run(trades, [1])[0].trades(PAIR)
    held = next(trade for trade in free if trade.exit_us - trade.entry_us > 3 * SECOND_US)
    due_us = held.entry_us + 2 * SECOND_US
    record = Record(trades=list(trades[:-10]))
    record.announced.append(Funding(PAIR.y, START_US, 0.01, due_us, 3_000.0, START_US))
    opened, _ = run(trades[-10:], [1], record)
    assert [trade.entry_us for trade in opened.trades(PAIR) if trade.funding]


def cut_at(trades: list[Trade], second: int) -> int:
    return next(
        n for n, trade in enumerate(trades) if trade.time_us >= START_US + second * SECOND_US
    )


def test_a_pair_that_warms_up_is_opened_anew_on_history_that_arrives() -> None:
    trades = market(300, 4)
    cut = cut_at(trades, 290)
    record, buffer = Record(), HotBuffer(100_000)
    running = desk(record, buffer)
    running.want([PAIR])
    play(running, buffer, trades[cut:], [5])
    view = running.view(PAIR)
    assert view is not None and view.progress.seen < view.progress.needed
    record.trades = trades[:cut]
    running.amended(PAIR.y, START_US, START_US + 290 * SECOND_US)
    running.step(at(trades[-1].received_us))
    view = running.view(PAIR)
    assert view is not None and view.progress.seen == view.progress.needed


def test_history_that_arrives_late_rewrites_nothing_that_was_shown(monkeypatch) -> None:
    monkeypatch.setattr("tandem.pairs.tracker.SETTLE_S", 0.0)
    trades = market(300, 4)
    hole = cut_at(trades, 100), cut_at(trades, 140)
    kept = [*trades[: hole[0]], *trades[hole[1] :]]
    plain, _ = run(kept, [1])
    record, buffer = Record(), HotBuffer(100_000)
    running = desk(record, buffer)
    running.want([PAIR])
    play(running, buffer, kept, [1])
    record.trades = trades
    span = START_US + 100 * SECOND_US, START_US + 140 * SECOND_US
    running.amended(PAIR.y, *span)
    running.step(at(trades[-1].received_us + 5 * SECOND_US))
    same_bars(plain, running)
    # But whoever asks for the bars now sees them whole.
    assert len(running.seconds(PAIR.y, *span)) > 30
    assert not len(plain.seconds(PAIR.y, span[0] + 2 * SECOND_US, span[1]))


def test_a_pair_that_has_signalled_is_never_opened_anew() -> None:
    trades = market(400, 3)
    running, record = run(trades, list(range(0, len(trades), 7)))
    assert record.saved
    view = running.view(PAIR)
    record.trades = trades
    running.amended(PAIR.y, START_US, START_US + SECOND_US)
    assert running.view(PAIR) is view
    quiet, other = run(market(38, 3), list(range(0, 300, 5)))
    view = quiet.view(PAIR)
    assert view is not None and view.progress.seen == view.progress.needed
    assert not other.saved
    quiet.amended(PAIR.y, START_US, START_US + SECOND_US)
    assert quiet.view(PAIR) is None


def test_a_pair_waits_for_its_history_but_not_for_ever(monkeypatch) -> None:
    arriving = {PAIR.x}
    buffer = HotBuffer(100_000)
    running = desk(Record(), buffer, arriving=arriving.__contains__)
    running.want([PAIR])
    play(running, buffer, TRADES, [50, 100])
    assert running.view(PAIR) is None
    arriving.clear()
    running.step(at(TRADES[-1].received_us))
    assert running.view(PAIR) is not None
    other = replace(PAIR, lookback=30)
    running.want([other])
    arriving.add(PAIR.x)
    monkeypatch.setattr("tandem.pairs.tracker.WAIT_S", 0.0)
    running.step(at(TRADES[-1].received_us))
    assert running.view(other) is not None


def test_candles_warm_up_bars_of_whole_minutes_and_no_shorter_ones() -> None:
    trades = market(90, 9, START_US + 3_600 * SECOND_US)
    starts = START_US // MINUTE_US * MINUTE_US + np.arange(60) * MINUTE_US
    candles = np.zeros(60, BAR)
    candles["time_us"], candles["last_us"] = starts, starts + MINUTE_US - 1
    candles["trades"] = CANDLE
    record = Record()
    for name, price in ((PAIR.y, 3_000.0), (PAIR.x, 60_000.0)):
        rows = candles.copy()
        rows["open"] = rows["close"] = price + np.arange(60)
        record.minutes[name] = rows
    for bar_us, expected in ((MINUTE_US, 60), (5 * SECOND_US, 0)):
        pair = replace(PAIR, bar_us=bar_us)
        buffer = HotBuffer(100_000)
        running = desk(record, buffer)
        running.want([pair])
        play(running, buffer, trades, [5])
        view = running.view(pair)
        assert view is not None
        assert view.columns["candles"].sum() == expected
        assert view.columns["usable"][view.columns["candles"]].all()


def test_what_is_forgotten_begins_anew() -> None:
    trades = market(300, 4)
    buffer = HotBuffer(100_000)
    running = desk(Record(), buffer)
    running.want([PAIR])
    play(running, buffer, trades[:200], [50])
    assert len(running.seconds(PAIR.y, START_US, START_US + 300 * SECOND_US))
    running.want([])
    running.forget(PAIR.y)
    assert not len(running.seconds(PAIR.y, START_US, START_US + 300 * SECOND_US))

"""The watch over everything recorded: what it reads, what it tells, what it survives."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tandem.alerts.rules import Reading, Rule
from tandem.config import Settings
from tandem.core.bars import BarBuilder, Bars, Trades, aggregate, trade_array
from tandem.core.clock import DAY_US, SECOND_US, now_us
from tandem.core.errors import StoreError
from tandem.core.events import Gap, Trade
from tandem.ingest.status import FeedStatus
from tandem.net.factory import venue_clients
from tandem.pairs.snapshot import PairNow
from tandem.pairs.stream import PairSettings
from tandem.pairs.tracker import PairTracker
from tandem.storage import live_bars as live_bars_module
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars, SecondBars
from tandem.storage.null import NullStore
from tandem.storage.store import Store
from tandem.surveillance import monitor as monitor_module
from tandem.surveillance.detectors import Closed
from tandem.surveillance.monitor import Monitor
from tandem.surveillance.settings import WatchSettings
from tandem.surveillance.state_readings import MonitorInputs
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.pairs_now import pair_now
from tests.support.waiting import wait_until

NAME, OTHER = "sim:ETHUSDT", "sim:BTCUSDT"
MADE_US = 1_700_000_000 * SECOND_US
Made = Callable[..., Monitor]


def trades_until(end_us: int, seconds: int, name: str = NAME, rate: float = 4.0) -> list[Trade]:
    """Return the same trades at whatever time, but for their dates, which are whole seconds off."""
    past = SimulatedMarket(5, rate).history(name, MADE_US - seconds * SECOND_US, MADE_US)
    later_us = (end_us - MADE_US) // SECOND_US * SECOND_US
    return [
        one._replace(time_us=one.time_us + later_us, received_us=one.received_us + later_us)
        for one in past
    ]


def bars_of(buffer: HotBuffer) -> LiveBars:
    return LiveBars(buffer, lambda instrument: 100_000)


class Around:
    """What stands around a watch, set by hand."""

    def __init__(self) -> None:
        self.offset_us = 0
        self.feeds: list[FeedStatus] = []
        self.is_choosing = False
        self.pairs: list[PairNow] = []
        self.own = {NAME, OTHER}
        self.asks = MonitorInputs(
            is_ready=lambda: True,
            clock=lambda venue: now_us() + self.offset_us,
            feeds=lambda: self.feeds,
            choosing=lambda: self.is_choosing,
            pairs=lambda: self.pairs,
            own=lambda: self.own,
            clients=venue_clients(Settings()),
        )


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def made(around: Around) -> Iterator[Made]:
    running: list[Monitor] = []

    def make(record: Any, buffer: HotBuffer, *rules: Rule) -> Monitor:
        settings = Settings(alerts_file=Path("never.csv"))
        one = Monitor(settings, record, buffer, bars_of(buffer), around.asks)
        for rule in one.alerts.rules.all():
            one.alerts.rules.remove(rule.name)
        for rule in rules:
            one.alerts.rules.put(rule)
        running.append(one)
        one.start()
        return one

    yield make
    for one in running:
        one.stop()


def nothing() -> NullStore:
    return NullStore("Nothing is recorded.")


def told(watch: Monitor, rule: str) -> Any:
    """Return the first alert of a rule, once there is one."""
    found = wait_until(lambda: watch.alerts.history.recent(rule=rule), f"an alert of {rule}")
    return found[-1].alert


def test_a_jump_is_told_with_the_numbers_it_follows_from(made: Made) -> None:
    buffer = HotBuffer(50_000)
    watch = made(nothing(), buffer, Rule("Jump", "trade_return_z", "beyond", 40.0))
    past = trades_until(now_us(), 300)
    buffer.append(past)
    wait_until(lambda: len(watch.wall()) == 1, "the instrument")
    last = past[-1]
    now = now_us()
    jump = last._replace(trade_id=10**12, time_us=now, received_us=now, price=last.price * 1.05)
    buffer.append([jump])
    alert = told(watch, "Jump")
    assert (alert.scope, alert.time_us, alert.numbers["price"]) == (NAME, now, jump.price)
    numbers = alert.numbers
    assert (numbers["return"] - numbers["mean"]) / numbers["deviation"] == alert.value
    assert numbers["return"] == pytest.approx(math.log(1.05))


def test_a_past_that_comes_in_late_alarms_nobody(made: Made) -> None:
    buffer = HotBuffer(50_000)
    watch = made(nothing(), buffer, Rule("Any", "trade_return_z", "beyond", 0.5))
    buffer.append(trades_until(now_us() - 3_600 * SECOND_US, 300))
    wait_until(
        lambda: watch.wall() and len(watch.surveillance.trade_scores(NAME)) > 300, "the trades"
    )
    assert not watch.alerts.history.recent()


@pytest.mark.parametrize("days", [-3, 3])
def test_a_machine_whose_clock_is_wrong_is_told_all_the_same(
    made: Made, around: Around, days: int
) -> None:
    """Arrivals carry this machine's clock, trades the exchange's."""
    around.offset_us = days * DAY_US
    buffer = HotBuffer(50_000)
    watch = made(nothing(), buffer, Rule("Jump", "trade_return_z", "beyond", 40.0))

    def arrived(trade: Trade) -> Trade:
        return trade._replace(received_us=trade.time_us + around.offset_us + 50_000)

    past = [arrived(trade) for trade in trades_until(now_us(), 300)]
    buffer.append(past)
    wait_until(lambda: len(watch.wall()) == 1, "the instrument")
    last = past[-1]
    buffer.append([arrived(last._replace(time_us=now_us(), price=last.price * 1.05))])
    assert told(watch, "Jump").scope == NAME


def test_the_recorded_past_fills_the_windows_and_trains_the_model(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = now_us()
    past = trades_until(now, 1_500)
    with closing(Store.open(tmp_path / "t.sqlite")) as store:
        store.submit(past)
        assert store.flush(10)
        buffer = HotBuffer(50_000)
        watch = made(store, buffer)
        late = past[-1]._replace(trade_id=10**12, time_us=now_us(), received_us=now_us())
        buffer.append([late])
        forest = wait_until(
            lambda: watch.wall() and watch.surveillance.model(NAME), "a trained model"
        )
        scores = watch.surveillance.scores(NAME)
        plain = aggregate(trade_array(past), SECOND_US)
        # The second of the live trade is its own.
        plain = plain[plain["time_us"] < late.time_us // SECOND_US * SECOND_US]
        own = scores[scores["time_us"] < late.time_us // SECOND_US * SECOND_US]
        assert len(own) > 1_000
        np.testing.assert_array_equal(own["time_us"], plain["time_us"][-len(own) :])
        np.testing.assert_array_equal(own["price"], plain["close"][-len(own) :])
        assert forest.bars > 600
        kept = wait_until(lambda: store.load_state(f"forest/{NAME}"), "the model to be kept")
        watch.stop()
    # With nothing to learn from, the kept model is the one.
    with closing(Store.open(tmp_path / "empty.sqlite")) as store:
        store.save_state(f"forest/{NAME}", kept)
        buffer = HotBuffer(10)
        again = made(store, buffer)
        buffer.append([late])
        model = wait_until(lambda: again.wall() and again.surveillance.model(NAME), "the model")
        assert model.version == forest.version
        again.stop()

        # One that was trained for another share of flagged bars is not used.
        store.save_state(
            "watch-settings", json.dumps(asdict(WatchSettings(contamination=0.05))).encode()
        )
        buffer = HotBuffer(10)
        other = made(store, buffer)
        buffer.append([late])
        wait_until(lambda: other.wall() and len(other.surveillance.trade_scores(NAME)), "a trade")
        assert other.surveillance.model(NAME) is None
        other.stop()

        # Somebody else's bytes are never run: the watch waits for bars to learn from.
        store.save_state(f"forest/{NAME}", kept[: len(kept) // 2])
        buffer = HotBuffer(10)
        third = made(store, buffer)
        buffer.append([late])
        wait_until(lambda: third.wall() and len(third.surveillance.trade_scores(NAME)), "a trade")
        assert third.surveillance.model(NAME) is None
        assert "could not be used: Not a Tandem model" in caplog.text


def test_a_return_over_a_hole_in_the_record_is_none(made: Made, tmp_path: Path) -> None:
    """A return over an hour is no return of a second."""
    now = now_us()
    with closing(Store.open(tmp_path / "t.sqlite")) as store:
        old = trades_until(now - 3_600 * SECOND_US, 900)
        fresh = [
            one._replace(trade_id=10**12 + at, price=one.price * 1.5)
            for at, one in enumerate(trades_until(now, 120))
        ]
        store.submit([*old, *fresh])
        assert store.flush(10)
        buffer = HotBuffer(50_000)
        watch = made(store, buffer)
        buffer.append([fresh[-1]._replace(time_us=now_us(), received_us=now_us())])
        wait_until(watch.wall, "the instrument")
        scores = watch.surveillance.scores(NAME)
        assert len(scores) > 800, "what came before is learned from"
        assert np.nanmax(np.abs(scores["return_"])) < 0.1


def test_a_record_that_cannot_be_read_is_said_and_the_watch_goes_on(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = nothing()

    def broken(*_: Any) -> Any:
        raise StoreError("The disk is gone.")

    monkeypatch.setattr(record, "bars", broken)
    monkeypatch.setattr(record, "gaps", broken)
    buffer = HotBuffer(50_000)
    watch = made(record, buffer, Rule("Any", "trade_return_z", "beyond", 0.5))
    buffer.append(trades_until(now_us(), 300))
    assert told(watch, "Any").scope == NAME
    (said,) = watch.problems
    assert said == (
        f"The history of {NAME} cannot be read: The disk is gone. It is monitored from now on."
    )


def status(state: Any) -> FeedStatus:
    return FeedStatus("sim", "Simulation", state, "", now_us())


def test_a_feed_that_is_down_is_told_once(
    made: Made, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "STATES_S", 0.01)
    around.feeds = [status("live")]
    rule = Rule("Down", "feed_down", "above", 0.05, 0.01, cooldown_s=0.0)
    watch = made(nothing(), HotBuffer(10), rule)
    around.feeds = [status("reconnecting")]
    assert told(watch, "Down").scope == "sim"
    around.feeds = [status("live")]
    wait_until(lambda: not watch._states._down_since, "the feed to be back")
    around.feeds = [status("silent")]
    wait_until(lambda: len(watch.alerts.history.recent(rule="Down")) == 2, "the second time")


def test_no_venue_at_all_counts_as_down(
    made: Made, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "STATES_S", 0.01)
    around.is_choosing = True
    watch = made(nothing(), HotBuffer(10), Rule("Down", "feed_down", "above", 0.05, 0.01))
    assert told(watch, "Down").scope == "auto"


def test_an_old_gap_and_a_full_disk_are_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    record = nothing()
    now = now_us()
    gaps = [Gap(NAME, 5, 9, now - 900 * SECOND_US, now - 700 * SECOND_US, "open")]
    monkeypatch.setattr(record, "gaps", lambda *_: gaps)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5e8))
    watch = made(
        record,
        HotBuffer(10),
        Rule("Gap", "gap_open", "above", 600.0, 0.0),
        Rule("Disk", "disk_free", "below", 1.0, 2.0),
    )
    assert told(watch, "Gap").value == pytest.approx(700.0, abs=60.0)
    assert told(watch, "Disk").value == 0.5


def test_what_a_visitor_opens_raises_nothing(
    made: Made, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "STATES_S", 0.01)
    monkeypatch.setattr(monitor_module, "GAPS_S", 0.01)
    around.own = {NAME}
    around.feeds = [status("silent"), replace(status("silent"), venue="kraken")]
    record, now = nothing(), now_us()
    gaps = [Gap(OTHER, 5, 9, now - 900 * SECOND_US, now - 700 * SECOND_US, "open")]
    monkeypatch.setattr(record, "gaps", lambda *_: gaps)
    buffer = HotBuffer(50_000)
    watch = made(
        record,
        buffer,
        Rule("Any return", "trade_return_z", "beyond", 0.0),
        Rule("No trades", "trade_age", "above", 0.0),
        Rule("Down", "feed_down", "above", 0.0),
        Rule("Gap", "gap_open", "above", 0.0),
    )
    buffer.append(trades_until(now, 300))
    buffer.append(trades_until(now, 300, OTHER))
    wait_until(lambda: len(watch.wall()) == 2, "both instruments")
    buffer.append(
        one._replace(trade_id=10**12 + number, time_us=now_us(), received_us=now_us())
        for name in (OTHER, NAME)
        for number, one in enumerate(trades_until(now, 5, name))
    )
    for rule in ("Any return", "No trades", "Down"):
        told(watch, rule)
    assert {one.alert.scope for one in watch.alerts.history.recent()} <= {NAME, "sim"}
    assert not watch.alerts.history.recent(rule="Gap")
    assert watch.scopes() == (NAME, "sim", "record")


def test_a_pair_is_told_by_its_own_thresholds(made: Made, around: Around) -> None:
    one = PairSettings(NAME, OTHER)
    watch = made(
        nothing(),
        HotBuffer(10),
        Rule("Entry", "pair_entry", "above", 0.0, -0.2),
        Rule("Broken", "pair_broken", "above", 0.5, 0.5),
        Rule("Age", "leg_age", "above", 1.5, 1.0),
    )
    around.pairs = [pair_now(one, -2.75, 1, "breaking")]
    alert = told(watch, "Entry")
    assert (alert.scope, alert.value) == (f"{NAME}~{OTHER}", 0.75)
    assert alert.numbers == {"z": -2.75, "entry": 2.0, "exit": 0.5, "stop": 4.0}
    assert told(watch, "Broken").numbers["p_value"] == 0.4
    assert told(watch, "Age").value == 2.0
    # The same bar again, and one that has not left the threshold: nothing new.
    around.pairs = [pair_now(one, -2.8, 2)]
    wait_until(lambda: watch._states._bars_told.get(one) == 2, "the next bar")
    assert len(watch.alerts.history.recent(rule="Entry")) == 1


def test_one_pair_computed_two_ways_has_two_names(made: Made, around: Around) -> None:
    watch = made(nothing(), HotBuffer(10))
    usual, slower = PairSettings(NAME, OTHER), PairSettings(NAME, OTHER, 60 * SECOND_US, "ols")
    around.pairs = [pair_now(usual, 0.0, 1), pair_now(slower, 0.0, 1)]
    assert watch.scopes() == (f"{NAME}~{OTHER}", f"{NAME}~{OTHER} 60 s ols", "record")
    # Either can be named by a rule.
    for scope in watch.scopes():
        Rule("Named", "pair_z", "beyond", 2.0, scope=scope)


def test_legs_of_a_computed_pair_are_watched_for_moves_apart(made: Made, around: Around) -> None:
    buffer = HotBuffer(50_000)
    watch = made(nothing(), buffer)
    around.pairs = [pair_now(PairSettings(NAME, OTHER), 0.0, 1)]
    now = now_us()
    buffer.append(trades_until(now, 200))
    buffer.append(trades_until(now, 200, OTHER))
    wait_until(lambda: watch.surveillance.divergences().get(f"{NAME}~{OTHER}"), "the legs' moves")
    around.pairs = []
    wait_until(lambda: not watch.surveillance.divergences(), "the pair to be let go")
    assert len(watch.wall()) == 2


def test_the_past_of_an_instrument_that_left_is_not_the_one_of_its_return(around: Around) -> None:
    buffer = HotBuffer(50_000)
    watch = Monitor(Settings(), nothing(), buffer, bars_of(buffer), around.asks)
    buffer.append(trades_until(now_us(), 60))
    watch._step()
    assert NAME in watch._live._histories
    buffer.forget(NAME)
    watch._step()
    assert not watch._live._histories
    watch.stop()


def test_pairs_and_surveillance_see_the_same_bars(
    around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever steps first closes a second for both, after its trades were observed."""
    built: list[str] = []

    class Counted(BarBuilder):
        def __init__(self, instrument: str, grace_us: int) -> None:
            built.append(instrument)
            super().__init__(instrument, grace_us)

    monkeypatch.setattr(live_bars_module, "BarBuilder", Counted)
    start_us = 1_790_000_000 * SECOND_US
    arrivals = sorted(
        (one for name in (NAME, OTHER) for one in trades_until(start_us, 60, name)),
        key=lambda one: one.received_us,
    )
    clock_us = arrivals[0].received_us
    buffer = HotBuffer(50_000)
    bars = bars_of(buffer)
    asks = replace(around.asks, clock=lambda venue: clock_us)
    watch = Monitor(Settings(), nothing(), buffer, bars, asks)
    pairs = PairTracker(buffer, bars, nothing(), lambda name: 30 * SECOND_US, 500)
    observed, counted, steps, left, is_stepping = 0, 0, 0, iter(arrivals), False

    def arrive(count: int) -> None:
        nonlocal clock_us
        piece = list(islice(left, count))
        if piece:
            buffer.append(piece)
            clock_us = piece[-1].received_us

    def observe(name: str, trades: Trades, now: Callable[[str], int]) -> list[Reading]:
        nonlocal observed
        observed += len(trades)
        return watched_observe(name, trades, now)

    def closed(one: SecondBars) -> Bars:
        nonlocal is_stepping
        if not is_stepping:
            # The other thread closes a second on trades that this one has not read yet.
            is_stepping = True
            arrive(20)
            pairs.step(asks.clock)
            is_stepping = False
        return all_closed(one)

    def take(closed: dict[str, Closed], *rest: Any, **options: Any) -> list[Reading]:
        nonlocal counted
        counted += sum(int(one.bars["trades"].sum()) for one in closed.values())
        assert counted <= observed
        return watched_take(closed, *rest, **options)

    watched_observe, watched_take = watch.surveillance.observe_rows, watch.surveillance.take
    all_closed = SecondBars.closed
    monkeypatch.setattr(SecondBars, "closed", closed)
    monkeypatch.setattr(watch.surveillance, "observe_rows", observe)
    monkeypatch.setattr(watch.surveillance, "take", take)
    arrive(30)
    while len(watch.wall()) < 2:
        watch._step()
        for past, _ in watch._live._histories.values():
            past.result(10)
    while clock_us < arrivals[-1].received_us:
        steps += 1
        if steps % 3:
            arrive(7)
            pairs.step(asks.clock)
        watch._step()
    clock_us += 5 * SECOND_US
    pairs.step(asks.clock)
    watch._step()
    watch.stop()
    assert sorted(built) == sorted((NAME, OTHER))
    for name in (NAME, OTHER):
        seen = pairs.seconds(name, start_us - 60 * SECOND_US, start_us)
        scored = watch.surveillance.scores(name)
        assert len(seen) > 50
        for field, of_bar in (("time_us", "time_us"), ("price", "close"), ("volume", "volume")):
            np.testing.assert_array_equal(scored[field], seen[of_bar], err_msg=field)
        own = [one for one in arrivals if one.instrument == name]
        alone = BarBuilder(name, 100_000)
        alone.add(trade_array(own))
        ends_us = own[-1].received_us, clock_us
        np.testing.assert_array_equal(seen, np.concatenate([alone.close(one) for one in ends_us]))


def test_an_instrument_that_left_and_came_back_between_two_steps_is_followed(
    around: Around,
) -> None:
    buffer = HotBuffer(50_000)
    bars = bars_of(buffer)
    watch = Monitor(Settings(), nothing(), buffer, bars, around.asks)
    past = trades_until(now_us(), 60)

    def step() -> bool:
        watch._step()
        return bool(watch.wall())

    buffer.append(past)
    wait_until(step, "the instrument")
    buffer.forget(NAME)
    bars.forget(NAME)
    buffer.append(past[-10:])
    watch._step()
    wait_until(step, "the instrument again")
    watch._step()
    assert len(watch.surveillance.trade_scores(NAME)) == 10
    watch.stop()


def test_an_instrument_nobody_records_any_more_leaves_the_wall(made: Made) -> None:
    buffer = HotBuffer(50_000)
    watch = made(nothing(), buffer)
    buffer.append(trades_until(now_us(), 60))
    wait_until(watch.wall, "the instrument")
    buffer.forget(NAME)
    wait_until(lambda: not watch.wall(), "the instrument to leave")


def test_settings_hold_over_a_restart(made: Made, tmp_path: Path) -> None:
    chosen = WatchSettings(anomaly_z=4.5, features=("rsi", "imbalance"), divergence_s=30)
    with closing(Store.open(tmp_path / "t.sqlite")) as store:
        buffer = HotBuffer(50_000)
        buffer.append(trades_until(now_us(), 60))
        watch = made(store, buffer)
        wait_until(watch.wall, "the instrument")
        watch.use(chosen)
        assert watch.settings == chosen
        wait_until(watch.wall, "the instrument to be back")
        watch.stop()
        assert made(store, HotBuffer(10)).settings == chosen


@pytest.mark.parametrize("kept", [b"[1]", b"{", b'{"anomaly_z": "x"}', b'{"features": 3}', b"\xff"])
def test_kept_settings_that_are_damaged_are_not_used(
    made: Made, kept: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = nothing()
    monkeypatch.setattr(record, "load_state", lambda key: kept if "settings" in key else None)
    watch = made(record, HotBuffer(10))
    assert watch.settings == WatchSettings()
    assert "Stored monitoring settings could not be used" in watch.problems[0]
    watch.use(WatchSettings(anomaly_z=4.0))
    assert not watch.problems
    assert "Stored monitoring settings could not be used" in caplog.text


def test_a_forecast_comes_aside(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "FORECAST_S", 0.05)
    buffer = HotBuffer(50_000)
    watch = made(nothing(), buffer, Rule("Forecast", "volatility_forecast", "above", 0.001))
    buffer.append(trades_until(now_us(), 900))
    wait_until(lambda: watch.wall() and len(watch.surveillance.scores(NAME)) > 500, "bars")
    found = watch.forecast(NAME, 60).result(30)
    assert len(found.deviation) == 60
    assert told(watch, "Forecast").numbers["bars"] == 300


def test_a_watch_that_died_says_so(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret")

    monkeypatch.setattr(Monitor, "_step", broken)
    watch = made(nothing(), HotBuffer(10))
    (said,) = wait_until(lambda: watch.problems, "the sentence")
    assert said.startswith("Surveillance stopped") and "secret" not in said
    watch.stop()
    watch.stop()

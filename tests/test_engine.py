"""The composition root, headless: sessions, limits, one desk, a record that fails, a clean stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem import engine as engine_module
from tandem.alerts.rules import Rule
from tandem.backfill.worker import Backfill
from tandem.config import Settings
from tandem.core.errors import StoreError
from tandem.core.events import Trade
from tandem.engine import Engine
from tandem.observability.health import Health
from tandem.pairs import snapshot_builder, subscriptions
from tandem.pairs.stream import PairSettings
from tandem.pairs.tracker import PairTracker
from tandem.storage.export import Exporter
from tandem.storage.hot_buffer import HotBuffer
from tandem.storage.live_bars import LiveBars
from tandem.storage.null import NullStore
from tandem.storage.opening import last_recorded
from tandem.surveillance.monitor import Monitor
from tandem.ui.live import cards
from tandem.venues.listings import Catalogue
from tests.support.exchange import Exchange
from tests.support.light_engines import make_light
from tests.support.waiting import wait_until

PAIR = PairSettings("sim:ETHUSDT", "sim:BTCUSDT")
Made = Callable[..., Engine]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    monkeypatch.setattr(engine_module, "PAGE_S", 0.0)
    make_light(monkeypatch)
    running: list[Engine] = []

    def make(**settings: Any) -> Engine:
        usual = {"venue": "sim", "public": "off", "database": tmp_path / "t.sqlite"}
        settings = usual | {"simulation_rate": 1.0} | settings
        running.append(Engine(Settings(**settings)))
        running[-1].start()
        return running[-1]

    yield make
    for one in running:
        one.stop()


def ready(running: Engine, pair: PairSettings = PAIR, session: str = "a") -> Any:
    return wait_until(
        lambda: (shot := running.snapshots.look(session, pair)).relation is not None and shot,
        "a tested pair",
    )


def test_a_snapshot_answers_every_question(made: Made) -> None:
    running = made()
    shot = ready(running)
    assert shot.feed.state == "live"
    assert shot.store.state == "recording"
    assert shot.y.trade.price > 0
    assert shot.provisional.z == pytest.approx(shot.provisional.z)
    assert shot.cost.total_bp > 0
    assert not shot.notices
    assert wait_until(lambda: running.snapshots.look("a", PAIR).recorded > 1_000, "a record")


def _break(*_: Any, **__: Any) -> Any:
    raise RuntimeError("https://api.example/?key=hunter2")


@pytest.mark.parametrize(
    ("thread", "method", "said"),
    [
        (Backfill, "_turn", "Filling gaps was ended"),
        (Catalogue, "due", "Renewing symbol lists was ended"),
        (engine_module, "warm_up_models", "Preparing the models failed"),
        (Engine, "_step", "The models were ended"),
        (Exporter, "_run", "Exports stopped"),
        (Monitor, "_step", "Surveillance stopped"),
    ],
)
def test_a_background_thread_that_died_is_told_on_the_live_page(
    made: Made, monkeypatch: pytest.MonkeyPatch, thread: Any, method: str, said: str
) -> None:
    monkeypatch.setattr(thread, method, _break)
    running = made()
    shot = wait_until(
        lambda: (shot := running.snapshots.look("a", PAIR)).notices and shot, "a notice"
    )
    (sentence,) = (one for one in cards.sentences(shot) if said in one)
    assert "lease report it" in sentence
    assert "hunter2" not in sentence


def test_pairs_are_watched_and_told_of_with_nobody_looking(made: Made) -> None:
    running = made()
    scope = f"{PAIR.y}~{PAIR.x}"
    wait_until(lambda: scope in running.monitor.scopes(), "the pair")
    running.monitor.alerts.rules.put(Rule("Any z", "pair_z", "beyond", 0.0, scope=scope))
    running.monitor.alerts.rules.put(Rule("Any p", "pair_p", "above", 0.0, scope=scope))
    for rule in ("Any z", "Any p"):
        found = wait_until(lambda r=rule: running.monitor.alerts.history.recent(rule=r), rule)
        assert found[0].alert.scope == scope
    wait_until(
        lambda: {row.instrument for row in running.monitor.wall()} >= {PAIR.y, PAIR.x}, "the legs"
    )


@pytest.mark.parametrize("public", ["on", "off"])
def test_what_is_merely_opened_or_tried_raises_nothing_until_it_is_pinned(
    made: Made, public: str
) -> None:
    running = made(public=public)
    visitors = replace(PAIR, y="sim:DOGEUSDT", rules=replace(PAIR.rules, entry=0.01, exit=0.0))
    ready(running, visitors)
    wait_until(lambda: visitors.y in [row.instrument for row in running.monitor.wall()], "its leg")
    assert visitors.y not in running.tracker.pinned_legs()
    assert not [scope for scope in running.monitor.scopes() if visitors.y in scope]
    assert visitors not in [pair.settings for pair in running.snapshots.pairs_now()]
    running.pinned.add(visitors)
    wait_until(
        lambda: visitors in [pair.settings for pair in running.snapshots.pairs_now()],
        "the pinned pair",
    )
    assert visitors.y in running.tracker.pinned_legs()


def test_a_standing_pair_runs_when_its_session_is_gone(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "SESSION_S", 0.2)
    running = made()
    other = replace(PAIR, lookback=60)
    passing = replace(PAIR, lookback=61)
    running.pinned.add(other)
    wait_until(lambda: running.snapshots.look("a", passing).view, "the session's pair")
    wait_until(lambda: running.tracker.view(passing) is None, "the session to be forgotten")
    wait_until(lambda: running.tracker.view(other) is not None, "the standing pair")
    running.pinned.remove(other)
    wait_until(lambda: running.tracker.view(other) is None, "the pair to be let go")


def test_equal_views_share_a_stream_and_different_ones_do_not(made: Made) -> None:
    running = made()
    other = replace(PAIR, lookback=60)
    ready(running)
    ready(running, other, "b")
    assert running.tracker.view(PAIR) is not None
    assert running.tracker.view(other).settings == other
    first = {name: thread for name, thread in _threads().items() if name == "desk"}
    assert len(first) == 1


def _threads() -> dict[str, threading.Thread]:
    return {thread.name: thread for thread in threading.enumerate()}


def test_a_choice_of_pair_never_restarts_the_feed_of_others(tmp_path: Path) -> None:
    with Exchange() as exchange:
        running = Engine(
            exchange.settings(venue="binance-usdm", public="off", database=tmp_path / "t.sqlite")
        )
        running.start()
        try:
            for symbol in ("ethusdt", "btcusdt"):
                exchange.wait_for_streams(f"{symbol}@aggTrade", f"{symbol}@bookTicker")
            opened = exchange.opened
            pair = PairSettings("binance-usdm:XRPUSDT", "binance-usdm:BTCUSDT")
            running.snapshots.look("visitor", pair)
            exchange.wait_for_streams("xrpusdt@aggTrade")
            assert exchange.opened == opened
        finally:
            running.stop()


def test_what_a_session_left_lingers_and_then_stops(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "SESSION_S", 0.2)
    monkeypatch.setattr(subscriptions, "LINGER_S", 0.5)
    running = made()
    other = replace(PAIR, lookback=60)
    ready(running, other)
    wait_until(lambda: running.tracker.view(other) is None, "the pair to be dropped")
    assert wait_until(
        lambda: running.tracker.view(running.subscriptions.default_pairs()[0]),
        "the desk's own pairs",
    )


def test_what_nobody_reads_is_dropped_from_memory_and_stays_in_the_record(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "SESSION_S", 0.2)
    monkeypatch.setattr(subscriptions, "LINGER_S", 0.5)
    running = made(symbols="ETH,BTC")
    other = PairSettings("sim:SOLUSDT", "sim:BTCUSDT")
    shot = ready(running, other)
    wait_until(lambda: not running.buffer.count(other.y), "the instrument to be forgotten")
    assert running.buffer.count(PAIR.y) and running.buffer.count(PAIR.x)
    assert running.store.flush(5.0)
    assert running.store.trades(other.y, 0, shot.now_us, 10)


def test_a_session_may_run_so_many_pairs(made: Made) -> None:
    running = made(sessions_pairs=2)
    pairs = [replace(PAIR, lookback=20 + n) for n in range(4)]
    assert "A session can run 2 pairs" in running.sessions.watch("a", pairs)[0]


def test_a_deployment_may_run_so_many_pairs_and_instruments(made: Made) -> None:
    running = made(max_pairs=2, max_instruments=3)
    assert not running.sessions.watch("a", [PAIR])
    assert (
        "limit of 2 pairs"
        in running.sessions.watch("b", [replace(PAIR, lookback=n) for n in (30, 40)])[0]
    )
    assert not running.sessions.watch("c", [PAIR]), "a pair others watch costs nothing"
    assert running.sessions.watch("d", [PairSettings("sim:SOLUSDT", "sim:BNBUSDT")])


def test_assets_a_venue_does_not_list_are_left_out(made: Made) -> None:
    running = made(symbols="NOSUCH,ETH,BTC")
    assert [(p.y, p.x) for p in running.subscriptions.default_pairs()] == [
        ("sim:ETHUSDT", "sim:BTCUSDT")
    ]
    ready(running)


def test_without_a_record_prices_and_signals_go_on(made: Made, tmp_path: Path) -> None:
    (tmp_path / "foreign").write_bytes(b"no database" * 100)
    running = made(database=tmp_path / "foreign")
    shot = ready(running)
    assert shot.store.state == "paused"
    assert "foreign" in shot.store.text
    assert (tmp_path / "foreign").read_bytes() == b"no database" * 100


def test_a_second_process_on_one_record_says_who_has_it(made: Made) -> None:
    first = made()
    wait_until(lambda: first.store.health().written, "a record")
    second = made()
    shot = ready(second)
    assert shot.store.state == "reading"
    assert "process" in shot.store.text
    assert second.store.trades(PAIR.y, 0, shot.now_us, 10), "the other's record is shown"
    assert second.store.health().written == 0


def test_it_stops_within_two_seconds_and_a_restart_goes_on(made: Made, tmp_path: Path) -> None:
    first = made()
    pinned = wait_until(first.subscriptions.default_pairs, "a venue")[0]
    bars = ready(first, pinned).view.bars
    start = time.monotonic()
    first.stop()
    assert time.monotonic() - start < 5.0
    second = made()
    view = ready(second, pinned).view
    assert view.bars >= bars


def test_trades_that_passed_while_nothing_ran_are_a_gap(tmp_path: Path) -> None:
    with Exchange() as exchange:
        settings = exchange.settings(
            venue="binance-usdm", public="off", symbols="ETH,BTC", database=tmp_path / "t.sqlite"
        )

        def recorded(trades: int) -> Engine:
            running = Engine(settings)
            running.start()
            exchange.wait_for_streams("ethusdt@aggTrade")
            for _ in range(trades):
                exchange.trade("ETHUSDT", 3_000.0)
            wait_until(lambda: running.store.health().written == trades, "the database")
            return running

        recorded(3).stop()
        exchange.skip_ids("ETHUSDT", 7)
        running = recorded(2)
        gaps = running.store.gaps("binance-usdm:ETHUSDT")
        running.stop()
    assert [gap.last_id - gap.first_id + 1 for gap in gaps] == [7]


def test_a_leg_that_does_not_move_leaves_z_unknown_and_prices_shown(made: Made) -> None:
    running = made()
    shot = ready(running)
    frozen = [shot.y.trade._replace(instrument="sim:FLAT", price=1.0, trade_id=n) for n in range(3)]
    running.buffer.append(frozen)
    assert running.snapshots.look("a", replace(PAIR, y="sim:FLAT")).y.trade.price == 1.0


def test_a_record_deleted_while_it_runs_is_said_and_prices_go_on(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_builder, "GAPS_S", 0.0)
    running = made()
    ready(running)
    for file in tmp_path.glob("t.sqlite*"):
        file.unlink()
    shot = wait_until(
        lambda: (shot := running.snapshots.look("a", PAIR)).notices and shot, "a notice"
    )
    assert shot.y.trade.price > 0


def test_changing_controls_quickly_runs_no_more_than_the_limit(made: Made) -> None:
    running = made()
    ready(running)
    for lookback in range(20, 120):
        running.snapshots.look("a", replace(PAIR, lookback=lookback))
    running.subscriptions.update()
    assert len(running.tracker._wanted) <= len(running.subscriptions.default_pairs()) + 1


def test_heavy_work_runs_one_at_a_time_and_its_errors_come_back(made: Made) -> None:
    running = made()
    assert running.heavy.run(pow, 2, 10) == 1_024
    with pytest.raises(ZeroDivisionError):
        running.heavy.run(lambda: 1 / 0)


def test_live_signals_equal_those_of_the_recording_played_back(tmp_path: Path) -> None:
    """What was shown live is what a replay of the database in arrival order shows."""
    pair = replace(PAIR, bar_us=1_000_000, model="ols", lookback=20, z_window=10)
    running = Engine(
        Settings(
            venue="sim",
            public="off",
            database=tmp_path / "live.sqlite",
            symbols="ETH,BTC",
            history_bars=10_000,
        )  # fmt: skip
    )
    running.start()
    try:
        ready(running, pair)
        live = running.tracker.view(pair)
        assert running.store.flush(10.0)
        arrivals = sorted(
            (trade for leg in (pair.y, pair.x) for trade in running.store.arrivals(leg, 0, 2**62)),
            key=lambda trade: trade.received_us,
        )
    finally:
        running.stop()
    buffer = HotBuffer(500_000)
    bars = LiveBars(buffer, lambda name: 500_000)
    replayed = PairTracker(buffer, bars, NullStore("none"), lambda name: 30_000_000, 10_000)
    replayed.want([pair])
    for start in range(0, len(arrivals), 997):
        batch = arrivals[start : start + 997]
        buffer.append(batch)
        replayed.step(lambda venue, at=batch[-1].received_us: at)
    columns = replayed.view(pair).columns
    count = min(live.bars, len(columns["time_us"]))
    assert count > 5_000
    for name in ("time_us", "y", "x", "beta", "z", "signal", "event", "equity"):
        np.testing.assert_array_equal(
            live.columns[name][:count], columns[name][:count], err_msg=name
        )


def test_the_last_recorded_trade_is_asked_for_again_where_the_record_is_busy(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.storage.opening._READ_WAIT_S", 0.0)
    running = made()
    found = wait_until(lambda: running.store.last_trade(PAIR.y), "a recorded trade")
    answers = [StoreError("busy"), StoreError("busy"), found]

    def answer(instrument: str) -> Trade:
        one = answers.pop(0)
        if isinstance(one, StoreError):
            raise one
        return one

    monkeypatch.setattr(running.store, "last_trade", answer)
    assert last_recorded(running.store, PAIR.y, threading.Event()) == found


def test_health_names_what_is_wrong(made: Made, tmp_path: Path) -> None:
    running = made()
    wait_until(lambda: any(one.trades for one in running.ingest.statuses()), "trades")
    assert running.check_health() == Health()
    (tmp_path / "t.sqlite").unlink()
    found = wait_until(lambda: running.check_health().problems, "a database that is gone")
    assert "was moved or deleted" in found[0]
    # Recording into it cannot go on: only a restart helps.
    wait_until(lambda: running.check_health().dead == ("The thread of the database has ended.",))
    running.stop()
    assert running.check_health().dead[0] == "The thread of the models has ended."


def test_a_database_that_cannot_be_used_is_not_ready(made: Made, tmp_path: Path) -> None:
    (tmp_path / "t.sqlite").write_text("time,price")
    found = made().check_health()
    assert not found.dead and "is not a database" in found.unready[0]


def test_the_process_is_measured(made: Made) -> None:
    running = made(metrics="9464")
    wait_until(lambda: running.store.health().written, "trades")
    found = {metric.name: dict_of(metric.samples) for metric in running.metrics()}
    assert found["trades_stored"][()] > 0
    assert found["trade_delay_seconds"][("sim",)].read()[0][-1] > 0
    assert found["gaps"][("open",)] == 0
    assert found["sessions"] == {(): 0}
    assert found["alerts_raised"][()] == running.monitor.alerts.raised
    assert found["rest_weight_used"] == {}


def dict_of(samples: Any) -> dict[tuple[str, ...], Any]:
    return {tuple(labels.values()): value for labels, value in samples}

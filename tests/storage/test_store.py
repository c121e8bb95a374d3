"""The database: what was submitted comes back exactly, and its bars are those of its trades."""

from __future__ import annotations

import gzip
import json
import os
import random
import sqlite3
import stat
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import DAY_US, SECOND_US
from tandem.core.errors import DataError, StoreError, StoreFull
from tandem.core.events import BAR, Funding, Gap, Quote, Trade
from tandem.core.histogram import Histogram
from tandem.storage.null import NullStore
from tandem.storage.reader import Reader
from tandem.storage.records import SignalRow, Span
from tandem.storage.schema import MIGRATIONS, TRADES_BETWEEN
from tandem.storage.store import Store
from tests.support.paths import SHARED

BASE_US = 1_700_000_040 * SECOND_US
ALWAYS = (0, 2**62)


@pytest.fixture
def path(tmp_path):
    """Return the place of a record, in a folder that is not there yet."""
    return tmp_path / "record" / "tandem.sqlite"


def trade(number, at_us=0, instrument="sim:AUSDT", price=100.0, trade_id=None):
    return Trade(
        instrument,
        number if trade_id is None else trade_id,
        BASE_US + at_us,
        price + number % 7 / 3,
        0.1 * (number % 5 + 1),
        (-1, 0, 1)[number % 3],
        BASE_US + at_us + 40_000 + number,
    )


def random_trades(count, seed=1, instrument="sim:AUSDT", span_us=10 * SECOND_US):
    source = random.Random(seed)
    times = sorted(source.randrange(span_us) for _ in range(count))
    return [trade(number, at_us, instrument) for number, at_us in enumerate(times)]


def by_time(trades):
    return sorted(
        trades, key=lambda one: (one.time_us, isinstance(one.trade_id, str), one.trade_id)
    )


def assert_whole(reader, trades):
    """Every trade is there once; bars are those of the arrivals, to the last bit."""
    for instrument in {one.instrument for one in trades}:
        own = {one.trade_id: one for one in reversed(trades) if one.instrument == instrument}
        assert reader.trades(instrument, *ALWAYS) == by_time(own.values())
        arrivals = reader.arrivals(instrument, *ALWAYS)
        assert list(
            dict.fromkeys(one.trade_id for one in trades if one.instrument == instrument)
        ) == [one.trade_id for one in arrivals]
        expected = aggregate(trade_array(arrivals), SECOND_US)
        assert reader.bars(instrument, *ALWAYS).tobytes() == expected.tobytes()
        times = [one.time_us for one in own.values()]
        assert reader.spans()[instrument] == Span(min(times), max(times), len(own))
        assert reader.last_trade(instrument).time_us == max(times)


def record(path, batches, **options):
    store = Store.open(path, batch_ms=1, **options)
    for batch in batches:
        store.submit(batch)
        assert store.flush(10)
    assert store.close() == 0


# What comes back ------------------------------------------------------------------------


def test_a_reopened_record_gives_back_every_trade_and_bar(path):
    trades = random_trades(3_000) + random_trades(500, 2, "sim:BUSDT")
    record(path, [trades[at : at + 700] for at in range(0, len(trades), 700)])
    with closing(Store.open(path)) as store:
        assert_whole(store, trades)
        assert store.health().state == "recording"


def test_a_second_run_goes_on_where_the_first_ended(path):
    trades = random_trades(900)
    for part in (trades[:400], trades[350:]):
        record(path, [part])
    assert_whole(Reader(path), trades)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 30),
            st.integers(0, 70 * SECOND_US),
            st.booleans(),
            st.sampled_from(("sim:AUSDT", "sim:BUSDT")),
        ),
        max_size=60,
    ),
    st.lists(st.integers(0, 60), max_size=8),
    st.booleans(),
)
def test_bars_equal_their_trades_in_any_order_with_any_repeats(
    tmp_path_factory, rows, cuts, reopens
):
    """Repeats carry the same trade; ids are numbers or text, in no order of time."""
    first_seen = {}
    trades = []
    for number, at_us, is_text, instrument in rows:
        trade_id = f"id-{number}" if is_text else number
        one = trade(number, at_us, instrument, trade_id=trade_id)
        trades.append(first_seen.setdefault((instrument, trade_id), one))
    path = tmp_path_factory.mktemp("record") / "tandem.sqlite"
    edges = [0, *sorted(min(cut, len(trades)) for cut in cuts), len(trades)]
    batches = [trades[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    if reopens:
        for batch in batches:
            record(path, [batch])
    else:
        record(path, batches)
    assert_whole(Reader(path), trades)


def test_submitting_everything_twice_changes_nothing(path):
    trades = random_trades(2_000)
    record(path, [trades])
    before = Reader(path).bars("sim:AUSDT", *ALWAYS).tobytes()
    store = Store.open(path, batch_ms=1)
    store.submit(trades)
    assert store.flush(10)
    assert store.health().written == 0
    store.close()
    assert Reader(path).bars("sim:AUSDT", *ALWAYS).tobytes() == before
    assert_whole(Reader(path), trades)


def test_two_trades_of_one_millisecond_both_survive(path):
    pair = [trade(1, 5_000), trade(2, 5_000)]
    record(path, [pair])
    assert Reader(path).trades("sim:AUSDT", *ALWAYS) == pair


def test_trades_of_a_venue_that_counts_anew_are_kept_beside_the_old_ones(path):
    leg = "binance-usdm:AUSDT"
    old = [trade(number, number * 1_000, leg) for number in range(1, 101)]
    anew = [trade(number, 10 * SECOND_US + number * 1_000, leg) for number in range(1, 51)]
    seconds_apart = [one._replace(time_us=one.time_us + SECOND_US) for one in old]
    with closing(Store.open(path, batch_ms=1)) as store:
        for batch in (old, anew, anew[20:], seconds_apart, [old[3], *anew]):
            store.submit(batch)
            assert store.flush(10)
        health = store.health()
    kept = [one._replace(trade_id=f"{one.trade_id}@{one.time_us}") for one in anew]
    assert_whole(Reader(path), [*old, *kept])
    assert (health.written, health.renumbered) == (150, {leg: 50})
    (note,) = health.notes
    assert f"restarted its trade ids for {leg}: 50 trades reused recorded ids" in note


def test_a_venue_that_counts_anew_within_one_batch_loses_nothing(path):
    old = [trade(number, number * 1_000) for number in range(1, 1_001)]
    anew = [trade(number, 10 * SECOND_US + number * 1_000) for number in range(1, 1_001)]
    record(path, [[*old, *anew]])
    kept = [one._replace(trade_id=f"{one.trade_id}@{one.time_us}") for one in anew]
    assert_whole(Reader(path), [*old, *kept])


def test_a_number_and_its_text_are_two_ids(path):
    both = [trade(7, 0), trade(7, 0, trade_id="7")]
    record(path, [both])
    assert_whole(Reader(path), both)
    assert [type(one.trade_id) for one in Reader(path).trades("sim:AUSDT", *ALWAYS)] == [int, str]


def test_back_filled_trades_take_their_place_in_the_bars(path):
    trades = random_trades(1_000, span_us=150 * SECOND_US)
    hole = trades[300:600]
    record(path, [trades[:300], trades[600:], hole[::-1]])
    assert_whole(Reader(path), trades[:300] + trades[600:] + hole[::-1])


def test_ranges_cut_exactly(path):
    trades = random_trades(4_000, span_us=200 * SECOND_US)
    texts = [one._replace(trade_id=f"t{one.trade_id}", instrument="sim:TUSDT") for one in trades]
    record(path, [trades, texts])
    reader = Reader(path)
    source = random.Random(3)
    for _ in range(25):
        start_us, end_us = sorted(BASE_US + source.randrange(210 * SECOND_US) for _ in range(2))
        most = source.choice((1, 30, 700, 10_000))
        for instrument, everything in (("sim:AUSDT", trades), ("sim:TUSDT", texts)):
            inside = by_time(one for one in everything if start_us <= one.time_us < end_us)
            assert reader.trades(instrument, start_us, end_us, most) == inside[:most]
            assert reader.trades(instrument, start_us, end_us, most, newest=True) == inside[-most:]
            bars = aggregate(trade_array(everything), SECOND_US)
            wanted = bars[(bars["time_us"] >= start_us) & (bars["time_us"] < end_us)]
            assert reader.bars(instrument, start_us, end_us).tobytes() == wanted.tobytes()


def test_the_newest_and_oldest_of_many_days_are_found(path):
    trades = [trade(number, number * 61 * SECOND_US) for number in range(4_000)]
    record(path, [trades])
    reader = Reader(path)
    for most in (1, 1_439, 1_440, 1_441, 3_999, 4_000, 5_000):
        assert reader.trades("sim:AUSDT", *ALWAYS, most) == trades[:most]
        assert reader.trades("sim:AUSDT", *ALWAYS, most, newest=True) == trades[-most:]
    start_us, end_us = trades[700].time_us, trades[3_300].time_us
    assert reader.trades("sim:AUSDT", start_us, end_us) == trades[700:3_300]


def test_a_range_without_a_trade_is_empty(path):
    record(path, [[trade(1), trade(2, DAY_US)]])
    between = (BASE_US + DAY_US // 3, BASE_US + DAY_US // 2)
    assert Reader(path).trades("sim:AUSDT", *between) == []
    assert Reader(path).arrivals("sim:AUSDT", *between) == []


def test_what_was_never_recorded_is_empty(path):
    record(path, [[trade(1)]])
    for reader in (Reader(path), NullStore("The folder is read-only.")):
        assert len(reader.bars("sim:ZUSDT", *ALWAYS)) == 0
        assert reader.trades("sim:ZUSDT", *ALWAYS) == []
        assert reader.arrivals("sim:ZUSDT", *ALWAYS) == []
        assert reader.last_trade("sim:ZUSDT") is None
        assert reader.gaps("sim:ZUSDT") == []
        assert reader.quotes("sim:ZUSDT", *ALWAYS) == []
        assert reader.fundings("sim:ZUSDT", *ALWAYS) == []
        assert reader.signals("none") == []
        assert reader.load_state("none") is None
    assert Reader(path).trades("sim:AUSDT", *ALWAYS, most=0) == []


def test_the_record_that_is_not_there_takes_everything_and_says_why():
    store = NullStore("The folder is read-only.")
    store.submit([trade(1)])
    store.save_state("key", b"1")
    store.save_signals("pair", [])
    assert store.flush()
    assert store.close() == 0
    assert store.health().text == "The folder is read-only."
    assert store.spans() == {}


@pytest.mark.parametrize("symbol", ["btcusdt", "ethusdt"])
def test_a_recording_comes_back_whole(path, symbol):
    source = SHARED / f"data/ticks/usdm_{symbol}.trades.rawws.gz"
    if not source.exists():
        pytest.skip(f"{source.name} is not here; set TANDEM_SHARED to the folder with data/")
    trades = []
    with gzip.open(source, "rt") as lines:
        for line in lines:
            received_ns, _, frame = line.partition(" ")
            data = json.loads(frame)["data"]
            price, quantity = float(data["p"]), float(data["q"])
            side, received_us = -1 if data["m"] else 1, int(received_ns) // 1_000
            trades.append(
                Trade("replay:X", data["t"], data["T"] * 1_000, price, quantity, side, received_us)
            )
    record(path, [trades[at : at + 997] for at in range(0, len(trades), 997)] + [trades[::-1]])
    assert_whole(Reader(path), trades)


# Everything else that is kept -----------------------------------------------------------


def test_quotes_are_thinned_to_the_last_of_each_second(path):
    def quote(at_us, bid):
        return Quote("sim:AUSDT", BASE_US + at_us, bid, 1.0, bid + 1, 2.0, BASE_US + at_us + 9)

    record(
        path,
        [
            [quote(0, 1.0), quote(900_000, 3.0), quote(500_000, 2.0), quote(1_200_000, 4.0)],
            [quote(1_100_000, 5.0), quote(1_300_000, 6.0)],
        ],
    )
    kept = Reader(path).quotes("sim:AUSDT", *ALWAYS)
    assert kept == [quote(900_000, 3.0), quote(1_300_000, 6.0)]
    assert Reader(path).quotes("sim:AUSDT", BASE_US, BASE_US + 900_000) == []


def test_funding_is_recorded_when_it_changes(path):
    def funding(at_s, rate):
        at_us = BASE_US + at_s * SECOND_US
        return Funding("sim:AUSDT", at_us, rate, BASE_US + DAY_US, 100.0 + at_s, at_us)

    for batch in ([funding(0, 1e-4), funding(1, 1e-4)], [funding(2, 1e-4), funding(3, 2e-4)]):
        record(path, [batch])
    assert Reader(path).fundings("sim:AUSDT", *ALWAYS) == [funding(0, 1e-4), funding(3, 2e-4)]


def test_a_gap_changes_its_state_and_stays_one_gap(path):
    gap = Gap("sim:AUSDT", 5, 9, BASE_US, BASE_US + 10, "open")
    other = gap._replace(first_id=20, last_id=30, start_us=BASE_US + 50, end_us=BASE_US + 60)
    record(path, [[gap, other], [gap._replace(state="filled")]])
    assert Reader(path).gaps("sim:AUSDT") == [gap._replace(state="filled"), other]
    assert Reader(path).gaps("sim:AUSDT", since_us=BASE_US + 11) == [other]


def test_a_signal_once_shown_is_never_rewritten(path):
    shown = SignalRow(BASE_US, "long", -2.5, 100.0, 10.0, 9.9)
    unknown = SignalRow(BASE_US + 5, "exit", float("nan"), 100.0, 10.0, 9.9)
    store = Store.open(path, batch_ms=1)
    store.save_signals("pair", [shown, unknown])
    store.save_signals("pair", [shown._replace(kind="short", z=2.5)])
    assert store.flush(10)
    assert store.signals("pair")[0] == shown
    assert np.isnan(store.signals("pair")[1].z)
    assert store.signals("pair", BASE_US + 1)[0].kind == "exit"
    assert store.signals("other") == []
    store.close()


def test_a_state_is_there_at_once_and_after_a_restart(path):
    store = Store.open(path, batch_ms=5_000)
    store.save_state("pair", b"old")
    store.save_state("pair", b"new")
    assert store.load_state("pair") == b"new"
    assert store.load_state("other") is None
    store.close()
    assert Reader(path).load_state("pair") == b"new"


def test_only_the_newest_states_are_kept(path):
    store = Store.open(path, batch_ms=1)
    for number in range(510):
        store.save_state(f"key-{number}", b"x")
    assert store.flush(10)
    assert store.load_state("key-9") is None
    assert store.load_state("key-10") == b"x"
    store.close()


def test_a_state_too_large_is_refused(path):
    with closing(Store.open(path)) as store, pytest.raises(DataError, match="keep fewer bars"):
        store.save_state("pair", bytes(8 * 2**20 + 1))


@pytest.mark.parametrize(
    "save",
    [
        lambda store: store.save_state("pair \ud800", b"x"),
        lambda store: store.save_state("pair", "text \ud800"),
        lambda store: store.save_state(b"pair", b"x"),
        lambda store: store.save_signals("y \udfff", [signal()]),
        lambda store: store.save_signals("y|x", [signal()._replace(kind="\ud800")]),
        lambda store: store.save_signals("y|x", [signal()._replace(time_us=2**70)]),
        lambda store: store.save_signals("y|x", [signal()._replace(beta="1")]),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused_and_recording_goes_on(path, save):
    with closing(Store.open(path, batch_ms=1)) as store:
        with pytest.raises(DataError, match="Recording goes on without"):
            save(store)
        store.submit([trade(1)])
        assert store.flush(10)
        assert store.health().state == "recording"


def test_candles_of_a_name_that_cannot_be_kept_are_left_out(path):
    row = np.zeros(1, BAR)
    with closing(Store.open(path, batch_ms=1)) as store:
        store.put_candles("sim:\ud800", row)
        store.submit([trade(1)])
        assert store.flush(10)
        assert (store.health().state, store.health().refused) == ("recording", 1)


def test_a_signal_without_a_price_is_kept(path):
    with closing(Store.open(path)) as store:
        store.save_signals("y|x", [signal()._replace(x_price=float("nan"))])
        assert store.flush(10)
        assert np.isnan(store.signals("y|x")[0].x_price)


def signal():
    return SignalRow(BASE_US, "long", -2.0, 100.0, 50.0, 1.5)


# Threads --------------------------------------------------------------------------------


def test_a_reader_sees_whole_batches_only(path):
    """Each submitted batch has 50 trades of each leg; no reader may see part of one."""
    store = Store.open(path, batch_ms=1)
    done = threading.Event()
    seen = []

    def read():
        while not done.is_set():
            spans = store.spans()
            counts = [
                spans[leg].trades if leg in spans else 0 for leg in ("sim:AUSDT", "sim:BUSDT")
            ]
            bars = store.bars("sim:AUSDT", *ALWAYS)
            seen.append((counts, int(bars["trades"].sum())))

    reader = threading.Thread(target=read)
    reader.start()
    for first in range(0, 5_000, 50):
        numbers = range(first, first + 50)
        store.submit(
            [trade(n, n * 1_000, leg) for n in numbers for leg in ("sim:AUSDT", "sim:BUSDT")]
        )
    assert store.flush(30)
    done.set()
    reader.join()
    store.close()
    for (y_trades, x_trades), in_bars in seen:
        assert y_trades == x_trades
        assert y_trades % 50 == 0
        assert in_bars % 50 == 0


def test_a_full_queue_makes_the_feed_wait_and_drops_nothing(path):
    store = Store.open(path, batch_ms=1, queue_trades=1_000)
    trades = random_trades(20_000, span_us=60 * SECOND_US)
    deepest = 0
    for at in range(0, len(trades), 200):
        store.submit(trades[at : at + 200])
        deepest = max(deepest, store.health().queued)
    assert store.close() == 0
    assert deepest <= 1_000
    assert_whole(Reader(path), trades)


def test_a_batch_larger_than_the_queue_goes_through(path):
    trades = random_trades(5_000)
    record(path, [trades], queue_trades=1_000)
    assert_whole(Reader(path), trades)


def test_events_of_many_threads_all_arrive(path):
    store = Store.open(path, batch_ms=1)
    legs = [f"sim:{letter}USDT" for letter in "ABCD"]

    def feed(leg):
        for trade_ in random_trades(300, instrument=leg):
            store.submit([trade_])

    threads = [threading.Thread(target=feed, args=(leg,)) for leg in legs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.flush(10)
    assert {leg: span.trades for leg, span in store.spans().items()} == dict.fromkeys(legs, 300)
    store.close()


def test_entries_no_database_can_hold_are_left_out_and_counted(path):
    store = Store.open(path, batch_ms=1)
    bad = [
        trade(2)._replace(price=float("nan")),
        trade(3)._replace(quantity=float("inf")),
        trade(4)._replace(trade_id=2**70),
        trade(5)._replace(trade_id="\ud800"),
        trade(6)._replace(trade_id=1.5),
        trade(7)._replace(time_us=2**64),
        trade(7)._replace(time_us=2**61),
        trade(7)._replace(time_us=-1),
        trade(8)._replace(price=1e300, quantity=1e300),
        trade(9)._replace(trade_id=True),
        Quote("sim:AUSDT", BASE_US, float("nan"), 1.0, 1.0, 1.0, BASE_US),
    ]
    for one in bad:
        store.submit([trade(1), one])
        assert store.flush(10)
    assert store.health().refused == len(bad)
    assert store.health().state == "recording"
    store.close()
    assert_whole(Reader(path), [trade(1)])


def test_after_closing_nothing_is_taken(path):
    store = Store.open(path)
    store.submit([trade(1)])
    assert store.close() == 0
    assert store.close() == 0
    assert store.health().state == "closed"
    assert store.flush(1)
    with pytest.raises(StoreError, match="closed"):
        store.submit([trade(2)])
    assert Reader(path).spans()["sim:AUSDT"].trades == 1


def test_an_open_record_tells_how_it_is_doing(path):
    with closing(Store.open(path, batch_ms=5_000)) as store:
        assert store.health().last_commit_us == 0
        store.submit([trade(1), trade(2)])
        assert store.health().queued == 2
        assert store.flush(10)
        health = store.health()
    assert (health.queued, health.written, health.lost) == (0, 2, 0)
    assert health.bytes > 4_096
    assert health.last_commit_us > BASE_US
    assert str(path) in health.text


def test_the_size_is_that_of_the_file_also_without_commits(path, monkeypatch):
    at_s = 100.0
    monkeypatch.setattr("tandem.storage.store.steady_s", lambda: at_s)
    with closing(Store.open(path)) as store:
        before = store.health().bytes
        # As retention and checkpoints change it.
        with path.open("ab") as file:
            file.write(bytes(4_096))
        assert store.health().bytes == before
        at_s += 1.0
        assert store.health().bytes == before + 4_096


def test_commits_are_measured_by_whoever_wants_to_know(path):
    commits = Histogram()
    with closing(Store.open(path, commits=commits)) as store:
        store.submit([trade(1)])
        assert store.flush(10)
        assert store.health().commits is commits
    assert commits.read()[0][-1] == 1
    with closing(Store.open(path)) as store:
        assert store.health().commits is None


# The file itself ------------------------------------------------------------------------


def test_the_file_is_set_up_as_designed(path):
    record(path, [[trade(1)]])
    with closing(sqlite3.connect(path)) as connection:

        def pragma(name):
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        assert pragma("journal_mode") == "wal"
        assert pragma("auto_vacuum") == 2
        assert pragma("application_id") == int.from_bytes(b"TNDM", "big")
        assert pragma("integrity_check") == "ok"
        assert connection.execute("SELECT count(*) FROM migrations").fetchone() == (
            len(MIGRATIONS),
        )


def test_trades_are_read_by_time_without_a_scan(path):
    record(path, [[trade(1)]])
    with closing(sqlite3.connect(path)) as connection:
        names = dict.fromkeys(("id", "lowest", "highest", "start", "end"), 1)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {TRADES_BETWEEN}", names).fetchall()
    steps = [step for *_, step in plan if "trades" in step]
    assert len(steps) == 2
    assert all(step.startswith("SEARCH") for step in steps)
    assert "trades_text_time" in steps[1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_a_record_is_its_user_s_or_its_group_s_and_so_is_an_older_one(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "made" / "t.sqlite"
    for _ in range(2):
        store = Store.open(path, file_mode=mode)
        store.submit([trade(1)])
        store.flush()
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == [
            *("t.sqlite", "t.sqlite-shm", "t.sqlite-wal", "t.sqlite.lock")
        ]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {mode}
        store.close()
        for file in path.parent.iterdir():
            file.chmod(0o644)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_file_that_its_user_made_read_only_stays_so_and_is_refused(path, monkeypatch):
    Store.open(path).close()
    path.chmod(0o444)
    # As for anybody but root.
    monkeypatch.setattr(os, "access", lambda path, how: bool(path.stat().st_mode & 0o200))
    with pytest.raises(StoreFull, match=r"cannot be opened for writing \(read-only\)"):
        Store.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    Store.open(path, read_only=True).close()

"""Retention: old rows go, the rest stays exact, and nothing looks like a gap."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import DAY_US, MINUTE_US, SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR, Funding, Gap, Quote, Trade
from tandem.storage.reader import Reader
from tandem.storage.records import Policy
from tandem.storage.retention import Keeper
from tandem.storage.store import Store
from tandem.storage.writer import Writer
from tests.support.waiting import wait_until

BASE_US = 1_700_000_040 * SECOND_US
ALWAYS = (0, 2**62)
NAME = "sim:AUSDT"
HOUR = 3_600


def some_trades(count, every_us, instrument=NAME, text=False, seed=1):
    source = random.Random(seed)
    return [
        Trade(
            instrument,
            f"id-{number}" if text else number,
            BASE_US + number * every_us,
            100 + source.random(),
            source.random() + 0.1,
            1,
            BASE_US + number * every_us,
        )
        for number in range(count)
    ]


def work_off(writer):
    """Do all that is to be done, as the writer thread does between batches."""
    for _ in range(100_000):
        if not writer.keep(0.0):
            return
    raise AssertionError("there is always something left to do")


def assert_sound(path):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("every_us", [500_000, 200, 30 * SECOND_US])
def test_old_trades_go_and_the_others_stay_exact(path, text, every_us):
    trades = some_trades(6_000, every_us, text=text)
    with closing(Writer(path)) as writer:
        for at in range(0, len(trades), 1_000):
            writer.write(trades[at : at + 1_000], {})
        kept_us = trades[-1].time_us - trades[0].time_us
        writer.keeper.policy = Policy(days=kept_us / 3 / DAY_US)
        work_off(writer)
    cutoff_us = int(trades[-1].time_us - kept_us / 3) // SECOND_US * SECOND_US
    cutoff_us = min(cutoff_us, trades[-1].time_us // SECOND_US * SECOND_US)
    left = [one for one in trades if one.time_us >= cutoff_us]
    reader = Reader(path)
    assert reader.arrivals(NAME, *ALWAYS) == left
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM trades").fetchone() == (len(left),)
    assert reader.spans()[NAME] == (left[0].time_us, left[-1].time_us, len(left))
    assert reader.last_trade(NAME) == trades[-1]
    # Bars stay, all of them.
    expected = aggregate(trade_array(trades), SECOND_US)
    assert reader.bars(NAME, *ALWAYS).tobytes() == expected.tobytes()
    (held,) = reader.inventory()
    assert held.kept_from_us in (cutoff_us, 0)
    assert held.trades == len(left)
    assert_sound(path)


def test_a_reader_never_sees_half_of_what_goes(path):
    trades = some_trades(5_000, 100_000)
    with closing(Writer(path)) as writer:
        writer.write(trades, {})
        writer.keeper.policy = Policy(days=100 * SECOND_US / DAY_US)
        reader = Reader(path)
        assert writer.keeper.step()
        cutoff_us = reader.inventory()[0].kept_from_us
        left = [one for one in trades if one.time_us >= cutoff_us]
        assert 0 < len(left) < 1_100
        while writer.keep(0.0):
            assert reader.arrivals(NAME, *ALWAYS) == left
            assert reader.trades(NAME, *ALWAYS, most=3) == left[:3]
            assert reader.trades(NAME, *ALWAYS, most=3, newest=True) == left[-3:]
            assert reader.spans()[NAME].first_us == left[0].time_us
        assert writer.keeper.pruned == len(trades) - len(left)


def test_what_is_older_than_what_is_kept_is_not_taken_and_counted(path):
    trades = some_trades(1_000, SECOND_US)
    with closing(Writer(path)) as writer:
        writer.write(trades, {})
        writer.keeper.policy = Policy(days=100 * SECOND_US / DAY_US)
        work_off(writer)
        before = Reader(path).bars(NAME, *ALWAYS)
        late = [trades[5]._replace(trade_id=5_000), trades[-1]._replace(trade_id=5_001)]
        assert writer.write(late, {}) == 1
        assert writer.expired == 1
        after = Reader(path).bars(NAME, *ALWAYS)
        assert after[:-1].tobytes() == before[:-1].tobytes()
        assert after[-1]["trades"] == 2


def test_gaps_quotes_and_funding_go_with_the_trades(path):
    trades = some_trades(1_000, SECOND_US)
    old = Gap(NAME, 3, 4, BASE_US + 3 * SECOND_US, BASE_US + 4 * SECOND_US, "open")
    new = old._replace(start_us=BASE_US + 950 * SECOND_US, end_us=BASE_US + 951 * SECOND_US)
    across = old._replace(first_id=7, end_us=BASE_US + 951 * SECOND_US)
    quotes = [Quote(NAME, one.time_us, 1, 1, 2, 1, one.time_us) for one in trades]
    rates = [Funding(NAME, one.time_us, n / 1e6, n, 1, 1) for n, one in enumerate(trades[:50])]
    with closing(Writer(path)) as writer:
        writer.write([*trades, old, new, across, *quotes, *rates], {})
        writer.keeper.policy = Policy(days=100 * SECOND_US / DAY_US)
        work_off(writer)
    reader = Reader(path)
    assert set(reader.gaps()) == {new, across}
    assert reader.quotes(NAME, *ALWAYS) == quotes[-101:]
    # The rate in force is still known.
    assert reader.fundings(NAME, *ALWAYS) == rates[-1:]


def test_bars_and_candles_go_later_and_never_before_their_trades(path):
    trades = some_trades(600, 10 * SECOND_US)
    candles = np.zeros(100, BAR)
    candles["time_us"] = BASE_US // MINUTE_US * MINUTE_US + np.arange(100) * MINUTE_US
    with closing(Writer(path)) as writer:
        store_candles(writer, candles)
        writer.write(trades, {})
        writer.keeper.policy = Policy(bars_days=10 * MINUTE_US / DAY_US)
        work_off(writer)
        reader = Reader(path)
        assert len(reader.bars(NAME, *ALWAYS)) == 600
        writer.keeper.policy = Policy(
            days=5 * MINUTE_US / DAY_US, bars_days=10 * MINUTE_US / DAY_US
        )
        work_off(writer)
        # Bars go by minutes.
        bars = reader.bars(NAME, *ALWAYS)
        assert 60 <= len(bars) <= 66
        assert bars.tobytes() == aggregate(trade_array(trades), SECOND_US)[-len(bars) :].tobytes()
        assert len(reader.candles(NAME, *ALWAYS)) in (11, 12)
        (held,) = reader.inventory()
        assert (held.seconds, held.trades) == (len(bars), len(reader.trades(NAME, *ALWAYS)))
        assert held.trades == 31


def store_candles(writer, rows):
    from tandem.storage.records import Candles

    writer.write([Candles(NAME, rows)], {})


def test_a_size_is_kept_by_letting_the_oldest_go(path):
    with closing(Writer(path)) as writer:
        for day in range(6):
            for name in (NAME, "sim:BUSDT"):
                trades = [
                    one._replace(
                        trade_id=day * 10_000 + one.trade_id,
                        time_us=one.time_us + day * DAY_US,
                        received_us=one.time_us + day * DAY_US,
                    )
                    for one in some_trades(8_000, SECOND_US, name)
                ]
                writer.write(trades, {})
        full = path.stat().st_size + (path.parent / "tandem.sqlite-wal").stat().st_size
        writer.keeper.policy = Policy(gigabytes=4e6 / 1e9)
        work_off(writer)
        spans = Reader(path).spans()
        # The oldest of both went, the newest of both are there.
        assert all(span.first_us > BASE_US + 2 * DAY_US for span in spans.values())
        assert all(span.last_us == trades[-1].time_us for span in spans.values())
        assert all(0 < span.trades < 32_000 for span in spans.values())
        used = writer.keeper._used_bytes()
        assert used <= 4e6
        # Less than an hour of trades can never be asked for; bars go then.
        writer.keeper.policy = Policy(gigabytes=1e-9)
        work_off(writer)
        assert all(span.trades <= 3_601 for span in Reader(path).spans().values())
        assert len(Reader(path).bars(NAME, *ALWAYS)) < 3_700
    # What was free went back to the disk.
    assert full > 5e6
    assert path.stat().st_size < 2e6 + 256 * 4_096
    assert_sound(path)


def test_a_clock_set_wrong_does_not_empty_the_record(path, monkeypatch):
    trades = some_trades(100, SECOND_US)
    monkeypatch.setattr("tandem.storage.retention.now_us", lambda: BASE_US + 10_000 * DAY_US)
    with closing(Writer(path)) as writer:
        writer.write(trades, {})
        writer.keeper.policy = Policy(days=1)
        work_off(writer)
    assert len(Reader(path).trades(NAME, *ALWAYS)) == 100


def test_what_is_kept_is_changed_while_recording(path):
    store = Store.open(path, batch_ms=1)
    trades = some_trades(3_000, SECOND_US)
    store.submit(trades)
    assert store.flush(10)
    assert store.health().kept == Policy()
    store.keep(days=1_000 * SECOND_US / DAY_US)
    wait_until(lambda: store.health().pruned == 1_999)
    store.submit([trades[0]._replace(trade_id=9_999)])
    assert store.flush(10)
    assert store.health().expired == 1
    assert store.health().kept.days == pytest.approx(1_000 / 86_400)
    with pytest.raises(DataError, match="of 0 .everything. or more"):
        store.keep(days=-1)
    assert store.close() == 0
    assert Reader(path).spans()[NAME].trades == 1_001


def test_removing_that_fails_does_not_stop_recording(path, monkeypatch):
    store = Store.open(path, batch_ms=1)
    failed = []

    def fail(self):
        failed.append(1)
        raise sqlite3.OperationalError("no room")

    monkeypatch.setattr(Keeper, "step", fail)
    trades = some_trades(100, SECOND_US)
    store.submit(trades[:50])
    assert store.flush(10)
    wait_until(lambda: failed)
    store.submit(trades[50:])
    assert store.flush(10)
    assert store.health().state == "recording"
    store.close()
    assert len(Reader(path).trades(NAME, *ALWAYS)) == 100


def test_a_log_that_grew_under_a_long_reader_is_folded_when_it_ends(path, monkeypatch):
    monkeypatch.setattr("tandem.storage.retention.LOG_BYTES", 500_000)
    monkeypatch.setattr("tandem.storage.retention._LOG_RETRY_S", 0.05)
    log = path.with_name(path.name + "-wal")
    store = Store.open(path, batch_ms=1)
    trades = some_trades(60_000, 1_000)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        store.submit(trades[:10])
        assert store.flush(10)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM trades").fetchone() == (10,)
        for at in range(10, len(trades), 1_000):
            store.submit(trades[at : at + 1_000])
            assert store.flush(10)
        assert log.stat().st_size > 500_000
        assert reader.execute("SELECT count(*) FROM trades").fetchone() == (10,)
        reader.execute("COMMIT")
    wait_until(lambda: log.stat().st_size <= 500_000)
    assert store.health().state == "recording"
    store.close()
    assert len(Reader(path).trades(NAME, *ALWAYS)) == 60_000


# Streams --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [False, True])
def test_a_stream_gives_what_one_read_gives(path, text):
    trades = some_trades(3_000, 130_000, text=text) + some_trades(50, SECOND_US, "sim:BUSDT")
    busy = [
        one._replace(trade_id=n + 10_000, time_us=BASE_US + 400 * SECOND_US)
        for n, one in enumerate(some_trades(500, 1))
    ]
    far = [
        one._replace(trade_id=one.trade_id + 20_000, time_us=one.time_us + 9 * DAY_US)
        for one in busy[:3]
    ]
    with closing(Writer(path)) as writer:
        writer.write(trades + busy + far, {})
    reader = Reader(path)
    for start_us, end_us in (
        ALWAYS,
        (BASE_US + 1_234_567, BASE_US + 90 * SECOND_US + 17),
        (BASE_US + 399 * SECOND_US, BASE_US + 10 * DAY_US),
        (BASE_US + DAY_US, BASE_US + 2 * DAY_US),
        (BASE_US + 5, BASE_US + 5),
    ):
        for chunk in (1, 97, 10_000):
            parts = list(reader.stream_trades(NAME, start_us, end_us, chunk))
            assert [one for part in parts for one in part] == reader.trades(NAME, start_us, end_us)
            assert all(len(part) <= max(chunk, 500) for part in parts)
        bars = list(reader.stream_bars(NAME, start_us, end_us, minutes=2))
        expected = reader.bars(NAME, start_us, end_us)
        assert b"".join(part.tobytes() for part in bars) == expected.tobytes()
        assert all(len(part) <= 180 for part in bars)
    assert list(reader.stream_trades("sim:NONE", *ALWAYS)) == []
    assert list(reader.stream_bars("sim:NONE", *ALWAYS)) == []


def test_a_stream_holds_no_snapshot_between_its_parts(path):
    with closing(Writer(path)) as writer:
        writer.write(some_trades(1_000, SECOND_US), {})
        stream = Reader(path).stream_trades(NAME, *ALWAYS, chunk=100)
        next(stream)
        writer.write(some_trades(1_100, SECOND_US)[1_000:], {})
        # Blocked, not complete, as long as somebody reads what was before.
        busy, *_ = writer._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        assert sum(map(len, stream)) == 1_000

"""Candles, gaps and what became of them, and what the database holds of each instrument."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.errors import StoreError, StoreUnusable
from tandem.core.events import BAR, CANDLE, Gap, Trade
from tandem.storage.null import ForeignStore, NullStore
from tandem.storage.records import Held
from tandem.storage.schema import MIGRATIONS
from tandem.storage.store import Store

START_US = 1_780_000_000 * SECOND_US // MINUTE_US * MINUTE_US
NAME = "sim:AUSDT"


def trade(number, second=None):
    time_us = START_US + (number if second is None else second) * SECOND_US
    return Trade(NAME, number, time_us, 10.0 + number, 1.0, 1, time_us)


def candles(minutes, close=10.0):
    rows = np.zeros(len(minutes), BAR)
    rows["time_us"] = START_US + np.array(minutes) * MINUTE_US
    rows["last_us"] = rows["time_us"] + MINUTE_US - 1
    rows["open"] = rows["high"] = rows["low"] = rows["close"] = close
    rows["volume"], rows["buy_volume"], rows["notional"] = 2.0, np.nan, 20.0
    rows["trades"] = CANDLE
    return rows


@pytest.fixture
def store(tmp_path):
    with closing(Store.open(tmp_path / "t.sqlite", batch_ms=1)) as opened:
        yield opened


def test_candles_come_back_as_they_went_in(store):
    rows = candles([0, 1, 5])
    store.put_candles(NAME, rows)
    assert store.flush(5.0)
    back = store.candles(NAME, START_US, START_US + 10 * MINUTE_US)
    assert back.dtype == BAR
    for name in BAR.names:
        np.testing.assert_array_equal(back[name], rows[name])
    # Minutes that start in the range, its end excluded.
    part = store.candles(NAME, START_US + 1, START_US + 5 * MINUTE_US)
    assert part["time_us"].tolist() == [START_US + MINUTE_US]
    assert not len(store.candles("sim:NEVER", START_US, START_US + MINUTE_US))


def test_a_candle_told_again_is_replaced_and_bars_of_trades_stay_apart(store):
    store.submit([trade(1)])
    store.put_candles(NAME, candles([0]))
    store.put_candles(NAME, candles([0], close=11.0))
    assert store.flush(5.0)
    assert store.candles(NAME, START_US, START_US + MINUTE_US)["close"].tolist() == [11.0]
    assert store.bars(NAME, START_US, START_US + MINUTE_US)["trades"].tolist() == [1]


def test_a_candle_that_is_no_number_is_refused_and_the_rest_kept(store):
    store.put_candles(NAME, candles([0], close=np.inf))
    store.put_candles(NAME, candles([1]))
    assert store.flush(5.0)
    assert store.health().refused == 1
    assert len(store.candles(NAME, START_US, START_US + 9 * MINUTE_US)) == 1


def test_reading_a_deleted_database_leaves_no_empty_one_in_its_place(tmp_path):
    path = tmp_path / "gone.sqlite"
    with closing(Store.open(path, batch_ms=1)):
        pass
    reader = Store.open(path, read_only=True)
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    with pytest.raises(StoreError):
        reader.gaps()
    assert not path.exists()


def test_open_gaps_are_found_by_an_index_and_counted_by_state(tmp_path):
    path = tmp_path / "gaps.sqlite"
    with closing(Store.open(path, batch_ms=1)) as store:
        gaps = [Gap(NAME, n, n, START_US + n, START_US + n, "filled") for n in range(100)]
        store.submit([*gaps, gaps[0]._replace(first_id=500, last_id=501, state="open")])
        assert store.flush(10)
        assert store.gap_counts() == {"filled": 100, "open": 1}
        assert [gap.first_id for gap in store.gaps(states=("open",))] == [500]
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM gaps WHERE state = 'open' ORDER BY start_us"
        ).fetchall()
    assert any("gaps_by_state" in row[-1] for row in plan)


def test_a_gap_is_replaced_by_its_parts_after_what_was_submitted_before(store):
    hole = Gap(NAME, 1, 10, START_US, START_US + 10 * SECOND_US, "open")
    store.submit([hole])
    pieces = [
        hole._replace(last_id=6, end_us=START_US + 6 * SECOND_US, state="filled"),
        hole._replace(first_id=7, start_us=START_US + 7 * SECOND_US, state="lost"),
    ]
    store.submit([trade(number) for number in range(1, 7)])
    for _ in range(2):  # done twice, it is the same
        store.replace_gap(hole, pieces)
        assert store.flush(5.0)
        assert store.gaps(NAME) == pieces
    assert store.gaps(states=("open",)) == []
    assert store.gaps(states=("filled", "candles")) == pieces[:1]
    assert store.gaps(NAME, since_us=START_US + 7 * SECOND_US) == pieces[1:]
    assert store.gaps("sim:OTHER") == []
    store.replace_gap(pieces[1], [])
    assert store.flush(5.0)
    assert store.gaps() == pieces[:1]


@pytest.mark.parametrize("is_by_id", [True, False])
def test_what_is_closed_piece_by_piece_is_one_row_in_the_end(store, is_by_id):
    ids = (1, 1_000) if is_by_id else (-1, -1)
    left = Gap(NAME, *ids, START_US, START_US + 1_000 * SECOND_US - 1, "open")
    other = Gap(NAME, 5_000, 5_000, START_US, START_US, "filled")
    store.submit([left, other])
    for size in (300, 1, 399, 300):
        end_us = left.end_us - size * SECOND_US
        cut = left.last_id - size
        last = left._replace(start_us=end_us + 1, state="filled")
        rest = left._replace(end_us=end_us)
        if is_by_id:
            last, rest = last._replace(first_id=cut + 1), rest._replace(last_id=cut)
        store.replace_gap(left, [rest, last] if end_us > START_US else [last])
        left = rest
    assert store.flush(5.0)
    whole = Gap(NAME, *ids, START_US, START_US + 1_000 * SECOND_US - 1, "filled")
    assert sorted(store.gaps(NAME)) == sorted([whole, other])


def test_closed_gaps_of_two_kinds_stay_two(store):
    first = Gap(NAME, 1, 10, START_US, START_US + SECOND_US, "open")
    second = Gap(NAME, 11, 20, START_US + SECOND_US, START_US + 2 * SECOND_US, "open")
    store.submit([first, second])
    store.replace_gap(first, [first._replace(state="lost")])
    store.replace_gap(second, [second._replace(state="candles")])
    assert store.flush(5.0)
    assert [gap.state for gap in store.gaps(NAME)] == ["lost", "candles"]


def test_holes_known_by_time_only_stand_beside_each_other(store):
    holes = [
        Gap(NAME, -1, -1, START_US + at * SECOND_US, START_US + (at + 2) * SECOND_US, "open")
        for at in (0, 5)
    ]
    store.submit(holes)
    assert store.flush(5.0)
    assert store.gaps(NAME) == holes


def test_the_inventory_counts_what_is_held(store):
    store.submit([trade(1), trade(2, second=1), trade(3), trade(1)])
    store.submit([Gap(NAME, 4, 9, START_US, START_US + SECOND_US, "open")])
    store.put_candles(NAME, candles([3, 4]))
    store.put_candles("sim:BUSDT", candles([3]))
    assert store.flush(5.0)
    times = START_US + SECOND_US, START_US + 3 * SECOND_US
    assert store.inventory() == [
        Held(NAME, *times, trades=3, seconds=2, minutes=2, gaps={"open": 1}),
        Held("sim:BUSDT", 0, 0, trades=0, seconds=0, minutes=1, gaps={}),
    ]
    assert len(store.bars(NAME, 0, START_US + MINUTE_US)) == 2


def test_candles_are_counted_by_a_counter(store):
    for minutes in ([0, 1, 2, 3], [2, 3, 4], [0]):
        store.put_candles(NAME, candles(minutes))
    store.put_candles("sim:BUSDT", candles([7]))
    assert store.flush(5.0)
    with closing(sqlite3.connect(store.path)) as record:
        kept = "SELECT name, minutes FROM instruments ORDER BY name"
        assert record.execute(kept).fetchall() == [(NAME, 5), ("sim:BUSDT", 1)]
        # As pruning does.
        record.execute("DELETE FROM candles WHERE slot IN (SELECT slot FROM candles LIMIT 2)")
        assert record.execute(kept).fetchall() == [(NAME, 3), ("sim:BUSDT", 1)]
        gaps = "SELECT * FROM gaps WHERE end_us >= 0 AND state IN ('open', 'lost')"
        assert "gaps_by_state" in str(record.execute(f"EXPLAIN QUERY PLAN {gaps}").fetchall())


def test_candles_recorded_before_there_was_a_counter_are_counted(tmp_path, monkeypatch):
    path = tmp_path / "t.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr("tandem.storage.schema.MIGRATIONS", MIGRATIONS[:4])
        from tandem.storage.schema import open_writer

        with closing(open_writer(path)) as old:
            old.execute("INSERT INTO instruments (id, name) VALUES (1, ?)", (NAME,))
            for minute in range(3):
                old.execute(
                    "INSERT INTO candles VALUES (?, 1, 1, 1, 1, 1, 1, 1)", (1 << 32 | minute,)
                )
    with closing(Store.open(path)) as store:
        assert store.inventory()[0].minutes == 3


def test_a_state_says_when_it_was_saved(store):
    assert store.load_state_dated("symbols:sim") is None
    store.save_state("symbols:sim", b"list")
    waiting = store.load_state_dated("symbols:sim")
    assert store.flush(5.0)
    kept = store.load_state_dated("symbols:sim")
    assert waiting is not None and kept is not None
    assert waiting[0] == kept[0] == b"list"
    assert abs(kept[1] - waiting[1]) < 60 * SECOND_US


def test_a_record_of_the_first_format_is_brought_up_to_date(tmp_path, monkeypatch):
    path = tmp_path / "t.sqlite"
    monkeypatch.setattr("tandem.storage.schema.MIGRATIONS", MIGRATIONS[:1])
    with closing(sqlite3.connect(path)):
        pass
    from tandem.storage.schema import open_writer

    old = open_writer(path)
    monkeypatch.undo()
    # Written as the first format was, by the statements of today that it understands.
    with closing(Store.open(tmp_path / "new.sqlite", batch_ms=1)) as new:
        new.submit([trade(number) for number in range(200)])
        assert new.flush(5.0)
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as new:
        old.execute("INSERT INTO instruments (id, name, trades) VALUES (1, ?, 200)", (NAME,))
        old.executemany(
            "INSERT INTO bars_1s VALUES (?, ?)", new.execute("SELECT * FROM bars_1s").fetchall()
        )
    old.close()
    with pytest.raises(StoreUnusable, match="older Tandem"):
        Store.open(path, read_only=True)
    with closing(Store.open(path)) as store:
        assert store.inventory()[0].seconds == 200
        assert not len(store.candles(NAME, 0, START_US))
    Store.open(path, read_only=True).close()


def test_without_a_record_there_is_nothing_and_no_failure():
    nothing = NullStore("no disk")
    nothing.put_candles(NAME, candles([0]))
    hole = Gap(NAME, 1, 2, 0, 1, "open")
    nothing.replace_gap(hole, [hole._replace(state="lost")])
    assert not len(nothing.candles(NAME, 0, START_US))
    assert nothing.gaps() == nothing.inventory() == []
    assert nothing.load_state_dated("x") is None


def test_the_record_of_another_process_is_said_to_be_free_once_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("tandem.storage.null._ASK_S", 0.0)
    path = tmp_path / "t.sqlite"
    store = Store.open(path)
    beside = ForeignStore(path, "Process 7 has it.")
    assert beside.health().text == "Process 7 has it."
    store.close()
    assert "nobody records into it now" in beside.health().text
    with closing(Store.open(path)):
        assert beside.health().text == "Process 7 has it."

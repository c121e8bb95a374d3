"""The database under fire: killed, full, damaged, foreign, shared, moved away."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

from tandem.core.errors import StoreFull, StoreUnusable
from tandem.core.events import Gap, Trade
from tandem.storage.reader import Reader
from tandem.storage.schema import APPLICATION_ID, MIGRATIONS, open_writer, transaction
from tandem.storage.store import Store
from tandem.storage.write_queue import Backlog
from tandem.storage.writer import Writer
from tests.support.children import start_child
from tests.support.stored_batches import ALWAYS, BASE_US, LEGS, assert_bars, assert_sound, batch
from tests.support.waiting import wait_until

# Killed ---------------------------------------------------------------------------------

CHILD = """
import sys
from tandem.storage.store import Store
from tests.support.stored_batches import batch
store = Store.open(sys.argv[1], batch_ms=1)
number = int(sys.argv[2])
print("open", flush=True)
while True:
    store.submit(batch(number))
    if number % 4 != 1:
        assert store.flush(30)
        print(number, flush=True)
    number += 1
"""


def kill_while_writing(path, rounds):
    source = random.Random(rounds)
    acknowledged, number = set(), 0
    for _ in range(rounds):
        child = start_child(CHILD, path, number)
        assert child.stdout.readline() == "open\n"
        first = number
        for _ in range(source.randrange(1, 25)):
            number = int(child.stdout.readline())
        time.sleep(source.random() * 0.01)
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        if rest.split("\n")[:-1]:
            number = int(rest.split("\n")[-2])
        # A flush acknowledges what was submitted before it as well.
        acknowledged.update(range(first, number + 1))
        assert_sound(path, acknowledged)
        # Beyond what may have been committed unseen, at a batch that repeats none before it.
        number = (number // 3 + 2) * 3
    return acknowledged


def test_a_killed_process_loses_nothing_acknowledged(path):
    assert kill_while_writing(path, rounds=10)


@pytest.mark.slow
def test_two_hundred_killed_processes_lose_nothing_acknowledged(path):
    assert kill_while_writing(path, rounds=200)


def test_a_cut_write_ahead_log_leaves_a_prefix_of_whole_batches(path, tmp_path):
    """What a power cut can do: the log's last pages never reached the disk."""
    store = Store.open(path, batch_ms=1)
    for number in range(60):
        store.submit(batch(number))
        assert store.flush(10)
    log_size = os.path.getsize(f"{path}-wal")
    for round_, left in enumerate((log_size - 1, log_size * 2 // 3, log_size // 3, 5_000)):
        copy = tmp_path / str(round_) / "tandem.sqlite"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        shutil.copy(f"{path}-wal", f"{copy}-wal")
        os.truncate(f"{copy}-wal", left)
        again = Store.open(copy, batch_ms=1)
        assert_sound(copy, range(again.spans()["sim:AUSDT"].trades // 20 if again.spans() else 0))
        again.submit(batch(60))
        assert again.flush(10)
        again.close()
        assert_sound(copy, [60])
    store.close()


# Full -----------------------------------------------------------------------------------


def limit_pages(store, extra):
    """Let SQLite itself report a full disk once the file has so many more pages."""
    connection = store._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + extra if extra else 2**30}")


def test_a_full_disk_pauses_recording_which_then_resumes_with_what_was_kept(path):
    store = Store.open(path, batch_ms=1, queue_trades=400)
    store.submit(batch(0))
    assert store.flush(10)
    limit_pages(store, 2)
    number = 0
    while store.health().lost == 0:
        number += 1
        store.submit(batch(number))
        if store.health().state == "paused":
            assert not store.flush(0.01)
    health = store.health()
    assert health.state == "paused"
    assert "full" in health.text
    assert "Free some space. Live prices and signals continue." in health.text
    assert "resumes automatically" in health.text
    assert "were dropped (queue full)" in health.text
    assert store.trades("sim:AUSDT", *ALWAYS)
    limit_pages(store, 0)
    assert store.flush(30)
    wait_until(lambda: all(store.gaps(leg) for leg in LEGS))
    assert store.health().state == "recording"
    lost = store.health().lost
    assert store.close() == 0
    reader = Reader(path)
    missing = 0
    for leg in LEGS:
        (gap,) = reader.gaps(leg)
        assert gap.state == "open"
        kept = {one.trade_id for one in reader.trades(leg, *ALWAYS)}
        everything = {
            one.trade_id for n in range(number + 1) for one in batch(n) if one.instrument == leg
        }
        missing += len(everything - kept)
        assert all(gap.first_id <= one <= gap.last_id for one in everything - kept)
        assert_bars(reader, leg)
    assert 0 < missing <= lost


@pytest.mark.parametrize("text", [False, True])
def test_what_finds_no_room_is_one_hole_per_instrument_and_a_lost_gap_is_part_of_it(text):
    """Also where ids are text: then the hole is known by its time."""
    backlog = Backlog(0.0, 5)
    backlog.put([one for one in batch(0) if one.instrument == LEGS[0]][:5])
    backlog.problem = StoreFull("full")
    own = [one for one in batch(1) if one.instrument == LEGS[0]]
    trades = [one._replace(trade_id=f"id-{one.trade_id}") for one in own] if text else own
    for one in trades:
        backlog.put([one])
    gap = Gap(LEGS[1], 3, 9, BASE_US, BASE_US + 5, "open")
    backlog.put([gap])
    backlog.put([gap._replace(first_id=-1, last_id=-1, end_us=BASE_US + 9)])
    assert backlog.lost == len(trades)
    *_, first, second = backlog.take().entries
    times = [one.time_us for one in trades]
    ids = (-1, -1) if text else (own[0].trade_id, own[-1].trade_id)
    assert first == Gap(LEGS[0], *ids, min(times), max(times), "open")
    assert second == Gap(LEGS[1], -1, -1, BASE_US, BASE_US + 9, "open")


def test_closing_on_a_full_disk_says_what_was_not_written(path):
    store = Store.open(path, batch_ms=1)
    store.submit(batch(0))
    assert store.flush(10)
    limit_pages(store, 1)
    store.submit([one for number in range(1, 60) for one in batch(number)])
    wait_until(lambda: store.health().state == "paused")
    unwritten = store.close(timeout=2)
    assert unwritten == sum(len(batch(number)) for number in range(1, 60))
    assert store.health().state == "closed"
    assert f"{unwritten} trades were not written" in store.health().text
    assert_sound(path, [0])


def test_another_program_that_locks_the_file_only_delays(path):
    store = Store.open(path, batch_ms=1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.submit(batch(0))
        wait_until(lambda: store.health().state == "paused")
        assert "Another program holds" in store.health().text
        other.execute("ROLLBACK")
    assert store.flush(30)
    assert store.close() == 0
    assert_sound(path, [0])


def test_closing_waits_for_another_program_to_let_go_of_the_file(path):
    store = Store.open(path, batch_ms=1)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.submit(batch(0))
        wait_until(lambda: store.health().state == "paused")
        Timer(0.5, other.execute, ("ROLLBACK",)).start()
        assert store.close(timeout=60) == 0
    assert_sound(path, [0])


def test_what_was_lost_without_a_gap_is_missing_until_its_gap_is_committed():
    backlog = Backlog(0.0, 5)
    backlog.put(batch(0)[:5])
    backlog.problem = StoreFull("full")
    backlog.put(batch(1))
    assert backlog.trades == 5 + len(batch(1))
    taken = backlog.take()
    backlog.put(batch(2))
    backlog.done(taken)
    assert backlog.trades == len(batch(2))


def test_a_disk_slower_than_the_market_is_told(path, monkeypatch):
    monkeypatch.setattr("tandem.storage.store._SLOW_S", -1.0)
    with closing(Store.open(path, batch_ms=1)) as store:
        store.submit(batch(0))
        health = store.health()
        assert health.state == "recording"
        assert "s behind" in health.text
        assert "entries are waiting to be written" in health.text


def test_what_the_file_itself_refuses_stops_recording(path):
    """Every entry is sound, yet the table rejects it: somebody changed the file by hand."""
    store = Store.open(path, batch_ms=1)
    with closing(sqlite3.connect(path)) as other:
        other.execute(
            "CREATE TRIGGER no BEFORE INSERT ON trades BEGIN SELECT raise(ABORT, 'no'); END"
        )
        other.commit()
    store.submit(batch(0))
    assert not store.flush(10)
    assert "does not take what is recorded" in store.health().text
    assert store.close() == len(batch(0))


def test_a_file_moved_away_stops_recording_and_is_named(path):
    store = Store.open(path, batch_ms=1)
    store.submit(batch(0))
    assert store.flush(10)
    path.rename(path.with_name("elsewhere.sqlite"))
    store.submit(batch(1))
    assert not store.flush(10)
    health = store.health()
    assert health.state == "paused"
    assert "moved or deleted" in health.text
    assert store.close() == len(batch(1))


@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
@pytest.mark.parametrize("is_idle", [False, True])
def test_a_log_deleted_while_recording_is_noticed_and_costs_nothing(path, tmp_path, ends, is_idle):
    with closing(Store.open(path, batch_ms=1)) as store:
        store.submit(batch(0))
        assert store.flush(10)
        for end in ends:
            path.with_name(path.name + end).unlink()
        if not is_idle:
            store.submit(batch(1))
            assert store.flush(10)
        wait_until(lambda: "log was deleted" in "".join(store.health().notes))
        assert store.health().state == "recording"
        # What a process that is killed now would leave behind.
        left = tmp_path / "left"
        left.mkdir()
        for one in tmp_path.glob("tandem.sqlite*"):
            shutil.copy(one, left / one.name)
        assert_sound(left / path.name, [0] if is_idle else [0, 1])
        store.submit([*batch(1), *batch(2)])
        assert store.flush(10)
        assert_sound(path, [0, 1, 2])
    assert_sound(path, [0, 1, 2])


def test_a_deleted_log_waits_for_a_reader_that_holds_the_file(path):
    with closing(Store.open(path, batch_ms=1)) as store:
        store.submit(batch(0))
        assert store.flush(10)
        reader = sqlite3.connect(path)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM trades").fetchone()
        store.submit(batch(1))
        assert store.flush(10)
        path.with_name(path.name + "-wal").unlink()
        store.submit(batch(2))
        wait_until(lambda: "a reader holds the file" in store.health().text)
        reader.close()
        assert store.flush(20)
        assert store.health().state == "recording"
        assert_sound(path, [0, 1, 2])


def test_damage_met_while_recording_stops_it_and_leaves_the_rest_running(path, monkeypatch):
    """A file too large to be checked when it is opened."""
    whole = bytearray(recorded(path))
    half = len(whole) // 2
    whole[half:] = random.Random(1).randbytes(len(whole) - half)
    path.write_bytes(whole)
    monkeypatch.setattr("tandem.storage.schema._CHECKED_BYTES", 0)
    store = Store.open(path, batch_ms=1, queue_trades=100)
    for number in range(100, 110):
        store.submit(batch(number))
        assert not store.flush(10)
    health = store.health()
    assert health.state == "paused"
    assert "is damaged" in health.text
    assert "quarantine it" in health.text
    assert "restart Tandem afterwards" in health.text
    assert store.close() == sum(len(batch(number)) for number in range(100, 110))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_our_own_in_the_writer_is_not_called_recording(path, monkeypatch):
    store = Store.open(path, batch_ms=1)

    def fail(entries, states):
        raise RuntimeError("a bug")

    monkeypatch.setattr(store._writer, "write", fail)
    store.submit(batch(0))
    assert not store.flush(10)
    assert store.health().state == "paused"
    assert "a bug" in store.health().text
    assert store.close() == len(batch(0))


# Places and files that cannot be used ---------------------------------------------------


def test_a_missing_folder_is_made(tmp_path):
    path = tmp_path / "a" / "b" / "tandem.sqlite"
    Store.open(path).close()
    assert path.is_file()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreFull, match="work without the database; choose a writable folder"):
        Store.open(tmp_path / "file" / "tandem.sqlite")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody may write to")
def test_a_folder_that_cannot_be_written_is_told():
    with pytest.raises(StoreFull, match="Nothing can be written beside"):
        Store.open("/proc/self/tandem.sqlite")


def other_program(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.commit()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path.write_text("time,price\n1,2\n"), "is not a database"),
        (lambda path: path.write_bytes(b"SQLite format 3\x00"), "is not a database"),
        (lambda path: path.write_bytes(bytes(5_000)), "is not a database"),
        (other_program, "of another program"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_foreign_file_is_refused_and_left_alone(path, make, text, read_only):
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match=text):
        Store.open(path, read_only=read_only)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_in_place_of_the_file_is_refused(path):
    path.mkdir()
    with pytest.raises(StoreUnusable, match="is a folder"):
        Store.open(path)


def recorded(path):
    store = Store.open(path, batch_ms=1)
    for number in range(100):
        store.submit(batch(number))
    store.close()
    return path.read_bytes()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("damage", ["middle", "cut", "schema"])
def test_a_damaged_file_is_named_and_left_alone(path, damage, read_only):
    whole = bytearray(recorded(path))
    if damage == "middle":
        whole[8_192:24_576] = random.Random(1).randbytes(16_384)
    elif damage == "cut":
        del whole[len(whole) // 2 :]
    else:
        whole[100:300] = random.Random(1).randbytes(200)
    path.write_bytes(whole)
    with pytest.raises(StoreUnusable, match="damaged.*left as it is"):
        Store.open(path, read_only=read_only)
    assert path.read_bytes() == whole


def test_damage_met_while_reading_is_named(path):
    whole = bytearray(recorded(path))
    whole[8_192:] = random.Random(1).randbytes(len(whole) - 8_192)
    path.write_bytes(whole)
    with pytest.raises(StoreUnusable, match="damaged"):
        Reader(path).bars("sim:AUSDT", *ALWAYS)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_record_of_a_newer_version_is_refused(path, read_only):
    Store.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO migrations VALUES (?, 'future', 0)", (len(MIGRATIONS) + 1,))
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match=f"newer Tandem .format {len(MIGRATIONS) + 1}, this"):
        Store.open(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_record_that_does_not_exist_cannot_be_read(path):
    with pytest.raises(StoreUnusable, match="There is no database"):
        Store.open(path, read_only=True)
    assert not path.exists()


@pytest.mark.parametrize("begun", ["empty", "identified"])
def test_a_file_whose_creation_was_cut_short_is_completed(path, begun):
    path.touch()
    if begun == "identified":
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = incremental")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    store = Store.open(path)
    store.submit(batch(0))
    store.close()
    assert_sound(path, [0])


def test_a_migration_that_fails_leaves_nothing_behind(path, monkeypatch):
    Store.open(path).close()
    broken = (*MIGRATIONS, ("broken", ("CREATE TABLE half (id)", "CREATE nonsense")))
    monkeypatch.setattr("tandem.storage.schema.MIGRATIONS", broken)
    with pytest.raises(StoreUnusable, match="cannot be used"):
        Store.open(path)
    monkeypatch.undo()
    store = Store.open(path)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name='half'").fetchall()
        assert connection.execute("SELECT max(id) FROM migrations").fetchone() == (len(MIGRATIONS),)


def test_a_transaction_that_raises_changes_nothing(path):
    with closing(open_writer(path)) as connection:
        with pytest.raises(KeyError), transaction(connection):
            connection.execute("INSERT INTO instruments (name) VALUES ('sim:AUSDT')")
            raise KeyError
        assert connection.execute("SELECT count(*) FROM instruments").fetchone() == (0,)
        assert not connection.in_transaction


# Moved, replaced ------------------------------------------------------------------------


def one(number, name="sim:AUSDT"):
    return Trade(name, number, BASE_US + number * 1_000, 100.0, 1.0, 1, BASE_US)


def test_a_backup_put_in_place_while_recording_is_not_overlaid_by_the_old_log(path, tmp_path):
    backup = tmp_path / "backup.sqlite"
    with closing(Store.open(backup)) as store:
        store.submit([one(number) for number in range(500)])
        assert store.flush(5.0)
    store = Store.open(path)
    store.submit([one(number) for number in range(3)])
    assert store.flush(5.0)
    os.replace(backup, path)
    store.submit([one(4)])
    store.close()
    with closing(Store.open(path)) as restored:
        assert restored.spans()["sim:AUSDT"].trades == 500
    assert not list(tmp_path.glob("*-wal*"))


def test_a_file_that_is_gone_is_not_called_unwritable(path):
    with closing(Store.open(path)) as store:
        path.unlink()
        with pytest.raises(StoreUnusable, match="was moved or deleted"):
            store.gap_counts()


def test_a_file_that_was_moved_and_put_back_has_all_that_was_committed(path, tmp_path):
    store = Store.open(path)
    store.submit([one(number) for number in range(500)])
    assert store.flush(5.0)
    path.rename(tmp_path / "elsewhere.sqlite")
    store.close()
    (tmp_path / "elsewhere.sqlite").rename(path)
    with closing(Store.open(path)) as again:
        assert again.spans()["sim:AUSDT"].trades == 500


def test_what_may_have_found_no_room_settles_no_gap(path, monkeypatch):
    full = [True]
    write = Writer.write

    def failing(self, entries, states):
        if full[0]:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return write(self, entries, states)

    hole = Gap("sim:AUSDT", 101, 200, 101, 200, "open")
    store = Store.open(path, batch_ms=1, queue_trades=1_000)
    store.submit([hole])
    assert store.flush(5.0)
    monkeypatch.setattr(Writer, "write", failing)
    other = [one(number, "sim:BUSDT") for number in range(995)]
    store.submit(other)
    wait_until(lambda: store.health().state == "paused")
    before = store.health().lost
    store.submit([one(number) for number in range(101, 201)])
    assert store.health().lost == before + 100
    store.replace_gap(hole, [hole._replace(state="filled")])
    full[0] = False
    assert store.flush(20.0)
    assert {gap.state for gap in store.gaps("sim:AUSDT")} == {"open"}
    store.close()

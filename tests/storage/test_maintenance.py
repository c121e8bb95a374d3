"""Care for a database beside the process that records into it."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tandem.core.clock import SECOND_US
from tandem.core.errors import Cancelled, StoreError, StoreFull, StoreInUse, StoreUnusable
from tandem.core.events import Gap, Trade
from tandem.core.parallel import Watch
from tandem.storage.maintenance import (
    back_up,
    check,
    compact,
    file_facts,
    finished_whole,
    reopen_lost,
)
from tandem.storage.reader import Reader
from tandem.storage.schema import MIGRATIONS
from tandem.storage.store import Store
from tests.support.waiting import wait_until

NAME, OTHER = "coinbase:ETH-USD", "bybit:BTCUSDT"
START_US = 1_750_032_000 * SECOND_US


def made_trades(first: int, stop: int, name: str = NAME) -> list[Trade]:
    at = START_US
    return [
        Trade(name, n, at + n * 90_000, 2_500.0 + n % 7, 0.5, 1 - 2 * (n % 2), at + n * 90_000 + 9)
        for n in range(first, stop)
    ]


@pytest.fixture
def recorded(path: Path) -> Path:
    """Return a database of two instruments, one with a gap in its trade ids that is known."""
    store = Store.open(path)
    lost = Gap(NAME, 500, 599, START_US + 499 * 90_000, START_US + 600 * 90_000, "lost")
    store.submit([*made_trades(0, 500), lost, *made_trades(600, 1_000)])
    late = made_trades(0, 300, OTHER)
    store.submit([*late[100:], *late[:100]])
    assert store.flush(30.0)
    store.close()
    return path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


# Check --------------------------------------------------------------------------------------


def test_a_sound_database_has_no_fault(recorded: Path) -> None:
    seen: list[tuple[int, int]] = []
    watch = Watch(lambda done, total: seen.append((done, total)))
    assert check(recorded, {"coinbase", "bybit"}, watch) == ([], 1_200)
    assert seen[-1] == (1_200, 1_200)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM trades WHERE trade_id = 7 AND instrument_id = 1", "900 trades are counted"),
        ("UPDATE trades SET price = 9.0 WHERE trade_id = 12", "the bar of 2025-06-16T00:00:01"),
        ("UPDATE trades SET quantity = 0.6 WHERE trade_id = 12", "the bar of 2025-06-16T00:00:01"),
        ("DELETE FROM bars_1s WHERE slot >> 32 = 2", "27 seconds of bars are counted, 0 are"),
        ("UPDATE instruments SET minutes = 4", "4 candles are counted, 0 are there"),
        ("DELETE FROM gaps", "trades 500 to 599 (2025-06-16T00:00:44.910000Z to"),
        ("UPDATE gaps SET last_id = 598", "in no gap"),
    ],
)
def test_what_does_not_agree_is_a_fault(recorded: Path, statement: str, told: str) -> None:
    change(recorded, statement)
    faults = check(recorded, {"coinbase"}).faults
    assert any(told in fault for fault in faults), faults
    assert all(fault.endswith(".") for fault in faults)


def test_a_gap_known_by_its_time_covers_missing_numbers(recorded: Path) -> None:
    change(recorded, "UPDATE gaps SET first_id = -1, last_id = -1")
    assert check(recorded, {"coinbase"}).faults == []


def test_gaps_that_touch_cover_missing_numbers_together(recorded: Path) -> None:
    change(
        recorded,
        "INSERT INTO gaps SELECT instrument_id, 551, 620, start_us, end_us, state FROM gaps",
        "UPDATE gaps SET last_id = 550 WHERE first_id = 500",
    )
    assert check(recorded, {"coinbase"}).faults == []
    change(recorded, "UPDATE gaps SET first_id = 552 WHERE first_id = 551")
    assert len(check(recorded, {"coinbase"}).faults) == 1


def test_numbers_of_a_venue_that_does_not_count_are_no_fault(recorded: Path) -> None:
    change(recorded, "DELETE FROM gaps")
    assert check(recorded, {"bybit"}).faults == []


def test_of_many_faults_the_first_are_told_and_the_rest_counted(recorded: Path) -> None:
    change(recorded, "UPDATE trades SET price = 9.0 WHERE instrument_id = 1")
    faults = check(recorded).faults
    assert len(faults) == 21 and faults[-1] == f"{NAME}: 61 faults more."


def test_trades_that_were_let_go_are_not_compared(recorded: Path) -> None:
    store = Store.open(recorded)
    store.keep(days=60 / 86_400)
    wait_until(lambda: store.health().pruned, "retention")
    wait_until(lambda: not change_is_due(recorded), "the end of retention")
    store.close()
    assert check(recorded, {"coinbase"}).faults == []


def change_is_due(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT count(*) FROM instruments WHERE pruned_to_us < kept_from_us"
        return bool(connection.execute(query).fetchone()[0])


def test_a_damaged_file_is_told(recorded: Path) -> None:
    with recorded.open("r+b") as file:
        file.seek(4_096 * 3)
        file.write(b"\xff" * 4_096)
    with pytest.raises(StoreUnusable, match="is damaged"):
        check(recorded)


def test_the_file_is_looked_at_for_damage_once(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.storage.files.check_inside", lambda *_: pytest.fail("twice"))
    assert check(recorded) == ([], 1_200)


# Beside a recorder --------------------------------------------------------------------------


@pytest.fixture
def recorder(path: Path) -> Iterator[Callable[[], int]]:
    """Record 5,000 trades a second until the test ends; returns what counts those submitted."""
    store = Store.open(path, batch_ms=20)
    store.submit(made_trades(0, 40_000))
    assert store.flush(30.0)
    stop, counts = threading.Event(), [40_000]

    def record() -> None:
        while not stop.wait(0.01):
            store.submit(made_trades(counts[0], counts[0] + 50))
            counts[0] += 50

    thread = threading.Thread(target=record)
    thread.start()
    yield lambda: counts[0]
    stop.set()
    thread.join()
    assert store.flush(30.0)
    health = store.health()
    assert (health.state, health.lost, health.written) == ("recording", 0, counts[0])
    store.close()
    assert check(path, {"coinbase"}).faults == []


def test_a_backup_is_whole_while_a_recorder_writes(
    path: Path, tmp_path: Path, recorder: Callable[[], int]
) -> None:
    before = Reader(path).spans()[NAME].trades
    steps: list[int] = []
    grown = before + 500

    def progress(done: int, _total: int) -> None:
        steps.append(done)
        if len(steps) == 5:
            # Commits in the middle of the copy: they may neither disturb it nor be lost.
            wait_until(lambda: Reader(path).spans()[NAME].trades > grown, "commits meanwhile")

    target = tmp_path / "backup.sqlite"
    assert back_up(path, target, watch=Watch(progress), pages=20) == target.stat().st_size
    assert len(steps) > 20 and steps == sorted(steps)
    held = Reader(target).spans()[NAME].trades
    assert before <= held < grown
    assert [one.trade_id for one in Reader(target).arrivals(NAME, 0, 2**60)] == list(range(held))
    assert check(target, {"coinbase"}).faults == []
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_check_beside_a_recorder_finds_no_fault(path: Path, recorder: Callable[[], int]) -> None:
    begun = recorder()
    assert check(path, {"coinbase"}).faults == []
    assert recorder() > begun


def test_trades_recorded_during_a_check_are_not_counted(recorded: Path) -> None:
    with closing(Store.open(recorded)) as store:
        more = iter([made_trades(1_000, 1_500)])

        def progress(_done: int, _total: int) -> None:
            for trades in more:
                store.submit(trades)
                assert store.flush(30.0)

        assert check(recorded, {"coinbase"}, Watch(progress)) == ([], 1_200)


# Backup -------------------------------------------------------------------------------------


def test_a_backup_overwrites_nothing(recorded: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("mine")
    with pytest.raises(StoreError, match="precious exists already"):
        back_up(recorded, target)
    assert target.read_text() == "mine"


@pytest.mark.parametrize("has_links", [True, False])
def test_of_two_that_write_to_one_name_the_first_to_end_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "b"
    with pytest.raises(StoreError, match="b exists already"), finished_whole(target) as slow:
        slow.write_text("half")
        with finished_whole(target, 0o640) as quick:
            quick.write_text("whole")
        assert slow.read_text() == "half"
    assert target.read_text() == "whole"
    assert target.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_backup_is_made_of_any_format(recorded: Path, tmp_path: Path, difference: int) -> None:
    known = len(MIGRATIONS)
    if difference < 0:
        change(recorded, f"DELETE FROM migrations WHERE id = {known}")
    else:
        change(recorded, f"INSERT INTO migrations VALUES ({known + 1}, 'of tomorrow', 0)")
    with pytest.raises(StoreUnusable, match=f"Tandem \\(format {known + difference}"):
        check(recorded)
    back_up(recorded, tmp_path / "b")
    query = "SELECT (SELECT max(id) FROM migrations), count(*) FROM trades"
    with closing(sqlite3.connect(tmp_path / "b")) as copy:
        assert copy.execute(query).fetchone() == (known + difference, 1_200)


def test_a_backup_that_is_cancelled_leaves_nothing(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        back_up(recorded, tmp_path / "b", watch=Watch(is_cancelled=lambda: True), pages=1)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("b")] == []


def test_a_disk_that_is_full_is_that_of_the_backup_and_nothing_is_left(
    path: Path, tmp_path: Path
) -> None:
    store = Store.open(path)
    # More than SQLite holds in memory before it writes.
    store.submit(made_trades(0, 60_000))
    store.close(30.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(StoreFull, match=r"The disk of .*/backup is full or fails"):
            back_up(path, tmp_path / "backup")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("b")] == []


# Compaction ---------------------------------------------------------------------------------


def test_compaction_gives_space_back(recorded: Path) -> None:
    change(recorded, "DELETE FROM trades", "DELETE FROM bars_1s", "DELETE FROM instruments")
    facts = file_facts(recorded)
    assert facts.free_bytes > 0 and not facts.is_recorded
    before, after = compact(recorded)
    assert after < before == facts.bytes
    assert file_facts(recorded).free_bytes == 0


def test_compaction_needs_the_database_for_itself(recorded: Path) -> None:
    store = Store.open(recorded)
    assert file_facts(recorded).is_recorded
    with pytest.raises(StoreInUse, match="in use for recording by this process"):
        compact(recorded)
    store.close()


def journal_mode(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def test_compaction_is_refused_while_another_program_reads(recorded: Path) -> None:
    change(recorded, "DELETE FROM trades")
    before = recorded.read_bytes()
    with closing(sqlite3.connect(recorded, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        held = reader.execute("SELECT count(*) FROM bars_1s").fetchone()
        with pytest.raises(StoreInUse, match=r"Another program holds .* Close it there\."):
            compact(recorded)
        assert reader.execute("SELECT count(*) FROM bars_1s").fetchone() == held
    assert recorded.read_bytes() == before
    assert not recorded.with_name(f"{recorded.name}-wal").exists()
    before_bytes, after_bytes = compact(recorded)
    assert after_bytes < before_bytes and journal_mode(recorded) == "wal"


def test_a_compaction_that_is_cancelled_leaves_the_database_as_it_was(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.storage.maintenance._TICK_STEPS", 10)
    with pytest.raises(Cancelled, match="nothing was changed"):
        compact(recorded, watch=Watch(is_cancelled=lambda: True))
    assert journal_mode(recorded) == "wal" and check(recorded, {"coinbase"}).faults == []


# Gaps ---------------------------------------------------------------------------------------


def test_lost_gaps_are_opened_again_beside_a_recorder(recorded: Path) -> None:
    store = Store.open(recorded)
    assert reopen_lost(recorded, OTHER) == 0
    assert reopen_lost(recorded, NAME) == 1
    assert [gap.state for gap in store.gaps()] == ["open"]
    assert reopen_lost(recorded) == 0
    store.close()

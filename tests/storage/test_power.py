"""What a power cut and a disk that is really full leave behind; a file moved out of the way."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tandem.core.errors import StoreFull, StoreInUse, StoreUnusable
from tandem.core.events import Gap
from tandem.ingest.sequence import Track, sift
from tandem.storage.reader import Reader
from tandem.storage.store import Store
from tests.support.stored_batches import ALWAYS, LEGS, assert_bars, assert_sound, batch
from tests.support.waiting import wait_until

LEG = LEGS[0]
# Of a write-ahead log: its own header, then for each page a header and the page.
LOG_HEADER, FRAME = 32, 24 + 4_096


def cut(path, target, size, tail=b""):
    """Copy a record as a power cut leaves it: only so much of the log reached the disk."""
    target.parent.mkdir()
    shutil.copy(path, target)
    with open(f"{path}-wal", "rb") as log:
        Path(f"{target}-wal").write_bytes(log.read()[:size] + tail)
    return target


def places(log_bytes, source, count):
    """Ends of a log to try: between two pages, inside one, at its very end."""
    frames = (log_bytes - LOG_HEADER) // FRAME
    whole = [LOG_HEADER + source.randrange(frames + 1) * FRAME for _ in range(count // 2)]
    return [0, LOG_HEADER, log_bytes, *whole, *(source.randrange(log_bytes) for _ in whole)]


@pytest.mark.parametrize("garbage", [0, 10_000])
def test_a_log_cut_anywhere_leaves_whole_batches_and_the_hole_is_found(path, tmp_path, garbage):
    source = random.Random(garbage + 1)
    count = 40
    with closing(Store.open(path, batch_ms=1)) as store:
        for number in range(count):
            store.submit(batch(number))
            assert store.flush(10)
        sizes = places(os.path.getsize(f"{path}-wal"), source, 24)
        copies = [
            cut(path, tmp_path / str(n) / "tandem.sqlite", size, source.randbytes(garbage))
            for n, size in enumerate(sizes)
        ]
    lost_some = 0
    for copy in copies:
        with closing(Store.open(copy, batch_ms=1)) as again:
            kept = again.spans()[LEG].trades // 20 if LEG in again.spans() else 0
            assert_sound(copy, range(kept))
            last = again.last_trade(LEG)
            if last is None:
                assert kept == 0
                continue
            # Commits are ordered: nothing is missing inside, and what the next trade's id
            # skips is the whole hole.
            ids = {one.trade_id for one in again.arrivals(LEG, *ALWAYS)}
            assert ids == set(range(kept * 20))
            newest = max(again.arrivals(LEG, *ALWAYS), key=lambda one: one.trade_id)
            following = newest._replace(trade_id=count * 20, time_us=newest.time_us + 9_000_000)
            _, _, gaps = sift([following], {LEG: Track([newest], True)}, consecutive=True)
            if kept < count:
                lost_some += 1
                assert [(gap.first_id, gap.last_id) for gap in gaps] == [
                    (kept * 20, count * 20 - 1)
                ]
            else:
                assert gaps == []
            # A newest trade in time that is not the newest id only makes the hole begin earlier.
            _, _, wider = sift([following], {LEG: Track([last], True)}, consecutive=True)
            assert not gaps or wider[0].first_id <= gaps[0].first_id
            again.submit(batch(count))
            assert again.flush(10)
        assert_bars(Reader(copy), LEG)
    assert lost_some >= 5


def test_a_gap_is_never_called_filled_without_its_trades(path, tmp_path):
    """Filling and its note are two commits; a crash between them only means one more request."""
    source = random.Random(3)
    states = set()
    with closing(Store.open(path, batch_ms=1)) as store:
        for number in (0, 2):
            store.submit(batch(number * 3))
        missing = [one for one in batch(3) if one.instrument == LEG]
        gap = Gap(LEG, 60, 79, missing[0].time_us, missing[-1].time_us, "open")
        store.submit([gap])
        assert store.flush(10)
        before = os.path.getsize(f"{path}-wal")
        store.submit(missing)
        assert store.flush(10)
        store.replace_gap(gap, [gap._replace(state="filled")])
        assert store.flush(10)
        after = os.path.getsize(f"{path}-wal")
        for n, size in enumerate(range(before, after + FRAME, FRAME)):
            reader = Store.open(
                cut(path, tmp_path / str(n) / "t.sqlite", size, source.randbytes(9))
            )
            (known,) = reader.gaps()
            held = {one.trade_id for one in reader.arrivals(LEG, *ALWAYS)}
            filled = {one.trade_id for one in missing} <= held
            assert known.state == "open" or filled
            states.add((known.state, filled))
            reader.close()
    assert states == {("open", False), ("open", True), ("filled", True)}


# A disk that is full --------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fills_up_pauses_recording_until_there_is_room(small_disk):
    path = small_disk / "tandem.sqlite"
    store = Store.open(path, batch_ms=1, queue_trades=2_000)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    number = 0
    while store.health().lost == 0:
        store.submit(batch(number))
        number += 1
        assert number < 10_000
        if store.health().state == "paused":
            assert not store.flush(0.001)
    health = store.health()
    assert health.state == "paused"
    assert "full" in health.text
    assert "resumes automatically" in health.text
    assert "were dropped (queue full)" in health.text
    assert health.queued <= 2_000
    # Reading what is there goes on.
    recorded = store.spans()[LEG].trades
    assert len(store.arrivals(LEG, *ALWAYS)) == recorded > 0
    ballast.unlink()
    assert store.flush(30)
    wait_until(lambda: all(store.gaps(leg) for leg in LEGS))
    assert store.health().state == "recording"
    assert store.close() == 0
    reader = Reader(path)
    for leg in LEGS:
        (gap,) = reader.gaps(leg)
        held = {one.trade_id for one in reader.arrivals(leg, *ALWAYS)}
        sent = {one.trade_id for n in range(number) for one in batch(n) if one.instrument == leg}
        assert gap.state == "open"
        assert sent - held
        assert all(gap.first_id <= one <= gap.last_id for one in sent - held)
        assert_bars(reader, leg)


# Moved aside ----------------------------------------------------------------------------


def test_a_file_that_cannot_be_used_is_moved_aside_whole_and_a_new_record_begins(path):
    path.write_text("not a database")
    Path(f"{path}-wal").write_text("its log")
    with pytest.raises(StoreUnusable):
        Store.open(path)
    aside = Store.move_aside(path)
    assert aside.read_text() == "not a database"
    assert Path(f"{aside}-wal").read_text() == "its log"
    assert aside.parent == path.parent
    assert not path.exists()
    assert not Path(f"{path}-wal").exists()
    Store.open(path).close()


def test_moving_aside_twice_at_once_overwrites_nothing(path, monkeypatch):
    monkeypatch.setattr("tandem.storage.files.time.strftime", lambda *_: "20260101-000000")
    moved = []
    for text in ("first", "second", "third"):
        path.write_text(text)
        moved.append(Store.move_aside(path))
    assert [one.read_text() for one in moved] == ["first", "second", "third"]


def test_a_log_left_without_its_file_is_never_taken_over(path, monkeypatch):
    monkeypatch.setattr("tandem.storage.files.time.strftime", lambda *_: "20260101-000000")
    other = path.with_name("tandem.aside-20260101-000000.sqlite-wal")
    other.write_text("of another")
    path.write_text("mine")
    assert Store.move_aside(path).name == "tandem.aside-20260101-000000-1.sqlite"
    assert other.read_text() == "of another"


def test_a_record_in_use_is_not_moved(path):
    with closing(Store.open(path)), pytest.raises(StoreInUse, match="by this process"):
        Store.move_aside(path)
    assert path.exists()


def test_what_is_not_there_cannot_be_moved(path):
    with pytest.raises(StoreFull, match="cannot be quarantined .No such file"):
        Store.move_aside(path)

"""One writer per database: who holds the lock, what others are shown, and who cannot take it."""

from __future__ import annotations

import os
import stat
from contextlib import closing

import pytest

from tandem.core.errors import StoreFull, StoreInUse, StoreUnusable
from tandem.storage.lock import WriterLock
from tandem.storage.store import Store
from tests.support.children import start_child
from tests.support.stored_batches import batch

HOLDER = """
import sys
from tandem.storage.store import Store
store = Store.open(sys.argv[1], batch_ms=1)
print("open", flush=True)
sys.stdin.readline()
store.close()
"""


def test_a_second_process_is_told_who_records_and_may_read(path):
    with closing(Store.open(path, batch_ms=1)) as store:
        for number in range(100):
            store.submit(batch(number))
    holder = start_child(HOLDER, path)
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(StoreInUse, match=f"by process {holder.pid}.*can be read here"):
        Store.open(path)
    with closing(Store.open(path, read_only=True)) as store:
        assert store.health().state == "reading"
        assert store.spans()["sim:AUSDT"].trades == 2_000
        assert store.flush()
        with pytest.raises(Exception, match="read-only"):
            store.submit(batch(0))
    holder.communicate("done\n")
    with closing(Store.open(path)) as store:
        assert store.health().state == "recording"


def test_a_killed_process_leaves_no_lock(path):
    holder = start_child(HOLDER, path)
    assert holder.stdout.readline() == "open\n"
    holder.kill()
    holder.communicate()
    Store.open(path).close()


def test_the_same_process_cannot_record_twice(path):
    with closing(Store.open(path)), pytest.raises(StoreInUse, match="by this process"):
        Store.open(path)


def test_the_lock_is_never_written_through_a_link(path, tmp_path):
    other = tmp_path / "other"
    other.write_text("precious")
    path.with_name(f"{path.name}.lock").symlink_to(other)
    with pytest.raises(StoreFull, match=r"lock is a link.*Remove the link"):
        Store.open(path)
    assert other.read_text() == "precious"


def test_a_link_put_in_the_place_of_an_open_lock_changes_no_mode(path, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.touch()
    other.chmod(0o644)
    place = path.with_name(f"{path.name}.lock")
    opened = os.open

    def replaced(name, *arguments):
        handle = opened(name, *arguments)
        place.unlink()
        place.symlink_to(other)
        return handle

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", replaced)
        lock = WriterLock(path)
    lock.release()
    assert stat.S_IMODE(other.stat().st_mode) == 0o644


@pytest.mark.parametrize(("mode", "of_lock"), [(0o600, 0o600), (0o640, 0o600), (0o660, 0o660)])
def test_who_may_only_read_cannot_hold_the_lock(path, mode, of_lock):
    with closing(Store.open(path, file_mode=mode)):
        lock = path.with_name(f"{path.name}.lock")
        assert stat.S_IMODE(lock.stat().st_mode) == of_lock


def test_another_user_s_file_in_a_folder_of_all_is_refused(path, monkeypatch):
    Store.open(path).close()
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    Store.open(path).close()
    path.parent.chmod(0o1777)
    with pytest.raises(StoreUnusable, match="belongs to another user"):
        Store.open(path)

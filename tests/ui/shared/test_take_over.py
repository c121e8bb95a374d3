"""A desk that could not record begins to as soon as it can, whatever stood in the way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tandem.core.errors import StoreFull, StoreInUse
from tandem.storage.opening import Opened
from tandem.storage.store import Store
from tandem.ui.app import start
from tandem.ui.shared import state
from tests.support.waiting import wait_until

DATA = "from tandem.ui.data.page import page\npage()\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "TRY_S", 0.05)


def refusal() -> object:
    return state.part(Opened).refusal if state.desk() else "between two desks"


def test_recording_is_taken_over_from_a_process_that_ended(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tandem")
    other = Store.open(database)
    start()
    assert isinstance(refusal(), StoreInUse)
    shown = AppTest.from_string(DATA, default_timeout=60).run()
    assert "recording starts here within seconds" in shown.warning[0].value
    other.close()
    wait_until(lambda: refusal() is None, "recording")
    assert "can be recorded into again" in caplog.text
    shown = AppTest.from_string(DATA, default_timeout=60).run()
    assert shown.success[0].value.startswith("Recording began at ")
    assert not shown.exception


def test_recording_begins_when_the_folder_can_be_written(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "later"
    # What is no folder cannot be written into, not even by root.
    folder.write_text("in the way")
    monkeypatch.setenv("TANDEM_DATABASE", str(folder / "tandem.sqlite"))
    start()
    assert isinstance(refusal(), StoreFull)
    folder.unlink()
    wait_until(lambda: refusal() is None, "recording")
    assert (folder / "tandem.sqlite").exists()


def test_a_desk_that_ends_takes_nothing_over(database: Path) -> None:
    other = Store.open(database)
    start()
    state.close()
    wait_until(lambda: all(one.name != "take-over" for one in threading.enumerate()))
    other.close()
    assert state.desk() is None

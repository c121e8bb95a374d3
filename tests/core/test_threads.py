"""A thread that died says so: planted failures in each of the threads that keep the database."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest

from tandem.backfill.service import BackfillService
from tandem.backfill.worker import Backfill
from tandem.config import Settings
from tandem.core import threads
from tandem.core.clock import steady_s
from tandem.core.threads import Supervisor
from tandem.io import archive
from tandem.net.factory import venue_clients
from tandem.storage import export as exporting
from tandem.storage.archive_import import Importer
from tandem.storage.export import Exporter, Wanted
from tandem.storage.store import Store
from tandem.venues.listings import Catalogue
from tests.support.waiting import wait_until

SECRET = "https://api.example/?key=hunter2"
WANTED = Wanted("binance:BTCUSDT", "trades", 0, 1_000_000)


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError(SECRET)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = Store.open(tmp_path / "record.db")
    yield opened
    opened.close()


def test_the_log_holds_the_place_but_not_the_words_of_the_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = Supervisor("It stopped; the rest goes on. Restart.")
    thread = threading.Thread(target=life.watch, args=(fail,))
    thread.start()
    thread.join()
    assert life.problem == "It stopped; the rest goes on. Restart."
    assert "RuntimeError" in caplog.text
    assert "in fail" in caplog.text
    assert "hunter2" not in caplog.text


def test_work_that_ends_leaves_nothing_to_say() -> None:
    life = Supervisor("It stopped.")
    life.watch(lambda: None)
    assert life.problem == ""


def test_work_that_failed_is_begun_again_counted_and_said_until_it_has_lasted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life = Supervisor("It was begun again.", lambda: iter([0.0] * 100))
    begun: list[bool] = []

    def work() -> None:
        begun.append(life.is_hopeless)
        if len(begun) <= threads.HOPELESS:
            fail()

    life.keep(work, threading.Event())
    assert begun == [False] * threads.HOPELESS + [True]
    assert (life.deaths, life.problem) == (threads.HOPELESS, "It was begun again.")
    monkeypatch.setattr(threads, "steady_s", lambda: steady_s() + threads.CALM_S)
    assert (life.deaths, life.problem, life.is_hopeless) == (threads.HOPELESS, "", False)


def test_work_is_not_begun_again_once_it_is_to_stop() -> None:
    life, stop = Supervisor("It was begun again.", lambda: iter([600.0])), threading.Event()

    def work() -> None:
        stop.set()
        fail()

    life.keep(work, stop)
    assert life.deaths == 1


def test_an_export_that_was_under_way_ends_with_its_thread(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_Writing", fail)
    exporter = Exporter(tmp_path / "exports", store)
    exporter.start()
    exporter.export("me", WANTED)
    wait_until(lambda: exporter.problem)
    export = exporter.of("me")
    assert export is not None
    assert export.state == "failed"
    assert "Restart the app" in export.text
    exporter.stop()


def test_an_import_that_breaks_says_what_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(archive, "import_trades", fail)
    importer = Importer(store)
    importer.start(io.BytesIO(b"time,price\n"), "a.csv", "binance:BTCUSDT")
    wait_until(lambda: importer.now().state == "failed")  # type: ignore[union-attr]
    importer.stop()
    told = importer.now()
    assert told is not None
    assert "What was committed stays" in told.text
    assert "hunter2" not in caplog.text + told.text


def test_symbol_lists_that_nobody_renews_are_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Catalogue, "due", fail)
    upkeep = BackfillService(Settings(), store, venue_clients(Settings()))
    upkeep.start()
    upkeep.attend(("binance:BTCUSDT",), ())
    wait_until(upkeep.problems)
    assert "symbol lists" in upkeep.problems()[0]
    upkeep.stop()


def test_filling_that_died_is_told_and_filling_that_was_stopped_is_not(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    upkeep = BackfillService(Settings(), store, venue_clients(Settings()))
    upkeep.start()
    assert upkeep.problems() == ()
    upkeep.stop()
    assert upkeep.problems() == ()
    monkeypatch.setattr(Backfill, "_turn", fail)
    upkeep = BackfillService(Settings(), store, venue_clients(Settings()))
    upkeep.start()
    wait_until(upkeep.problems)
    assert "Filling gaps was ended" in upkeep.problems()[0]
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text
    upkeep.stop()

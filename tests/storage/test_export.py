"""Exports: the range asked for and nothing else, cut into parts, ended, refused, cleaned up."""

from __future__ import annotations

import csv
import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tandem.core.bars import resample
from tandem.core.clock import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tandem.core.errors import DataError, StoreUnusable
from tandem.core.events import BAR, CANDLE, Trade
from tandem.io.archive import TradeArchive
from tandem.io.files import read
from tandem.storage import export as exporting
from tandem.storage.export import Export, Exporter, Wanted
from tandem.storage.null import NullStore
from tandem.storage.store import Store
from tests.support.waiting import wait_until

NAME = "sim:ETHUSDT"
START_US = 1_750_032_000 * SECOND_US
COUNT = 9_000
STEP_US = 1_200_000


def made_trades(count: int = COUNT) -> list[Trade]:
    return [
        Trade(NAME, n, START_US + n * STEP_US, 2_500.0 + n % 7, 1.0, 1, START_US + n * STEP_US)
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store.open(tmp_path_factory.mktemp("record") / "t.sqlite")
    store.submit(made_trades())
    assert store.flush(30.0)
    yield store
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "static" / "exports"


@pytest.fixture
def exporter(store: Store, folder: Path) -> Iterator[Exporter]:
    exporter = Exporter(folder, store)
    exporter.start()
    yield exporter
    exporter.stop()


def ended(exporter: Exporter, wanted: Wanted, owner: str = "me") -> Export:
    exporter.export(owner, wanted)
    return result(exporter, owner)


def result(exporter: Exporter, owner: str = "me") -> Export:
    def over() -> Any:
        told = exporter.of(owner)
        return told is not None and not told.is_going_on and told

    return wait_until(over, "the end of an export")


def files(folder: Path, export: Export) -> list[Path]:
    return [folder / part.place.removeprefix("app/static/exports/") for part in export.parts]


def read_trades(path: Path) -> list[Trade]:
    with path.open("rb") as file:
        return [trade for batch in TradeArchive(file, path.name, NAME) for trade in batch]


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("first", "stop"), [(0, COUNT), (1_234, 7_654), (5, 6)], ids=["all", "middle", "one"]
)
def test_trades_of_the_range_come_back_unchanged(
    exporter: Exporter, folder: Path, form: Any, first: int, stop: int
) -> None:
    wanted = Wanted(NAME, "trades", START_US + first * STEP_US, START_US + stop * STEP_US, form)
    export = ended(exporter, wanted)
    assert (export.state, export.text, export.rows) == ("done", "", stop - first)
    assert export.fraction == 1.0
    (path,) = files(folder, export)
    assert path.stat().st_mode & 0o077 == 0 == path.parent.stat().st_mode & 0o077
    assert path.stat().st_size == export.bytes == export.parts[0].bytes
    assert read_trades(path) == made_trades()[first:stop]


def test_a_range_longer_than_the_record_begins_with_the_record(exporter: Exporter) -> None:
    export = ended(exporter, Wanted(NAME, "trades", 0, START_US + DAY_US))
    assert export.wanted.start_us == START_US
    assert "20250616T000000" in export.parts[0].name


def test_slices_of_any_size_make_the_same_file(
    exporter: Exporter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_SLICE_TRADES", 100)
    export = ended(exporter, Wanted(NAME, "trades", START_US - 3 * HOUR_US, START_US + DAY_US))
    assert read_trades(files(folder, export)[0]) == made_trades()


@pytest.mark.parametrize("interval_us", [SECOND_US, MINUTE_US, HOUR_US])
def test_bars_are_those_of_the_record(
    exporter: Exporter,
    folder: Path,
    store: Store,
    interval_us: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "_SLICE_MINUTES", 7)
    end_us = START_US + 2 * HOUR_US
    export = ended(exporter, Wanted(NAME, "bars", START_US, end_us, "csv", interval_us))
    (path,) = files(folder, export)
    (bars,) = read(path.read_bytes(), path.name).bars.values()
    expected = resample(store.bars(NAME, START_US, end_us), interval_us)
    assert export.rows == len(bars) == len(expected)
    for field in BAR.names or ():
        assert np.array_equal(bars[field], expected[field]), field


def test_bars_that_begin_before_the_range_are_left_out(exporter: Exporter, folder: Path) -> None:
    span = (START_US + 30 * SECOND_US, START_US + 150 * SECOND_US)
    export = ended(exporter, Wanted(NAME, "bars", *span, "csv", MINUTE_US))
    (path,) = files(folder, export)
    (bars,) = read(path.read_bytes(), path.name).bars.values()
    assert bars["time_us"].tolist() == [START_US + n * MINUTE_US for n in (1, 2)]
    assert bars["trades"].tolist() == [50, 50]


def test_candles_of_a_venue_are_marked(
    slow: Slow, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = Exporter(folder, slow)
    monkeypatch.setattr(exporting, "_SLICE_CANDLES_US", DAY_US)
    exporter.start()
    try:
        export = ended(exporter, Wanted(NAME, "candles", START_US, START_US + 2 * DAY_US))
        (path,) = files(folder, export)
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == export.rows == 4
        assert {row["trades_count"] for row in rows} == {str(CANDLE)}
        (bars,) = read(path.read_bytes(), path.name).bars.values()
        assert bars["trades"].tolist() == [CANDLE] * 4
    finally:
        exporter.stop()


def test_a_long_export_is_cut_into_parts_that_can_be_served(
    exporter: Exporter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_SLICE_TRADES", 500)
    monkeypatch.setattr(exporting, "PART_BYTES", 100)
    monkeypatch.setattr("tandem.io.writer.CHUNK_ROWS", 500)
    export = ended(exporter, Wanted(NAME, "trades", START_US, START_US + DAY_US))
    paths = files(folder, export)
    assert len(paths) > 3
    assert len({path.name for path in paths}) == len(paths)
    assert [trade for path in paths for trade in read_trades(path)] == made_trades()


def test_where_the_room_ends_the_export_ends_and_says_where(
    exporter: Exporter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_SLICE_TRADES", 500)
    monkeypatch.setattr(exporting, "MOST_BYTES", 100_000)
    monkeypatch.setattr("tandem.io.writer.CHUNK_ROWS", 500)
    export = ended(exporter, Wanted(NAME, "trades", START_US, START_US + DAY_US))
    assert export.state == "done"
    assert "2025-06-16" in export.text
    assert "export the rest" in export.text
    found = read_trades(files(folder, export)[0])
    assert 0 < len(found) < COUNT
    assert found == made_trades()[: len(found)]


def test_a_nearly_full_disk_is_left_to_the_record(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "SPARE_BYTES", 2**70)
    export = ended(exporter, Wanted(NAME, "trades", START_US, START_US + DAY_US))
    assert "kept for recording" in export.text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_a_sentence_and_leaves_nothing(
    exporter: Exporter, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(exporting, "save", refuse)
    export = ended(exporter, Wanted(NAME, "trades", START_US, START_US + DAY_US))
    assert export.state == "failed"
    assert os.strerror(number) in export.text
    assert not export.parts
    assert not list(folder.iterdir())
    monkeypatch.undo()
    assert ended(exporter, Wanted(NAME, "trades", START_US, START_US + DAY_US)).state == "done"


def test_a_folder_that_is_a_file_is_a_sentence(store: Store, tmp_path: Path) -> None:
    (tmp_path / "static").write_text("in the way")
    exporter = Exporter(tmp_path / "static" / "exports", store)
    exporter.start()
    try:
        export = ended(exporter, Wanted(NAME, "trades", START_US, START_US + DAY_US))
        assert export.state == "failed"
        assert "make room" in export.text
    finally:
        exporter.stop()


def test_a_range_without_rows_says_so_and_makes_no_file(exporter: Exporter, folder: Path) -> None:
    for name in (NAME, "sim:NEVER"):
        export = ended(exporter, Wanted(name, "trades", START_US - DAY_US, START_US))
        assert export.state == "failed"
        assert "No trades" in export.text
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(NAME, "trades", START_US, START_US), "ends before"),
        (Wanted("sim:../../x", "trades", 0, 1), "not"),
        (Wanted("../x:ETH", "trades", 0, 1), "not"),
        (Wanted(NAME, "bars", 0, 1, "csv", 7 * SECOND_US), "divide"),
        (Wanted(NAME, "bars", 0, 1, "csv", 0), "divide"),
    ],
)
def test_what_cannot_be_exported_is_refused(exporter: Exporter, wanted: Wanted, words: str) -> None:
    with pytest.raises(DataError, match=words):
        exporter.export("me", wanted)
    assert exporter.of("me") is None


@pytest.mark.parametrize("symbol", ["BTC/USD", "A..", "A/../../B", "Ä_/-./.", "CON."])
def test_no_instrument_leads_out_of_the_folder(symbol: str) -> None:
    name = exporting._file_name(Wanted(f"kraken:{symbol}", "trades", 0, DAY_US), 1)
    assert Path(name).name == name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
    assert ".." not in name


class Slow:
    """A record whose trades come when they are let."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = threading.Event()

    def stream_trades(
        self, instrument: str, start_us: int, end_us: int, chunk: int = 1
    ) -> Iterator[list[Trade]]:
        for time_us in range(start_us, end_us, HOUR_US):
            self.asked.set()
            assert self.go.wait(30.0)
            yield [Trade(instrument, time_us, time_us, 1.0, 1.0, 1, time_us)]

    def stream_bars(
        self, instrument: str, start_us: int, end_us: int, minutes: int = 1
    ) -> Iterator[npt.NDArray[np.void]]:
        yield from ()

    def candles(self, instrument: str, start_us: int, end_us: int) -> npt.NDArray[np.void]:
        bars = np.zeros(2, BAR)
        bars["time_us"], bars["trades"] = start_us, CANDLE
        for field in ("open", "high", "low", "close"):
            bars[field] = 5.0
        bars["time_us"][1] += MINUTE_US
        return bars


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def waiting(slow: Slow, folder: Path) -> Iterator[Exporter]:
    exporter = Exporter(folder, slow)
    exporter.start()
    yield exporter
    slow.go.set()
    exporter.stop()


def test_an_export_is_ended_and_its_files_go(waiting: Exporter, slow: Slow, folder: Path) -> None:
    waiting.export("me", Wanted(NAME, "trades", START_US, START_US + DAY_US))
    assert slow.asked.wait(30.0)
    assert waiting.of("me").is_going_on
    waiting.drop("me")
    assert waiting.of("me") is None
    slow.go.set()
    assert ended(waiting, Wanted(NAME, "trades", START_US, START_US + HOUR_US), "other").rows == 1
    assert len(list(folder.iterdir())) == 1


def test_exports_come_one_after_the_other(waiting: Exporter, slow: Slow) -> None:
    for owner in ("a", "b", "c"):
        waiting.export(owner, Wanted(NAME, "trades", START_US, START_US + HOUR_US))
    assert slow.asked.wait(30.0)
    states = [waiting.of(owner).state for owner in ("a", "b", "c")]
    assert states == ["running", "waiting", "waiting"]
    assert [waiting.waiting_before(owner) for owner in ("a", "b", "c")] == [0, 1, 2]
    slow.go.set()
    assert [result(waiting, owner).state for owner in ("a", "b", "c")] == ["done"] * 3


def test_a_long_queue_takes_no_more(
    waiting: Exporter, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_WAITING", 2)
    wanted = Wanted(NAME, "trades", START_US, START_US + HOUR_US)
    for owner in ("a", "b"):
        waiting.export(owner, wanted)
    with pytest.raises(DataError, match="2 exports of others"):
        waiting.export("c", wanted)
    waiting.export("a", wanted)
    slow.go.set()
    assert result(waiting, "a").state == "done"


def test_only_the_newest_exports_are_kept(
    exporter: Exporter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_EXPORTS", 3)
    wanted = Wanted(NAME, "trades", START_US, START_US + HOUR_US)
    for owner in "abcde":
        ended(exporter, wanted, owner)
    assert [exporter.of(owner) is not None for owner in "abcde"] == [False, False, True, True, True]
    assert len(list(folder.iterdir())) == 3


def test_one_owner_has_one_export(exporter: Exporter, folder: Path) -> None:
    wanted = Wanted(NAME, "trades", START_US, START_US + HOUR_US)
    first = files(folder, ended(exporter, wanted))[0]
    second = files(folder, ended(exporter, wanted))[0]
    assert not first.exists()
    assert second.exists()


def test_files_are_deleted_at_the_end(store: Store, folder: Path) -> None:
    exporter = Exporter(folder, store)
    exporter.start()
    export = ended(exporter, Wanted(NAME, "trades", START_US, START_US + HOUR_US))
    assert files(folder, export)[0].exists()
    exporter.stop()
    exporter.stop()
    assert not list(folder.iterdir())


def test_old_files_are_deleted_and_nothing_else(store: Store, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.csv").write_text("kept")
    old, fresh = folder / ("o" * 32), folder / ("f" * 32)
    for place in (old, fresh, folder / "short"):
        place.mkdir(parents=True)
        (place / "x.csv").write_text("1")
    (folder / ("l" * 32)).symlink_to(outside)
    (folder / "note.txt").write_text("not ours")
    hour_ago = time.time() - 3_600
    for path in (old / "x.csv", old, folder / "short" / "x.csv", folder / "short", outside):
        os.utime(path, (hour_ago, hour_ago))
    exporter = Exporter(folder, store)
    exporter.start()
    wait_until(lambda: not old.exists(), "the sweep")
    exporter.stop()
    assert {place.name for place in folder.iterdir()} == {
        "f" * 32, "short", "l" * 32, "note.txt"
    }  # fmt: skip
    assert (outside / "kept.csv").exists()


def test_its_time_over_an_export_is_gone(
    exporter: Exporter, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(exporter, Wanted(NAME, "trades", START_US, START_US + HOUR_US))
    monkeypatch.setattr(exporting, "KEPT_S", -10.0)
    exporter._sweep()
    assert exporter.of("me") is None
    assert not list(folder.iterdir())


def test_a_record_that_cannot_be_read_is_its_own_sentence(folder: Path) -> None:
    class Damaged(Slow):
        def stream_trades(self, *_: Any) -> Any:
            raise StoreUnusable("The file is damaged; move it aside.")

    exporter = Exporter(folder, Damaged())
    exporter.start()
    try:
        export = ended(exporter, Wanted(NAME, "trades", START_US, START_US + HOUR_US))
        assert (export.state, export.text) == ("failed", "The file is damaged; move it aside.")
    finally:
        exporter.stop()


def test_places_cannot_be_guessed(exporter: Exporter, folder: Path) -> None:
    wanted = Wanted(NAME, "trades", START_US, START_US + HOUR_US)
    places = {ended(exporter, wanted, owner).parts[0].place.split("/")[-2] for owner in "abc"}
    assert len(places) == 3
    assert all(len(place) >= 32 for place in places)


@pytest.mark.parametrize("ends", [(-5, 10), (2**61, 2**62)])
def test_a_range_outside_all_calendars_is_refused(tmp_path, ends):
    exporter = Exporter(tmp_path, NullStore("no record"))
    with pytest.raises(DataError, match="between 1970 and 2100"):
        exporter.export("a", Wanted("sim:AUSDT", "trades", *ends, "csv"))

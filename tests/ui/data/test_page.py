"""The Data page: its words for every state, and who may do what."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tandem.backfill.progress import Progress
from tandem.core.clock import DAY_US, SECOND_US
from tandem.core.errors import DataError, StoreError, StoreUnusable
from tandem.core.events import Gap, Trade
from tandem.ingest.status import FeedStatus
from tandem.io.writer import write_trades
from tandem.storage.archive_import import Import, Importer
from tandem.storage.export import Export, Part, Wanted
from tandem.storage.inventory import FRESH_S, Holdings, Inventory
from tandem.storage.null import NullStore
from tandem.storage.records import Held, StoreHealth
from tandem.storage.store import Store
from tandem.ui.data import tables as sheets
from tests.support.desk import engine
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

PAGE = "from tandem.ui.data.page import page\npage()\n"


APP = str(ROOT / "app.py")
NOW_US = 1_750_032_000 * SECOND_US
NAME = "binance-usdm:ETHUSDT"
WELL = StoreHealth("recording", "Recording into t.sqlite.", 5, 1_234, 0.1, 14_000_000, NOW_US)
FEED = FeedStatus("binance-usdm", "Binance USD-M", "live", "Live.", NOW_US, trades_per_s=312.4)
HELD = Held(NAME, NOW_US - DAY_US, NOW_US, 60_000, 50_000, 600, {"open": 2, "filled": 7})


# Words ----------------------------------------------------------------------------------


def words(sheet: dict[str, Any]) -> list[list[str]]:
    return [[cell["text"] for cell in row] for row in sheet["rows"]]


def strip(health: StoreHealth, **changes: Any) -> tuple[str, str, str]:
    shown = sheets.status(health, 500_000, 10**11, NOW_US + SECOND_US, **changes)
    items = " | ".join("".join(part[0] for part in item["parts"]) for item in shown["items"])
    return shown["label"], items, shown["said"]


def test_a_writer_that_keeps_up_is_said_in_numbers_alone() -> None:
    assert strip(WELL) == (
        "RECORDING",
        "file 14 MB | trades written 1,234 | last commit 1.0 s ago | queue 5 of 500.0 K | "
        "oldest in queue 0.1 s | disk free 100.00 GB",
        "",
    )


@pytest.mark.parametrize(
    ("changes", "label", "words"),
    [
        ({"oldest_waiting_s": 9.0, "text": "9 s behind"}, "BEHIND", "9 s behind"),
        ({"state": "paused", "text": "The disk is full."}, "PAUSED", "The disk is full."),
        ({"state": "closed", "text": "It is closed."}, "CLOSED", "It is closed."),
    ],
)
def test_a_writer_in_trouble_says_why(changes: dict[str, Any], label: str, words: str) -> None:
    shown = strip(replace(WELL, **changes))
    assert (shown[0], shown[2]) == (label, words)


def test_losses_are_shown_and_only_when_there_are_any() -> None:
    assert "lost" not in strip(WELL)[1]
    items = strip(replace(WELL, lost=3, refused=2, pruned=20_000))[1]
    assert "lost 3 | rejected 2 | deleted 20.0 K" in items


@pytest.mark.parametrize(
    ("state", "label"), [("paused", "NOT RECORDING"), ("reading", "READ-ONLY")]
)
def test_without_a_writer_no_writer_is_described(state: Any, label: str) -> None:
    shown = strip(StoreHealth(state, "said above"), is_refused=True)
    assert shown == (label, "disk free 100.00 GB", "")


@pytest.mark.parametrize(
    ("skew_ms", "text"),
    [
        (0.0, "none detected"),
        (-250.4, "\u2212250 ms"),
        (2_500.0, "+2,500 ms"),
        (3.6e6, "+3,600.0 s"),
    ],
)
def test_clock_skew_has_its_sign_and_unit(skew_ms: float, text: str) -> None:
    feeds, *_ = sheets.overview([replace(FEED, clock_skew_ms=skew_ms)], {}, Holdings(), ())
    assert words(feeds)[0][4] == text


def test_a_feed_says_what_it_could_not_read_and_what_it_lists() -> None:
    feed = replace(FEED, messages=1_000, not_understood=3, reconnects=2, renewals=1, gaps=4)
    feeds, *_ = sheets.overview([feed], {"binance-usdm": "500 symbols"}, Holdings(), ())
    assert words(feeds)[0][5:] == ["3 of 1,000", "4", "2 + 1 planned", "500 symbols"]


def test_what_is_held_is_counted_by_instrument() -> None:
    holdings = Holdings((HELD,), (), {NAME: 90 * SECOND_US})
    _, held, _ = sheets.overview([], {}, holdings, ())
    assert words(held) == [
        [
            NAME, "2025-06-15 00:00", "2025-06-16 00:00:00", "60,000", "50,000", "600",
            "2 open \u00b7 7 filled", "90 s", f"{HELD.bytes / 1e6:.0f} MB",
        ]
    ]  # fmt: skip
    assert len(held["columns"]) == len(held["rows"][0])


def test_filling_is_shown_with_its_share() -> None:
    filling = (Progress(NAME, "filling", 250, 1_000, "Filling ETHUSDT."),)
    _, held, _ = sheets.overview([], {}, Holdings((HELD,)), filling)
    assert held["columns"][-1]["label"] == "backfill"
    assert held["rows"][0][-1]["text"] == "filling 250 of 1,000"
    assert held["rows"][0][-1]["bar"] == 0.25


def test_each_hole_says_what_becomes_of_it() -> None:
    gaps = (
        Gap(NAME, 10, 19, NOW_US, NOW_US + SECOND_US, "open"),
        Gap(NAME, 30, 39, NOW_US, NOW_US + SECOND_US, "open"),
        Gap("kraken:ETH/USD", -1, -1, NOW_US, NOW_US + 5 * SECOND_US, "open"),
        Gap("sim:ETHUSDT", 1, 1, NOW_US, NOW_US, "open"),
        Gap(NAME, -1, -1, NOW_US, NOW_US + 3_600 * SECOND_US, "candles"),
        Gap(NAME, 50, 50, NOW_US, NOW_US + SECOND_US, "lost"),
    )
    filling = (Progress(NAME, "paused", 0, 20, "Filling waits 5 s."),)
    *_, missing = sheets.overview([], {}, Holdings((HELD,), gaps), filling)
    rows = words(missing)
    assert [row[3] for row in rows] == ["10", "10", "\u2013", "1", "\u2013", "1"]
    assert [row[4] for row in rows] == ["open"] * 4 + ["candles", "lost"]
    assert [row[5] for row in rows[:2]] == ["Filling waits 5 s.", "See above."]
    for row, expected in zip(
        rows[2:],
        ("pairs on a Live page go first", "simulated", "candles", "the gap remains"),
        strict=True,
    ):
        assert expected in row[5]


def test_holes_of_another_process_are_its_to_fill() -> None:
    holdings = Holdings((HELD,), (Gap(NAME, 10, 19, NOW_US, NOW_US + SECOND_US, "open"),))
    *_, missing = sheets.overview([], {}, holdings, (), is_recording=False)
    assert words(missing)[0][5] == "Backfilled by the recording process."


def test_a_long_list_of_holes_is_cut_and_says_so() -> None:
    gaps = tuple(
        Gap(NAME, n, n, NOW_US + n, NOW_US + n, "lost") for n in range(sheets.MOST_MISSING + 5)
    )
    *_, missing = sheets.overview([], {}, Holdings((HELD,), gaps), ())
    assert len(missing["rows"]) == sheets.MOST_MISSING
    assert f"of {len(gaps)}" in missing["note"]


def test_nothing_recorded_is_said_without_an_empty_table() -> None:
    feeds, held, missing = sheets.overview([], {}, Holdings(), ())
    assert not feeds["rows"] and not held["rows"] and not missing["rows"]
    assert all(sheet["note"] for sheet in (feeds, held, missing))


def test_a_record_that_cannot_be_read_says_so_above_what_was_read() -> None:
    _, held, _ = sheets.overview([], {}, Holdings((HELD,), problem="The file is damaged."), ())
    assert held["note"].startswith("The file is damaged.")
    assert held["rows"]


def test_an_export_tells_its_way_and_its_files() -> None:
    going = Export(Wanted(NAME, "trades", 0, 1), "running", 5_000, 4_000_000, 0.4, 2.0)
    shown = sheets.exported(going, 0)
    assert shown["note"] == "Writing: 5,000 rows, 4 MB, 2.0 MB/s."
    assert shown["rows"][0][0]["bar"] == 0.4
    assert sheets.exported(replace(going, state="waiting"), 2)["note"] == (
        "Queued behind 2 other exports."
    )
    assert sheets.exported(replace(going, state="failed", text="No room."), 0)["note"] == "No room."
    parts = (Part("a.csv", "app/static/exports/x/a.csv", 4_000_000),)
    done = sheets.exported(replace(going, state="done", parts=parts), 0)
    assert done["rows"][0][0]["href"] == parts[0].place
    assert words(done) == [["a.csv", "4 MB"]]


@pytest.mark.parametrize("state", ["running", "done", "ended", "failed"])
def test_an_import_tells_its_way_and_what_was_left_out(state: Any) -> None:
    now = Import("x.zip", NAME, state, 1_000, 2, ("line 3: no price (a)",), 0, 1, 2.0, "Said.")
    shown = sheets.imported(now)
    assert words(shown) == [["line 3: no price (a)"]]
    assert ("Said." in shown["note"]) == (state in ("ended", "failed"))
    assert ("500 rows/s" in shown["note"]) == (state in ("running", "done"))


def test_what_goes_is_counted_before_it_goes() -> None:
    assert sheets.kept_from([HELD], 0.5, NOW_US) == (NOW_US - DAY_US // 2, 1)
    assert sheets.kept_from([HELD], 2.0, NOW_US)[1] == 0
    assert sheets.kept_from([HELD._replace(first_us=0)], 0.5, NOW_US)[1] == 0


# Holdings and imports ---------------------------------------------------------------------


class Counted:
    """A record that counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0
        self.problem: StoreError | None = None

    def inventory(self) -> list[Held]:
        self.reads += 1
        if self.problem is not None:
            raise self.problem
        return [HELD]

    def gaps(self, *_: Any, states: Any = ()) -> list[Gap]:
        every = [
            Gap(NAME, 1, 1, 0, 10, "lost"),
            Gap(NAME, 2, 2, 5, 8, "open"),
            Gap(NAME, 3, 3, 0, 500, "candles"),
        ]
        return [gap for gap in every if gap.state in states]


def test_the_record_is_read_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("tandem.storage.inventory.steady_s", lambda: now)
    record = Counted()
    inventory = Inventory(record)
    answers = [inventory.now() for _ in range(50)]
    assert record.reads == 1
    assert answers[-1].missing_us == {NAME: 13}
    assert [gap.state for gap in answers[-1].missing] == ["open", "candles", "lost"]
    now += FRESH_S + 0.1
    record.problem = StoreUnusable("It is damaged.")
    assert inventory.now() == answers[-1]._replace(problem="It is damaged.")
    assert record.reads == 2


def test_an_archive_is_imported_and_told(tmp_path: Path) -> None:
    trades = [Trade("sim:ETHUSDT", n, NOW_US + n, 5.0, 1.0, 1, NOW_US + n) for n in range(300)]
    file = io.BytesIO(b"".join(write_trades(trades)))
    store = Store.open(tmp_path / "t.sqlite")
    importer = Importer(store)
    try:
        assert importer.now() is None
        importer.start(file, "trades.csv", "sim:ETHUSDT")
        told = wait_until(lambda: (now := importer.now()).state != "running" and now, "an import")
        assert (told.state, told.rows, told.left_out) == ("done", 300, 0)
        assert store.trades("sim:ETHUSDT", 0, NOW_US + DAY_US) == trades
        (filled,) = importer.take_filled()
        assert (filled.start_us, filled.end_us) == (NOW_US, NOW_US + 300)
        assert importer.take_filled() == []
        importer.start(io.BytesIO(b"not an archive\n"), "x.csv", "sim:ETHUSDT")
        told = wait_until(lambda: (now := importer.now()).state != "running" and now, "an import")
        assert told.state == "failed"
        assert "not an archive" in told.text
        with pytest.raises(DataError):
            importer.start(file, "x.csv", "../x")
    finally:
        importer.stop()
        store.close()


def test_nothing_is_imported_into_no_record() -> None:
    with pytest.raises(StoreError, match="The disk is full"):
        Importer(NullStore("The disk is full.")).start(io.BytesIO(b""), "x.csv", "sim:ETHUSDT")


# The page -------------------------------------------------------------------------------


def said(app: AppTest) -> str:
    elements = [*app.error, *app.warning, *app.success, *app.caption]
    return " ".join(element.value for element in elements).replace("\\", "")


def recorded(count: int) -> Holdings:
    return wait_until(
        lambda: (now := engine().inventory.now()).held and now.held[0].trades >= count and now,
        "recorded trades",
    )


def button(app: AppTest, label: str) -> Any:
    return next(one for one in app.button if one.label == label)


def test_the_page_runs_and_exports(app: AppTest) -> None:
    app.run()
    recorded(1)
    app.run()
    assert not app.exception
    assert not app.error
    assert app.selectbox(key="export_instrument").options[0].startswith("sim:")
    app.segmented_control(key="export_kind").set_value("bars").run()
    app.segmented_control(key="export_length").set_value("1 min")
    button(app, "Export").click().run()
    exporter = engine().exporter
    (owner,) = exporter._jobs
    told = wait_until(lambda: (now := exporter.of(owner)).state == "done" and now, "an export")
    assert told.wanted.interval_us == 60 * SECOND_US
    assert told.parts[0].name.endswith(".csv")
    app.run()
    assert not app.exception


def test_what_is_kept_is_changed_only_when_agreed(app: AppTest, database: Path) -> None:
    with_past = Store.open(database)
    week_ago = NOW_US - 7 * DAY_US
    with_past.submit([Trade(NAME, 1, week_ago, 5.0, 1.0, 1, week_ago)])
    assert with_past.flush(30.0)
    with_past.close()
    app.query_params["action"] = "Retention"
    app.run()
    app.number_input(key="keep_days").set_value(3.0).run()
    assert button(app, "Apply").disabled
    app.checkbox(key="keep_agreed").check().run()
    button(app, "Apply").click().run()
    assert not app.exception
    assert engine().store.health().kept.days == 3.0
    assert "TANDEM_KEEP_DAYS=3" in app.code[0].value


def with_gap(database: Path, gap: Gap) -> None:
    store = Store.open(database)
    store.submit([Trade(gap.instrument, 1, gap.start_us, 5.0, 1.0, 1, gap.start_us), gap])
    assert store.flush(30.0)
    store.close()


def test_lost_holes_are_asked_for_again(
    app: AppTest, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gap = Gap(NAME, 5, 9, NOW_US, NOW_US + SECOND_US, "lost")
    with_gap(database, gap)
    app.query_params["action"] = "Retry backfill"
    app.run()
    asked: list[tuple[Gap, list[Gap]]] = []
    monkeypatch.setattr(engine().store, "replace_gap", lambda *both: asked.append(both))
    button(app, "Retry 1 lost gap").click().run()
    assert not app.exception
    assert asked == [(gap, [gap._replace(state="open")])]


def test_without_lost_holes_there_is_nothing_to_ask_for(app: AppTest) -> None:
    app.query_params["action"] = "Retry backfill"
    app.run()
    assert "There are no lost gaps" in said(app)


def test_a_visitor_cannot_have_holes_filled(
    app: AppTest, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    with_gap(database, Gap(NAME, 5, 9, NOW_US, NOW_US + SECOND_US, "lost"))
    app.query_params["action"] = "Retry backfill"
    app.run()
    assert "only the operator" in said(app)
    assert not app.button


@pytest.mark.parametrize("action", ["Import", "Retention"])
def test_a_visitor_looks_and_the_operator_acts(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    app.query_params["action"] = action
    app.run()
    assert "only the operator" in said(app)
    assert not app.get("file_uploader")
    assert all(field.disabled for field in app.number_input)
    app.session_state["tandem_operator"] = math.inf
    app.run()
    assert "only the operator" not in said(app)
    assert app.get("file_uploader") or not any(field.disabled for field in app.number_input)


def test_a_visitor_learns_no_folder_from_what_ended(
    app: AppTest, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    app.run()
    died = f"Alerts are sent but cannot be saved: {database.absolute()} cannot be written."
    monkeypatch.setattr(type(engine().monitor), "problems", (died,))
    app.run()
    assert "cannot be saved" in said(app)
    assert database.parent.name not in said(app)


def test_another_process_is_named_and_its_record_shown(app: AppTest, database: Path) -> None:
    other = Store.open(database)
    try:
        other.submit([Trade(NAME, 1, NOW_US, 5.0, 1.0, 1, NOW_US)])
        assert other.flush(30.0)
        app.run()
        assert "in use for recording by this process" in said(app)
        assert app.selectbox(key="export_instrument").options == [NAME]
        app.segmented_control(key="action").set_value("Import").run()
        assert "Import is not possible" in said(app)
        app.segmented_control(key="action").set_value("Retention").run()
        assert all(field.disabled for field in app.number_input)
        assert not app.exception
    finally:
        other.close()


def test_a_foreign_file_is_moved_aside_only_with_consent(app: AppTest, database: Path) -> None:
    content = b"something else altogether" * 400
    database.write_bytes(content)
    app.run()
    assert "nothing is recorded" in said(app)
    assert button(app, "Quarantine").disabled
    assert database.read_bytes() == content
    app.checkbox(key="aside_agreed").check().run()
    button(app, "Quarantine").click().run()
    assert not app.exception
    assert "The old file is now" in said(app)
    assert not app.error
    (aside,) = database.parent.glob(f"{database.stem}.aside-*.sqlite")
    assert aside.read_bytes() == content
    assert engine().store.health().state == "recording"
    assert math.isfinite(recorded(1).held[0].bytes)


def test_a_visitor_cannot_move_the_record(
    app: AppTest, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    database.write_bytes(b"something else altogether" * 400)
    app.run()
    assert "only the operator" in said(app)
    assert all(one.label != "Quarantine" for one in app.button)

"""The Backtest page in Streamlit's own test harness, and the files it gives."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tandem import backtest
from tandem.backtest.grid import Grid
from tandem.core.clock import SECOND_US, now_us
from tandem.core.errors import DataError
from tandem.core.events import Trade
from tandem.core.jobs import Job
from tandem.engine import Engine
from tandem.io import files as tables
from tandem.storage.store import Store
from tandem.strategy.signals import Setup
from tandem.ui.backtest import (
    charts as backtest_charts,
)
from tandem.ui.backtest import (
    report as backtest_report,
)
from tandem.ui.backtest import (
    wording as backtest_words,
)
from tandem.ui.backtest.controls import Asked, values
from tandem.ui.backtest.page import PREPARING
from tandem.ui.backtest.significance import null_sentence
from tandem.ui.backtest.source import Source
from tandem.ui.backtest.study import Study, _make
from tests.support.desk import engine
from tests.support.made_pairs import cointegrated
from tests.support.pages import metric, page_of, sound
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

PAGE = "from tandem.ui.backtest.page import page\npage()\n"


def opened(app: AppTest, tab: str) -> AppTest:
    app.query_params["tab"] = tab
    return sound(app.run())


def said(app: AppTest) -> str:
    return " ".join(one.value for one in app.caption).replace("\\", "")


def finished(app: AppTest, name: str) -> AppTest:
    """Click what begins long work and wait for it."""
    app.button(key=f"begin_{name}").click().run()
    job: Job = app.session_state["tandem_study"].work.running(name)
    wait_until(lambda: not job.is_going_on)
    return sound(app.run())


# The page -------------------------------------------------------------------------------


def test_without_a_file_the_page_shows_the_example(app: AppTest) -> None:
    sound(app.run())
    assert "bundled example" in said(app)
    bars, _, _ = backtest.crude()
    study: Study = app.session_state["tandem_study"]
    again = backtest.run(bars, study.asked.setup)
    assert metric(app, "Net profit after costs") == backtest_words.figure("net", again.metrics.net)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("is_ready", [False, True])
def test_what_waits_for_the_compiler_says_so(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, is_ready: bool
) -> None:
    monkeypatch.setattr(Engine, "_warm_up_backtests", lambda self: None)
    if is_ready:
        engine().readiness.backtests.set()
    sound(app.run())
    assert not [one for one in app.info if "Preparing" in one.value]
    monkeypatch.setattr(
        "tandem.ui.backtest.page._study", st.stop
    )  # seen while the rest is not there yet
    app.run()
    assert [one.value for one in app.info] == [PREPARING] * (not is_ready)


@pytest.mark.parametrize("tab", ["Result", "Trades", "Sweep", "Walk-forward", "Models", "Export"])
def test_every_tab_opens_on_the_example(app: AppTest, tab: str) -> None:
    opened(app, tab)


def test_an_uploaded_file_is_followed_to_its_end(app: AppTest) -> None:
    y, x = cointegrated(400, 1)
    days = np.datetime64("2024-01-01") + np.arange(400)
    rows = ["date,ETH,BTC", *(f"{d},{a},{b}" for d, a, b in zip(days, y, x, strict=True))]
    app.run()
    app.get("file_uploader")[0].set_value(("pair.csv", "\n".join(rows).encode(), "text/csv"))
    sound(app.run())
    study: Study = app.session_state["tandem_study"]
    assert len(study.source.bars.time_us) == 400
    assert app.selectbox(key="file_y").value == "file:ETH"
    assert "file:" not in " ".join(one.value for one in app.text)
    assert np.array_equal(study.source.bars.y, y)


def test_a_sweep_is_counted_and_its_best_variant_used(app: AppTest) -> None:
    app.query_params["try_entry"] = "1, 2"
    app.query_params["try_exit"] = "0, 0.5"
    app.query_params["try_model"] = "Huber"
    app.query_params["try_lookback"] = "60"
    app.query_params["lookback"] = "60"
    opened(app, "Sweep")
    before = app.session_state["tandem_study"].ledger.count
    finished(app, "sweep")
    study: Study = app.session_state["tandem_study"]
    found = study.work.done("sweep")
    assert {one.model for one in found.setups} == {"huber"}
    assert study.ledger.count == before + 4
    app.button(key="use_best").click().run()
    sound(app)
    best = found.setups[found.best()]
    assert app.session_state["tandem_study"].asked.setup == best


@pytest.mark.usefixtures("database")
def test_what_was_tried_is_remembered_by_the_next_session(app: AppTest) -> None:
    app.run()
    app.slider(key="lookback").set_value(100).run()
    again = page_of(PAGE).run()
    assert again.session_state["tandem_study"].ledger.count == 2


def test_walk_forward_counts_only_what_was_not_seen(app: AppTest) -> None:
    app.query_params["try_entry"] = "1, 2"
    opened(app, "Walk-forward")
    finished(app, "walk")
    assert {"In-sample Sharpe", "Out-of-sample Sharpe"} <= {one.label for one in app.metric}


@pytest.mark.usefixtures("database")
def test_a_grid_is_counted_once_wherever_it_is_chosen_from(app: AppTest) -> None:
    app.query_params.update({"null_count": "99", "try_entry": "1, 3", "try_exit": "0.5"})
    opened(app, "Walk-forward")
    assert app.session_state["tandem_study"].ledger.count == 1
    finished(app, "walk")
    assert app.session_state["tandem_study"].ledger.count == 3
    opened(app, "Significance")
    app.text_input(key="try_entry").set_value("1, 2.5").run()
    finished(app, "null")
    assert metric(app, "Trials") == "4"
    app.number_input(key="enter").set_value(2.5).run()
    assert metric(app, "Trials") == "4"


def test_both_nulls_are_told(app: AppTest) -> None:
    app.query_params.update({"null_count": "99", "try_entry": "2", "try_exit": "0.5"})
    opened(app, "Significance")
    finished(app, "null")
    words = said(app)
    assert "Correlated legs without error correction:" in words
    assert "Independent legs:" in words


def test_changed_settings_give_up_what_was_found(app: AppTest) -> None:
    app.query_params["try_entry"] = "1, 2"
    opened(app, "Sweep")
    finished(app, "sweep")
    app.text_input(key="try_entry").set_value("1, 3").run()
    assert app.session_state["tandem_study"].work.running("sweep") is None
    assert app.button(key="begin_sweep")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("try_entry", "1, two", "'two' is not a valid entry"),
        ("try_lookback", "inf", "Infinity is not a valid lookback"),
        ("try_exit", "9", "No valid combination"),
        ("try_entry", ", ".join(map(str, range(1, 70))), "at most 60"),
    ],
)
def test_values_that_cannot_be_tried_are_said(
    app: AppTest, key: str, value: str, words: str
) -> None:
    app.query_params.update({"tab": "Sweep", key: value})
    app.run()
    assert not app.exception
    assert words in app.error[0].value.replace("\\", "")


def test_too_few_bars_are_a_sentence(app: AppTest) -> None:
    app.query_params["lookback"] = "1500"
    app.run()
    assert not app.exception
    assert "393 bars are too few" in app.error[0].value.replace("\\", "")


def test_an_empty_record_says_what_to_do(app: AppTest) -> None:
    app.query_params["from"] = "Database"
    app.run()
    assert not app.exception
    assert app.warning or app.metric or app.error


LEGS = ("coinbase:ETH-USD", "coinbase:BTC-USD")


def recorded(path: Path, n_bars: int = 3_000) -> None:
    """Record a trade a second of two legs, up to ten minutes ago."""
    first_us = now_us() - (n_bars + 600) * SECOND_US
    store = Store.open(path)
    for name, prices in zip(LEGS, cointegrated(n_bars, 1), strict=True):
        times = [first_us + n * SECOND_US for n in range(n_bars)]
        rows = zip(range(1, n_bars + 1), times, prices, strict=True)
        store.submit([Trade(name, n, at, float(p), 1.0, 1, at) for n, at, p in rows])
    assert store.flush(30.0)
    store.close()


def linked(app: AppTest) -> AppTest:
    """Open what is in the browser's address in a session of its own."""
    again = page_of(PAGE)
    for name, value in app.query_params.items():
        again.query_params[name] = value
    return sound(again.run())


@pytest.mark.usefixtures("database")
def test_a_link_reopens_the_same_bars_of_the_record(app: AppTest, tmp_path: Path) -> None:
    recorded(tmp_path / "tandem.sqlite")
    app.query_params.update({"from": "Database", "file_bar": "5s", "record_y": LEGS[1]})
    app.query_params.update({"record_x": LEGS[0], "record_range": "hour", "lookback": "60"})
    opened(app, "Export")
    source = app.session_state["tandem_study"].source
    assert (source.y, source.x, source.bar_us) == (LEGS[1], LEGS[0], 5 * SECOND_US)
    assert "is relative to when" in said(app)
    sound(app.button(key="record_keep").click().run())
    assert "links to this study" in said(app)
    kept = app.session_state["tandem_study"]
    assert kept.source.key == source.key
    again = linked(app).session_state["tandem_study"]
    assert (again.source.key, again.asked) == (source.key, kept.asked)
    assert again.source.range_us == source.range_us


@pytest.mark.usefixtures("database")
def test_a_link_keeps_what_is_first_in_the_record_too(app: AppTest, tmp_path: Path) -> None:
    recorded(tmp_path / "tandem.sqlite")
    app.query_params.update({"from": "Database", "record_range": "exact", "file_bar": "5s"})
    app.query_params["record_y"] = LEGS[0]
    sound(app.run())
    assert {"record_y", "record_x", "record_from", "record_to"} <= set(app.query_params)
    source = app.session_state["tandem_study"].source
    assert linked(app).session_state["tandem_study"].source.key == source.key


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("asked", ["", "<script>", "0001-01-01T00:00", "9999-12-31T23:59+01:00"])
def test_a_time_no_record_holds_gives_the_usual(app: AppTest, tmp_path: Path, asked: str) -> None:
    recorded(tmp_path / "tandem.sqlite")
    app.query_params.update({"from": "Database", "record_range": "exact", "file_bar": "5s"})
    app.query_params.update({"record_y": LEGS[0], "record_x": LEGS[1], "record_from": asked})
    sound(app.run())
    assert app.session_state["tandem_study"].source.y == LEGS[0]


def test_files_are_said_to_be_in_no_link_and_their_legs_are(app: AppTest) -> None:
    y, x = cointegrated(400, 1)
    days = np.datetime64("2024-01-01") + np.arange(400)
    rows = ["date,ETH,BTC", *(f"{d},{a},{b}" for d, a, b in zip(days, y, x, strict=True))]
    file = ("pair.csv", "\n".join(rows).encode(), "text/csv")
    app.query_params.update({"tab": "Export", "file_y": "file:BTC", "file_x": "file:ETH"})
    app.run()
    app.get("file_uploader")[0].set_value(file)
    sound(app.run())
    assert app.session_state["tandem_study"].source.y == "file:BTC"
    assert app.query_params["file_x"] == "file:ETH"
    assert "but not the files" in said(app)


def test_another_page_lets_go_of_bars_and_results(app: AppTest) -> None:
    del app
    whole = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    whole.session_state["tandem_source"] = "bars"
    sound(whole.run())
    assert "tandem_source" not in whole.session_state


# Words ----------------------------------------------------------------------------------


def test_every_figure_shown_is_defined() -> None:
    assert set(backtest_words.TITLES) <= set(backtest.DEFINITIONS)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("net", -1234.5, "\u22121,234.50"),
        ("fees", 12.0, "\u221212.00"),
        ("funding", -3.0, "+3.00"),
        ("max_drawdown", 0.25, "\u221225.00 %"),
        ("profit_factor", math.inf, "no losses"),
        ("calmar", math.nan, "\u2013"),
        ("turnover", 3.5, "3.50 \u00d7 capital"),
        ("trades", 12, "12"),
    ],
)
def test_figures_have_signs_and_units(name: str, value: float, text: str) -> None:
    assert backtest_words.figure(name, value) == text


def test_values_are_read_in_order_and_once() -> None:
    assert values(" 2;1, 1 ,3.5,", "entry") == [1.0, 2.0, 3.5]
    with pytest.raises(DataError, match="'x' is not a valid entry"):
        values("x", "entry")


# Figures --------------------------------------------------------------------------------


def test_the_frame_runs_around_the_plateau() -> None:
    bars, _, _ = backtest.crude()
    grid = Grid(Setup(lookback=60), entries=(1.0, 1.5, 2.0), exits=(0.0, 0.5))
    heat = backtest.sweep(bars, grid).heat("entry", "exit")
    figure = backtest_charts.heat_chart(heat, {"entry": "entry", "exit": "exit"}, "v")
    sides = 0
    for row, column in np.argwhere(heat.plateau):
        for r, c in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            inside = 0 <= r < 3 and 0 <= c < 2
            sides += not (inside and heat.plateau[r, c])
    assert sides
    assert len(figure["layout"]["shapes"]) == sides


def test_the_histogram_holds_every_surrogate() -> None:
    bars, _, _ = backtest.crude()
    found = [backtest.null_test(bars, Grid(Setup()), null, 19) for null in backtest.NULLS]
    figure = backtest_charts.null_chart(found, "Sharpe", "v")
    for trace in figure["traces"]:
        assert sum(figure["columns"][trace["y"][1:]]) == 19
    assert "p " in null_sentence(found[0])


# Files ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study() -> Study:
    bars, _, _ = backtest.crude()
    hostile = '<script>alert("y")</script>'
    source = Source(
        "file:=CMD|A1", "file:X", bars, 30 * 86_400_000_000, (hostile,), backtest.data_set_key(bars)
    )
    return _make(source, Asked(Setup(lookback=60), (0.0, 0.0, 8.0)), backtest.Ledger(source.key))


@pytest.fixture
def judged(study: Study, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study whose luck is known already, so that no engine is asked."""
    study._luck = study.ledger.count, backtest.judge(study.result.metrics, study.ledger)
    return study


class Tags(HTMLParser):
    """Collects the tags and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, Any]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attributes}


def test_the_report_is_whole_and_harmless(judged: Study) -> None:
    bars, grid = judged.source.bars, Grid(judged.asked.setup, entries=(1.0, 2.0))
    page = backtest_report.report_html(
        judged,
        backtest.sweep(bars, grid),
        backtest.walk_forward(bars, grid, 60, 60),
        [backtest.null_test(bars, grid, null, 19) for null in backtest.NULLS],
    ).decode()
    found = Tags(page)
    assert "svg" in found.tags
    assert not found.tags & {"script", "img", "link", "iframe", "a", "object", "form"}
    assert not {name for name in found.names if name.startswith("on")} | found.names & {
        "src",
        "href",
    }
    assert "&lt;script&gt;alert(&#34;y&#34;)&lt;/script&gt;" in page
    assert backtest_words.figure("net", judged.result.metrics.net) in page
    for words in ("Deflated Sharpe ratio (DSR)", "Walk-forward", "Null test", "Definition"):
        assert words in page


def test_a_report_of_the_result_alone_leaves_out_what_was_not_run(judged: Study) -> None:
    page = backtest_report.report_html(judged).decode()
    assert "Null test" not in page
    assert "Walk-forward" not in page


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_csv_files_hold_every_bar_and_no_formula(judged: Study) -> None:
    for write in (
        backtest_report.equity_csv,
        backtest_report.analytics_csv,
        backtest_report.bars_csv,
    ):
        rows = table(write(judged))
        assert len(rows) == len(judged.source.bars.time_us)
        assert not any(row["y_instrument"].startswith("=") for row in rows)
    trades = table(backtest_report.trades_csv(judged))
    assert sum(float(row["net_quote"]) for row in trades) == pytest.approx(
        sum(one.net for one in judged.result.trades)
    )


def test_aligned_bars_can_be_uploaded_again(judged: Study) -> None:
    source = replace(judged.source, y="file:ETH", x="file:BTC")
    read = tables.read(backtest_report.bars_csv(replace(judged, source=source)), "aligned.csv")
    assert read.instruments == ("file:ETH", "file:BTC")
    assert np.array_equal(read.bars["file:ETH"]["close"], source.bars.y)


def test_the_settings_say_all_and_are_plain_json(judged: Study) -> None:
    told = json.loads(backtest_report.settings_json(judged))
    assert told["setup"] == json.loads(json.dumps(backtest.setup_values(judged.asked.setup)))
    assert told["data"]["fingerprint"] == judged.source.key
    assert told["setup"]["rules"]["most_gross"] is None

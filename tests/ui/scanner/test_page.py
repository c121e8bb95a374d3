"""The Scanner page in Streamlit's own test harness, its filters, pictures and file."""

from __future__ import annotations

import csv
import dataclasses
import io
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.core.events import BAR
from tandem.core.jobs import Job
from tandem.core.parallel import UNWATCHED, Watch
from tandem.scanner.families import with_families
from tandem.scanner.persistence import persistence
from tandem.scanner.result import FIGURE_TEXTS
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.simulated import simulated
from tandem.scanner.surrogates import calibrated, noise
from tandem.storage.records import Held
from tandem.ui.scanner import (
    charts as scanner_charts,
)
from tandem.ui.scanner import (
    sources as scanner_sources,
)
from tandem.ui.scanner import (
    table as scanner_table,
)
from tandem.ui.scanner import (
    wording as scanner_words,
)
from tandem.ui.scanner.export import rows, whole
from tandem.ui.scanner.pair import sentence
from tandem.ui.scanner.source import Source
from tandem.ui.scanner.sources import recorded_closes
from tandem.ui.scanner.study import Asked, Study
from tandem.ui.scanner.table import Filter
from tests.support.desk import engine
from tests.support.pages import metric, sound
from tests.support.waiting import wait_until

PAGE = "from tandem.ui.scanner.page import page\npage()\n"


def study_of(app: AppTest) -> Study:
    study: Study = app.session_state["tandem_scan"]
    return study


def ended(job: Job | None) -> Job:
    assert job is not None
    wait_until(lambda: not job.is_going_on)
    return job


def scanned(app: AppTest) -> AppTest:
    """Open the page and wait for the scan and the noise beside it."""
    sound(app.run())
    ended(study_of(app).scan_job)
    ended(study_of(app).noise_job)
    return sound(app.run())


def opened(app: AppTest, tab: str) -> AppTest:
    app.query_params["scan_tab"] = tab
    return sound(app.run())


def finished(app: AppTest, name: str) -> AppTest:
    """Click what begins long work and wait for it."""
    app.button(key=f"begin_{name}").click().run()
    ended(study_of(app).work.running(name))
    return sound(app.run())


def said(app: AppTest) -> str:
    texts = [one.value for one in (*app.caption, *app.text, *app.info, *app.warning, *app.error)]
    return " ".join(str(text) for text in texts).replace("\\", "")


@pytest.fixture(scope="module")
def universe() -> Source:
    made = simulated(bars=800)
    return Source("60 simulated instruments", made.prices, True, built_in=made)


@pytest.fixture(scope="module")
def study(universe: Source) -> Study:
    """A study whose scan is done, without an engine."""
    made = Study(universe, Asked(ScanSettings(), "q_value", 5))
    found = scan(universe.prices)
    made.work._jobs["scan"] = made.asked.settings, done(found)
    return made


def done(result: Any) -> Job:
    job = Job(lambda watch: result, 60.0)
    job.result, job.state = job.run(), "done"
    return job


# The page -------------------------------------------------------------------------------


def test_the_page_scans_the_simulated_universe_by_itself(app: AppTest) -> None:
    app.query_params["scan_noise"] = "5"
    scanned(app)
    assert metric(app, "Pairs tested") == "1,653"
    text = said(app)
    assert "expected by chance" in text.casefold()
    assert "On 5 surrogate universes without cointegration the same rule gives" in text
    assert "6 of 6 cointegrated pairs found" in text
    # Two of the sixty cannot be tested, and the page says which and why.
    left_out = app.dataframe[-1].value
    assert list(left_out["instrument or pair"]) == ["OIL10", "OIL11"]
    assert left_out["reason"].str.startswith(("stale", "constant")).all()


def test_the_table_is_ranked_and_bounded(app: AppTest) -> None:
    table = scanned(app).dataframe[0].value
    assert len(table) == scanner_table.MOST_ROWS
    assert table["p"].is_monotonic_increasing
    assert all(len(spread) == 60 for spread in table["spread"])
    assert {"half-life", "break-even z", "q (surrogates)", "family", "leads"} <= set(table)


def test_a_link_holds_filters_and_search(app: AppTest) -> None:
    app.query_params["scan_text"] = "bank chip"
    app.query_params["min_r"] = "0.2"
    table = scanned(app).dataframe[0].value
    legs = table["Y"] + table["X"]
    assert len(table) and legs.str.contains("BANK").all() and legs.str.contains("CHIP").all()
    assert (table["R\u00b2"] >= 0.2).all()


def test_filters_that_nothing_passes_are_a_sentence(app: AppTest) -> None:
    scanned(app)
    app.text_input(key="scan_text").input("no such thing").run()
    assert "No pair matches these filters" in said(sound(app))


def test_a_link_opens_its_pair(app: AppTest) -> None:
    app.query_params["scan_pair"] = "sim:CHIP01|sim:CHIP00"
    scanned(app)
    assert any("CHIP00 vs CHIP01" in one.value for one in app.markdown)


@pytest.mark.parametrize("pair", ["", "|", "x|y", "sim:CHIP01", "sim:CHIP01|sim:OIL11"])
def test_a_link_to_no_pair_opens_the_first(app: AppTest, pair: str) -> None:
    app.query_params["scan_pair"] = pair
    scanned(app)
    assert any("BANK00 vs BANK01" in one.value for one in app.markdown)


def test_every_tab_answers(app: AppTest) -> None:
    scanned(app)
    assert "One cell per pair" in said(opened(app, "Map"))
    assert "findings are independent" in said(opened(app, "Families"))
    finished(opened(app, "Windows"), "windows")
    assert "windows on average" in said(app)
    finished(opened(app, "Out-of-sample"), "later")
    assert "stationary out-of-sample" in said(app)
    assert "Every finding on them is a false positive" in said(opened(app, "Noise"))
    assert "held" in scanner_table.frame(study_of(app), np.arange(3))


def test_other_settings_scan_anew_and_other_rules_do_not(app: AppTest) -> None:
    first = study_of(scanned(app))
    app.session_state["scan_rule"] = "q_value_any"
    app.run()
    assert study_of(sound(app)) is first
    assert "Benjamini\u2013Yekutieli" in said(app)
    app.session_state["scan_prices"] = "raw"
    scanned(app)
    assert study_of(app) is not first
    assert not study_of(app).first.settings.log_prices


def test_a_rule_by_noise_says_that_noise_is_not_done(app: AppTest) -> None:
    app.query_params["scan_rule"] = "q_value_noise"
    app.query_params["scan_noise"] = "0"
    sound(app.run())
    ended(study_of(app).scan_job)
    assert "applies until the surrogate runs are done" in said(sound(app.run()))
    assert "Surrogate runs are switched off" in said(opened(app, "Noise"))


def test_a_scan_is_cancelled_and_begun_again(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def slow(prices: Any, settings: Any, watch: Watch) -> Any:
        while not free.wait(0.02):
            watch.check()
        return scan(prices, settings, watch=watch)

    monkeypatch.setattr("tandem.ui.scanner.study.scan", slow)
    app.query_params["scan_noise"] = "0"
    sound(app.run())
    job = study_of(app).scan_job
    assert job is not None and job.is_going_on
    app.button(key="cancel_scan").click().run()
    ended(job)
    assert "Cancelled; no result was kept." in said(sound(app.run()))
    free.set()
    app.button(key="begin_scan").click().run()
    ended(study_of(app).scan_job)
    assert metric(sound(app.run()), "Pairs tested") == "1,653"


@pytest.mark.usefixtures("database")
def test_visitors_of_a_public_desk_scan_only_what_is_simulated(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "1")
    monkeypatch.setenv("TANDEM_OPERATOR_SECRET", "x" * 24)
    app.query_params["scan_noise"] = "100"
    scanned(app)
    assert study_of(app).asked.noise_runs == 20
    for source in ("file", "record"):
        app.session_state["scan_from"] = source
        text = said(sound(app.run()))
        assert "only the operator" in text
        assert "Anyone can scan the simulated universe" in text
        assert not app.metric


@pytest.mark.usefixtures("database")
def test_an_empty_record_is_a_sentence(app: AppTest) -> None:
    app.query_params["scan_from"] = "record"
    sound(app.run())
    assert "a pair needs two" in said(app)


def test_no_file_yet_says_what_a_file_holds(app: AppTest) -> None:
    app.query_params["scan_from"] = "file"
    assert "The first column holds times" in said(sound(app.run()))


@pytest.mark.parametrize("lags", ["abc", "\u00b2", "1000", "-1"])
def test_lags_that_cannot_be_are_a_sentence(app: AppTest, lags: str) -> None:
    app.query_params["scan_lags"] = lags
    app.run()
    assert not app.exception
    assert "use an integer" in said(app)


# Files ----------------------------------------------------------------------------------


def wide(columns: dict[str, Any], bars: int = 300) -> bytes:
    index = pd.date_range("2026-01-01", periods=bars, freq="1h", tz="UTC", name="time")
    return pd.DataFrame(columns, index=index).to_csv().encode()


def walk(seed: int, bars: int = 300) -> Any:
    return 100.0 + np.cumsum(np.random.default_rng(seed).standard_normal(bars))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"time,A,B\n", "no rows"),
        (wide({"A": walk(1), "B": 5.0}), "constant"),
        (wide({"A": walk(1), "B": np.nan}), "no prices at all"),
        (wide({"A": walk(1), "B": "text"}), "text in 300 of 300 cells"),
        (wide({"A": walk(1, 10), "B": walk(2, 10)}, 10), "100 are needed"),
        (wide({"A": walk(1), "B": walk(2) * 0.0}), "constant: 0"),
        (wide({"A": walk(1), "B": np.where(np.arange(300) == 7, 0, walk(2))}), "0 or less"),
        (bytes(range(256)) * 20, "not text"),
        (b"a,b", "no rows of data"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not text"),
        (wide({"A": walk(1), "B": np.inf}), "B: no prices at all; 300 prices infinite"),
        (wide({"A": walk(1), "B": -walk(2)}), "B: 300 prices of 0 or less"),
        (b"time,A,A\n2026-01-01,1,2\n", "names two columns 'A'"),
        (b"time," + b",".join(b"S%d" % k for k in range(5_001)) + b"\n", "5,000 are the most"),
        (b"time,A,B\n" + b"2026-01-01,1,2\n" * 300, "1 bar with a price, 100 are needed"),
        (wide({"A": walk(1)}), "a pair needs two"),
    ],
)
def test_bad_files_are_sentences(app: AppTest, content: bytes, told: str) -> None:
    dropped(app, content)
    assert not app.exception, app.exception[0].value
    assert app.error
    assert told in said(app)


def test_a_loss_is_accepted_on_the_page(app: AppTest) -> None:
    lines = wide({"A": walk(1), "B": walk(2), "C": walk(3)}).splitlines()
    soon = [b"soon," + line.split(b",", 1)[1] for line in lines[1:80]]
    dropped(app, b"\n".join([lines[0], *soon, *lines[80:]]))
    assert "accept the loss" in said(app)
    app.checkbox(key="scan_accept_loss").check().run()
    ended(app.session_state["tandem_scan_file"].job)
    app.run()
    ended(study_of(app).scan_job)
    app.run()
    assert metric(app, "Pairs tested") == "3"


def dropped(app: AppTest, content: bytes, name: str = "prices.csv") -> AppTest:
    """Give the page a file that was read."""
    app.query_params["scan_from"] = "file"
    app.run()
    job = engine().jobs.start(
        lambda watch: scanner_sources._read(content, name, watch), queue="read"
    )
    ended(job)
    app.session_state["tandem_scan_file"] = scanner_sources._File("1", name, job, raw=content)
    app.run()
    if "tandem_scan" in app.session_state:
        ended(study_of(app).scan_job)
        app.run()
    return app


def test_a_file_is_scanned_and_kept(app: AppTest) -> None:
    x = walk(1)
    good = wide({"A": x, "B": 2 * x + 3 + 0.3 * np.random.default_rng(3).standard_normal(300),
                 "C": walk(5), "<b>*D*</b>": walk(6)})  # fmt: skip
    sound(dropped(app, good))
    assert metric(app, "Pairs tested") == "6"
    assert metric(app, "Findings at 5 %") == "1"
    table = app.dataframe[0].value
    assert set(table.iloc[0][["Y", "X"]]) == {"A", "B"}
    assert "<b>*D*</b>" in set(table["Y"]) | set(table["X"])
    assert "Using the earlier upload prices.csv" in said(app)
    app.query_params["scan_pair"] = "<b>*D*</b>|C"
    app.run()
    shown = [one.value for one in app.markdown if " vs " in one.value]
    assert shown == ["**\\<b\\>\\*D\\*\\<\\/b\\> vs C**"]


def test_a_link_holds_the_least_activity_and_the_slider_changes_it(app: AppTest) -> None:
    # Three trade in every hour and one in every fourth.
    thin = np.where(np.arange(300) % 4 == 0, walk(6), np.nan)
    prices = wide(
        {"A": walk(1), "B": walk(2), "C": walk(3), "THIN": pd.Series(thin).ffill().to_numpy()}
    )
    app.query_params["min_active"] = "0.9"
    sound(dropped(app, prices))
    table = app.dataframe[0].value
    assert len(table) == 3 and "THIN" not in set(table["Y"]) | set(table["X"])
    app.slider(key="min_active").set_value(0.2).run()
    table = sound(app).dataframe[0].value.set_index("X")
    assert len(table) == 6 and table.loc["THIN", "activity"].round(2).eq(0.25).all()
    app.slider(key="min_active").set_value(1.0).run()
    assert set(sound(app).dataframe[0].value["activity"]) == {1.0}


def test_a_table_of_one_asset_twice_says_so_instead_of_tabs(app: AppTest) -> None:
    x = walk(1)
    sound(dropped(app, wide({"A": x, "B": 2.0 * x})))
    assert "No pair could be tested" in said(app) and not app.tabs
    told = next(one for one in app.expander if one.label.startswith("Not tested"))
    assert told.proto.expanded
    assert list(app.dataframe[-1].value["instrument or pair"]) == ["A \u00b7 B"]


def test_what_was_done_to_rows_and_prices_is_said(app: AppTest) -> None:
    lines = wide({"A": walk(1), "B": walk(2), "C": walk(3)}).decode().splitlines()
    lines[8] = lines[8].rsplit(",", 1)[0] + ",inf"
    lines += [lines[5], "soon,1,2,3"]
    sound(dropped(app, "\n".join(lines).encode()))
    text = said(app)
    assert "1 row left out: the time could not be parsed." in text
    assert "1 row was out of time order; the rows were sorted." in text
    assert "1 row left out: the same bar again." in text
    assert metric(app, "Pairs tested") == "3"
    assert app.dataframe[-1].value.to_numpy().tolist() == [
        ["C", "1 price infinite or beyond 1e+50, first in bar 8, taken as missing"]
    ]


def test_duplicated_columns_are_named_as_one_asset(app: AppTest) -> None:
    x = walk(1)
    sound(dropped(app, wide({"A": x, "B": x, "C": walk(2)})))
    assert metric(app, "Pairs tested") == "2"
    left_out = app.dataframe[-1].value
    assert "A \u00b7 B" in list(left_out["instrument or pair"])


def test_a_table_too_wide_for_the_page_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_sources, "MOST_INSTRUMENTS", 2)
    with pytest.raises(DataError, match=r"3 instruments; this page scans up to 2.*scanner\.py"):
        scanner_sources._checked(pd.DataFrame(np.ones((3, 3))))


# The database -----------------------------------------------------------------------------


def test_the_record_is_read_onto_one_grid(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sound(app.run())
    start = 1_700_000_000 * SECOND_US // (60 * SECOND_US) * 60 * SECOND_US
    held = []
    asked: list[tuple[str, int, int]] = []

    def seconds(name: str, start_us: int, end_us: int) -> Any:
        asked.append((name, start_us, end_us))
        times = np.arange(start_us, end_us, 30 * SECOND_US)
        bars = np.zeros(len(times), BAR)
        bars["time_us"] = bars["last_us"] = times
        bars["trades"] = 1
        for part in ("open", "high", "low", "close"):
            bars[part] = (times - start) / (30 * SECOND_US) + 1.0
        return bars

    monkeypatch.setattr(engine().snapshots, "seconds", seconds)
    for name, first in (("a:X", start), ("a:Y", start + 120 * SECOND_US)):
        held.append(Held(name, first, start + 600 * SECOND_US, 1, 1, 0, {}, 0))
    table = recorded_closes(held, 60 * SECOND_US, start, start + 600 * SECOND_US, UNWATCHED)
    assert list(table.columns) == ["a:X", "a:Y"]
    assert len(table) == 10
    # A minute's close is its last half minute's.
    assert table["a:X"].tolist() == [2.0 * k + 2.0 for k in range(10)]
    assert table["a:Y"].isna().tolist() == [True, True] + 8 * [False]


def test_noise_that_ends_while_a_page_is_drawn_waits_for_the_next(universe: Source) -> None:
    made = Study(universe, Asked(ScanSettings(), "q_value_noise", 1))
    made.work._jobs["scan"] = made.asked.settings, done(scan(universe.prices))
    made.take_noise()
    drawn = made.found
    made.work._jobs["noise"] = made.noise_asked, done(noise(universe.prices, runs=1))
    assert drawn.count(made.by) == drawn.count("q_value")
    assert made.noise is None
    made.take_noise()
    assert made.by == "q_value_noise"
    assert made.found.count(made.by) >= 0


# Filters, pictures, words ---------------------------------------------------------------


def test_filters_keep_what_they_say(study: Study) -> None:
    found, by = study.found, study.by
    assert Filter().keeps(found, study.findings, by).all()
    table = found.table()
    kept = Filter(text="BANK0 chip").keeps(found, study.findings, by)
    y, x = table["y"].astype(str), table["x"].astype(str)
    both = (y + "|" + x).str
    assert (kept == (both.contains("BANK0") & both.contains("CHIP")).to_numpy()).all()
    assert (Filter(only_found=True).keeps(found, study.findings, by) == study.findings).all()
    leads = Filter(only_leads=True).keeps(found, study.findings, by)
    assert (leads == (found.figures["leads"] == 1)).all()
    for given, name, low in (
        (Filter(least_r=0.5), "r_squared", True),
        (Filter(least_corr=0.2), "correlation", True),
        (Filter(least_active=0.99), "activity", True),
        (Filter(most_even=0.4), "break_even_z", False),
        (Filter(most_life=30.0), "half_life", False),
        (Filter(least_life=20.0), "half_life", True),
        (Filter(most_q=0.3), "q_value", False),
    ):
        bound = {"r_squared": 0.5, "correlation": 0.2, "break_even_z": 0.4, "q_value": 0.3}
        bound["activity"] = 0.99
        limit = bound.get(name, 20.0 if low else 30.0)
        values = found.figures[name]
        expected = values >= limit if low else values <= limit
        assert (given.keeps(found, study.findings, by) == expected).all(), name
        assert 0 < expected.sum() < found.tested, name


def test_pairs_are_ranked_over_all_and_not_only_over_those_listed(study: Study) -> None:
    places = np.arange(study.first.tested)
    r = study.found.figures["r_squared"]
    order = scanner_table.ranked(study.found, places, "r_squared")
    assert (np.diff(r[order]) <= 0).all()
    assert scanner_table.ranked(study.found, places, "held") is places


def test_a_spread_is_the_residual_that_was_tested(study: Study) -> None:
    import statsmodels.api as sm

    for pair in (0, 700):
        found = study.first
        y, x = (study.level(int(codes[pair])) for codes in (found.y, found.x))
        both = np.isfinite(y) & np.isfinite(x)
        residual = sm.OLS(y[both], sm.add_constant(x[both])).fit().resid
        np.testing.assert_allclose(study.spread(pair)[both], residual, atol=1e-9)
        assert max(map(abs, study.spark(pair))) > 1.0


def test_the_map_orders_by_cluster_and_shrinks_to_the_most_striking() -> None:
    values = np.arange(36.0).reshape(6, 6)
    values[0, 0] = np.nan
    cells, starts = scanner_charts.shrunk(values, 3)
    assert starts.tolist() == [0, 2, 4]
    assert cells.tolist() == [[1.0, 2.0, 4.0], [12.0, 14.0, 16.0], [24.0, 26.0, 28.0]]
    same, _ = scanner_charts.shrunk(values, 6)
    np.testing.assert_array_equal(same, values)


def test_a_cell_of_many_pairs_is_not_striking_by_their_number_alone(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner_charts, "MOST_CELLS", 10)
    found = study.found
    values = scanner_charts.map_values(found, "p_value", scanner_charts.map_order(found))
    starts = scanner_charts.shrunk(values, 10)[1]
    counts = scanner_charts.pairs_in_cells(values, starts)
    # Every pair is in one cell of the upper half.
    assert np.triu(counts).sum() == found.tested
    unrelated = np.random.default_rng(0).permutation(found.tested) + 1.0
    drawn = dataclasses.replace(
        found, figures=found.figures | {"p_value": unrelated / (found.tested + 1.0)}
    )
    cells = np.array(scanner_charts.map_chart(drawn, "p_value", found.names, "1")["traces"][0]["z"])
    # p at most 5 %: the third step and better. Of 55 cells about three, not nearly all.
    assert np.triu(cells <= 2).sum() < 10


def test_a_map_of_many_stays_small(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner_charts, "MOST_CELLS", 20)
    names = [f"$<b>{name}" for name in study.first.names]
    drawn = scanner_charts.map_chart(study.found, "p_value", names, "1")
    trace = drawn["traces"][0]
    assert len(trace["z"]) == 20 and all(len(row) == 20 for row in trace["z"])
    ticks = drawn["layout"]["yaxis"]["ticktext"]
    assert not any(mark in name for name in ticks for mark in "<>$")
    # What no pair stands for is empty: the diagonal of a map of single cells.
    monkeypatch.setattr(scanner_charts, "MOST_CELLS", 150)
    whole = scanner_charts.map_chart(study.found, "p_value", names, "1")["traces"][0]["z"]
    assert all(whole[k][k] is None for k in range(len(whole)))
    assert sum(cell is not None for row in whole for cell in row) == 2 * study.first.tested


def test_the_map_colours_by_steps(study: Study) -> None:
    found = study.found
    values = scanner_charts.map_values(found, "p_value", scanner_charts.map_order(found))
    cells = scanner_charts.map_chart(found, "p_value", found.names, "1")["traces"][0]["z"]
    for row, wanted in zip(cells, values, strict=True):
        for cell, value in zip(row, wanted, strict=True):
            if cell is not None:
                low = (0.0, *scanner_charts.STEPS)[cell]
                assert low <= value <= scanner_charts.STEPS[cell]


def test_the_noise_picture_has_the_counts(study: Study, universe: Source) -> None:
    by_noise = noise(universe.prices, runs=2)
    drawn = scanner_charts.noise_chart(study.found, by_noise, "1")
    counts = [sum(drawn["columns"][trace["y"][1:]]) for trace in drawn["traces"]]
    assert counts[0] == study.first.tested
    assert counts[1] == pytest.approx(sum(map(len, by_noise.p_values)) / 2)
    assert counts[2] == pytest.approx(study.first.tested)


def test_the_verdict_names_tests_findings_luck_and_noise(study: Study, universe: Source) -> None:
    by_noise = noise(universe.prices, runs=2)
    found = calibrated(study.found, by_noise)
    text = scanner_words.verdict(found, "q_value", by_noise)
    assert f"{found.tested:,} pairs tested, {found.count():,} found at FDR 5 %" in text
    assert f"{found.tested * 0.05:,.0f} expected by chance" in text
    assert f"the same rule gives {by_noise.by_q.mean():,.1f} false positives on average" in text
    other = scanner_words.verdict(found, "q_value_noise", by_noise)
    assert f"{found.count('q_value_noise'):,} found" in other
    assert "2 surrogate universes" in other


def test_what_is_built_in_is_counted_right() -> None:
    built, broken = (("a", "b"), ("c", "d")), (("e", "f"),)
    text = scanner_words.known_sentence(built, broken, [("b", "a"), ("x", "y"), ("e", "f")])
    assert "1 of 2 cointegrated pairs found" in text
    assert "1 pair with a break before the end, 1 found" in text
    assert "1 false positive." in text


def test_a_pair_that_does_not_revert_is_said_so() -> None:
    figures = {name: 1.0 for name in FIGURE_TEXTS} | {"half_life": np.inf}
    assert "not mean-reverting" in sentence(figures, True)
    assert "units of X" in sentence(figures, False)


# The file -------------------------------------------------------------------------------


def test_the_file_has_every_pair_and_figure_with_units(study: Study, universe: Source) -> None:
    found = persistence(universe.prices, study.found, 3)
    found = calibrated(found, noise(universe.prices, runs=1))
    text = whole(found).decode()
    assert text.encode() == b"".join(rows(found))
    table = list(csv.DictReader(io.StringIO(text)))
    assert len(table) == found.tested
    assert len(table[0]) == 2 + len(found.figures)
    assert {"half_life_bars", "beta_notional_x_per_y", "spread_volatility_bp_of_y"} <= set(table[0])
    assert [float(row["p_value"]) for row in table] == found.figures["p_value"].tolist()
    assert {"held_windows", "tested_windows", "q_value_by_noise", "family_number"} <= set(table[0])


def test_no_name_in_the_file_acts_as_a_formula() -> None:
    names = ["=1+1", "+A", "@B", "-C"]
    found = scan(pd.DataFrame({name: walk(k) for k, name in enumerate(names)}))
    found, _ = with_families(found, found.found())
    cells = [row[:2] for row in csv.reader(io.StringIO(b"".join(rows(found)).decode()))][1:]
    assert {cell[0] for row in cells for cell in row} == {"'"}


def test_the_simulated_universe_is_the_same_for_the_same_seed() -> None:
    first, second = simulated(bars=300), simulated(bars=300)
    pd.testing.assert_frame_equal(first.prices, second.prices)
    assert not simulated(5, 300).prices.equals(first.prices)
    assert all(str(name).startswith("sim:") for name in first.prices)
    assert len(first.prices.columns) == 60
    assert {name for pair in first.pairs + first.broken for name in pair} <= set(first.prices)

"""Expected times: what is counted, and what is said of it."""

from __future__ import annotations

import math

import pytest

from benchmarks import luck
from tandem.backtest import runtime_estimate as pace
from tandem.backtest.grid import Grid
from tandem.backtest.null_test import NULLS
from tandem.backtest.runtime_estimate import Pace, pace_of
from tandem.core import jobs
from tandem.core.clock import HOUR_US
from tandem.core.jobs import Job
from tandem.strategy.signals import Setup
from tandem.ui.backtest.significance import expected_sentence
from tests.support import made_pairs

GRID = Grid(
    Setup(lookback=20, z_window=10),
    models=["ols", "huber"],
    lookbacks=[20, 30],
    entries=[1.0, 2.0],
    exits=[0.0, 0.2, 0.5],
)


@pytest.fixture
def second_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything timed take a second."""

    def timed(work):
        work()
        return 1.0

    monkeypatch.setattr(pace, "_seconds", timed)
    monkeypatch.setattr(pace, "_at_once", lambda: 1.0)


def bars(n_bars: int = 200):
    return made_pairs.aligned(*made_pairs.cointegrated(n_bars, seed=1, half_life=8), bar_us=HOUR_US)


@pytest.mark.usefixtures("second_each")
def test_every_model_and_every_variant_is_counted():
    found = pace_of(bars(), GRID)
    assert found == Pace(models_s=4.0, variants_s=24.0, draw_s=1.0)
    assert found.sweep_s() == 8.0 + 24.0
    assert found.null_s(99, len(NULLS)) == 2 * 100 * 29.0
    # Five stretches of a fifth of the bars, one pass over all.
    assert found.walk_forward_s(120, 20, 20, False) == pytest.approx(8.0 + 24.0 * (1.0 + 5 / 6))
    assert found.walk_forward_s(120, 20, 20, True) > found.walk_forward_s(120, 20, 20, False)


@pytest.mark.usefixtures("second_each")
def test_bars_without_a_surrogate_have_a_pace_too():
    assert pace_of(bars(45), Grid(Setup(lookback=20, z_window=10))).draw_s == 0.0


def test_what_takes_longer_than_it_may_says_so():
    assert expected_sentence(0.2, 300.0) == "Takes about a second."
    assert "about 20 s" in expected_sentence(20.0, 300.0)
    assert "more than" not in expected_sentence(20.0, 300.0)
    assert "exceeds the limit of 5 min" in expected_sentence(3_000.0, 300.0)


def test_the_time_left_goes_by_what_was_done(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(jobs.time, "monotonic", lambda: now)
    job = Job(lambda watch: watch.progress(1, 4), 1_000.0)
    assert math.isnan(job.left_s)
    job.run()
    now += 10.0
    assert (job.share, job.left_s) == (0.25, 30.0)


def test_the_page_on_luck_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(luck, "WRITTEN", tmp_path / "LUCK.md")
    monkeypatch.setattr(luck, "SHARED", tmp_path)
    monkeypatch.setattr("sys.argv", ["luck", "--sets", "2", "--surrogates", "19"])
    luck.main()
    page = (tmp_path / "LUCK.md").read_text(encoding="utf-8")
    assert page.count("| no correction |") == 5 and page.count("| independent |") == 2
    assert "set TANDEM_SHARED" in page

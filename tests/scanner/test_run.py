"""The tiles on a real cluster of processes give what they give here."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tandem.scanner.cli
from benchmarks.universes import market_like
from tandem.core.errors import Cancelled, DataError
from tandem.core.parallel import Watch
from tandem.scanner import run as running
from tandem.scanner.result import Scan
from tandem.scanner.scan import scan
from tandem.scanner.surrogates import noise

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    made = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    )
    with made, distributed.Client(made, set_as_default=False) as client:
        yield client


def universe() -> pd.DataFrame:
    prices = market_like(50, 400, seed=5, related=4)
    # Some with gaps of their own, which are tested one by one.
    prices.iloc[10:13, 7], prices.iloc[:150, 20] = np.nan, np.nan
    return prices


def same(one: Scan, other: Scan) -> bool:
    pd.testing.assert_frame_equal(one.table(), other.table(), check_exact=True)
    return (one.pairs_left_out, one.left_out) == (other.pairs_left_out, other.left_out)


def test_same_results_to_the_last_digit(cluster: Any) -> None:
    prices = universe()
    assert same(scan(prices), scan(prices, client=cluster))


def test_noise_runs_there_too(cluster: Any) -> None:
    here, there = noise(universe(), runs=2), noise(universe(), runs=2, client=cluster)
    assert here.by_p.tolist() == there.by_p.tolist()


def test_a_cancelled_scan_leaves_the_cluster_usable(cluster: Any) -> None:
    prices, steps = universe(), []

    def progress(done: int, total: int) -> None:
        steps.append(done)

    with pytest.raises(Cancelled):
        scan(prices, client=cluster, watch=Watch(progress, lambda: len(steps) > 1))
    assert same(scan(prices), scan(prices, client=cluster))


def fails(*_: Any) -> None:
    raise RuntimeError("out of luck")


def test_a_worker_that_fails_is_said(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "work_tile", fails)
    with pytest.raises(DataError, match="worker failed"):
        scan(universe(), client=cluster)


def test_what_is_sent_is_one_function_by_name_and_arrays() -> None:
    for work in (running.work_tile, running.work_singles):
        assert len(pickle.dumps(work)) < 100
        assert pickle.loads(pickle.dumps(work)) is work


def test_the_command_takes_an_address(
    cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.csv"
    universe().to_csv(path, index_label="time")
    said = [io.StringIO(), io.StringIO()]
    assert tandem.scanner.cli.main([str(path), "--top", "5"], said[0]) == 0
    address = cluster.scheduler.address
    assert tandem.scanner.cli.main([str(path), "--top", "5", "--dask", address], said[1]) == 0
    # The seconds it took are another's.
    here, there = (re.sub(r"\d+\.\d+ s\.", "", text.getvalue()) for text in said)
    assert here == there and len(here.splitlines()) > 6


def test_a_scheduler_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tandem.scanner.cli, "DASK_WAIT_S", 0.5)
    path = tmp_path / "prices.csv"
    universe().to_csv(path, index_label="time")
    assert tandem.scanner.cli.main([str(path), "--dask", "tcp://127.0.0.1:9"]) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err

"""The pages in Streamlit's own test harness, on the simulated market."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tandem.ui.shared import state
from tests.support.app_process import REST_URLS
from tests.support.pages import page_of
from tests.support.paths import ROOT


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Let the process's engine watch the simulated market; give the place of its record."""
    path = tmp_path / "tandem.sqlite"
    monkeypatch.setenv("TANDEM_VENUE", "sim")
    monkeypatch.setenv("TANDEM_DATABASE", str(path))
    # No test may ask a real venue for anything.
    for name in REST_URLS:
        monkeypatch.setenv(f"TANDEM_{name.upper()}", "")
    monkeypatch.chdir(ROOT)
    yield path
    state.close()


@pytest.fixture
def app(database: Path, request: pytest.FixtureRequest) -> AppTest:
    """Return the page whose script the test's module has in `PAGE`."""
    return page_of(request.module.PAGE)

"""The pages in Streamlit's own test harness, on the simulated market."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tandem.ui.shared import state
from tests.support.app_process import REST_URLS
from tests.support.light_engines import make_light
from tests.support.pages import page_of
from tests.support.paths import ROOT

# The harness reads the metadata of every installed package before each page's first run.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


@contextmanager
def simulated_market(path: Path) -> Iterator[Path]:
    """Let the next engine of the process watch the simulated market and record it there."""
    state.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TANDEM_VENUE", "sim")
        patch.setenv("TANDEM_DATABASE", str(path))
        # Its past is an hour of trades, which every new engine writes.
        patch.setenv("TANDEM_SIMULATION_RATE", "1")
        # No test may ask a real venue for anything.
        for name in REST_URLS:
            patch.setenv(f"TANDEM_{name.upper()}", "")
        make_light(patch)
        patch.chdir(ROOT)
        yield path
        state.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Give a test an engine of its own; return the place of its record."""
    with simulated_market(tmp_path / "tandem.sqlite") as path:
        yield path


@pytest.fixture(scope="module")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the tests of a module one engine, where they only look at it."""
    with simulated_market(tmp_path_factory.mktemp("desk") / "tandem.sqlite") as path:
        yield path


@pytest.fixture
def app(database: Path, request: pytest.FixtureRequest) -> AppTest:
    """Return the page whose script the test's module has in `PAGE`."""
    return page_of(request.module.PAGE)

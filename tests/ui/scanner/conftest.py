"""The page on an engine that the tests of a module share: it changes nothing there.

It scans one surrogate universe where a link does not say how many: twenty take seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.pages import page_of


@pytest.fixture
def app(shared_database: Path, request: pytest.FixtureRequest) -> AppTest:
    """Return the page whose script the test's module has in `PAGE`.

    A test that needs settings of its own uses `database` too, which is an engine of its own.
    """
    page = page_of(request.module.PAGE)
    page.query_params["scan_noise"] = "1"
    return page

"""The page on an engine that the tests of a module share: it changes nothing there.

It scans five surrogate universes where a test does not say how many: twenty take seconds. The same
prices are scanned in the same way once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from tandem.ui.scanner import study
from tests.support.pages import page_of


def remembered(work: Callable[..., Any]) -> Callable[..., Any]:
    """Return work on prices that gives what it found before, of the same prices and settings."""
    found: dict[Any, Any] = {}

    def once(prices: pd.DataFrame, *asked: Any, **watch: Any) -> Any:
        key = int(pd.util.hash_pandas_object(prices).sum()), tuple(prices.columns), asked
        if key not in found:
            found[key] = work(prices, *asked, **watch)
        return found[key]

    return once


@pytest.fixture(scope="module", autouse=True)
def scanned_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("scan", "noise"):
            patch.setattr(study, name, remembered(getattr(study, name)))
        yield


@pytest.fixture
def app(shared_database: Path, request: pytest.FixtureRequest) -> AppTest:
    """Return the page whose script the test's module has in `PAGE`.

    A test that needs settings of its own uses `database` too, which is an engine of its own.
    """
    page = page_of(request.module.PAGE)
    page.query_params["scan_noise"] = "5"
    return page

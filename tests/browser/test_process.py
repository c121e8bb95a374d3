"""The process itself: it records before anybody looks, and ends clean."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tandem.core.errors import StoreError
from tandem.storage.reader import Reader
from tests.support.app_process import running_app

pytestmark = pytest.mark.browser

PATIENCE_S = 30.0


def recorded(database: Path) -> int:
    """Return how many trades the database holds; none while the file is still being made."""
    try:
        return sum(held.trades for held in Reader(database).inventory())
    except StoreError:
        return 0


def test_it_records_before_the_first_visitor_and_ends_clean(tmp_path: Path) -> None:
    database = tmp_path / "tandem.sqlite"
    with running_app(tmp_path, {"TANDEM_VENUE": "sim"}) as app:
        end = time.monotonic() + PATIENCE_S
        while not recorded(database):
            assert time.monotonic() < end, app.log.read_text()
            time.sleep(0.1)
    assert app.process.returncode in (0, -15), app.log.read_text()
    assert "Traceback" not in app.log.read_text()
    # A writer that closed its store leaves no log beside it.
    assert not Path(f"{database}-wal").exists()


def test_a_wrong_setting_is_a_sentence_on_the_page(page: Page, tmp_path: Path) -> None:
    with running_app(tmp_path, {"TANDEM_VENUE": "mars"}) as app:
        page.goto(app.url)
        expect(page.get_by_text("Tandem did not start")).to_be_visible()
        expect(page.get_by_text("mars")).to_be_visible()

"""A disk that fills up: recording pauses and says so, prices and signals go on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.app_process import running_app

pytestmark = pytest.mark.browser

# Enough to start with, too little for what is then recorded.
ROOM_BYTES = 400_000


def test_a_full_disk_pauses_recording_and_nothing_else(page: Page, tmp_path: Path) -> None:
    settings = {"TANDEM_VENUE": "sim", "TANDEM_SIMULATION_RATE": "500"}
    with running_app(tmp_path, settings, largest_file_bytes=ROOM_BYTES) as app:
        page.goto(app.url)
        expect(page.get_by_text("not recording")).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("said")).to_contain_text(re.compile("paused|disk"))
        price = page.get_by_test_id("price-y")
        expect(price).not_to_have_text(price.inner_text())
        assert app.process.poll() is None

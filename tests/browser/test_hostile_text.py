"""Text from outside is read and never acts: no link, no image, no formula, no icon."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.support.app_process import App
from tests.support.made_pairs import cointegrated

pytestmark = pytest.mark.browser

TEXTS = (
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "$x^2$ :smile: `code`",
)


def acts_not(page: Page) -> None:
    """Assert that nothing on the page came alive out of the texts."""
    body = page.locator("body")
    expect(body.locator('img[src="x"], [onerror], a[href^="javascript"]')).to_have_count(0)
    expect(page.locator(".katex")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize("text", TEXTS)
def test_a_file_s_name_and_headers(
    page: Page, simulated_app: App, tmp_path: Path, text: str
) -> None:
    page.on("dialog", lambda dialog: pytest.fail("text from outside ran"))
    y, x = cointegrated(400, 1)
    days = np.datetime64("2024-01-01") + np.arange(400)
    rows = [f"date,{text},BTC"]
    rows += [f"{day},{a:.4f},{b:.4f}" for day, a, b in zip(days, y, x, strict=True)]
    page.goto(f"{simulated_app.url}/backtest")
    page.set_input_files(
        'input[type="file"]',
        {"name": f"{text}.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode()},
    )
    expect(page.get_by_text("400 of 400 rows kept")).to_contain_text(text)
    expect(page.get_by_text("Net profit after costs")).to_be_visible()
    expect(page.get_by_text("file:")).to_have_count(0)
    acts_not(page)


@pytest.mark.parametrize("text", TEXTS)
def test_a_symbol_in_a_link(page: Page, simulated_app: App, text: str) -> None:
    page.on("dialog", lambda dialog: pytest.fail("text from outside ran"))
    page.goto(f"{simulated_app.url}/?y={quote(text)}")
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    acts_not(page)

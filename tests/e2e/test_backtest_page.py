"""Files that are good, bad and hostile, dropped on the real page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from app_process import App
from pairs import cointegrated
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def write_pair(path: Path, n_bars: int = 400) -> Path:
    y, x = cointegrated(n_bars, 1)
    rows = ["date,ETH,BTC"]
    days = np.datetime64("2024-01-01") + np.arange(n_bars)
    rows += [f"{day},{a:.4f},{b:.4f}" for day, a, b in zip(days, y, x, strict=True)]
    path.write_text("\n".join(rows))
    return path


def dropped(page: Page, app: App, *files: Path) -> Page:
    page.goto(f"{app.url}/backtest")
    page.set_input_files('input[type="file"]', list(files))
    return page


def test_a_wide_file_is_followed_to_its_end(page: Page, simulated_app: App, tmp_path: Path) -> None:
    dropped(page, simulated_app, write_pair(tmp_path / "pair.csv"))
    expect(page.get_by_text("400 of 400 rows kept")).to_be_visible()
    expect(page.get_by_text("Paper profit after costs")).to_be_visible()
    page.get_by_role("tab", name="Paper account").click()
    expect(page.get_by_test_id("stDataFrame").last).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("one row.csv", b"time,close\n2024-01-01,5\n"),
        ("no prices.csv", b"time,colour\n2024-01-01,red\n2024-01-02,blue\n"),
        ("binary.csv", bytes(range(256)) * 50),
        ("<img src=x onerror=alert(1)>.csv", b"a,b\n1,2\n"),
        ("[click](javascript:alert(1)).csv", b"\x00\x01\x02"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(
    page: Page, simulated_app: App, tmp_path: Path, name: str, content: bytes
) -> None:
    page.on("dialog", lambda dialog: pytest.fail("text from outside ran"))
    page.goto(f"{simulated_app.url}/backtest")
    page.set_input_files(
        'input[type="file"]', {"name": name, "mimeType": "text/csv", "buffer": content or b"\n"}
    )
    alert = page.get_by_test_id("stAlert").first
    expect(alert).to_be_visible()
    assert not alert.locator("a, img:not([alt])").count()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_two_files_that_do_not_overlap_show_both_ranges(
    page: Page, simulated_app: App, tmp_path: Path
) -> None:
    for name, year in (("one.csv", 2020), ("two.csv", 2023)):
        days = np.datetime64(f"{year}-01-01") + np.arange(60)
        (tmp_path / name).write_text(
            "date,close\n" + "\n".join(f"{day},{5 + n % 7}" for n, day in enumerate(days))
        )
    dropped(page, simulated_app, tmp_path / "one.csv", tmp_path / "two.csv")
    alert = page.get_by_test_id("stAlert").last
    expect(alert).to_contain_text("2020")
    expect(alert).to_contain_text("2023")

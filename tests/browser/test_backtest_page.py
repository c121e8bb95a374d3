"""Files that are good, bad and hostile, dropped on the real page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.support.app_process import App
from tests.support.made_pairs import cointegrated

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
    expect(page.get_by_text("ETH vs BTC: 400 bars")).to_be_visible()
    page.get_by_role("tab", name="Trades").click()
    expect(page.get_by_test_id("stDataFrame").last).to_be_visible()


def example(page: Page, app: App, query: str = "") -> Page:
    """Open the bundled example and wait for its figures."""
    page.goto(f"{app.url}/backtest?from=Example{query}")
    # Without a cache the models are compiled first.
    expect(page.get_by_text("WTI vs Brent: 393 bars")).to_be_visible(timeout=120_000)
    return page


def test_the_example_is_tested_in_every_tab(page: Page, simulated_app: App) -> None:
    example(page, simulated_app)
    charts = page.locator(".tandem-chart .main-svg")
    expect(charts.first).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("figures-0")).to_contain_text("Sortino ratio")
    page.get_by_role("tab", name="Trades").click()
    expect(page.get_by_test_id("stDataFrame")).to_have_count(2)
    page.get_by_role("tab", name="Sweep").click()
    page.get_by_role("textbox", name="Entry |z|").fill("1, 2, 3")
    page.get_by_role("textbox", name="Entry |z|").press("Enter")
    expect(page.get_by_text("14 variants.")).to_be_visible()
    page.get_by_role("button", name="Run sweep").click()
    expect(page.get_by_test_id("best")).to_contain_text("entry |z|")
    expect(page.locator(".heatmaplayer image")).to_have_count(1)
    page.get_by_role("tab", name="Walk-forward").click()
    page.get_by_role("button", name="Run walk-forward").click()
    expect(page.get_by_text("Out-of-sample Sharpe")).to_be_visible()
    page.get_by_role("tab", name="Significance").click()
    page.get_by_role("button", name="Run null test").click()
    expect(page.get_by_text("Independent legs: ")).to_be_visible()
    expect(page.locator(".tandem-chart .barlayer .point")).not_to_have_count(0)
    page.get_by_role("tab", name="Models").click()
    expect(page.get_by_test_id("models")).to_contain_text("Kalman (in use)")
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Report").click()
    report = Path(download.value.path()).read_text(encoding="utf-8")
    assert "Null test" in report
    assert "<script" not in report
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_null_test_is_cancelled(page: Page, simulated_app: App) -> None:
    # Long enough to be cancelled on any machine: Huber over many lookbacks.
    many = ",".join(str(20 + 2 * n) for n in range(50))
    example(
        page, simulated_app, f"&tab=Significance&model=Huber&null_count=999&try_lookback={many}"
    )
    page.get_by_role("button", name="Run null test").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled; no result was kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Run null test")).to_be_visible()


def test_a_link_reopens_the_same_view(page: Page, simulated_app: App) -> None:
    example(page, simulated_app, "&tab=Sweep&try_entry=1,2&enter=1.5")
    expect(page.get_by_role("textbox", name="Entry |z|")).to_have_value("1,2")
    expect(page.get_by_role("spinbutton", name="Entry |z|")).to_have_value("1.5")


def test_it_fits_on_a_phone(page: Page, simulated_app: App) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in ("Result", "Sweep", "Significance", "Models", "Export"):
        example(page, simulated_app, f"&tab={tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


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


def test_a_wrong_guess_is_corrected_on_a_phone(
    page: Page, simulated_app: App, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    rows = "".join(f"0{day}/02/2024,{day}.5,{day + 3}\n" for day in range(1, 10))
    (tmp_path / "days.csv").write_text("date,ETH,BTC\n" + rows)
    dropped(page, simulated_app, tmp_path / "days.csv")
    expect(page.get_by_test_id("stAlert").first).to_contain_text("day or the month first")
    page.get_by_label("Date order").click()
    page.get_by_role("option", name="day first").click()
    expect(page.get_by_text("9 of 9 rows kept")).to_be_visible()
    expect(page.get_by_text("2024-02-01").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

"""The Scanner page in a real browser: a universe scanned, a pair opened, work cancelled."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.support.app_process import App

pytestmark = pytest.mark.browser

VERDICT = "1,653 pairs tested, "
TABS = ("Map", "Families", "Windows", "Out-of-sample", "Noise")


def scanned(page: Page, app: App, query: str = "") -> Page:
    """Open the simulated universe and wait for its verdict and the noise beside it."""
    page.goto(f"{app.url}/scanner?{query}")
    expect(page.get_by_text(VERDICT)).to_be_visible()
    expect(page.get_by_text("the same rule gives")).not_to_have_count(0, timeout=60_000)
    return page


def test_the_universe_is_scanned_and_every_tab_answers(page: Page, simulated_app: App) -> None:
    scanned(page, simulated_app)
    expect(page.get_by_text("SIMULATED").first).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).not_to_have_count(0)
    expect(page.locator(".tandem-chart .main-svg").first).to_be_visible()
    page.get_by_role("tab", name="Map").click()
    expect(page.locator(".heatmaplayer image")).to_have_count(1)
    page.get_by_role("tab", name="Families").click()
    expect(page.get_by_text("findings are independent").first).to_be_visible()
    expect(page.locator(".tandem-chart .scatterlayer .js-line")).not_to_have_count(0)
    expect(page.locator(".annotation-text", has_text="BANK01")).to_have_count(1)
    page.get_by_role("tab", name="Windows").click()
    page.get_by_role("button", name="Scan windows").click()
    expect(page.get_by_text("windows on average")).to_be_visible()
    page.get_by_role("tab", name="Out-of-sample").click()
    page.get_by_role("button", name="Run OOS test").click()
    expect(page.get_by_text("stationary out-of-sample")).to_be_visible()
    page.get_by_role("tab", name="Noise").click()
    expect(page.locator(".tandem-chart .barlayer .point")).not_to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_click_opens_a_pair_and_backtests_it(page: Page, simulated_app: App) -> None:
    # Without noise runs, whose end draws the table anew.
    page.goto(f"{simulated_app.url}/scanner?scan_noise=0")
    expect(page.get_by_text(" vs ")).to_be_visible()
    expect(page.locator(".tandem-chart .main-svg").first).to_be_visible()
    table = page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    place = table.bounding_box()
    assert place is not None
    # The third row's first name.
    page.mouse.click(place["x"] + 60, place["y"] + 35 * 3 + 17)
    expect(page.get_by_text("CHIP00 vs CHIP01")).to_be_visible()
    assert "scan_pair=sim" in page.url
    page.get_by_role("button", name="Backtest", exact=True).click()
    expect(page.get_by_text("CHIP00 vs sim:CHIP01: 3,000 bars")).to_be_visible()
    expect(page.get_by_text("SIMULATED:")).to_be_visible()


def test_a_pair_is_opened_while_noise_is_scanned(page: Page, simulated_app: App) -> None:
    # With a filter that is bound to the link, which must not keep the page.
    link = "scan_noise=100&min_r=0.5&scan_pair=sim:CHIP00|sim:CHIP01"
    page.goto(f"{simulated_app.url}/scanner?{link}")
    expect(page.get_by_text("Scanning surrogates")).to_be_visible()
    page.get_by_role("button", name="Backtest", exact=True).click()
    expect(page.get_by_text("CHIP00 vs sim:CHIP01: 3,000 bars")).to_be_visible()


@pytest.mark.parametrize(("button", "there"), [("Open on Live", "/"), ("Backtest", "/backtest")])
def test_a_recorded_pair_is_opened(page: Page, simulated_app: App, button: str, there: str) -> None:
    page.goto(simulated_app.url)
    expect(page.locator(".tandem-chart .main-svg").first).to_be_visible(timeout=30_000)
    page.goto(
        f"{simulated_app.url}/scanner?scan_from=record&scan_bar=1s&scan_range=hour&scan_fewest=50"
        "&scan_noise=0&scan_pair=sim:ETHUSDT|sim:BTCUSDT"
    )
    expect(page.get_by_text("BTCUSDT vs ETHUSDT")).to_be_visible()
    page.get_by_role("button", name=button).click()
    expect(page).to_have_url(re.compile(rf"\d{there}(\?|$)"))
    if there == "/":
        expect(page.locator(".pulse")).to_contain_text("BTC")
    else:
        expect(page.get_by_text("sim:BTCUSDT vs sim:ETHUSDT: ")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_long_work_is_cancelled(page: Page, simulated_app: App) -> None:
    page.goto(f"{simulated_app.url}/scanner?scan_noise=100&scan_level=10&scan_tab=Noise")
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.get_by_text("Cancelled; no result was kept.")).to_be_visible()
    expect(page.get_by_role("button", name="Scan 100 surrogate universes")).to_be_visible()


def test_filters_are_in_the_link(page: Page, simulated_app: App) -> None:
    scanned(page, simulated_app)
    page.get_by_placeholder("part of one or both names").fill("oil chip")
    page.get_by_placeholder("part of one or both names").press("Enter")
    expect(page.get_by_text("120 of 1,653 pairs")).to_be_visible()
    expect(page).to_have_url(re.compile("scan_text=oil"))
    page.goto(page.url)
    expect(page.get_by_text("120 of 1,653 pairs")).to_be_visible()


def test_a_file_with_hostile_names_is_scanned_and_leaves_as_text(
    page: Page, simulated_app: App, tmp_path: Path
) -> None:
    page.on("dialog", lambda dialog: pytest.fail("text from outside ran"))
    names = ["<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "=1+1", "$a$ :red[b]"]
    walks = 100.0 + np.cumsum(np.random.default_rng(1).standard_normal((400, len(names))), axis=0)
    days = np.datetime64("2024-01-01") + np.arange(400)
    with (tmp_path / "universe.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["date", *names])
        out.writerows([str(day), *row] for day, row in zip(days, walks.tolist(), strict=True))
    page.goto(f"{simulated_app.url}/scanner?scan_from=file")
    page.set_input_files('input[type="file"]', tmp_path / "universe.csv")
    expect(page.get_by_text("6 pairs tested, ")).to_be_visible()
    main = page.get_by_test_id("stMain")
    expect(main.locator("img[src=x], a[href^=javascript], .katex")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="All 6 pairs as CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 6
    assert {row["x_instrument"] for row in rows} | {row["y_instrument"] for row in rows} == {
        "'=1+1",
        *(name for name in names if not name.startswith("=")),
    }
    expect(page.get_by_test_id("stException")).to_have_count(0)


@pytest.mark.parametrize(
    "content",
    [b"\n", b"time,A\n2024-01-01,1\n", bytes(range(256)) * 50, b"time,A,B\n2024-01-01,x,y\n"],
)
def test_a_file_that_cannot_be_scanned_is_a_sentence(
    page: Page, simulated_app: App, content: bytes
) -> None:
    page.goto(f"{simulated_app.url}/scanner?scan_from=file")
    file = {"name": "<b>bad</b>.csv", "mimeType": "text/csv", "buffer": content}
    page.set_input_files('input[type="file"]', file)
    alert = page.get_by_test_id("stAlert").first
    expect(alert).to_be_visible()
    assert not alert.locator("b").count()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_it_fits_on_a_phone(page: Page, simulated_app: App) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in ("Pairs", *TABS):
        scanned(page, simulated_app, f"scan_tab={tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        expect(page.get_by_test_id("stException")).to_have_count(0)

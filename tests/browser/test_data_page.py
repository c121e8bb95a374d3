"""The Data page on the simulated market: what is recorded is shown, exported, and read back."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tandem.core.clock import SECOND_US
from tandem.core.events import BAR
from tandem.io import files as tables
from tandem.storage.reader import Reader
from tests.support.app_process import App

pytestmark = pytest.mark.browser


def opened(page: Page, app: App, query: str = "") -> Page:
    page.goto(f"{app.url}/data{query}")
    expect(page.get_by_test_id("held")).to_contain_text("sim:ETHUSDT", timeout=60_000)
    return page


def test_the_page_answers_in_order(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    expect(page.get_by_test_id("state")).to_have_text("RECORDING")
    expect(page.get_by_test_id("feeds")).to_contain_text("SIMULATED")
    expect(page.get_by_test_id("missing")).to_contain_text("No gaps between")
    headings = page.locator(".sheets h3").all_inner_texts()
    assert headings[:3] == [
        "Recording status",
        "Stored data",
        "Gaps and backfill",
    ]


def test_the_count_of_trades_goes_up_by_itself(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    count = page.get_by_test_id("held").locator("tbody tr").first.locator("td").nth(3)
    first = count.inner_text()
    expect(count).not_to_have_text(first)


def test_exported_bars_are_those_recorded(page: Page, simulated_app: App, tmp_path: Path) -> None:
    opened(page, simulated_app)
    page.get_by_role("radio", name="bars", exact=True).click()
    page.get_by_role("button", name="Export", exact=True).click()
    link = page.get_by_test_id("export").get_by_role("link")
    with page.expect_download() as download:
        link.click()
    name = download.value.suggested_filename
    assert name.startswith("tandem-sim-")
    assert name.endswith(".csv")
    download.value.save_as(tmp_path / name)
    read = tables.read((tmp_path / name).read_bytes(), name)
    ((instrument, bars),) = read.bars.items()
    assert not read.report.rows_aside
    start_us, end_us = int(bars["time_us"][0]), int(bars["time_us"][-1])
    record = Reader(simulated_app.log.parent / "tandem.sqlite")
    expected = record.bars(instrument, start_us, end_us)
    # The last second may have had more trades since.
    assert len(expected) == len(bars) - 1
    assert end_us - start_us > SECOND_US
    for field in BAR.names or ():
        assert (bars[field][:-1] == expected[field]).all(), field


def test_nothing_but_the_files_is_served(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    for place in ("", "../../app.py", "..%2f..%2fapp.py", "x/y.csv"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{simulated_app.url}/app/static/exports/{place}", timeout=10)


def test_it_fits_a_phone(page: Page, simulated_app: App) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, simulated_app)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    widths = page.locator(".sheets tr").evaluate_all("rows => rows.map(row => row.scrollWidth)")
    assert max(widths) <= 390


def test_trades_another_desk_exported_are_imported(
    page: Page, simulated_app: App, tmp_path: Path
) -> None:
    opened(page, simulated_app)
    page.get_by_role("radio", name="last hour").click()
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_test_id("export").get_by_role("link").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    # As another desk would have exported them of its own instrument.
    lines = file.read_text().replace("sim:BNBUSDT", "kraken:BNB/USD")
    file.write_text(lines)
    rows = len(lines.splitlines()) - 1
    assert rows > 100
    opened(page, simulated_app, "?action=Import")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("Choose the instrument;")).to_be_visible()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    name = page.get_by_role("combobox")
    name.fill("kraken:BNB/USD")
    name.press("Enter")
    page.get_by_role("button", name="Import", exact=True).click()
    imported = page.get_by_test_id("held").locator("tbody tr", has_text="kraken:BNB/USD")
    expect(imported.locator("td").nth(3)).to_have_text(f"{rows:,}", timeout=60_000)

"""The Surveillance page in a real browser: the wall fills, a click opens an instrument."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.app_process import App

pytestmark = pytest.mark.browser

TILES = ".wall .tile"
# Of the scores' figure: how many prices are drawn.
POINTS = """() => {
  const figure = document.querySelector('.st-key-watch-detail [data-testid="chart"] .figure');
  return figure?._fullData?.find(trace => trace.name === 'price')?.y?.length ?? 0;
}"""
WIDTH = """Math.max(document.documentElement.scrollWidth,
  document.querySelector('.stMain').scrollWidth)"""


def opened(page: Page, app: App, query: str = "") -> Page:
    page.goto(f"{app.url}/surveillance{query}")
    expect(page.locator(TILES)).to_have_count(4)
    return page


def tile(page: Page, symbol: str) -> Any:
    return page.locator(f'{TILES}[data-key="sim:{symbol}"]')


def test_the_wall_fills_and_says_what_it_is(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    expect(page.get_by_test_id("state")).to_have_text("SIMULATED")
    eth = tile(page, "ETHUSDT")
    expect(eth.locator(".venue")).to_have_text("SIMULATED")
    expect(eth.locator(".price")).to_have_text(re.compile(r"^[\d,]+\.\d\d$"))
    expect(eth.locator(".z")).to_have_text(re.compile(r"^[+−]?\d+\.\d$"))
    expect(eth.locator(".volatility")).to_have_text(re.compile(r"^\d+ %$"))
    expect(eth.locator("polyline")).to_have_attribute("points", re.compile(r"^0,\d+ 1,\d+"))
    expect(eth).to_have_attribute("aria-label", re.compile("momentum (bullish|bearish|neutral)"))
    expect(page.get_by_text("Red edge: flagged")).to_be_visible()


def test_only_what_changed_is_written(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    page.evaluate(
        f"document.querySelectorAll('{TILES}').forEach(tile => tile.dataset.mine = 'kept')"
    )
    page.evaluate(
        """() => {
          window.renewed = 0;
          new MutationObserver(all => all.forEach(one => {
            window.renewed += [...one.removedNodes].filter(node => node.nodeType === 1).length;
          })).observe(document.querySelector('.wall .grid'), { childList: true, subtree: true });
        }"""
    )
    price = tile(page, "ETHUSDT").locator(".price")
    for _ in range(3):
        expect(price).not_to_have_text(price.inner_text())
    expect(page.locator(f'{TILES}[data-mine="kept"]')).to_have_count(4)
    assert page.evaluate("window.renewed") == 0


def test_a_click_opens_an_instrument_and_a_link_reopens_it(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    tile(page, "SOLUSDT").click()
    expect(page.get_by_role("heading", name="SOLUSDT")).to_be_visible()
    expect(tile(page, "SOLUSDT")).to_have_attribute("aria-pressed", "true")
    page.wait_for_url(re.compile("instrument=sim%3ASOLUSDT|instrument=sim:SOLUSDT"))
    page.wait_for_function(f"({POINTS})() > 100")
    page.goto(page.url)
    expect(page.get_by_role("heading", name="SOLUSDT")).to_be_visible()
    expect(tile(page, "SOLUSDT")).to_have_attribute("aria-pressed", "true")


def test_a_key_opens_an_instrument(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    tile(page, "BTCUSDT").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="BTCUSDT")).to_be_visible()
    expect(tile(page, "BTCUSDT")).to_be_focused()


def test_the_detail_explains_itself(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app, "?instrument=ETHUSDT")
    detail = page.locator(".st-key-watch-detail")
    expect(detail.locator(".tandem-chart .main-svg").nth(6)).to_be_attached()
    expect(detail.get_by_test_id("momentum")).to_contain_text("2.82 × √bars")
    expect(detail.get_by_test_id("apart")).to_contain_text("ETHUSDT and BTCUSDT")
    expect(detail.get_by_text("contamination 0.1 %")).to_be_visible()
    expect(detail.get_by_text("point of control").first).to_be_visible()
    detail.get_by_role("button", name="GARCH forecast").click()
    # Prices of now: a fit may fail, which is said.
    expect(detail).to_contain_text(re.compile(r"GARCH, next \d min|No forecast\. GARCH"))
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_the_zoom_of_the_scores_survives_new_bars(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app, "?instrument=ETHUSDT")
    page.wait_for_function(f"({POINTS})() > 100")
    chart = page.locator('.st-key-watch-detail [data-testid="chart"]').first
    box = chart.locator(".draglayer .xy .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 62, steps=5)
    page.mouse.up()
    span = "chart => chart.querySelector('.figure')._fullLayout.xaxis.range"
    before, version = chart.evaluate(span), chart.get_attribute("data-version")
    for _ in range(2):
        expect(chart).not_to_have_attribute("data-version", version or "")
        version = chart.get_attribute("data-version")
    assert chart.evaluate(span) == before


def test_settings_are_applied_and_the_wall_comes_back(page: Page, simulated_app: App) -> None:
    page.goto(f"{simulated_app.url}/surveillance?watch=settings")
    field = page.get_by_role("spinbutton", name="Outlier threshold, |z|")
    field.fill("0.1")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("anomaly_z is 0.1")).to_be_visible()
    field.fill("3.5")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Settings applied")).to_be_visible()
    page.get_by_role("radio", name="Instruments").click()
    expect(page.locator(TILES)).to_have_count(4)
    expect(page.get_by_text("Both turn red beyond ±3.5")).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_phone_shows_it_without_scrolling_sideways(
    browser: Browser, simulated_app: App, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = opened(context.new_page(), simulated_app)
    expect(page.get_by_test_id("wall")).to_have_attribute("data-mode", scheme)
    page.wait_for_function(f"({POINTS})() > 100")
    expect(page.get_by_test_id("momentum")).to_be_attached()
    assert page.evaluate(WIDTH) <= 390
    for part in ("name", "price", "z", "score", "volatility", "age"):
        cells = page.locator(f"{TILES} .{part}")
        clipped = cells.evaluate_all("all => all.some(one => one.scrollWidth > one.clientWidth)")
        assert not clipped, part
    tile(page, "SOLUSDT").click()
    expect(page.get_by_role("heading", name="SOLUSDT")).to_be_in_viewport()
    context.close()

"""The live page on the simulated market, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.app_process import App, running_app

pytestmark = pytest.mark.browser

LOOKS = """() => {
  const figure = document.querySelector('[data-testid="chart"] .figure');
  const hidden = figure._fullData.filter(trace => trace.visible === 'legendonly');
  return [figure.dataset.mine, figure._fullLayout.xaxis.range, hidden.map(trace => trace.name),
          figure.parentElement.dataset.version];
}"""


def opened(page: Page, app: App, query: str = "") -> Page:
    page.goto(f"{app.url}/{query}")
    expect(page.get_by_test_id("z")).to_have_text(re.compile(r"z \(live\) [+−]\d"), timeout=60_000)
    return page


def test_the_first_look_answers_the_four_questions(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    expect(page.get_by_test_id("state")).to_have_text("SIMULATED")
    expect(page.get_by_test_id("said")).to_contain_text("Simulated prices")
    expect(page.get_by_test_id("price-y")).to_have_text(re.compile(r"ETH [\d,]+\.\d\d"))
    expect(page.get_by_test_id("signal")).to_have_text(re.compile("FLAT|LONG|SHORT"))
    expect(page.get_by_test_id("p-value")).to_have_text(re.compile(r"p (< )?\d\.\d{3}"))
    expect(page.get_by_test_id("cost-card")).to_contain_text("Fees (4 fills at 5 bp)")
    expect(page.locator('[data-testid="chart"] svg.main-svg').first).to_be_visible()


def test_zoom_and_hidden_lines_survive_new_bars(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app, "?bar=1s")
    page.wait_for_function(
        "window.Plotly && document.querySelector('.figure')?._fullData?.length > 1"
    )
    page.evaluate("document.querySelector('[data-testid=chart] .figure').dataset.mine = 'kept'")
    box = page.locator('[data-testid="chart"] .draglayer .xy .nsewdrag').first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 62, steps=5)
    page.mouse.up()
    page.locator('[data-testid="chart"] .legendtoggle').nth(1).click()
    page.wait_for_function(
        "document.querySelector('.figure')._fullData.some(t => t.visible === 'legendonly')"
    )
    before = page.evaluate(LOOKS)
    for _ in range(3):
        page.wait_for_function(
            "version => document.querySelector('[data-testid=chart]').dataset.version !== version",
            arg=page.evaluate(LOOKS)[3],
        )
    after = page.evaluate(LOOKS)
    assert after[3] != before[3]
    assert after[:3] == before[:3]
    assert after[0] == "kept"
    assert len(after[2]) == 1


def test_a_figure_the_browser_has_lost_is_sent_again(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app, "?bar=1m&lookback=20&zwin=10")
    drawn = "[...document.querySelectorAll('[data-testid=chart]')].map(one => Boolean(one.figure))"
    page.wait_for_function(
        f"() => {{ const all = {drawn}; return all.length && all.every(x => x) }}"
    )
    page.evaluate(
        "document.querySelectorAll('[data-testid=chart]').forEach(one => delete one.figure)"
    )
    page.wait_for_function(f"{drawn}.every(Boolean)")


def test_what_a_link_asks_for_in_vain_stays_said(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app, "?tab=nope")
    said = page.get_by_text("The link asks for the tab 'nope', which does not exist")
    expect(said).to_be_visible()
    first = page.get_by_test_id("price-y").inner_text()
    page.wait_for_function(
        "first => document.querySelector('[data-testid=price-y]').innerText !== first", arg=first
    )
    expect(said).to_be_visible()


def test_no_button_sends_a_chart_to_another_machine(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    bar = page.locator('[data-testid="chart"] .modebar').first
    expect(bar).to_be_attached()
    titles = bar.locator("[data-title]").evaluate_all("all => all.map(one => one.dataset.title)")
    assert titles
    assert not [title for title in titles if "Share" in title or "cloud" in title.lower()]


def test_prices_move_without_a_reload(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    price = page.get_by_test_id("price-y")
    first = price.inner_text()
    page.wait_for_function(
        "first => document.querySelector('[data-testid=price-y]').innerText !== first", arg=first
    )


def test_a_link_reopens_the_same_view(page: Page, simulated_app: App) -> None:
    opened(
        page,
        simulated_app,
        "?y=SOLUSDT&x=ETHUSDT&bar=15s&model=OLS&lookback=100&enter=1.5&prices=log&tab=trades",
    )
    expect(page.get_by_test_id("price-y")).to_contain_text("SOL")
    expect(page.get_by_test_id("price-x")).to_contain_text("ETH")
    expect(page.get_by_text("entry ±1.5")).to_be_visible()
    assert "model=ols" in page.url
    page.get_by_role("radio", name="Huber").click()
    page.wait_for_url(re.compile("model=huber"))


def test_a_chip_of_the_watchlist_opens_its_pair(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app)
    page.get_by_role("button", name=re.compile("^SOL.BTC")).click()
    expect(page.get_by_test_id("price-y")).to_contain_text("SOL")
    page.wait_for_url(re.compile("y=SOLUSDT"))


@pytest.mark.parametrize(
    "symbol", ["%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "[x](javascript:alert(1))", "NOSUCH"]
)
def test_a_symbol_that_does_not_exist_is_a_sentence(
    page: Page, simulated_app: App, symbol: str
) -> None:
    page.on("dialog", lambda dialog: pytest.fail("text from outside ran"))
    page.goto(f"{simulated_app.url}/?y={symbol}")
    alert = page.get_by_test_id("stAlert").first
    expect(alert).to_be_visible()
    assert not alert.locator("a, img").count()


def test_what_cannot_be_shown_is_said_on_a_phone_with_a_way_on(
    browser: Browser, simulated_app: App
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{simulated_app.url}/?y=NOSUCH")
    expect(page.get_by_text("NOSUCH").first).to_be_in_viewport()
    page.get_by_role("button", name=re.compile("^SOL.BTC")).click()
    expect(page.get_by_test_id("price-y")).to_contain_text("SOL")
    context.close()


def test_the_same_symbol_twice_is_a_sentence(page: Page, simulated_app: App) -> None:
    page.goto(f"{simulated_app.url}/?y=BTCUSDT&x=BTCUSDT")
    expect(page.get_by_text("choose two different instruments")).to_be_visible()


def test_thresholds_that_contradict_are_a_sentence(page: Page, simulated_app: App) -> None:
    page.goto(f"{simulated_app.url}/?enter=1.0&exit=1.5")
    expect(page.get_by_text("set exit to 0 or more and entry above exit")).to_be_visible()


@pytest.mark.parametrize("tab", ["flow", "trades", "signals", "export"])
def test_every_detail_opens(page: Page, simulated_app: App, tab: str) -> None:
    opened(page, simulated_app, f"?tab={tab}")
    shown = {
        "flow": page.locator('[data-testid="chart"] svg.main-svg').nth(3),
        "trades": page.get_by_test_id("stDataFrame"),
        "signals": page.get_by_text(re.compile("paper account is flat|Holding")),
        "export": page.get_by_text("Aligned bars with all analytics"),
    }[tab]
    expect(shown.first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_download_uploads_again(page: Page, simulated_app: App, tmp_path) -> None:
    opened(page, simulated_app, "?tab=Export")
    with page.expect_download() as download:
        page.get_by_role("button", name="Aligned bars with all analytics").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.stat().st_size > 10_000
    page.goto(f"{simulated_app.url}/backtest")
    page.set_input_files('input[type="file"]', file)
    expect(page.get_by_text("Engle–Granger p").first).to_be_visible()
    expect(page.locator('[data-testid="chart"] svg.main-svg').first).to_be_visible()


def test_a_file_outlives_refreshes_for_slow_lines(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app, "?tab=Export")
    with page.expect_download() as download:
        page.get_by_role("button", name="Aligned bars with all analytics").click()
    for _ in range(4):
        price = page.get_by_test_id("price-y")
        expect(price).not_to_have_text(price.inner_text())
    assert page.request.get(download.value.url).status == 200


def test_a_phone_shows_it_all_without_scrolling_sideways(browser, simulated_app: App) -> None:
    context: BrowserContext = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="light"
    )
    page = opened(context.new_page(), simulated_app)
    expect(page.get_by_test_id("signal")).to_be_visible()
    width = page.evaluate(
        "Math.max(document.documentElement.scrollWidth, "
        "document.querySelector('.stMain').scrollWidth)"
    )
    assert width <= 390
    context.close()


def test_two_sessions_share_one_engine(browser, simulated_app: App) -> None:
    pages = [opened(browser.new_page(), simulated_app) for _ in range(2)]
    for page in pages:
        expect(page.get_by_test_id("state")).to_have_text("SIMULATED")
        page.close()
    # A second engine would find the database taken by the first and say so.
    assert "Recording is off" not in simulated_app.log.read_text()


def test_a_view_survives_a_look_at_another_page(page: Page, simulated_app: App) -> None:
    opened(page, simulated_app, "?y=SOLUSDT&model=ols&sizing=unit&lookback=100&tab=trades")
    page.get_by_role("link", name="Data").click()
    page.wait_for_url(re.compile("/data"))
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_test_id("price-y")).to_contain_text("SOL")
    expect(page.get_by_role("radio", name="OLS")).to_be_checked()
    expect(page.get_by_role("radio", name="Trades")).to_be_checked()
    for part in ("model=ols", "sizing=unit", "lookback=100", "tab=trades", "y=SOLUSDT"):
        page.wait_for_url(re.compile(part))


def test_the_export_opens_by_itself_once_there_is_something(page: Page, tmp_path: Path) -> None:
    with running_app(tmp_path, {"TANDEM_VENUE": "sim"}) as app:
        page.goto(f"{app.url}/?tab=export&bar=1s")
        expect(page.get_by_role("button", name="Aligned bars")).to_be_visible(timeout=60_000)

"""An alert on screen: the rule made, the message in the corner, the list, Telegram, the file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tandem.alerts.channels.local import COLUMNS, row
from tandem.alerts.rules import decode_alert
from tandem.storage.reader import Reader
from tests.support.app_process import App, running_app
from tests.support.message_servers import PostServer

pytestmark = pytest.mark.browser

TOKEN = "123456789:planted-secret-token"
NAME = "Quick look"


@pytest.fixture
def telegram() -> Iterator[PostServer]:
    with PostServer() as server:
        yield server


@pytest.fixture
def app(tmp_path: Path, telegram: PostServer) -> Iterator[App]:
    settings = {
        "TANDEM_VENUE": "sim",
        "TANDEM_ALERTS_FILE": str(tmp_path / "alerts.csv"),
        "TANDEM_TELEGRAM_ADDRESS": telegram.url,
        "TANDEM_TELEGRAM_TOKEN": TOKEN,
        "TANDEM_TELEGRAM_CHAT": "7",
    }
    with running_app(tmp_path, settings) as app:
        yield app


def tab(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()


def rows(page: Page, text: str) -> Locator:
    return page.get_by_test_id("ledger").locator("li", has_text=text)


def number(page: Page, label: str, value: str) -> None:
    box = page.get_by_role("spinbutton", name=label)
    box.fill(value)
    box.press("Tab")


def make_rule(page: Page) -> None:
    """Make a rule on screen that fires once, with the next bars of one instrument."""
    page.get_by_role("button", name="Add rule").click()
    name = page.get_by_label("Name", exact=True)
    name.fill(NAME)
    name.press("Tab")
    number(page, "Threshold", "0.05")
    number(page, "Cool-down, minutes", "600")
    scope = page.get_by_role("combobox").last
    scope.click()
    scope.fill("sim:ETH*")
    page.get_by_role("option", name="Add: sim:ETH*").click()
    expect(page.get_by_text("Currently applies to sim:ETHUSDT.")).to_be_visible()
    page.get_by_role("button", name="Telegram").click()
    # Nothing is lost by looking elsewhere first.
    tab(page, "Channels")
    expect(rows(page, "Telegram")).to_contain_text("ready")
    tab(page, "Rules")
    expect(name).to_have_value(NAME)
    expect(page.get_by_role("spinbutton", name="Threshold")).to_have_value("0.05")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"Rule {NAME} is active.")).to_be_visible()


def test_from_the_rule_to_the_message_and_the_file(
    page: Page, app: App, telegram: PostServer, tmp_path: Path
) -> None:
    page.goto(f"{app.url}/surveillance")
    # What a rule may name is known once it is watched.
    expect(page.get_by_test_id("wall")).to_contain_text("ETHUSDT")
    tab(page, "Rules")
    make_rule(page)
    expect(rows(page, NAME)).to_contain_text("scope: sim:ETH*")

    toast = page.locator(".toasts .toast", has_text=f"rule {NAME}")
    expect(toast).to_contain_text("SIMULATED")
    expect(toast).to_contain_text("ETHUSDT: 1 s bar return z-score")
    # It goes along to another page, goes away, and does not come back on the next one.
    page.get_by_role("link", name="Data").click()
    expect(page.get_by_test_id("held")).to_contain_text("sim:ETHUSDT")
    expect(toast).to_have_count(0)
    page.get_by_role("link", name="Surveillance").click()

    telegram.wait_for(1)
    (message,) = [text for text in telegram.texts() if f"rule={NAME}" in text]
    assert "sim:ETHUSDT z=" in message
    assert telegram.accepted[0][0].startswith(f"/bot{TOKEN}/")

    tab(page, "Alerts")
    expect(toast).to_have_count(0)
    alert = rows(page, f"rule {NAME}")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text("SIMULATED")
    expect(alert).to_contain_text("telegram sent")
    facts = alert.locator(".facts")
    expect(facts).to_be_hidden()
    alert.get_by_role("button", name="ETHUSDT: 1 s bar return").first.click()
    expect(facts).to_contain_text("(return \u2212 mean) / deviation = ")
    alert.get_by_role("button", name="Acknowledge").click()
    expect(alert).to_contain_text("acknowledged")
    expect(facts).to_be_visible()

    page.get_by_role("combobox", name="Rule").click()
    page.get_by_role("option", name=NAME).click()
    expect(page.get_by_test_id("ledger").locator("li")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "tandem-alerts.csv"
    download.value.save_as(tmp_path / "read.csv")
    with (tmp_path / "read.csv").open(newline="", encoding="utf-8") as file:
        titles, *read = csv.reader(file)
    kept = map(decode_alert, Reader(tmp_path / "tandem.sqlite").documents("alert").values())
    assert tuple(titles) == COLUMNS
    assert read == [list(row(one)) for one in kept if one.rule == NAME]
    assert TOKEN not in page.content()
    assert TOKEN not in app.log.read_text()


def test_rules_are_switched_edited_and_removed_in_the_table(page: Page, app: App) -> None:
    page.goto(f"{app.url}/surveillance?watch=rules")
    rule = rows(page, "No trades:")
    switch = rule.get_by_role("switch")
    expect(switch).to_be_checked()
    switch.click()
    expect(page.get_by_text("13 rules, 12 enabled.")).to_be_visible()
    rule.get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("No trades")
    number(page, "Threshold, s", "90")
    page.get_by_role("button", name="Save").click()
    expect(rule).to_contain_text("age of the last trade is above 90 s")
    expect(switch).not_to_be_checked()
    rule.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("12 rules, 12 enabled.")).to_be_visible()
    expect(rule).to_have_count(0)


def test_a_channel_is_tested_and_what_came_of_it_is_said(
    page: Page, app: App, telegram: PostServer
) -> None:
    telegram.plan.append("hang")
    page.goto(f"{app.url}/surveillance?watch=channels")
    channel = rows(page, "Bot message")
    button = channel.get_by_role("button", name="Test")
    button.dblclick()
    expect(channel).to_contain_text("Sending a test message")
    # While the service does not answer, the page does.
    rows(page, "Toast on every open page").get_by_role("button", name="Test").click()
    expect(page.locator(".toasts .toast", has_text="A test message.")).to_have_count(1)
    telegram.wait_for(1, "taken")
    telegram.release.set()
    expect(channel).to_contain_text("Test message not sent.")
    assert len(telegram.taken) == 1
    button.click()
    expect(channel).to_contain_text("Test message sent by telegram.")
    assert "planted-secret" not in page.content()
    (text,) = telegram.texts()
    assert "[TEST]" in text


def test_it_fits_a_phone(page: Page, app: App) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("alerts", "rules", "channels"):
        page.goto(f"{app.url}/surveillance?watch={name}")
        expect(page.get_by_test_id("ledger").locator(".note")).not_to_be_empty()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name

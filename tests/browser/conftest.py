"""A real Chromium and the real app, for the browser tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.app_process import App, chromium, running_app

# A machine that still compiles, beside other work, may take long; a test that waits ends sooner.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

# What the page may complain of: Streamlit's look for its usage host without a network, and the app
# ending before its page.
HARMLESS = (
    "net::ERR_",
    "Failed to load resource",
    "Cannot send rerun backMessage",
    "Client Error in reaching server endpoint",
    "Is Streamlit still running?",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        text = "no Chromium found; install it (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1480, "height": 1070}, color_scheme="dark")
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page whose own errors fail the test."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text)
            if message.type == "error" and not message.text.startswith(HARMLESS)
            else None
        ),
    )
    yield page
    assert not errors, errors


@pytest.fixture(scope="module")
def simulated_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(tmp_path_factory.mktemp("simulated"), {"TANDEM_VENUE": "sim"}) as app:
        yield app

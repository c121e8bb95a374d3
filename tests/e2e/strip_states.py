"""Brings about each state of the data-status strip and photographs it.

Run as ``python tests/e2e/strip_states.py FOLDER``: one picture of the page's head for each state,
wide and at a phone's width. The exchange is a local stand-in.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

from app_process import chromium, running_app  # noqa: E402
from exchange import Exchange  # noqa: E402
from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

PRICES = {"ETHUSDT": 3_000.0, "BTCUSDT": 60_000.0, "SOLUSDT": 150.0, "BNBUSDT": 600.0}
SIZES = {"wide": (1440, 300), "phone": (390, 420)}
WAIT_MS = 60_000

# The sidebar slides away on a narrow screen: the strip is seen once it has.
UNCOVERED = """() => {
  const sidebar = document.querySelector('[data-testid="stSidebar"]');
  const badge = document.querySelector('[data-testid="state"]');
  const right = sidebar ? sidebar.getBoundingClientRect().right : 0;
  return right <= badge.getBoundingClientRect().left;
}"""


class Studio:
    """Opens pages on apps of its own and keeps pictures of them."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder

    @contextmanager
    def page(
        self, settings: Mapping[str, str], largest_file_bytes: int | None = None
    ) -> Iterator[Page]:
        """Run an app and open its Live page."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            app = stack.enter_context(running_app(folder, settings, largest_file_bytes))
            context = stack.enter_context(self._browser.new_context(color_scheme="dark"))
            page = context.new_page()
            page.goto(app.url)
            yield page

    def shoot(self, page: Page, name: str, label: str, said: str = "") -> None:
        """Wait for a state of the strip and photograph it."""
        expect(page.get_by_test_id("state")).to_have_text(label, timeout=WAIT_MS)
        if said:
            expect(page.get_by_test_id("said")).to_have_text(re.compile(said), timeout=WAIT_MS)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(UNCOVERED)
            page.screenshot(path=self._folder / f"{name}-{size}.png")
        said_now = page.get_by_test_id("said").inner_text()
        sys.stdout.write(f"{name}: {label}: {said_now!r}\n")
        sys.stdout.flush()


def _settings(exchange: Exchange, **more: str) -> dict[str, str]:
    return {
        "TANDEM_VENUE": "binance-usdm",
        "TANDEM_BINANCE_USDM_URL": exchange.url,
        "TANDEM_SILENCE_S": "3",
        "TANDEM_STALE_S": "5",
        **more,
    }


def good_and_cut(studio: Studio) -> None:
    """Live, messages not understood, silent legs, reconnecting."""
    with Exchange() as exchange:
        exchange.play(20, PRICES, PRICES)
        with studio.page(_settings(exchange)) as page:
            studio.shoot(page, "live", "LIVE")
            exchange.raw("not json")
            studio.shoot(page, "not-understood", "LIVE", "not understood")
            exchange.pause()
            studio.shoot(page, "silent", "STALE", "no trade")
            exchange.refuse(500)
            exchange.drop()
            studio.shoot(page, "reconnecting", "RECONNECTING")


def one_leg_stale(studio: Studio) -> None:
    """One leg trades, the other has stopped."""
    with Exchange() as exchange:
        exchange.play(20, PRICES, PRICES)
        with studio.page(_settings(exchange, TANDEM_SILENCE_S="600")) as page:
            studio.shoot(page, "before-stale", "LIVE")
            exchange.pause()
            exchange.play(20, {"ETHUSDT": 3_000.0}, {"ETHUSDT": 3_000.0})
            studio.shoot(page, "stale", "STALE")


def connecting(studio: Studio) -> None:
    """A venue that accepts and then says nothing."""
    with Exchange() as exchange:
        exchange.hang()
        with studio.page(_settings(exchange)) as page:
            studio.shoot(page, "connecting", "CONNECTING")


def refused(studio: Studio) -> None:
    """A venue that does not serve this region."""
    with Exchange() as exchange:
        exchange.refuse(451)
        with studio.page(_settings(exchange)) as page:
            studio.shoot(page, "refused", "REFUSED", "451")


def paused(studio: Studio) -> None:
    """A disk that is full."""
    settings = {"TANDEM_VENUE": "sim", "TANDEM_SIMULATION_RATE": "500"}
    with studio.page(settings, largest_file_bytes=400_000) as page:
        expect(page.get_by_text("not recording")).to_be_visible(timeout=WAIT_MS)
        studio.shoot(page, "paused", "SIMULATED", "paused|disk")


def simulated(studio: Studio) -> None:
    """The simulation, and a second process on its record."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"TANDEM_VENUE": "sim", "TANDEM_DATABASE": f"{folder}/shared.sqlite"}
        with studio.page(settings) as first:
            studio.shoot(first, "simulated", "SIMULATED")
            with studio.page(settings) as page:
                expect(page.get_by_text("not recording")).to_be_visible(timeout=WAIT_MS)
                studio.shoot(page, "reading", "SIMULATED")


STATES: dict[str, Callable[[Studio], None]] = {
    work.__name__: work
    for work in (good_and_cut, one_leg_stale, connecting, refused, paused, simulated)
}


def main() -> None:
    """Photograph the states asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", metavar="STATE", help=", ".join(STATES))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        studio = Studio(browser, asked.folder)
        for name in asked.states or STATES:
            STATES[name](studio)
        browser.close()


if __name__ == "__main__":
    main()

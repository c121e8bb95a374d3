"""Brings about each state of the data-status strip, photographs it, and makes one picture of all.

Run as ``python -m tests.support.strip_states [--output strip.png] [STATE ...]``: the strip of the
real app, as it is at a desk, in each state, named. With ``--folder`` every state's page is kept
too, at a desk's and at a phone's width. The exchange is a local stand-in, so every price is made
up.
"""

from __future__ import annotations

import argparse
import base64
import html
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tandem.core.clock import MINUTE_US, now_us
from tests.support.app_process import chromium, running_app
from tests.support.exchange import Exchange
from tests.support.paths import ROOT
from tests.support.rest_exchange import RestExchange, Tape

PRICES = {"ETHUSDT": 3_000.0, "BTCUSDT": 60_000.0}
WIDE, PHONE = (1440, 420), (390, 520)
WAIT_MS = 90_000
TRADES_A_SECOND = 20
MISSED = 3_000

# The sidebar slides away on a narrow screen: the strip is seen once it has.
UNCOVERED = """() => {
  const sidebar = document.querySelector('[data-testid="stSidebar"]');
  const badge = document.querySelector('[data-testid="state"]');
  const right = sidebar ? sidebar.getBoundingClientRect().right : 0;
  return right <= badge.getBoundingClientRect().left;
}"""

_SHEET = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 20px 24px; width: 1180px; background: #0d1017; color: #e6e9ef;
  font: 15px "Source Sans 3", "Source Sans Pro", "DejaVu Sans", sans-serif; }}
p {{ margin: 0 0 14px; color: #9aa3b2; }}
h2 {{ margin: 14px 0 4px; font-size: 15px; font-weight: 600; color: #9aa3b2; }}
img {{ display: block; width: 1092px; border-left: 2px solid #2a3140; padding-left: 12px; }}
</style><p>{head}</p>{rows}"""
_HEAD = (
    "The data-status strip in each state. Exchange, trades and prices are a local stand-in's: "
    "simulated."
)


class Shot(NamedTuple):
    """One state's strip: what brought it about, and its picture."""

    title: str
    png: bytes


class Studio:
    """Opens pages on apps of its own and keeps pictures of them."""

    def __init__(self, browser: Browser, folder: Path | None) -> None:
        self._browser = browser
        self._folder = folder
        self.shots: list[Shot] = []

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
            page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
            page.goto(app.url)
            yield page

    def shoot(self, page: Page, title: str, label: str, said: str = "") -> None:
        """Wait for a state of the strip and photograph it."""
        expect(page.get_by_test_id("state")).to_have_text(label, timeout=WAIT_MS)
        if said:
            expect(page.get_by_test_id("said")).to_have_text(re.compile(said), timeout=WAIT_MS)
        self.shots.append(Shot(title, _strip(page)))
        if self._folder is not None:
            name = re.sub(r"\W+", "-", title.lower())
            for suffix, (width, height) in {"wide": WIDE, "phone": PHONE}.items():
                page.set_viewport_size({"width": width, "height": height})
                page.wait_for_function(UNCOVERED)
                page.screenshot(path=self._folder / f"{name}-{suffix}.png")
            page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        said_now = page.get_by_test_id("said").inner_text()
        sys.stdout.write(f"{title}: {label}: {said_now!r}\n")
        sys.stdout.flush()

    def compose(self, output: Path) -> None:
        """Write one picture of everything photographed."""
        rows = "".join(
            f"<h2>{html.escape(shot.title)}</h2>"
            f'<img src="data:image/png;base64,{base64.b64encode(shot.png).decode()}">'
            for shot in self.shots
        )
        page = self._browser.new_page(viewport={"width": 1228, "height": 600})
        page.set_content(_SHEET.format(head=_HEAD, rows=rows))
        page.screenshot(path=output, full_page=True)
        page.close()


def _strip(page: Page) -> bytes:
    """Return a picture of the strip with the sentences under it."""
    top, below = page.locator(".strip").bounding_box(), page.get_by_test_id("said").bounding_box()
    assert top is not None
    bottom = below["y"] + below["height"] if below and below["height"] else top["y"] + top["height"]
    return page.screenshot(
        # Without the menu that stands beside it.
        style='[data-testid="stToolbar"] { visibility: hidden }',
        clip={
            "x": top["x"],
            "y": top["y"] - 4,
            "width": top["width"],
            "height": bottom - top["y"] + 8,
        },
    )


def _settings(exchange: Exchange, **more: str) -> dict[str, str]:
    return {
        "TANDEM_VENUE": "binance-usdm",
        "TANDEM_BINANCE_USDM_URL": exchange.url,
        "TANDEM_SYMBOLS": "ETH,BTC",
        "TANDEM_SILENCE_S": "3",
        "TANDEM_STALE_S": "5",
        **more,
    }


def good_and_cut(studio: Studio) -> None:
    """Live, parse errors, silent legs, reconnecting."""
    with Exchange() as exchange:
        exchange.play(TRADES_A_SECOND, PRICES, PRICES)
        with studio.page(_settings(exchange)) as page:
            _wait_for_trades(page)
            studio.shoot(page, "Live", "LIVE")
            exchange.raw("not json")
            studio.shoot(page, "Messages that cannot be parsed", "LIVE", "could not be parsed")
            exchange.skip_ids("ETHUSDT", MISSED)
            expect(page.get_by_text(re.compile("gaps 1"))).to_be_visible(timeout=WAIT_MS)
            studio.shoot(page, "A gap is open and its venue cannot be asked", "LIVE")
            exchange.pause()
            studio.shoot(page, "Connected, but silent", "STALE", "no trades")
            exchange.refuse(500)
            exchange.drop()
            studio.shoot(page, "Reconnecting", "RECONNECTING")


def one_leg_stale(studio: Studio) -> None:
    """One leg trades, the other has stopped."""
    with Exchange() as exchange:
        exchange.play(TRADES_A_SECOND, PRICES, PRICES)
        with studio.page(_settings(exchange, TANDEM_SILENCE_S="600")) as page:
            _wait_for_trades(page)
            exchange.pause()
            exchange.play(TRADES_A_SECOND, ["ETHUSDT"], PRICES)
            studio.shoot(page, "One leg has stopped trading", "STALE", "No trades in")


def connecting(studio: Studio) -> None:
    """A venue that accepts and then says nothing."""
    with Exchange() as exchange:
        exchange.hang()
        with studio.page(_settings(exchange)) as page:
            studio.shoot(page, "Connecting", "CONNECTING")


def refused(studio: Studio) -> None:
    """A venue that does not serve this region."""
    with Exchange() as exchange:
        exchange.refuse(451)
        with studio.page(_settings(exchange)) as page:
            studio.shoot(page, "Refused by the venue", "REFUSED", "451")


def filling(studio: Studio) -> None:
    """A gap that is being filled by REST, and filled."""
    with Exchange() as exchange, RestExchange() as rest:
        # What was traded before the first id of the stand-in's stream.
        for symbol in PRICES:
            rest.tapes[symbol] = Tape(1, 999, now_us() - 999 * 2 * MINUTE_US, 2 * MINUTE_US)
        with studio.page(_settings(exchange, TANDEM_BINANCE_USDM_REST_URL=rest.url)) as page:
            expect(page.get_by_test_id("state")).to_be_visible(timeout=WAIT_MS)
            exchange.wait_for_streams(*(f"{symbol.lower()}@aggTrade" for symbol in PRICES))
            exchange.play(TRADES_A_SECOND, PRICES, PRICES)
            _wait_for_trades(page)
            expect(page.get_by_test_id("said")).to_be_empty(timeout=WAIT_MS)
            exchange.pause()
            page.wait_for_timeout(1_000)
            first = max(sent.trade_id for sent in exchange.sent if sent.symbol == "ETHUSDT") + 1
            rest.tapes["ETHUSDT"] = Tape(first, MISSED, now_us() - 500_000, 100)
            rest.hold(after=1)
            exchange.skip_ids("ETHUSDT", MISSED)
            exchange.play(TRADES_A_SECOND, PRICES, PRICES)
            studio.shoot(page, "A gap is being filled", "LIVE", "Backfilling [1-9]")
            rest.release()
            expect(page.get_by_test_id("said")).to_be_empty(timeout=WAIT_MS)
            expect(page.get_by_text(re.compile("gaps none"))).to_be_visible(timeout=WAIT_MS)
            studio.shoot(page, "The gap is filled", "LIVE")


def replay(studio: Studio) -> None:
    """A record played back."""
    with tempfile.TemporaryDirectory() as folder, Exchange() as exchange:
        database = f"{folder}/recorded.sqlite"
        exchange.play(TRADES_A_SECOND, PRICES, PRICES)
        with studio.page(_settings(exchange, TANDEM_DATABASE=database)) as page:
            _wait_for_trades(page)
            page.wait_for_timeout(20_000)
        settings = {"TANDEM_VENUE": "replay", "TANDEM_REPLAY_FILE": database}
        with studio.page(settings) as page:
            _wait_for_trades(page)
            studio.shoot(page, "A record is played back", "REPLAY")


def paused(studio: Studio) -> None:
    """A disk that is full."""
    settings = {"TANDEM_VENUE": "sim", "TANDEM_SIMULATION_RATE": "500"}
    with studio.page(settings, largest_file_bytes=400_000) as page:
        expect(page.get_by_text("not recording")).to_be_visible(timeout=WAIT_MS)
        studio.shoot(page, "The disk is full", "SIMULATED", "paused|disk")


def simulated(studio: Studio) -> None:
    """The simulation, and a second process on its record."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"TANDEM_VENUE": "sim", "TANDEM_DATABASE": f"{folder}/shared.sqlite"}
        with studio.page(settings) as first:
            _wait_for_trades(first)
            studio.shoot(first, "No venue: simulated", "SIMULATED")
            with studio.page(settings) as page:
                _wait_for_trades(page)
                expect(page.get_by_text("not recording")).to_be_visible(timeout=WAIT_MS)
                studio.shoot(page, "A second process on one record", "SIMULATED")


def foreign(studio: Studio) -> None:
    """A file that is no record in the database's place."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "holiday.sqlite"
        database.write_bytes(b"these are somebody's notes\n" * 400)
        settings = {"TANDEM_VENUE": "sim", "TANDEM_DATABASE": str(database)}
        with studio.page(settings) as page:
            _wait_for_trades(page)
            expect(page.get_by_text("not recording")).to_be_visible(timeout=WAIT_MS)
            studio.shoot(page, "The database is no record", "SIMULATED")


def _wait_for_trades(page: Page) -> None:
    expect(page.get_by_test_id("price-x")).not_to_contain_text("waiting", timeout=WAIT_MS)


STATES: dict[str, Callable[[Studio], None]] = {
    work.__name__: work
    for work in (
        *(connecting, good_and_cut, one_leg_stale, refused),
        *(paused, simulated, replay, foreign, filling),
    )
}


def main() -> None:
    """Photograph the states asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("states", nargs="*", metavar="STATE", help=", ".join(STATES))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures" / "strip.png")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.folder is not None:
        asked.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        studio = Studio(browser, asked.folder)
        try:
            for name in asked.states or STATES:
                STATES[name](studio)
        finally:
            # What was photographed before a state that did not come about.
            studio.compose(asked.output)
            browser.close()


if __name__ == "__main__":
    main()

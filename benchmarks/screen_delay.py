"""Trade at the socket to number on the page: the delay a trader sees, in a real browser.

A local exchange sends single trades with prices that name themselves; a script in the page notes
when each becomes text. Both clocks are this machine's.

    python -m benchmarks.screen_delay [--trades 200] [--refresh "0.1 s"]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.machine import describe
from tests.support.app_process import chromium, running_app
from tests.support.exchange import Exchange

WATCH = """() => {
  window.seen = {};
  const note = () => {
    const item = document.querySelector('[data-testid="price-y"]');
    if (item) window.seen[item.textContent] ??= Date.now();
    requestAnimationFrame(note);
  };
  note();
}"""


def measure(page: Page, exchange: Exchange, trades: int) -> list[float]:
    """Send trades one by one and return each one's delay to the page in milliseconds."""
    sent = {}
    for number in range(trades):
        price = 3_000.0 + number / 100.0
        sent[f"ETH {price:,.2f}"] = time.time() * 1_000.0
        exchange.trade("ETHUSDT", price, 1.0, 1)
        exchange.trade("BTCUSDT", 60_000.0 + number / 10.0, 0.1, 1)
        page.wait_for_timeout(random.uniform(600, 1_100))
    seen = page.evaluate("window.seen")
    missing = [text for text in sent if text not in seen]
    if missing:
        sys.stdout.write(
            f"{len(missing)} of {trades} prices were overtaken before they were drawn\n"
        )
    return [seen[text] - at for text, at in sent.items() if text in seen]


def main() -> None:
    """Run the app against the local exchange and print the distribution."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trades", type=int, default=100)
    parser.add_argument("--refresh", default="0.25 s")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Exchange() as exchange,
        running_app(
            Path(folder), {"TANDEM_VENUE": "binance-usdm", "TANDEM_BINANCE_USDM_URL": exchange.url}
        ) as app,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1480, "height": 1070})
        page.goto(f"{app.url}/?refresh={quote(options.refresh)}")
        exchange.trade("ETHUSDT", 2_999.0, 1.0, 1)
        page.wait_for_selector('[data-testid="price-y"]')
        page.wait_for_timeout(8_000)
        page.evaluate(WATCH)
        delays = np.array(measure(page, exchange, options.trades))
        browser.close()
    low, median, high, worst = np.percentile(delays, (5, 50, 95, 100))
    sys.stdout.write(
        f"trade to page, refresh {options.refresh}, {len(delays)} trades: "
        f"median {median:.0f} ms (5 % {low:.0f}, 95 % {high:.0f}, worst {worst:.0f})\n"
        f"{describe('streamlit', 'websocket-client')}\n"
    )


if __name__ == "__main__":
    main()

"""How soon the first price is on the page, and what the app weighs.

python -m benchmarks.app [--seconds 60] [--tabs 12] [--upload_mb 20]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from benchmarks.machine import describe
from tests.support.app_process import App, chromium, running_app

PRICE = "() => /\\d/.test(document.querySelector('[data-testid=price-y]')?.textContent ?? '')"


def first_price(browser: Browser, app: App) -> float:
    """Return seconds from opening the page to a price on it."""
    page = browser.new_page(viewport={"width": 1480, "height": 1070})
    start = time.perf_counter()
    page.goto(app.url, wait_until="commit")
    page.wait_for_function(PRICE, timeout=60_000)
    spent = time.perf_counter() - start
    page.close()
    return spent


def weight_mb(app: App) -> float:
    """Return the app's resident memory."""
    return psutil.Process(app.process.pid).memory_info().rss / 1e6


def crowd_mb(browser: Browser, app: App, tabs: int, seconds: int) -> float:
    """Return the app's memory while so many tabs show the live page, each with a price on it."""
    pages = [browser.new_page(viewport={"width": 1480, "height": 1070}) for _ in range(tabs)]
    for page in pages:
        page.goto(app.url, wait_until="commit")
    for page in pages:
        page.wait_for_function(PRICE, timeout=120_000)
    pages[0].wait_for_timeout(seconds * 1_000)
    weight = weight_mb(app)
    for page in pages:
        page.close()
    return weight


def made_csv(path: Path, megabytes: float) -> None:
    """Write a two-leg file of about this size."""
    with path.open("w") as file:
        file.write("time_us,ETH,BTC\n")
        row, start = 0, 1_700_000_000_000_000
        while file.tell() < megabytes * 1e6:
            file.write(
                f"{start + row * 60_000_000},{3_000 + row % 97 / 7:.4f},"
                f"{60_000 + row % 89 / 3:.4f}\n"
            )
            row += 1


def main() -> None:
    """Run the app on the simulation, open it, leave it, upload to it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--tabs", type=int, default=12)
    parser.add_argument("--upload_mb", type=int, default=20)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder), {"TANDEM_VENUE": "sim"}) as app,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        cold = first_price(browser, app)
        warm = statistics.median(first_price(browser, app) for _ in range(5))
        page = browser.new_page(viewport={"width": 1480, "height": 1070})
        page.goto(app.url)
        page.wait_for_timeout(options.seconds * 1_000)
        watched = weight_mb(app)
        page.close()
        shared = crowd_mb(browser, app, options.tabs, options.seconds)
        page = browser.new_page(viewport={"width": 1480, "height": 1070})
        file = Path(folder) / "two legs.csv"
        made_csv(file, options.upload_mb)
        page.goto(f"{app.url}/backtest")
        page.set_input_files('input[type="file"]', file)
        page.get_by_text("rows kept").first.wait_for(timeout=120_000)
        page.wait_for_timeout(15_000)
        uploaded = weight_mb(app)
        browser.close()
    sys.stdout.write(
        f"first price: first session {cold:.2f} s, later sessions {warm:.2f} s (median of 5)\n"
        f"memory: {watched:.0f} MB after {options.seconds} s on the live page, "
        f"{shared:.0f} MB with {options.tabs} tabs open, "
        f"{uploaded:.0f} MB after a {options.upload_mb} MB upload\n"
        f"{describe('streamlit', 'numba')}\n"
    )


if __name__ == "__main__":
    main()

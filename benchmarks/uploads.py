"""A file dropped on the page: whether the live page keeps up, what it takes, what a download takes.

python -m benchmarks.uploads                          5 million trades, with the live page open
python -m benchmarks.uploads --shape wide --mb 49     two legs of bars, just under the usual limit
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.app import PRICE, made_csv, weight_mb
from benchmarks.machine import describe
from benchmarks.tables import TICKS, write_ticks
from tests.support.app_process import App, chromium, running_app

QUIET_S = 20.0
EXPORT_BARS = 100_000
# Notes when the price on the live page changes; the simulated market never stands still for long.
WATCH = """() => {
  window.changes = [];
  let last = '';
  const note = () => {
    const text = document.querySelector('[data-testid="price-y"]')?.textContent ?? '';
    if (text !== last) { window.changes.push(performance.now()); last = text; }
    requestAnimationFrame(note);
  };
  note();
}"""


class Weight:
    """Looks at the app's memory twenty times a second and keeps the largest."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stop = threading.Event()
        self.peak_mb = 0.0
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.peak_mb = max(self.peak_mb, weight_mb(self._app))

    def fresh(self) -> float:
        """Return the largest so far and begin anew."""
        peak, self.peak_mb = self.peak_mb, 0.0
        return peak

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()


def gaps_ms(page: Page) -> np.ndarray:
    """Return the times between changes of the live price since the last call."""
    found = np.diff(np.array(page.evaluate("window.changes.splice(0)")))
    return found if len(found) else np.array([np.nan])


def spoken(gaps: np.ndarray) -> str:
    """Return the usual and the longest time between two changes."""
    middle, high, worst = np.percentile(gaps, (50, 95, 100))
    return f"median {middle:.0f} ms, 95 % within {high:.0f} ms, longest {worst:.0f} ms"


def upload(browser: Browser, app: App, file: Path, weight: Weight, live: Page) -> None:
    """Drop the file, wait for its report, and print what was seen meanwhile."""
    quiet = gaps_ms(live)
    page = browser.new_page(viewport={"width": 1480, "height": 1070})
    page.goto(f"{app.url}/backtest")
    page.get_by_text("WTI vs Brent").first.wait_for()
    page.wait_for_timeout(5_000)
    gaps_ms(live)
    before = weight_mb(app)
    weight.fresh()
    start = time.perf_counter()
    page.set_input_files('input[type="file"]', file)
    page.get_by_text("rows kept").first.wait_for(timeout=90_000)
    spent, busy = time.perf_counter() - start, gaps_ms(live)
    page.wait_for_timeout(10_000)
    sys.stdout.write(
        f"{file.name}, {file.stat().st_size / 1e6:.0f} MB: report after {spent:.1f} s, sent and "
        f"read\nlive price, quiet: {spoken(quiet)}\nlive price, meanwhile: {spoken(busy)}\n"
        f"memory of the app: {before:.0f} MB before, {weight.fresh():.0f} MB at the peak, "
        f"{weight_mb(app):.0f} MB after\n"
    )
    page.close()


def download(browser: Browser, app: App, folder: Path, weight: Weight) -> None:
    """Drop 100,000 bars and fetch the analytics, the largest table there is."""
    file = folder / "bars.csv"
    made_csv(file, 3.6)
    lines = file.read_text().splitlines()[: EXPORT_BARS + 1]
    file.write_text("\n".join(lines) + "\n")
    page = browser.new_page(viewport={"width": 1480, "height": 1070})
    page.set_default_timeout(120_000)
    page.goto(f"{app.url}/backtest?tab=Export")
    page.set_input_files('input[type="file"]', file)
    page.get_by_text("ETH vs BTC").first.wait_for()
    page.wait_for_timeout(5_000)
    before = weight_mb(app)
    weight.fresh()
    with page.expect_download() as got:
        page.get_by_role("button", name="Analytics, CSV").click()
    size = Path(got.value.path()).stat().st_size / 1e6
    page.wait_for_timeout(5_000)
    sys.stdout.write(
        f"analytics of {len(lines) - 1:,} bars, {size:.0f} MB of CSV: memory of the app "
        f"{before:.0f} MB before, {weight.fresh():.0f} MB at the peak, {weight_mb(app):.0f} MB "
        "after\n"
    )
    page.close()


def main() -> None:
    """Run the app on the simulated market, watch its live page, and drop the file beside it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("short", "aggTrades", "wide"), default="short")
    parser.add_argument("--mb", type=float, default=49, help="size of a wide file")
    parser.add_argument("--rows", type=int, default=TICKS, help="trades of the others")
    options = parser.parse_args()
    settings = {"TANDEM_VENUE": "sim", "TANDEM_UPLOAD_MB": "600", "TANDEM_UPLOAD_TOTAL_MB": "700"}
    with (
        tempfile.TemporaryDirectory() as name,
        running_app(Path(name), settings) as app,
        sync_playwright() as playwright,
    ):
        folder = Path(name)
        file = folder / f"{options.shape}.csv"
        if options.shape == "wide":
            made_csv(file, options.mb)
        else:
            write_ticks(file, options.shape, options.rows)
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        live = browser.new_page(viewport={"width": 1480, "height": 1070})
        live.goto(app.url)
        live.wait_for_function(PRICE, timeout=60_000)
        live.evaluate(WATCH)
        live.wait_for_timeout(QUIET_S * 1_000)
        weight = Weight(app)
        try:
            upload(browser, app, file, weight, live)
            download(browser, app, folder, weight)
        finally:
            weight.stop()
            browser.close()
    sys.stdout.write(f"{describe('streamlit', 'numba')}\n")


if __name__ == "__main__":
    main()

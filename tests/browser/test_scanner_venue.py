"""A venue watched whole, in a browser: begun, its past fetched, scanned, a pair opened on Live."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tandem.core.clock import HOUR_US, MINUTE_US, SECOND_US, now_us
from tests.support.app_process import running_app
from tests.support.exchange import Exchange
from tests.support.rest_exchange import RestExchange, Tape

pytestmark = pytest.mark.browser

SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT", "ADAUSDT")


def test_a_venue_is_watched_scanned_and_a_pair_opened(page: Page, tmp_path: Path) -> None:
    with Exchange() as stream, RestExchange() as rest:
        start_us = now_us() // MINUTE_US * MINUTE_US - 6 * HOUR_US
        for symbol in SYMBOLS:
            rest.tapes[symbol] = Tape(1, 6 * 360, start_us, 10 * SECOND_US)
        stream.play(5, SYMBOLS)
        settings = {
            "TANDEM_VENUE": "binance-usdm",
            "TANDEM_BINANCE_USDM_URL": stream.url,
            "TANDEM_BINANCE_USDM_REST_URL": rest.url,
            "TANDEM_SCAN_MINUTES": "5",
            "TANDEM_UNIVERSE_MINUTES": "300",
        }
        with running_app(tmp_path, settings) as app:
            page.goto(f"{app.url}/scanner?scan_from=venue")
            page.get_by_role("button", name="Monitor all").click()
            expect(page.get_by_text(re.compile("6 instruments of binance-usdm"))).to_be_visible(
                timeout=60_000
            )
            expect(page.get_by_text(re.compile(r"Scan \d+ of 288 today"))).to_be_visible(
                timeout=120_000
            )
            expect(page.get_by_test_id("stException")).to_have_count(0)
            expect(page.get_by_role("button", name="Stop")).to_be_visible()
            page.get_by_role("button", name="Stop").click()
            expect(page.get_by_text("No venue is monitored yet")).to_be_visible()

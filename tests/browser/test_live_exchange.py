"""The live page on a local exchange that speaks Binance's protocol: live, cut, silent, refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.app_process import App, running_app
from tests.support.exchange import Exchange

pytestmark = pytest.mark.browser

PRICES = {"ETHUSDT": 3_000.0, "BTCUSDT": 60_000.0, "SOLUSDT": 150.0, "BNBUSDT": 600.0}


@pytest.fixture
def app(exchange: Exchange, tmp_path: Path) -> Iterator[App]:
    settings = {
        "TANDEM_VENUE": "binance-usdm",
        "TANDEM_BINANCE_USDM_URL": exchange.url,
        "TANDEM_SILENCE_S": "3",
        "TANDEM_STALE_S": "5",
    }
    with running_app(tmp_path, settings) as app:
        yield app


def state(page: Page, text: str) -> None:
    expect(page.get_by_test_id("state")).to_have_text(text, timeout=45_000)


def test_a_trade_at_the_socket_is_a_number_on_the_page(
    page: Page, exchange: Exchange, app: App
) -> None:
    page.goto(app.url)
    exchange.wait_for_streams("ethusdt@aggTrade", "btcusdt@aggTrade")
    exchange.trade("ETHUSDT", 3_012.34)
    exchange.trade("BTCUSDT", 60_123.45)
    expect(page.get_by_test_id("price-y")).to_have_text("ETH 3,012.34")
    expect(page.get_by_test_id("price-x")).to_have_text("BTC 60,123.45")
    state(page, "LIVE")


def test_models_say_what_they_still_need(page: Page, exchange: Exchange, app: App) -> None:
    exchange.play(20, PRICES, PRICES)
    page.goto(f"{app.url}/?bar=1s&lookback=20&zwin=10&model=OLS")
    expect(page.get_by_test_id("signal")).to_have_text("WARMING UP")
    expect(page.get_by_test_id("signal-card")).to_contain_text(re.compile(r"\d+ of 31 bars"))
    expect(page.get_by_test_id("signal")).to_have_text(
        re.compile("FLAT|LONG|SHORT"), timeout=60_000
    )
    expect(page.get_by_test_id("cost-card")).to_contain_text("Half-spreads and slippage")


def test_a_cut_is_said_and_mended(page: Page, exchange: Exchange, app: App) -> None:
    exchange.play(20, PRICES, PRICES)
    page.goto(app.url)
    state(page, "LIVE")
    exchange.refuse(500)
    exchange.drop()
    state(page, "RECONNECTING")
    expect(page.get_by_test_id("said")).not_to_be_empty()
    exchange.refuse(0)
    state(page, "LIVE")


def test_connected_but_silent_is_stale(page: Page, exchange: Exchange, app: App) -> None:
    exchange.play(20, PRICES, PRICES)
    page.goto(app.url)
    state(page, "LIVE")
    exchange.pause()
    state(page, "STALE")
    expect(page.get_by_test_id("said")).to_contain_text("no trade")


def test_a_symbol_nobody_trades_is_said(page: Page, exchange: Exchange, app: App) -> None:
    exchange.play(20, PRICES, PRICES)
    page.goto(f"{app.url}/?y=FOOUSDT")
    expect(page.get_by_test_id("said")).to_contain_text("FOOUSDT", timeout=45_000)


def test_numbers_that_are_not_numbers_are_counted_not_shown(
    page: Page, exchange: Exchange, app: App
) -> None:
    exchange.play(20, PRICES, PRICES)
    page.goto(app.url)
    state(page, "LIVE")
    for frame in (
        "not json",
        '{"stream":"ethusdt@aggTrade","data":{"e":"aggTrade","p":"NaN"}}',
        b"\xff\xfe",
    ):
        exchange.raw(frame)
    counted = re.compile(r"\d of [\d,]+ messages from Binance USD-M could not be parsed")
    expect(page.get_by_text(counted)).to_be_visible()
    state(page, "LIVE")


def test_a_refusal_falls_back_and_says_why(page: Page, tmp_path: Path) -> None:
    with Exchange() as exchange:
        exchange.refuse(451)
        settings = {
            "TANDEM_VENUE": "auto",
            "TANDEM_BINANCE_USDM_URL": exchange.url,
            "TANDEM_BINANCE_SPOT_URL": exchange.url,
            "TANDEM_COINBASE_URL": exchange.url,
        }
        with running_app(tmp_path, settings) as app:
            page.goto(app.url)
            state(page, "SIMULATED")
            expect(page.get_by_test_id("said")).to_contain_text("451")


def test_a_restarted_app_shows_the_recorded_history_at_once(
    page: Page, exchange: Exchange, tmp_path: Path
) -> None:
    settings = {"TANDEM_VENUE": "binance-usdm", "TANDEM_BINANCE_USDM_URL": exchange.url}
    exchange.play(20, PRICES, PRICES)
    with running_app(tmp_path, settings) as app:
        page.goto(f"{app.url}/?bar=1s&lookback=20&zwin=10&model=OLS")
        expect(page.get_by_test_id("signal")).to_have_text(
            re.compile("FLAT|LONG|SHORT"), timeout=60_000
        )
    with running_app(tmp_path, settings) as app:
        page.goto(f"{app.url}/?bar=1s&lookback=20&zwin=10&model=OLS")
        expect(page.get_by_test_id("signal")).to_have_text(
            re.compile("FLAT|LONG|SHORT"), timeout=15_000
        )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("foreign", b"this is no database, whatever its name says" * 50, "not a"),
        ("folder", None, "recorded"),
    ],
)
def test_a_record_that_cannot_be_used_leaves_prices_working(
    page: Page, exchange: Exchange, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    database = tmp_path / "record.sqlite"
    if content is None:
        (tmp_path / "file").write_text("a file, not a folder")
        database = tmp_path / "file" / "record.sqlite"
    else:
        database.write_bytes(content)
    exchange.play(20, PRICES, PRICES)
    settings = {
        "TANDEM_VENUE": "binance-usdm",
        "TANDEM_BINANCE_USDM_URL": exchange.url,
        "TANDEM_DATABASE": str(database),
    }
    with running_app(tmp_path, settings) as app:
        page.goto(app.url)
        expect(page.get_by_test_id("price-y")).to_have_text(re.compile(r"ETH [\d,.]+"))
        expect(page.get_by_test_id("said")).to_contain_text(words)
        expect(page.get_by_text("not recording")).to_be_visible()
    if content is not None:
        assert database.read_bytes() == content

"""The download of a past, as the Surveillance page offers it."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tandem.core.clock import now_us
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.candle_venue import NAME, SPOT, CandleVenue
from tests.support.desk import engine
from tests.support.pages import page_of
from tests.support.waiting import wait_until

PAGE = "from tandem.ui.surveillance import training\ntraining.draw({name!r})\n"


@pytest.fixture
def venue(
    candle_venue: CandleVenue, database: Path, monkeypatch: pytest.MonkeyPatch
) -> CandleVenue:
    for name in ("binance_usdm", "binance_spot"):
        monkeypatch.setenv(f"TANDEM_{name.upper()}_REST_URL", candle_venue.url)
    return candle_venue


def drawn(name: str) -> AppTest:
    return page_of(PAGE.format(name=name)).run()


def shown(page: AppTest) -> str:
    return " ".join(one.value.replace("\\", "") for one in (*page.caption, *page.warning))


def test_seconds_are_downloaded_and_learned_from(venue: CandleVenue) -> None:
    page = drawn(SPOT)
    assert "1 s candles" in shown(page)
    running = engine()
    now = now_us()
    trades = SimulatedMarket(5, 4.0).history("sim:BTCUSDT", now - 60_000_000, now)
    running.buffer.append([trade._replace(instrument=SPOT) for trade in trades])
    wait_until(lambda: SPOT in [row.instrument for row in running.monitor.wall()], "the instrument")
    page.number_input[0].set_value(1.0)
    page.button(key="learn_start").click().run()
    progress = running.monitor.training.progress
    wait_until(lambda: (one := progress(SPOT)) is not None and one.is_over, "the download")
    page.run()
    assert "Trained on 3,5" in shown(page)
    model = running.monitor.surveillance.model(SPOT)
    assert model is not None and model.bars > 3_500
    assert not page.exception


def test_a_download_can_be_stopped_on_the_page(venue: CandleVenue) -> None:
    venue.gate.clear()
    page = drawn(NAME)
    assert "1 min candles" in shown(page)
    page.button(key="learn_start").click().run()
    wait_until(lambda: venue.asked, "the first page to be asked for")
    page.run()
    page.button(key="learn_stop").click().run()
    venue.gate.set()
    progress = engine().monitor.training.progress
    wait_until(lambda: (one := progress(NAME)) is not None and one.is_over, "the end")
    page.run()
    assert "Stopped; nothing changed." in shown(page)


def test_where_nothing_can_be_downloaded_nothing_is_offered(venue: CandleVenue) -> None:
    assert not drawn("sim:BTCUSDT").expander


def test_visitors_download_nothing(venue: CandleVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    assert not drawn(SPOT).expander

"""The Surveillance page runs: links, tabs, settings and the forecast."""

from __future__ import annotations

import math
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tandem.core.errors import DataError
from tandem.surveillance.volatility import Forecast
from tandem.ui.surveillance import detail as surveillance_detail
from tests.support.desk import engine
from tests.support.pages import sound
from tests.support.waiting import wait_until
from tests.support.watched_rows import (
    NAME,
    NOW,
    OTHER,
)

PAGE = "from tandem.ui.surveillance.page import page\npage()\n"


def said(app: AppTest) -> str:
    texts = [one.value for one in (*app.caption, *app.info, *app.warning, *app.error, *app.success)]
    return " ".join(map(str, texts)).replace("\\", "")


def opened(app: AppTest) -> AppTest:
    """Open the page once everything is watched."""
    sound(app.run())
    wait_until(lambda: len(engine().monitor.wall()) == 4, "the instruments")
    return sound(app.run())


def test_the_page_opens_the_first_instrument(app: AppTest) -> None:
    opened(app)
    first = engine().monitor.wall()[0].instrument
    assert app.subheader[0].value == first.partition(":")[2]
    text = said(app)
    for part in ("Red edge", "flagged bars", "Amihud", "point of control"):
        assert part in text


@pytest.mark.parametrize("link", ["sim:SOLUSDT", "solusdt"])
def test_a_link_opens_its_instrument(app: AppTest, link: str) -> None:
    app.query_params["instrument"] = link
    opened(app)
    assert app.subheader[0].value == "SOLUSDT"
    assert app.query_params["instrument"] in ("sim:SOLUSDT", ["sim:SOLUSDT"])


def test_a_link_to_what_is_not_watched_says_so(app: AppTest) -> None:
    app.query_params["instrument"] = "[a](b)<img src=x>" + "x" * 500
    opened(app)
    assert "which is not monitored" in said(app)
    assert "\\[a\\]" in app.warning[0].value
    assert len(app.warning[0].value) < 400
    assert not app.subheader


def test_an_empty_wall_is_a_sentence(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sound(app.run())
    monkeypatch.setattr(type(engine().monitor), "wall", lambda self: [])
    sound(app.run())
    assert said(app).count("Nothing is monitored yet") == 1
    assert not app.subheader


def test_a_watch_that_died_is_said_and_the_rest_goes_on(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(app)
    died = "Surveillance stopped because of an error."
    monkeypatch.setattr(type(engine().monitor), "problems", (died,))
    app.run()
    assert not app.exception
    assert died.replace(".", "\\.") in app.error[0].value
    assert app.subheader


@pytest.mark.parametrize("tab", ["alerts", "rules", "channels", "settings"])
def test_every_tab_opens(app: AppTest, tab: str) -> None:
    app.query_params["watch"] = tab
    sound(app.run())
    assert not app.subheader


def test_the_operator_changes_what_is_watched_for(app: AppTest) -> None:
    app.query_params["watch"] = "settings"
    sound(app.run())
    asked = {field.label: field for field in app.number_input}
    asked["Outlier threshold, |z|"].set_value(4.5)
    asked["Contamination, %"].set_value(0.5)
    asked["Retrain every, minutes"].set_value(30.0)
    app.multiselect[0].set_value(["rsi", "volatility", "imbalance"])
    sound(app.button[-1].click().run())
    assert "Settings applied" in said(app)
    now = engine().monitor.settings
    assert (now.anomaly_z, now.contamination, now.retrain_bars) == (4.5, 0.005, 1_800)
    assert now.features == ("rsi", "volatility", "imbalance")


@pytest.mark.parametrize(
    ("label", "value", "words_said"),
    [
        ("Outlier threshold, |z|", 0.1, "anomaly_z is 0.1"),
        ("Contamination, %", 90.0, "contamination is 0.9"),
        ("Retrain every, minutes", 0.0, "retrain_bars is 0"),
        ("Divergence window, seconds", 100_000, "2 to 86,400 seconds"),
    ],
)
def test_wrong_values_are_said_and_nothing_changes(
    app: AppTest, label: str, value: float, words_said: str
) -> None:
    app.query_params["watch"] = "settings"
    sound(app.run())
    before = engine().monitor.settings
    next(field for field in app.number_input if field.label == label).set_value(value)
    app.button[-1].click().run()
    assert not app.exception
    assert words_said in app.error[0].value.replace("\\", "")
    assert engine().monitor.settings == before


def test_no_features_are_refused(app: AppTest) -> None:
    app.query_params["watch"] = "settings"
    sound(app.run())
    app.multiselect[0].set_value([])
    app.button[-1].click().run()
    assert "none was named" in app.error[0].value.replace("\\", "")


def test_the_public_reads_the_settings_only(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    app.query_params["watch"] = "settings"
    sound(app.run())
    assert not app.number_input
    assert "only the operator" in said(app)


def test_a_forecast_is_fitted_beside_the_page(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(app)
    found: Future[Forecast] = Future()
    asked: list[tuple[str, int]] = []

    def forecast(monitor: Any, instrument: str, horizon: int) -> Future[Forecast]:
        asked.append((instrument, horizon))
        return found

    monkeypatch.setattr(type(engine().monitor), "forecast", forecast)
    next(one for one in app.button if one.key == "forecast").click()
    sound(app.run())
    sound(app.run())
    assert asked == [(engine().monitor.wall()[0].instrument, 300)]
    assert "Fitting the forecast" in said(app)
    assert next(one for one in app.button if one.key == "forecast").disabled
    found.set_result(Forecast(1e-9, 0.1, 0.8, np.full(300, 1e-4), 1e-4 * math.sqrt(300), 1_000))
    sound(app.run())
    assert "Fitting the forecast" not in said(app)
    assert not next(one for one in app.button if one.key == "forecast").disabled


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (None, "Fitting the forecast"),
        (DataError("GARCH has nothing to fit."), "No forecast. GARCH has nothing to fit."),
        ("cancelled", "was cancelled"),
    ],
)
def test_a_forecast_that_is_not_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, outcome: Any, text: str
) -> None:
    found: Future[Any] = Future()
    if outcome == "cancelled":
        found.cancel()
    elif outcome is not None:
        found.set_exception(outcome)
    kept = {"tandem_forecast": (NAME, found, NOW)}
    monkeypatch.setattr(surveillance_detail.st, "session_state", kept)
    forecast, age_s, said_of_it = surveillance_detail._forecast_now(NAME)
    assert forecast is None
    assert math.isnan(age_s)
    assert text in said_of_it
    assert surveillance_detail._forecast_now(OTHER)[2] == ""

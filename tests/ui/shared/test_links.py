"""Links: stable keys, older links that hold the names shown, and what a link may get wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from tandem.ui.backtest import page as backtest
from tandem.ui.backtest import sources
from tandem.ui.data.actions import ACTIONS
from tandem.ui.live.page import TAB
from tandem.ui.scanner import page as scanner
from tandem.ui.shared.links import RENAMED
from tandem.ui.shared.model_controls import BAR, MODEL, PRICES, REFRESH, SHOW, SIZING, Z_KIND


def page() -> None:
    import streamlit as st

    from tandem.ui.shared.links import Choice, check_number, say_doubts

    if st.checkbox("Elsewhere", key="elsewhere"):
        st.query_params.clear()
        return
    choice = Choice("model", {"ols": "OLS", "kalman": "Kalman"}, "kalman", "hedge model")
    st.text(choice.keep(st.selectbox("Model", **choice.widget())))
    check_number("lookback", "lookback", 20, 2_000)
    st.slider("Lookback", 20, 2_000, 200, key="lookback", bind="query-params")
    say_doubts()


@pytest.fixture
def app() -> Iterator[AppTest]:
    yield AppTest.from_function(page)


def model(app: AppTest) -> tuple[str, list[str]]:
    linked = app.query_params.get("model", [])
    return app.text[0].value, linked if isinstance(linked, list) else [linked]


@pytest.mark.parametrize("asked", ["ols", "OLS", "Ols"])
def test_a_key_or_the_name_an_older_link_held_is_understood(app: AppTest, asked: str) -> None:
    app.query_params["model"] = asked
    app.run()
    assert model(app) == ("ols", ["ols"])
    assert not app.warning


def test_what_there_is_not_gives_the_usual_and_a_sentence(app: AppTest) -> None:
    app.query_params["model"] = "<img>" * 50
    app.run()
    assert model(app) == ("kalman", ["kalman"])
    said = app.warning[0].value.replace("\\", "")
    assert said.startswith("The link asks for the hedge model '<img><img>")
    assert "Using defaults" in said
    assert len(said) < 200
    assert "<img>" not in app.warning[0].value


def test_the_usual_choice_needs_no_link_and_another_is_written(app: AppTest) -> None:
    app.run()
    assert model(app) == ("kalman", [])
    app.selectbox(key="model").set_value("ols").run()
    assert model(app) == ("ols", ["ols"])
    app.selectbox(key="model").set_value("kalman").run()
    assert model(app) == ("kalman", ["kalman"])


def test_a_choice_outlives_its_widget(app: AppTest) -> None:
    app.run()
    app.selectbox(key="model").set_value("ols").run()
    app.checkbox(key="elsewhere").check().run()
    assert not app.query_params
    app.checkbox(key="elsewhere").uncheck().run()
    assert model(app) == ("ols", ["ols"])


@pytest.mark.parametrize("asked", ["5", "1e9", "many", "nan"])
def test_a_number_out_of_reach_gives_the_usual_and_a_sentence(app: AppTest, asked: str) -> None:
    app.query_params["lookback"] = asked
    app.run()
    assert app.slider(key="lookback").value == 200
    assert "not between 20 and 2,000" in app.warning[0].value.replace("\\", "")


def test_a_number_within_reach_is_taken(app: AppTest) -> None:
    app.query_params["lookback"] = "60"
    app.run()
    assert app.slider(key="lookback").value == 60
    assert not app.warning


@pytest.mark.parametrize("choice", [BAR, MODEL, PRICES, REFRESH, SHOW, SIZING, TAB, Z_KIND])
def test_keys_are_fit_for_a_link_and_no_name_means_another_key(choice) -> None:
    assert choice.default in choice.titles
    assert all(key.isascii() and " " not in key and key == key.lower() for key in choice.titles)
    for key, title in choice.titles.items():
        assert title.casefold() == key or title.casefold() not in choice.titles


def page_with_other_names() -> None:
    import streamlit as st

    from tandem.ui.shared.links import take_earlier_names

    take_earlier_names()
    names = ["Result", "Significance"]
    tabs = st.tabs(names, key="tab", on_change="rerun", bind="query-params")
    actions = ["Export", "Retention"]
    action = st.segmented_control(
        "Action", actions, default="Export", key="action", bind="query-params"
    )
    st.text(f"{[tab.open for tab in tabs]} {action}")


def test_a_link_with_a_name_of_an_earlier_version_opens_what_it_was_made_for() -> None:
    app = AppTest.from_function(page_with_other_names)
    app.query_params.update({"tab": "Is it luck?", "action": "What is kept"})
    app.run()
    assert app.text[0].value == "[False, True] Retention"


def test_every_name_of_an_earlier_version_leads_to_one_of_today() -> None:
    offered: dict[str, list[str]] = {
        "tab": list(backtest.TABS),
        "scan_tab": list(scanner.TABS),
        "action": list(ACTIONS),
        "from": [sources.FILES, sources.DATABASE, sources.EXAMPLE],
    }
    for name, now in RENAMED.items():
        assert set(now.values()) <= set(offered[name])
        assert not set(now) & set(offered[name])

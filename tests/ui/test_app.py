"""The pages in Streamlit's own test harness: they run, they refuse, they keep one engine."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import tandem.ui
from tandem.ui.shared import state
from tests.support.desk import engine
from tests.support.paths import ROOT

APP = str(ROOT / "app.py")


@pytest.fixture
def app(database: Path) -> AppTest:
    return AppTest.from_file(APP, default_timeout=60)


def test_the_live_page_runs(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert not app.error
    assert app.session_state["y"] == "ETHUSDT"
    assert [box.label for box in app.sidebar.selectbox][:2] == [
        "Dependent leg (Y)",
        "Hedge leg (X)",
    ]


def test_controls_change_the_view_without_an_error(app: AppTest) -> None:
    app.run()
    for key, value in (("model", "huber"), ("bar", "1m"), ("prices", "log")):
        app.segmented_control(key=key).set_value(value)
    app.slider(key="lookback").set_value(500)
    app.selectbox(key="z").set_value("robust").run()
    assert not app.exception
    assert not app.error


def standing(app: AppTest) -> Any:
    return next(one for one in app.sidebar.toggle if one.label == "Keep running in background")


def test_a_pair_can_run_in_the_background(app: AppTest) -> None:
    app.run()
    assert standing(app).value and standing(app).disabled, "the desk's own pair always runs"
    app.slider(key="lookback").set_value(500).run()
    assert not standing(app).value
    standing(app).set_value(True).run()
    (pair,) = engine().pinned.pairs()
    assert pair.lookback == 500
    assert standing(app).value and not standing(app).disabled
    app.slider(key="lookback").set_value(510).run()
    assert not standing(app).value
    app.slider(key="lookback").set_value(500).run()
    standing(app).set_value(False).run()
    assert not engine().pinned.pairs()
    assert not app.exception


def test_too_many_standing_pairs_are_refused_in_a_sentence(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.pairs.pinned.MOST", 0)
    app.run()
    app.slider(key="lookback").set_value(500).run()
    standing(app).set_value(True).run()
    assert "stop one first" in app.warning[0].value.replace("\\", "")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [("x", "ETHUSDT", "two different"), ("y", "NOSUCH", "NOSUCH"), ("y", "[a](b)", "symbol")],
)
def test_what_cannot_be_shown_is_said(app: AppTest, key: str, value: str, words: str) -> None:
    app.query_params[key] = value
    app.run()
    assert not app.exception
    assert len(app.main.error) == len(app.error) == 1
    assert words in app.error[0].value.replace("\\", "")


def test_reruns_and_sessions_share_one_engine(app: AppTest) -> None:
    app.run()
    first = engine()
    threads = {thread.name for thread in threading.enumerate()}
    app.run()
    AppTest.from_file(APP, default_timeout=60).run()
    assert engine() is first
    assert sum(name == "desk" for name in (thread.name for thread in threading.enumerate())) == 1
    assert "desk" in threads


def test_an_edit_of_the_source_keeps_the_engine(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.run()
    first = engine()
    # As Streamlit does after an edit; what other tests know is put back afterwards.
    monkeypatch.setattr(tandem, "ui", tandem.ui)
    for name in [name for name in sys.modules if name.startswith("tandem.ui")]:
        monkeypatch.delitem(sys.modules, name)
    from tandem.ui.shared import state as edited

    assert edited is not state
    assert edited.desk() is first


def test_a_wrong_setting_stops_with_its_name(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_VENU", "sim")
    app.run()
    assert not app.exception
    assert "TANDEM_VENUE" in app.error[0].value.replace("\\", "")


def test_visitors_of_a_public_desk_may_look_and_the_operator_may_act(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_PUBLIC", "on")
    monkeypatch.setenv("TANDEM_OPERATOR_SECRET", "open sesame")
    app.run()
    assert "tandem_operator" not in app.session_state
    secret = next(field for field in app.sidebar.text_input if field.label == "Operator secret")
    secret.set_value("open barley").run()
    assert "Wrong operator secret" in app.error[0].value
    assert "tandem_operator" not in app.session_state
    secret = next(field for field in app.sidebar.text_input if field.label == "Operator secret")
    secret.set_value("open sesame").run()
    assert app.session_state["tandem_operator"]
    assert not app.error

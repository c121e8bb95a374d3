"""The pages in Streamlit's own test harness: they run, they refuse, they keep one engine."""

from __future__ import annotations

import gc
import sys
import threading
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

import tandem.ui
from tandem.config import Settings
from tandem.ui.shared import state
from tests.support import mars
from tests.support.desk import engine
from tests.support.exchange import Exchange
from tests.support.pages import page_of, sound
from tests.support.paths import ROOT
from tests.support.rest_exchange import RestExchange
from tests.support.waiting import wait_until

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
    assert not any(box.proto.label_visibility.value for box in app.sidebar.selectbox)


def test_controls_change_the_view_without_an_error(app: AppTest) -> None:
    app.run()
    for key, value in (("model", "huber"), ("bar", "1m"), ("prices", "log")):
        app.segmented_control(key=key).set_value(value)
    app.slider(key="lookback").set_value(500)
    app.selectbox(key="z").set_value("robust").run()
    assert not app.exception
    assert not app.error


def test_a_refresh_ends_without_a_collection(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    # A real session's end of a run, a fragment's too; the harness leaves the collection out.
    monkeypatch.delattr(LocalScriptRunner, "_on_script_finished")
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(gc, "collect", lambda *generation: asked.append(generation))
    app.run()
    app.run()
    assert not app.exception
    assert (2,) not in asked


def test_the_configuration_shipped_collects_after_no_refresh() -> None:
    given = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert given["runner"] == {"postScriptGC": False}


def test_no_message_refers_to_one_the_browser_may_have_dropped(app: AppTest) -> None:
    app.run()
    assert config.get_option("global.minCachedMessageSize") == state.UNCACHED_BYTES
    given = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert given["global"] == {"minCachedMessageSize": state.UNCACHED_BYTES}


def standing(app: AppTest) -> Any:
    return next(one for one in app.sidebar.toggle if one.label == "Pin to be alerted")


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


SECRET = "open sesame, please"


@pytest.fixture
def public(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("TANDEM_OPERATOR_SECRET", SECRET)
    return app.run()


def tried(app: AppTest, secret: str) -> AppTest:
    field = next(field for field in app.sidebar.text_input if field.label == "Operator secret")
    return field.set_value(secret).run()


def is_operator(app: AppTest) -> bool:
    return any(button.label == "Log out" for button in app.sidebar.button)


def test_visitors_of_a_public_desk_may_look_and_the_operator_may_act(
    public: AppTest, caplog: pytest.LogCaptureFixture
) -> None:
    assert not is_operator(public)
    tried(public, "open barley")
    assert "Wrong operator secret" in public.error[0].value
    assert not is_operator(public)
    assert "A wrong operator secret was given" in caplog.text
    tried(public, SECRET)
    assert is_operator(public)
    assert not public.error
    assert "The operator logged in" in caplog.text
    assert SECRET not in caplog.text


def test_the_operator_logs_out(public: AppTest, caplog: pytest.LogCaptureFixture) -> None:
    tried(public, SECRET)
    next(button for button in public.sidebar.button if button.label == "Log out").click().run()
    assert not is_operator(public)
    assert "The operator logged out" in caplog.text


def test_a_login_ends_by_itself(public: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    tried(public, SECRET)
    public.session_state["tandem_operator"] = time.monotonic()
    assert not is_operator(public.run())


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "Private mode, on loopback only"),
        ({"TANDEM_PUBLIC": "on"}, "Public mode, because TANDEM_PUBLIC is on"),
        ({"TANDEM_HOSTS": "desk.example"}, "No one can log in as operator until"),
        ({"TANDEM_OPERATOR_SECRET": SECRET}, "because TANDEM_OPERATOR_SECRET is set"),
        (
            {"TANDEM_OPERATOR_SECRET": SECRET, "TANDEM_PUBLIC": "everyone-is-operator"},
            "Every visitor has operator rights",
        ),
    ],
)
def test_the_desk_logs_whose_it_is_and_why(
    database: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    environ: dict[str, str],
    words: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    caplog.set_level("INFO", "tandem")
    engine()
    assert words in caplog.text


def test_a_desk_that_was_closed_leaves_no_part_behind() -> None:
    settings = Settings()
    running = SimpleNamespace(
        start=str, stop=str, parts=lambda: {Settings: settings}, waits_to_record=bool
    )
    state.close()
    state.start(lambda *_, **__: settings, lambda _: running)
    assert state.part(Settings) is settings
    state.close()
    with pytest.raises(KeyError):
        state.part(Settings)
    assert state.uploads() is None
    # A page of another session that draws before the next desk runs.
    assert not AppTest.from_string(PAGES["live"], default_timeout=60).run().exception


PAGES = {
    "live": "from tandem.ui.live.page import page\npage()\n",
    "scanner": "from tandem.ui.scanner.venue import watched\nwatched()\n",
    "data": "from tandem.ui.data.page import page\npage()\n",
    "surveillance": "from tandem.ui.surveillance.page import page\npage()\n",
}


def test_a_made_up_venue_works_on_every_page(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mars.known(), Exchange() as stream, RestExchange() as rest:
        stream.play(20.0, ["BTC-USD", "ETH-USD"])
        monkeypatch.setenv("TANDEM_VENUE", "mars")
        monkeypatch.setenv("TANDEM_SYMBOLS", "ETH,BTC")
        monkeypatch.setenv("TANDEM_MARS_URL", f"{stream.url}/coinbase")
        monkeypatch.setenv("TANDEM_MARS_REST_URL", rest.url)
        running = engine()
        wait_until(lambda: running.ingest.status("mars").trades, "a trade")
        pages = {name: sound(page_of(script).run()) for name, script in PAGES.items()}
        (venue,) = [box for box in pages["live"].selectbox if box.label == "Venue"]
        assert (venue.value, "Mars Exchange" in venue.options) == ("mars", True)
        assert "mars" in pages["scanner"].selectbox(key="scan_venue").options
        (status,) = running.ingest.statuses()
        assert status.title == "Mars Exchange"
        wait_until(lambda: mars.NAME in [row.instrument for row in running.monitor.wall()])
        sound(page_of(PAGES["surveillance"]).run())
        state.close()

"""The components' modules: served once, under a name that changes with what is in them."""

from __future__ import annotations

import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from tandem.ui.components import scripts
from tandem.ui.shared import state
from tests.support.routes import answer


@pytest.mark.parametrize("base", ["", "/desk"])
@pytest.mark.parametrize("name", scripts.NAMES)
def test_each_module_is_where_its_loader_says(name: str, base: str) -> None:
    address = re.search(r'"(app/static/[^"]+)"', scripts.loader(name))
    assert address is not None
    status, headers, body = answer(scripts.routes(), f"{base}/{address[1]}")
    assert (status, body.decode()) == (200, scripts.script(name))
    assert headers["content-type"].startswith("text/javascript")
    assert headers["x-content-type-options"] == "nosniff"
    assert "immutable" in headers["cache-control"]


@pytest.mark.parametrize("file", ["pulse.js", "pulse-0000000000000000.js", "../pulse.css"])
def test_nothing_else_is_served(file: str) -> None:
    assert answer(scripts.routes(), f"/app/static/{file}")[0] == 404


def test_the_name_changes_with_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    before = scripts.file_name("pulse")
    scripts.file_name.cache_clear()
    monkeypatch.setattr(scripts, "script", lambda name: "export default () => {};")
    assert scripts.file_name("pulse") != before
    scripts.file_name.cache_clear()


def _figures() -> None:
    import streamlit as st

    from tandem.ui.components import chart

    @st.fragment
    def refresh() -> None:
        version = st.text_input("version", "a")
        chart({"version": version, "layout": {"height": 9}, "traces": []}, key="one")

    refresh()


def sent(app: AppTest) -> dict[str, object]:
    (chart,) = app.get("bidi_component")
    return dict(json.loads(chart.proto.bytes))


def test_a_refresh_sends_a_figure_the_browser_has_by_its_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = AppTest.from_function(_figures).run()
    assert "layout" in sent(app)
    monkeypatch.setattr(state, "is_refresh", lambda: True)
    assert sent(app.run()) == {"version": "a"}
    changed = sent(app.text_input[0].set_value("b").run())
    assert changed["version"] == "b" and "layout" in changed
    assert sent(app.run()) == {"version": "b"}
    monkeypatch.setattr(state, "is_refresh", lambda: False)
    assert "layout" in sent(app.run())

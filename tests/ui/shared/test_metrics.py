"""Metrics of the app: a port that is taken is said before anything is recorded; refreshes."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from tandem.config import Settings
from tandem.core.errors import SettingError, StoreFull
from tandem.core.histogram import Histogram
from tandem.observability.metrics import Metric, one
from tandem.ui.shared import state


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let `state` speak of a process of its own, in which no desk runs."""
    monkeypatch.delitem(state.sys.modules, "tandem_process", raising=False)
    return state._process()


def test_a_port_that_is_taken_is_said_before_a_desk_is_made(process: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = Settings(metrics=str(other.getsockname()[1]))
        with pytest.raises(SettingError, match="TANDEM_METRICS: nothing can listen on"):
            state.start(lambda *_, **__: settings, lambda _: pytest.fail("a desk was made"))
    assert process.desk is None


def test_a_start_that_fails_leaves_the_port(process: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    monkeypatch.setattr(state, "serve", lambda *_: lambda: ended.append(True))

    def create(_settings: Settings) -> state.Desk:
        raise StoreFull("The disk is full.")

    with pytest.raises(StoreFull):
        state.start(lambda *_, **__: Settings(metrics="9464"), create)
    assert ended == [True]


def test_refreshes_are_measured_where_metrics_are_on(process: Any) -> None:
    assert state._metrics() == []
    queue = Metric("queue", "gauge", "Queue.", one(1))
    process.desk = SimpleNamespace(metrics=lambda: [queue])
    with state.refreshing():
        pass
    assert [metric.samples for metric in state._metrics()[1:]] == [[]]
    process.refreshes = Histogram()
    with state.refreshing():
        pass
    found, refreshes = state._metrics()
    assert found is queue and refreshes.name == "refresh_seconds"
    assert process.refreshes.read()[0][-1] == 1


def test_a_scrape_while_the_desk_is_closed_is_of_that_desk(
    process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Metric("queue", "gauge", "Queue.", one(1))
    desks = iter([SimpleNamespace(metrics=lambda: [queue])])

    class Closing:
        refreshes = None

        @property
        def desk(self) -> Any:
            return next(desks, None)

    monkeypatch.setattr(state, "_process", Closing)
    assert state._metrics()[0] is queue

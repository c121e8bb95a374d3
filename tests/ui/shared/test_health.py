"""Health over HTTP: what a probe gets, what the operator reads, and what visitors do not."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.middleware import Middleware

from tandem.config import Settings
from tandem.observability.health import Health, ended
from tandem.ui import app as script
from tandem.ui.shared import health, state
from tandem.ui.shared.hosts import HostGuard
from tests.support.routes import answer

WELL = Health()
SILENT = Health(problems=("Coinbase: no trades in ETH-USD for 20 s.", "One more."))
FULL = Health(unready=("The disk is full.",), problems=("One more.",))
DEAD = Health(ended({"the models": False, "the monitor": True}), (), ("One more.",))


def get(
    path: str,
    found: Health = WELL,
    may_read: bool = True,
    host: str = "localhost:8501",
    method: str = "GET",
) -> tuple[int, str]:
    status, _, body = answer(
        health.routes(lambda: found, lambda scope: may_read),
        path,
        host,
        method,
        [Middleware(HostGuard, names=lambda: ("desk.example",))],
    )
    return status, body.decode()


@pytest.mark.parametrize(
    ("found", "livez", "readyz", "healthz"),
    [
        (WELL, 200, 200, 200),
        (SILENT, 200, 200, 503),
        (FULL, 200, 503, 503),
        (DEAD, 503, 503, 503),
    ],
)
def test_each_probe_has_its_status(found: Health, livez: int, readyz: int, healthz: int) -> None:
    for path, status in (("/livez", livez), ("/readyz", readyz), ("/healthz", healthz)):
        told, text = get(path, found)
        assert told == status
        assert text.split("\n")[0] == ("ok" if status == 200 else "not ok")


def test_the_operator_reads_the_reasons() -> None:
    assert get("/healthz", SILENT)[1] == "\n".join(("not ok", *SILENT.problems))
    assert get("/livez", DEAD)[1] == "not ok\nThe thread of the models has ended."


@pytest.mark.parametrize("found", [WELL, SILENT, FULL, DEAD])
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_a_visitor_reads_ok_or_not_ok(path: str, found: Health) -> None:
    status, text = get(path, found, may_read=False)
    assert text == {200: "ok", 503: "not ok"}[status]


@pytest.mark.parametrize("path", ["/livez/", "/livez/x", "/healthz/../x", "/readyz/a/b", "/livezx"])
def test_below_them_there_is_nothing(path: str) -> None:
    assert get(path, DEAD)[0] == 404


def test_nothing_but_reading_is_answered() -> None:
    assert get("/livez", method="POST")[0] == 405


@pytest.mark.parametrize("host", ["127.0.0.1:8501", "[::1]", "desk.example"])
def test_probes_on_the_machine_and_by_its_name_are_answered(host: str) -> None:
    assert get("/livez", host=host) == (200, "ok")


def test_a_foreign_name_is_refused_here_too() -> None:
    assert get("/livez", host="evil.example")[0] == 403


# Who reads the reasons ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("public", "headers", "expected"),
    [
        ("off", [], True),
        ("off", [(b"x-forwarded-for", b"198.51.100.7")], False),
        ("on", [], False),
        ("everyone-is-operator", [(b"via", b"1.1 proxy")], True),
    ],
)
def test_who_is_an_operator_without_a_session(
    public: str, headers: list[Any], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "desk", object)
    monkeypatch.setattr(state, "part", lambda kind: Settings(public=public))
    assert state.is_operators_request({"headers": headers}) is expected


def test_before_the_start_it_is_alive_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "desk", lambda: None)
    assert not script._health().dead
    assert script._health().unready == ("Tandem has not started; the log says why.",)
    assert not state.is_operators_request({"headers": []})

"""The server answers to its own names only, over HTTP and websockets alike."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from tandem.ui.shared.hosts import HostGuard

NAMES = ("desk.example", "fd00::5")


def served(
    host: str | None,
    origin: str | None = None,
    names: Collection[str] | None = NAMES,
    kind: str = "http",
    path: str = "/",
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> bool:
    """Return whether a request reaches the app behind the guard."""
    reached, sent = [], []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        reached.append(scope)

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    given = {b"host": host, b"origin": origin}
    headers = [(name, text.encode("latin-1")) for name, text in given.items() if text is not None]
    scope = {"type": kind, "method": "GET", "path": path, "headers": [*headers, *more]}
    asyncio.run(HostGuard(app, lambda: names)(scope, receive, send))
    assert bool(reached) != bool(sent)
    return bool(reached)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8501", "LOCALHOST", "127.0.0.1:8501", "127.9.9.9", "[::1]:8501"),
        *("desk.example", "Desk.Example:443", "desk.example.", "[fd00::5]:8501"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_own_names_are_served(host: str, kind: str) -> None:
    assert served(host, kind=kind)
    assert served(host, f"http://{host}", kind=kind)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "desk.example.evil.example", "localhost.evil.example", "xdesk.example"),
        *("", "localhost:x", "localhost@evil.example", "evil.example/localhost", "local host"),
        *("0.0.0.0:8501", "[::]", "192.168.1.5:8501", "[::1", "::1", "localhost\u00e4", None),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_foreign_names_are_refused(host: str | None, kind: str) -> None:
    assert not served(host, kind=kind)


@pytest.mark.parametrize(
    ("host", "origin", "is_served"),
    [
        ("localhost:8501", "http://localhost:8501", True),
        # A proxy that does not pass the name on.
        ("localhost:8501", "https://desk.example", True),
        ("localhost:8501", "http://localhost:3000", False),
        ("localhost:8501", "http://127.0.0.1:8501", False),
        ("localhost:8501", "http://evil.example:8501", False),
        ("localhost:8501", "null", False),
        ("localhost:8501", "", False),
        ("localhost:8501", "file://localhost:8501", False),
        ("localhost:8501", "http://localhost:8501@evil.example", False),
        ("localhost:8501", "http://[", False),
        ("desk.example", "https://evil.example", False),
    ],
)
def test_the_origin_is_the_host_or_a_name_given(host: str, origin: str, is_served: bool) -> None:
    assert served(host, origin) == is_served
    assert served(host, origin, kind="websocket") == is_served


def test_two_hosts_or_origins_are_refused() -> None:
    assert not served("localhost", more=((b"host", b"localhost"),))
    twice = ((b"origin", b"http://localhost"),)
    assert not served("localhost", "http://localhost", more=twice)


def test_any_name_is_served_where_the_platform_decides() -> None:
    assert served("some.streamlit.app", "https://some.streamlit.app", names=None)


@pytest.mark.parametrize("path", ["/_stcore/agent/mcp", "/base/_stcore/agent/interact"])
def test_the_agent_interface_is_off_under_any_name(path: str) -> None:
    assert not served("localhost", path=path)
    assert not served("localhost", path=path, names=None)


def test_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    served("evil.example")
    assert "evil.example" in caplog.text

"""Attacks on a running app: by foreign pages, visitors, and other users of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import websocket

from tandem.storage.reader import Reader
from tests.support.app_process import App
from tests.support.visitor import Visitor, ask

SECRET = "correct horse battery staple"
NAME = "desk.example"
TOTAL_MB = 12
# How long the simulated market takes to alarm somebody, and some seconds more.
ALERTS_S = 20.0
# The settings of the apps that are attacked, by a name for each.
SERVERS: Mapping[str, Mapping[str, str]] = {
    "private": {"TANDEM_VENUE": "sim"},
    "secret": {"TANDEM_VENUE": "sim", "TANDEM_OPERATOR_SECRET": SECRET},
    "public": {
        "TANDEM_VENUE": "sim",
        "TANDEM_PUBLIC": "on",
        "TANDEM_OPERATOR_SECRET": SECRET,
        "TANDEM_HOSTS": NAME,
        "TANDEM_TRUSTED_PROXIES": "127.0.0.1",
        "TANDEM_UPLOAD_TOTAL_MB": str(TOTAL_MB),
    },
    "off": {"TANDEM_VENUE": "sim", "TANDEM_OPERATOR_SECRET": SECRET, "TANDEM_PUBLIC": "off"},
}
_NOBODY = 65_534
_OPEN = "import os, sys; os.setuid(int(sys.argv[1])); open(sys.argv[2], 'rb').close()"


class Result(NamedTuple):
    """Whether the app withstood an attack, and what was seen."""

    held: bool
    text: str


class Attack(NamedTuple):
    """What is tried, on which of `SERVERS`, and how."""

    server: str
    text: str
    run: Callable[[App], Result]


# Hosts and origins ------------------------------------------------------------------------


def _fetched(app: App, headers: Mapping[str, str], path: str = "/") -> Result:
    status = ask(app.url, path, headers)[0]
    return Result(status in (403, 404), f"HTTP {status}")


def _rights(app: App, **request: object) -> str:
    """Return the rights with which a websocket is served; empty where it is refused."""
    try:
        with Visitor(app.url, **request) as visitor:  # type: ignore[arg-type]
            text = visitor.open("data").text()
    except websocket.WebSocketBadStatusException:
        return ""
    if "did not start" in text:
        return "no"
    return "a visitor's" if "Public mode" in text else "the operator's"


def _opened(app: App, **request: object) -> Result:
    rights = _rights(app, **request)
    return Result(rights != "the operator's", f"{rights} rights" if rights else "refused")


def _refused(app: App, **request: object) -> Result:
    rights = _rights(app, **request)
    return Result(not rights, f"served with {rights} rights" if rights else "refused")


def _rebound(app: App) -> Result:
    host = f"evil.example:{urlsplit(app.url).port}"
    return _refused(app, host=host, origin=f"http://{host}")


def _named(app: App) -> Result:
    rights = _rights(app, host=NAME, origin=f"https://{NAME}")
    return Result(rights == "a visitor's", f"served with {rights} rights" if rights else "refused")


def _agent(app: App) -> Result:
    json = {"Content-Type": "application/json"}
    answers = [
        ask(app.url, f"/_stcore/agent/{path}", json, "POST", b"{}")[0]
        for path in ("interact", "mcp")
    ]
    return Result(all(status >= 400 for status in answers), f"HTTP {answers[0]}, {answers[1]}")


# The operator's secret ----------------------------------------------------------------------


def _shut_out(attacker: Mapping[str, str], operator: Mapping[str, str]) -> Callable[[App], Result]:
    def run(app: App) -> Result:
        with Visitor(app.url, headers=attacker) as stranger:
            stranger.open("data")
            if "text_input" not in stranger.kinds():
                return Result(False, "no secret is asked for: the stranger is the operator")
            for guess in range(5):
                stranger.set("Operator secret", f"a wrong guess {guess}")
        with Visitor(app.url, headers=operator) as visitor:
            visitor.open("data").set("Operator secret", SECRET)
            held = "Public mode" not in visitor.text()
        return Result(held, "the right secret is let in" if held else "the right secret is refused")

    return run


# Uploads ------------------------------------------------------------------------------------


def _uploads(count: int, megabytes: int, most: int) -> Callable[[App], Result]:
    """Return the attack by `count` files, of which at most `most` may be stored."""

    def run(app: App) -> Result:
        with Visitor(app.url) as visitor:
            visitor.open("data")
            answers = [visitor.upload(bytes(megabytes * 2**20)) for _ in range(count)]
        stored = answers.count(204)
        return Result(stored <= most, f"{stored} of {count} stored")

    return run


# Other users of the machine -----------------------------------------------------------------


def _read_by_others(app: App) -> Result:
    files = sorted(path for path in app.log.parent.rglob("tandem.sqlite*") if path.is_file())
    others = [path.name for path in files if path.stat().st_mode & 0o077]
    return Result(not others, f"open to others: {', '.join(others) or 'none'}")


def _opened_by_nobody(app: App) -> Result:
    if os.geteuid():
        return Result(True, "not tried: it takes root to become another user")
    opened = [
        path.name
        for path in sorted(app.log.parent.glob("tandem.sqlite*"))
        if not _as_nobody(path).returncode
    ]
    return Result(not opened, f"opened by another user: {', '.join(opened) or 'none'}")


def _as_nobody(path: Path) -> subprocess.CompletedProcess[bytes]:
    path.parent.chmod(0o755)
    command = [sys.executable, "-I", "-S", "-c", _OPEN, str(_NOBODY), str(path)]
    return subprocess.run(command, capture_output=True, check=False, cwd="/")


# Alerts -------------------------------------------------------------------------------------


def _alarmed(app: App) -> Result:
    """Open a pair that is not pinned, with an entry that z is always beyond."""
    record = Reader(app.log.parent / "tandem.sqlite")
    with Visitor(app.url) as visitor:
        end = time.monotonic() + ALERTS_S
        found: list[bytes] = []
        while not found and time.monotonic() < end:
            visitor.open(query="y=DOGEUSDT&x=ETHUSDT&bar=1s&lookback=60&enter=0.1&exit=0")
            found = [one for one in record.documents("alert").values() if b"DOGEUSDT" in one]
            time.sleep(0.2)
    return Result(not found, "an alert is raised" if found else f"no alert within {ALERTS_S:.0f} s")


ATTACKS = (
    Attack(
        "private",
        "A page of evil.example, pointed at this machine, fetches the desk",
        lambda app: _fetched(app, {"Host": "evil.example"}),
    ),
    Attack("private", "It opens the websocket under its own name", _rebound),
    Attack(
        "private",
        "A page of evil.example opens the websocket at localhost",
        lambda app: _refused(app, origin="http://evil.example"),
    ),
    Attack(
        "private",
        "A page of another program of this machine opens it",
        lambda app: _refused(app, origin="http://localhost:1"),
    ),
    Attack(
        "private",
        "A sandboxed page opens it (Origin: null)",
        lambda app: _refused(app, origin="null"),
    ),
    Attack(
        "private",
        "A request without one sound Host",
        lambda app: _fetched(app, {"Host": "localhost@evil.example"}),
    ),
    Attack(
        "private",
        "A page of evil.example fetches Plotly's script",
        lambda app: _fetched(app, {"Host": "evil.example"}, "/app/static/plotly.min.js"),
    ),
    Attack("private", "A program uses Streamlit's agent API", _agent),
    Attack(
        "private",
        "A visitor comes through a proxy that nobody configured",
        lambda app: _opened(app, headers={"X-Forwarded-For": "203.0.113.5"}),
    ),
    Attack("private", "What is merely opened raises an alert", _alarmed),
    Attack("private", "Another user may read the database by its mode", _read_by_others),
    Attack("private", "Another user opens database and lock", _opened_by_nobody),
    Attack("secret", "A visitor opens a desk that has an operator's secret", _opened),
    Attack("public", "The desk's own name is served, without rights", _named),
    Attack(
        "public",
        "A visitor claims to be this machine (X-Forwarded-For: 127.0.0.1)",
        lambda app: _opened(app, headers={"X-Forwarded-For": "127.0.0.1"}),
    ),
    Attack(
        "public",
        "A stranger's wrong guesses keep the operator out",
        _shut_out({"X-Forwarded-For": "203.0.113.5"}, {"X-Forwarded-For": "198.51.100.7"}),
    ),
    Attack(
        "public",
        "Wrong guesses from the operator's own address keep the operator out",
        _shut_out({"X-Forwarded-For": "198.51.100.8"}, {"X-Forwarded-For": "198.51.100.8"}),
    ),
    Attack("public", "A visitor uploads a file of 49 MB", _uploads(1, 49, 0)),
    Attack(
        "public",
        f"A visitor uploads 20 files of 2 MB where {TOTAL_MB} MB are allowed in all",
        _uploads(20, 2, TOTAL_MB // 2 - 1),
    ),
    Attack("off", "TANDEM_PUBLIC=off beside a secret makes everybody the operator", _opened),
)

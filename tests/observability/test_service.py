"""What a service manager hears, from a stand-in for its socket; and the units for systemd."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from configparser import RawConfigParser
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tandem.cli import COMMANDS, main
from tandem.config import PREFIX, Settings
from tandem.core.errors import SettingError, StoreError
from tandem.ingest.headless import Headless
from tandem.ingest.status import FeedStatus
from tandem.observability.health import Health
from tandem.observability.service import ServiceManager
from tandem.surveillance import headless
from tandem.ui import app as script
from tandem.ui.shared import state
from tandem.venues import simulated
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
SECOND_USEC = "1000000"


class StandIn:
    """A service manager's socket, and what was said to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._heard: list[str] = []
        # All the time, as a manager does: the kernel keeps a few words only.
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while (word := self._socket.recv(1_000).decode()) != "over":
            self._heard.append(word)

    def heard(self) -> list[str]:
        return list(self._heard)

    def close(self) -> list[str]:
        """End, and return everything that was said before."""
        if self._thread.is_alive():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"over", self.address.replace("@", "\0", 1))
            self._thread.join()
            self._socket.close()
        return self._heard


@pytest.fixture(params=["path", "name"])
def manager(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    # Not below pytest's own folder: the path of a socket is at most 107 characters long.
    with tempfile.TemporaryDirectory() as folder:
        named = f"@tandem-test-{os.getpid()}"
        stand_in = StandIn(named if request.param == "name" else f"{folder}/notify")
        yield stand_in
        stand_in.close()


def test_it_hears_ready_alive_and_stopping(manager: StandIn) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": SECOND_USEC})
    assert service.every_s == 0.4
    service.ready()
    service.alive()
    service.alive()
    service.stopping()
    assert manager.close() == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}]
    + [{"WATCHDOG_USEC": SECOND_USEC, "WATCHDOG_PID": "1"}],
)
def test_without_a_watchdog_of_this_process_it_is_told_once(
    manager: StandIn, watchdog: dict[str, str]
) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.address, **watchdog})
    assert service.every_s == float("inf")
    service.ready()
    assert manager.close() == ["READY=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens", "no path"])
def test_nobody_who_listens_is_no_error(address: str) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": SECOND_USEC})
    for word in (service.ready, service.alive, service.stopping):
        word()


by_path = pytest.mark.parametrize("manager", ["path"], indirect=True)


# The processes --------------------------------------------------------------------------


@pytest.fixture
def watched(manager: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "50000")
    # A market without a past: it is there at once.
    monkeypatch.setattr(simulated, "Simulated", partial(simulated.Simulated, history_s=60.0))
    return manager


@by_path
def test_a_recorder_tells_how_it_is(watched: StandIn, tmp_path: Path) -> None:
    desk = Headless(Settings(), tmp_path / "t.sqlite", ["sim:ETHUSDT"], lambda line: None)
    stop = threading.Event()
    recording = threading.Thread(target=desk.record, args=(600.0, stop))
    recording.start()
    wait_until(lambda: "WATCHDOG=1" in watched.heard(), "a word")
    stop.set()
    recording.join()
    heard = watched.close()
    assert heard[0] == "READY=1" and heard[-1] == "STOPPING=1"


@by_path
def test_a_recorder_that_cannot_record_is_not_alive(
    watched: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Headless, "_failing", lambda self: ["It failed."])
    arguments = ["record", "--instruments", "sim:ETHUSDT", "--db", str(tmp_path / "t.sqlite")]
    assert main([*arguments, "--seconds", "60"]) == 1
    assert watched.close() == ["READY=1", "STOPPING=1"]


@by_path
def test_watching_tells_how_it_is(watched: StandIn, tmp_path: Path) -> None:
    config = tmp_path / "watch.yaml"
    config.write_text(f"venue: sim\nassets: [ETHUSDT]\ninterval_seconds: 1\nfolder: {tmp_path}\n")
    assert main(["watch", "--config", str(config), "--cycles", "1"]) == 0
    heard = watched.close()
    assert heard[0] == "READY=1" and heard[-1] == "STOPPING=1"
    assert "WATCHDOG=1" in heard


@by_path
@pytest.mark.parametrize("fault", ["failing", "raising"])
def test_watching_that_cannot_read_is_not_alive_and_says_that_it_stops(
    watched: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    read = headless.Source.status

    def status(self: headless.Source) -> FeedStatus:
        if fault == "raising":
            raise StoreError("planted")
        return replace(read(self), is_failing=True)

    monkeypatch.setattr(headless.Source, "status", status)
    config = tmp_path / "watch.yaml"
    config.write_text(f"venue: sim\nassets: [ETHUSDT]\ninterval_seconds: 1\nfolder: {tmp_path}\n")
    assert main(["watch", "--config", str(config), "--cycles", "1"]) == (fault == "raising")
    assert watched.close() == ["READY=1", "STOPPING=1"]


def test_the_app_is_alive_while_its_threads_are(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    # Silent venues are no reason to be killed; a thread that has ended is.
    found = [Health(problems=("A venue is silent.",))] * 3

    def health() -> Health:
        if found:
            return found.pop()
        told.append("dead")
        return Health(dead=("The thread of the models has ended.",))

    async def telling() -> None:
        manager = SimpleNamespace(every_s=0.001, alive=lambda: told.append("alive"))
        task = asyncio.create_task(script._tell(manager))  # type: ignore[arg-type]
        await asyncio.to_thread(wait_until, lambda: told.count("dead") > 2, "questions")
        task.cancel()

    monkeypatch.setattr(script, "_health", health)
    asyncio.run(telling())
    assert told[:3] == ["alive"] * 3 and set(told[3:]) == {"dead"}


def test_health_that_cannot_be_checked_is_logged_and_checked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    failures = [RuntimeError("planted")] * 2

    def health() -> Health:
        if failures:
            raise failures.pop()
        return Health()

    async def telling() -> None:
        manager = SimpleNamespace(every_s=0.001, alive=lambda: told.append("alive"))
        task = asyncio.create_task(script._tell(manager))  # type: ignore[arg-type]
        await asyncio.to_thread(wait_until, lambda: told, "a notification")
        task.cancel()

    monkeypatch.setattr(script, "_health", health)
    asyncio.run(telling())
    assert caplog.text.count("The health of the process cannot be checked") == 2


def test_nobody_is_told_where_there_is_no_watchdog() -> None:
    asyncio.run(script._tell(ServiceManager({})))


@by_path
@pytest.mark.parametrize("starts", [True, False])
def test_the_app_is_ready_once_it_has_started(
    watched: StandIn, monkeypatch: pytest.MonkeyPatch, starts: bool
) -> None:
    def start() -> None:
        if not starts:
            raise SettingError("TANDEM_VENUE is wrong.")

    async def serve() -> None:
        async with script.recording(None):  # type: ignore[arg-type]
            pass

    monkeypatch.setattr(script, "start", start)
    monkeypatch.setattr(state, "serve_by_routes", lambda: None)
    asyncio.run(serve())
    heard = [one for one in watched.close() if one != "WATCHDOG=1"]
    assert heard == ["READY=1", "STOPPING=1"][not starts :]


# The units ------------------------------------------------------------------------------


def unit(path: Path) -> dict[str, Any]:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, encoding="utf-8")
    return {**parser["Unit"], **parser["Service"]}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_there_is(path: Path) -> None:
    options = unit(path)
    program, command, *_ = options["ExecStart"].split()
    assert program == "/opt/tandem/.venv/bin/tandem" and command in COMMANDS
    assert (options["Type"], options["Restart"]) == ("notify", "on-failure")
    assert options["EnvironmentFile"] == f"-/etc/tandem/{command}.env"
    assert int(options["TimeoutStartSec"]) >= 600
    assert int(options["WatchdogSec"]) >= 30 and int(options["TimeoutStopSec"]) > 5


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(path: Path, tmp_path: Path) -> None:
    # With a program that is on this machine: it looks for it.
    copy = tmp_path / path.name
    text = path.read_text(encoding="utf-8").replace("/opt/tandem/.venv/bin/tandem", sys.executable)
    copy.write_text(text, encoding="utf-8")
    told = subprocess.run(
        ["systemd-analyze", "verify", str(copy)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (told.returncode, told.stdout) == (0, "")
    assert path.name not in told.stderr


def test_the_example_of_an_environment_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from tandem.venues.settings import load

    lines = (ROOT / "deploy/systemd/tandem.env.example").read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert load(environ=given, env_file=Path("/none")).keep_gb == 200.0
    others = {name for name in given if not name.startswith(PREFIX)}
    assert others == {"RECORD"} and "${RECORD}" in unit(UNITS[1])["ExecStart"]

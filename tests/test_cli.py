"""`python -m tandem`: one name for every command, and what all commands share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import streamlit.config

from tandem import __version__
from tandem.cli import COMMANDS, main
from tandem.core import cli
from tandem.core.errors import DataError
from tests.support.paths import ROOT


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_help_names_every_command() -> None:
    told = python("-m", "tandem", "--help")
    assert told.returncode == 0
    assert told.stdout.startswith("usage: python -m tandem ")
    for name, command in COMMANDS.items():
        assert f"    {name} " in told.stdout and command.does in told.stdout
    assert "130" in told.stdout


def test_help_waits_for_no_library() -> None:
    script = """
import sys
from tandem.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print(sorted({"numpy", "pandas", "numba", "scipy", "streamlit"} & set(sys.modules)))
"""
    assert python("-c", script).stdout.endswith("\n[]\n")


HEAVY = ["sklearn", "statsmodels", "arch", "pykalman", "scipy.signal", "scipy.stats"]
HEAVY += ["scipy.cluster", "scipy.optimize", "joblib"]


@pytest.mark.parametrize(
    ("started", "left_out"),
    [
        # Three seconds of imports in a process of its own.
        pytest.param("tandem.ui.server, tandem.ui.live.page", HEAVY, marks=pytest.mark.slow),
        ("tandem.ingest.cli", [*HEAVY, "scipy", "numba", "pandas", "pyarrow", "streamlit"]),
    ],
    ids=["app", "record"],
)
def test_a_start_imports_no_library_that_it_may_never_use(
    started: str, left_out: list[str]
) -> None:
    told = python("-c", f"import sys, {started}\nprint(sorted(set({left_out}) & set(sys.modules)))")
    assert told.stdout == "[]\n", told.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"Tandem {__version__}\n"


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == cli.WRONG_ARGUMENTS
    assert capsys.readouterr().err.startswith("usage: tandem ")


@pytest.mark.parametrize("wrong", [["recrod"], ["--loud"], ["backtest", "--loud"], ["record"]])
def test_wrong_arguments(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(wrong)
    assert end.value.code == cli.WRONG_ARGUMENTS
    assert capsys.readouterr().err.startswith("usage: tandem ")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_what_was_typed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: tandem {name} [-h] [--version]")


@pytest.mark.parametrize(
    ("module", "prog"),
    [
        ("tandem.ingest.cli", "ingest.py"),
        ("tandem.backtest.cli", "backtest.py"),
        ("tandem.scanner.cli", "scanner.py"),
        ("tandem.surveillance.cli", "surveillance.py"),
    ],
)
def test_a_door_s_help_names_the_door(
    module: str, prog: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        import_module(module).main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: {prog} [-h]")


@pytest.mark.parametrize(
    "arguments",
    [
        ["backtest", "missing.csv"],
        ["scan", "missing.csv"],
        ["watch", "--config", "missing.yaml"],
        ["record", "--instruments", "nowhere:BTC"],
    ],
)
def test_a_failure_is_a_sentence_and_names_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == cli.FAILED
    told = capsys.readouterr().err
    assert told.startswith(f"tandem {arguments[0]}: ")
    assert told.count("\n") == 1 and told.endswith(".\n")


def raising(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (DataError("It is \x1b[2Jempty."), cli.FAILED, "tandem x: It is \ufffd[2Jempty.\n"),
        (FileNotFoundError(2, "No such file", "a.csv"), 1, "tandem x: a.csv: No such file.\n"),
        (OSError("gone"), cli.FAILED, "tandem x: gone.\n"),
        (DataError("a\n2026 ERROR b\r\nis empty."), 1, "tandem x: a 2026 ERROR b is empty.\n"),
        (KeyboardInterrupt(), cli.CANCELLED, "\ntandem x: cancelled.\n"),
    ],
)
def test_how_a_command_ends(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run("tandem x", raising(error)) == code
    assert capsys.readouterr().err == text


def test_what_nobody_expected_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        cli.run("tandem x", raising(ZeroDivisionError()))


def started(work: str) -> subprocess.Popen[str]:
    script = f"""
import sys, time
from tandem.core.cli import run
def work():
    {work}
sys.exit(run("tandem x", work))
"""
    return subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_ctrl_c_ends_a_command_without_a_traceback() -> None:
    with started("print('ready', flush=True); time.sleep(60)") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == cli.CANCELLED
        assert process.stderr.read() == "\ntandem x: cancelled.\n"


def test_a_reader_who_leaves_is_no_error() -> None:
    with started("[print('line') for _ in range(100_000)]; return 0") as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        assert process.wait(60) == cli.FAILED
        assert process.stderr.read() == ""


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_an_end_while_it_is_heeded(name: signal.Signals) -> None:
    before = signal.getsignal(name)
    stop = threading.Event()
    with cli.stop_on_signal(stop):
        os.kill(os.getpid(), name)
        assert stop.wait(10)
    assert signal.getsignal(name) is before


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with cli.stop_on_signal(threading.Event()):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_nobody_can_read_any_more_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        cli.say("one")
        cli.say("two")
        monkeypatch.setattr(sys, "stdout", None)
        cli.say("three")
        assert cli.run("tandem x", lambda: 0) == 0


def test_a_full_disk_of_standard_output_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert cli.run("tandem x", lambda: cli.say("one") or 0) == cli.FAILED
        cli.report("two")
    assert "No space left" in capsys.readouterr().err


def test_other_threads_leave_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with cli.stop_on_signal(threading.Event()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what `tandem app` gives the server instead of running one."""
    given: list[Any] = []
    monkeypatch.setattr(st.App, "run", lambda _app, config=None: given.append(config))
    monkeypatch.setattr(streamlit.config, "_main_script_path", None)
    monkeypatch.setattr(sys, "argv", ["tandem"])
    return given


def test_the_app_takes_port_and_address(served: list[Any]) -> None:
    assert main(["app"]) == 0
    assert main(["app", "--port", "9000", "--address", "0.0.0.0"]) == 0
    assert served == [{}, {"server.port": 9_000, "server.address": "0.0.0.0"}]


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_a_port_that_is_none(port: str, served: list[Any]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["app", "--port", port])
    assert end.value.code == cli.WRONG_ARGUMENTS and not served


def test_an_interrupt_is_how_the_app_ends(
    served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_app: Any, config: Any = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(st.App, "run", run)
    assert main(["app"]) == 0

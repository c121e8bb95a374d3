"""The log: one line an event, where the settings say, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.logger import get_logger

from tandem.cli import main
from tandem.config import Settings, VenueSetting, load
from tandem.core.errors import SettingError
from tandem.observability import logs
from tandem.ui.shared import state
from tandem.ui.shared.loggers import adopt_loggers

log = logging.getLogger("tandem.test")
TOKEN = "123456:AAbbCCdd-eeFF_99"


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    yield
    logs.set_up(Settings())


def told(capsys: pytest.CaptureFixture[str], **settings: Any) -> list[str]:
    """Return what an event with an exception and text from outside becomes."""
    logs.set_up(Settings(**settings))
    try:
        raise ValueError("of\ntwo lines")
    except ValueError:
        log.exception("%s said %s", "A venue", "x\n2026 ERROR forged\x1b[2J")
    return capsys.readouterr().err.splitlines()


def test_an_event_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = told(capsys)
    assert re.match(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ERROR tandem\.test: A venue said x", line
    )
    assert r"x\n2026 ERROR forged\x1b[2J: Traceback (most recent call last):\n" in line
    assert line.endswith(r"ValueError: of\ntwo lines")


def test_as_json_it_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = told(capsys, log_format="json")
    event = json.loads(line)
    assert list(event) == ["time", "level", "logger", "message", "exception"]
    assert (event["level"], event["logger"]) == ("ERROR", "tandem.test")
    assert event["message"] == "A venue said x\n2026 ERROR forged\x1b[2J"
    assert event["exception"].startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_of_the_settings_is_told(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "TANDEM_TELEGRAM_TOKEN": TOKEN,
        "TANDEM_MAIL_PASSWORD": "correct horse",
        "TANDEM_OPERATOR_SECRET": "long enough indeed",
        "TANDEM_NEWVENUE_KEY": "k-0123",
        "TANDEM_LOG_FORMAT": form,
    }
    venues = {"newvenue": [VenueSetting("newvenue_key", "", "its key")]}
    logs.set_up(load(venues, environ=given, env_file=Path("/none")))
    secrets = [TOKEN, "correct horse", "long enough indeed", "k-0123", "999:another_token"]
    log.warning("failed: %s", secrets)
    try:
        raise ValueError(secrets)
    except ValueError:
        log.exception("failed")
    text = capsys.readouterr().err
    assert text.count("\n") == 2 and "***" in text
    assert not [secret for secret in secrets if secret in text]


def test_the_level_is_that_of_tandem_alone(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(Settings(log_level="DEBUG"))
    log.debug("ours")
    logging.getLogger("urllib3").debug("https://user:password@example")
    assert capsys.readouterr().err.count("\n") == 1
    logs.set_up(Settings(log_level="ERROR"))
    log.warning("not told")
    assert capsys.readouterr().err == ""


def test_it_is_written_to_a_file_that_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "tandem.log"
    settings = Settings(log_file=str(path), log_file_mb=1, log_files=2, log_level="INFO")
    logs.set_up(settings, to_file=True)
    for _ in range(40):
        log.info("%s", "x" * 100_000)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["tandem.log", "tandem.log.1", "tandem.log.2"]
    assert all(file.stat().st_size <= 2**20 for file in files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    logs.set_up(Settings())
    log.error("not in the file any more")
    assert "any more" not in path.read_text()


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"TANDEM_LOG_FILE: .* cannot be written \(Is a dir"):
        logs.set_up(Settings(log_file=str(tmp_path)), to_file=True)


@pytest.mark.parametrize(
    ("arguments", "runs_on"),
    [
        (["backtest", "missing.csv"], False),
        (["scan", "missing.csv"], False),
        (["watch", "--config", "missing.yaml"], True),
        (["record", "--instruments", "nowhere:BTC"], True),
        (["db", "stats"], False),
    ],
)
def test_every_command_heeds_the_settings_and_only_those_that_run_on_write_the_file(
    arguments: list[str],
    runs_on: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("TANDEM_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("TANDEM_LOG_FILE", str(tmp_path / "tandem.log"))
    monkeypatch.setenv("TANDEM_DATABASE", str(tmp_path / "none.sqlite"))
    main(arguments)
    assert logging.getLogger("tandem").level == logging.DEBUG
    log.debug("heard")
    assert "DEBUG tandem.test: heard\n" in capsys.readouterr().err
    path = tmp_path / "tandem.log"
    assert path.exists() == runs_on
    assert not runs_on or "DEBUG tandem.test: heard\n" in path.read_text()


@contextmanager
def alone() -> Iterator[None]:
    """Let the log go nowhere but where Tandem sends it, as in a process of its own."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    yield
    logs.set_up(Settings())
    root.handlers = handlers


def test_what_is_logged_during_a_change_is_told_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up(Settings(operator_secret="open sesame, please"))
    monkeypatch.setattr(
        logs._ToStandardError, "close", lambda _: log.warning("open sesame, please")
    )
    logs.set_up(Settings(operator_secret="open sesame, please"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("Z WARNING tandem.test: ***")


@pytest.mark.parametrize("to_file", [False, True])
def test_a_full_disk_loses_a_line_and_a_mistake_is_shown(
    to_file: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(_record: logging.LogRecord) -> str:
        raise OSError(28, "No space left on device")

    with alone():
        logs.set_up(Settings(log_file=str(tmp_path / "tandem.log")), to_file=to_file)
        handler = logging.getLogger().handlers[-1]
        assert isinstance(handler, logs._ToFile) == to_file
        log.warning("%d prices", "many")
        assert "--- Logging error ---" in capsys.readouterr().err
        monkeypatch.setattr(handler, "format", full)
        log.warning("lost")
        assert "Logging error" not in capsys.readouterr().err


def test_a_closed_standard_error_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logs.set_up(Settings())
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    log.warning("read by nobody")


@pytest.mark.parametrize("name", ["streamlit.tandem_test", "uvicorn.tandem_test"])
def test_events_of_streamlit_and_its_server_are_lines_like_all_others(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = get_logger(name)
    # As the server's own configuration does.
    theirs.addHandler(logging.StreamHandler())
    logs.set_up(Settings(operator_secret="open sesame, please"))
    adopt_loggers()
    theirs.error("one\ntwo open sesame, please")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(rf"Z ERROR {name}: one\ntwo ***")


def test_requests_that_the_server_does_not_log_stay_unlogged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = get_logger("uvicorn.access")
    # As the server's own configuration does.
    monkeypatch.setattr(theirs, "handlers", [])
    monkeypatch.setattr(theirs, "propagate", False)
    adopt_loggers()
    assert not theirs.hasHandlers()


def test_a_desk_adopts_them_also_where_no_server_of_ours_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = get_logger("streamlit.tandem_script")
    state.close()
    desk = SimpleNamespace(start=str, stop=str, parts=dict, waits_to_record=bool)
    state.start(lambda *_, **__: Settings(), lambda _: desk)  # type: ignore[arg-type, return-value]
    state.close()
    assert theirs.propagate and not theirs.handlers

"""The process's log: one line an event, to standard error and, where asked, to a file.

A line has time (UTC), level, logger and message, as text or as a JSON object. Line breaks and
control characters are escaped, also those of tracebacks: what comes from outside cannot forge a
line. No secret of the settings is in it.
"""

from __future__ import annotations

import json
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

from tandem.config import PREFIX, Settings
from tandem.core.clock import SECOND_US, iso
from tandem.core.errors import SettingError
from tandem.core.files import make_folder, take
from tandem.core.redaction import redact

_OURS = "tandem"


def set_up(settings: Settings, *, to_file: bool = False) -> None:
    """Send the log where the settings say, from now on; what was set up before is undone.

    The level is that of Tandem's own loggers: others may log addresses with their keys.

    Parameters
    ----------
    settings : Settings
    to_file : bool
        Whether this process writes the file of the settings, for those that run on. A command
        beside them would begin the file anew under their hands.

    Raises
    ------
    SettingError
        The file cannot be written.
    """
    handlers: list[logging.Handler] = [_ToStandardError()]
    if to_file and settings.log_file:
        handlers.append(_opened(settings))
    formatter = (_Json if settings.log_format == "json" else _Text)(settings.secrets)
    root = logging.getLogger()
    earlier = [one for one in root.handlers if isinstance(one, _ToStandardError | _ToFile)]
    # The new ones first: without any, a line logged meanwhile would be printed with its secrets.
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    for old in earlier:
        root.removeHandler(old)
        old.close()
    logging.getLogger(_OURS).setLevel(settings.log_level)


def _opened(settings: Settings) -> logging.Handler:
    path = Path(settings.log_file)
    try:
        make_folder(path.parent, settings.file_bits)
        return _ToFile(path, settings)
    except OSError as error:
        raise SettingError(
            f"{PREFIX}LOG_FILE: {path} cannot be written ({error.strerror or error}). Choose "
            "another file, or leave it out."
        ) from None


class _ToStandardError(logging.StreamHandler[Any]):
    """Writes to whatever standard error is at the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> IO[str] | None:
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; without a standard error there is nobody to read it."""
        if sys.stderr is not None and not sys.stderr.closed:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose the line where a full disk or a closed pipe is the reason: that ends nothing."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


class _ToFile(RotatingFileHandler):
    """Writes to a file of its user, begun anew from some size on."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._mode = settings.file_bits
        super().__init__(
            path,
            maxBytes=settings.log_file_mb * 2**20,
            backupCount=settings.log_files,
            encoding="utf-8",
        )

    def _open(self) -> Any:
        take(Path(self.baseFilename), self._mode)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose the line where the disk is the reason: standard error has it."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)


class _Text(logging.Formatter):
    """``time level logger: message``."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        parts = self._parts(record)
        text = ": ".join(filter(None, (parts["message"], parts.get("exception"))))
        return f"{parts['time']} {parts['level']} {parts['logger']}: {_one_line(text)}"

    def _parts(self, record: logging.LogRecord) -> dict[str, str]:
        parts = {
            "time": iso(int(record.created * SECOND_US), "milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage(), self._secrets),
        }
        if record.exc_info:
            parts["exception"] = redact(self.formatException(record.exc_info), self._secrets)
        return parts


class _Json(_Text):
    """The same as one object a line, with any exception apart from the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        return json.dumps(self._parts(record))


def _one_line(text: str) -> str:
    """Escape what would break a line or steer a terminal."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )

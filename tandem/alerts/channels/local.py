"""Channels on this machine: the log and a CSV file."""

from __future__ import annotations

import csv
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from tandem.alerts.channels.base import NotSent, Pace
from tandem.alerts.rules import Alert
from tandem.core.clock import iso
from tandem.core.files import PRIVATE, make_folder, take

log = logging.getLogger("tandem.alerts")

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
COLUMNS = (
    *("time_utc", "raised_utc", "severity", "scope", "measure", "value", "comparison"),
    *("threshold", "rule", "held_back", "numbers", "id"),
)


class Log:
    """One line of the log per alert."""

    name, most = "log", 100
    pace = Pace(0.0, 6_000)

    def send(self, alerts: Sequence[Alert]) -> None:
        """Write the lines."""
        for alert in alerts:
            log.log(_LEVELS[alert.severity], "%s", alert.text)

    def close(self) -> None:
        """Nothing is open."""


class CsvFile:
    """One row of a file per alert, on disk when `send` returns; numbers read back to the bit."""

    name, most = "csv", 1_000
    pace = Pace(0.0, 6_000)

    def __init__(self, path: Path, mode: int = PRIVATE) -> None:
        self._path = path
        self._mode = mode
        self._lock = threading.Lock()

    def send(self, alerts: Sequence[Alert]) -> None:
        """Append the rows; raises NotSent."""
        try:
            with self._lock:
                make_folder(self._path.parent, self._mode)
                take(self._path, self._mode)
                with self._path.open("a", newline="", encoding="utf-8") as file:
                    writer = csv.writer(file, lineterminator="\n")
                    if file.tell() == 0:
                        writer.writerow(COLUMNS)
                    writer.writerows(map(row, alerts))
        except OSError as error:
            raise NotSent(
                f"Alerts cannot be written to {self._path} ({error.strerror}); make its folder "
                "writable, or set TANDEM_ALERTS_FILE."
            ) from None

    def close(self) -> None:
        """Nothing is open."""


def row(alert: Alert) -> tuple[str, ...]:
    """Return an alert as text, in the order of `COLUMNS`; no cell begins a formula."""
    numbers = " ".join(f"{name}={value!r}" for name, value in alert.numbers.items())
    return (
        iso(alert.time_us, "milliseconds"),
        iso(alert.raised_us, "milliseconds"),
        alert.severity,
        _cell(alert.scope),
        alert.measure,
        repr(alert.value),
        alert.comparison,
        repr(alert.threshold),
        _cell(alert.rule),
        str(alert.held_back),
        _cell(numbers),
        _cell(alert.id),
    )


def _cell(text: str) -> str:
    """Return text that no program takes for a formula; scopes and numbers come from outside."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text

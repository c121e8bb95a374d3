"""Tests of channels, each on a thread of its own: a service that hangs holds up no page."""

from __future__ import annotations

import threading

from tandem.alerts.service import Alerts
from tandem.core.clock import now_us
from tandem.core.errors import DataError
from tandem.ui.shared import format as f


class Tests:
    """What the last test of each channel gave. Any thread may ask."""

    __test__ = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._going: set[str] = set()
        self._said: dict[str, str] = {}

    def begin(self, alerts: Alerts, name: str) -> None:
        """Test a channel; while one test of it is under way another one is not begun."""
        with self._lock:
            if name in self._going:
                return
            self._going.add(name)
        threading.Thread(
            target=self._test, args=(alerts, name), name=f"test-{name}", daemon=True
        ).start()

    def is_going_on(self, name: str) -> bool:
        """Tell whether a channel is being tested."""
        return name in self._going

    def said(self, name: str) -> str:
        """Return what the last test of a channel gave; empty before the first."""
        return self._said.get(name, "")

    def _test(self, alerts: Alerts, name: str) -> None:
        said = "The test failed because of an internal error; please report it."
        try:
            said = alerts.test(name)
        except DataError as error:
            said = str(error)
        finally:
            with self._lock:
                self._said[name] = f"at {f.clock(now_us())} UTC: {said}"
                self._going.discard(name)

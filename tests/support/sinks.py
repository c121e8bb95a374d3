"""A record in memory, for what writes into one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from tandem.core.events import Event, Gap


class MemorySink:
    """Keeps what it is given.

    Attributes
    ----------
    fault : Exception or None
        What the next batches meet instead of being kept.
    blocked : threading.Event
        Cleared, it holds up whoever submits.
    """

    def __init__(self) -> None:
        self.events: list[Event | Gap] = []
        self.fault: Exception | None = None
        self.blocked = threading.Event()
        self.blocked.set()

    def submit(self, events: Sequence[Any]) -> None:
        self.blocked.wait()
        if self.fault:
            raise self.fault
        self.events += events

    def of(self, kind: type) -> list[Any]:
        return [event for event in list(self.events) if type(event) is kind]

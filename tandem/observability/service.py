"""Notifications to a service manager: ready, alive, stopping, in the form of sd_notify(3).

Without ``$NOTIFY_SOCKET``, as at a terminal, nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from tandem.core.clock import steady_s

# Of the watchdog's time: a notification late by as much again is still in time.
_SHARE = 0.4


class ServiceManager:
    """The service manager, if one started the process; any thread may notify it.

    Parameters
    ----------
    environ : mapping, optional
        The process's own where none is given: ``NOTIFY_SOCKET`` is a path, or a name of the kernel
        behind an ``@``; ``WATCHDOG_USEC`` the microseconds without a notification after which the
        process is killed, where ``WATCHDOG_PID`` is this one or not there.

    Attributes
    ----------
    every_s : float
        How often `alive` must be called; infinite without a watchdog.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        asked = environ.get("WATCHDOG_USEC", "")
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        is_watched = bool(self._address and is_ours and asked.isdecimal() and int(asked))
        self.every_s = _SHARE * int(asked) / 1e6 if is_watched else float("inf")
        self._said_s = -float("inf")

    def ready(self) -> None:
        """Say that the start is over."""
        self._send("READY=1")

    def alive(self) -> None:
        """Say that the process works, as often as that is waited for; may be called any time."""
        now = steady_s()
        if now - self._said_s >= self.every_s:
            self._said_s = now
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the process is about to end by itself."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A manager that does not listen is no reason to end: it draws its own conclusions.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        ):
            manager.settimeout(1.0)
            manager.connect(self._address)
            manager.sendall(text.encode("ascii"))

"""What visitors have uploaded and the process holds: bounded for each session and for all."""

from __future__ import annotations

import threading


class Uploads:
    """Counts the bytes that each session's uploaded files hold.

    Parameters
    ----------
    limit_bytes : int
        What all sessions may hold together.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}

    def hold(self, session: str, size_bytes: int) -> bool:
        """Count `size_bytes` for a session, in place of what it held; False if there is no room.

        A session that is refused holds nothing.
        """
        with self._lock:
            self._held.pop(session, None)
            if size_bytes and sum(self._held.values()) + size_bytes > self._limit_bytes:
                return False
            if size_bytes:
                self._held[session] = size_bytes
            return True

    def release(self, session: str) -> None:
        """Forget a session that has ended."""
        with self._lock:
            self._held.pop(session, None)

    def held(self) -> int:
        """Return the bytes of all sessions."""
        with self._lock:
            return sum(self._held.values())

"""What visitors upload, bounded where it arrives: per file, and for all of them together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATH = "/_stcore/upload_file/"
# What surrounds a file in a request.
_FRAMING_BYTES = 64 * 1024
_TOO_LARGE, _NO_ROOM = "The file is too large.\n", "There is no room for the file now.\n"


class Uploads:
    """Counts the bytes of uploads under way beside those that are stored. Any thread may ask.

    Parameters
    ----------
    limit_bytes : int
        What both may come to.
    stored : callable
        Returns the bytes of uploaded files that the server stores.
    """

    def __init__(self, limit_bytes: int, stored: Callable[[], int]) -> None:
        self._limit_bytes = limit_bytes
        self._stored = stored
        self._lock = threading.Lock()
        self._under_way = 0

    def room(self) -> int:
        """Return how many bytes more may come."""
        return max(self._limit_bytes - self._stored() - self._under_way, 0)

    def take(self, size_bytes: int) -> bool:
        """Count bytes as under way; False if there is no room for them."""
        with self._lock:
            if size_bytes > self.room():
                return False
            self._under_way += size_bytes
            return True

    def release(self, size_bytes: int) -> None:
        """Count bytes as no longer under way: they are stored, or dropped."""
        with self._lock:
            self._under_way -= size_bytes


class UploadGuard:
    """ASGI middleware that refuses uploads beyond their limits.

    Parameters
    ----------
    uploads : callable
        Returns what is counted in; None while nothing runs, and then nothing may be uploaded.
    most_bytes : callable
        Given the request, it returns the size of the largest file that may come.
    """

    def __init__(
        self,
        app: ASGIApp,
        uploads: Callable[[], Uploads | None],
        most_bytes: Callable[[Scope], int],
    ) -> None:
        self._app = app
        self._uploads = uploads
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; one with a file only as far as there is room."""
        if scope["type"] != "http" or scope["method"] != "PUT" or _PATH not in scope["path"]:
            await self._app(scope, receive, send)
            return
        uploads = self._uploads()
        most = self._most_bytes(scope) + _FRAMING_BYTES if uploads else 0
        # What is too large by its own account is refused before it is sent.
        if uploads is None or _length(scope) > most:
            await PlainTextResponse(_TOO_LARGE, 413)(scope, receive, send)
            return
        if _length(scope) > uploads.room():
            await PlainTextResponse(_NO_ROOM, 413)(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            size = len(message.get("body", b""))
            if taken + size > most:
                raise HTTPException(413, _TOO_LARGE)
            if not uploads.take(size):
                raise HTTPException(413, _NO_ROOM)
            taken += size
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            uploads.release(taken)


def session_of(scope: Scope) -> str:
    """Return the session that an upload is addressed to."""
    return str(scope["path"].partition(_PATH)[2].partition("/")[0])


def _length(scope: Scope) -> int:
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(text) if text.isdigit() else 0

"""The socket: websocket-client's connection, read in gulps and never for longer than asked."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from urllib.parse import urlsplit

import websocket
from websocket import (
    WebSocketConnectionClosedException,
    WebSocketException,
    WebSocketPayloadException,
    WebSocketProtocolException,
    WebSocketTimeoutException,
)

from tandem.core.clock import now_us, steady_s
from tandem.net.connect import Attempt, connected, verifying

_MOST_BYTES = 4 * 1024 * 1024
_MOST_MESSAGES = 500
_READ_BYTES = 256 * 1024

# A whole unmasked message in one frame begins with one of these.
_TEXT, _BINARY = 0x81, 0x82


class ClosedByVenue(WebSocketConnectionClosedException):
    """The other side closed the connection, and said why.

    Attributes
    ----------
    code : int
        The closing code; 1005 where there was none.
    reason : str
        Its words, printable and short.
    """

    def __init__(self, payload: bytes) -> None:
        self.code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
        words = payload[2:125].decode("utf-8", "replace")
        self.reason = "".join(one for one in words if one.isprintable()).strip()
        super().__init__(f"closed by the venue with code {self.code}")


class _BoundedFrames(websocket.frame_buffer):
    """Refuses a frame by its announced length, before a byte of it is kept."""

    def recv_length(self) -> None:
        super().recv_length()
        if self.length is not None and self.length > _MOST_BYTES:
            raise WebSocketPayloadException("frame too large")


class _BoundedParts(websocket.continuous_frame):
    """Refuses a message whose parts together are too large."""

    def add(self, frame: websocket.ABNF) -> None:
        super().add(frame)
        if self.cont_data and len(self.cont_data[1]) > _MOST_BYTES:
            raise WebSocketPayloadException("message too large")


class Wire(websocket.WebSocket):
    """A websocket read in gulps: one system call brings many messages, and none blocks.

    websocket-client alone reads each header, length and body by a call of its own, and takes 8 us
    for a frame. Here it gets what needs care (control frames, parts, long frames, whatever breaks
    the protocol); the plain frames between are cut out of the bytes read, in half a microsecond.
    Reading past what was asked is safe because the handshake is over by then.
    """

    def __init__(self) -> None:
        super().__init__(skip_utf8_validation=True, enable_multithread=True)
        self.frame_buffer = _BoundedFrames(self._read_ahead, True)
        self.cont_frame = _BoundedParts(False, True)
        self._ahead = b""
        self._at = 0
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._failure: Exception | None = None
        self._attempt: Attempt | None = None
        self._is_aborted = False
        self.heard = steady_s()
        self.arrived_us = now_us()

    def open(self, url: str, limit_s: float) -> None:
        """Connect and shake hands, all within about `limit_s`."""
        reached: socket.socket | None = None
        # The library's timeout is per read, so a server that drips bytes could hold us for ever.
        with Attempt(2.0 * limit_s) as attempt:
            self._attempt = attempt
            if self._is_aborted:
                attempt.cut()
            try:
                parts = urlsplit(url)
                is_secure = parts.scheme == "wss"
                port = parts.port or (443 if is_secure else 80)
                context = verifying() if is_secure else None
                reached = connected(attempt, parts.hostname or "", port, context, limit_s)
                self.connect(  # type: ignore[no-untyped-call]
                    url, timeout=limit_s, redirect_limit=0, suppress_origin=True, socket=reached
                )
            except ssl.SSLError:
                raise  # one of its kinds is a ValueError too
            except (ValueError, IndexError) as error:
                raise WebSocketProtocolException(
                    "the response was not a websocket handshake"
                ) from error
            finally:
                self._attempt = None
                if self.sock is None and reached is not None:
                    reached.close()
        if self.sock is None:
            raise WebSocketConnectionClosedException("closed while opening")
        self.sock.settimeout(0)
        self._selector.register(self.sock, selectors.EVENT_READ)
        self.heard = steady_s()

    def wake(self) -> None:
        """Make a waiting `gather` return now; callable from any thread."""
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def abort(self) -> None:
        """Cut the connection from any thread, without the closing handshake a dead peer ignores."""
        self._is_aborted = True
        if (attempt := self._attempt) is not None:
            attempt.cut()
        open_socket = self.sock
        if open_socket is not None:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Say goodbye if that is free, and close everything."""
        if self.connected:
            with contextlib.suppress(WebSocketException, OSError):
                self.send_close()
        self._selector.close()
        self.shutdown()  # type: ignore[no-untyped-call]
        self._bell.close()
        self._ear.close()

    def gather(self, wait_s: float) -> list[bytes]:
        """Return the messages that are here, waiting up to `wait_s` for the first.

        A failure is raised only after the messages before it were returned.
        """
        if self._failure is not None:
            raise self._failure
        if self._at >= len(self._ahead):
            for key, _ in self._selector.select(0.0 if self._is_decrypted() else wait_s):
                if key.fileobj is self._ear:
                    self._ear.recv(1024)
        messages: list[bytes] = []
        try:
            while len(messages) < _MOST_MESSAGES:
                if self._is_between_frames():
                    self._take_plain_frames(messages)
                    if self._at >= len(self._ahead):
                        self._fill()
                        continue
                opcode, data = self.recv_data(control_frame=True)
                self.heard = steady_s()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    raise ClosedByVenue(data)
                if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                    messages.append(data)
                    if len(data) > _READ_BYTES:
                        break  # a batch of hundreds of these would not fit into memory
        except WebSocketTimeoutException:
            pass  # nothing more for now
        except (WebSocketException, OSError) as error:
            if not messages:
                raise
            self._failure = error
        return messages

    def _is_decrypted(self) -> bool:
        """Tell whether bytes were taken off the socket already, which a wait for it would miss."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def _is_between_frames(self) -> bool:
        frames = self.frame_buffer
        return (
            frames.header is None and not frames.recv_buffer and not self.cont_frame.recving_frames
        )

    def _take_plain_frames(self, messages: list[bytes]) -> None:
        """Move whole messages from the bytes read, up to the first that is not plain or whole."""
        data, at, before = self._ahead, self._at, len(messages)
        end, most = len(data), _MOST_MESSAGES - before
        while at + 4 <= end and most > 0:
            if data[at] != _TEXT and data[at] != _BINARY:
                break
            length, start = data[at + 1], at + 2
            if length > 125:
                if length != 126:
                    break
                length, start = data[at + 2] << 8 | data[at + 3], at + 4
            stop = start + length
            if stop > end:
                break
            messages.append(data[start:stop])
            at = stop
            most -= 1
        self._at = at
        if len(messages) > before:
            self.heard = steady_s()

    def _fill(self) -> None:
        """Read what is here; WebSocketTimeoutException when nothing is."""
        if self.sock is None:
            raise WebSocketConnectionClosedException("closed")
        try:
            self._ahead = self.sock.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise WebSocketTimeoutException("nothing yet") from None
        # After it was read: a thread that stalled before has read what came meanwhile.
        self.arrived_us = now_us()
        self._at = 0
        if not self._ahead:
            raise WebSocketConnectionClosedException("closed without a close frame")

    def _read_ahead(self, size: int) -> bytes:
        """Return up to `size` bytes; WebSocketTimeoutException when none are here yet."""
        if self._at >= len(self._ahead):
            self._fill()
        start = self._at
        self._at = start + size
        return self._ahead[start : start + size]

"""One request at a time, bounded in every way: time, size, redirects, and it can be cut short.

The standard library's client is used, for its socket: a deadline for the whole answer, and an end
at any moment, need it. Libraries above it limit single reads, so that a server which drips a byte
a second holds them for ever.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from tandem.core.clock import steady_s
from tandem.core.errors import FeedError
from tandem.net.connect import Attempt, ProxyFailed, connected, verifying

MOST_BYTES = 16 * 2**20
_PIECE_BYTES = 64 * 1024
_IDLE_CONNECTIONS = 4
# Servers hang up on idle connections after a minute or so; one that did is opened anew.
_IDLE_S = 20.0
_PORTS = {"http": 80, "https": 443}


class Stopped(FeedError):
    """A request that was cut short, or not begun, because the client is closed."""


class Answer(NamedTuple):
    """What a server answered.

    Attributes
    ----------
    status : int
        Of HTTP.
    headers : mapping of str to str
        Names in lower case; of several headers with one name, the last.
    body : bytes
        Complete.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Call(NamedTuple):
    """What is asked, and of whom."""

    method: str
    parts: SplitResult
    headers: dict[str, str]
    body: bytes | None


class Client:
    """HTTP for public market data. Any thread may ask; `close` ends what is under way.

    Parameters
    ----------
    connect_s, read_s, total_s : float
        Limits for opening a connection, for each read, and for the whole answer.
    most_bytes : int
        Longest body that is read.
    context : ssl.SSLContext, optional
        By default that of `connect.verifying`.
    refused : callable, optional
        As of `connect.connected`; with it no proxy is used.
    """

    def __init__(
        self,
        connect_s: float = 5.0,
        read_s: float = 10.0,
        total_s: float = 20.0,
        most_bytes: int = MOST_BYTES,
        context: ssl.SSLContext | None = None,
        refused: Callable[[str], str] | None = None,
    ) -> None:
        self._connect_s = connect_s
        self._read_s = read_s
        self._total_s = total_s
        self._most_bytes = most_bytes
        self._context = context
        self._refused = refused
        self._lock = threading.Lock()
        self._idle: list[tuple[float, tuple[str, str, int], http.client.HTTPConnection]] = []
        self._flights: set[Attempt] = set()
        self._closed = False

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET, whatever its status.

        Raises
        ------
        FeedError
            No complete answer came: the text says why and names the host, never the address or a
            header. `Stopped` after `close`.
        """
        return self._exchange(_Call("GET", _checked(url), dict(headers or {}), None))

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a POST, whatever its status; it may arrive more than once.

        Raises
        ------
        FeedError
            As in `get`.
        """
        return self._exchange(_Call("POST", _checked(url), dict(headers or {}), body))

    def _exchange(self, call: _Call) -> Answer:
        host = call.parts.hostname or ""
        with Attempt(self._total_s) as flight:
            self._begin(flight, host)
            try:
                return self._answer(flight, call)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._explain(error, flight, host) from None
            finally:
                with self._lock:
                    self._flights.discard(flight)

    def close(self) -> None:
        """Cut every request under way and refuse new ones; closing twice is harmless."""
        with self._lock:
            self._closed = True
            flights = list(self._flights)
            idle, self._idle = self._idle, []
        for flight in flights:
            flight.cut()
        for _, _, connection in idle:
            connection.close()

    def _begin(self, flight: Attempt, host: str) -> None:
        with self._lock:
            if self._closed:
                raise Stopped(f"{host} was not asked: Tandem is stopping")
            self._flights.add(flight)

    def _answer(self, flight: Attempt, call: _Call) -> Answer:
        parts = call.parts
        place = (parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])
        kept = self._take_idle(place)
        if kept is not None:
            try:
                return self._ask(flight, kept, place, call)
            except (http.client.RemoteDisconnected, ConnectionError):
                # The server had hung up on it meanwhile, which is its right.
                if flight.is_cut:
                    raise
        return self._ask(flight, self._open(flight, *place), place, call)

    def _ask(
        self,
        flight: Attempt,
        connection: http.client.HTTPConnection,
        place: tuple[str, str, int],
        call: _Call,
    ) -> Answer:
        is_kept, parts = False, call.parts
        try:
            flight.hold(connection.sock)
            connection.sock.settimeout(min(self._read_s, flight.left_s))
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            fixed = {
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "Tandem",
            }
            connection.request(call.method, target, call.body, call.headers | fixed)
            response = connection.getresponse()
            if 300 <= response.status < 400:
                raise http.client.HTTPException("a redirect, which is not followed")
            if response.getheader("Content-Encoding", "identity") != "identity":
                raise http.client.HTTPException("an encoding that was not asked for")
            body = self._body(flight, response)
            names = {name.lower(): value for name, value in response.getheaders()}
            is_kept = not response.will_close and response.isclosed()
            if is_kept:
                self._keep_idle(place, connection)
            return Answer(response.status, names, body)
        finally:
            if not is_kept:
                connection.close()

    def _body(self, flight: Attempt, response: http.client.HTTPResponse) -> bytes:
        expected = response.length
        if expected is not None and expected > self._most_bytes:
            raise http.client.HTTPException("a body above the size limit")
        body = bytearray()
        # readinto: unlike read, it stays within its buffer whatever lengths a chunk announces.
        piece = bytearray(_PIECE_BYTES)
        while size := response.readinto(piece):
            body += piece[:size]
            if len(body) > self._most_bytes:
                raise http.client.HTTPException("a body above the size limit")
        if flight.is_cut or (expected is not None and len(body) < expected):
            raise http.client.IncompleteRead(b"")
        return bytes(body)

    # Connections ------------------------------------------------------------------------

    def _open(
        self, flight: Attempt, scheme: str, host: str, port: int
    ) -> http.client.HTTPConnection:
        context = (self._context or verifying()) if scheme == "https" else None
        opened = connected(flight, host, port, context, self._connect_s, self._refused)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = opened
        return connection

    def _take_idle(self, place: tuple[str, str, int]) -> http.client.HTTPConnection | None:
        oldest_s = steady_s() - _IDLE_S
        with self._lock:
            stale = [entry for entry in self._idle if entry[0] < oldest_s]
            self._idle = [entry for entry in self._idle if entry[0] >= oldest_s]
            match = next((entry for entry in self._idle if entry[1] == place), None)
            if match is not None:
                self._idle.remove(match)
        for _, _, connection in stale:
            connection.close()
        return match[2] if match else None

    def _keep_idle(
        self, place: tuple[str, str, int], connection: http.client.HTTPConnection
    ) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append((steady_s(), place, connection))
                dropped = self._idle[:-_IDLE_CONNECTIONS]
                self._idle = self._idle[-_IDLE_CONNECTIONS:]
            else:
                dropped = [(0.0, place, connection)]
        for _, _, one in dropped:
            one.close()

    def _explain(self, error: Exception, flight: Attempt, host: str) -> FeedError:
        """Say what a request without an answer met; decided here only."""
        if flight.is_late or isinstance(error, TimeoutError):
            return FeedError(f"{host} did not answer in time")
        if flight.is_cut:
            return Stopped(f"{host} was not waited for: Tandem is stopping")
        if isinstance(error, ProxyFailed):
            return FeedError(f"{host} could not be reached: {error}; check the proxy's settings")
        if isinstance(error, socket.gaierror):
            return FeedError(f"the name {host} could not be found (no network, or no DNS)")
        if isinstance(error, ssl.SSLCertVerificationError):
            return FeedError(
                f"the certificate of {host} could not be verified (a wrong clock, or a proxy that "
                "listens in)"
            )
        if isinstance(error, ssl.SSLError):
            return FeedError(f"no secure connection to {host}")
        if isinstance(error, ConnectionRefusedError):
            return FeedError(f"nothing answers at {host}")
        if isinstance(error, (http.client.RemoteDisconnected, ConnectionError)):
            return FeedError(f"{host} hung up before it had answered")
        if isinstance(error, http.client.IncompleteRead):
            return FeedError(f"{host} broke off in the middle of its answer")
        if type(error) is http.client.HTTPException:
            return FeedError(f"{host} sent {error}")
        if isinstance(error, (http.client.HTTPException, ValueError)):
            return FeedError(f"{host} did not answer in HTTP")
        reason = getattr(error, "strerror", None) or type(error).__name__
        return FeedError(f"{host} could not be reached ({reason})")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or parts.username is not None or not url.isascii() or not url.isprintable():
        raise FeedError("the address of a venue is not one; check its REST address in the settings")
    return parts

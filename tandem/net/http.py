"""One request at a time, bounded in every way: time, size, redirects, and it can be cut short.

The standard library's client is used, for its socket: a deadline for the whole answer, and an end
at any moment, need it. Libraries above it limit single reads, so that a server which drips a byte
a second holds them for ever. No proxy is looked for in the environment.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import cache
from types import TracebackType
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from tandem.core.clock import steady_s
from tandem.core.errors import FeedError

MOST_BYTES = 16 * 2**20
_PIECE_BYTES = 64 * 1024
_IDLE_CONNECTIONS = 4
# Servers hang up on idle connections after a minute or so; one that did is opened anew.
_IDLE_S = 20.0
_PORTS = {"http": 80, "https": 443}


class Stopped(FeedError):
    """A request that was cut short, or not begun, because the client is closed."""


class ForbiddenAddress(FeedError):
    """An address that may not be connected to."""


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


class _Flight:
    """One request under way: what must be cut to end it from another thread."""

    def __init__(self, limit_s: float) -> None:
        self.deadline_s = steady_s() + limit_s
        self.is_late = self.is_cut = False
        self.found = threading.Event()
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._guard = threading.Timer(limit_s, self._expire)
        self._guard.name, self._guard.daemon = "backfill-guard", True

    def __enter__(self) -> _Flight:
        self._guard.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._guard.cancel()

    @property
    def left_s(self) -> float:
        return max(0.05, self.deadline_s - steady_s())

    def hold(self, open_socket: socket.socket) -> None:
        """Name the socket that a cut must shut."""
        with self._lock:
            self._socket = open_socket
            if self.is_cut:
                raise ConnectionAbortedError("cut short")

    def cut(self) -> None:
        with self._lock:
            self.is_cut = True
            self.found.set()
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Not the TLS socket's own method: it takes the reader's state away.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _expire(self) -> None:
        self.is_late = True
        self.cut()


class Client:
    """HTTP for public market data. Any thread may ask; `close` ends what is under way.

    Parameters
    ----------
    connect_s, read_s, total_s : float
        Limits for opening a connection, for each read, and for the whole answer.
    most_bytes : int
        Longest body that is read.
    context : ssl.SSLContext, optional
        By default certificates are verified against the system's authorities.
    refused : callable, optional
        Given each address a name has, it returns why not to connect to it, or nothing.
    """

    def __init__(
        self,
        connect_s: float = 5.0,
        read_s: float = 10.0,
        total_s: float = 20.0,
        most_bytes: int = MOST_BYTES,
        context: ssl.SSLContext | None = None,
        refused: Callable[[str], str] = lambda address: "",
    ) -> None:
        self._connect_s = connect_s
        self._read_s = read_s
        self._total_s = total_s
        self._most_bytes = most_bytes
        self._context = context
        self._refused = refused
        self._lock = threading.Lock()
        self._idle: list[tuple[float, tuple[str, str, int], http.client.HTTPConnection]] = []
        self._flights: set[_Flight] = set()
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
        with _Flight(self._total_s) as flight:
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

    def _begin(self, flight: _Flight, host: str) -> None:
        with self._lock:
            if self._closed:
                raise Stopped(f"{host} was not asked: Tandem is stopping")
            self._flights.add(flight)

    def _answer(self, flight: _Flight, call: _Call) -> Answer:
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
        flight: _Flight,
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

    def _body(self, flight: _Flight, response: http.client.HTTPResponse) -> bytes:
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
        self, flight: _Flight, scheme: str, host: str, port: int
    ) -> http.client.HTTPConnection:
        raw = self._connected(flight, host, port)
        if scheme == "http":
            plain = http.client.HTTPConnection(host, port)
            plain.sock = raw
            return plain
        try:
            context = self._context or _verifying()
            secured = context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
        except (OSError, ValueError):
            raw.close()
            raise
        try:
            flight.hold(secured)
            secured.do_handshake()
        except OSError:
            secured.close()
            raise
        connection = http.client.HTTPSConnection(host, port, context=context)
        connection.sock = secured
        return connection

    def _connected(self, flight: _Flight, host: str, port: int) -> socket.socket:
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in _addresses(flight, host, port):
            # Of the address that is connected to: a name may point elsewhere a moment later.
            if reason := self._refused(str(address[0])):
                raise ForbiddenAddress(f"{host} is at {reason}, which is not allowed here")
            trial = socket.socket(family, kind, protocol)
            try:
                trial.settimeout(min(self._connect_s, flight.left_s))
                flight.hold(trial)
                trial.connect(address)
                trial.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                failure = error
                trial.close()
                if flight.is_cut:
                    break
            else:
                return trial
        raise failure

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

    def _explain(self, error: Exception, flight: _Flight, host: str) -> FeedError:
        """Say what a request without an answer met; decided here only."""
        if flight.is_late or isinstance(error, TimeoutError):
            return FeedError(f"{host} did not answer in time")
        if flight.is_cut:
            return Stopped(f"{host} was not waited for: Tandem is stopping")
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


@cache
def _verifying() -> ssl.SSLContext:
    """Return what certificates are verified with; made when it is needed, for it takes a while."""
    return ssl.create_default_context()


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or parts.username is not None or not url.isascii() or not url.isprintable():
        raise FeedError("the address of a venue is not one; check its REST address in the settings")
    return parts


def _addresses(
    flight: _Flight, host: str, port: int
) -> list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]]:
    """Look a name up, for no longer than the request may take.

    The system's resolver cannot be interrupted; where it hangs, its thread is left behind.
    """
    answer: list[object] = []

    def look_up() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)
        flight.found.set()

    threading.Thread(target=look_up, name="backfill-names", daemon=True).start()
    flight.found.wait(flight.left_s)
    if flight.is_cut or not answer:
        raise TimeoutError("the name was not found in time")
    if isinstance(answer[0], OSError):
        raise answer[0]
    if not isinstance(answer[0], list):
        raise socket.gaierror("not a name")
    return answer[0]

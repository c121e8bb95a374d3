"""The one way to a server: its name, all its addresses, a proxy where one is set, and TLS.

Streams and requests both connect here, so that what reaches one reaches the other, and a
certificate that one refuses the other refuses.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import cache
from itertools import zip_longest
from types import TracebackType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from tandem.core.clock import steady_s
from tandem.core.errors import FeedError

_LEAST_S = 0.05
# What a scheme means: the protocol, whether the proxy looks names up, and the usual port.
_PROXY_KINDS = {
    "http": ("http", True, 80),
    "socks4": ("socks4", False, 1080),
    "socks4a": ("socks4", True, 1080),
    # Names are looked up by the proxy: behind one there is often no DNS.
    "socks5": ("socks5", True, 1080),
    "socks5h": ("socks5", True, 1080),
}

Place = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]


class ForbiddenAddress(FeedError):
    """An address that may not be connected to."""


class ProxyFailed(OSError):
    """The proxy of the environment did not connect; the text names it, never its password."""


class Attempt:
    """One try to reach a server, with a deadline, that any thread may cut short.

    Attributes
    ----------
    is_late, is_cut : bool
        It was cut at its deadline; by that or by `cut`.
    """

    def __init__(self, limit_s: float) -> None:
        self.is_late = self.is_cut = False
        self.woken = threading.Event()
        self._deadline_s = steady_s() + limit_s
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._guard = threading.Timer(limit_s, self._expire)
        self._guard.name, self._guard.daemon = "connection-guard", True

    def __enter__(self) -> Attempt:
        self._guard.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._guard.cancel()

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, never less than a twentieth."""
        return max(_LEAST_S, self._deadline_s - steady_s())

    def hold(self, open_socket: socket.socket) -> None:
        """Name the socket that a cut must shut."""
        with self._lock:
            self._socket = open_socket
            if self.is_cut:
                raise ConnectionAbortedError("cut short")

    def cut(self) -> None:
        """End whatever is waited for."""
        with self._lock:
            self.is_cut = True
            self.woken.set()
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Not the TLS socket's own method: it takes the reader's state away.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _expire(self) -> None:
        self.is_late = True
        self.cut()


class Proxy(NamedTuple):
    """A proxy as the environment names it.

    Attributes
    ----------
    kind : str
        The scheme of its address.
    host : str
    port : int
    user, password : str or None
        Never shown.
    """

    kind: str
    host: str
    port: int
    user: str | None
    password: str | None

    @property
    def name(self) -> str:
        """Host and port, for messages."""
        return f"{self.host}:{self.port}"


def proxy_for(host: str, is_secure: bool) -> Proxy | None:
    """Return the proxy that ``https_proxy`` or ``http_proxy``, ``all_proxy`` and ``no_proxy`` set.

    Raises
    ------
    ProxyFailed
        What is set is not the address of a proxy.
    """
    proxies = getproxies_environment()
    url = proxies.get("https" if is_secure else "http") or proxies.get("all", "")
    if not url or proxy_bypass(host):
        return None
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        where, port = parts.hostname or "", parts.port
    except ValueError:
        where, port = "", None
    if not where or parts.scheme not in _PROXY_KINDS:
        raise ProxyFailed("the proxy that the environment sets is not an http or socks address")
    # Signs that addresses keep for themselves are escaped in names and passwords.
    user, password = (unquote(one) if one else None for one in (parts.username, parts.password))
    usual_port = _PROXY_KINDS[parts.scheme][2]
    return Proxy(parts.scheme, where, port or usual_port, user, password)


def connected(
    attempt: Attempt,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    each_s: float,
    refused: Callable[[str], str] | None = None,
) -> socket.socket:
    """Return a connection to a server, over TLS where there is a `context`.

    Parameters
    ----------
    each_s : float
        Longest wait for one address of the name; less where the deadline comes before all of
        them had their turn.
    refused : callable, optional
        Given each address, it returns why not to connect to it, or nothing. No proxy is used
        then: it would look the name up by itself.

    Raises
    ------
    OSError
        Of the last address that was tried; `ProxyFailed` where a proxy is the reason.
    ForbiddenAddress
    """
    proxy = None if refused else proxy_for(host, context is not None)
    raw = (
        _through(attempt, proxy, host, port)
        if proxy
        else _direct(attempt, host, port, each_s, refused)
    )
    if context is None:
        return raw
    try:
        secured = context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError):
        raw.close()
        raise
    try:
        secured.settimeout(attempt.left_s)
        attempt.hold(secured)
        secured.do_handshake()
    except OSError:
        secured.close()
        raise
    return secured


def verifying() -> ssl.SSLContext:
    """Return what certificates are verified with: the system's authorities, or SSL_CERT_FILE's."""
    return _verifying(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _verifying(file: str | None, folder: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # Python 3.13 became stricter and laxer at once; the same certificates serve on all.
    context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    return context


def _through(attempt: Attempt, proxy: Proxy, host: str, port: int) -> socket.socket:
    # Most machines have no proxy.
    from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType
    from python_socks.sync import Proxy as Tunnel

    protocol, looks_up, _ = _PROXY_KINDS[proxy.kind]
    tunnel = Tunnel.create(
        ProxyType[protocol.upper()],
        proxy.host,
        proxy.port,
        proxy.user,
        proxy.password,
        looks_up,
    )
    try:
        opened = tunnel.connect(host, port, timeout=attempt.left_s)
    except ProxyTimeoutError:
        raise ProxyFailed(f"the proxy {proxy.name} did not answer in time") from None
    except ProxyConnectionError:
        raise ProxyFailed(f"nothing answers at the proxy {proxy.name}") from None
    except ProxyError:
        raise ProxyFailed(f"the proxy {proxy.name} did not connect to {host}") from None
    attempt.hold(opened)
    return opened


def _direct(
    attempt: Attempt,
    host: str,
    port: int,
    each_s: float,
    refused: Callable[[str], str] | None,
) -> socket.socket:
    failure: OSError = OSError("no address")
    places = _by_turns(_places(attempt, host, port))
    for left, (family, kind, protocol, _, address) in zip(
        range(len(places), 0, -1), places, strict=True
    ):
        # Of the address that is connected to: a name may point elsewhere a moment later.
        if refused and (reason := refused(str(address[0]))):
            raise ForbiddenAddress(f"{host} is at {reason}, which is not allowed here")
        trial = socket.socket(family, kind, protocol)
        try:
            # An address that is silent leaves time for the others.
            trial.settimeout(min(each_s, max(_LEAST_S, attempt.left_s / left)))
            attempt.hold(trial)
            trial.connect(address)
            trial.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            failure = error
            trial.close()
            if attempt.is_cut:
                break
        else:
            return trial
    raise failure


def _by_turns(places: Sequence[Place]) -> list[Place]:
    """Return addresses with IPv6 and IPv4 by turns, in the system's order otherwise."""
    first = [place for place in places if place[0] == places[0][0]]
    others = [place for place in places if place[0] != places[0][0]]
    return [place for pair in zip_longest(first, others) for place in pair if place is not None]


def _places(attempt: Attempt, host: str, port: int) -> Sequence[Place]:
    """Look a name up, for no longer than the attempt may take.

    The system's resolver cannot be interrupted; where it hangs, its thread is left behind.
    """
    if _is_number(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    answer: list[object] = []

    def look_up() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error)
        attempt.woken.set()

    threading.Thread(target=look_up, name="name-lookup", daemon=True).start()
    attempt.woken.wait(attempt.left_s)
    if attempt.is_cut or not answer:
        raise TimeoutError("the name was not found in time")
    if isinstance(answer[0], OSError):
        raise answer[0]
    if not isinstance(answer[0], list) or not answer[0]:
        raise socket.gaierror("not a name")
    return answer[0]


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

"""Which host names the server answers to: every HTTP and websocket request is checked.

A browser sends a page of a foreign site here when that site's name is pointed at this machine (DNS
rebinding); such a request carries the foreign name. Streamlit checks its websocket only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from tandem.core.addresses import host_of, is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger("tandem.hosts")

_AGENT = "/_stcore/agent/"
_POLICY_VIOLATION = 1008
_REFUSED = (
    "This desk does not answer to the name in your address bar. If it is yours, add the name to "
    "TANDEM_HOSTS and restart it.\n"
)
_MOST_LOGGED = 20


class HostGuard:
    """ASGI middleware that refuses foreign hosts and origins, and Streamlit's agent API.

    What it passes on names the peer as its client, whatever a proxy says.

    Parameters
    ----------
    names : callable
        Returns the host names answered to beside loopback; None for any name.
    """

    def __init__(self, app: ASGIApp, names: Callable[[], Collection[str] | None]) -> None:
        self._app = app
        self._names = names
        self._logged: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        _name_the_peer(scope)
        # It has no rights of its own: whoever speaks to it would be this machine's user.
        if _AGENT in f"{scope['path']}/":
            await _refuse(scope, receive, send, 404, "Not found.\n")
        elif not self._is_own(scope):
            await _refuse(scope, receive, send, 403, _REFUSED)
        else:
            await self._app(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        names = self._names()
        if names is None:
            return True
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        host = hosts[0].decode("latin-1") if len(hosts) == 1 else ""
        origin = origins[0].decode("latin-1") if origins else None
        is_same = origin is None or (len(origins) == 1 and is_own_origin(origin, host, names))
        if is_same and is_own_host(host_of(host), names):
            return True
        if len(self._logged) < _MOST_LOGGED and (host, origin or "") not in self._logged:
            self._logged.add((host, origin or ""))
            log.warning("Refused a request: Host %.80r, Origin %.80r", host, origin)
        return False


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Return whether a host is loopback or among the names given."""
    return bool(host) and (is_loopback(host) or host in names)


def is_own_origin(origin: str, host: str, names: Collection[str]) -> bool:
    """Return whether an origin is the very host that is asked, or among the names given.

    Another port of this machine is another program's page: it may not act on the desk.
    """
    scheme, _, authority = origin.partition("://")
    is_same = authority.lower() == host.lower() or host_of(authority) in names
    return scheme in ("http", "https") and is_same


def _name_the_peer(scope: Scope) -> None:
    """Undo that the server believes any proxy on loopback: TANDEM_TRUSTED_PROXIES decides that.

    It writes what the proxy says in place of the peer's address, with port 0.
    """
    client = scope.get("client")
    if client is not None and client[1] == 0:
        scope["client"] = ("127.0.0.1", 0)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    await PlainTextResponse(text, status)(scope, receive, send)

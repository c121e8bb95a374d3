"""Health over HTTP: ``/livez``, ``/readyz`` and ``/healthz``, for a supervisor or a load balancer.

Whoever may not operate the desk learns only whether all is well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tandem.observability.health import Health

if TYPE_CHECKING:
    from starlette.types import Scope

_OK, _UNAVAILABLE, _NOT_FOUND = 200, 503, 404
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_REASONS: dict[str, Callable[[Health], tuple[str, ...]]] = {
    "livez": lambda health: health.dead,
    "readyz": lambda health: (*health.dead, *health.unready),
    "healthz": lambda health: health.everything,
}


def routes(health: Callable[[], Health], may_read: Callable[[Scope], bool]) -> list[Route]:
    """Return the server's routes.

    Parameters
    ----------
    health : callable
        Asked for every request; never waits.
    may_read : callable
        Returns whether a request is told the reasons.
    """
    found = []
    for name, reasons in _REASONS.items():
        found.append(Route(f"/{name}", _answering(reasons, health, may_read)))
        found.append(Route(f"/{name}/{{rest:path}}", _nothing))
    return found


def _answering(
    reasons: Callable[[Health], tuple[str, ...]],
    health: Callable[[], Health],
    may_read: Callable[[Scope], bool],
) -> Callable[[Request], PlainTextResponse]:
    def answer(request: Request) -> PlainTextResponse:
        wrong = reasons(health())
        lines = ["not ok" if wrong else "ok"]
        if may_read(request.scope):
            lines += wrong
        return PlainTextResponse("\n".join(lines), _UNAVAILABLE if wrong else _OK, _HEADERS)

    return answer


def _nothing(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("Not found.\n", _NOT_FOUND, _HEADERS)

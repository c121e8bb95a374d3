"""A server's routes, asked without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

Answer = tuple[int, dict[str, str], bytes]


def answer(
    routes: Sequence[BaseRoute],
    path: str,
    host: str = "localhost",
    method: str = "GET",
    middleware: Sequence[Middleware] = (),
) -> Answer:
    """Ask for a path as it arrives after the server has decoded it: status, headers, body."""
    app = Starlette(routes=routes, middleware=middleware)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"", "headers": [(b"host", host.encode())], "root_path": ""}
    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:])

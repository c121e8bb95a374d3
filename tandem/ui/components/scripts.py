"""The components' JavaScript and CSS: a browser fetches them once, not with every refresh.

Streamlit sends a component's script with each message about it. Where the server has routes, that
script is one line that imports the real one from an address which changes with its content.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tandem.ui.shared import served

HERE = Path(__file__).parent
# A browser never tries an address again that it could not load once.
_LOADER = """
const address = new URL("app/static/FILE", document.baseURI).href;
let module;
for (const [after, wait] of [["", 300], ["?1", 1000], ["?2", 3000], ["?3", 0]]) {
  try {
    module = await import(address + after);
    break;
  } catch (error) {
    if (!wait) throw error;
    await new Promise((go) => setTimeout(go, wait));
  }
}
export default module.default;
"""
NAMES = ("chart", "ledger", "pulse", "sheet", "toasts", "wall")


def part(name: str, kind: str) -> str:
    """Return a component's html, css or js, as it is in its folder."""
    return (HERE / name / f"{name}.{kind}").read_text(encoding="utf-8")


@cache
def style() -> str:
    """Return the style sheets of all components."""
    return "\n".join(part(name, "css") for name in NAMES)


@cache
def script(name: str) -> str:
    """Return a component's module, with the functions all of them share."""
    return (HERE / "nodes.js").read_text(encoding="utf-8") + part(name, "js")


@cache
def file_name(name: str) -> str:
    """Return what the module is served as; another name whenever it has changed."""
    return f"{name}-{hashlib.sha256(script(name).encode()).hexdigest()[:16]}.js"


def loader(name: str) -> str:
    """Return a module that stands for the served one, wherever the app is mounted."""
    return _LOADER.replace("FILE", file_name(name))


def routes() -> list[Route]:
    """Return the server's route for the modules; a browser never asks twice for one."""
    modules = {file_name(name): script(name) for name in NAMES}

    def module(request: Request) -> Response:
        found = modules.get(request.path_params["file"])
        if found is None:
            raise HTTPException(404)
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(found, media_type="text/javascript", headers=served.HEADERS | kept)

    return [Route(f"{served.BELOW}/{{file}}", module)]

"""Files the browser fetches beside the page: Plotly's script, and exports.

The server has a route for each, so nothing is written where Tandem is installed, no folder is
listed, and no other file can be named. Where Streamlit runs `app.py` as a plain script there are
no routes: then the files lie in `static` beside that script, which Streamlit serves.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

log = logging.getLogger("tandem.served")

# As `tandem.storage.export` names them.
_TOKEN = re.compile(r"[\w-]{20,}", re.ASCII)
_NAME = re.compile(r"tandem-[A-Za-z0-9-]+\.(csv|parquet)")
_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
# Whatever `server.baseUrlPath` says comes before.
BELOW = "/{base:path}app/static"
HEADERS = {"X-Content-Type-Options": "nosniff"}


def plotly() -> Path:
    """Return the script inside the plotly package."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None and spec.submodule_search_locations, "requirements.txt brings plotly"
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


def routes(exports: Callable[[], Path | None]) -> list[Route]:
    """Return the server's routes.

    Parameters
    ----------
    exports : callable
        Returns the folder exports are written into; None while nothing runs.
    """

    def script(_request: Request) -> FileResponse:
        return FileResponse(plotly(), media_type="text/javascript", headers=HEADERS)

    def export(request: Request) -> FileResponse:
        folder, token, name = exports(), request.path_params["token"], request.path_params["name"]
        kind = _NAME.fullmatch(name)
        if folder is None or kind is None or _TOKEN.fullmatch(token) is None:
            raise HTTPException(404)
        file = folder / token / name
        if not file.is_file() or file.is_symlink() or file.parent.is_symlink():
            raise HTTPException(404)
        headers = HEADERS | {"Cache-Control": "no-store"}
        return FileResponse(file, media_type=_TYPES[kind[1]], filename=name, headers=headers)

    return [
        Route(f"{BELOW}/plotly.min.js", script),
        Route(f"{BELOW}/exports/{{token}}/{{name}}", export),
    ]


def copy_plotly(folder: Path) -> None:
    """Put Plotly's script where Streamlit's static serving finds it: the way without routes."""
    source, target = plotly(), folder / "plotly.min.js"
    try:
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    except OSError as error:
        log.error("Charts cannot be drawn: %s cannot be written (%s).", target, error.strerror)

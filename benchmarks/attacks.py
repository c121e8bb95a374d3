"""What a running app withstands: a table of attacks and results.

python -m benchmarks.attacks                    this checkout
python -m benchmarks.attacks --app /path/to     another one, by the same attacks
python -m benchmarks.attacks --cost             what the checks add to a request
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from tandem.ui.shared.hosts import HostGuard
from tandem.ui.shared.uploads import UploadGuard
from tests.support.app_process import running_app
from tests.support.attacks import ATTACKS, SERVERS
from tests.support.paths import ROOT

REQUESTS = 20_000


def known(settings: dict[str, str], root: Path) -> dict[str, str]:
    """Return the settings that a checkout has: an unknown one would keep it from starting."""
    declared = (root / "tandem" / "config.py").read_text(encoding="utf-8")
    own = {name: f"    {name.removeprefix('TANDEM_').lower()}: " for name in settings}
    return {name: value for name, value in settings.items() if own[name] in declared}


def table(root: Path) -> None:
    """Attack the app of a checkout and print the table."""
    sys.stdout.write("| desk | attack | result | withstood |\n|---|---|---|---|\n")
    for server, settings in SERVERS.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            running_app(Path(folder), known(dict(settings), root), root=root) as app,
        ):
            for attack in (one for one in ATTACKS if one.server == server):
                held, text = attack.run(app)
                row = f"| {server} | {attack.text} | {text} | {'yes' if held else '**no**'} |\n"
                sys.stdout.write(row)


def cost_us() -> float:
    """Return the microseconds that both checks add to a request."""

    async def answer(_scope: Any, _receive: Any, _send: Any) -> None:
        return

    headers = [(b"host", b"desk.example"), (b"origin", b"https://desk.example")]
    headers += [(f"x-{number}".encode(), b"value") for number in range(15)]
    scope = {"type": "http", "method": "GET", "path": "/_stcore/health", "headers": headers}
    inner = UploadGuard(answer, lambda: None, lambda _scope: 0)
    guarded = HostGuard(inner, lambda: {"desk.example"})

    async def timed(app: Any) -> float:
        start = time.perf_counter()
        for _ in range(REQUESTS):
            await app(scope, answer, answer)
        return (time.perf_counter() - start) / REQUESTS * 1e6

    return asyncio.run(timed(guarded)) - asyncio.run(timed(answer))


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--app", type=Path, default=ROOT, help="folder with the app.py to attack")
    parser.add_argument("--cost", action="store_true", help="measure the checks alone")
    options = parser.parse_args()
    if options.cost:
        sys.stdout.write(f"{cost_us():.1f} us are added to a request\n")
    else:
        table(options.app.absolute())
    sys.stdout.write(f"{describe('streamlit')}\n")


if __name__ == "__main__":
    main()

"""Starts the real app in a process of its own, for browser tests and for benchmarks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.settings import declared

REST_URLS = [name for name in declared() if name.endswith("_rest_url")]


# Limits itself, then becomes the command: the process keeps its number.
_LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class App:
    """A running app: its address, its process and what it printed."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_app(
    folder: Path,
    settings: Mapping[str, str],
    largest_file_bytes: int | None = None,
    root: Path = ROOT,
    arguments: Sequence[str] = (),
) -> Iterator[App]:
    """Run `streamlit run app.py` with settings of its own and a fresh database in `folder`.

    With `largest_file_bytes` no file of the process may grow larger, as on a disk that is full.
    `root` is another checkout to run, `arguments` are Streamlit's.
    """
    port = free_port()
    log = folder / "app.log"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    # No test may ask a real venue for anything.
    environ |= {f"TANDEM_{name.upper()}": "" for name in REST_URLS}
    environ |= {
        "TANDEM_DATABASE": str(folder / "tandem.sqlite"),
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += arguments
    if largest_file_bytes is not None:
        command = [sys.executable, "-c", _LIMITED, str(largest_file_bytes), *command]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=root, env=environ, stdout=output, stderr=output)
    try:
        _wait_until_healthy(f"http://localhost:{port}/_stcore/health", process, log)
        yield App(f"http://localhost:{port}", process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"The app ended at once:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"The app did not answer within a minute:\n{log.read_text()}")


def chromium() -> str | None:
    """Return the browser's path, or None where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    return None

"""Whether what the tests call is compiled already."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from importlib.metadata import version

from tests.support.paths import ROOT

_STAMP = ROOT / "tandem/kernels/__pycache__/compiled_for_tests"
_FOLDERS = ("tandem", "tests/support", "benchmarks")


def _state() -> str:
    """Return what the compiled kernels depend on, as Numba's own cache sees it."""
    files = sorted(path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.py"))
    compiling = (path for path in files if "kernels" in path.read_text(encoding="utf-8"))
    seen = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in compiling]
    return hashlib.sha256(repr((sys.version, version("numba"), seen)).encode()).hexdigest()


def fill() -> None:
    """Compile every kernel in a process of its own, unless that was done for these very files."""
    state = _state()
    if _STAMP.exists() and _STAMP.read_text() == state:
        return
    subprocess.run([sys.executable, "-m", "tests.support.warm_up"], cwd=ROOT, check=True)
    _STAMP.parent.mkdir(exist_ok=True)
    _STAMP.write_text(state)

"""Processes that a test starts to end them."""

from __future__ import annotations

import subprocess
import sys

from tests.support.paths import ROOT


def start_child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a program from the root; its standard input and output are pipes of text."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

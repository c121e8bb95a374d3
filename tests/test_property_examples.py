"""The property tests try the same examples every time, and more and other ones when asked to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

TEST = """
import {module}
from hypothesis import given, settings
from hypothesis import strategies as st

@settings(max_examples=40)
@given(number=st.integers(), price=st.floats())
def test_own_number(number, price):
    print("drawn", number, price)
"""


def drawn(folder: Path, *options: str, module: str = "json", hash_seed: str = "0") -> list[str]:
    """Return what the test draws in a process of its own."""
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_it.py").write_text(TEST.format(module=module), encoding="utf-8")
    # A project's file with constants that nothing else has.
    (folder / "ours.py").write_text("X = [7_777_777, 1234.56789] * 9", encoding="utf-8")
    plugins = ["-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-s", "-q", *plugins, *options, "."]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f".{os.pathsep}{ROOT}"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment.pop("HYPOTHESIS_PROFILE", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "drawn" in line]


@pytest.mark.slow  # four runs of pytest
def test_examples_are_the_same_every_time_and_others_when_fuzzing(tmp_path):
    first = drawn(tmp_path)
    assert len(first) == 40
    again = drawn(tmp_path, "--hypothesis-seed=5", module="ours", hash_seed="1")
    assert again == first
    fuzzed = drawn(tmp_path, "--hypothesis-profile=fuzz", "--hypothesis-seed=5")
    assert len(fuzzed) == 5 * 40 and fuzzed[:40] != first
    searched = drawn(tmp_path, "--hypothesis-profile=search", "--hypothesis-seed=5", module="ours")
    assert searched == fuzzed, "a seed that was searched can be looked at again"

"""The fuzzer keeps to its time, shares it out, and tells how to see a failure again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz import ROOT, fuzz

TESTS = """
import time
from hypothesis import given, settings
from hypothesis import strategies as st

@given(number=st.integers(0, 1_000_000))
def test_fails(number):
    assert number < 1_000

@given(number=st.integers())
def test_passes(number):
    pass

@settings(max_examples=100_000)
@given(data=st.data())
def test_takes_long(data):
    time.sleep(0.01)
    if data.draw(st.booleans()):
        data.draw(st.booleans())
    data.draw(st.integers())

@given(number=st.integers())
def test_will_not_end(number):
    time.sleep(1_000)

def test_without_examples():
    raise AssertionError
"""
FAILS_LATE = """
import time
from hypothesis import given
from hypothesis import strategies as st

@given(number=st.integers())
def test_fails_late(number):
    time.sleep(1.1)
    raise AssertionError("too late")
"""
FAILS = "tests/part/test_it.py::test_fails"
SEED = 1  # what will not end comes last


def folder_of(text: str, root: Path) -> Path:
    (root / "tests" / "part").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", root / "tests")
    (root / "tests" / "part" / "test_it.py").write_text(text, encoding="utf-8")
    return root


@pytest.mark.slow
def test_a_round_keeps_to_its_time_and_tells_what_failed(tmp_path):
    root = folder_of(TESTS, tmp_path)
    done = fuzz(40.0, SEED, root)
    assert 39.0 < done.seconds < 42.0
    assert (done.rounds, done.tests, done.cut) == (1, 3, 1)
    assert done.examples > 5 * 100 + 10
    assert list(done.failures) == [FAILS]
    assert "number=" in done.failures[FAILS].told
    command = done.failures[FAILS].command
    assert command == (
        f".venv/bin/pytest {FAILS} --hypothesis-profile=fuzz --hypothesis-seed={SEED}"
    )
    assert command in str(done) and "test_will_not_end did not end" in str(done)
    again = subprocess.run(
        [sys.executable, "-m", "pytest", *command.split()[1:]],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert again.returncode == 1
    assert "number=1000," in again.stdout, "as small as it gets"


@pytest.mark.slow
def test_a_failure_at_the_end_of_a_share_is_told(tmp_path):
    command = [
        *(sys.executable, "-m", "pytest", "-p", "benchmarks.fuzz_plugin"),
        *("--hypothesis-profile=search", "--hypothesis-seed=1"),
        *("--fuzz-until=0", f"--fuzz-log={tmp_path / 'log'}"),  # the share is the least there is
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    root = folder_of(FAILS_LATE, tmp_path)
    subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=120)
    _, end = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert end["outcome"] == "failed" and "too late" in end["text"]

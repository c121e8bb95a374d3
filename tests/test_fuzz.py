"""The fuzzer keeps to its time, shares it out, and tells how to see a failure again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz import fuzz

TESTS = """
import signal
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
@given(number=st.integers())
def test_takes_long(number):
    time.sleep(0.01)

@given(number=st.integers())
def test_will_not_end(number):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(1_000)

def test_without_examples():
    raise AssertionError
"""
FAILS = "tests/test_it.py::test_fails"
SEED = 1  # what will not end comes last


@pytest.mark.slow
def test_a_round_keeps_to_its_time_and_tells_what_failed(tmp_path):
    root = tmp_path
    (root / "tests").mkdir()
    shutil.copy(Path(__file__).with_name("conftest.py"), root / "tests")
    (root / "tests" / "test_it.py").write_text(TESTS, encoding="utf-8")
    done = fuzz(40.0, SEED, root)
    assert 39.0 < done.seconds < 42.0
    assert (done.rounds, done.tests, done.cut) == (1, 3, 1)
    assert done.examples > 5 * 100 + 10
    assert list(done.failures) == [FAILS]
    assert "number=" in done.failures[FAILS].example
    command = done.failures[FAILS].command
    assert command == (
        f".venv/bin/pytest {FAILS} --hypothesis-profile=fuzz --hypothesis-seed={SEED}"
    )
    assert command in str(done) and "test_will_not_end did not end" in str(done)
    again = subprocess.run(
        [sys.executable, "-m", "pytest", *command.split()[1:]],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert again.returncode == 1
    assert "number=1000," in again.stdout, "as small as it gets"

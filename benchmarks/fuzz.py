"""Tries new examples on every property test until the time is used up, and says what failed.

python -m benchmarks.fuzz [--minutes 10] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# A round is not begun with less: pytest alone takes some of it.
LEAST_S = 10.0
# What pytest gets to write its report before it is ended.
END_S = 2.0
MOST_LINES = 60  # of what a failure says
# The exit code where no test ran; 1 where some failed.
NOTHING_RUN = 2


@dataclass
class Failure:
    """A test that failed, or a whole round: what was said, in which round, with which seed."""

    test: str
    seed: int
    text: str

    @property
    def told(self) -> str:
        """What was wrong and with which example, else the end of what was said."""
        lines = [line[1:].removeprefix("   ") for line in self.text.splitlines() if line[:1] == "E"]
        if not lines:
            return "\n".join(self.text.splitlines()[-MOST_LINES:])
        if len(lines) > MOST_LINES:
            # The last ones say how to have this very example again.
            lines = [*lines[: MOST_LINES // 2], "...", *lines[-MOST_LINES // 2 :]]
        return "\n".join(lines)

    @property
    def command(self) -> str:
        """What finds it again, and makes it as small as it gets."""
        return (
            f".venv/bin/pytest {shlex.quote(self.test)} "
            f"--hypothesis-profile=fuzz --hypothesis-seed={self.seed}"
        )


@dataclass
class Fuzzed:
    """What was tried, and what failed."""

    seed: int
    seconds: float = 0.0
    rounds: int = 0
    tests: int = 0
    cut: int = 0
    examples: int = 0
    unended: str = ""
    failures: dict[str, Failure] = field(default_factory=dict)

    def add(self, seed: int, entries: list[dict[str, Any]]) -> None:
        """Count what a round wrote down."""
        self.rounds += 1
        for entry in entries:
            if "outcome" not in entry:
                continue
            self.tests += 1
            self.cut += entry["outcome"] == "cut"
            self.examples += entry["examples"]
            if entry["outcome"] == "failed":
                failure = Failure(entry["test"], seed, entry["text"])
                self.failures.setdefault(failure.test, failure)

    def __str__(self) -> str:
        """Say it."""
        lines = [
            f"Seed {self.seed}: {self.rounds} rounds in {self.seconds / 60:.1f} minutes, "
            f"{self.tests:,} tests run, {self.cut:,} of them cut short, "
            f"{self.examples:,} examples, {len(self.failures)} tests failed."
        ]
        if self.unended:
            lines.append(f"{self.unended} did not end when its share of the time was used up.")
        for failure in self.failures.values():
            lines += ["", failure.test, failure.told, "", f"    {failure.command}"]
        return "\n".join(lines)


def fuzz(seconds: float, seed: int, root: Path = ROOT) -> Fuzzed:
    """Run rounds of all property tests below `root`, the first with this seed, for so long."""
    begin = time.monotonic()
    until = begin + seconds
    done = Fuzzed(seed)
    files = sorted(root.glob("tests/**/test_*.py"))
    files = [path for path in files if "hypothesis" in path.read_text(encoding="utf-8")]
    while until - time.monotonic() > LEAST_S:
        code, entries, said = _round(root, files, seed, until)
        done.add(seed, entries)
        running = entries[-1]["test"] if entries and "outcome" not in entries[-1] else ""
        if code is None:
            done.unended = running
        elif code not in (0, 1):
            name = running or "tests"
            done.failures[name] = Failure(name, seed, f"{said}\npytest ended with code {code}")
            break
        seed += 1
    done.seconds = time.monotonic() - begin
    return done


def _round(
    root: Path, files: list[Path], seed: int, until: float
) -> tuple[int | None, list[dict[str, Any]], str]:
    """Run all once; return pytest's code (None: ended by us), what was written, what was said."""
    with tempfile.TemporaryDirectory() as folder:
        log, output = Path(folder) / "log", Path(folder) / "output"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "benchmarks.fuzz_plugin", "-m", "hypothesis and not browser"),
            *("--hypothesis-profile=search", f"--hypothesis-seed={seed}"),
            *(f"--fuzz-until={until - END_S}", f"--fuzz-log={log}", *map(str, files)),
        ]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        log.touch()
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=root,
                env=os.environ | {"PYTHONPATH": path},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(max(until - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                code = None
            finally:
                # The session, so that what the tests started ends with them.
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        # The last line may be half written.
        entries = [json.loads(line) for line in re.findall(r"^\{.*\}$", log.read_text(), re.M)]
        said = "\n".join(output.read_text(errors="replace").splitlines()[-MOST_LINES:])
    return code, entries, said


def main() -> None:
    """Fuzz for so many minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first round")
    asked = parser.parse_args()
    # Told to end, it ends the tests too: they run in a session of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended before its time."))
    seed = secrets.randbelow(10**9) if asked.seed is None else asked.seed
    done = fuzz(60.0 * asked.minutes, seed)
    print(done)
    sys.exit(bool(done.failures) if done.tests else NOTHING_RUN)


if __name__ == "__main__":
    main()

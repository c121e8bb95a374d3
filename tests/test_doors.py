"""The modules of the root: short, importable from there, and known to nothing in the package."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.paths import ROOT

COMMANDS = {
    "ingest": "tandem.ingest",
    "backtest": "tandem.backtest",
    "scanner": "tandem.scanner",
    "surveillance": "tandem.surveillance",
}
DOORS = {
    **COMMANDS,
    "analytics": "tandem.analytics",
    "storage": "tandem.storage",
    "config": "tandem.venues.settings",
    "app": "tandem.ui.app",
}
MOST_LINES = 20
MOST_ENTRIES, MOST_WITH_DOTS = 26, 30


def imported(path: Path) -> set[str]:
    """Return the first parts of the names a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_nothing_in_the_package_imports_a_door() -> None:
    files = sorted((ROOT / "tandem").rglob("*.py"))
    assert len(files) > 100
    words = re.compile(rf"\b(import|from)\s+({'|'.join(DOORS)})\b")
    for path in files:
        # Few files need to be parsed: those that have such words, be it in a docstring.
        if words.search(path.read_text(encoding="utf-8")):
            assert not imported(path) & set(DOORS), path


def test_every_module_of_the_root_is_a_door() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} == set(DOORS)


@pytest.mark.parametrize("name", DOORS)
def test_a_door_is_short_and_teaches(name: str) -> None:
    text = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    assert len((ast.get_docstring(ast.parse(text)) or "").splitlines()) >= 3


# A process imports the whole package through each of nine doors.
@pytest.mark.slow
def test_each_door_opens_from_the_root() -> None:
    script = f"""
import json, sys
from importlib import import_module
doors = [import_module(name) for name in {list(DOORS)}]
print(json.dumps({{door.__name__: door.__file__ for door in doors}}))
"""
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    files = json.loads(told.stdout.splitlines()[-1])
    assert files == {name: str(ROOT / f"{name}.py") for name in DOORS}


@pytest.mark.parametrize("name", sorted(set(DOORS) - {"app"}))
def test_a_door_has_the_package_s_public_names(name: str) -> None:
    door, package = import_module(name), import_module(DOORS[name])
    assert door.__all__ == package.__all__
    for one in door.__all__:
        assert getattr(door, one) is getattr(package, one)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_door_runs_the_package_s_main(name: str) -> None:
    assert import_module(name).main is import_module(f"{COMMANDS[name]}.cli").main


def test_the_root_is_small() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says what is tracked")
    told = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    entries = {line.partition("/")[0] for line in told.stdout.splitlines()}
    assert len(entries) <= MOST_WITH_DOTS, sorted(entries)
    assert len([one for one in entries if not one.startswith(".")]) <= MOST_ENTRIES

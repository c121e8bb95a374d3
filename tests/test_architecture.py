"""The imports point one way: a part may import only what stands below it in the table."""

import ast
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGE = ROOT / "tandem"

# From the top down. A part imports only parts below it; a folder that is not here fails.
LAYERS = (
    "__main__",
    "cli",
    "ui",
    "engine",
    "surveillance",
    "alerts",
    "pairs",
    "scanner",
    "backtest",
    "ingest",
    "backfill",
    "storage",
    "net",
    "io",
    "strategy",
    "venues",
    "analytics",
    "kernels",
    "config",
    "core",
)
# The only parts that may know these libraries.
OUTSIDE = {
    "streamlit": {"ui"},
    "websocket": {"ingest"},
    "http": {"net"},
    "sqlite3": {"storage"},
    "numba": {"kernels", "io"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in FILES}


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the full names of what a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by a relative name"
            module = str(node.module)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                names.add(inner if inner in MODULES else module)
    return frozenset(names)


def part_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"tandem"}))
def test_imports_point_down(name: str) -> None:
    own = part_of(name)
    assert own in LAYERS, f"{own} has no layer: give it one here and a row in the README"
    for module in imported(MODULES[name]) - {"tandem"}:
        if module.split(".")[0] == "tandem" and part_of(module) != own:
            below = LAYERS.index(part_of(module)) > LAYERS.index(own)
            assert below, f"{name} imports {module}, which is not below it"


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"tandem"}))
def test_only_their_owners_know_the_outside_libraries(name: str) -> None:
    for library, owners in OUTSIDE.items():
        known = {module.split(".")[0] for module in imported(MODULES[name])}
        assert library not in known or part_of(name) in owners


# The tests ------------------------------------------------------------------------------

TESTS = ROOT / "tests"
# Folders of the tests that mirror no folder of the package.
OWN_FOLDERS = {"benchmarks", "browser", "support"}


def test_the_tests_lie_as_the_package_does() -> None:
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("*.py")}
    for folder in folders:
        mirrors = (PACKAGE / folder).is_dir() or folder.parts[0] in OWN_FOLDERS
        assert mirrors, f"tests/{folder} mirrors no folder of the package"


def test_no_test_module_imports_another() -> None:
    for path in TESTS.rglob("*.py"):
        for module in imported(path):
            if module.split(".")[0] == "tests":
                assert module.startswith("tests.support"), f"{path} imports {module}"


def test_the_folders_of_tests_hide_nothing() -> None:
    assert not list(TESTS.rglob("__init__.py"))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["pytest"]["ini_options"]["pythonpath"] == ["."]
    assert list(sys.modules["tests"].__path__) == [str(TESTS)]

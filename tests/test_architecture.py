"""The imports point one way: a part may import only what stands below it in the table."""

import sys
import tomllib
from graphlib import TopologicalSorter

from tests.support.architecture import LAYERS, MODULES, PACKAGE, imported, part_of
from tests.support.paths import ROOT

# The only parts that may know these libraries.
OUTSIDE = {
    "streamlit": {"ui"},
    "websocket": {"ingest"},
    "http": {"net"},
    "sqlite3": {"storage"},
    "numba": {"kernels", "io"},
}


def test_every_part_has_its_layer() -> None:
    missing = {part_of(name) for name in MODULES if name != "tandem"} - set(LAYERS)
    assert not missing, f"give {missing} a layer in tests/support/architecture.py"


def test_imports_point_down() -> None:
    wrong = [
        f"{name} imports {module}, which is not below it"
        for name, path in MODULES.items()
        for module in (imported(path) if name != "tandem" else ())
        if module.startswith("tandem.")
        and part_of(module) != part_of(name)
        and LAYERS.index(part_of(module)) < LAYERS.index(part_of(name))
    ]
    assert not wrong, "\n".join(wrong)


def test_only_their_owners_know_the_outside_libraries() -> None:
    wrong = [
        f"{name} imports {library}"
        for name, path in MODULES.items()
        for library in OUTSIDE.keys() & {module.split(".")[0] for module in imported(path)}
        if part_of(name) not in OUTSIDE[library]
    ]
    assert not wrong, "\n".join(wrong)


LONGEST_CHAIN = 14


def test_no_chain_of_imports_is_long_and_none_is_a_circle() -> None:
    """Every import counts, wherever it stands, and so does the entry point at its beginning."""
    doors = {path.stem: path for path in ROOT.glob("*.py")}
    files = doors | MODULES

    below = {name: imported(path) & MODULES.keys() for name, path in files.items()}
    chains: dict[str, tuple[str, ...]] = {}
    for name in TopologicalSorter(below).static_order():  # CycleError names a circle
        beyond = max((chains[module] for module in below[name]), key=len, default=())
        chains[name] = (name, *beyond)
    chain = max(chains.values(), key=len)
    assert len(chain) <= LONGEST_CHAIN, " -> ".join(chain)


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

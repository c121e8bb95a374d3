"""The parts of the package from the top down, and what imports what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
    "observability",
    "config",
    "core",
)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def mentioning(*words: str) -> dict[str, Path]:
    """Return the modules whose text has one of these words: only they need to be parsed."""
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    return {
        name: MODULES[name] for name, text in texts.items() if any(word in text for word in words)
    }


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _statements(path: Path) -> Iterator[ast.stmt]:
    """Yield every statement of a file, wherever in it it stands; expressions hold no imports."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, name, ())


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the full names of what a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in _statements(path):
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


def uses() -> dict[str, frozenset[str]]:
    """Return for each part the other parts it imports."""
    found: dict[str, set[str]] = {part: set() for part in LAYERS}
    for name, path in MODULES.items():
        for module in imported(path) if name != "tandem" else ():
            if module.startswith("tandem.") and part_of(module) != part_of(name):
                found[part_of(name)].add(part_of(module))
    return {part: frozenset(others) for part, others in found.items()}


def nearest(graph: dict[str, frozenset[str]]) -> dict[str, list[str]]:
    """Leave out of an acyclic graph the arrows that a longer way implies."""

    @cache
    def below(part: str) -> frozenset[str]:
        return graph[part].union(*map(below, graph[part]))

    return {
        part: sorted(others - frozenset().union(*map(below, others)), key=list(graph).index)
        for part, others in graph.items()
    }

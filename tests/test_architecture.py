"""The imports point one way: each module may import only what the table of its layer allows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = [
    {"market", "rows", "lifeline", "heap"},
    {"config", "bars", "funding", "kernels", "backtest_kernel", "feeds"},
    {"analytics", "storage", "recorder", "catalogue"},
    {"trading", "tables"},
    {"backtest", "scanning", "scanner"},
    {"ingest", "pair", "backfill"},
    {"alerting", "alerts", "surveilling", "surveillance"},
    {
        "desk",
        "universe",
        "upkeep",
        "relation",
        "cost",
        "exporting",
        "importing",
        "holdings",
        "standing",
        "sessions",
    },
    {"learning", "lookout", "snapshot"},
    {"engine"},
    {"ui"},
    {"app"},
]
OURS = set().union(*LAYERS)
# Modules that must not know each other although their layers would allow it.
FORBIDDEN = {
    "feeds": {"config", "storage", "bars"},
    "storage": {"config", "feeds", "analytics"},
    "analytics": {"storage", "config", "bars", "feeds"},
    "kernels": {"market", "bars", "config"},
    "backtest": {"storage", "config"},
    "trading": {"storage", "config"},
    "tables": {"storage", "config"},
    "scanning": {"storage", "config", "backtest"},
    "recorder": {"analytics", "bars"},
    "catalogue": {"storage", "config", "bars"},
    "backfill": {"analytics", "recorder", "ingest", "pair"},
    "pair": {"storage", "ingest", "config", "feeds"},
    "alerting": {"analytics", "feeds", "surveilling", "surveillance"},
    "surveilling": {"alerts"},
}
OUTSIDE = {
    "streamlit": {"app", "ui"},
    "websocket": {"recorder"},
    "http": {"backfill"},
    "sqlite3": {"storage"},
    "numba": {"kernels", "backtest_kernel", "tables"},
}


def modules() -> list[Path]:
    own = [*ROOT.glob("*.py")]
    for folder in (
        "feeds",
        "ui",
        "kernels",
        "backtest_kernel",
        "analytics",
        "storage",
        "tables",
        "recorder",
        "trading",
        "scanning",
        "backfill",
        "alerting",
        "surveilling",
        "universe",
    ):
        own += (ROOT / folder).rglob("*.py")
    return own


def top(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def layer(name: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if name in names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    own = top(path)
    assert own in OURS, f"{own} has no layer: give it one here and a row in the README"
    for name in (imported(path) & OURS) - {own}:
        assert layer(name) <= layer(own), f"{own} imports {name}, which is above it"
        assert name not in FORBIDDEN.get(own, set()), f"{own} must not know {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_their_owners_know_the_outside_libraries(path: Path) -> None:
    for library, owners in OUTSIDE.items():
        assert library not in imported(path) or top(path) in owners


def test_app_is_short() -> None:
    assert len((ROOT / "app.py").read_text().splitlines()) < 60

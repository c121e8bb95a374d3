"""Documents, docstrings and comments name only files, modules and commands that exist."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tandem.cli import COMMANDS
from tests.support.architecture import LAYERS
from tests.support.paths import ROOT
from tests.support.written import DOCUMENTS, Passage, passages

PARTS = {path.stem for path in (ROOT / "tandem").iterdir() if not path.stem.startswith("_")}
DOORS = {path.stem for path in ROOT.glob("*.py")}
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {".git", ".venv"}
# Modules and folders that stood at the root once.
RETIRED_FOLDERS = (
    *("alerting", "backtest_kernel", "feeds", "recorder", "scanning", "surveilling", "tables"),
    *("trading", "universe"),
)
# Words that no value is called by either.
_UNLIKE_VALUES = (
    *("catalogue", "desk", "exporting", "heap", "holdings", "importing", "learning", "lifeline"),
    *("lookout", "market", "standing", "upkeep"),
)
RETIRED_MODULES = (
    *_UNLIKE_VALUES,
    *("alerts", "bars", "cost", "engine", "funding", "pair", "relation", "rows", "sessions"),
    "snapshot",
)
# What a dotted name cannot begin with.
RETIRED = {*RETIRED_FOLDERS, *_UNLIKE_VALUES}
_PATH = re.compile(r"\.?[\w<>*-]+(?:[./][\w<>*-]+)*/?")
_TEXT_FILE = (".py", ".md", ".toml", ".yaml", ".yml")
_DOTTED = re.compile(r"([a-z_]\w*)((?:\.[A-Za-z_]\w*)+)(?:\(.*\))?")
_OLD_PATH = re.compile(
    rf"(?<![\w/.-])(?:(?:{'|'.join(RETIRED_FOLDERS)})/|"
    rf"(?:{'|'.join(RETIRED_MODULES)})\.py\b)"
)


@cache
def exists(path: str) -> bool:
    pattern = re.sub(r"<\w+>", "*", path.rstrip("/"))
    return any(ROOT.glob(pattern)) if "*" in pattern else (ROOT / pattern).exists()


@cache
def own_names(path: Path) -> frozenset[str]:
    """Return what a module itself defines or imports."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names = {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for node in body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
        for found in ast.walk(node) if isinstance(node, ast.Assign | ast.AnnAssign) else ():
            if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store):
                names.add(found.id)
    return frozenset(names)


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return what can be had from a module: what it defines, imports, or assigns anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return frozenset(names)


def is_there(dotted: str) -> bool:
    """Return whether a module has this name, or what it defines has."""
    first, *rest = dotted.split(".")
    place = ROOT / first
    for index, name in enumerate(rest):
        if (place / name).is_dir() or (place / f"{name}.py").exists():
            place = place / name
            continue
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if not file.exists() or name not in own_names(file):
            return False
        return set(rest[index + 1 :]) <= names_in(file) | deeper(file)
    return place.is_dir() or place.with_suffix(".py").exists()


@cache
def deeper(file: Path) -> frozenset[str]:
    """Return the names of modules that a package takes its own from."""
    if file.name != "__init__.py":
        return frozenset()
    taken = [
        ROOT.joinpath(*str(node.module).split(".")).with_suffix(".py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
    ]
    return frozenset(name for path in taken if path.exists() for name in names_in(path))


def wrong_path(span: str) -> bool:
    if not _PATH.fullmatch(span):
        return False
    first, slash, _ = span.partition("/")
    if slash:
        ours = FOLDERS | PARTS | {*RETIRED_FOLDERS}
        return first in ours and not exists(span)
    return span.endswith(_TEXT_FILE) and not exists(span)


def wrong_name(span: str) -> bool:
    match = _DOTTED.fullmatch(span)
    if match is None or span.endswith(_TEXT_FILE) or _is_data(span):
        return False
    first, rest = match[1], match[2]
    if first in RETIRED:
        return True
    if first in {"tandem", "tests", "benchmarks"}:
        return not is_there(first + rest)
    if first in PARTS | DOORS:
        return not is_there({"app": "tandem.ui.app"}.get(first, f"tandem.{first}") + rest)
    return False


def _is_data(span: str) -> bool:
    return span.endswith((".csv", ".sqlite", ".parquet", ".json", ".png", ".svg"))


def wrong_commands(passage: Passage) -> list[str]:
    """Return what a passage tells people to type that cannot be typed."""
    found = [
        f"python -m {module}"
        for module in re.findall(r"python -m ((?:tandem|benchmarks|tests)[\w.]*)", passage.text)
        if not runs(module.rstrip("."))
    ]
    found += [
        f"python {file}"
        for file in re.findall(r"python ([\w/]+\.py)", passage.text)
        if not (exists(file) or exists(f"benchmarks/{file}"))
    ]
    for line in passage.lines:
        found += [line for path in re.findall(r"tests/[\w/.<>]+", line) if not exists(path)]
        found += wrong_words(line)
    return found


def runs(module: str) -> bool:
    place = ROOT.joinpath(*module.split("."))
    return (place / "__main__.py").exists() or place.with_suffix(".py").exists()


def wrong_words(line: str) -> list[str]:
    """Return the line if it calls a target, subcommand, option or marker that is not there."""
    if match := re.match(r"make (\w+)", line):
        return [] if match[1] in targets() else [line]
    if match := re.match(r"(?:python -m )?tandem ([a-z]\w*)(.*)", line):
        command = COMMANDS.get(match[1])
        return [] if command and takes(command.module, match[2]) else [line]
    if match := re.match(r"python -m (benchmarks[\w.]*)(.*)", line):
        return [] if takes(match[1], match[2]) else [line]
    if match := re.match(r"python (ingest|backtest|scanner|surveillance)\.py(.*)", line):
        return [] if takes(f"tandem.{match[1]}.cli", match[2]) else [line]
    if line.startswith("pytest "):
        known = markers()
        return [line for marker in re.findall(r"-m (\w+)", line) if marker not in known][:1]
    return []


def takes(module: str, arguments: str) -> bool:
    """Return whether a command's module declares every option it is given."""
    place = ROOT.joinpath(*module.split("."))
    file = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    options = re.findall(r"(?<!\S)--[a-z][a-z_-]*", arguments)
    # `--help` and `--version` are every command's.
    return all(
        f'"{option}"' in text or f'"{option[2:]}"' in text
        for option in options
        if option not in ("--help", "--version")
    )


@cache
def targets() -> frozenset[str]:
    return frozenset(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def markers() -> frozenset[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["pytest"]["ini_options"]["markers"]
    return frozenset(entry.partition(":")[0] for entry in listed)


def listing(wrong: list[tuple[Passage, str]]) -> str:
    return "\n".join(f"{passage.place}: {what}" for passage, what in wrong)


def test_every_path_named_exists() -> None:
    wrong = [(one, span) for one in passages() for span in one.spans if wrong_path(span)]
    assert not wrong, listing(wrong)


def test_every_dotted_name_exists() -> None:
    wrong = [(one, span) for one in passages() for span in one.spans if wrong_name(span)]
    assert not wrong, listing(wrong)


def test_nothing_names_what_has_moved() -> None:
    wrong = [(one, old) for one in passages() for old in _OLD_PATH.findall(one.text)]
    assert not wrong, listing(wrong)


def test_every_command_can_be_typed() -> None:
    wrong = [(one, line) for one in passages() for line in wrong_commands(one)]
    assert not wrong, listing(wrong)


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for name, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#]*)#?([^)]*)\)", text):
            target = document.parent / name if name else document
            assert target.exists(), f"{document.name}: {name}"
            assert not anchor or anchor in anchors(target), f"{document.name}: {name}#{anchor}"


def test_every_picture_is_shown_or_drawn_from() -> None:
    written = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    written.append((ROOT / "benchmarks/architecture.py").read_text(encoding="utf-8"))
    for picture in (ROOT / "docs/pictures").iterdir():
        assert any(picture.name in text for text in written), picture.name


def anchors(document: Path) -> set[str]:
    """Return what a link can name in a document, as GitHub makes it of each heading."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_architecture_has_a_row_for_every_part_from_the_top_down() -> None:
    text = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `tandem/(\w+)(?:\.py|/)`", text, re.MULTILINE)
    assert rows == [part for part in LAYERS if part != "__main__"]


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name = re.split(r"[<>=]", line)[0]
        assert re.search(rf"\b{re.escape(name)}\b", text.partition("## Dependencies")[2]), name


@pytest.mark.parametrize(
    "text",
    [
        "see `feeds/binance.py`",
        "see ``tandem/venues/nowhere.py``",
        "`kernels/ols.py` has it",
        "`cards.py` has it",
        "the tests in `tests/nowhere/`",
        "`docs/NOWHERE.md`",
        "`tandem/<name>/nowhere.py`",
    ],
)
def test_a_path_that_is_not_there_is_found(text: str) -> None:
    assert any(map(wrong_path, Passage("", text).spans))


@pytest.mark.parametrize(
    "name",
    [
        "tandem.backtest.nowhere",
        "backtest.nowhere",
        "storage.keep.Policy",
        "trading.Trader",
        "market.DataError",
        "tandem.core.errors.NoError",
        "kernels.performance.nothing",
        "tests.support.nowhere",
    ],
)
def test_a_name_that_is_not_there_is_found(name: str) -> None:
    assert wrong_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "tandem.core.errors.DataError",
        "tandem.backtest.run",
        "kernels.performance.measure",
        "analytics.engle_granger(y, x)",
        "storage.Store",
        "tandem.storage.store.Store.submit",
    ],
)
def test_a_name_that_is_there_passes(name: str) -> None:
    assert not wrong_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "`make nothing`",
        "`python -m benchmarks.nothing`",
        "`python -m benchmarks.size --nothing`",
        "`python -m tandem nothing`",
        "`tandem nothing`",
        "`tandem backtest --nothing`",
        "`python scanner.py prices.csv --nothing`",
        "`python nothing.py`",
        "`pytest tests/nothing.py`",
        "`pytest -m nothing`",
        "Say:\n\n    make nothing\n",
    ],
)
def test_a_command_that_is_not_there_is_found(text: str) -> None:
    assert wrong_commands(Passage("", text))


def test_a_file_that_has_moved_is_found_without_backticks_too() -> None:
    assert _OLD_PATH.findall("look into lookout.py, or into feeds/rest/okx.py")
    assert not _OLD_PATH.findall("tandem/kernels/trading/machine.py and tandem/core/bars.py")

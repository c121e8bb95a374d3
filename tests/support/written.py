"""What is written for people: documents, docstrings, comments, and the texts of the package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

DOCUMENTS = sorted(
    path for folder in ("", "docs", ".github") for path in (ROOT / folder).glob("*.md")
)
CODE = sorted(ROOT.glob("*.py")) + sorted(
    path for folder in ("tandem", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
OTHERS = [
    *(ROOT / name for name in ("Makefile", "pyproject.toml", ".ci/run", ".env.example")),
    *sorted((ROOT / "examples").glob("*.yaml")),
    *sorted((ROOT / "deploy/systemd").iterdir()),
    *sorted((ROOT / ".github/workflows").glob("*.yml")),
]
_COMMENT = re.compile(r"(?:^\s*|  )# ?(.*)$")
_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)([^`]+)\1(?!`)")


class Passage(NamedTuple):
    """A paragraph, docstring, block of comments or string, and where it begins."""

    place: str
    text: str

    @property
    def spans(self) -> list[str]:
        """What stands between backticks, on one line each."""
        return [" ".join(span.split()) for _, span in _SPAN.findall(self.text)]

    @property
    def lines(self) -> list[str]:
        """The spans, lines that are indented as code is, and those that begin as a command."""
        indented = re.findall(r"^(?: {4,}|(?=python -m ))(\S.*)$", self.text, re.MULTILINE)
        return [*self.spans, *indented]


@cache
def passages() -> tuple[Passage, ...]:
    """Return everything, file by file."""
    found = [passage for path in (*DOCUMENTS, *OTHERS) for passage in _paragraphs(path)]
    return (*found, *(passage for path in CODE for passage in _of_code(path)))


def _passage(path: Path, line: int, text: str) -> Passage:
    return Passage(f"{path.relative_to(ROOT)}:{line}", text)


def _paragraphs(path: Path) -> Iterator[Passage]:
    """Cut a text at its empty lines; what is fenced comes indented."""
    fenced, first, lines = False, 1, []
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], start=1):
        if line.lstrip().startswith("```"):
            fenced, line = not fenced, ""
        if line.strip():
            first = first if lines else number
            lines.append(f"    {line}" if fenced else line)
        elif lines:
            yield _passage(path, first, "\n".join(lines))
            lines = []


def _of_code(path: Path) -> Iterator[Passage]:
    text = path.read_text(encoding="utf-8")
    yield from _comments(path, text)
    # A test's other strings are what it tries.
    docstrings_only = path.is_relative_to(ROOT / "tests")
    for node in ast.walk(ast.parse(text)):
        if docstrings_only and isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ):
            if told := ast.get_docstring(node):
                yield _passage(path, getattr(node, "lineno", 1), told)
        elif not docstrings_only and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _passage(path, node.lineno, node.value)


def _comments(path: Path, text: str) -> Iterator[Passage]:
    """Join comments that follow each other; a string that looks like one passes for one."""
    first, last, lines = 0, -1, []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _COMMENT.search(line) if "#" in line else None
        if match is None:
            continue
        if number != last + 1 and lines:
            yield _passage(path, first, "\n".join(lines))
            lines = []
        first, last = (first if lines else number), number
        lines.append(match[1])
    if lines:
        yield _passage(path, first, "\n".join(lines))

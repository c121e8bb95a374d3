"""No function is written twice: what two places need stands in one that both can reach."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.support.architecture import MODULES

# Shorter ones say no more than their names.
FEWEST_LINES = 4


def body_of(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return what a function does, without its docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def test_no_two_functions_do_the_same_in_the_same_words() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef) or not (body := body_of(node)):
                continue
            if (body[-1].end_lineno or 0) - body[0].lineno + 1 >= FEWEST_LINES:
                said = "\n".join(map(ast.dump, body))
                places[said].append(f"{name}.{node.name}")
    assert [found for found in places.values() if len(found) > 1] == []

"""One set of store protocols: what is asked of a database is written down once."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.support.architecture import MODULES

OWN = "tandem.storage.protocols"
# Below storage: it may not know of it.
BELOW = {"tandem.io.archive"}


def protocols(path: Path) -> Iterator[ast.ClassDef]:
    """Yield the protocol classes of a file."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)) if "Protocol" in text else ():
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases
        ):
            yield node


def methods(node: ast.ClassDef) -> list[str]:
    return [one.name for one in node.body if isinstance(one, ast.FunctionDef)]


def test_no_question_is_written_down_twice() -> None:
    own = Counter(name for one in protocols(MODULES[OWN]) for name in methods(one))
    assert set(own.values()) == {1}
    for module, path in MODULES.items():
        for node in protocols(path) if module not in BELOW | {OWN} else ():
            assert not own.keys() & set(methods(node)), (module, node.name)

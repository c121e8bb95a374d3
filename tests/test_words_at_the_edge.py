"""Nothing decides by the words of a sentence; what happened is a value."""

from __future__ import annotations

import ast
import re

import pytest

from tandem.io.epochs import EPOCHS
from tandem.io.files import read_files
from tandem.io.model import DATE_ORDERS, TIME_UNITS
from tests.support.architecture import MODULES, part_of

PARTS = ("analytics", "strategy", "pairs", "scanner", "backfill", "backtest", "io", "ui")
MADE_OF_WORDS = re.compile(r"[A-Za-z]{2,}[ .,][A-Za-z ]{2,}|[A-Z][a-z]+\.$")


def compared(tree: ast.AST) -> set[str]:
    """Return every text that is compared, searched for or cut at."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found |= texts(node.left, *node.comparators)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("startswith", "endswith", "partition", "split", "find")
        ):
            found |= texts(*node.args)
    return found


def texts(*nodes: ast.AST) -> set[str]:
    return {
        one.value
        for node in nodes
        for one in ([node, *node.elts] if isinstance(node, ast.Tuple | ast.List) else [node])
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def test_no_sentence_is_compared_or_cut() -> None:
    deciding = {
        (name, text)
        for name, path in MODULES.items()
        if "." in name and part_of(name) in PARTS
        for text in compared(ast.parse(path.read_text("utf-8")))
        if MADE_OF_WORDS.search(text)
    }
    assert deciding == {
        # The name of a null, as the command takes it.
        ("tandem.backtest.null_test", "no correction"),
        # So that a feed's own sentence is not said twice: its status has no field for it.
        ("tandem.ui.live.cards", "could not be parsed"),
    }


@pytest.mark.parametrize(
    ("stamp", "unit", "order"),
    [
        ("{:.0f}", "seconds", ""),
        ("31/12/2024 00:{:02.0f}", "", "day first"),
        ("12/31/2024 00:{:02.0f}", "", "month first"),
        ("2024/12/31 00:{:02.0f}", "", "year first"),
        ("2024-12-31 00:{:02.0f}:00", "", ""),
    ],
)
def test_how_times_were_read_is_a_value(stamp: str, unit: str, order: str) -> None:
    first = 1_735_603_200 if unit else 0
    rows = [f"{stamp.format(first + k * (60 if unit else 1))},{100 + k}" for k in range(30)]
    (table,) = read_files("\n".join(["time,close", *rows]).encode(), "prices.csv")
    assert (table.report.time_unit, table.report.date_order) == (unit, order)
    assert unit in ("", *TIME_UNITS) and order in ("", *DATE_ORDERS)
    assert tuple(epoch.unit for epoch in EPOCHS) == TIME_UNITS

"""Phrases that were replaced by the field's standard terms, and the texts they must not be in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.written import DOCUMENTS, Passage

# Whole phrases, in any case; what says it now stands beside it.
RETIRED = {
    "priced in": "vs",
    "X, the hedge": "Hedge leg (X)",
    "with no one here": "in background",
    "without a screen": "headless, background",
    "would buy": "If long: buy",
    "would sell": "If short: sell",
    "is it real": "Cointegration",
    "is it luck": "Significance",
    "do they belong together": "Cointegration",
    "at most left": "Expected edge after costs",
    "paper trades kept": "Average net P&L, last N paper trades",
    "distance of z": "|z| minus entry threshold",
    "the relation has broken": "cointegration break",
    "relation broken": "Cointegration break",
    "back at": "Re-arm level",
    "keep this rule": "Save",
    "who is told": "Notify",
    "what it is about": "Scope",
    "held back": "suppressed",
    "times its cut": "above threshold",
    "far out": "outlier",
    "% a year": "annualised",
    "legs are apart": "Leg divergence threshold",
    "legs apart": "Leg divergence",
    "not understood": "could not be parsed",
    "is understood": "is parsed",
    "fill again": "Retry backfill",
    "filling again": "Retry backfill",
    "what is kept": "Retention",
    "keep so much": "Apply",
    "move aside": "Quarantine",
    "luck alone": "expected by chance",
    "by luck": "by chance",
    "luck would": "expected max Sharpe under H0",
    "hold together": "cointegrated",
    "the same twice": "redundant",
    "later bars": "Out-of-sample",
    "most q": "Max q",
    "least R\u00b2": "Min R\u00b2",
    "half of a deviation is gone": "half-life",
    "in its deviations": "standardised residual",
    "probably above zero": "Probabilistic Sharpe ratio (PSR)",
    "best of as many": "of N zero-skill trials",
    "size X anew": "Rebalance hedge",
    "least value": "Min notional",
    "most of both legs": "Max gross exposure",
    "how it is meant": "Definition",
    "shares of the starting capital": "% of initial capital",
    "starting capital": "initial capital",
    "choose on": "In-sample window",
    "trade the next": "Out-of-sample window",
    "it stands until": "Valid until inputs change",
    "cut by": "Delimiter",
    "the usual is shown": "Using defaults",
    "public desk": "public mode",
    "as many worthless": "of N zero-skill trials",
    "Tandem itself": "an internal error",
    "cries wolf": "false alarms",
    "it is told": "it receives",
    "nothing was kept of it": "no result was kept",
    "let go of": "Delete",
    "switched on": "enabled",
    "in trouble": "error",
    "too large to be true": "exceeds the size limit",
}
_SCREEN = ("*.html", "*.js")


def retired_in(text: str) -> list[str]:
    """Return the retired phrases that a text holds."""
    plain = " ".join(text.split()).casefold()
    return [
        phrase
        for phrase in RETIRED
        if phrase.casefold() in plain
        and re.search(rf"(?<!\w){re.escape(phrase.casefold())}(?!\w)", plain)
    ]


def shown_to_users() -> Iterator[Passage]:
    """Return the package's texts, docstrings and comments aside, the components and documents."""
    for path in sorted((ROOT / "tandem").rglob("*.py")):
        yield from _literals(path)
    for pattern in _SCREEN:
        for path in sorted((ROOT / "tandem").rglob(pattern)):
            yield Passage(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    for path in DOCUMENTS:
        for text in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            yield Passage(str(path.relative_to(ROOT)), text)


def _literals(path: Path) -> Iterator[Passage]:
    """Return a module's strings, those with values in them in one piece."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    others = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    place = path.relative_to(ROOT)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            others |= {id(part) for part in node.values}
            texts = [part.value if isinstance(part, ast.Constant) else "0" for part in node.values]
            yield Passage(f"{place}:{node.lineno}", "".join(map(str, texts)))
        elif isinstance(node, ast.Constant) and id(node) not in others:
            yield Passage(f"{place}:{node.lineno}", str(node.value))

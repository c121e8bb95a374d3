"""The README is short, and every number in it stands in the report it links."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_LINES = 90
REASONS = README.partition("## Why believe it")[2].partition("\n## ")[0].split("\n- ")[1:]


def test_it_is_one_screen_and_a_half_with_one_picture() -> None:
    assert README.count("\n") <= MOST_LINES
    assert README.count("![") == 1


def test_it_links_every_document() -> None:
    linked = set(re.findall(r"\]\((?!http)([^)#]+)", README))
    documents = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    reports = (ROOT / "docs/MEASUREMENTS.md").read_text(encoding="utf-8")
    assert all(
        name in linked or f"]({name.removeprefix('docs/')})" in reports for name in documents
    )


@pytest.mark.parametrize("reason", REASONS, ids=lambda text: text.partition("**")[2][:30])
def test_its_numbers_stand_in_the_reports_it_links(reason: str) -> None:
    reports = [
        (ROOT / name).read_text(encoding="utf-8")
        for name in re.findall(r"\]\((?!http)([^)#]+)", reason)
    ]
    assert reports
    for number in re.findall(r"\*\*([\d.,][^*]*)\*\*", reason):
        assert any(number in report for report in reports), number


def test_the_root_holds_no_other_document_or_picture() -> None:
    found = {path.name for kind in ("md", "png", "svg", "jpg") for path in ROOT.glob(f"*.{kind}")}
    assert found == {"README.md", "CHANGELOG.md", "architecture.png"}

"""The reports say what their benchmarks write: a text that was edited in one place alone fails."""

from __future__ import annotations

import re

import pytest

from benchmarks import __main__ as speeds
from benchmarks import compared, faults, filling, luck, size, surveillance, tables
from tests.support.paths import ROOT

TEMPLATES = {
    "COMPARED.md": [compared.TEXT],
    "FAULTS.md": [faults.HEAD, filling.HEAD, faults.KILLED],
    "FORMATS.md": [tables.TOP, "\n".join(tables.HEAD)],
    "LUCK.md": [luck.PAGE],
    "MEASUREMENTS.md": [speeds.TEXT],
    "SIZE.md": [size.TEXT],
    "SURVEILLANCE.md": [
        "\n".join(lines)
        for lines in (surveillance.HEAD, surveillance.CALM, surveillance.FAST, surveillance.LIFE)
    ],
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_report_is_its_benchmarks_text_with_numbers(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for template in TEMPLATES[name]:
        for passage in re.split(r"\{[^}]*\}", template):
            assert passage in page, passage

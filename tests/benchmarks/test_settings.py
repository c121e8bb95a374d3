"""docs/SETTINGS.md has every setting as the code declares it, and is the only such table."""

from __future__ import annotations

import re

from benchmarks.settings import PAGE, page
from tandem.config import PREFIX
from tests.support.written import DOCUMENTS


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m benchmarks.settings"


def test_settings_are_listed_in_one_document() -> None:
    listed = [
        document
        for document in DOCUMENTS
        if re.search(rf"^\| `{PREFIX}", document.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert listed == [PAGE]

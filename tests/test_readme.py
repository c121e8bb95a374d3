"""The README names only files that exist, and has a reason for every dependency."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_local_file_it_names_exists() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / name).exists(), name


def test_every_dependency_has_its_reason() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = re.split(r"[<>=]", line)[0]
        assert re.search(rf"\b{re.escape(name)}\b", README.partition("## Dependencies")[2]), name

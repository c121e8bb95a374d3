"""The README says what is so: every setting with its default, every file it names."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tandem.config import PREFIX, Settings
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def row(setting: dataclasses.Field) -> str:
    """Return a setting's line of the README's table."""
    text = str(setting.default).replace("|", "/")
    default = f"`{text}`" if text else ""
    return f"| `{PREFIX}{setting.name.upper()}` | {default} | {setting.metadata['text']} |"


@pytest.mark.parametrize("setting", dataclasses.fields(Settings), ids=lambda setting: setting.name)
def test_every_setting_has_its_line(setting: dataclasses.Field) -> None:
    assert row(setting) in README, f"put this line into the README's table:\n{row(setting)}"


def test_every_local_file_it_names_exists() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / name).exists(), name


def test_every_dependency_has_its_reason() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = re.split(r"[<>=]", line)[0]
        assert re.search(rf"\b{re.escape(name)}\b", README.partition("## Dependencies")[2]), name

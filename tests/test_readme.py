"""The README says what is so: every setting with its default, every file it names."""

from __future__ import annotations

import dataclasses
import re

import pytest

from tandem.config import PREFIX, Settings, VenueSetting
from tandem.venues.registry import VENUES
from tests.support.paths import ROOT
from tests.support.settings import declared

README = (ROOT / "README.md").read_text(encoding="utf-8")


SETTINGS = [
    *(
        VenueSetting(one.name, str(one.default), one.metadata["text"])
        for one in dataclasses.fields(Settings)
        if one.metadata
    ),
    *declared().values(),
]


def row(setting: VenueSetting) -> str:
    """Return a setting's line of the README's table."""
    text = setting.default.replace("|", "/")
    default = f"`{text}`" if text else ""
    return f"| `{PREFIX}{setting.name.upper()}` | {default} | {setting.text} |"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_has_its_line(setting: VenueSetting) -> None:
    assert row(setting) in README, f"put this line into the README's table:\n{row(setting)}"


def test_every_venue_is_named() -> None:
    for venue in VENUES.values():
        assert f"`{venue.name}`" in README, venue.name


def test_every_local_file_it_names_exists() -> None:
    for name in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / name).exists(), name


def test_every_dependency_has_its_reason() -> None:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name = re.split(r"[<>=]", line)[0]
        assert re.search(rf"\b{re.escape(name)}\b", README.partition("## Dependencies")[2]), name

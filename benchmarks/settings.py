"""Writes docs/SETTINGS.md from the settings that `tandem/config.py` and the venues declare.

python -m benchmarks.settings [--dry]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

from tandem.config import PREFIX, Settings
from tandem.venues.registry import VENUES
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "SETTINGS.md"

TEXT = """\
# Settings

Written by `python -m benchmarks.settings` from `tandem/config.py` and `tandem/venues/`; `tests/benchmarks/test_settings.py` fails where the two differ.

Settings are read once, at start. Where a name is set in several places the first of these wins:

1. Streamlit secrets (on Community Cloud, those of the app),
2. environment variables,
3. a `.env` file in the working directory, with one `NAME=value` per line (`.env.example` is a start),
4. the defaults below.

Venues: {venues}.

An unknown name is rejected with the nearest known one; so is a value outside its range. Passwords, tokens and addresses that grant access
never appear on a page, in a log message or in an error message.

| setting | default | range | meaning |
|---|---|---|---|
{rows}
"""  # noqa: E501


def row(name: str, default: Any, limits: str, text: str) -> str:
    """Return a setting's line of the table."""
    shown = str(default).replace("|", "/")
    cells = (f"`{PREFIX}{name.upper()}`", f"`{shown}`" if shown else "", limits, text)
    return f"| {' | '.join(cells)} |"


def rows() -> list[str]:
    """Return the lines of all settings: the program's, then each venue's."""
    found = []
    for one in dataclasses.fields(Settings):
        if one.metadata:
            low, high = one.metadata["low"], one.metadata["high"]
            limits = "" if low is None else f"{low:,} to {high:,}"
            found.append(row(one.name, one.default, limits, one.metadata["text"]))
    declared = {one.name: one for venue in VENUES.values() for one in venue.settings}
    return found + [row(one.name, one.default, "", one.text) for one in declared.values()]


def venues() -> str:
    """Return every venue's name and title, as a list in a sentence."""
    return ", ".join(f"`{venue.name}` ({venue.title})" for venue in VENUES.values())


def page() -> str:
    """Return the document as the code has it now."""
    return TEXT.format(rows="\n".join(rows()), venues=venues())


def main() -> None:
    """Write or print the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="print it instead")
    if parser.parse_args().dry:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

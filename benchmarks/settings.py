"""Writes docs/SETTINGS.md from the settings declared in `tandem/config.py`.

python -m benchmarks.settings [--dry]
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

from tandem.config import PREFIX, Settings
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "SETTINGS.md"

TEXT = """\
# Settings

Written by `python -m benchmarks.settings` from `tandem/config.py`; `tests/benchmarks/test_settings.py` fails where the two differ.

Settings are read once, at start. Where a name is set in several places the first of these wins:

1. Streamlit secrets (on Community Cloud, those of the app),
2. environment variables,
3. a `.env` file in the working directory, with one `NAME=value` per line (`.env.example` is a start),
4. the defaults below.

An unknown name is rejected with the nearest known one; so is a value outside its range. Passwords, tokens and addresses that grant access
never appear on a page, in a log message or in an error message.

| setting | default | range | meaning |
|---|---|---|---|
{rows}
"""  # noqa: E501


def row(setting: dataclasses.Field[Any]) -> str:
    """Return a setting's line of the table."""
    default = str(setting.default).replace("|", "/")
    low, high = setting.metadata["low"], setting.metadata["high"]
    cells = (
        f"`{PREFIX}{setting.name.upper()}`",
        f"`{default}`" if default else "",
        "" if low is None else f"{low:,} to {high:,}",
        setting.metadata["text"],
    )
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """Return the document as the code has it now."""
    return TEXT.format(rows="\n".join(map(row, dataclasses.fields(Settings))))


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

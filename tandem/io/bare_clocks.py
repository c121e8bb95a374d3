"""Clocks without colons beside a date: hours, HHMM, HHMMSS or HHMMSSmmm, zeros in front or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

# Hours, HHMM, HHMMSS and HHMMSSmmm.
_DIGITS = (2, 4, 6, 9)


class BareClocks(NamedTuple):
    """How many digits such clocks have in full, and whether they count hours from 1 to 24."""

    digits: int
    are_to_24: bool


def bare_clocks(cells: Sequence[str]) -> BareClocks | None:
    """Return how cells such as 9, 930, 93000 or 093000 are clocks; None where they are none.

    The widest cell tells hours from minutes and seconds; all cells are taken in that way, so that
    none changes places with another.
    """
    if not cells or not all(cell.isascii() and cell.isdigit() for cell in cells):
        return None
    width = max(map(len, cells))
    possible = [digits for digits in _DIGITS if digits >= width]
    for digits in possible[:1] if width <= 2 else possible:
        if all(_is_clock(cell.zfill(digits)) for cell in cells):
            return BareClocks(digits, digits == 2 and any(int(cell) == 24 for cell in cells))
    return None


def clocks_in_full(cells: pd.Series[Any], form: BareClocks) -> pd.Series[Any]:
    """Return such clocks as 09:30:00."""
    full = {cell: _with_colons(str(cell).zfill(form.digits)) for cell in pd.unique(cells)}
    return cells.map(full)


def _is_clock(digits: str) -> bool:
    return int(digits[:2]) <= 24 and int(digits[2:4] or 0) < 60 and int(digits[4:6] or 0) < 60


def _with_colons(digits: str) -> str:
    digits = digits.ljust(4, "0")
    whole = ":".join(digits[place : place + 2] for place in range(0, min(len(digits), 6), 2))
    return f"{whole}.{digits[6:]}" if len(digits) > 6 else whole

"""Every pair of a table, honestly: `python scanner.py prices.csv` scans without a screen.

The code is in `scanning/`; its names can be had from here too.
"""

from __future__ import annotations

from scanning.columns import LeftOut
from scanning.multiple import calibrated_q_values, q_values, spent
from scanning.result import FIGURE_TEXTS, Scan
from scanning.scan import scan
from scanning.settings import DIRECTIONS, ScanSettings

__all__ = [
    "DIRECTIONS",
    "FIGURE_TEXTS",
    "LeftOut",
    "Scan",
    "ScanSettings",
    "calibrated_q_values",
    "q_values",
    "scan",
    "spent",
]

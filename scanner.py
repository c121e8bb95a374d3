"""Every pair of a table, honestly: `python scanner.py prices.csv` scans without a screen.

The code is in `scanning/`; its names can be had from here too.
"""

from __future__ import annotations

from scanning.columns import LeftOut
from scanning.families import Family, clusters, with_families
from scanning.files import read_prices
from scanning.multiple import SPENDINGS, calibrated_q_values, q_values, spent
from scanning.result import FIGURE_TEXTS, Changes, Scan, changes
from scanning.scan import scan
from scanning.settings import DIRECTIONS, ScanSettings
from scanning.surrogates import Noise, calibrated, noise, warm_up
from scanning.survival import LATER_TEXTS, OutOfSample, out_of_sample, persistence

__all__ = [
    "DIRECTIONS",
    "FIGURE_TEXTS",
    "LATER_TEXTS",
    "SPENDINGS",
    "Changes",
    "Family",
    "LeftOut",
    "Noise",
    "OutOfSample",
    "Scan",
    "ScanSettings",
    "calibrated",
    "calibrated_q_values",
    "changes",
    "clusters",
    "noise",
    "out_of_sample",
    "persistence",
    "q_values",
    "read_prices",
    "scan",
    "spent",
    "warm_up",
    "with_families",
]

if __name__ == "__main__":
    import sys

    from scanning.command import main

    sys.exit(main())

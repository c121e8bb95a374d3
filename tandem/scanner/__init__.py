"""Cointegration of every pair, adjusted for multiple testing."""

from tandem.scanner.columns import LeftOut
from tandem.scanner.families import Family, clusters, with_families
from tandem.scanner.files import read_prices
from tandem.scanner.multiple_testing import SPENDINGS, calibrated_q_values, q_values, spent
from tandem.scanner.persistence import LATER_TEXTS, OutOfSample, out_of_sample, persistence
from tandem.scanner.result import FIGURE_TEXTS, Changes, Scan, changes
from tandem.scanner.scan import scan
from tandem.scanner.settings import DIRECTIONS, ScanSettings
from tandem.scanner.surrogates import Noise, calibrated, noise, warm_up

__all__ = [
    "Changes",
    "DIRECTIONS",
    "FIGURE_TEXTS",
    "Family",
    "LATER_TEXTS",
    "LeftOut",
    "Noise",
    "OutOfSample",
    "SPENDINGS",
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

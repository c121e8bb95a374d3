"""What a scan found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.errors import DataError
from tandem.scanner.columns import LeftOut
from tandem.scanner.settings import ScanSettings
from tandem.scanner.tiles import Floats, Ints

By = Literal["q_value", "q_value_any", "p_value", "q_value_noise"]
BYS: tuple[By, ...] = ("q_value", "q_value_any", "p_value", "q_value_noise")


@dataclass(frozen=True, slots=True)
class Scan:
    """Every pair that was tested, the most striking first, and what was not tested and why.

    Attributes
    ----------
    names : tuple of str
        Instruments tested.
    y, x : ndarray of shape (pairs,)
        Places of the legs in `names`.
    figures : dict of ndarray of shape (pairs,)
        By name, see `FIGURE_TEXTS`.
    bars : int
        Rows of the table.
    left_out : tuple of LeftOut
        Instruments that were not tested, and why.
    pairs_left_out : dict of int
        By reason, how many pairs of tested instruments have no statistic.
    same_asset : tuple of (str, str)
        Pairs that are one asset to within rounding, a thousand at most.
    seconds : float
        What the scan took.
    remarks : tuple of LeftOut
        Instruments that were tested though some of their prices count as missing, and why.
    """

    names: tuple[str, ...]
    y: Ints
    x: Ints
    figures: dict[str, Floats] = field(repr=False)
    settings: ScanSettings
    bars: int
    left_out: tuple[LeftOut, ...]
    pairs_left_out: dict[str, int]
    same_asset: tuple[tuple[str, str], ...]
    seconds: float
    remarks: tuple[LeftOut, ...] = ()

    @property
    def tested(self) -> int:
        """Pairs with a statistic."""
        return len(self.y)

    @property
    def expected_by_chance(self) -> float:
        """Pairs that would have a p-value of the level or less, were no pair related."""
        return self.tested * self.settings.level

    def found(self, by: By = "q_value", level: float | None = None) -> npt.NDArray[np.bool_]:
        """Return which pairs are findings at a level (by default that of the settings)."""
        if by not in self.figures:
            known = ", ".join(name for name in BYS if name in self.figures)
            raise DataError(f"{by!r:.20} does not say what a finding is; {known} do.")
        return self.figures[by] <= (self.settings.level if level is None else level)

    def count(self, by: By = "q_value", level: float | None = None) -> int:
        """Return how many findings there are."""
        return int(np.count_nonzero(self.found(by, level)))

    def pairs(self, chosen: npt.NDArray[np.bool_]) -> list[tuple[str, str]]:
        """Return the names of chosen pairs, y first, the most striking first."""
        names = self.names
        return [(names[self.y[k]], names[self.x[k]]) for k in np.flatnonzero(chosen)]

    def table(
        self, top: int | None = None, chosen: npt.NDArray[np.bool_] | None = None
    ) -> pd.DataFrame:
        """Return pairs as a table, the most striking first.

        Parameters
        ----------
        top : int, optional
            The first so many; all if not given.
        chosen : ndarray of bool, optional
            Which pairs, as from `found`; all if not given.
        """
        places = np.arange(self.tested) if chosen is None else np.flatnonzero(chosen)
        places = places[:top]
        names = pd.Index(self.names)
        legs = {
            leg: pd.Categorical.from_codes(codes[places], names)
            for leg, codes in (("y", self.y), ("x", self.x))
        }
        return pd.DataFrame(legs | {name: self.figures[name][places] for name in self.figures})


class Changes(NamedTuple):
    """What became of findings from one scan to the next, as pairs of names, y first."""

    appeared: tuple[tuple[str, str], ...]
    held: tuple[tuple[str, str], ...]
    broke: tuple[tuple[str, str], ...]


def changes(before: Scan, now: Scan, by: By = "q_value", level: float | None = None) -> Changes:
    """Compare the findings of two scans.

    A finding of before that was not tested now (its instrument went stale) counts as broken.

    Parameters
    ----------
    by, level
        What a finding is, as in `Scan.found`; with repeated scans the level `spent` allows.
    """
    return compared(before.pairs(before.found(by)), now.pairs(now.found(by, level)))


def compared(old: Sequence[tuple[str, str]], new: Sequence[tuple[str, str]]) -> Changes:
    """Compare two lists of pairs of names, as `changes` those of two scans."""
    was, is_now = set(old), set(new)
    return Changes(
        tuple(pair for pair in new if pair not in was),
        tuple(pair for pair in new if pair in was),
        tuple(pair for pair in old if pair not in is_now),
    )


# Every figure of a pair, in the order of the table, with what it says.
FIGURE_TEXTS = {
    "statistic": "Engle\u2013Granger t-statistic; more negative is stronger evidence of "
    "cointegration",
    "p_value": "finite-sample p-value, adjusted for the AIC lag search over the default lags",
    "q_value": "smallest FDR at which the pair is a finding (Benjamini\u2013Hochberg); nominal",
    "q_value_any": "the same under arbitrary dependence of the tests (Benjamini\u2013Yekutieli); "
    "nominal",
    "lags": "lagged differences in the ADF regression, selected by AIC",
    "bars": "common bars of both legs, used in the test",
    "alpha": "intercept of the cointegrating regression",
    "beta": "hedge ratio: notional ratio for log prices, unit ratio for raw prices",
    "trend_slope": "trend coefficient per bar; only with trend ct",
    "r_squared": "R\u00b2 of the cointegrating regression",
    "half_life": "half-life of the residual in bars, median-unbiased; infinite if not "
    "mean-reverting",
    "half_life_low": "lower bound of the half-life's 95 % confidence interval",
    "half_life_high": "upper bound of the half-life's 95 % confidence interval",
    "hurst": "Hurst exponent of the residual over 1 to 20 bars; 0.5 for a random walk",
    "correlation": "correlation of the legs' returns",
    "crossings": "sign changes of the residual",
    "crossings_per_day": "sign changes of the residual in 24 hours of bars",
    "spread_volatility": "standard deviation of the residual, in bp of Y-leg notional",
    "cost_bp": "round-trip cost in bp of Y-leg notional",
    "break_even_z": "spread move that covers the round-trip cost, in standard deviations",
    "activity": "share of bars in which the price of the less active leg moved",
}  # fmt: skip

"""One tile of the pair matrix: instruments of one block against those of another.

Everything here is a pure function of arrays, which any process or machine can run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.analytics.critical_values import root_table
from tandem.analytics.engle_granger import most_lags
from tandem.analytics.inputs import SAME_ASSET_R2
from tandem.kernels import scan as kernel
from tandem.scanner.moments import Spectra, cross_products, own_products, spectra

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

# Longest step of Hurst's exponent, as in `analytics.hurst`.
HURST_STEPS = 20
# Of a residual whose hedge was estimated, as in `analytics.half_life`.
QUANTILES = root_table(estimated=True)

# What came of a pair.
TESTED, TOO_FEW, CONSTANT, SAME_ASSET, SINGULAR = range(5)

# What is known of a pair, in this order; the last leg prices are levels of the last common bar.
FIGURES = (
    *("statistic", "lags", "bars", "alpha", "beta", "slope", "r_squared", "root", "hurst"),
    *("correlation", "crossings", "deviation", "last_y", "last_x", "status"),
    *("farthest_root", "nearest_root"),
)
STATISTIC, LAGS, BARS, ALPHA, BETA, SLOPE, R_SQUARED, ROOT, HURST = range(9)
CORRELATION, CROSSINGS, DEVIATION, LAST_Y, LAST_X, STATUS = range(9, 15)
FARTHEST_ROOT, NEAREST_ROOT = 15, 16


class Method(NamedTuple):
    """What a tile has to know of the settings.

    Attributes
    ----------
    terms : int
        0, 1 or 2: nothing, a constant, a constant and a trend are taken out.
    most_lags : int
        Lags AIC may choose among; -1 for the usual number.
    fewest : int
        Bars below which a pair is not tested.
    figures : bool
        False: statistic, lags and the regression only.
    """

    terms: int
    most_lags: int
    fewest: int
    figures: bool

    @property
    def steps(self) -> int:
        """Longest step of Hurst's exponent; 0 without figures."""
        return HURST_STEPS if self.figures else 0

    def lags_for(self, bars: int) -> int:
        """Return how many lags AIC chooses among."""
        usual = most_lags(bars, 0)
        return usual if self.most_lags < 0 else min(self.most_lags, bars // 2 - 1)


class Block(NamedTuple):
    """Some instruments over the same bars, with all that a tile needs of them.

    Attributes
    ----------
    members : ndarray of shape (instruments,)
        Their places in the table.
    levels : ndarray of shape (instruments, bars)
        Without constant and trend, of length one; 0 where nothing is left.
    mean, slope, length, total, last : ndarray of shape (instruments,)
        What was taken out, the length before, the squares about the mean, the last level.
    returns : ndarray of shape (instruments, neighbouring bars)
        Centred, of length one; NaN of an instrument whose returns are all alike.
    spectra : Spectra
        Of the levels' changes.
    own : ndarray of shape (instruments, lags + 1)
    """

    members: Ints
    levels: Floats
    mean: Floats
    slope: Floats
    length: Floats
    total: Floats
    last: Floats
    returns: Floats
    spectra: Spectra
    own: Floats


def make_block(members: Ints, levels: Floats, returns: Floats, method: Method) -> Block:
    """Prepare instruments without gaps.

    Parameters
    ----------
    members : ndarray of shape (instruments,)
    levels : ndarray of shape (instruments, bars)
    returns : ndarray of shape (instruments, neighbouring bars)
    """
    bars = levels.shape[1]
    last, largest = levels[:, -1].copy(), np.abs(levels).max(axis=1)
    first = levels[:, :1]
    mean = (levels - first).mean(axis=1) + first[:, 0] if method.terms else np.zeros(len(levels))
    centred = levels - mean[:, None]
    total, slope = np.einsum("ij,ij->i", centred, centred), np.zeros(len(levels))
    if method.terms > 1:
        bar = np.arange(bars) - (bars - 1) / 2.0
        slope = centred @ bar / (bar @ bar)
        centred -= slope[:, None] * bar
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    length[~(np.abs(centred).max(axis=1) > 1e-14 * largest)] = 0.0
    centred /= np.where(length > 0.0, length, np.inf)[:, None]
    changes = spectra(np.diff(centred, axis=1), max(method.lags_for(bars), method.steps - 1))
    unit = _of_length_one(returns) if method.figures else np.empty((len(levels), 0))
    own = own_products(changes)
    return Block(members, centred, mean, slope, length, total, last, unit, changes, own)


def _of_length_one(returns: Floats) -> Floats:
    if returns.shape[1] < 3:
        return np.full((len(returns), 1), np.nan)
    centred = returns - returns.mean(axis=1, keepdims=True)
    alike = np.ptp(returns, axis=1) == 0.0
    centred[alike] = np.nan
    size: Floats = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    unit: Floats = centred / size[:, None]
    return unit


def scan_blocks(first: Block, second: Block, wanted: Codes, method: Method) -> Floats:
    """Test the wanted pairs of two blocks of the same bars.

    Parameters
    ----------
    wanted : ndarray of shape (instruments of first, instruments of second)
        0: no; 1: the first block's instrument is y; 2: the second's is.

    Returns
    -------
    ndarray of shape (pairs, 2 + figures)
        Places of y and x in the table, then `FIGURES`, in the order of the wanted pairs by row.
    """
    bars = first.levels.shape[1]
    alive = (first.length > 0.0)[:, None] & (second.length > 0.0)
    level = first.levels @ second.levels.T
    products = cross_products(first.spectra, second.spectra)
    answers = np.full((*wanted.shape, kernel.ANSWERS), np.nan)
    kernel.scan_tile(
        first.levels,
        second.levels,
        first.own,
        second.own,
        products,
        level,
        np.where(alive, wanted, 0).astype(np.int8),
        method.lags_for(bars),
        method.steps,
        QUANTILES,
        answers,
    )
    i, j = np.nonzero(wanted)
    forward = wanted[i, j] == kernel.FORWARD
    out = np.full((len(i), 2 + len(FIGURES)), np.nan)
    out[:, 0] = np.where(forward, first.members[i], second.members[j])
    out[:, 1] = np.where(forward, second.members[j], first.members[i])
    figures, found = out[:, 2:], answers[i, j]
    for place, source in _SAME:
        figures[:, place] = found[:, source]
    figures[:, BARS] = bars
    if method.figures:
        figures[:, CORRELATION] = (first.returns @ second.returns.T)[i, j]
    _regression(figures, first, second, i, j, forward, level[i, j], found[:, kernel.RSS])
    _judge(figures, alive[i, j])
    return out


_SAME = (
    (STATISTIC, kernel.STATISTIC),
    (LAGS, kernel.LAGS),
    (ROOT, kernel.ROOT),
    (FARTHEST_ROOT, kernel.FARTHEST_ROOT),
    (NEAREST_ROOT, kernel.NEAREST_ROOT),
    (HURST, kernel.HURST),
    (CROSSINGS, kernel.CROSSINGS),
)


def _regression(
    figures: Floats,
    first: Block,
    second: Block,
    i: Ints,
    j: Ints,
    forward: npt.NDArray[np.bool_],
    level: Floats,
    rss: Floats,
) -> None:
    """Fill the regression in the units of the table."""

    def leg(name: str) -> tuple[Floats, Floats]:
        a, b = getattr(first, name)[i], getattr(second, name)[j]
        return np.where(forward, a, b), np.where(forward, b, a)

    bars = first.levels.shape[1]
    (length_y, length_x), (mean_y, mean_x) = leg("length"), leg("mean")
    (slope_y, slope_x), (total_y, _) = leg("slope"), leg("total")
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = level * length_y / length_x
        figures[:, R_SQUARED] = 1.0 - rss * length_y**2 / total_y
    slope = slope_y - beta * slope_x
    figures[:, BETA], figures[:, SLOPE] = beta, slope
    figures[:, ALPHA] = mean_y - beta * mean_x - slope * (bars + 1) / 2.0
    figures[:, DEVIATION] = np.sqrt(rss / bars) * length_y
    figures[:, LAST_Y], figures[:, LAST_X] = leg("last")


def _judge(figures: Floats, alive: npt.NDArray[np.bool_]) -> None:
    """Say what came of each pair, and blank what means nothing."""
    status = np.full(len(figures), TESTED, np.float64)
    status[np.isnan(figures[:, STATISTIC])] = SINGULAR
    status[figures[:, R_SQUARED] >= SAME_ASSET_R2] = SAME_ASSET
    status[~alive] = CONSTANT
    figures[:, STATUS] = status
    figures[status != TESTED, STATISTIC] = np.nan


def scan_own_bars(levels: Floats, returns: Floats, pairs: Ints, method: Method) -> Floats:
    """Test pairs over the bars each has; as `scan_blocks`, for instruments with gaps of their own.

    Parameters
    ----------
    levels, returns : ndarray of shape (instruments, bars)
        NaN where there is nothing.
    pairs : ndarray of shape (pairs, 2)
        Places of y and of x.
    """
    answers = np.empty((len(pairs), kernel.OWN_ANSWERS))
    kernel.scan_one_by_one(
        levels,
        returns,
        pairs,
        method.terms,
        method.fewest,
        method.most_lags,
        method.steps,
        QUANTILES,
        answers,
    )
    out = np.full((len(pairs), 2 + len(FIGURES)), np.nan)
    out[:, :2] = pairs
    figures = out[:, 2:]
    for place, source in (*_SAME, *_OWN):
        figures[:, place] = answers[:, source]
    figures[:, DEVIATION] = np.sqrt(answers[:, kernel.RSS] / answers[:, kernel.BARS])
    few = figures[:, BARS] < method.fewest
    _judge(figures, ~np.isnan(figures[:, BETA]))
    figures[few, STATUS] = TOO_FEW
    return out


_OWN = (
    (BARS, kernel.BARS),
    (ALPHA, kernel.ALPHA),
    (BETA, kernel.BETA),
    (SLOPE, kernel.SLOPE),
    (R_SQUARED, kernel.R_SQUARED),
    (CORRELATION, kernel.CORRELATION),
    (LAST_Y, kernel.LAST_Y),
    (LAST_X, kernel.LAST_X),
)

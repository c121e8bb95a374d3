"""Noise beside the findings: the same scan of a universe without any relation of levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analytics.inputs import whole
from kernels.universe import rebuild_universe
from market import DataError
from scanning.columns import Columns, columns_of
from scanning.multiple import calibrated_q_values, q_values
from scanning.result import Scan
from scanning.scan import every_pair, pairs_within
from scanning.settings import ScanSettings
from scanning.tiles import STATUS, TESTED, Floats, Ints
from trading.work import UNWATCHED, Watch

MOST_LAGS = 5
MOST_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Noise:
    """What a scan finds where no two instruments are related.

    Attributes
    ----------
    runs : int
    by_p, by_q, by_q_any : ndarray of shape (runs,)
        Findings of each run at the settings' level.
    level : float
    p_values : list of ndarray
        Of each run, in no particular order.
    """

    runs: int
    by_p: Ints
    by_q: Ints
    by_q_any: Ints
    level: float
    p_values: list[Floats] = field(repr=False)

    @property
    def chance_of_any(self) -> float:
        """Share of the runs with a finding by Benjamini and Hochberg."""
        return float(np.mean(self.by_q > 0))


class UniverseSurrogates:
    """Makes universes like a given one in which no levels are related.

    As the backtest's null does for a pair: differences are regressed on their own lags and on the
    market's (the mean of all, each over its deviation), as many as AIC says up to five, and never
    on the distance of levels. The shocks that this leaves get a random sign for each bar, one for
    all instruments: how they move together at every bar, and calm and wild hours, stay as they
    were. Missing prices stay missing; a change over a gap counts at its end.

    Parameters
    ----------
    columns : Columns
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        known = ~np.isnan(columns.levels)
        self._first = np.argmax(known, axis=1)
        filled = _filled(columns.levels, known, self._first)
        self._start = filled[:, 0]
        self._changes = np.diff(filled, axis=1)
        deviation = np.sqrt(np.mean(self._changes**2, axis=1))
        self._weights = 1.0 / (deviation * len(deviation))
        self._fit()

    def _fit(self) -> None:
        changes, bars = self._changes, self._changes.shape[1]
        most = min(MOST_LAGS, bars // 20)
        market = self._weights @ changes
        rows = bars - most
        self._constant = np.zeros(len(changes))
        self._own, self._market = np.zeros((2, len(changes), most))
        self._lags = np.zeros(len(changes), np.int64)
        # A constant, own change 1 bar before, the market's, own 2 bars before, ..., the change.
        design = np.ones((2 + 2 * most, rows))
        for k in range(most):
            design[2 + 2 * k] = market[most - 1 - k : bars - 1 - k]
        for i, own in enumerate(changes):
            for k in range(most):
                design[1 + 2 * k] = own[most - 1 - k : bars - 1 - k]
            design[-1] = own[most:]
            lags, found = _nested(design, rows)
            self._lags[i], self._constant[i] = lags, found[0]
            self._own[i, :lags], self._market[i, :lags] = found[1::2], found[2::2]

    def draw(self, seed: int) -> Columns:
        """Return one surrogate: the same instruments and gaps, other prices."""
        random = np.random.default_rng(seed)
        signs = np.where(random.random(self._changes.shape[1]) < 0.5, -1.0, 1.0)
        drawn = np.empty_like(self._changes)
        rebuild_universe(
            self._changes,
            self._weights,
            self._lags,
            self._constant,
            self._own,
            self._market,
            signs,
            drawn,
        )
        levels = np.empty_like(self._columns.levels)
        levels[:, 0] = self._start
        np.cumsum(drawn, axis=1, out=levels[:, 1:])
        levels[:, 1:] += self._start[:, None]
        levels[np.isnan(self._columns.levels)] = np.nan
        return dataclasses.replace(self._columns, levels=levels, returns=np.diff(levels, axis=1))


def _filled(levels: Floats, known: Any, first: Ints) -> Floats:
    """Carry the last level through gaps, and the first one back to the start."""
    bar = np.arange(levels.shape[1])
    last = np.maximum.accumulate(np.where(known, bar, 0), axis=1)
    last = np.maximum(last, first[:, None])
    filled: Floats = np.take_along_axis(levels, last, axis=1)
    return filled


def _nested(columns: Floats, rows: int) -> tuple[int, Floats]:
    """Regress the last row on a constant and 0, 1, ... pairs of lags; return AIC's choice."""
    gram = columns @ columns.T
    scale = np.sqrt(np.diag(gram))
    factor = np.linalg.cholesky(gram / np.outer(scale, scale) + 1e-12 * np.eye(len(gram)))
    most = (len(columns) - 2) // 2
    squares = np.cumsum(factor[-1, ::-1] ** 2)[::-1]
    # What is left after the constant and k pairs.
    left = squares[1 + 2 * np.arange(most + 1)]
    lags = int(np.argmin(rows * np.log(left) + 4.0 * np.arange(most + 1)))
    size = 1 + 2 * lags
    found: Floats = np.linalg.solve(factor[:size, :size].T, factor[-1, :size])
    return lags, found * scale[-1] / scale[:size]


def noise(
    prices: Any,
    settings: ScanSettings | None = None,
    runs: int = 5,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    names: Any = None,
    seed: int = 0,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
    client: Any = None,
) -> Noise:
    """Scan universes like the given one in which nothing is related.

    Parameters
    ----------
    prices, settings, groups, names, watch, workers, client
        As in `scan`.
    runs : int
        Surrogate universes, each scanned whole.
    seed : int
        The same seed gives the same surrogates.

    Raises
    ------
    DataError, Cancelled
        As `scan`.
    """
    settings = settings or ScanSettings()
    runs = whole(runs, "runs", 1)
    if runs > MOST_RUNS:
        raise DataError(f"{runs:,} noise runs were asked for; {MOST_RUNS:,} are the most.")
    columns = columns_of(prices, settings, names)
    made, allowed = UniverseSurrogates(columns), pairs_within(columns, groups)
    p_values = []
    for run in range(runs):
        part = watch.part(run / runs, (run + 1) / runs)
        drawn = made.draw(seed * MOST_RUNS + run)
        found, _ = every_pair(drawn, settings, False, allowed, part, workers, client)
        p_values.append(found[-1][found[2 + STATUS] == TESTED])
    level = settings.level

    def counts(q: Any) -> Ints:
        return np.array([int(np.count_nonzero(q(values) <= level)) for values in p_values])

    return Noise(
        runs,
        counts(lambda values: values),
        counts(q_values),
        counts(lambda values: q_values(values, any_dependence=True)),
        level,
        p_values,
    )


def calibrated(found: Scan, by_noise: Noise) -> Scan:
    """Return the scan with `q_value_noise`: q-values by what the same scan found on noise."""
    q = calibrated_q_values(found.figures["p_value"], by_noise.p_values)
    figures = {}
    for name, column in found.figures.items():
        figures[name] = column
        if name == "q_value_any":
            figures["q_value_noise"] = q
    return dataclasses.replace(found, figures=figures)

"""Noise beside the findings: the same scan of a universe without any relation of levels."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tandem.analytics.inputs import whole
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.kernels.universe import rebuild_universe
from tandem.scanner.columns import Columns, columns_of
from tandem.scanner.multiple_testing import calibrated_q_values, q_values
from tandem.scanner.result import Scan
from tandem.scanner.scan import every_pair, pairs_within, scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.tiles import STATUS, TESTED, Floats, Ints

MARKET_LAGS = 5
# Seeds of one call's surrogates are apart from those of the next seed's.
MOST_RUNS = 1_000
# Prices put together between two questions of the watch.
CELLS_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Noise:
    """What a scan finds where no two instruments are related.

    Attributes
    ----------
    by_p, by_q, by_q_any : ndarray of shape (runs,)
        Findings of each run at the settings' level.
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

    As the backtest's null does for a pair: differences are regressed on their own lags, as many as
    a test may choose, and on five of the market's (the mean of all, each over its deviation), and
    never on the distance of levels. So many lags because a leg of a true pair is a random walk with
    a slow noise on it, on which the test finds too much against anything; the noise runs must
    find that too. The shocks that this leaves get a random sign for each bar, one for
    all instruments: how they move together at every bar, and calm and wild hours, stay as they
    were. Missing prices stay missing; a change over a gap counts at its end.

    Parameters
    ----------
    watch : Watch
        Asked about cancelling while the regressions are fitted and universes drawn.
    """

    def __init__(self, columns: Columns, watch: Watch = UNWATCHED) -> None:
        nothing = np.empty((0, 0))
        # All but the prices themselves, of which the changes are kept alone.
        self._like = dataclasses.replace(columns, levels=nothing, returns=nothing)
        self._watch = watch
        self._missing = np.isnan(columns.levels)
        filled = _filled(columns.levels, ~self._missing)
        self._start = filled[:, 0].copy()
        self._changes = np.diff(filled, axis=1)
        del filled
        deviation = np.sqrt(np.mean(self._changes**2, axis=1))
        self._weights = 1.0 / (deviation * len(deviation))
        bars = self._changes.shape[1]
        self._fit(min(math.ceil(12.0 * (bars / 100.0) ** 0.25), bars // 20))

    def _fit(self, own_lags: int) -> None:
        changes, bars = self._changes, self._changes.shape[1]
        market_lags = min(MARKET_LAGS, own_lags)
        market, rows = self._weights @ changes, bars - own_lags
        self._constant = np.zeros(len(changes))
        self._own = np.zeros((len(changes), own_lags))
        self._market = np.zeros((len(changes), market_lags))
        # A constant, the market's changes before, the instrument's own, and the change itself.
        design = np.ones((2 + market_lags + own_lags, rows))
        for k in range(market_lags):
            design[1 + k] = market[own_lags - 1 - k : bars - 1 - k]
        for i, own in enumerate(changes):
            self._watch.check()
            for k in range(own_lags):
                design[1 + market_lags + k] = own[own_lags - 1 - k : bars - 1 - k]
            design[-1] = own[own_lags:]
            found = _regress(design)
            self._constant[i] = found[0]
            self._market[i], self._own[i] = found[1 : 1 + market_lags], found[1 + market_lags :]

    def draw(self, seed: int) -> Columns:
        """Return one surrogate: the same instruments and gaps, other prices."""
        random = np.random.default_rng(seed)
        signs = np.where(random.random(self._changes.shape[1]) < 0.5, -1.0, 1.0)
        drawn, bars = np.empty_like(self._changes), self._changes.shape[1]
        markets, step = np.empty((2, bars)), max(CELLS_AT_ONCE // len(drawn), 1)
        for start in range(0, bars, step):
            self._watch.check()
            rebuild_universe(
                self._changes,
                self._weights,
                self._constant,
                self._own,
                self._market,
                signs,
                drawn,
                markets,
                start,
                min(start + step, bars),
            )
        levels = np.empty((len(drawn), bars + 1))
        levels[:, 0] = self._start
        np.cumsum(drawn, axis=1, out=levels[:, 1:])
        # Room for the returns.
        del drawn
        levels[:, 1:] += self._start[:, None]
        levels[self._missing] = np.nan
        return dataclasses.replace(self._like, levels=levels, returns=np.diff(levels, axis=1))


def _filled(levels: Floats, known: Any) -> Floats:
    """Carry the last level through gaps, and the first one back to the start."""
    if known.all():
        return levels
    first = np.argmax(known, axis=1)
    bar = np.arange(levels.shape[1])
    last = np.maximum.accumulate(np.where(known, bar, 0), axis=1)
    last = np.maximum(last, first[:, None])
    filled: Floats = np.take_along_axis(levels, last, axis=1)
    return filled


def _regress(columns: Floats) -> Floats:
    """Regress the last row on the others; one that follows from others gets next to nothing."""
    gram = columns @ columns.T
    scale = np.sqrt(np.diag(gram))
    scale[scale == 0.0] = 1.0
    gram /= np.outer(scale, scale)
    gram[np.diag_indices(len(gram))] += 1e-12
    found: Floats = np.linalg.solve(gram[:-1, :-1], gram[:-1, -1]) * scale[-1] / scale[:-1]
    return found


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
        0 or more; the same seed gives the same surrogates.

    Raises
    ------
    DataError, Cancelled
        As `scan`.
    """
    settings = settings or ScanSettings()
    level, p_values, counts = settings.level, [], []
    given: Any = {"names": names, "seed": seed, "watch": watch, "workers": workers}
    given["client"] = client
    for values in _surrogate_scans(prices, settings, runs, groups, **given):
        p_values.append(values)
        by = (values, q_values(values), q_values(values, any_dependence=True))
        counts.append([int(np.count_nonzero(one <= level)) for one in by])
    by_p, by_q, by_q_any = np.array(counts).T
    return Noise(runs, by_p, by_q, by_q_any, level, p_values)


def least_p_values(
    prices: Any,
    settings: ScanSettings | None = None,
    runs: int = 20,
    *,
    names: Any = None,
    seed: int = 0,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
    most_seconds: float = math.inf,
) -> Floats:
    """Return the smallest p-value of each of some surrogate universes, as `noise` makes them.

    Parameters
    ----------
    prices, settings, names, watch, workers
        As in `scan`.
    runs : int
        Surrogate universes, each scanned whole.
    seed : int
        The same seed gives the same surrogates.
    most_seconds : float
        None is begun later than this; the last may then still take as long as a scan.

    Returns
    -------
    ndarray of shape (surrogates,)
        NaN where nothing of one could be tested; as many as there was time for.

    Raises
    ------
    DataError, Cancelled
        As `scan`.
    """
    given: Any = {"names": names, "seed": seed, "watch": watch, "workers": workers}
    given["most_seconds"] = most_seconds
    found = _surrogate_scans(prices, settings or ScanSettings(), runs, **given)
    least = [float(values.min()) if len(values) else math.nan for values in found]
    return np.array(least)


def _surrogate_scans(
    prices: Any,
    settings: ScanSettings,
    runs: int,
    groups: Mapping[str, Sequence[str]] | None = None,
    *,
    names: Any,
    seed: int,
    watch: Watch,
    workers: int | None,
    client: Any = None,
    most_seconds: float = math.inf,
) -> Iterator[Floats]:
    """Scan one surrogate universe after the other; yield the p-values of its tested pairs."""
    start = time.monotonic()
    runs, seed = whole(runs, "runs", 1), whole(seed, "seed", 0)
    if runs > MOST_RUNS:
        raise DataError(f"{runs:,} surrogate runs were asked for; {MOST_RUNS:,} are the most.")
    columns = columns_of(prices, settings, names, watch)
    made, allowed = UniverseSurrogates(columns, watch), pairs_within(columns, groups)
    del columns
    for run in range(runs):
        if time.monotonic() - start > most_seconds:
            return
        part = watch.part(run / runs, (run + 1) / runs)
        drawn = made.draw(seed * MOST_RUNS + run)
        found, _ = every_pair(drawn, settings, False, allowed, part, workers, client)
        # Before the next universe is drawn beside this one.
        del drawn
        yield found[-1][found[2 + STATUS] == TESTED]


def warm_up() -> None:
    """Compile, or load from the cache, every kernel a scan and its noise runs use."""
    random = np.random.default_rng(0)
    prices = np.exp(np.cumsum(random.normal(0.0, 0.01, (60, 4)), axis=0))
    prices[5, 3] = np.nan
    noise(prices, ScanSettings(fewest_bars=50), 1, workers=1)
    scan(prices, ScanSettings(fewest_bars=50), workers=1)


def calibrated(found: Scan, by_noise: Noise) -> Scan:
    """Return the scan with `q_value_noise`: q-values by what the same scan found on noise."""
    q = calibrated_q_values(found.figures["p_value"], by_noise.p_values)
    figures = {}
    for name, column in found.figures.items():
        figures[name] = column
        if name == "q_value_any":
            figures["q_value_noise"] = q
    return dataclasses.replace(found, figures=figures)

"""Findings that survive: in window after window, and on bars the hedge has not seen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tandem.analytics.engle_granger import adf
from tandem.analytics.inputs import whole
from tandem.analytics.persistence import half_life, zero_crossings
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.scanner.columns import Columns, columns_of
from tandem.scanner.multiple_testing import q_values
from tandem.scanner.result import By, Scan
from tandem.scanner.scan import every_pair, pairs_within, scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.tiles import Floats

MOST_WINDOWS = 100
# Bars of the second part a spread needs to be tested.
FEWEST_LATER = 50


def persistence(
    prices: Any,
    found: Scan,
    windows: int = 5,
    window_bars: int | None = None,
    *,
    by: Literal["p_value", "q_value"] = "p_value",
    groups: Mapping[str, Sequence[str]] | None = None,
    names: Any = None,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
    client: Any = None,
) -> Scan:
    """Say in how many of the last windows each pair would have been found.

    Parameters
    ----------
    prices, groups, names
        What `found` was scanned from.
    windows : int
        Windows, of equal length, spread evenly over the table, the last one ending with it.
    window_bars : int, optional
        Their length; by default half of the table, or a third with more than three of them.
    by : {"p_value", "q_value"}
        What makes a finding of a window, at the level of the scan's settings.

    Returns
    -------
    Scan
        With the figures `held` (windows in which the pair was found) and `windows` (in which both
        legs had bars enough). Windows that overlap tell partly the same.
    """
    windows = whole(windows, "windows", 2)
    if windows > MOST_WINDOWS:
        raise DataError(f"{windows} windows requested; the limit is {MOST_WINDOWS}.")
    settings = found.settings
    columns = _same_columns(prices, found, names, watch)
    allowed, bars = pairs_within(columns, groups), columns.levels.shape[1]
    window_bars = window_bars or bars // (2 if windows <= 3 else 3)
    window_bars = whole(window_bars, "window_bars", settings.fewest_bars)
    if window_bars > bars:
        raise DataError(f"A window of {window_bars:,} bars does not fit into {bars:,}.")
    held, told = np.zeros((2, len(columns.names), len(columns.names)), np.int16)
    for k, start in enumerate(np.linspace(0, bars - window_bars, windows).astype(int)):
        part = watch.part(k / windows, (k + 1) / windows)
        piece = _rows(columns, int(start), int(start) + window_bars)
        raw, _ = every_pair(piece, settings, False, allowed, part, workers, client)
        y, x = np.sort(raw[:2].astype(np.int64), axis=0)
        values = q_values(raw[-1]) if by == "q_value" else raw[-1]
        held[y, x] += values <= settings.level
        told[y, x] += ~np.isnan(values)
    low, high = np.minimum(found.y, found.x), np.maximum(found.y, found.x)
    extra = {"held": held[low, high].astype(float), "windows": told[low, high].astype(float)}
    return dataclasses.replace(found, figures=found.figures | extra)


def _same_columns(prices: Any, found: Scan, names: Any, watch: Watch) -> Columns:
    columns = columns_of(prices, found.settings, names, watch)
    if columns.names != found.names:
        raise DataError("These are not the scanned prices; pass the table the scan was made from.")
    return columns


def _rows(columns: Columns, start: int, stop: int) -> Columns:
    return dataclasses.replace(
        columns,
        levels=np.ascontiguousarray(columns.levels[:, start:stop]),
        returns=np.ascontiguousarray(columns.returns[:, start : stop - 1]),
    )


@dataclass(frozen=True, slots=True)
class OutOfSample:
    """What became of findings on bars that neither the test nor the hedge had seen.

    Attributes
    ----------
    first : Scan
        Of the first part.
    cut : int
        Bars of the first part.
    table : DataFrame
        The findings of the first part, with ``later_`` figures of their spread on the second part,
        the hedge kept: see `LATER_TEXTS`.
    confirmed : int
        Findings whose later spread is stationary at the level.
    control : float
        The same share among pairs drawn from those that were not found; NaN where there were none.
    """

    first: Scan
    cut: int
    table: pd.DataFrame
    confirmed: int
    control: float


LATER_TEXTS = {
    "later_p_value": "Dickey\u2013Fuller p-value of the out-of-sample spread with the in-sample "
    "hedge ratio",
    "later_half_life": "half-life of the out-of-sample spread, in bars",
    "later_volatility": "out-of-sample over in-sample standard deviation of the spread",
    "later_shift": "out-of-sample mean, in in-sample standard deviations",
    "later_crossings": "crossings of its own mean",
}


def out_of_sample(
    prices: Any,
    settings: ScanSettings | None = None,
    split: float = 0.6,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    names: Any = None,
    by: By = "q_value",
    most: int = 200,
    seed: int = 0,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
    client: Any = None,
) -> OutOfSample:
    """Scan the first part of a table and look at the findings' spreads on the rest.

    The hedge is that of the first part, so the plain Dickey-Fuller test of an observed series is
    the right one. As many pairs that were not found, drawn at random, say what chance confirms.

    Parameters
    ----------
    prices, settings, groups, names, watch, workers, client
        As in `scan`.
    split : float
        Share of the bars that makes the first part.
    by : str
        What a finding is.
    most : int
        Findings, and pairs to compare, that are looked at; the most striking first.
    seed : int
        Of the comparison's choice.
    """
    settings = settings or ScanSettings()
    if not 0.0 < split < 1.0:
        raise DataError(f"split is {split!r:.20}; give a share of the bars between 0 and 1.")
    most, seed = whole(most, "most", 1), whole(seed, "seed", 0)
    bars = len(prices)
    cut = int(split * bars)
    if bars - cut < FEWEST_LATER:
        raise DataError(f"{bars - cut} bars come later; {FEWEST_LATER} are needed: split earlier.")
    early = prices[:cut] if isinstance(prices, np.ndarray) else prices.iloc[:cut]
    first = scan(
        early,
        settings,
        groups=groups,
        names=names,
        watch=watch.part(0.0, 0.7),
        workers=workers,
        client=client,
    )
    levels = _levels_like(prices, names, first, watch)
    chosen = first.found(by)
    places = np.flatnonzero(chosen)[:most]
    others = np.flatnonzero(~chosen)
    drawn = np.random.default_rng(seed).choice(others, min(most, len(others)), replace=False)
    looked = watch.part(0.7, 1.0)
    later = []
    for done, place in enumerate([*places, *drawn]):
        looked.check()
        later.append(_later(first, levels, int(place), cut))
        looked.progress(done + 1, len(places) + len(drawn))
    rows = np.array(later).reshape(-1, len(LATER_TEXTS))
    table = first.table().iloc[places].reset_index(drop=True)
    for k, name in enumerate(LATER_TEXTS):
        table[name] = rows[: len(places), k]
    stationary = rows[:, 0] <= settings.level
    control = float(stationary[len(places) :].mean()) if len(drawn) else math.nan
    return OutOfSample(first, cut, table, int(stationary[: len(places)].sum()), control)


def _levels_like(prices: Any, names: Any, first: Scan, watch: Watch) -> Floats:
    """Return levels of all bars, of the instruments the first part's scan tested."""
    lenient = dataclasses.replace(first.settings, stale_bars=len(prices), most_unchanged=1.0)
    columns = columns_of(prices, lenient, names, watch)
    place = {name: k for k, name in enumerate(columns.names)}
    gone = [name for name in first.names if name not in place]
    levels = np.full((len(first.names), len(prices)), np.nan)
    for k, name in enumerate(first.names):
        if name not in gone:
            levels[k] = columns.levels[place[name]]
    return levels


def _later(first: Scan, levels: Floats, place: int, cut: int) -> list[float]:
    """Return the figures of one pair's spread out-of-sample."""
    figures = first.figures
    y, x = levels[first.y[place]], levels[first.x[place]]
    spread = y - figures["alpha"][place] - figures["beta"][place] * x
    if "trend_slope" in figures:
        bar = np.cumsum(np.isfinite(spread))
        spread = spread - figures["trend_slope"][place] * bar
    before, after = spread[:cut], spread[cut:]
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    deviation = float(np.sqrt(np.mean(before**2))) if len(before) else math.nan
    if len(after) < FEWEST_LATER or not np.ptp(after) > 0.0 or not deviation > 0.0:
        return [math.nan] * len(LATER_TEXTS)
    return [
        adf(after).p_value_searched,
        half_life(after, estimated=False).half_life,
        float(after.std()) / deviation,
        float(after.mean()) / deviation,
        float(zero_crossings(after - after.mean())),
    ]

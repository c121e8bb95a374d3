"""The scan: a table in, every pair's test out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.analytics.finite_sample import finite_ps
from tandem.analytics.persistence import bars_to_half
from tandem.analytics.quality import SECONDS_PER_DAY
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.scanner.columns import Columns, columns_of
from tandem.scanner.multiple_testing import q_values
from tandem.scanner.result import Scan
from tandem.scanner.run import make_plan, run_here, run_on_cluster
from tandem.scanner.settings import ScanSettings
from tandem.scanner.tiles import (
    ALPHA,
    BARS,
    BETA,
    CONSTANT,
    CORRELATION,
    CROSSINGS,
    DEVIATION,
    FARTHEST_ROOT,
    HURST,
    LAGS,
    LAST_X,
    LAST_Y,
    NEAREST_ROOT,
    R_SQUARED,
    ROOT,
    SAME_ASSET,
    SINGULAR,
    SLOPE,
    STATISTIC,
    STATUS,
    TESTED,
    TOO_FEW,
    Bools,
    Floats,
    Ints,
    Method,
)

MOST_NAMED = 1_000
REASONS = {
    CONSTANT: "a leg is constant over the bars both have",
    SAME_ASSET: "one asset to within rounding (R2 above 0.9999985)",
    SINGULAR: "the residual follows itself exactly",
}


def scan(
    prices: Any,
    settings: ScanSettings | None = None,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    names: Sequence[str] | None = None,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
    client: Any = None,
) -> Scan:
    """Test every pair of a table for cointegration, and count how many are expected by chance.

    Each pair's result is that of `analytics.engle_granger(y, x)` over the bars both legs have, its
    p-value with AIC's search for lags allowed for. Missing prices stay missing; nothing is filled.

    Parameters
    ----------
    prices : DataFrame or array of shape (bars, instruments)
        Prices, not returns; NaN where there is none.
    groups : mapping of name to instruments, optional
        Only pairs within a group are tested; an instrument may be in several.
    names : sequence of str, optional
        Of an array's columns.
    watch : Watch
        Told of progress, asked about cancelling.
    workers : int, optional
        Threads; by default one per processor.
    client : distributed.Client, optional
        Run the tiles on its cluster instead.

    Raises
    ------
    DataError
        Fewer than two instruments that can be tested, a group that names an unknown one, a table
        too large, or too short for the lags asked for.
    Cancelled
        When the watch says so.
    """
    start = time.perf_counter()
    settings = settings or ScanSettings()
    columns = columns_of(prices, settings, names, watch)
    allowed = pairs_within(columns, groups)
    found, too_few = every_pair(
        columns, settings, allowed=allowed, watch=watch, workers=workers, client=client
    )
    return _result(columns, settings, found, too_few, start)


def every_pair(
    columns: Columns,
    settings: ScanSettings,
    figures: bool = True,
    allowed: Bools | None = None,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
    client: Any = None,
) -> tuple[Floats, int]:
    """Run the tests; return the raw answers (see `run_here`) with a last row of p-values.

    The number beside them is of the pairs left out beforehand for too few common bars.

    Raises
    ------
    DataError
        There are fewer bars than the lags asked for need.
    """
    settings.check_bars(columns.levels.shape[1])
    lags = -1 if settings.max_lags is None else settings.max_lags
    method = Method(settings.terms, lags, settings.bars_needed, figures)
    ways = (False, True) if settings.direction == "both" else (False,)
    found = np.empty((0, 0))
    for k, swap in enumerate(ways):
        made = make_plan(columns, settings.bars_needed, allowed, swap)
        part = watch.part(k / len(ways), (k + 1) / len(ways))
        if client is None:
            answers = run_here(made, columns, method, part, workers)
        else:
            answers = run_on_cluster(made, columns, method, client, part)
        answers[-1] = p_values_of(answers, settings, watch)
        found = answers if k == 0 else _better(found, answers)
    return found, made.too_few


def _better(one: Floats, other: Floats) -> Floats:
    """Return each pair's better direction, its p-value doubled for having looked twice."""
    better = other[-1] < one[-1]
    one[:, better] = other[:, better]
    one[-1] = np.minimum(2.0 * one[-1], 1.0)
    return one


def p_values_of(found: Floats, settings: ScanSettings, watch: Watch = UNWATCHED) -> Floats:
    """Return the p-value of every raw answer, for the bars it has."""
    statistics, bars = found[2 + STATISTIC], found[2 + BARS]
    p_values = np.full(found.shape[1], np.nan)
    # The search was simulated among the default number of lags; elsewhere the plain p stands.
    searched = settings.max_lags is None
    for count in np.unique(bars):
        watch.check()
        same = bars == count
        p_values[same] = finite_ps(statistics[same], settings.trend, 2, int(count), searched)
    return p_values


def pairs_within(columns: Columns, groups: Mapping[str, Sequence[str]] | None) -> Bools | None:
    """Return which pairs share a group; None where there are no groups."""
    if groups is None:
        return None
    place_of = {name: place for place, name in enumerate(columns.names)}
    known = set(place_of) | {name for name, _ in columns.left_out}
    allowed = np.zeros((len(place_of), len(place_of)), np.bool_)
    for group, members in groups.items():
        strange = [name for name in members if name not in known]
        if strange:
            raise DataError(
                f"Group {group!r:.40} names {strange[0]!r:.40}, which the table has no column for."
            )
        places = [place_of[name] for name in members if name in place_of]
        allowed[np.ix_(places, places)] = True
    return allowed


def _result(
    columns: Columns, settings: ScanSettings, found: Floats, too_few: int, start: float
) -> Scan:
    status = found[2 + STATUS]
    reasons = {TOO_FEW: _too_few(settings)} | REASONS
    counts = {code: int(np.count_nonzero(status == code)) for code in reasons}
    counts[TOO_FEW] += too_few
    alike = found[:2, status == SAME_ASSET][:, :MOST_NAMED].astype(np.int64).T
    p_values = found[-1]
    tested = np.flatnonzero(status == TESTED)
    # Where all is alike, by name: the order of the columns changes nothing.
    keys = found[1, tested], found[0, tested], found[2 + STATISTIC, tested], p_values[tested]
    order = tested[np.lexsort(keys)]
    figures = _figures(found[2:-1], p_values, order, columns, settings)
    y, x = (found[leg, order].astype(np.int32) for leg in (0, 1))
    figures["activity"] = np.minimum(columns.activity[y], columns.activity[x])
    return Scan(
        columns.names,
        y,
        x,
        figures,
        settings,
        columns.levels.shape[1],
        columns.left_out,
        {reasons[code]: count for code, count in counts.items() if count},
        tuple((columns.names[y], columns.names[x]) for y, x in alike),
        time.perf_counter() - start,
        columns.remarks,
    )


def _too_few(settings: ScanSettings) -> str:
    """Return why a pair with few common bars is not tested: the lags may need more than asked."""
    needed = settings.bars_needed
    if needed > settings.fewest_bars:
        return f"too few bars in common for {settings.max_lags} lags, which need {needed:,}"
    return "too few bars in common"


def _figures(
    raw: Floats, p_values: Floats, order: Ints, columns: Columns, settings: ScanSettings
) -> dict[str, Floats]:
    """Return what the table shows, in the units it shows."""
    p_values = p_values[order]
    statistic, bars, beta = (raw[row, order] for row in (STATISTIC, BARS, BETA))
    roots = (ROOT, FARTHEST_ROOT, NEAREST_ROOT)
    half_life, half_life_low, half_life_high = (bars_to_half(raw[row, order]) for row in roots)
    deviation = raw[DEVIATION, order]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(beta)
        volatility = deviation * 1e4
        if not settings.log_prices:
            y, x = raw[LAST_Y, order], raw[LAST_X, order]
            ratio, volatility = np.abs(beta * x / y), volatility / np.abs(y)
        cost = _round_trip_bp(settings, ratio)
        days = bars * columns.bar_seconds / SECONDS_PER_DAY
        return {
            "statistic": statistic,
            "p_value": p_values,
            "q_value": q_values(p_values),
            "q_value_any": q_values(p_values, any_dependence=True),
            "lags": raw[LAGS, order],
            "bars": bars,
            "alpha": raw[ALPHA, order],
            "beta": beta,
            **({"trend_slope": raw[SLOPE, order]} if settings.trend == "ct" else {}),
            "r_squared": raw[R_SQUARED, order],
            "half_life": half_life,
            "half_life_low": half_life_low,
            "half_life_high": half_life_high,
            "hurst": raw[HURST, order],
            "correlation": raw[CORRELATION, order],
            "crossings": raw[CROSSINGS, order],
            "crossings_per_day": raw[CROSSINGS, order] / days,
            "spread_volatility": volatility,
            "cost_bp": cost,
            "break_even_z": cost / volatility,
        }


def _round_trip_bp(settings: ScanSettings, ratio: npt.NDArray[np.float64]) -> Floats:
    """Return what two fills of each leg cost, in basis points of the Y leg's value."""
    (y_fee, x_fee), (y_slip, x_slip) = settings.costs.fees_bp, settings.costs.slips_bp
    cost: Floats = 2.0 * (y_fee + y_slip + ratio * (x_fee + x_slip))
    return cost

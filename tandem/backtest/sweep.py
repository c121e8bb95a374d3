"""Every variant of a grid over the same bars, and a map that shows if the best is a plateau."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.backtest.batch import Lean
from tandem.backtest.grid import UNORDERED, Grid, best_place, by_signals, value_of
from tandem.backtest.metrics import Metrics, Period, Periods, periods
from tandem.backtest.run import bar_length, start_of
from tandem.backtest.trials import Trial, trial
from tandem.core.bars import AlignedBars
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch, each
from tandem.strategy.signals import Setup, signals

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# A cell belongs to the plateau if, smoothed, it has this share of the best smoothed value.
PLATEAU_SHARE = 0.8


class Cell(NamedTuple):
    """A place on a map."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Heat:
    """A figure over two axes of a sweep; every other axis stands where the best variant has it.

    Attributes
    ----------
    by : str
        Name of the figure, a field of `Metrics`.
    rows, columns : str
        Axes.
    row_values, column_values : tuple
        Their values, ascending where they have an order.
    values : ndarray of shape (n_rows, n_columns)
        NaN where a combination makes no sense or never traded.
    smoothed : ndarray of shape (n_rows, n_columns)
        Mean of each cell and its up to eight neighbours (not across an axis without order); a
        neighbour that never traded earns 0.
    plateau : ndarray of bool
        Cells connected to the best smoothed one that have 80 % of its smoothed value; none where
        that is not above 0.
    best, centre : Cell
        Best cell as it is; best smoothed one, the plateau's centre.
    """

    by: str
    rows: str
    columns: str
    row_values: tuple[Any, ...]
    column_values: tuple[Any, ...]
    values: Floats
    smoothed: Floats
    plateau: Mask
    best: Cell
    centre: Cell

    @property
    def is_peak_alone(self) -> bool:
        """Whether the best cell lies outside the plateau: its neighbours do not share its luck."""
        return not bool(self.plateau[self.best])


@dataclass(frozen=True, slots=True)
class Sweep:
    """What every variant earned.

    Attributes
    ----------
    setups, metrics, trials : tuple
        One each per variant; the trials are for the ledger.
    periods : Periods
        How returns were counted; the same bars for all, from the first at which every variant has
        a z.
    """

    setups: tuple[Setup, ...]
    metrics: tuple[Metrics, ...]
    trials: tuple[Trial, ...]
    periods: Periods

    def values(self, by: str = "sharpe") -> Floats:
        """Return one figure of every variant."""
        if by not in Metrics.__slots__:
            raise DataError(f"{by!r:.40} is not a ranking metric; choose sharpe, net or calmar.")
        return np.array([getattr(one, by) for one in self.metrics], np.float64)

    def best(self, by: str = "sharpe") -> int:
        """Return the place of the variant with the largest figure; -1 if none ever traded."""
        return best_place(self.values(by))

    def heat(self, rows: str, columns: str, by: str = "sharpe") -> Heat:
        """Return the map of a figure over two axes, through the best variant.

        Raises
        ------
        DataError
            The same axis twice, or an unknown one.
        """
        if rows == columns:
            raise DataError(f"Both axes are {rows!r:.40}; choose two different ones.")
        values = self.values(by)
        through = self.setups[max(best_place(values), 0)]
        row_values, column_values = self._axis(rows), self._axis(columns)
        grid = np.full((len(row_values), len(column_values)), np.nan)
        moved = {rows, columns}
        for setup, value in zip(self.setups, values, strict=True):
            if _alike(setup, through, moved):
                place = row_values.index(value_of(setup, rows))
                grid[place, column_values.index(value_of(setup, columns))] = value
        smoothed = _smoothed(grid, rows not in UNORDERED, columns not in UNORDERED)
        centre = _largest(smoothed)
        return Heat(
            *(by, rows, columns, row_values, column_values, grid, smoothed),
            plateau=_plateau(smoothed, centre),
            best=_largest(grid),
            centre=centre,
        )

    def _axis(self, axis: str) -> tuple[Any, ...]:
        values = dict.fromkeys(value_of(setup, axis) for setup in self.setups)
        return tuple(values) if axis in UNORDERED else tuple(sorted(values))


def _alike(setup: Setup, other: Setup, but: set[str]) -> bool:
    """Tell whether two variants differ on the axes in `but` at most.

    Where z is the filter's own innovation its window has no say and may differ.
    """
    axes = {"model", "lookback", "z_kind", "z_window", "entry", "exit", "stop", "time_stop_bars"}
    if setup.uses_innovation or other.uses_innovation:
        axes -= {"z_window"}
    return all(value_of(setup, axis) == value_of(other, axis) for axis in axes - but)


def _smoothed(grid: Floats, down: bool, across: bool) -> Floats:
    """Return each cell's mean with its neighbours; NaN cells count as 0 and stay NaN."""
    padded = np.pad(np.nan_to_num(grid, posinf=0.0, neginf=0.0), 1)
    inside = np.pad(np.ones(grid.shape), 1)
    total, count = np.zeros(grid.shape), np.zeros(grid.shape)
    rows, columns = grid.shape
    for row in (-1, 0, 1) if down else (0,):
        for column in (-1, 0, 1) if across else (0,):
            window = (
                slice(1 + row, 1 + row + rows),
                slice(1 + column, 1 + column + columns),
            )
            total += padded[window]
            count += inside[window]
    return np.where(np.isnan(grid), np.nan, total / count)


def _largest(grid: Floats) -> Cell:
    if np.isnan(grid).all():
        return Cell(0, 0)
    row, column = np.unravel_index(int(np.nanargmax(grid)), grid.shape)
    return Cell(int(row), int(column))


def _plateau(smoothed: Floats, centre: Cell) -> Mask:
    """Return the cells connected to the centre that are nearly as good."""
    level = smoothed[centre]
    plateau = np.zeros(smoothed.shape, np.bool_)
    if not level > 0.0:
        return plateau
    good = smoothed >= PLATEAU_SHARE * level
    todo = [centre]
    while todo:
        row, column = todo.pop()
        if not (0 <= row < good.shape[0] and 0 <= column < good.shape[1]):
            continue
        if plateau[row, column] or not good[row, column]:
            continue
        plateau[row, column] = True
        todo += [Cell(row + 1, column), Cell(row - 1, column)]
        todo += [Cell(row, column + 1), Cell(row, column - 1)]
    return plateau


def sweep(
    bars: AlignedBars,
    grid: Grid,
    funding: tuple[Floats, Floats] | None = None,
    period: Period = "auto",
    watch: Watch = UNWATCHED,
    workers: int | None = None,
) -> Sweep:
    """Trade the pair by every variant of a grid.

    All variants trade from the first bar at which every one of them has a z, so that they are
    compared over the same time.

    Parameters
    ----------
    bars, funding, period
        As in `run`.
    watch : Watch
        Progress and cancelling.
    workers : int, optional
        Threads; one per processor up to four if not given.

    Raises
    ------
    DataError
        Fewer than two bars, or bars too few for the slowest variant.
    Cancelled
        When the watch says so.
    """
    setups = grid.setups()
    bar_us = bar_length(bars.time_us)
    groups = by_signals(setups)
    first = start_of(bars, [setups[places[0]] for places in groups], watch, workers)
    cut = periods(bars.time_us, bar_us, first, period)
    work = partial(_group, bars, bar_us, funding, setups, cut)
    # A group is cut into pieces, so that the threads end together.
    pieces = [places[i : i + 64] for places in groups for i in range(0, len(places), 64)]
    done = each(pieces, work, watch.part(0.1, 1.0), workers)
    found = dict(zip((place for piece in pieces for place in piece), sum(done, []), strict=True))
    ordered = [found[place] for place in range(len(setups))]
    return Sweep(
        setups=tuple(setups),
        metrics=tuple(measured for measured, _ in ordered),
        trials=tuple(tried for _, tried in ordered),
        periods=cut,
    )


def _group(
    bars: AlignedBars,
    bar_us: int,
    funding: tuple[Floats, Floats] | None,
    setups: list[Setup],
    cut: Periods,
    places: list[int],
) -> list[tuple[Metrics, Trial]]:
    """Run variants with the same signals."""
    said = signals(bars, setups[places[0]])
    lean = Lean(bars, bar_us, funding)
    found = []
    for place in places:
        measured = lean.run(setups[place], said, cut)
        found.append((measured, trial(setups[place], measured, lean.equity, funding)))
    return found

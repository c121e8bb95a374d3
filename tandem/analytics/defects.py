"""Prices that are no market's: bad prints, jumps like those of a split, legs that stand still."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.analytics.inputs import Floats, floats, positive, usable, whole
from tandem.kernels.zscore import MAD_TO_DEVIATION

FEWEST = 20
# Moves below this share of the price are nobody's defect, however quiet the rest is.
LEAST_MOVE = 0.02
# A print is bad where the price before and after agree to within this share of its move.
AGREED = 0.25
# What splits and changes of a contract's unit multiply a price by, and how near counts as one.
SPLITS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 50.0, 100.0, 1_000.0)
NEAR_SPLIT = 0.05
# A run of equal prices is frozen where a market that moves as often as this one shows none so long
# in so many runs.
ONCE_IN = 1e6


class DefectKind(Enum):
    """What is wrong with some bars."""

    BAD_PRINT = "bad print"
    SPLIT = "split-like jump"
    FROZEN = "frozen price"


@dataclass(frozen=True, slots=True)
class Defect:
    """Bars that a backtest should not trade unseen.

    Attributes
    ----------
    first, last : int
        Bars of it, both included; of a split the first bar at the new level.
    ratio : float
        Price in it over the price before; 1 where the price is frozen.
    """

    kind: DefectKind
    first: int
    last: int
    ratio: float

    @property
    def bars(self) -> int:
        """How many bars it lasts."""
        return self.last - self.first + 1


def find_defects(
    price: Any, deviations: float = 10.0, longest_print: int = 3, least_frozen: int = 20
) -> tuple[Defect, ...]:
    """Find bad prints, split-like jumps and frozen stretches of one leg.

    Moves are judged by the median absolute log return of the bars in which the price moved, times
    1.4826, which no handful of bad prints can widen. A *bad print* moves away by more than
    `deviations` of it (and 2 %) and is back within `longest_print` bars; a *split* moves so far,
    stays, and is within 5 % of a ratio that splits have; a price is *frozen* where it repeats for
    `least_frozen` bars and longer than it would by chance, by how often it repeats elsewhere.

    Parameters
    ----------
    price : array, Series or one-column DataFrame of shape (n_bars,)
        Bars without a price above 0 are passed over.
    deviations : float
        Deviations beyond which a move is suspect.
    longest_print : int
        Bars a bad print may last.
    least_frozen : int
        Shortest frozen stretch.

    Returns
    -------
    tuple of Defect
        By first bar. Empty with fewer than 20 usable bars: nothing can be told.
    """
    deviations = positive(deviations, "deviations")
    longest_print = whole(longest_print, "longest_print", 1)
    least_frozen = whole(least_frozen, "least_frozen", 2)
    column = floats(price, "price")
    places = np.flatnonzero(usable(column) & (column > 0.0))
    values = column[places]
    if len(values) < FEWEST:
        return ()
    logs = np.log(values)
    found = _moves(logs, _suspect(logs, deviations), longest_print)
    found += _frozen(values, least_frozen)
    return tuple(
        Defect(kind, int(places[first]), int(places[last]), ratio)
        for kind, first, last, ratio in sorted(found, key=lambda one: one[1])
    )


def _suspect(logs: Floats, deviations: float) -> float:
    """Return the log return from which a move is suspect."""
    moves = np.abs(np.diff(logs))
    moves = moves[moves > 0.0]
    scale = MAD_TO_DEVIATION * float(np.median(moves)) if len(moves) else 0.0
    return max(deviations * scale, math.log1p(LEAST_MOVE))


def _moves(
    logs: Floats, least: float, longest_print: int
) -> list[tuple[DefectKind, int, int, float]]:
    """Tell suspect moves that are taken back from those that stay."""
    found: list[tuple[DefectKind, int, int, float]] = []
    taken_until = 0
    for bar in (np.flatnonzero(np.abs(np.diff(logs)) > least) + 1).tolist():
        if bar < taken_until:
            continue
        before, move = logs[bar - 1], logs[bar] - logs[bar - 1]
        later = logs[bar + 1 : bar + 1 + longest_print]
        back = np.flatnonzero(np.abs(later - before) < AGREED * abs(move))
        if len(back):
            taken_until = bar + 2 + int(back[0])
            found.append((DefectKind.BAD_PRINT, bar, taken_until - 2, math.exp(move)))
        elif len(later) == longest_print and _is_split(move):
            found.append((DefectKind.SPLIT, bar, bar, math.exp(move)))
    return found


def _is_split(move: float) -> bool:
    away = np.abs(abs(move) - np.log(SPLITS))
    return bool(away.min() < math.log1p(NEAR_SPLIT))


def _frozen(values: Floats, least: int) -> list[tuple[DefectKind, int, int, float]]:
    """Return runs of one price that are longer than chance makes them."""
    starts, lengths = _runs(values)
    longest = int(lengths.max())
    if longest < least:
        return []
    # How often a price repeats is told by the other runs: a frozen one would excuse itself.
    others = lengths[lengths < least]
    repeats, bars = int((others - 1).sum()), int(others.sum())
    share = (repeats + 1.0) / (bars + 2.0)
    by_chance = math.log(ONCE_IN) / -math.log(share)
    chosen = np.flatnonzero(lengths > max(least - 1.0, by_chance))
    return [
        (DefectKind.FROZEN, int(starts[run]), int(starts[run] + lengths[run] - 1), 1.0)
        for run in chosen
    ]


def _runs(values: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where runs of equal values begin, and how long they are."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(values) != 0.0) + 1))
    return starts, np.diff(np.append(starts, len(values)))

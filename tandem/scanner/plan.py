"""Which tiles a scan is made of.

Instruments with the same bars are cut into blocks, and two blocks make a tile over the bars that
both have: every pair is tested over exactly the bars both its legs have, and nothing is filled.
Instruments whose gaps few others share are tested pair by pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.kernels.scan import BACKWARD, FORWARD
from tandem.scanner.columns import Columns
from tandem.scanner.tiles import Codes, Floats, Ints

Bools = npt.NDArray[np.bool_]

LARGEST_BLOCK, SMALLEST_BLOCK = 128, 32
# Blocks a scan is cut into at the least, so that there is work for several processors.
BLOCKS = 6
# Instruments that must share their bars to be worth a block.
ALIKE = 8
# Pairs per job of those tested one by one.
ONE_BY_ONE = 500


class Part(NamedTuple):
    """Instruments over bars that all of them have; all bars where `rows` is None."""

    members: Ints
    rows: Ints | None


class Tile(NamedTuple):
    """Two parts, by place, and which leg of each pair is y (0: not wanted)."""

    first: int
    second: int
    wanted: Codes


class Plan(NamedTuple):
    """All work of a scan.

    Attributes
    ----------
    parts : list of Part
    tiles : list of Tile
    singles : list of ndarray of shape (pairs, 2)
        Pairs to be tested one by one.
    too_few : int
        Pairs of blocks whose common bars are too few.
    """

    parts: list[Part]
    tiles: list[Tile]
    singles: list[Ints]
    too_few: int

    @property
    def pairs(self) -> int:
        """Pairs to be tested."""
        return sum(int(np.count_nonzero(tile.wanted)) for tile in self.tiles) + sum(
            len(pairs) for pairs in self.singles
        )


def plan(columns: Columns, fewest: int, allowed: Bools | None = None, swap: bool = False) -> Plan:
    """Cut the pairs into tiles.

    Parameters
    ----------
    columns : Columns
    fewest : int
        Bars both legs need.
    allowed : ndarray of shape (instruments, instruments), optional
        Symmetric: which pairs are wanted; all if not given.
    swap : bool
        Test x on y instead.
    """
    made = Plan([], [], [], 0)
    shared, odd = _by_bars(~np.isnan(columns.levels))
    too_few = 0
    for place, (mask, members) in enumerate(shared):
        for other_mask, others in shared[place:]:
            common = mask & other_mask
            if common.sum() < fewest:
                too_few += int(np.count_nonzero(_codes(members, others, allowed, swap)))
                continue
            rows = None if common.all() else np.flatnonzero(common)
            _add_tiles(made, members, others, rows, allowed, swap)
    if len(odd):
        everyone = np.arange(len(columns.names))
        pairs = np.argwhere(np.triu(np.ones((len(everyone),) * 2, np.bool_), 1))
        is_odd = np.isin(everyone, odd)
        pairs = pairs[is_odd[pairs].any(axis=1)]
        if allowed is not None:
            pairs = pairs[allowed[pairs[:, 0], pairs[:, 1]]]
        pairs = np.ascontiguousarray(pairs[:, ::-1] if swap else pairs)
        made.singles.extend(
            pairs[start : start + ONE_BY_ONE] for start in range(0, len(pairs), ONE_BY_ONE)
        )
    return made._replace(too_few=too_few)


def _by_bars(known: Bools) -> tuple[list[tuple[Bools, Ints]], Ints]:
    """Return instruments that have the same bars, and those that few others are like."""
    places: dict[bytes, list[int]] = {}
    for place, mask in enumerate(known):
        places.setdefault(np.packbits(mask).tobytes(), []).append(place)
    full = np.packbits(np.ones(known.shape[1], np.bool_)).tobytes()
    shared = [
        (known[members[0]], np.array(members))
        for key, members in places.items()
        if len(members) >= ALIKE or key == full
    ]
    kept = set().union(*(members.tolist() for _, members in shared)) if shared else set()
    return shared, np.array([k for k in range(len(known)) if k not in kept], np.int64)


def _add_tiles(
    made: Plan, members: Ints, others: Ints, rows: Ints | None, allowed: Bools | None, swap: bool
) -> None:
    """Add the tiles of two groups of instruments, or of one with itself."""
    size = int(np.clip(-(-len(members) // BLOCKS), SMALLEST_BLOCK, LARGEST_BLOCK))
    first = _add_parts(made.parts, members, rows, size)
    same = members is others
    second = first if same else _add_parts(made.parts, others, rows, size)
    for place, a in enumerate(first):
        for b in second[place if same else 0 :]:
            wanted = _codes(made.parts[a].members, made.parts[b].members, allowed, swap)
            if wanted.any():
                made.tiles.append(Tile(a, b, wanted))


def _add_parts(parts: list[Part], members: Ints, rows: Ints | None, size: int) -> list[int]:
    start = len(parts)
    parts.extend(Part(members[k : k + size], rows) for k in range(0, len(members), size))
    return list(range(start, len(parts)))


def _codes(first: Ints, second: Ints, allowed: Bools | None, swap: bool) -> Codes:
    """Say of each pair which leg is y; a pair within one block counts once."""
    is_first, is_second = (BACKWARD, FORWARD) if swap else (FORWARD, BACKWARD)
    ahead = first[:, None] < second
    codes = np.where(ahead, is_first, is_second).astype(np.int8)
    codes[first[:, None] == second] = 0
    if len(first) == len(second) and (first == second).all():
        codes[~ahead] = 0
    if allowed is not None:
        codes[~allowed[np.ix_(first, second)]] = 0
    return codes


def cut(columns: Columns, part: Part) -> tuple[Floats, Floats]:
    """Return a part's levels and its returns between neighbouring bars."""
    levels, returns = columns.levels[part.members], columns.returns[part.members]
    if part.rows is None:
        return levels, returns
    follows = part.rows[1:][np.diff(part.rows) == 1]
    return np.ascontiguousarray(levels[:, part.rows]), returns[:, follows - 1]

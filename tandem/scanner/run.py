"""Which tiles a scan is made of, and how they run: in threads, or on a Dask cluster.

Instruments with the same bars are cut into blocks, and two blocks make a tile over the bars that
both have: every pair is tested over exactly the bars both its legs have, and nothing is filled.
Instruments whose gaps few others share are tested pair by pair.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tandem.core.errors import DataError
from tandem.core.memory import give_back_large_arrays
from tandem.core.parallel import UNWATCHED, Watch, each
from tandem.kernels.scan import BACKWARD, FORWARD
from tandem.scanner.columns import Columns
from tandem.scanner.tiles import (
    FIGURES,
    Block,
    Bools,
    Codes,
    Floats,
    Ints,
    Method,
    make_block,
    scan_blocks,
    scan_own_bars,
)

LARGEST_BLOCK, SMALLEST_BLOCK = 128, 32
# Blocks a scan is cut into at the least, so that there is work for several processors.
BLOCKS = 6
# Instruments that must share their bars to be worth a block.
ALIKE = 8
# Pairs per job of those tested one by one.
ONE_BY_ONE = 500
# How often a cluster is asked for what is done, in seconds.
LOOK_S = 0.02
# Blocks are prepared once and kept if they take less than this, else anew for every tile.
MOST_KEPT = 300 * 2**20
# Bytes a prepared block takes per price.
PER_PRICE = 8 * 5


# What is done --------------------------------------------------------------------------


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


def make_plan(
    columns: Columns, fewest: int, allowed: Bools | None = None, swap: bool = False
) -> Plan:
    """Cut the pairs into tiles.

    Parameters
    ----------
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


# How it is done ------------------------------------------------------------------------


def work_tile(
    first: tuple[Ints, Floats, Floats],
    second: tuple[Ints, Floats, Floats] | None,
    wanted: Codes,
    method: Method,
) -> Floats:
    """Test a tile, given the members, levels and returns of its two parts (None: the same one).

    Pure, and of arrays alone: this is what is sent to other processes and machines.
    """
    with threadpool_limits(1):
        block = make_block(*first, method)
        other = block if second is None else make_block(*second, method)
        return scan_blocks(block, other, wanted, method)


def work_singles(levels: Floats, returns: Floats, pairs: Ints, method: Method) -> Floats:
    """Test pairs one by one, given the columns they name; as `work_tile`."""
    return scan_own_bars(levels, returns, pairs, method)


def run_here(
    plan: Plan,
    columns: Columns,
    method: Method,
    watch: Watch = UNWATCHED,
    workers: int | None = None,
) -> Floats:
    """Run a plan in threads.

    Returns
    -------
    ndarray of shape (3 + figures, pairs)
        Places of y and x, then `FIGURES`, and a row for p-values, not filled.

    Raises
    ------
    Cancelled
        When the watch says so.
    """
    give_back_large_arrays()
    found, starts = _room(plan)
    keeps = sum(len(part.members) for part in plan.parts) * columns.levels.shape[1]
    prepare = partial(_prepare, plan, columns, method)
    with threadpool_limits(1):
        blocks: list[Block] = []
        if keeps * PER_PRICE <= MOST_KEPT and plan.tiles:
            needed = range(len(plan.parts))
            blocks = each(needed, prepare, watch.part(0.0, 0.05), workers)
        block_at: Callable[[int], Block] = blocks.__getitem__ if blocks else prepare

        def one(place: int) -> bool:
            if place < len(plan.tiles):
                tile = plan.tiles[place]
                first = block_at(tile.first)
                second = first if tile.first == tile.second else block_at(tile.second)
                answer = scan_blocks(first, second, tile.wanted, method)
            else:
                pairs = plan.singles[place - len(plan.tiles)]
                answer = scan_own_bars(columns.levels, columns.returns, pairs, method)
            found[:-1, starts[place] : starts[place + 1]] = answer.T
            return True

        each(range(len(starts) - 1), one, watch.part(0.05, 1.0), workers)
    return found


def _prepare(plan: Plan, columns: Columns, method: Method, place: int) -> Block:
    part = plan.parts[place]
    return make_block(part.members, *cut(columns, part), method)


def _room(plan: Plan) -> tuple[Floats, Ints]:
    """Return an array for all answers, and where each job's stand in it."""
    sizes = [int(np.count_nonzero(tile.wanted)) for tile in plan.tiles]
    sizes += [len(pairs) for pairs in plan.singles]
    starts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    return np.empty((3 + len(FIGURES), starts[-1])), starts


def run_on_cluster(
    plan: Plan, columns: Columns, method: Method, client: Any, watch: Watch = UNWATCHED
) -> Floats:
    """Run a plan on the workers of a Dask client; as `run_here`.

    Parts are sent once and tiles refer to them; the workers need this project on their path.
    Dask's processes trust each other's pickles: use a scheduler of your own only.

    Raises
    ------
    Cancelled
        When the watch says so; what is under way there is dropped.
    DataError
        A worker failed, or the scheduler went away.
    """
    from distributed import as_completed  # only where it is asked for

    watch.check()
    found, starts = _room(plan)
    arrays = [(part.members, *cut(columns, part)) for part in plan.parts]
    parts = client.scatter(arrays, hash=False)
    places: dict[Any, int] = {}
    for place, tile in enumerate(plan.tiles):
        second = None if tile.first == tile.second else parts[tile.second]
        job = client.submit(work_tile, parts[tile.first], second, tile.wanted, method, pure=False)
        places[job] = place
    if plan.singles:
        levels, returns = client.scatter(
            [columns.levels, columns.returns], broadcast=True, hash=False
        )
        for k, pairs in enumerate(plan.singles):
            job = client.submit(work_singles, levels, returns, pairs, method, pure=False)
            places[job] = len(plan.tiles) + k
    total, done = len(places), 0
    completed: Any = as_completed(list(places), loop=client.loop)  # type: ignore[no-untyped-call]
    try:
        while places:
            watch.check()
            if not completed.has_ready():
                if client.status != "running":
                    raise DataError("The Dask scheduler went away; scan again, or without --dask.")
                time.sleep(LOOK_S)
                continue
            job = next(completed)
            place = places.pop(job)
            found[:-1, starts[place] : starts[place + 1]] = _answer_of(job).T
            done += 1
            watch.progress(done, total)
    finally:
        client.cancel(list(places))
    return found


def _answer_of(job: Any) -> Floats:
    if job.status != "finished":
        error = job.exception() if job.status == "error" else job.status
        raise DataError(
            f"A Dask worker failed ({type(error).__name__}: {error!s:.200}). Its processes must "
            "run in this folder, with the packages of requirements.txt."
        )
    answer: Floats = job.result()
    return answer

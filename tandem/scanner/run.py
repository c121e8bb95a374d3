"""Runs a plan: in threads of this process, or on a Dask cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tandem.core.errors import DataError
from tandem.core.memory import give_back_large_arrays
from tandem.core.parallel import UNWATCHED, Watch, each
from tandem.scanner.columns import Columns
from tandem.scanner.plan import Plan, cut
from tandem.scanner.tiles import (
    FIGURES,
    Block,
    Codes,
    Floats,
    Ints,
    Method,
    make_block,
    scan_blocks,
    scan_own_bars,
)

# How often a cluster is asked for what is done, in seconds.
LOOK_S = 0.02
# Blocks are prepared once and kept if they take less than this, else anew for every tile.
MOST_KEPT = 300 * 2**20
# Bytes a prepared block takes per price.
PER_PRICE = 8 * 5


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

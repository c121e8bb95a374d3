"""The smallest p-value of scans in which nothing is related, for the law of `scanning.tail`."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from tandem.analytics.inputs import whole
from tandem.core.errors import DataError
from tandem.core.parallel import UNWATCHED, Watch
from tandem.scanner.columns import columns_of
from tandem.scanner.scan import every_pair
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import UniverseSurrogates
from tandem.scanner.tiles import STATUS, TESTED, Floats

# Seeds of one call's surrogates are apart from those of the next seed's.
MOST_RUNS = 1_000


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
    settings = settings or ScanSettings()
    runs, seed = whole(runs, "runs", 1), whole(seed, "seed", 0)
    if runs > MOST_RUNS:
        raise DataError(f"{runs:,} surrogates were asked for; {MOST_RUNS:,} are the most.")
    start = time.monotonic()
    columns = columns_of(prices, settings, names, watch)
    made, least = UniverseSurrogates(columns, watch), []
    del columns
    for run in range(runs):
        if time.monotonic() - start > most_seconds:
            break
        part = watch.part(run / runs, (run + 1) / runs)
        found, _ = every_pair(
            made.draw(seed * MOST_RUNS + run), settings, figures=False, watch=part, workers=workers
        )
        values = found[-1][found[2 + STATUS] == TESTED]
        least.append(float(values.min()) if len(values) else math.nan)
    return np.array(least)

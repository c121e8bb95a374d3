"""A simulated universe with known pairs, for a page that has no prices of its own yet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.instruments import SIMULATED_VENUE

Floats = npt.NDArray[np.float64]
Pair = tuple[str, str]

SECTORS = ("BANK", "CHIP", "GRAIN", "METAL", "OIL")
PER_SECTOR = 12
BARS = 3_000
START = "2026-03-02"
# Deviation of a bar's return, and what news and memory add to its variance.
RETURN, NEWS, MEMORY = 6e-4, 0.06, 0.92
MARKET, SECTOR = 0.5, 0.6
# Half-life in bars of each sector's first pair; the spread's deviation in a bar's deviations.
HALF_LIVES = (10, 18, 28, 40, 60)
SPREAD = 2.5
# The last sector's pair holds for this share of the bars only.
BROKEN_AT = 0.6


class Simulated(NamedTuple):
    """A simulated universe and what was built into it.

    Attributes
    ----------
    prices : DataFrame of shape (bars, instruments)
        Simulated one-minute prices; names under ``sim:``.
    pairs : tuple of (str, str)
        Pairs whose levels are tied together to the end.
    broken : tuple of (str, str)
        Pairs that were tied together and are so no more.
    """

    prices: pd.DataFrame
    pairs: tuple[Pair, ...]
    broken: tuple[Pair, ...]


def simulated(seed: int = 4, bars: int = BARS) -> Simulated:
    """Make 60 instruments in five sectors, a few of them tied together; the same for each seed.

    Returns have a market's and a sector's part and clustered variances. Of each sector one pair is
    tied together, ``log y = a + b log x + u`` with u an autoregression; in the first sector a third
    instrument follows the same one. One pair comes apart before the end. One instrument is
    constant, one has gone silent and one began late, as in real tables.
    """
    rng = np.random.default_rng(seed)
    count = len(SECTORS) * PER_SECTOR
    names = [f"{SIMULATED_VENUE}:{sector}{k:02d}" for sector in SECTORS for k in range(PER_SECTOR)]
    own = _clustered(rng.standard_normal((bars, count)))
    common = _clustered(rng.standard_normal((bars, 1 + len(SECTORS))))
    sector = np.repeat(np.arange(len(SECTORS)), PER_SECTOR)
    shocks = own + MARKET * common[:, :1] + SECTOR * common[:, 1 + sector]
    shocks *= rng.uniform(0.6, 1.8, count)
    logs = rng.uniform(1.0, 7.0, count) + RETURN * np.cumsum(shocks, axis=0)
    pairs: list[Pair] = []
    broken: list[Pair] = []
    ties = [(PER_SECTOR * k + 1, PER_SECTOR * k, life) for k, life in enumerate(HALF_LIVES)]
    for y, x, half_life in [*ties, (2, 0, HALF_LIVES[1])]:
        spread = _reverting(rng.standard_normal(bars), half_life)
        breaks = sector[y] == len(SECTORS) - 1
        held = int(BROKEN_AT * bars) if breaks else bars
        alone = logs[:, y].copy()
        logs[:, y] = 0.4 + rng.uniform(0.7, 1.3) * logs[:, x] + SPREAD * RETURN * spread
        logs[held:, y] = logs[held - 1, y] + alone[held:] - alone[held - 1]
        (broken if breaks else pairs).append((names[y], names[x]))
    # Two that follow the same one are tied to each other.
    pairs.append((names[2], names[1]))
    prices = np.exp(logs)
    prices[:, -1] = prices[0, -1]
    prices[bars - bars // 5 :, -2] = np.nan
    prices[: bars // 3, -3] = np.nan
    times = pd.date_range(START, periods=bars, freq="1min", tz="UTC", name="time")
    table = pd.DataFrame(np.round(prices, 4), index=times, columns=names)
    return Simulated(table, tuple(pairs), tuple(broken))


def _reverting(shocks: Floats, half_life: float) -> Floats:
    """Return an autoregression of that half-life whose deviation is 1 to 3 of its shocks'."""
    root = 0.5 ** (1.0 / half_life)
    out, level = np.empty_like(shocks), 0.0
    for bar, shock in enumerate(shocks):
        level = root * level + 0.5 * shock
        out[bar] = level
    return out


def _clustered(shocks: Floats) -> Floats:
    """Give unit normal shocks the variances of a GARCH(1, 1) of unconditional variance 1."""
    out, variance = np.empty_like(shocks), np.ones(shocks.shape[1])
    for bar, news in enumerate(shocks):
        out[bar] = np.sqrt(variance) * news
        variance = (1.0 - NEWS - MEMORY) + NEWS * out[bar] ** 2 + MEMORY * variance
    return out

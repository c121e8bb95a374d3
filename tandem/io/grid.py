"""The grid that bars lie on: their interval, the ones missing, the ones in which a leg traded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from tandem.core.clock import DAY_US, SECOND_US
from tandem.core.events import BAR
from tandem.io.model import Bars, Trades
from tandem.kernels.ticks import count_bars, fill_bars


def fresh(part: pd.DataFrame, keys: dict[str, str]) -> pd.DataFrame:
    """Keep the bars in which the leg traded, as told by the age of its last trade at their end.

    The first row's price may be older than its bar: it is put into the bar it comes from, whose
    other prices are not known.
    """
    interval_us = max(usual_interval(part["time_us"].to_numpy()), 1)
    last_us = (part["time_us"] + interval_us - part[keys["age"]]).astype(np.int64)
    traded = (last_us >= part["time_us"]).to_numpy().copy()
    traded[:1] = True
    time_us = np.minimum(part["time_us"], last_us // interval_us * interval_us)
    part = part.assign(time_us=time_us, last_trade=last_us)[traded]
    first = part.index[:1]
    if "open" in keys and part.loc[first, keys["open"]].isna().all():
        part.loc[first, keys["open"]] = part.loc[first, keys["close"]]
    return part


def usual_interval(time_us: npt.NDArray[np.int64]) -> int:
    """Return the usual distance of two bars: the commonest, or the median where none is common."""
    steps = np.diff(time_us)
    steps = steps[steps > 0]
    if not len(steps):
        return 0
    values, counts = np.unique(steps, return_counts=True)
    if counts.max() >= 0.3 * len(steps):
        usual = int(values[np.argmax(counts)])
        if usual >= 7 * DAY_US or np.mean(steps % usual == 0) >= 0.9:
            return usual
    common = int(np.gcd.reduce(steps))
    # Bars exist only where something traded: the grid is then finer than the usual distance.
    return common if common >= SECOND_US else int(np.median(steps))


def gaps(time_us: npt.NDArray[np.int64], interval_us: int) -> int:
    """Count the bars missing inside the range; weekends are none where no weekend has bars."""
    if not interval_us or interval_us >= 27 * DAY_US:
        return 0
    if interval_us == DAY_US:
        days = time_us // DAY_US
        weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
        if (weekday < 5).all():
            days = np.busday_count("1970-01-05", days.astype("datetime64[D]"))
        return int(np.maximum(np.diff(days) - 1, 0).sum())
    steps = np.round(np.diff(time_us) / interval_us).astype(np.int64)
    return int(np.maximum(steps - 1, 0).sum())


def bars_of(trades: Trades, interval_us: int) -> Bars:
    """Return the bars of trades ascending in time, as `bars.aggregate` makes them, in one pass."""
    columns = [trades[name] for name in ("time_us", "price", "quantity", "side")]
    n_bars = count_bars(columns[0], interval_us) if len(trades) else 0
    made = np.empty(n_bars, BAR)
    values = np.empty((7, n_bars))
    if n_bars:
        ends = made["time_us"], made["last_us"], made["trades"]
        times, prices, quantities, sides = columns
        starts, lasts, counts = ends
        fill_bars(times, prices, quantities, sides, interval_us, starts, lasts, counts, values)
    names = ("open", "high", "low", "close", "volume", "buy_volume", "notional")
    for name, row in zip(names, values, strict=True):
        made[name] = row
    return made

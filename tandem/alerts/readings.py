"""Readings of a pair, a feed and the record, from numbers the desk already has."""

from __future__ import annotations

import math

from tandem.alerts.rules import Reading


def pair_readings(
    pair: str,
    time_us: int,
    z: float,
    entry: float,
    exit_at: float,
    stop: float,
    p_value: float = math.nan,
    is_broken: bool = False,
    age_s: float = math.nan,
) -> list[Reading]:
    """Return a pair's readings at a bar's close.

    Parameters
    ----------
    pair : str
        Its scope, as ``Y~X`` with both instruments.
    z : float
        Of the spread; NaN where there is none, and then there are no readings of it.
    entry, exit_at, stop : float
        The pair's thresholds.
    p_value, is_broken
        Of the test of its relation.
    age_s : float
        Age of the older leg's last trade.
    """
    numbers = {"z": z, "entry": entry, "exit": exit_at, "stop": stop}
    found = [
        ("pair_z", z),
        ("pair_entry", abs(z) - entry),
        ("pair_exit", exit_at - abs(z)),
        ("pair_stop", abs(z) - stop),
    ]
    readings = [
        Reading(measure, pair, time_us, value, numbers)
        for measure, value in found
        if not math.isnan(value)
    ]
    relation = {"p_value": p_value, "is_broken": float(is_broken)}
    readings.append(Reading("pair_broken", pair, time_us, float(is_broken), relation))
    if not math.isnan(p_value):
        readings.append(Reading("pair_p", pair, time_us, p_value, relation))
    if not math.isnan(age_s):
        readings.append(Reading("leg_age", pair, time_us, age_s, {"age_s": age_s}))
    return readings


def feed_reading(venue: str, time_us: int, down_s: float) -> Reading:
    """Return for how many seconds a venue's feed has not been live; 0 while it is."""
    return Reading("feed_down", venue, time_us, down_s, {"down_s": down_s})


def record_readings(time_us: int, oldest_gap_s: float, free_bytes: int) -> list[Reading]:
    """Return the age of the oldest open gap (0: none) and the free space beside the record."""
    free = free_bytes / 1e9
    return [
        Reading("gap_open", "record", time_us, oldest_gap_s, {"age_s": oldest_gap_s}),
        Reading("disk_free", "record", time_us, free, {"gigabytes": free}),
    ]

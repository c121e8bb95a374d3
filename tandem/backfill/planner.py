"""How a gap is filled: what is asked for as trades, what as candles, what is lost. Pure.

A gap is a `Gap` by ids where the venue counts its trades by one, else by time. The newest part is
served first: models need the recent past, and venues forget the old.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from tandem.backfill.reasons import Cause, Reason, Reasons
from tandem.core.clock import MINUTE_US, SECOND_US
from tandem.core.events import Gap, Trade
from tandem.venues.rest import SHARE, Budget, RestVenue, is_by_id

TRADES_PER_PAGE = 1_000
# One request at a time is under way; this is a plain round trip with its parsing.
_ROUND_TRIP_S = 0.25
# Longest that filling one gap by trades may take.
URGENT_S = 15 * 60.0
BACKGROUND_S = 5 * 60.0
# Where there are no candles either.
WITHOUT_CANDLES_S = 60 * 60.0
# Of a gap that is too long for trades, these are asked for as trades all the same.
NEWEST_TRADES = 20_000
# Room to the edge of what a venue still gives: it moves on while pages are fetched.
_EDGE_US = 2 * MINUTE_US
_MOST_RUNS = 100

Kind = Literal["trades", "candles", "lost"]


class Plan(NamedTuple):
    """What to do with a gap next.

    Attributes
    ----------
    kind : {"trades", "candles", "lost"}
    ask : Gap
        The part it is about: all of the gap, or its newest part.
    cost : int
        Trades to go through for it, an estimate where the gap has no ids.
    reason : tuple of Reason
        Why it is not trades, or not all of the gap; empty where it is.
    """

    kind: Kind
    ask: Gap
    cost: int
    reason: Reasons = ()


def expected_trades(gap: Gap, rate: float) -> int:
    """Return how many trades a gap holds: by its ids, else by a rate in trades per second."""
    if is_by_id(gap):
        return gap.last_id - gap.first_id + 1
    return max(1, round(rate * (gap.end_us - gap.start_us) / SECOND_US))


def seconds_for(trades: int, budget: Budget, weight: int, share: float = SHARE) -> float:
    """Return how long fetching trades takes within a budget, at `weight` a page."""
    pages = -(-trades // TRADES_PER_PAGE)
    per_page_s = budget.window_s * weight / (budget.weight * share)
    return pages * max(per_page_s, budget.spacing_s, _ROUND_TRIP_S)


def plan(
    gap: Gap,
    venue: RestVenue,
    now_us: int,
    rate: float,
    is_urgent: bool,
    no_trades: Reasons = (),
    no_candles: Reasons = (),
) -> Plan:
    """Decide what to do with a gap next; called again for what is left of it.

    Parameters
    ----------
    now_us : int
        The venue's time.
    rate : float
        Trades per second around the gap, where it has no ids.
    is_urgent : bool
        Whether somebody looks at the instrument.
    no_trades, no_candles : tuple of Reason
        Why trades or candles were given up for this gap; empty where they were not.
    """
    expected = expected_trades(gap, rate)
    candles_from_us = _edge(now_us, venue.candle_reach_us)
    has_candles = not no_candles and gap.end_us > candles_from_us
    if not no_trades:
        chosen, no_trades = _trades(gap, venue, now_us, expected, is_urgent, has_candles)
        if chosen is not None:
            return chosen
    if has_candles:
        return _candles(gap, candles_from_us, expected, no_trades)
    why_not = no_candles or (Reason(Cause.CANDLE_REACH),)
    return Plan("lost", gap, expected, (*no_trades, *why_not))


def _trades(
    gap: Gap, venue: RestVenue, now_us: int, expected: int, is_urgent: bool, has_candles: bool
) -> tuple[Plan | None, Reasons]:
    """Return the plan by trades, or why there is none."""
    if not venue.has_trades:
        return None, (Reason(Cause.NO_TRADES),)
    ask = gap
    reason: Reasons = ()
    # Where there is only the latest page, it says itself how far it goes.
    if venue.reach_us:
        edge_us = _edge(now_us, venue.reach_us)
        if gap.end_us <= edge_us:
            return None, (Reason(Cause.TOO_LONG_AGO),)
        if gap.start_us < edge_us:
            _, ask = split(gap, edge_us)
            expected = _share_of(expected, gap, ask)
            reason = (Reason(Cause.REACH),)
    request = venue.trades(gap.instrument, ask)
    if request is None:
        return None, (Reason(Cause.TOO_LONG_AGO),)
    cost = expected + _on_the_way(ask, venue, now_us, expected)
    limit_s = (URGENT_S if is_urgent else BACKGROUND_S) if has_candles else WITHOUT_CANDLES_S
    if seconds_for(cost, venue.budget, request.weight) <= limit_s:
        return Plan("trades", ask, cost, reason), ()
    too_many = (Reason(Cause.TOO_MANY, cost),)
    if not is_urgent or cost > expected:
        return None, too_many
    return Plan("trades", newest(ask, expected), NEWEST_TRADES, too_many), ()


def _on_the_way(ask: Gap, venue: RestVenue, now_us: int, expected: int) -> int:
    """Return the trades between a gap and now, where a walk by time begins at now."""
    if is_by_id(ask) or not venue.backwards or not venue.consecutive_ids:
        return 0
    return expected * max(0, now_us - ask.end_us) // max(ask.end_us - ask.start_us, 1)


def _candles(gap: Gap, from_us: int, expected: int, reason: Reasons) -> Plan:
    if gap.start_us >= from_us:
        return Plan("candles", gap, expected, reason)
    _, later = split(gap, from_us)
    return Plan("candles", later, _share_of(expected, gap, later), reason)


def _edge(now_us: int, reach_us: int | None) -> int:
    return 0 if reach_us is None else now_us - max(reach_us - _EDGE_US, 0)


def _share_of(expected: int, gap: Gap, part: Gap) -> int:
    whole_us = max(gap.end_us - gap.start_us, 1)
    return max(1, round(expected * (part.end_us - part.start_us) / whole_us))


def newest(gap: Gap, expected: int, trades: int = NEWEST_TRADES) -> Gap:
    """Return the newest part of a gap, with about so many trades."""
    if is_by_id(gap):
        first_id = max(gap.first_id, gap.last_id - trades + 1)
        return gap._replace(first_id=first_id, start_us=_time_of_id(gap, first_id))
    length_us = (gap.end_us - gap.start_us) * trades // max(expected, trades)
    return gap._replace(start_us=gap.end_us - length_us)


def _time_of_id(gap: Gap, trade_id: int) -> int:
    span = gap.last_id - gap.first_id + 1
    return gap.start_us + (gap.end_us - gap.start_us) * (trade_id - gap.first_id) // span


def split(gap: Gap, time_us: int) -> tuple[Gap, Gap]:
    """Cut a gap in two at a time inside it.

    Where it has ids, which of them is the first of the later part is guessed from the time.
    """
    time_us = min(max(time_us, gap.start_us + 1), gap.end_us)
    if not is_by_id(gap):
        return gap._replace(end_us=time_us - 1), gap._replace(start_us=time_us)
    span, length_us = gap.last_id - gap.first_id + 1, gap.end_us - gap.start_us
    if span < 2 or length_us < 1:
        return gap._replace(last_id=gap.first_id - 1), gap
    at = gap.first_id + span * (time_us - gap.start_us) // length_us
    at = min(max(at, gap.first_id + 1), gap.last_id)
    return (
        gap._replace(last_id=at - 1, end_us=time_us),
        gap._replace(first_id=at, start_us=time_us),
    )


def outside(gap: Gap, part: Gap) -> list[Gap]:
    """Return what is left of a gap before a part of it that reaches to its end."""
    if is_by_id(gap) and is_by_id(part):
        if part.first_id <= gap.first_id:
            return []
        return [gap._replace(last_id=part.first_id - 1, end_us=part.start_us)]
    if is_by_id(gap) or part.start_us <= gap.start_us:
        return []
    return [gap._replace(end_us=part.start_us - 1)]


def pieces_by_id(gap: Gap, received: Sequence[tuple[int, int]]) -> list[Gap]:
    """Return a gap by ids as pieces: filled where ids were received, open where not.

    Together they are exactly the gap. Where it fell into very many pieces, the shortest filled
    ones stay open: asking for them again is harmless.

    Parameters
    ----------
    received : sequence of (int, int)
        Ids and times of trades, all within the gap, in any order, perhaps repeated.
    """
    runs = _runs(received)
    if len(runs) > _MOST_RUNS:
        longest = sorted(runs, key=lambda run: run[1] - run[0])[-_MOST_RUNS:]
        runs = sorted(longest)
    pieces: list[Gap] = []
    next_id, since_us = gap.first_id, gap.start_us
    for first_id, last_id, start_us, end_us in runs:
        if first_id > next_id:
            times = sorted((since_us, start_us))
            pieces.append(Gap(gap.instrument, next_id, first_id - 1, times[0], times[1], "open"))
        pieces.append(Gap(gap.instrument, first_id, last_id, start_us, end_us, "filled"))
        next_id, since_us = last_id + 1, end_us
    if next_id <= gap.last_id:
        end_us = max(gap.end_us, since_us)
        pieces.append(Gap(gap.instrument, next_id, gap.last_id, since_us, end_us, "open"))
    return pieces


def _runs(received: Sequence[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Return runs of ids that count up by one: first and last id, first and last time."""
    if not received:
        return []
    pairs = np.array(sorted(set(received)), np.int64)
    ids, times = pairs[:, 0], pairs[:, 1]
    ends = np.flatnonzero(np.append(np.diff(ids) > 1, True))
    starts = np.append(0, ends[:-1] + 1)
    return [
        (int(ids[a]), int(ids[b]), int(times[a : b + 1].min()), int(times[a : b + 1].max()))
        for a, b in zip(starts, ends, strict=True)
    ]


def pieces_by_time(
    gap: Gap, start_us: int, end_us: int, unread: Iterable[tuple[int, int]] = ()
) -> list[Gap]:
    """Return a gap by time as pieces: filled from `start_us` to `end_us`, both included.

    Parameters
    ----------
    unread : iterable of (int, int)
        From when to when something is missing all the same, both included; open again.
    """
    start_us, end_us = max(start_us, gap.start_us), min(end_us, gap.end_us)
    pieces: list[Gap] = []
    next_us = gap.start_us

    def add(until_us: int, state: Literal["open", "filled"]) -> None:
        nonlocal next_us
        if until_us >= next_us:
            pieces.append(gap._replace(start_us=next_us, end_us=until_us, state=state))
            next_us = until_us + 1

    if start_us <= end_us:
        add(start_us - 1, "open")
        for from_us, until_us in sorted(unread):
            if from_us <= end_us and until_us >= start_us:
                add(min(from_us, end_us) - 1, "filled")
                add(min(until_us, end_us), "open")
        add(end_us, "filled")
    add(gap.end_us, "open")
    return pieces


def missing_ids(trades: Sequence[Trade]) -> list[Gap]:
    """Return the ids left out by trades that came without a gap, ascending by id.

    More than a few of them are told as one.
    """
    found: list[Gap] = []
    for before, after in zip(trades, trades[1:], strict=False):
        first, last = before.trade_id, after.trade_id
        if isinstance(first, int) and isinstance(last, int) and last > first + 1:
            times = sorted((before.time_us, after.time_us))
            found.append(Gap(before.instrument, first + 1, last - 1, times[0], times[1], "open"))
    if len(found) <= _MOST_RUNS:
        return found
    ends = (found[0].first_id, found[-1].last_id, found[0].start_us, found[-1].end_us)
    return [Gap(found[0].instrument, *ends, "open")]

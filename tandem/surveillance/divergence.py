"""A pair whose legs move apart: one of them crashes, or the relation snaps, within a minute."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.alerts.rules import Reading
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError

Array = npt.NDArray[np.void]

# Seconds of one leg that wait for the other: a day.
MOST_WAITING = 86_400


class Apart(NamedTuple):
    """Both legs' moves over the time before a moment, in percent, and the prices they are of."""

    time_us: int
    percent: float
    y_move: float
    x_move: float
    y: float
    x: float


class Divergence:
    """Follows two legs second by second, each carried forward from its last bar.

    A move is unknown where its leg had not traded for `within_s` when it begins.

    Parameters
    ----------
    y, x : str
        Instruments.
    within_s : int
        Time over which moves are compared.
    """

    def __init__(self, y: str, x: str, within_s: int = 60) -> None:
        if y == x:
            raise DataError("A pair needs two different instruments.")
        if not 1 <= within_s <= 86_400:
            raise DataError("The divergence window must be 1 to 86,400 seconds.")
        self.y, self.x = y, x
        self.scope = f"{y}~{x}"
        self.last: Apart | None = None
        self._within = within_s
        self._waiting: dict[str, dict[int, float]] = {y: {}, x: {}}
        self._until = {y: 0, x: 0}
        self._next = 0
        self._traded = {y: -math.inf, x: -math.inf}
        self._now = {y: math.nan, x: math.nan}
        self._past = {y: np.full(within_s, math.nan), x: np.full(within_s, math.nan)}

    def add(self, instrument: str, bars: Array, closed_until_us: int) -> list[Apart]:
        """Take a leg's closed bars; returns what became known, second by second.

        Parameters
        ----------
        closed_until_us : int
            End of the leg's last closed second, with or without a trade.
        """
        waiting = self._waiting[instrument]
        for time_us, close in zip(bars["time_us"].tolist(), bars["close"].tolist(), strict=True):
            waiting[time_us // SECOND_US] = close
            # The other leg may never trade.
            if len(waiting) > MOST_WAITING:
                del waiting[next(iter(waiting))]
        self._until[instrument] = max(self._until[instrument], closed_until_us // SECOND_US)
        until = min(self._until.values())
        found = []
        while self._next < until:
            # Once nothing has come for as long as moves look back, all of them are 0: the rest
            # of a gap, be it of hours, says nothing and changes nothing.
            if self._next > max(self._traded.values()) + self._within:
                ahead = (min(one) for one in self._waiting.values() if one)
                # Never past what both legs are known until: the other may still trade before.
                self._pass_over(max(self._next, min((*ahead, until))))
                if self._next >= until:
                    break
            apart = self._second(self._next)
            if apart is not None:
                found.append(apart)
            self._next += 1
        return found

    def _pass_over(self, until: int) -> None:
        """Step over seconds that nothing is known of."""
        for second in range(self._next, min(until, self._next + self._within)):
            for past in self._past.values():
                past[second % self._within] = math.nan
        self._next = until

    def _second(self, second: int) -> Apart | None:
        slot = second % self._within
        moves = {}
        for name in (self.y, self.x):
            price = self._waiting[name].pop(second, math.nan)
            if 1e-50 < price < 1e50:
                self._now[name] = price
                self._traded[name] = second
            before = float(self._past[name][slot])
            # A price from before a gap is not what was paid a moment ago.
            is_known = second - self._traded[name] <= self._within
            self._past[name][slot] = self._now[name] if is_known else math.nan
            moves[name] = 100.0 * (self._now[name] / before - 1.0) if before > 0.0 else math.nan
        percent = moves[self.y] - moves[self.x]
        if math.isnan(percent):
            return None
        self.last = Apart(
            (second + 1) * SECOND_US, percent, moves[self.y], moves[self.x],
            self._now[self.y], self._now[self.x],
        )  # fmt: skip
        return self.last

    def readings(self, found: list[Apart]) -> list[Reading]:
        """Return the readings of what `add` found."""
        return [
            Reading("divergence", self.scope, one.time_us, one.percent,
                    {"y_move": one.y_move, "x_move": one.x_move, "y": one.y, "x": one.x})
            for one in found
        ]  # fmt: skip

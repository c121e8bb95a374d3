"""When to look, and how much of the day's chance of a false alarm one look may spend."""

from __future__ import annotations

from typing import NamedTuple

from tandem.core.clock import DAY_US, MINUTE_US
from tandem.scanner.multiple_testing import spent


class Look(NamedTuple):
    """One scheduled scan.

    Attributes
    ----------
    day : int
        Days since 1970, UTC.
    number, of : int
        Which of the day's looks it is, from 1.
    level : float
        Chance that it tells of any pair where none holds. The levels of a day add up to `alpha`.
    """

    day: int
    number: int
    of: int
    level: float

    @property
    def key(self) -> tuple[int, int]:
        """What orders looks."""
        return self.day, self.number


class Schedule:
    """Equal slots of the UTC day; each may be used once.

    Parameters
    ----------
    every_minutes : int
        Length of a slot; a divisor of a day is best, the last slot is else shorter.
    alpha : float
        Chance, at most, that a day without any relation shows one at all, as far as each look
        keeps to its level (see `Calibration`): the levels add up.
    """

    def __init__(self, every_minutes: int, alpha: float = 0.05) -> None:
        self._slot_us = every_minutes * MINUTE_US
        self._of = -(-DAY_US // self._slot_us)
        self._alpha = alpha

    def look(self, now_us: int) -> Look:
        """Return the look whose slot it is now."""
        day, within = divmod(now_us, DAY_US)
        number = within // self._slot_us + 1
        return Look(day, number, self._of, spent(number, self._of, self._alpha))

    def next_us(self, now_us: int) -> int:
        """Return when the next slot begins."""
        day, within = divmod(now_us, DAY_US)
        ends = (within // self._slot_us + 1) * self._slot_us
        return day * DAY_US + min(ends, DAY_US)

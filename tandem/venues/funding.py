"""When a perpetual future charges funding, and at what rate, from what its venue announces.

Venues announce the rate and the time of the next charge. How often they charge differs by symbol
(every 8, 4, 2 or 1 hours) and is not in the announcement: it is read off two charge times that
follow each other or, before the second one is known, off the first.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tandem.core.clock import HOUR_US
from tandem.core.events import Funding

LONGEST_HOURS = 8


class FundingSchedule:
    """The charges of one instrument: announce what arrives, ask what a bar is charged."""

    def __init__(self) -> None:
        # Time it is charged at -> when the rate was last announced, and the rate.
        self._charges: dict[int, tuple[int, float]] = {}

    def announce(self, announcements: Iterable[Funding]) -> None:
        """Take announcements in; the latest about a charge is what it costs."""
        for funding in announcements:
            known_us = self._charges.get(funding.next_us, (0, 0.0))[0]
            if known_us <= funding.time_us < funding.next_us:
                self._charges[funding.next_us] = funding.time_us, funding.rate

    @property
    def next_us(self) -> int:
        """Time of the latest charge announced; 0 where none ever was."""
        return max(self._charges, default=0)

    @property
    def interval_hours(self) -> float:
        """Hours between two charges; NaN where nothing was announced.

        The shortest distance of two known charges. From a single one: more than four hours ahead
        means eight, and so does a time that only an eight-hour rhythm from midnight UTC and
        shorter ones can have; a time off that rhythm rules the longer ones out.
        """
        if not self._charges:
            return float("nan")
        times = np.sort(np.fromiter(self._charges, np.int64))
        # Announced times may differ by milliseconds; below half an hour it is the same charge.
        steps = np.diff(times)
        steps = steps[steps > HOUR_US // 2]
        if len(steps):
            return float(round(steps.min() / HOUR_US))
        if self.next_us - self._charges[self.next_us][0] > LONGEST_HOURS // 2 * HOUR_US:
            return float(LONGEST_HOURS)
        hour = round(self.next_us / HOUR_US)
        return float(max(step for step in (8, 4, 2, 1) if hour % step == 0))

    @property
    def rate_per_hour(self) -> float:
        """Fraction of a long position's notional paid per hour; NaN where unknown."""
        if not self._charges:
            return float("nan")
        return self._charges[self.next_us][1] / self.interval_hours

    def charged(self, time_us: npt.NDArray[np.int64], bar_us: int) -> npt.NDArray[np.float64]:
        """Return the rate charged within each bar, zero where none is due.

        Parameters
        ----------
        time_us : ndarray of shape (n_bars,)
            Starts of the bars.
        bar_us : int
            Length of a bar.
        """
        rates = np.zeros(len(time_us))
        for charged_us, (_, rate) in self._charges.items():
            rates[(time_us <= charged_us) & (charged_us < time_us + bar_us)] += rate
        return rates

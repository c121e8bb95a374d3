"""How often a perpetual charges funding, and what a bar is charged."""

from __future__ import annotations

import numpy as np
import pytest

from tandem.core.clock import HOUR_US, MINUTE_US
from tandem.core.events import Funding
from tandem.venues.funding import FundingSchedule

MIDNIGHT_US = 1_760_000_000_000_000 // (24 * HOUR_US) * 24 * HOUR_US


def announced(hour: float, charged_hour: float, rate: float = 1e-4) -> Funding:
    time_us = MIDNIGHT_US + int(hour * HOUR_US)
    next_us = MIDNIGHT_US + int(charged_hour * HOUR_US)
    return Funding("sim:ETHUSDT", time_us, rate, next_us, 3_000.0, time_us)


def schedule(*announcements: Funding) -> FundingSchedule:
    made = FundingSchedule()
    made.announce(announcements)
    return made


@pytest.mark.parametrize(
    ("announcements", "hours"),
    [
        ((announced(1.0, 8.0),), 8.0),  # seven hours ahead: no shorter rhythm
        ((announced(2.0, 4.0),), 4.0),  # 04:00 is not a time of the eight-hour rhythm
        ((announced(4.5, 5.0),), 1.0),
        ((announced(5.5, 6.0),), 2.0),
        ((announced(7.0, 8.0), announced(8.5, 12.0)), 4.0),  # two charges seen
        ((announced(7.0, 8.0), announced(7.5, 8.0 + 1e-6)), 8.0),  # one charge, told twice
    ],
)
def test_the_interval_is_read_off_the_charges(announcements, hours) -> None:
    assert schedule(*announcements).interval_hours == hours


def test_nothing_announced_is_not_free() -> None:
    assert np.isnan(schedule().rate_per_hour)
    assert np.isnan(schedule().interval_hours)


def test_an_announcement_of_the_past_is_no_charge() -> None:
    assert schedule(announced(9.0, 8.0)).next_us == 0


def test_the_rate_per_hour_spreads_the_charge_over_its_interval() -> None:
    assert schedule(announced(1.0, 8.0, 8e-4)).rate_per_hour == pytest.approx(1e-4)


def test_the_bar_that_holds_the_charge_pays_the_rate_announced_last() -> None:
    times = MIDNIGHT_US + 7 * HOUR_US + np.arange(120) * MINUTE_US
    made = schedule(announced(7.9, 8.0, 3e-4), announced(7.0, 8.0, 1e-4))
    charged = made.charged(times, MINUTE_US)
    assert np.flatnonzero(charged).tolist() == [60]
    assert charged[60] == 3e-4

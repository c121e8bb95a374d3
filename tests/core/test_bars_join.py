import numpy as np
import pytest

from tandem.core.bars import join
from tandem.core.clock import DAY_US
from tandem.core.errors import DataError
from tandem.core.events import BAR


def bars(days: list[int], closes: list[float]) -> np.ndarray:
    made = np.zeros(len(days), BAR)
    made["time_us"] = np.array(days) * DAY_US
    made["open"] = np.array(closes) - 1.0
    made["close"] = closes
    made["last_us"] = made["time_us"] + DAY_US
    return made


def test_only_times_both_legs_have_are_paired() -> None:
    joined = join(
        bars([1, 2, 3, 5], [1.0, 2.0, 3.0, 5.0]),
        bars([2, 3, 4, 5], [20.0, np.nan, 40.0, 50.0]),
        DAY_US,
    )
    np.testing.assert_array_equal(joined.time_us, np.array([2, 3, 5]) * DAY_US)
    np.testing.assert_array_equal(joined.y, [2.0, 3.0, 5.0])
    np.testing.assert_array_equal(joined.y_open, [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(joined.usable, [True, False, True])
    assert not joined.y_age_us.any()


def test_legs_that_never_meet_are_refused() -> None:
    with pytest.raises(DataError, match="no bar at the same time"):
        join(bars([1, 2], [1.0, 2.0]), bars([3], [1.0]), DAY_US)

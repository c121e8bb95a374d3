from __future__ import annotations

from tandem.core.histogram import Histogram


def test_values_are_counted_up_to_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (-0.5, 0.1, 0.2, 1.0, 7.0):
        histogram.observe(value)
    assert histogram.counts() == [2, 4, 5]
    assert histogram.total == 7.8
    assert Histogram().counts() == [0] * 14

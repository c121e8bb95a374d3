from __future__ import annotations

import threading

from tandem.core.histogram import Histogram


def test_values_are_counted_up_to_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    histogram.observe(-0.5)
    histogram.observe(0.1, 0.2, 1.0, 7.0)
    assert histogram.read() == ([2, 4, 5], 7.8)
    assert Histogram().read() == ([0] * 14, 0.0)


def test_counts_and_sum_are_of_one_moment() -> None:
    histogram = Histogram((1.0,))
    found: list[tuple[list[int], float]] = []
    reading = threading.Thread(target=lambda: found.append(histogram.read()))

    class Read(float):
        """A value during whose counting somebody begins to read."""

        def __gt__(self, other: float) -> bool:
            reading.start()
            reading.join(0.05)
            return super().__gt__(other)

    histogram.observe(2.0, Read(3.0), 4.0)
    reading.join()
    assert found == [([0, 3], 9.0)]

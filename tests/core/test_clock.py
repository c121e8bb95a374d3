from __future__ import annotations

import pytest

from tandem.core.clock import iso


@pytest.mark.parametrize(
    ("time_us", "digits", "expected"),
    [
        (0, "seconds", "1970-01-01T00:00:00Z"),
        (1_750_032_000_000_042, "microseconds", "2025-06-16T00:00:00.000042Z"),
        (1_750_032_000_999_999, "milliseconds", "2025-06-16T00:00:00.999Z"),
        (-1, "microseconds", "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_as_text(time_us: int, digits: str, expected: str) -> None:
    assert iso(time_us, digits) == expected

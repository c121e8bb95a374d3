"""What is said of filling: its state follows from what happened, never from how that is worded."""

import pytest

from tandem.backfill.progress import Hindrance, Left, Tally, describe

LEFT = Left(10, False, False, None, ())


@pytest.mark.parametrize(
    ("hindrance", "state"),
    [
        (Hindrance("Mars does not serve this region", 900.0, is_refused=True), "refused"),
        (Hindrance("the disk refuses to be written", 1.0), "paused"),
        (Hindrance("", 30.0, is_budget=True), "paused"),
        (Hindrance(), "waiting"),
    ],
)
def test_the_state_is_what_happened(hindrance: Hindrance, state: str) -> None:
    told = describe("mars:BTC-USD", Tally(), LEFT, hindrance)
    assert told.state == state

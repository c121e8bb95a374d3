"""A recorder with its surroundings."""

from collections.abc import Iterator

import pytest

from tests.support.exchange import Exchange
from tests.support.recorder_desk import Desk


@pytest.fixture
def desk(exchange: Exchange) -> Iterator[Desk]:
    # After the exchange, so that its recorders end before it: none knocks at a closing door.
    desk = Desk()
    yield desk
    desk.sink.blocked.set()
    for recorder in desk.recorders:
        assert recorder.stop(10.0), "a recorder's thread did not end"

"""A stand-in exchange with an hour of trades, for whatever connects to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tandem.core.clock import now_us
from tests.support.rest_exchange import RestExchange, Tape


@pytest.fixture
def exchange() -> Iterator[RestExchange]:
    with RestExchange() as exchange:
        exchange.tapes["BTCUSDT"] = Tape(1, 5_000, now_us() - 3_600_000_000, 20_000)
        yield exchange

"""A record with holes beside a stand-in exchange that has what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backfill_desk import Desk, desk_at, quicken
from tests.support.rest_exchange import RestExchange


@pytest.fixture
def exchange() -> Iterator[RestExchange]:
    with RestExchange() as exchange:
        yield exchange


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)


@pytest.fixture
def desk(tmp_path: Path, exchange: RestExchange) -> Iterator[Desk]:
    with desk_at(tmp_path, exchange) as desk:
        yield desk

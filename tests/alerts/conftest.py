"""A stand-in for services, asked at full speed."""

from collections.abc import Iterator

import pytest

from tandem.alerts.channels.base import Pace
from tandem.net.http import Client
from tests.support.message_servers import PostServer


@pytest.fixture
def server() -> Iterator[PostServer]:
    with PostServer() as server:
        yield server


@pytest.fixture(autouse=True)
def at_full_speed(monkeypatch) -> None:
    """Services are not spared here; the pace has tests of its own."""
    for name in ("web.Telegram", "web.Slack", "web.Discord", "web.Webhook", "mail.Mail"):
        monkeypatch.setattr(f"tandem.alerts.channels.{name}.pace", Pace(0.0, 100_000))


@pytest.fixture(autouse=True)
def clients(monkeypatch) -> Iterator[None]:
    """Close what tests leave open."""
    made = []

    class Kept(Client):
        def __init__(self, **given) -> None:
            super().__init__(**given)
            made.append(self)

    monkeypatch.setattr("tandem.alerts.channels.factory.Client", Kept)
    yield
    for client in made:
        client.close()

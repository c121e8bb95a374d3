"""A running app withstands foreign pages, visitors and other users of the machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.support.app_process import App, running_app
from tests.support.attacks import ATTACKS, SERVERS, Attack


@pytest.fixture(scope="module")
def app_of() -> Iterator[Callable[[str], App]]:
    """Return the running app of a name in `SERVERS`; each is started once."""
    with ExitStack() as stack:

        @cache
        def started(server: str) -> App:
            # Not below pytest's own folder, which no other user may enter.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return stack.enter_context(running_app(folder, SERVERS[server]))

        yield started


@pytest.mark.slow  # several servers, started as an operator starts them
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.text)
def test_an_attack_fails(app_of: Callable[[str], App], attack: Attack) -> None:
    app = app_of(attack.server)
    result = attack.run(app)
    assert result.held, f"{result.text}\n{app.log.read_text()}"

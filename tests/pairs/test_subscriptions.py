"""Subscriptions are made anew when what is looked at changes, and now and then."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from tandem.pairs import subscriptions
from tandem.pairs.sessions import Attention
from tandem.pairs.stream import PairSettings
from tandem.pairs.subscriptions import Subscriptions

PAIR = PairSettings("sim:ETHUSDT", "sim:BTCUSDT")


def test_a_step_in_which_nobody_moved_subscribes_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = MagicMock(return_value=100.0)
    monkeypatch.setattr(subscriptions.time, "monotonic", clock)
    names = ("settings", "venues", "ingest", "backfill", "pinned", "sessions", "tracker", "tests")
    parts = {name: MagicMock() for name in (*names, "buffer")}
    parts["settings"].max_instruments = 10
    parts["venues"].own_instruments.return_value = []
    parts["pinned"].pairs.return_value = ()
    parts["sessions"].attention.side_effect = lambda *_: Attention({PAIR}, [])
    parts["buffer"].instruments.return_value = []
    subscribed = Subscriptions(**parts)
    wanted = parts["tracker"].want
    for _ in range(5):
        subscribed.update()
    assert wanted.call_count == 1
    parts["pinned"].pairs.return_value = (PAIR,)
    subscribed.update()
    assert wanted.call_count == 2
    clock.return_value += subscriptions.REPEAT_S
    subscribed.update()
    assert wanted.call_count == 3

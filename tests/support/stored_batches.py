"""Numbered batches of trades, and whether a record holds them whole."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import SECOND_US
from tandem.core.events import Trade
from tandem.storage.reader import Reader

BASE_US = 1_700_000_040 * SECOND_US
ALWAYS = (0, 2**62)
LEGS = ("sim:AUSDT", "sim:BUSDT")


def batch(number, size=20):
    """Batch `number`: trades of both legs, partly out of order; every third repeats some."""
    source = random.Random(number)
    trades = [
        Trade(
            leg,
            number * size + k,
            BASE_US + number * 150_000 + source.randrange(-400_000, 400_000),
            100.0 + source.random(),
            source.random(),
            source.choice((-1, 1)),
            BASE_US + number * 150_000 + 500_000 + k,
        )
        for k in range(size)
        for leg in LEGS
    ]
    return trades + (batch(number - 1)[: size // 2] if number % 3 == 2 else [])


def assert_sound(path, batches):
    """The file is sound, has every one of the batches, and bars that are those of its trades."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    reader = Reader(path)
    for leg in LEGS:
        trades = {one.trade_id: one for one in reader.arrivals(leg, *ALWAYS)}
        for number in batches:
            for one in batch(number):
                if one.instrument == leg:
                    assert trades[one.trade_id] == one
        assert_bars(reader, leg)
        for number in {trade_id // 20 for trade_id in trades}:
            assert all(trade_id in trades for trade_id in range(number * 20, number * 20 + 20))


def assert_bars(reader, leg):
    expected = aggregate(trade_array(reader.arrivals(leg, *ALWAYS)), SECOND_US)
    assert reader.bars(leg, *ALWAYS).tobytes() == expected.tobytes()

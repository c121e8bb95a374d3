"""Pairs that stand: kept over a restart, bounded, and never run from damaged text."""

import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.pairs.pinned import MOST, PinnedPairs, decode, encode
from tandem.pairs.stream import PairSettings
from tandem.storage.null import NullStore
from tandem.storage.records import Document
from tandem.storage.store import Store
from tandem.strategy.rules import Costs, Rules

PAIR = PairSettings("sim:ETHUSDT", "sim:BTCUSDT")
ODD = PairSettings(
    "coinbase:ETH-USD",
    "sim:BTCUSDT",
    60 * SECOND_US,
    "ols",
    50,
    20,
    "robust",
    Rules(entry=1.5, stop=math.inf, log_prices=True),
    Costs(fee_bp=1.25),
)


@pytest.mark.parametrize("pair", [PAIR, ODD])
def test_a_pair_survives_its_own_text(pair: PairSettings) -> None:
    again = decode(encode(pair))
    assert again == pair
    assert again.key == pair.key


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        b"{}",
        encode(PAIR).replace(b'"y"', b'"why"'),
        encode(PAIR).replace(b"sim:ETHUSDT", b"../../etc"),
        encode(PAIR).replace(b'"lookback": 200', b'"lookback": "x"'),
        encode(PAIR).replace(b'"entry": 2.0', b'"entry": -2.0'),
        encode(PAIR).replace(b"sim:ETHUSDT", b"sim:BTCUSDT"),
    ],
)
def test_text_that_is_no_pair_is_refused(body: bytes) -> None:
    with pytest.raises(DataError):
        decode(body)


def test_what_stands_holds_over_a_restart(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "t.sqlite")) as store:
        one = PinnedPairs(store)
        one.add(PAIR)
        one.add(ODD)
        one.add(PAIR)
        one.remove(replace(PAIR, lookback=77))
        store.save_documents([Document("standing-pair", "damaged", b"{")])
    with closing(Store.open(tmp_path / "t.sqlite")) as store:
        again = PinnedPairs(store)
        assert set(again.pairs()) == {PAIR, ODD}
        assert "could not be parsed" in again.problem
        again.remove(PAIR)
        assert again.pairs() == (ODD,)


def test_there_is_a_limit() -> None:
    one = PinnedPairs(NullStore("Nothing is kept."))
    for lookback in range(20, 20 + MOST):
        one.add(replace(PAIR, lookback=lookback))
    with pytest.raises(DataError, match="stop one first"):
        one.add(replace(PAIR, lookback=500))
    one.add(replace(PAIR, lookback=20))
    assert len(one.pairs()) == MOST


# As databases hold them since pairs can be pinned.
KEPT = (
    '{"y": "sim:ETHUSDT", "x": "sim:BTCUSDT", "bar_us": 60000000, "model": "ols", "lookback": 120, '
    '"z_window": 40, "z_kind": "robust", "rules": {"entry": 1.5, "exit": 0.5, "stop": 4.0, '
    '"time_stop_bars": 0, "sizing": "hedge", "notional": 10000.0, "log_prices": true, "fill_at": '
    '"open", "cool_down_bars": 0, "rehedge_bars": 0, "rehedge_percent": 0.0, "negative_beta": '
    '"hold", "most_gross": Infinity}, "costs": {"fee_bp": 2.0, "y_half_spread_bp": 0.0, '
    '"x_half_spread_bp": 0.0, "slippage_bp": 0.0, "x_fee_bp": null, "x_slippage_bp": null, '
    '"y_borrow_percent": 0.0, "x_borrow_percent": 0.0}}'
)


def test_pairs_and_states_kept_by_earlier_versions_still_open() -> None:
    pair = decode(KEPT.encode())
    assert pair == PairSettings(
        *("sim:ETHUSDT", "sim:BTCUSDT", 60 * SECOND_US, "ols", 120, 40, "robust"),
        rules=Rules(entry=1.5, log_prices=True),
        costs=Costs(fee_bp=2.0),
    )
    # Signals and states are filed under these names.
    assert pair.key == "432f3b45054209e8e97aa921"
    assert PAIR.key == "c250215b4f29ff516afa12f7"

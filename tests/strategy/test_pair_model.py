"""The one pair model, and what extends it."""

from __future__ import annotations

import ast

import pytest

from tandem.backtest import cli as backtest
from tandem.core.errors import DataError
from tandem.pairs.stream import PairSettings
from tandem.scanner import cli as scanner
from tandem.scanner.settings import ScanSettings
from tandem.strategy.pair_model import PairModel
from tandem.strategy.rules import DEFAULT_COSTS, Costs, Rules
from tandem.strategy.signals import Setup
from tests.support.architecture import MODULES, mentioning, nodes

MODEL = PairModel("ols", 60, 30, "robust", Rules(entry=1.5, log_prices=True), Costs(fee_bp=1.0))


def test_a_model_is_the_same_in_a_backtest_and_on_the_live_page() -> None:
    setup = MODEL.extended(Setup, capital=5_000.0)
    pair = setup.extended(PairSettings, y="sim:Y", x="sim:X", bar_us=60_000_000)
    assert setup.capital == 5_000.0
    assert (pair.y, pair.x, pair.bar_us) == ("sim:Y", "sim:X", 60_000_000)
    assert pair.extended(PairModel) == setup.extended(PairModel) == MODEL


@pytest.mark.parametrize(
    "wrong", [{"model": "ridge"}, {"z_kind": "mean"}, {"lookback": 9}, {"z_window": 4}]
)
def test_nothing_that_extends_it_takes_what_it_refuses(wrong: dict[str, object]) -> None:
    for kind, more in ((PairModel, {}), (Setup, {}), (PairSettings, {"y": "a:Y", "x": "a:X"})):
        with pytest.raises(DataError):
            MODEL.extended(kind, **(wrong | more))


def fields_of(node: ast.ClassDef) -> set[str]:
    return {
        line.target.id
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }


def test_one_class_holds_the_fields_of_a_pair_model() -> None:
    holding = {
        node.name
        for path in mentioning("z_window").values()
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and {"lookback", "z_window"} <= fields_of(node)
    }
    assert holding == {"PairModel"}


def test_one_function_each_holds_a_hedge_takes_logs_and_scores_innovations() -> None:
    for name in ("known_before", "levels", "innovation_score"):
        defining = [
            module for module, path in MODULES.items() if f"def {name}(" in path.read_text("utf-8")
        ]
        assert defining == ["tandem.strategy.signals"]


def test_a_fill_costs_the_same_until_something_else_is_chosen() -> None:
    assert PairSettings("a:Y", "a:X").costs == ScanSettings().costs == DEFAULT_COSTS
    back, scan = backtest.parser().parse_args([]), scanner.parser().parse_args(["prices.csv"])
    half = DEFAULT_COSTS.y_half_spread_bp
    assert (back.fee, tuple(back.half_spread), back.slippage) == (5.0, (half, half), 0.5)
    assert (scan.fee, scan.half_spread, scan.slippage) == (5.0, half, 0.5)


def test_one_table_names_the_hedge_models() -> None:
    naming = {name for name, path in MODULES.items() if '"OLS"' in path.read_text("utf-8")}
    assert naming == {"tandem.strategy.pair_model"}

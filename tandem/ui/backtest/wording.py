"""A backtest's figures as words and tables. No Streamlit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from tandem.backtest.grid import value_of
from tandem.backtest.metrics import DEFINITIONS, Metrics
from tandem.backtest.run import Result
from tandem.core.clock import SECOND_US
from tandem.strategy.pair_model import MODEL_NAMES, Model
from tandem.strategy.signals import Setup
from tandem.ui.shared import format as f
from tandem.ui.shared.sheets import Cell, Sheet, cell, sheet

AXIS_NAMES = {
    "model": "model",
    "lookback": "lookback, bars",
    "z_kind": "z-score",
    "z_window": "z window, bars",
    "entry": "entry |z|",
    "exit": "exit |z|",
    "stop": "stop |z|",
    "time_stop_bars": "time stop, bars",
}

# Name, title and kind of every figure shown, by what it tells of.
GROUPS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Return and risk": (
        ("net", "Net profit", "money"),
        ("total_return", "Total return", "share"),
        ("cagr", "CAGR", "share"),
        ("volatility", "Annualised volatility", "size"),
        ("sharpe", "Sharpe ratio", "ratio"),
        ("sharpe_error", "Sharpe standard error", "plain"),
        ("sortino", "Sortino ratio", "ratio"),
        ("calmar", "Calmar ratio", "ratio"),
        ("max_drawdown", "Max drawdown", "fall"),
        ("drawdown_us", "Max drawdown duration", "time"),
        ("under_water_us", "Longest time under water", "time"),
    ),
    "Trades": (
        ("trades", "Closed trades", "count"),
        ("hit_rate", "Hit rate", "size"),
        ("profit_factor", "Profit factor", "plain"),
        ("average_trade", "Average trade", "money"),
        ("average_holding_us", "Average holding period", "time"),
        ("average_holding_bars", "Average holding period, bars", "plain"),
        ("time_in_market", "Time in market", "size"),
        ("turnover", "Annual turnover", "times"),
        ("mean_gross", "Mean exposure", "times"),
        ("most_gross", "Largest exposure", "times"),
        ("refused", "Rejected orders", "count"),
    ),
    "P&L attribution": (
        ("convergence", "Convergence", "money"),
        ("hedge_drift", "Hedge drift", "money"),
        ("fees", "Fees", "cost"),
        ("spread_cost", "Spread and slippage", "cost"),
        ("funding", "Funding", "cost"),
        ("borrow", "Borrow", "cost"),
        ("open_profit", "Open position", "money"),
        ("net", "Net profit", "money"),
    ),
}
TITLES = {name: title for group in GROUPS.values() for name, title, _ in group}
KINDS = {name: kind for group in GROUPS.values() for name, _, kind in group}
# What a sweep can be judged by.
JUDGED = ("sharpe", "net", "calmar", "sortino", "hit_rate")


def figure(name: str, value: float) -> str:
    """Return a figure of `Metrics` with its sign where it has one, and its unit."""
    kind = KINDS[name]
    if value == math.inf:
        return "no losses" if name == "profit_factor" else "\u221e"
    if not math.isfinite(value):
        return f.NONE
    if kind == "money":
        return f.signed(value)
    if kind == "cost":
        return f.signed(-value) if value else f.number(0.0)
    if kind == "share":
        return f.percent(value, 2)
    if kind == "size":
        return f"{f.number(100.0 * value, 1)} %"
    if kind == "fall":
        return f"{f.signed(-100.0 * value, 2)} %" if value else "0.00 %"
    if kind == "ratio":
        return f.signed(value)
    if kind == "time":
        return f.duration(value / SECOND_US)
    if kind == "times":
        return f"{f.number(value)} \u00d7 capital"
    return f.number(value, 0) if kind == "count" else f.number(value)


def figure_sheets(measured: Metrics) -> list[Sheet]:
    """Return every figure with how it is defined, as tables."""
    return [
        sheet(
            f"figures-{number}",
            title,
            "",
            [("Metric",), ("Value", "end"), ("Definition", "long")],
            [
                [label, figure(name, getattr(measured, name)), DEFINITIONS[name]]
                for name, label, _ in group
            ],
        )
        for number, (title, group) in enumerate(GROUPS.items())
    ]


def model_sheet(found: dict[Model, Result], titles: dict[Model, str], used: Model) -> Sheet:
    """Return the models' figures side by side."""
    names = [name for group in list(GROUPS.values())[:2] for name, _, kind in group]
    names = [name for name in names if name not in ("total_return", "refused", "drawdown_us")]
    heads = [titles[model] + (" (in use)" if model == used else "") for model in found]
    rows: list[list[Cell | str]] = [
        [
            cell(TITLES[name], hint=DEFINITIONS[name]),
            *(figure(name, getattr(one.metrics, name)) for one in found.values()),
        ]
        for name in names
    ]
    return sheet("models", "", "", [("Metric",), *((head, "end") for head in heads)], rows)


def plain_sheet(
    name: str, title: str, note: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> Sheet:
    """Return a table of texts; every column but the first is aligned to its end."""
    first, *others = columns
    return sheet(name, title, note, [(first,), *((one, "end") for one in others)], rows)


def variant(setup: Setup, axes: Sequence[str]) -> str:
    """Return what a variant is, by the axes on which the variants differ."""
    return ", ".join(
        f"{AXIS_NAMES[axis].partition(',')[0]} {axis_value(value_of(setup, axis))}" for axis in axes
    )


def axis_value(value: Any) -> str:
    """Return a value on an axis as text."""
    if isinstance(value, float):
        return "none" if math.isinf(value) else f"{value:g}"
    return MODEL_NAMES.get(value, str(value))


def chance(value: float) -> str:
    """Return a probability as a percentage."""
    if not math.isfinite(value):
        return f.NONE
    if value > 0.999:
        return "> 99.9 %"
    return "< 0.1 %" if value < 0.001 else f"{100.0 * value:.1f} %"

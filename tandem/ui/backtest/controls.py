"""The Backtest page's own controls: account, rules, limits, and which variants are tried."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from tandem.backtest import grid as grids
from tandem.backtest.grid import Grid
from tandem.core.errors import DataError
from tandem.strategy.pair_model import PairModel
from tandem.strategy.rules import Limits
from tandem.strategy.signals import Setup
from tandem.ui.shared import messages as say
from tandem.ui.shared.model_controls import MODELS, URL, model_controls

MOST_VALUES = 60
FUNDING_HOURS = {"1 h": 1.0, "4 h": 4.0, "8 h": 8.0, "24 h": 24.0}


@dataclass(frozen=True)
class Asked:
    """One backtest as it was asked for.

    `funding` is (percent of Y, percent of X, hours between charges).
    """

    setup: Setup
    funding: tuple[float, float, float]

    @property
    def has_funding(self) -> bool:
        """Whether a leg pays or earns any."""
        return bool(self.funding[0] or self.funding[1])


def ask() -> Asked | None:
    """Draw the sidebar's controls; None, with the reason on screen, where they contradict."""
    try:
        return _more(model_controls(live=False).model)
    except DataError as error:
        say.problem(str(error))
        return None


def _more(model: PairModel) -> Asked:
    with st.expander("Account and rules"):
        capital = _amount("Capital, quote currency", 20_000.0, "capital", least=1.0)
        st.caption("Base for percentage returns. It does not limit position size.")
        rules = _rules()
    with st.expander("Holding costs and venue limits"):
        costs, funding = _holding()
        limits = Limits(
            *_pair("Lot size, units", "lot"),
            *_pair("Tick size, price", "tick"),
            *_pair("Min notional", "least"),
        )
    setup = model.extended(
        Setup,
        rules=replace(model.rules, **rules),
        costs=replace(model.costs, **costs),
        limits=limits,
        capital=capital,
    )
    return Asked(setup, funding)


def _rules() -> dict[str, Any]:
    most = _amount("Max gross exposure (0: no limit)", 0.0, "most")
    return {
        "most_gross": most or math.inf,
        "fill_at": _segments("Fill at next bar's", ["open", "close"], "fill"),
        "time_stop_bars": _count("Time stop, bars (0: none)", "timestop"),
        "cool_down_bars": _count("Cool-down after exit, bars", "cool"),
        "rehedge_bars": _count("Rebalance hedge every \u2026 bars (0: never)", "rehedge"),
        "rehedge_percent": _amount(
            "Rebalance hedge when \u03b2 changes by, %", 0.0, "drift", 1_000.0
        ),
        "negative_beta": _segments(
            "Negative \u03b2",
            ["hold", "skip"],
            "negative",
            help="Hold: trade both legs on the same side, which is then the hedge. Skip: no entry.",
        ),
    }


def _segments(label: str, options: list[str], key: str, **style: Any) -> str:
    style |= {"width": "stretch", "required": True}
    first = options[0]
    return st.segmented_control(label, options, default=first, key=key, bind=URL, **style) or first


def _holding() -> tuple[dict[str, float], tuple[float, float, float]]:
    y_borrow, x_borrow = _pair("Borrow cost of short leg, % p.a.", "borrow", 1_000.0)
    y_rate, x_rate = _pair("Funding paid by long leg per interval, %", "funding", 10.0, -10.0)
    hours = st.select_slider(
        "Funding interval", list(FUNDING_HOURS), "8 h", key="charged", bind=URL, width="stretch"
    )
    return (
        {"y_borrow_percent": y_borrow, "x_borrow_percent": x_borrow},
        (y_rate, x_rate, FUNDING_HOURS[hours]),
    )


def _pair(label: str, key: str, most: float = 1e9, least: float = 0.0) -> tuple[float, float]:
    y, x = st.columns(2)
    with y:
        first = _amount(f"{label}: Y", 0.0, f"{key}y", most, least)
    with x:
        second = _amount("X", 0.0, f"{key}x", most, least)
    return first, second


def _amount(label: str, value: float, key: str, most: float = 1e9, least: float = 0.0) -> float:
    given = st.number_input(label, least, most, value, format="%g", key=f"bt_{key}", bind=URL)
    return float(given if given is not None else value)


def _count(label: str, key: str) -> int:
    return int(st.number_input(label, 0, 1_000_000, 0, key=f"bt_{key}", bind=URL) or 0)


# What is tried --------------------------------------------------------------------------


def ask_grid(setup: Setup) -> Grid | None:
    """Draw the values to try; None, with the reason on screen, where they make no sense.

    The sweep, the walk-forward and the null test choose among the same variants.
    """
    with st.container(border=True):
        st.caption(
            "Parameter grid: every valid combination of these values. Empty fields use the sidebar "
            "value. The sweep, walk-forward and null test share this grid."
        )
        left, middle, right = st.columns(3)
        models = left.pills(
            "Models", list(MODELS), selection_mode="multi", key="try_model", bind=URL
        )
        entries = left.text_input("Entry |z|", "1, 1.5, 2, 2.5, 3", key="try_entry", bind=URL)
        exits = middle.text_input("Exit |z|", "0, 0.25, 0.5, 0.75, 1", key="try_exit", bind=URL)
        lookbacks = middle.text_input("Lookback, bars", "", key="try_lookback", bind=URL)
        windows = right.text_input(
            "z window, bars",
            "",
            key="try_window",
            bind=URL,
            help="The Kalman innovation z has no window.",
        )
        stops = right.text_input("Stop |z|", "", key="try_stop", bind=URL, placeholder="4, 6, inf")
        try:
            grid = Grid(
                setup,
                models=[MODELS[name] for name in models or ()],
                lookbacks=[round(one) for one in values(lookbacks, "lookback")],
                z_windows=[round(one) for one in values(windows, "z window")],
                entries=values(entries, "entry"),
                exits=values(exits, "exit"),
                stops=values(stops, "stop"),
            )
            count = len(grid.setups())
        except DataError as error:
            say.problem(str(error))
            return None
        st.caption(f"{count:,} variants." if count > 1 else "1 variant: nothing to select from.")
    return grid


def values(text: str, name: str) -> list[float]:
    """Return the numbers of a list such as ``1, 1.5, 2``, in order, each once.

    Raises
    ------
    DataError
        What is no number, or more than 60 of them.
    """
    found = []
    for part in text.replace(";", ",").split(","):
        if not part.strip():
            continue
        try:
            number = float(part)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            raise DataError(
                f"{part.strip()!r:.40} is not a valid {name}; use comma-separated numbers, e.g. 1, "
                "1.5, 2."
            )
        found.append(number)
    if len(found) > MOST_VALUES:
        raise DataError(f"{len(found)} values given for {name}; use at most {MOST_VALUES}.")
    if any(math.isinf(one) for one in found) and name != "stop":
        raise DataError(f"Infinity is not a valid {name}; only the stop may be inf (no stop).")
    return sorted(set(found))


def moving(grid: Grid) -> list[str]:
    """Return the axes on which the variants differ, most telling first."""
    setups = grid.setups()
    order = ("entry", "exit", "lookback", "z_window", "stop", "model", "z_kind", "time_stop_bars")
    return [axis for axis in order if len({grids.value_of(one, axis) for one in setups}) > 1]

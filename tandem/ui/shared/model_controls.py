"""The controls of a pair model: bar, hedge model, windows, thresholds and costs.

Every control lives in the URL.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import streamlit as st

from tandem.core.clock import SECOND_US
from tandem.strategy.pair_model import MODEL_NAMES, Model, PairModel, ZKind
from tandem.strategy.rules import DEFAULT_COSTS, Costs, Rules, Sizing
from tandem.ui.shared.links import Choice, check_number

BARS = {"1s": 1, "5s": 5, "15s": 15, "1m": 60, "5m": 300}
SHOWN = {"300": 300, "900": 900, "all": 0}
URL: Final = "query-params"

BAR = Choice("bar", {name: name for name in BARS}, "5s", "bar")
MODEL = Choice[Model]("model", MODEL_NAMES, "kalman", "hedge model")
MODELS = {title: key for key, title in MODEL.titles.items()}
PRICES = Choice("prices", {"raw": "raw", "log": "log"}, "raw", "kind of prices")
Z_KIND = Choice[ZKind](
    "z",
    {"model": "model's own", "rolling": "rolling", "ewm": "exponential", "robust": "robust"},
    "model",
    "z-score",
)
SIZING = Choice[Sizing](
    "sizing", {"hedge": "hedge", "dollar": "dollar", "unit": "unit"}, "hedge", "sizing"
)
SHOW = Choice("show", {name: name for name in SHOWN}, "300", "number of bars")
REFRESH = Choice(
    "refresh",
    {key: f"{key} s" for key in ("0.1", "0.25", "0.5", "1", "2", "5")},
    "0.5",
    "refresh rate",
)


class Controls(NamedTuple):
    """The controls that do not name instruments; files use the model too."""

    bar_us: int
    model: PairModel


def model_controls(live: bool = True) -> Controls:
    """Draw bar, model, windows, thresholds and costs."""
    bar_name = BAR.segments("Bar", width="stretch") if live else BAR.default
    model = MODEL.segments("Hedge model", width="stretch")
    lookback = _slider("Lookback, bars", "lookback", 20, 2_000, 200)
    z_window = _slider("z window, bars", "zwin", 10, 1_000, 100)
    entry, leave, stop = st.columns(3)
    enter_at = number("Entry |z|", "enter", 0.1, 20.0, 2.0, 0.1, format="%.1f", place=entry)
    exit_at = number("Exit |z|", "exit", 0.0, 20.0, 0.5, 0.1, format="%.1f", place=leave)
    stop_at = number("Stop |z|", "stop", 0.1, 50.0, 4.0, 0.1, format="%.1f", place=stop)
    prices = PRICES.segments(
        "Prices",
        width="stretch",
        help="Raw: \u03b2 is a unit ratio (X per Y). Log: \u03b2 is a notional ratio.",
    )
    with st.expander("Advanced"):
        z_kind = Z_KIND.box(
            "z-score", help="Model: for Kalman, the innovation divided by its standard deviation."
        )
        sizing = SIZING.box(
            "Sizing",
            help="Size of X relative to Y: hedge ratio, equal notional, or one unit per unit.",
        )
        notional = number(
            "Y-leg notional, quote currency", "notional", 10.0, 1e9, 10_000.0, 1_000.0
        )
        costs = ask_costs(
            help="Used by the paper account; the cost card uses the currently quoted spread."
        )
        if live:
            SHOW.slider("Bars shown")
            REFRESH.slider("Refresh")
    rules = Rules(
        entry=enter_at,
        exit=exit_at,
        stop=stop_at,
        sizing=sizing,
        notional=notional,
        log_prices=prices == "log",
    )
    bar_us = BARS[bar_name] * SECOND_US
    return Controls(bar_us, PairModel(model, lookback, z_window, z_kind, rules, costs))


def _slider(label: str, name: str, low: int, high: int, usual: int) -> int:
    check_number(name, label.partition(",")[0].lower(), low, high)
    return st.slider(label, low, high, usual, 10, key=name, bind=URL)


def ask_costs(prefix: str = "", help: str | None = None, **style: Any) -> Costs:
    """Draw the costs of a fill; `help` is about the half-spread."""
    usual = DEFAULT_COSTS
    fee = number("Fee per fill, bp", f"{prefix}fee", 0.0, 100.0, usual.fee_bp, 0.5, **style)
    half = usual.y_half_spread_bp
    half = number(
        "Half-spread per fill, bp", f"{prefix}half", 0.0, 100.0, half, 0.1, help=help, **style
    )
    name = f"{prefix}slip" if prefix else "slippage"
    slippage = number("Slippage per fill, bp", name, 0.0, 100.0, usual.slippage_bp, 0.1, **style)
    return Costs(fee_bp=fee, y_half_spread_bp=half, x_half_spread_bp=half, slippage_bp=slippage)


def number(
    label: str,
    name: str,
    low: float,
    high: float,
    usual: float,
    step: float,
    *,
    place: Any = st,
    **style: Any,
) -> float:
    """Draw a box for a number that lives in the URL; what a link holds in vain is said."""
    check_number(name, label.partition(",")[0].lower(), low, high)
    given = place.number_input(label, low, high, usual, step, key=name, bind=URL, **style)
    return float(given)

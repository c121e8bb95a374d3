"""The Backtest page's tabs about the result itself: result, trades, models."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import streamlit as st

from tandem.strategy.trader import ClosedTrade
from tandem.ui.backtest import charts as drawn
from tandem.ui.backtest import wording as words
from tandem.ui.backtest.study import Study
from tandem.ui.components import chart, sheets
from tandem.ui.live import charts
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.model_controls import MODELS

MOST_ROWS = 5_000
# A share of the bars; a model that takes longer to begin leaves little to judge it by.
SLOW_START = 0.3
MODEL_TITLES = {code: title for title, code in MODELS.items()}


def result(study: Study) -> None:
    """Show equity, the pair with its trades, and every figure with its definition."""
    done = study.result
    _warn(study)
    say.note(f"Equity is cash plus both legs at their last prices; {done.periods.text}.")
    chart(
        drawn.equity_chart(study.columns, done.setup.capital, study.version), key="backtest-equity"
    )
    say.note(
        "Below: marks on prices and spread stand where trades were filled, those on z where the "
        "bar's close asked for them; grey stretches have a stale leg, which nothing trades."
    )
    if len(done.trades) > drawn.MOST_MARKS:
        say.note(f"{len(done.trades):,} trades are too many to be marked on prices and spread.")
    chart(
        drawn.pair_chart(study.columns, study.settings, done.trades, done.position, study.version),
        key="backtest-pair",
    )
    sheets(words.figure_sheets(done.metrics), key="backtest-figures")


def _warn(study: Study) -> None:
    measured, held = study.result.metrics, study.result.position
    if measured.lowest_equity <= 0.0:
        say.warning(
            f"Equity fell to {f.signed(measured.lowest_equity)}: the account was gone. What comes "
            "after that could not have been traded; use more capital or a smaller Y leg."
        )
    if measured.refused:
        say.warning(
            f"{measured.refused:,} bars asked for an entry, or a re-hedge, that lots or the least "
            "value refused: one leg would have been too small, or nothing at all."
        )
    bars, first = study.source.bars.time_us, study.result.periods.first
    if first > SLOW_START * len(bars):
        say.note(
            f"The model has its first z at {f.day_clock(int(bars[first]))} UTC, after "
            f"{first:,} of {len(bars):,} bars; a shorter lookback begins sooner."
        )
    if held is not None:
        say.note(
            f"A {'long' if held.side > 0 else 'short'} position is still open; it counts at its "
            "last prices, without the cost of leaving it."
        )


def trades(study: Study) -> None:
    """List round trips with every part of their profit, and each leg's fills."""
    done = study.result
    if not done.trades:
        st.info(
            "No trade was closed. Lower the entry threshold, or give the model more bars to begin."
        )
        return
    parts = done.metrics
    say.note(
        f"Closed trades: convergence {f.signed(parts.convergence)}, hedge drift "
        f"{f.signed(parts.hedge_drift)}, fees {f.signed(-parts.fees)}, spread and slippage "
        f"{f.signed(-parts.spread_cost)}, funding {f.signed(-parts.funding)}, borrow "
        f"{f.signed(-parts.borrow)}: together {f.signed(parts.net - parts.open_profit)} in the "
        "quote currency. Convergence is what the model's own spread gave by coming back; hedge "
        "drift is what the re-estimated hedge took back."
    )
    shown = done.trades[::-1][:MOST_ROWS]
    if len(done.trades) > MOST_ROWS:
        say.note(f"The newest {MOST_ROWS:,} of {len(done.trades):,}; the download has all.")
    _round_trips(list(shown))
    st.markdown("**Fills**")
    say.note(
        "Every round trip has four fills or more. A price is the bar's; fee and spread are beside "
        "it. A sold quantity is negative."
    )
    _fills(study)


def _round_trips(shown: list[ClosedTrade]) -> None:
    money = st.column_config.NumberColumn(format="%+,.2f")
    number, price = st.column_config.NumberColumn(format="%.4g"), st.column_config.NumberColumn()
    rows = {
        "opened (UTC)": _times(one.entry_us for one in shown),
        "closed (UTC)": _times(one.exit_us for one in shown),
        "side": ["\u25b2 long" if one.side > 0 else "\u25bc short" for one in shown],
        "bars": [one.bars for one in shown],
        "opened because": [f"z {f.signed(one.entry_z)}" for one in shown],
        "closed because": [_why(one) for one in shown],
        "net": [one.net for one in shown],
        "convergence": [one.convergence for one in shown],
        "hedge drift": [one.hedge_drift for one in shown],
        "fees": [-one.fees for one in shown],
        "spread": [-one.spread_cost for one in shown],
        "funding": [-one.funding for one in shown],
        "borrow": [-one.borrow for one in shown],
        "Y units": [one.y_quantity for one in shown],
        "X units": [one.x_quantity for one in shown],
        "Y in": [one.entry_y for one in shown],
        "Y out": [one.exit_y for one in shown],
        "X in": [one.entry_x for one in shown],
        "X out": [one.exit_x for one in shown],
        "\u03b2": [one.beta for one in shown],
    }
    kinds = {
        **dict.fromkeys(
            ("net", "convergence", "hedge drift", "fees", "spread", "funding", "borrow"), money
        ),
        **dict.fromkeys(("Y units", "X units", "\u03b2"), number),
        **dict.fromkeys(("Y in", "Y out", "X in", "X out"), price),
    }
    st.dataframe(rows, hide_index=True, column_config=kinds, key="backtest-trades")


def _why(trade: ClosedTrade) -> str:
    return (
        f"{trade.reason}, z {f.signed(trade.exit_z)}"
        if math.isfinite(trade.exit_z)
        else (trade.reason)
    )


def _fills(study: Study) -> None:
    shown = study.result.fills[::-1][:MOST_ROWS]
    legs = {"y": f.symbol_of(study.source.y), "x": f.symbol_of(study.source.x)}
    rows = {
        "bar (UTC)": _times(one.time_us for one in shown),
        "leg": [legs[one.leg] for one in shown],
        "quantity": [one.quantity for one in shown],
        "price": [one.price for one in shown],
        "value": [one.quantity * one.price for one in shown],
        "fee": [-one.fee for one in shown],
        "spread": [-one.spread_cost for one in shown],
    }
    money = st.column_config.NumberColumn(format="%+,.2f")
    kinds = {
        **dict.fromkeys(("value", "fee", "spread"), money),
        "quantity": st.column_config.NumberColumn(format="%+.6g"),
    }
    st.dataframe(rows, hide_index=True, column_config=kinds, key="backtest-fills")


def _times(times_us: Iterable[int]) -> npt.NDArray[np.datetime64]:
    return np.fromiter(times_us, np.int64).astype("M8[us]")


def models(study: Study) -> None:
    """Show the three models side by side, under the same rules and over the same bars."""
    found = study.models
    first = next(iter(found.values())).periods.first
    say.note(
        "The same rules and costs under each model, all from "
        f"{f.day_clock(int(study.source.bars.time_us[first]))} UTC, the first bar at which every "
        "one of them has a z. The result of the model in use can differ from the one above, which "
        "begins as soon as it alone has a z."
    )
    used = MODEL_TITLES[study.asked.setup.model]
    chart(
        drawn.models_chart(
            study.source.bars.time_us[first:],
            {MODEL_TITLES[name]: one.equity[first:] for name, one in found.items()},
            used,
            study.version,
        ),
        key="backtest-models",
    )
    sheets(
        [words.model_sheet(dict(found), MODEL_TITLES, study.asked.setup.model)],
        key="backtest-model-figures",
    )
    columns = dict(study.columns)
    for name, one in found.items():
        columns[f"beta_{name}"] = one.signals.beta
    say.note("The hedge ratio of each, as it was known before each bar:")
    chart(charts.hedge_chart(columns, study.settings, 0, study.version), key="backtest-hedge")

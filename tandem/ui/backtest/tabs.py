"""The Backtest page's tabs about the result itself: result, trades, models."""

from __future__ import annotations

import math

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
    say.note(f"Equity is cash plus both legs marked to market; {done.periods.text}.")
    chart(
        drawn.equity_chart(study.columns, done.setup.capital, study.version), key="backtest-equity"
    )
    say.note(
        "Below: markers on prices and spread show fills, those on z the signal at bar close; grey "
        "periods have a stale leg and are not traded."
    )
    if len(done.trades) > drawn.MOST_MARKS:
        say.note(f"{len(done.trades):,} trades are too many to mark on prices and spread.")
    chart(
        drawn.pair_chart(study.columns, study.settings, done.trades, done.position, study.version),
        key="backtest-pair",
    )
    sheets(words.figure_sheets(done.metrics), key="backtest-figures")


def _warn(study: Study) -> None:
    measured, held = study.result.metrics, study.result.position
    if measured.lowest_equity <= 0.0:
        say.warning(
            f"Equity fell to {f.signed(measured.lowest_equity)}: the account was wiped out. "
            "Nothing after that could have been traded; use more capital or a smaller Y leg."
        )
    if measured.refused:
        say.warning(
            f"{measured.refused:,} bars signalled an entry or a rebalance that lot size or min "
            "notional rejected: one leg would have been too small or zero."
        )
    bars, first = study.source.bars.time_us, study.result.periods.first
    if first > SLOW_START * len(bars):
        say.note(
            f"The first z is available at {f.day_clock(int(bars[first]))} UTC, after "
            f"{first:,} of {len(bars):,} bars; a shorter lookback starts earlier."
        )
    if held is not None:
        say.note(
            f"A {'long' if held.side > 0 else 'short'} position is still open; it is marked "
            "to market, without exit costs."
        )


def trades(study: Study) -> None:
    """List round trips with P&L attribution, and each leg's fills."""
    done = study.result
    if not done.trades:
        st.info("No closed trades. Lower the entry threshold, or use more bars.")
        return
    parts = done.metrics
    say.note(
        f"Closed trades: convergence {f.signed(parts.convergence)}, hedge drift "
        f"{f.signed(parts.hedge_drift)}, fees {f.signed(-parts.fees)}, spread and slippage "
        f"{f.signed(-parts.spread_cost)}, funding {f.signed(-parts.funding)}, borrow "
        f"{f.signed(-parts.borrow)}; total {f.signed(parts.net - parts.open_profit)} in the "
        "quote currency. Convergence is the P&L from the model's spread reverting; hedge drift is "
        "the P&L lost as the hedge was re-estimated."
    )
    shown = done.trades[::-1][:MOST_ROWS]
    if len(done.trades) > MOST_ROWS:
        say.note(f"Showing the newest {MOST_ROWS:,} of {len(done.trades):,}; the download has all.")
    _round_trips(list(shown))
    st.markdown("**Fills**")
    say.note(
        "Every round trip has at least four fills. Prices are bar prices; fee and spread are "
        "listed separately. Sold quantities are negative."
    )
    _fills(study)


def _round_trips(shown: list[ClosedTrade]) -> None:
    money = st.column_config.NumberColumn(format="%+,.2f")
    number, price = st.column_config.NumberColumn(format="%.4g"), st.column_config.NumberColumn()
    rows = {
        "opened (UTC)": f.times(one.entry_us for one in shown),
        "closed (UTC)": f.times(one.exit_us for one in shown),
        "side": ["\u25b2 long" if one.side > 0 else "\u25bc short" for one in shown],
        "bars": [one.bars for one in shown],
        "entry reason": [f"z {f.signed(one.entry_z)}" for one in shown],
        "exit reason": [_why(one) for one in shown],
        "net": [one.net for one in shown],
        "convergence": [one.convergence for one in shown],
        "hedge drift": [one.hedge_drift for one in shown],
        "fees": [-one.fees for one in shown],
        "spread": [-one.spread_cost for one in shown],
        "funding": [-one.funding for one in shown],
        "borrow": [-one.borrow for one in shown],
        "Y units": [one.y_quantity for one in shown],
        "X units": [one.x_quantity for one in shown],
        "Y entry": [one.entry_y for one in shown],
        "Y exit": [one.exit_y for one in shown],
        "X entry": [one.entry_x for one in shown],
        "X exit": [one.exit_x for one in shown],
        "\u03b2": [one.beta for one in shown],
    }
    kinds = {
        **dict.fromkeys(
            ("net", "convergence", "hedge drift", "fees", "spread", "funding", "borrow"), money
        ),
        **dict.fromkeys(("Y units", "X units", "\u03b2"), number),
        **dict.fromkeys(("Y entry", "Y exit", "X entry", "X exit"), price),
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
        "bar (UTC)": f.times(one.time_us for one in shown),
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


def models(study: Study) -> None:
    """Show the three models side by side, under the same rules and over the same bars."""
    found = study.models
    first = next(iter(found.values())).periods.first
    say.note(
        "The same rules and costs for each model, all from "
        f"{f.day_clock(int(study.source.bars.time_us[first]))} UTC, the first bar at which all "
        "have a z. The selected model's result can differ from the one above, which starts as soon "
        "as that model has a z."
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
    say.note("Hedge ratio of each model, as known before each bar:")
    chart(charts.hedge_chart(columns, study.settings, 0, study.version), key="backtest-hedge")

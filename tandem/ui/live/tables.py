"""Tables on screen: the trade tape, the open position, the closed trades."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import streamlit as st

from tandem.core.bars import resample
from tandem.core.clock import SECOND_US
from tandem.core.events import Trade
from tandem.pairs.snapshot import Snapshot
from tandem.strategy.trader import ClosedTrade
from tandem.ui.shared import format as f

SIDES = {1: "\u25b2 bought", -1: "\u25bc sold", 0: f.NONE}


def resampled(bars: npt.NDArray[np.void], interval_us: int) -> npt.NDArray[np.void]:
    """Return bars on the chosen grid."""
    return bars if interval_us == SECOND_US else resample(bars, interval_us)


def tape(trades: list[Trade]) -> None:
    """Show the newest trades of both legs, newest first."""
    if not trades:
        st.info("No trades yet. The tape fills as soon as the venue sends one.")
        return
    rows = {
        "time (UTC)": f.times(trade.time_us for trade in trades),
        "instrument": [f.symbol_of(trade.instrument) for trade in trades],
        "taker": [SIDES[trade.side] for trade in trades],
        "price": [f.price(trade.price) for trade in trades],
        # Where only prices come the quantity is unknown, not nothing.
        "quantity": [trade.quantity or None for trade in trades],
        "value": [f.number(trade.price * trade.quantity or math.nan) for trade in trades],
        "delay (ms)": [(trade.received_us - trade.time_us) / 1_000 for trade in trades],
    }
    st.dataframe(
        rows,
        hide_index=True,
        height=420,
        column_config={
            "time (UTC)": st.column_config.DatetimeColumn(format="HH:mm:ss.SSS"),
            "price": st.column_config.TextColumn(alignment="right"),
            "quantity": st.column_config.NumberColumn(format="%.6g"),
            "value": st.column_config.TextColumn(alignment="right"),
            "delay (ms)": st.column_config.NumberColumn(format="%.0f"),
        },
    )


def position(snapshot: Snapshot) -> None:
    """Describe the paper account's open position, leg by leg."""
    view = snapshot.view
    held = view.position if view else None
    if held is None:
        st.caption(
            "The paper account is flat. It trades the signal above: decided on bar close, filled "
            "at the next open of both legs; four fills per round trip, each paying fee, "
            "half-spread and slippage."
        )
        return
    settings = snapshot.settings
    legs = (
        (settings.y, held.y_quantity, held.entry_y),
        (settings.x, held.x_quantity, held.entry_x),
    )
    text = " and ".join(
        f"{'long' if quantity > 0 else 'short'} {f.significant(abs(quantity), 5)} "
        f"{f.asset(name)} from {f.price(entry)}"
        for name, quantity, entry in legs
    )
    st.text(f"Holding {text}, since {f.day_clock(held.entry_us)} UTC, {held.bars} bars.")


def closed_trades(trades: list[ClosedTrade]) -> None:
    """List the paper account's closed trades, newest first, with P&L attribution."""
    if not trades:
        st.caption("No closed trades yet.")
        return
    trades = trades[::-1]
    rows = {
        "opened (UTC)": f.times(trade.entry_us for trade in trades),
        "closed (UTC)": f.times(trade.exit_us for trade in trades),
        "side": ["\u25b2 long" if trade.side > 0 else "\u25bc short" for trade in trades],
        "bars": [trade.bars for trade in trades],
        "entry z": [trade.entry_z for trade in trades],
        "exit z": [trade.exit_z for trade in trades],
        "gross": [trade.gross for trade in trades],
        "fees": [-trade.fees for trade in trades],
        "spread": [-trade.spread_cost for trade in trades],
        "funding": [-trade.funding for trade in trades],
        "net": [trade.net for trade in trades],
        "exit reason": [trade.reason for trade in trades],
    }
    money = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        rows,
        hide_index=True,
        column_config={
            name: money
            for name in ("entry z", "exit z", "gross", "fees", "spread", "funding", "net")
        },
    )

"""What the state machine reads and keeps: rules, state, closed trades, re-hedges."""

from __future__ import annotations

import numpy as np

RULES = np.dtype(
    [
        ("entry", np.float64),
        ("exit", np.float64),
        ("stop", np.float64),
        ("time_stop_bars", np.int64),
        ("sizing", np.int64),
        ("notional", np.float64),
        ("log_prices", np.bool_),
        ("at_close", np.bool_),
        ("cool_down_bars", np.int64),
        ("rehedge_bars", np.int64),
        ("rehedge_drift", np.float64),
        ("skip_negative", np.bool_),
        ("most_gross", np.float64),
        ("y_fee", np.float64),  # these four: fraction of a fill's value
        ("x_fee", np.float64),
        ("y_slip", np.float64),
        ("x_slip", np.float64),
        ("y_borrow", np.float64),  # fraction of a short leg's value per microsecond
        ("x_borrow", np.float64),
        ("y_lot", np.float64),  # these six: 0 where there is no such limit
        ("x_lot", np.float64),
        ("y_tick", np.float64),
        ("x_tick", np.float64),
        ("y_least", np.float64),
        ("x_least", np.float64),
    ]
)

# The order that waits, the position it would change, and the money so far.
NOW = np.dtype(
    [
        ("time_us", np.int64),
        ("target", np.int64),
        ("blocked", np.int64),  # side of the stopped trade while re-entry is barred, else 0
        ("cool", np.int64),  # closes that may still not ask for an entry; 0 while held
        ("order", np.int64),
        ("order_us", np.int64),
        ("order_z", np.float64),
        ("order_beta", np.float64),
        ("side", np.int64),
        ("bars", np.int64),
        ("y_quantity", np.float64),
        ("x_quantity", np.float64),
        ("signal_us", np.int64),
        ("entry_us", np.int64),
        ("entry_y", np.float64),
        ("entry_x", np.float64),
        ("entry_z", np.float64),
        ("beta", np.float64),
        ("fees", np.float64),
        ("spread_cost", np.float64),
        ("funding", np.float64),
        ("borrow", np.float64),
        ("rehedges", np.int64),
        ("entry_x_quantity", np.float64),
        ("entry_spread", np.float64),
        ("hedge_beta", np.float64),  # beta and age of the last time X was sized
        ("hedge_bars", np.int64),
        ("x_basis", np.float64),  # price from which X's profit is not yet in `realised`
        ("realised", np.float64),
        ("cash", np.float64),
        ("y_mark", np.float64),
        ("x_mark", np.float64),
        ("traded", np.float64),
        ("refused", np.int64),
    ]
)

CLOSED = np.dtype(
    [
        ("side", np.int64),
        ("bars", np.int64),
        ("signal_us", np.int64),
        ("entry_us", np.int64),
        ("exit_signal_us", np.int64),
        ("exit_us", np.int64),
        ("y_quantity", np.float64),
        ("x_quantity", np.float64),
        ("entry_y", np.float64),
        ("entry_x", np.float64),
        ("exit_y", np.float64),
        ("exit_x", np.float64),
        ("entry_z", np.float64),
        ("exit_z", np.float64),
        ("beta", np.float64),
        ("gross", np.float64),
        ("fees", np.float64),
        ("spread_cost", np.float64),
        ("funding", np.float64),
        ("borrow", np.float64),
        ("net", np.float64),
        ("convergence", np.float64),
        ("hedge_drift", np.float64),
        ("rehedges", np.int64),
        ("exit_x_quantity", np.float64),
        ("reason", np.int64),
    ]
)

# A change of the X leg of a position that stays.
ADJUSTED = np.dtype(
    [
        ("signal_us", np.int64),
        ("time_us", np.int64),
        ("quantity", np.float64),
        ("price", np.float64),
        ("beta", np.float64),
        ("fee", np.float64),
        ("spread_cost", np.float64),
    ]
)

# What `run` fills for every bar, one array each.
OUT: dict[str, type] = {
    "signal": np.int8,
    "event": np.int8,
    "filled": np.int8,
    "position": np.int8,
    "y_quantity": np.float64,
    "x_quantity": np.float64,
    "cash": np.float64,
    "equity": np.float64,
    "gross": np.float64,
}

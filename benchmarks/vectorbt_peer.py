"""The same sweep in vectorbt, in a process and an environment of its own (see benchmarks/backtest).

python vectorbt_peer.py signals.npz    prints seconds, megabytes and trades as JSON
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    """Time one warm sweep of one asset: positions, trades, return, Sharpe ratio and drawdown."""
    try:
        import vectorbt
    except ImportError:
        print(json.dumps({"error": "vectorbt is not installed"}))
        return
    with np.load(Path(sys.argv[1])) as given:
        price, scores, groups = given["price"], given["z"], given["group"]
        entry, leave = given["entry"], given["exit"]
    index = pd.date_range("2020-01-01", periods=len(price), freq="h")
    close = pd.Series(price, index=index)

    def sweep(variants: slice) -> tuple[float, ...]:
        z = scores[groups[variants]].T
        portfolio = vectorbt.Portfolio.from_signals(
            close,
            entries=pd.DataFrame(z <= -entry[variants], index=index),
            exits=pd.DataFrame(z >= -leave[variants], index=index),
            short_entries=pd.DataFrame(z >= entry[variants], index=index),
            short_exits=pd.DataFrame(z <= leave[variants], index=index),
            fees=0.0005,
            init_cash=20_000.0,
            size=10_000.0,
            size_type="value",
            freq="1h",
        )
        figures = portfolio.total_return(), portfolio.sharpe_ratio(), portfolio.max_drawdown()
        return (*(float(one.mean()) for one in figures), float(portfolio.trades.count().sum()))

    sweep(slice(0, 3))  # compiles
    start = time.perf_counter()
    found = sweep(slice(None))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "trades": found[-1],
                      "version": vectorbt.__version__}))  # fmt: skip


if __name__ == "__main__":
    main()

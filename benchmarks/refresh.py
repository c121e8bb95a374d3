"""What one refresh of the live page costs the server, with 5,000 bars.

python -m benchmarks.refresh
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from tandem.config import Settings
from tandem.core.bars import AlignedBars
from tandem.core.clock import SECOND_US, now_us
from tandem.engine import Engine
from tandem.pairs.cointegration import assess
from tandem.pairs.stream import PairSettings, PairStream
from tandem.ui.live import cards, charts

BARS = 5_000


def walk(bars: int) -> AlignedBars:
    """Return two simulated legs on a grid of one-second bars that ends now."""
    random = np.random.default_rng(0)
    x = 60_000.0 + np.cumsum(random.normal(0.0, 5.0, bars))
    y = 0.05 * x + np.cumsum(random.normal(0.0, 0.05, bars))
    time_us = now_us() // SECOND_US * SECOND_US - np.arange(bars, 0, -1) * SECOND_US
    age = np.zeros(bars, np.int64)
    return AlignedBars(time_us, y, x, y, x, age, age, np.ones(bars, bool), np.zeros(bars, bool))


def median_ms(work: Callable[[], object], times: int = 30) -> float:
    """Return the median time of `work` in milliseconds, after one warm run."""
    work()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append((time.perf_counter() - start) * 1e3)
    return statistics.median(spent)


def main() -> None:
    """Print the median cost of each part."""
    bars = walk(BARS)
    for model in ("ols", "kalman", "huber"):
        settings = PairSettings("sim:ETHUSDT", "sim:BTCUSDT", bar_us=SECOND_US, model=model)
        stream = PairStream(settings, BARS)
        stream.extend(bars)
        view = stream.view()

        def follow(settings: PairSettings = settings) -> None:
            PairStream(settings, BARS).extend(bars)

        def draw(settings: PairSettings = settings, view: dict[str, np.ndarray] = view) -> None:
            json.dumps(charts.pair_chart(view, settings, 0, "1"))

        sys.stdout.write(
            f"{model:7s} open a pair of {BARS} bars {median_ms(follow):6.1f} ms   "
            f"chart of all bars {median_ms(draw):6.1f} ms   "
            f"relation {median_ms(lambda s=settings, v=view: assess(v, s)):6.1f} ms\n"
        )
    sys.stdout.write(
        f"one refresh, engine and cards: {look_ms():.1f} ms\n{describe('numpy', 'numba')}\n"
    )


def look_ms() -> float:
    """Return what a snapshot and its cards cost on a running simulated engine."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Settings(venue="sim", public="off", database=Path(folder) / "t.sqlite"))
        engine.start()
        settings = PairSettings("sim:ETHUSDT", "sim:BTCUSDT", bar_us=SECOND_US)
        end = time.monotonic() + 60
        while (
            engine.snapshots.look("benchmark", settings).relation is None and time.monotonic() < end
        ):
            time.sleep(0.2)
        cost = median_ms(lambda: cards.page(engine.snapshots.look("benchmark", settings)))
        engine.stop()
        return cost


if __name__ == "__main__":
    main()

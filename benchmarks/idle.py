"""What the app weighs with nobody looking, and with one viewer.

python -m benchmarks.idle [--seconds 60]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.machine import describe
from tests.support.app_process import running_app
from tests.support.visitor import Visitor

# Trades per second and instrument: the default with its two hours of past, and hardly any.
RATES = ("4", "0.2")


def weights_mb(rate: str, seconds: int) -> list[float]:
    """Return resident memory when it answers, after so long, and with a viewer."""
    settings = {"TANDEM_VENUE": "sim", "TANDEM_SIMULATION_RATE": rate}
    with tempfile.TemporaryDirectory() as folder, running_app(Path(folder), settings) as app:
        process = psutil.Process(app.process.pid)
        answered = process.memory_info().rss / 1e6
        time.sleep(seconds)
        idle = process.memory_info().rss / 1e6
        with Visitor(app.url) as visitor:
            visitor.open()
            time.sleep(10.0)
            viewed = process.memory_info().rss / 1e6
    return [answered, idle, viewed]


def main() -> None:
    """Print a row per rate of the simulation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    sys.stdout.write(
        f"| simulated trades/s | answering | idle after {options.seconds} s | one viewer |\n"
        "|---|---|---|---|\n"
    )
    for rate in RATES:
        cells = " | ".join(f"{mb:.0f} MB" for mb in weights_mb(rate, options.seconds))
        sys.stdout.write(f"| {rate} | {cells} |\n")
    sys.stdout.write(f"\n{describe('streamlit', 'numba')}\n")


if __name__ == "__main__":
    main()

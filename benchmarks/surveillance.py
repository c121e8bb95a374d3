"""Detection, false alarms and latency of surveillance: writes docs/SURVEILLANCE.md.

python -m benchmarks.surveillance [--only found|latency|life] [--hours 4] [--seconds 10] [--dry]
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import gzip
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import orjson

from benchmarks import alert_life
from benchmarks.machine import describe
from benchmarks.planted import (
    KINDS,
    WINDOWS,
    detectors,
    filled,
    judge,
    plant,
    readings_of,
    weigh,
)  # fmt: skip
from tandem.alerts.evaluator import Evaluator
from tandem.alerts.rules import Rule
from tandem.alerts.service import Alerts
from tandem.core.bars import aggregate, trade_array
from tandem.core.clock import DAY_US, SECOND_US, now_us
from tandem.core.events import Trade
from tandem.storage.null import NullStore
from tandem.surveillance.isolation_forest import Forest
from tandem.surveillance.service import Surveillance, batch
from tandem.surveillance.settings import WatchSettings
from tandem.venues.simulated_market import SimulatedMarket
from tests.support.paths import ROOT, SHARED

PAGE = ROOT / "docs" / "SURVEILLANCE.md"
START_US = 1_790_000_000 * SECOND_US
TRAIN_S = 3_600
# Further apart than the window of the z-scores: one must not raise what the next is measured by.
EVERY_S = 400
SIZES = (3, 4, 5, 6, 8)
SHOWN = {
    "price jump": ("plain z", "z beyond 6", "forest", "all but plain z"),
    "volume burst": ("plain z", "volume z beyond 5", "forest", "all but plain z"),
    "one-leg crash": ("plain z", "forest", "divergence", "all but plain z"),
    "dead feed": ("plain z", "forest", "silence", "all but plain z"),
    "slow drift": ("plain z", "forest", "momentum", "all but plain z"),
}
INSTRUMENTS, RATE, STEP_S = 20, 5_000, 0.02


def simulated(symbol: str, seconds: int, seed: int = 7):
    """Return a second-by-second bar of the simulated market, in pieces small enough for memory."""
    market = SimulatedMarket(seed, 8.0)
    pieces = []
    for start in range(0, seconds, 600):
        begin = START_US + start * SECOND_US
        trades = market.history(
            f"sim:{symbol}", begin, begin + min(600, seconds - start) * SECOND_US
        )
        pieces.append(aggregate(trade_array(trades), SECOND_US))
    return filled(np.concatenate(pieces))


def table(hours: float) -> list[str]:
    """Return recall and precision of what is planted, by kind and size."""
    settings = WatchSettings()
    seconds = int(hours * 3_600) + TRAIN_S
    bars, other = simulated("ETHUSDT", seconds), simulated("BTCUSDT", seconds)
    from_us = int(bars["time_us"][TRAIN_S])
    rules = detectors(settings)
    lines = []
    for kind in KINDS:
        names = SHOWN[kind]
        lines += ["", f"**{kind}** (detected within {WINDOWS[kind]} s)", ""]
        lines += ["| size | planted | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
        for size in SIZES:
            planted = plant(kind, size, bars, other, TRAIN_S + 300, EVERY_S)
            readings = readings_of(planted.bars, planted.other, settings, TRAIN_S)
            cells = []
            for name in names:
                found = weigh(planted, judge(readings, rules[name], from_us))
                precision = "–" if math.isnan(found.precision) else f"{100 * found.precision:.0f}"
                cells.append(f"{100 * found.recall:.0f} / {precision}")
            lines.append(f"| {size} | {len(planted.starts_us)} | " + " | ".join(cells) + " |")
            sys.stderr.write(f"{kind} {size}: {cells}\n")
    return lines


def calm(hours: float) -> list[str]:
    """Return alerts per day where nothing was planted, simulated and recorded."""
    settings = WatchSettings()
    rules = detectors(settings)
    seconds = int(hours * 3_600) + TRAIN_S
    names = list(rules)
    lines = ["| market | hours | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
    for symbol, other in (("ETHUSDT", "BTCUSDT"), ("SOLUSDT", "BTCUSDT"), ("DOGEUSDT", "BTCUSDT")):
        bars = simulated(symbol, seconds, 11)
        readings = readings_of(bars, simulated(other, seconds, 11), settings, TRAIN_S)
        from_us = int(bars["time_us"][TRAIN_S])
        cells = _per_day(
            [len(judge(readings, rules[name], from_us)) for name in names], hours * 3_600
        )
        lines.append(f"| simulated {symbol} | {hours:g} | {cells} |")
    lines += recorded(settings, rules)
    return lines


def _per_day(counts: list[int], seconds: float) -> str:
    return " | ".join(f"{count * DAY_US / SECOND_US / seconds:.0f}" for count in counts)


def recorded(settings: WatchSettings, rules) -> list[str]:
    """Return the same for the recorded minutes of Binance; the forest learns from their first 2."""
    trades = {symbol: _recording(symbol) for symbol in ("btcusdt", "ethusdt")}
    if not all(trades.values()):
        return ["", "No recording at hand: set TANDEM_SHARED."]
    bars = {
        symbol: filled(aggregate(trade_array(one), SECOND_US)) for symbol, one in trades.items()
    }
    learn = 120
    short = WatchSettings(bar_window=60, least_bars=90, momentum_bars=(60,))
    lines = []
    for symbol, other in (("btcusdt", "ethusdt"), ("ethusdt", "btcusdt")):
        readings = readings_of(bars[symbol], bars[other], short, learn)
        seconds = len(bars[symbol]) - learn
        from_us = int(bars[symbol]["time_us"][learn])
        counts = [len(judge(readings, one, from_us)) for one in detectors(short).values()]
        lines.append(
            f"| Binance {symbol.upper()}, 2024-08-08: alerts in {seconds} s, not per day | "
            f"{seconds / 3_600:.2f} | {' | '.join(map(str, counts))} |"
        )
    together = trades["btcusdt"] + trades["ethusdt"]
    _, readings = batch(together, settings)
    rule = Rule("t", "trade_return_z", "beyond", 3.0, 2.0, cooldown_s=10.0)
    alerts = Evaluator([rule]).observe(readings, 0)
    lines += [
        "",
        "Trade by trade in the same recording, window of 300 trades, |z of return| > 3, at most "
        f"one per 10 s and instrument: {len(alerts)} alerts in {len(together):,} trades.",
    ]
    return lines


def _recording(symbol: str) -> list[Trade]:
    path = SHARED / "data" / "ticks" / f"usdm_{symbol}.trades.rawws.gz"
    if not path.exists():
        return []
    trades = []
    with gzip.open(path) as file:
        for line in file:
            received, _, frame = line.partition(b" ")
            data = orjson.loads(frame).get("data", {})
            if data.get("e") == "trade" and data.get("X", "MARKET") == "MARKET":
                side = -1 if data["m"] else 1
                trades.append(
                    Trade(f"binance-usdm:{symbol.upper()}", data["t"], data["T"] * 1_000,
                          float(data["p"]), float(data["q"]), side, int(received) // 1_000)
                )  # fmt: skip
    return [trade for trade in trades if trade.price > 0.0]


@dataclass
class Run:
    """What was measured in one run at full rate."""

    waits: list[int] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)
    trades: int = 0
    trained: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


def watched(names: list[str], settings: WatchSettings, executor: Executor | None, run: Run):
    """Return instruments with full windows and pairs, and their last price."""

    def trained(instrument: str, forest: Forest) -> None:
        run.trained += 1

    surveillance = Surveillance(settings, 0, executor, trained)
    for y, x in zip(names[::2], names[1::2], strict=True):
        surveillance.add_pair(y, x)
    warm = np.concatenate([simulated("ETHUSDT", 1_800)] * (settings.train_bars // 1_800))
    warm["time_us"] = (now_us() // SECOND_US - len(warm) - 30 + np.arange(len(warm))) * SECOND_US
    for name in names:
        surveillance.warm(name, warm)
    return surveillance, float(warm["close"][-1])


def at_full_rate(seconds: float, settings: WatchSettings, executor: Executor | None) -> Run:
    """Watch trades in real time; what is measured starts after 3 s."""
    random, run = np.random.default_rng(0), Run()
    names = [f"sim:A{number:02d}" for number in range(INSTRUMENTS)]
    surveillance, price = watched(names, settings, executor, run)
    rules = judged()
    alerts = Alerts(NullStore("none"), {}, defaults=rules)
    alerts.start()
    prices = dict.fromkeys(names, price)
    # As the application does: what is there at the start is not looked through again and again.
    gc.collect()
    gc.freeze()
    begin_us, number = now_us(), 0
    warm_us = begin_us + 3 * SECOND_US
    end_us = warm_us + int(seconds * SECOND_US)
    due_us, cpu_s, trained = float(begin_us), 0.0, 0
    while (clock_us := now_us()) < end_us:
        trades = []
        while due_us <= clock_us:
            name = names[int(random.integers(INSTRUMENTS))]
            prices[name] *= math.exp(random.normal() * 1e-5)
            number += 1
            side = 1 if random.random() < 0.5 else -1
            trades.append(Trade(name, number, int(due_us), prices[name], 1.0, side, int(due_us)))
            due_us += SECOND_US / RATE
        alerts.observe(surveillance.observe(trades))
        done_us = now_us()
        # Here every flag of these trades has been raised.
        closed = surveillance.close(clock_us)
        alerts.observe(closed)
        closed_us = now_us()
        if clock_us > warm_us:
            run.waits += [done_us - trade.received_us for trade in trades]
            run.closes += [
                closed_us - one.time_us for one in closed if one.measure == "bar_return_z"
            ]
        else:
            cpu_s, trained = time.process_time(), run.trained
        pause = STEP_S - (now_us() - clock_us) / SECOND_US
        if pause > 0.0:
            time.sleep(pause)
    run.cpu_s, run.wall_s = time.process_time() - cpu_s, seconds
    run.trades, run.trained = len(run.waits), run.trained - trained
    alerts.stop()
    gc.unfreeze()
    return run


def judged() -> tuple[Rule, ...]:
    """Return the rules of the latency runs: those of all detectors, and two over each trade."""
    rules = [rule for group in detectors(WatchSettings()).values() for rule in group]
    rules = list({rule.name: rule for rule in rules}.values())
    rules += [Rule("t", "trade_price_z", "beyond", 3.0), Rule("r", "trade_return_z", "beyond", 3.0)]
    return tuple(rules)


@contextmanager
def busy(is_busy: bool) -> Iterator[None]:
    """Keep a thread of this process in plain Python without a pause, as a page that is drawn."""
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            sum(number * number for number in range(1_000))

    thread = threading.Thread(target=turn, daemon=True)
    if is_busy:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if is_busy:
            thread.join()


SLEEPER = """
import sys, time
late, end = [], time.monotonic() + float(sys.argv[1])
while (start := time.monotonic()) < end:
    time.sleep(0.005)
    late.append(1e3 * (time.monotonic() - start) - 5.0)
late.sort()
print(late[len(late) * 99 // 100], late[-1])
"""


@contextmanager
def sleeper(seconds: float) -> Iterator[list[float]]:
    """Run a process that only sleeps; fills in by how many ms it woke late: 99 percent, longest.

    It says what of a delay is the machine's, with all that runs on it.
    """
    found: list[float] = []
    command = [sys.executable, "-c", SLEEPER, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield found
        found += map(float, process.communicate(timeout=60)[0].split())


def latency(seconds: float) -> list[str]:
    """Return from trade to judged flag, and from a bar's close, at full rate and in real time."""
    lines = [
        "| load | from | measured | median | 95 % | 99 % | longest | cores | models trained "
        "| sleeper |",
        "|" + "---|" * 10,
    ]
    calm = WatchSettings()
    often = dataclasses.replace(calm, retrain_bars=5)
    for title, settings, is_busy in (
        ("none", calm, False),
        ("continuous model training", often, False),
        ("a busy Python thread", calm, True),
    ):
        with (
            ThreadPoolExecutor(1) as executor,
            busy(is_busy),
            sleeper(seconds + 3.0) as late,
        ):
            run = at_full_rate(seconds, settings, executor)
        use = f"{run.cpu_s / run.wall_s:.2f} | {run.trained} | {late[0]:.1f}, {late[1]:.1f} ms"
        for what, values in (("trade", run.waits), ("bar's close", run.closes)):
            spread = np.percentile(np.asarray(values) / 1_000.0, (50, 95, 99, 100))
            cells = " | ".join(f"{one:.1f} ms" for one in spread)
            lines.append(f"| {title} | {what} | {len(values):,} | {cells} | {use} |")
        rate = run.trades / run.wall_s
    return [
        *lines,
        "",
        f"From a trade, and from a bar's close, to its evaluated flag: {rate:,.0f} trades/s for",
        f"{INSTRUMENTS} instruments and {INSTRUMENTS // 2} pairs, {len(judged())} rules, evaluated "
        f"every {STEP_S * 1_000:.0f} ms. Models train on",
        f"{calm.train_bars:,} bars in another thread of the same process. *Cores* is the processor "
        "time of the whole",
        "process, generating the trades included. Grace for late trades (0.5 s by default) is 0 "
        "here.",
        "*Sleeper*: how late a process that only sleeps for 5 ms woke meanwhile, 99 % and longest;",
        "that much of a delay is the machine's.",
        "",
        *machine(),
        "",
    ]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--alerts", type=int, default=20)
    parser.add_argument("--only", choices=("found", "latency", "life"), help="one part of the page")
    parser.add_argument("--dry", action="store_true", help="leave docs/SURVEILLANCE.md as it is")
    options = parser.parse_args()
    parts = {
        "found": lambda: found(options.hours),
        "latency": lambda: [*FAST, *latency(options.seconds)],
        "life": lambda: [*LIFE, *alert_life.page(options.alerts), "", *machine()],
    }
    page = split(PAGE.read_text(encoding="utf-8"))
    for name, measure in parts.items():
        if options.only in (None, name):
            page[name] = "\n".join(measure()).rstrip() + "\n"
            sys.stdout.write(page[name])
            if not options.dry:
                PAGE.write_text("\n".join(page[one] for one in parts), encoding="utf-8")


def split(page: str) -> dict[str, str]:
    """Return the parts of the page as it stands; empty where there is none yet."""
    before, _, after = page.partition(FAST[0])
    fast, _, life = after.partition(LIFE[0])
    texts = {"found": before, "latency": FAST[0] + fast, "life": LIFE[0] + life}
    return {name: text.rstrip() + "\n" for name, text in texts.items()}


def found(hours: float) -> list[str]:
    """Return the lines on what is found, and found where nothing is."""
    lines = [*HEAD, *table(hours), "", *CALM, *calm(hours), ""]
    return [*lines, f"{describe('numpy', 'numba', 'scikit-learn')}."]


def machine() -> list[str]:
    """Return what was measured on."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return [f"{describe('numpy', 'numba', 'scikit-learn')}; load average {load}."]


HEAD = (
    "# Surveillance: detection, false alarms, latency",
    "",
    "Written by `python -m benchmarks.surveillance`. Everything is simulated except where Binance",
    "is named.",
    "",
    "## Planted anomalies",
    "",
    "One-second bars of the simulated ETHUSDT and BTCUSDT, 8 trades per second, with anomalies of",
    f"known time and size about every {EVERY_S} s, after an hour of training for the Isolation",
    "Forest (contamination 0.001). Sizes are in standard deviations over the 300 bars before: of",
    "one-second returns for a jump, of a minute's return for a drift (spread over 60 s), of the",
    "legs' difference in a minute's return for a crash of one leg (within 5 s), of log volume for",
    "a burst; a dead feed is silent for 10 s per unit.",
    "",
    "Cells are recall / precision in percent. Recall: anomalies detected in time. Precision:",
    "alerts that belong to one; the market's own volatility clusters count as false. *Plain z* is",
    "a bar's return beyond 3 standard deviations of 300 bars. The z-score of returns detects jumps",
    "and is blind to volume, silence and, mostly, drift; most of its alerts are false. The forest",
    "adds little on a jump: one unusual second moves RSI and volatility less than a volatile",
    "minute does. It is retrained every hour on the last four, with the anomalies in them, and a",
    "market state that it has not seen yet is an anomaly to it.",
)
CALM = (
    "## False alarms",
    "",
    "Alerts per day by the same rules where nothing was planted, over the hours given.",
    "",
)
FAST = ("## Latency", "")
LIFE = ("## From trade to message", "")


if __name__ == "__main__":
    main()

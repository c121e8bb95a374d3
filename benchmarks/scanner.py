"""Agreement, error rates and speed of the scanner: writes docs/SCANNER.md.

python -m benchmarks.scanner [--dry] [--only SECTION ...]

The speed rows each run in a process of their own, whose peak memory is that of the row.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from statsmodels.tsa.stattools import adfuller, coint
from threadpoolctl import threadpool_limits

from benchmarks.days import Plan, day
from benchmarks.machine import describe
from benchmarks.universes import KINDS, market_like, universe
from tandem.scanner.families import with_families
from tandem.scanner.live.calibration import FIRST_SURROGATES, SURROGATES
from tandem.scanner.multiple_testing import calibrated_q_values
from tandem.scanner.persistence import out_of_sample, persistence
from tandem.scanner.scan import scan
from tandem.scanner.settings import ScanSettings
from tandem.scanner.surrogates import least_p_values, noise
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "SCANNER.md"
PACKAGES = ("numpy", "numba", "scipy", "pandas", "statsmodels")
# Pairs the loop of `coint` is timed on.
SAMPLE = 20
SPEEDS = (
    # Instruments, bars, what is asked.
    (500, 5_000, "under 4 s, 4,000x, 1 GB"),
    (2_000, 2_000, "under 60 s"),
    (400, 1_440, "under 2 s"),
)
ROUNDS = 3
# Universes per kind of noise, instruments, bars, pairs that hold, half-life, noise runs of each.
UNIVERSES, INSTRUMENTS, BARS, RELATED, HALF_LIFE, RUNS = 40, 30, 1_000, 5, 8.0, 20
LEVEL = 0.05
# Days of looks by kind of noise: more where volatility is clustered. Looks with pairs that hold.
DAYS, CLUSTERED_DAYS, POWER_LOOKS, TOLD_LOOKS = 25, 40, 20, 8


def mark(name: str) -> tuple[str, str]:
    """Return what stands before and after a section."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


# Equality --------------------------------------------------------------------------------


def equality() -> str:
    """Compare every pair of sixty instruments with statsmodels."""
    rows = []
    for trend, bars in (("c", 1_000), ("ct", 1_000), ("n", 1_000), ("c", 5_000)):
        prices = market_like(60, bars, seed=11, related=6)
        pairs = list(itertools.combinations(range(60), 2))
        found = scan(prices, ScanSettings(trend=trend))
        place = {(y, x): k for k, (y, x) in enumerate(zip(found.y, found.x, strict=True))}
        # The long ones take statsmodels a tenth of a second each.
        pairs = pairs if bars <= 1_000 else pairs[::10]
        logs, worst, unlike, told = np.log(prices).to_numpy(), 0.0, 0, 0
        for y, x in pairs:
            if (y, x) not in place:
                continue
            statistic, lags = reference(logs[:, y], logs[:, x], trend)
            k = place[y, x]
            worst = max(worst, abs(found.figures["statistic"][k] - statistic))
            unlike += found.figures["lags"][k] != lags
            told += 1
        rows.append(f"| {trend} | {bars:,} | {told:,} | {worst:.0e} | {unlike} |")
    return "\n".join(rows)


def reference(y: Any, x: Any, trend: str) -> tuple[float, int]:
    """Return `coint`'s statistic, and the lag its own steps choose (it does not tell)."""
    statistic = coint(y, x, trend=trend)[0]
    bar = np.arange(1.0, len(y) + 1)
    columns = {"n": [x], "c": [x, np.ones_like(x)], "ct": [x, np.ones_like(x), bar]}[trend]
    design = np.column_stack(columns)
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(statistic), int(adfuller(residual, regression="n", autolag="AIC")[2])


# Speed -----------------------------------------------------------------------------------


def peak_mb() -> float:
    """Return the most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(instruments: int, bars: int) -> dict[str, float]:
    """Time a scan, and the loop on a sample of its pairs; called in a process of its own."""
    prices = market_like(instruments, bars, seed=1, related=instruments // 50)
    scan(prices.iloc[:, :40])
    before, spent, busy, tested = peak_mb(), [], [], 0
    for _ in range(ROUNDS):
        start, used = time.perf_counter(), time.process_time()
        found = scan(prices)
        spent.append(time.perf_counter() - start)
        busy.append(time.process_time() - used)
        tested = found.tested
        del found
    after = peak_mb()
    logs = np.log(prices).to_numpy()
    rng, loop = np.random.default_rng(0), []
    with threadpool_limits(1):
        coint(logs[:, 0], logs[:, 1])
        for _ in range(SAMPLE):
            y, x = rng.choice(instruments, 2, replace=False)
            # Its processor time: other work on this machine cannot flatter us.
            start = time.thread_time()
            coint(logs[:, y], logs[:, x])
            loop.append(time.thread_time() - start)
    return {
        "pairs": tested,
        "best": min(spent),
        "median": float(np.median(spent)),
        "busy": float(np.median(busy)),
        "one": float(np.median(loop)),
        "before": before,
        "after": after,
    }


def speed() -> str:
    """Time each size in a process of its own."""
    rows = []
    for instruments, bars, asked in SPEEDS:
        script = f"from benchmarks.scanner import timed; import json; print(json.dumps(timed({instruments}, {bars})))"  # noqa: E501
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        told = json.loads(done.stdout.splitlines()[-1])
        loop = told["one"] * told["pairs"]
        cells = (
            f"{instruments:,} x {bars:,}",
            f"{told['pairs']:,}",
            f"{told['median']:.2f} s (best {told['best']:.2f}; {told['busy']:.2f} s of processors)",
            f"{told['one'] * 1e3:.0f} ms x {told['pairs']:,} = {loop / 3600:,.1f} h",
            f"**{loop / told['median']:,.0f}x**",
            f"{told['after']:,.0f} MB ({told['before']:,.0f} before)",
            asked,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


# Truth -----------------------------------------------------------------------------------


def truth() -> str:
    """Return false discoveries and power by kind of noise, with pairs that hold and without."""
    rows = []
    for kind in KINDS:
        false, power, alarms = {}, {}, {}
        names = ("p_value", "q_value", "q_value_any", "q_value_noise")
        for seed in range(UNIVERSES):
            for related, shares in ((RELATED, false), (0, alarms)):
                prices = universe(kind, INSTRUMENTS, BARS, seed, related, HALF_LIFE)
                found = scan(prices)
                runs = noise(prices, runs=RUNS, seed=seed).p_values
                told = dict(found.figures)
                told["q_value_noise"] = calibrated_q_values(told["p_value"], runs)
                known = (found.y // 2 == found.x // 2) & (found.y < 2 * related)
                for name in names:
                    chosen = told[name] <= LEVEL
                    if related:
                        share = (chosen & ~known).sum() / max(chosen.sum(), 1)
                        shares.setdefault(name, []).append(share)
                        power.setdefault(name, []).append((chosen & known).sum() / related)
                    else:
                        shares.setdefault(name, []).append(chosen.any())
        cells = []
        for name in names:
            cells.append(
                f"{np.mean(false[name]):.0%} / {np.mean(power[name]):.0%} / "
                f"{np.mean(alarms[name]):.0%}"
            )
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(rows)


# The noise run ---------------------------------------------------------------------------


def beside() -> str:
    """Scan a simulated universe with all that comes after."""
    prices = universe("common factors, GARCH", 200, 2_000, 7, 20, 20.0)
    found = scan(prices)
    by_noise = noise(prices, runs=20)
    q = calibrated_q_values(found.figures["p_value"], by_noise.p_values)
    known = (found.y // 2 == found.x // 2) & (found.y < 40)
    held = persistence(prices, found, 5).figures["held"]
    rows = []
    for label, chosen, counts in (
        (f"p at most {LEVEL:g}", found.found("p_value"), by_noise.by_p),
        ("Benjamini-Hochberg, nominal", found.found(), by_noise.by_q),
        ("Benjamini-Yekutieli, nominal", found.found("q_value_any"), by_noise.by_q_any),
        ("calibrated by the surrogate runs", q <= LEVEL, None),
        ("p, and found in 4 of 5 windows", found.found("p_value") & (held >= 4), None),
    ):
        on_noise = (
            "" if counts is None else f"{counts.mean():,.1f} ({counts.min():,} to {counts.max():,})"
        )
        rows.append(f"| {label} | {chosen.sum():,} | {(chosen & known).sum()} of 20 | {on_noise} |")
    later = out_of_sample(prices, by="q_value")
    _, families = with_families(found, found.found())
    rows.append("")
    rows.append(
        f"{found.tested:,} pairs of 200 instruments, 2,000 bars; {found.expected_by_chance:,.0f} "
        f"p-values of {LEVEL:g} or less are expected by chance. The findings by Benjamini-Hochberg "
        f"are {len(families)} families with {sum(f.independent for f in families)} relations that "
        f"do not follow from others. Of the {len(later.table)} findings of the first 60 % of the "
        f"bars {later.confirmed} hold on the rest; of pairs not found {later.control:.0%} do."
    )
    return "\n".join(rows)


# Days of looks ---------------------------------------------------------------------------


def days() -> str:
    """Count the days on which a look finds something where nothing is, and what it misses."""
    rows, plan = [], Plan()
    for kind in KINDS:
        count = CLUSTERED_DAYS if "GARCH" in kind else DAYS
        quiet = [day(kind, 1_000 + seed, plan) for seed in range(count)]
        told, nominal = (
            sum(bool(getattr(one, name)[:, 0].any()) for one in quiet)
            for name in ("told", "nominal")
        )
        looks = np.mean([one.told[:, 0] > 0 for one in quiet])
        far = np.median([one.thresholds for one in quiet])
        held = [day(kind, seed, plan, RELATED, looks=1) for seed in range(POWER_LOOKS)]
        true, by_word = (
            np.mean([getattr(one, name)[0, 1] for one in held]) / RELATED
            for name in ("told", "nominal")
        )
        rows.append(
            f"| {kind} | {told} of {count} | {nominal} of {count} | {looks:.2%} | {far:.0e} | "
            f"{true:.0%} | {by_word:.0%} |"
        )
    return "\n".join(rows)


def told() -> str:
    """Count the true pairs that a first look at a day of minutes tells of, by half-life."""
    rows, plan = [], Plan(window=1_440)
    for kind in KINDS:
        cells = []
        for half_life in (2.0, 4.0, 8.0):
            held = [day(kind, seed, plan, RELATED, 1, half_life) for seed in range(TOLD_LOOKS)]
            true, by_word = (
                np.mean([getattr(one, name)[0, 1] for one in held]) / RELATED
                for name in ("told", "nominal")
            )
            cells.append(f"{true:.0%} / {by_word:.0%}")
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(rows)


# What a look costs ------------------------------------------------------------------------


def look_costs() -> str:
    """Time the surrogates of a look at 400 instruments of 1,440 minutes on one thread."""
    rows = []
    for label, share in (("no prices missing", 0.0), ("2 % of the prices missing", 0.02)):
        prices = market_like(400, 1_440, seed=1, related=8).to_numpy(copy=True)
        prices[np.random.default_rng(0).random(prices.shape) < share] = np.nan
        spent = []
        for work in (
            partial(scan, prices, workers=1),
            partial(least_p_values, prices, runs=1, workers=1),
            partial(least_p_values, prices, runs=4, workers=1),
        ):
            start = time.perf_counter()
            work()
            spent.append(time.perf_counter() - start)
        each = (spent[2] - spent[1]) / 3.0
        first, later = (spent[1] + (runs - 1) * each for runs in (FIRST_SURROGATES, SURROGATES))
        rows.append(
            f"| {label} | {spent[0]:.2f} s | {each:.2f} s | {first:.0f} s | {later:.0f} s |"
        )
    return "\n".join(rows)


# Dask ------------------------------------------------------------------------------------


def cluster() -> str:
    """Run one scan here and on a local cluster of two processes."""
    from distributed import Client, LocalCluster

    prices = market_like(500, 5_000, seed=1, related=10)
    rows = []
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as made,
        Client(made, set_as_default=False) as client,
    ):
        where: dict[str, Callable[[], Any]] = {
            "threads of this process": lambda: scan(prices, workers=2),
            "Dask, two processes": lambda: scan(prices, client=client),
        }
        tables = []
        for label, work in where.items():
            work()
            spent = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                found = work()
                spent.append(time.perf_counter() - start)
            tables.append(found.table())
            alike = "" if len(tables) == 1 else "equal to the last digit"
            if len(tables) > 1 and not tables[0].equals(tables[1]):
                alike = "DIFFERENT"
            rows.append(f"| {label} | {np.median(spent):.2f} s | {found.tested:,} | {alike} |")
    return "\n".join(rows)


SECTIONS: dict[str, Callable[[], str]] = {
    "equality": equality,
    "speed": speed,
    "truth": truth,
    "noise": beside,
    "day": days,
    "told": told,
    "look": look_costs,
    "dask": cluster,
}


def into_page(name: str, text: str) -> None:
    """Replace what stands between a section's marks."""
    page = PAGE.read_text(encoding="utf-8")
    first, last = mark(name)
    pattern = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE} has no {first} and {last}; put them where the table belongs.")
    load = os.getloadavg()[0]
    told = f"{describe(*PACKAGES)}; load average {load:.1f} at the end."
    whole = f"{first}\n{_head(page, first, last)}{text}\n\n{told}\n{last}"
    PAGE.write_text(pattern.sub(lambda _: whole, page), encoding="utf-8")


def _head(page: str, first: str, last: str) -> str:
    """Return a section's table head, its first two lines."""
    inside = page.partition(first)[2].partition(last)[0].strip("\n").splitlines()
    return "".join(f"{line}\n" for line in inside[:2])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="leave docs/SCANNER.md as it is")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    options = parser.parse_args()
    with warnings.catch_warnings():
        # The peers' remarks on their own interfaces, and on identical columns.
        warnings.simplefilter("ignore")
        for name in options.only:
            start = time.perf_counter()
            text = SECTIONS[name]()
            sys.stdout.write(f"{name} ({time.perf_counter() - start:.0f} s)\n{text}\n\n")
            sys.stdout.flush()
            if not options.dry:
                into_page(name, text)


if __name__ == "__main__":
    main()

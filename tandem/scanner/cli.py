"""A scan in the terminal: ``python scanner.py`` and ``tandem scan``."""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from tandem.analytics.inputs import whole
from tandem.core import cli
from tandem.core.cli import printable
from tandem.core.errors import DataError
from tandem.io.options import add_options, corrections
from tandem.io.writer import defused
from tandem.observability import logs
from tandem.scanner.columns import counted
from tandem.scanner.families import Family, with_families
from tandem.scanner.files import read_universe
from tandem.scanner.persistence import OutOfSample, out_of_sample, persistence
from tandem.scanner.result import Scan
from tandem.scanner.scan import scan
from tandem.scanner.settings import DIRECTIONS, ScanSettings
from tandem.scanner.surrogates import Noise, calibrated, noise
from tandem.scanner.tiles import Bools
from tandem.strategy.rules import DEFAULT_COSTS, Costs
from tandem.venues.settings import load as load_settings

SHOWN = (
    *("y", "x", "statistic", "p_value", "q_value", "q_value_any", "q_value_noise", "held", "lags"),
    *("beta", "r_squared", "half_life", "hurst", "correlation", "crossings_per_day"),
    *("spread_volatility", "break_even_z", "activity", "family", "leads"),
)
LEFT_OUT_SHOWN = 10
LONGEST_NAME, LONGEST_FILE = 24, 60
# Seconds a Dask scheduler has to answer.
DASK_WAIT_S = 10.0


def parser(prog: str = "scanner.py") -> argparse.ArgumentParser:
    """Return the command's options."""
    command = cli.parser(prog, "Test every pair of a table of prices for cointegration.")
    command.add_argument("file", type=Path, help="CSV: times, then a column per instrument")
    command.add_argument("--top", type=int, default=20, help="pairs shown")
    command.add_argument("--raw", action="store_true", help="raw prices instead of log prices")
    command.add_argument("--trend", choices=("c", "n", "ct"), default="c")
    command.add_argument("--direction", choices=DIRECTIONS, default="name", help="which leg is y")
    command.add_argument("--max-lags", type=int, help="maximum lags for AIC")
    command.add_argument("--level", type=float, default=0.05, help="false discovery rate")
    command.add_argument("--fewest-bars", type=int, default=100, help="minimum common bars")
    usual = DEFAULT_COSTS
    command.add_argument("--fee", type=float, default=usual.fee_bp, help="basis points per fill")
    command.add_argument(
        "--half-spread", type=float, default=usual.y_half_spread_bp, help="basis points per fill"
    )
    command.add_argument(
        "--slippage", type=float, default=usual.slippage_bp, help="basis points per fill"
    )
    command.add_argument(
        "--least-activity",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="show only pairs whose legs' prices both moved in this share of their bars",
    )
    survive = command.add_argument_group("robustness")
    survive.add_argument(
        "--noise", type=int, default=0, metavar="RUNS", help=("number of surrogate scans")
    )
    survive.add_argument("--windows", type=int, default=0, help="number of windows for persistence")
    survive.add_argument(
        "--split", type=float, help="in-sample share of bars; findings are tested on the rest"
    )
    survive.add_argument("--seed", type=int, default=0)
    command.add_argument("--out", type=Path, help="write every pair to this CSV file")
    add_options(command)
    command.add_argument("--workers", type=int, help="threads; by default one per processor")
    command.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="run on the Dask scheduler there, tcp://host:port; one you trust, whose workers run "
        "in this folder",
    )
    return command


def main(
    arguments: Sequence[str] | None = None, out: TextIO | None = None, *, prog: str = "scanner.py"
) -> int:
    """Run the command; returns the exit code."""
    options = parser(prog).parse_args(arguments)
    return cli.run(prog, lambda: _answer(options, out or sys.stdout))


def _answer(options: argparse.Namespace, out: TextIO) -> int:
    logs.set_up(load_settings())
    for name, least in (("top", 0), ("seed", 0), ("workers", 1)):
        if getattr(options, name) is not None:
            whole(getattr(options, name), name, least)
    if not 0.0 <= options.least_activity <= 1.0:
        raise DataError(
            f"least-activity is {options.least_activity:g}; give a share of the bars from 0 to 1."
        )
    prices, notes, loss = read_universe(
        options.file, options.file.name, cli.watch("reading"), corrections(options)
    )
    settings = _settings(options)
    with _cluster(options.dask) as client:
        shared: dict[str, Any] = {"workers": options.workers, "client": client}
        found = scan(prices, settings, watch=cli.watch("scan"), **shared)
        by_noise = None
        if options.noise:
            by_noise = noise(
                prices,
                settings,
                options.noise,
                seed=options.seed,
                watch=cli.watch("noise"),
                **shared,
            )
            found = calibrated(found, by_noise)
        if options.windows:
            found = persistence(
                prices, found, options.windows, watch=cli.watch("windows"), **shared
            )
        found, families = with_families(found, found.found())
        later = None
        if options.split is not None:
            later = out_of_sample(
                prices,
                settings,
                options.split,
                seed=options.seed,
                watch=cli.watch("out-of-sample"),
                **shared,
            )
    out.write(printable(f"{loss}\n" * bool(loss)))
    out.writelines(printable(f"{options.file.name:.{LONGEST_FILE}}: {note}\n") for note in notes)
    _print(found, families, by_noise, later, options, out)
    if options.out:
        table = found.table()
        names = np.array([defused(name) for name in found.names], object)
        table["y"], table["x"] = names[found.y], names[found.x]
        table.to_csv(options.out, index=False)
    return cli.DONE


def _settings(options: argparse.Namespace) -> ScanSettings:
    return ScanSettings(
        log_prices=not options.raw,
        trend=options.trend,
        max_lags=options.max_lags,
        direction=options.direction,
        fewest_bars=options.fewest_bars,
        level=options.level,
        costs=Costs(options.fee, options.half_spread, options.half_spread, options.slippage),
    )


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Connect to a Dask scheduler, if one is named."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise DataError(
            "--dask needs the package distributed, which is not installed: pip install distributed."
        ) from None
    if not re.fullmatch(r"(tcp|tls|ws|wss)://[^\s/]+:\d{1,5}", address):
        raise DataError(f"{address!r:.60} is no scheduler's address; give one as tcp://host:port.")
    try:
        client = Client(address, timeout=DASK_WAIT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except OSError:
        raise DataError(
            f"No Dask scheduler answers at {address}; start one there, or leave --dask out."
        ) from None
    with client:
        yield client


def _print(
    found: Scan,
    families: tuple[Family, ...],
    by_noise: Noise | None,
    later: OutOfSample | None,
    options: argparse.Namespace,
    out: TextIO,
) -> None:
    level = found.settings.level
    lines = [
        f"{len(found.names):,} instruments, {found.bars:,} bars: "
        f"{counted(found.tested, 'pair')} tested in {found.seconds:.2f} s.",
        f"p at most {level:g}: {counted(found.count('p_value'), 'pair')}; "
        f"{found.expected_by_chance:,.0f} expected by chance.",
        f"Findings at a false-discovery rate of {level:g}, nominal: {found.count():,} "
        f"(Benjamini-Hochberg), {found.count('q_value_any'):,} (Benjamini-Yekutieli).",
    ]
    if by_noise is not None:
        lines.append(
            f"On {by_noise.runs} surrogate universes without cointegration: p "
            f"{_span(by_noise.by_p)}, Benjamini-Hochberg {_span(by_noise.by_q)}; after "
            f"calibration: {found.count('q_value_noise'):,} findings."
        )
    if families:
        independent = sum(family.independent for family in families)
        lines.append(f"{len(families):,} families; {independent:,} independent findings.")
    if later is not None:
        lines.append(
            f"Of {counted(len(later.table), 'finding')} in the first {later.cut:,} bars, "
            f"{later.confirmed:,} hold out-of-sample"
            + (
                "."
                if math.isnan(later.control)
                else f"; of the control group, {later.control:.0%} do."
            )
        )
    for reason, count in found.pairs_left_out.items():
        lines.append(f"{counted(count, 'pair')} without a result: {reason}.")
    for y, x in found.same_asset[:LEFT_OUT_SHOWN]:
        lines.append(f"same asset: {y:.{LONGEST_NAME}} and {x:.{LONGEST_NAME}}")
    for name, reason in found.left_out[:LEFT_OUT_SHOWN]:
        lines.append(f"excluded: {name:.{LONGEST_NAME}}: {reason}")
    if len(found.left_out) > LEFT_OUT_SHOWN:
        lines.append(f"and {len(found.left_out) - LEFT_OUT_SHOWN:,} more instruments excluded.")
    lines += [
        f"{name:.{LONGEST_NAME}}: {reason}" for name, reason in found.remarks[:LEFT_OUT_SHOWN]
    ]
    is_active = found.figures["activity"] >= options.least_activity
    if not is_active.all():
        lines.append(
            f"{np.count_nonzero(is_active):,} of {counted(found.tested, 'pair')} have an activity "
            f"of at least {options.least_activity:g} and are listed; all pairs were tested."
        )
    table = _shown(found, options.top, is_active) if found.tested else "No pair could be tested."
    out.write(printable("\n".join(lines) + "\n\n" + table + "\n"))


def _span(counts: Any) -> str:
    return f"{counts.mean():,.1f} findings ({counts.min():,} to {counts.max():,})"


def _shown(found: Scan, top: int, chosen: Bools) -> str:
    if not chosen.any():
        return "No pair meets the activity threshold."
    table = found.table(top, chosen)
    table = table[[name for name in SHOWN if name in table]]
    for leg in ("y", "x"):
        table[leg] = [str(name)[:LONGEST_NAME] for name in table[leg]]
    with pd.option_context("display.width", None, "display.max_columns", None):
        return str(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))

"""A backtest in the terminal: ``python backtest.py`` and ``tandem backtest``."""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
import orjson

from tandem.analytics.quality import spread_quality
from tandem.backtest.examples import crude
from tandem.backtest.files import aligned, suspect_prices
from tandem.backtest.grid import Grid
from tandem.backtest.null_test import NULLS, NullTest, null_test
from tandem.backtest.run import Result, bar_length, run
from tandem.backtest.significance import judge
from tandem.backtest.sweep import Sweep, sweep
from tandem.backtest.trials import Ledger, data_set_key, trial
from tandem.backtest.walk_forward import WalkForward, walk_forward
from tandem.core import cli
from tandem.core.bars import AlignedBars
from tandem.core.clock import SECOND_US
from tandem.core.errors import DataError
from tandem.io.files import read_files
from tandem.io.model import Corrections, Table, time_text
from tandem.io.options import add_options, corrections_each
from tandem.io.pairing import apart, instrument_called, legs_offered, pair_from
from tandem.io.writer import write_analysis, write_closed_trades
from tandem.observability import logs
from tandem.strategy.pair_model import MODELS, Z_KINDS
from tandem.strategy.rules import (
    DEFAULT_COSTS,
    FILLS,
    NEGATIVE_BETAS,
    SIZINGS,
    Costs,
    Limits,
    Rules,
)
from tandem.strategy.signals import Setup, constant_funding
from tandem.venues.settings import load as load_settings

LARGEST_FILE = 2_000 * 2**20
EXAMPLE = "crude"

# What `--sweep`, `--walk-forward` and `--null` try when nothing else is said.
ENTRIES = (1.0, 1.5, 2.0, 2.5, 3.0)
EXITS = (0.0, 0.25, 0.5)

SHOWN = (
    *("net", "total_return", "cagr", "volatility", "sharpe", "sharpe_error", "sortino", "calmar"),
    *("max_drawdown", "trades", "hit_rate", "profit_factor", "average_trade"),
    *("average_holding_bars", "time_in_market", "turnover", "mean_gross", "most_gross"),
    *("convergence", "hedge_drift", "fees", "spread_cost", "funding", "borrow", "open_profit"),
)
SHARES = frozenset(
    ("total_return", "cagr", "volatility", "max_drawdown", "hit_rate", "time_in_market")
)


class _Legs(NamedTuple):
    """A pair of legs, what they are called, how files were read, and what must be said first."""

    bars: AlignedBars
    y: str
    x: str
    notes: list[str]
    losses: list[str]


def parser(prog: str = "backtest.py") -> argparse.ArgumentParser:
    """Return the command's options."""
    command = cli.parser(prog, "Backtest a pair from one or two files of bars or trades.")
    command.add_argument("files", nargs="*", help="CSV file of Y, then of X; or one with both")
    command.add_argument("--example", choices=[EXAMPLE], help="use the bundled WTI and Brent")
    command.add_argument("--y", help="dependent leg (Y), if the files hold several instruments")
    command.add_argument("--x", help="hedge leg (X)")
    command.add_argument(
        "--bar", type=float, default=60.0, help=("bar interval in seconds, for trades")
    )
    command.add_argument("--name-y", help="what to call the dependent leg")
    command.add_argument("--name-x", help="what to call the hedge leg")
    add_options(command)
    _model_options(command)
    _rule_options(command)
    _cost_options(command)
    question = command.add_argument_group("significance")
    question.add_argument("--sweep", action="store_true", help="sweep entry and exit thresholds")
    question.add_argument("--walk-forward", nargs=2, type=int, metavar=("FIT", "TRADE"))
    question.add_argument(
        "--null", type=int, metavar="SURROGATES", help=("number of surrogates, typically 199")
    )
    question.add_argument("--null-kind", choices=NULLS, default=NULLS[0])
    question.add_argument("--seed", type=int, default=0)
    out = command.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="print everything as JSON")
    out.add_argument("--trades", type=Path, help="write closed trades to this CSV file")
    out.add_argument("--equity", type=Path, help="write bars, signals and equity to this CSV file")
    return command


def _model_options(command: argparse.ArgumentParser) -> None:
    model = command.add_argument_group("model")
    model.add_argument("--model", choices=MODELS, default="kalman")
    model.add_argument("--lookback", type=int, default=200)
    model.add_argument("--z-window", type=int, default=100)
    model.add_argument("--z-kind", choices=Z_KINDS, default="model")
    model.add_argument("--log", action="store_true", help="regress log prices")


def _rule_options(command: argparse.ArgumentParser) -> None:
    rules = command.add_argument_group("rules")
    rules.add_argument("--entry", type=float, default=2.0)
    rules.add_argument("--exit", type=float, default=0.5)
    rules.add_argument("--stop", type=float, default=4.0, help="inf: no stop")
    rules.add_argument("--time-stop", type=int, default=0, help="bars; 0: none")
    rules.add_argument("--cool-down", type=int, default=0, help="bars after an exit")
    rules.add_argument("--sizing", choices=SIZINGS, default="hedge")
    rules.add_argument(
        "--notional", type=float, default=10_000.0, help=("notional of the Y leg at entry")
    )
    rules.add_argument("--capital", type=float, default=20_000.0)
    rules.add_argument("--most-gross", type=float, default=math.inf)
    rules.add_argument("--fill", choices=FILLS, default="open", help="of the next bar")
    rules.add_argument("--negative-beta", choices=NEGATIVE_BETAS, default="hold")
    rules.add_argument("--rehedge-bars", type=int, default=0)
    rules.add_argument("--rehedge-percent", type=float, default=0.0)
    for name in ("lot", "tick", "minimum"):
        rules.add_argument(f"--{name}", nargs=2, type=float, default=(0, 0), metavar=("Y", "X"))


def _cost_options(command: argparse.ArgumentParser) -> None:
    costs = command.add_argument_group("costs")
    usual, half = DEFAULT_COSTS, (DEFAULT_COSTS.y_half_spread_bp, DEFAULT_COSTS.x_half_spread_bp)
    costs.add_argument("--fee", type=float, default=usual.fee_bp, help="basis points per fill")
    costs.add_argument("--half-spread", nargs=2, type=float, default=half, metavar=("Y", "X"))
    costs.add_argument(
        "--slippage", type=float, default=usual.slippage_bp, help="basis points per fill"
    )
    costs.add_argument(
        "--borrow", nargs=2, type=float, default=(0, 0), metavar=("Y", "X"), help="%% p.a."
    )
    costs.add_argument(
        "--funding",
        nargs=2,
        type=float,
        metavar=("Y", "X"),
        help=("%% paid by a long leg per funding interval"),
    )
    costs.add_argument("--funding-hours", type=float, default=8.0)


def main(
    arguments: Sequence[str] | None = None, out: TextIO | None = None, *, prog: str = "backtest.py"
) -> int:
    """Run the command; returns the exit code."""
    options = parser(prog).parse_args(arguments)
    return cli.run(prog, lambda: _answer(options, out or sys.stdout))


def _answer(options: argparse.Namespace, out: TextIO) -> int:
    logs.set_up(load_settings())
    bars, y, x, notes, losses = _bars(options)
    setup = _setup(options)
    funding = _funding(options, bars)
    result = run(bars, setup, funding)
    ledger = Ledger(data_set_key(bars))
    ledger.add([trial(setup, result.metrics, result.equity, funding)])
    answers: dict[str, Any] = {"losses": losses, "y": y, "x": x, "read": notes, "bars": _span(bars)}
    answers["cointegration"] = _cointegration(bars, result.bar_us, options.log)
    answers["period"] = result.periods.text
    answers["metrics"] = dataclasses.asdict(result.metrics)
    grid = Grid(setup, entries=ENTRIES, exits=EXITS)
    if options.sweep:
        swept = sweep(bars, grid, funding, watch=cli.watch("sweep"))
        ledger.add(swept.trials)
        answers["sweep"] = _swept(swept)
    if options.walk_forward:
        fit, trade = options.walk_forward
        walked = walk_forward(
            bars, grid, fit, trade, funding=funding, watch=cli.watch("walk-forward")
        )
        ledger.add(walked.trials)
        answers["walk_forward"] = _walked(walked)
    if options.null:
        kind, count, seed = options.null_kind, options.null, options.seed
        found = null_test(
            bars, grid, kind, count, funding=funding, seed=seed, watch=cli.watch("null test")
        )
        ledger.add(found.trials)
        answers["null"] = _null(found)
    answers["luck"] = dataclasses.asdict(judge(result.metrics, ledger))
    _write(options, result, y, x)
    if options.json:
        out.write(orjson.dumps(answers, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(answers, out)
    return 0


def _bars(options: argparse.Namespace) -> _Legs:
    if options.example:
        return _Legs(*crude(), ["the bundled example: monthly WTI and Brent, 1987 to 2020"], [])
    if not 1 <= len(options.files) <= 2:
        raise DataError(f"{len(options.files)} files given; use one or two, or --example crude.")
    paths = [Path(name) for name in options.files]
    each = zip(paths, corrections_each(options, len(paths)), strict=True)
    found = apart([table for path, told in each for table in _read(path, paths, told)])
    names, others = legs_offered(found)
    y = instrument_called(found, options.y) if options.y else names[0]
    x = next((name for name in others if name != y), "")
    x = instrument_called(found, options.x) if options.x else x
    if not x:
        raise DataError(
            f"Only {names[0]} was found; a pair needs two instruments. Add a file, or use one with "
            "two."
        )
    y_bars, x_bars, interval_us = pair_from(found, y, x, round(options.bar * 1_000_000))
    notes = [
        text
        for one in found
        for text in (one.report.kept_text, *(f"  {note}" for note in one.report.corrections))
    ]
    bars = aligned(y_bars, x_bars, interval_us)
    y, x = options.name_y or y, options.name_x or x
    losses = [one.report.loss for one in found if one.report.loss]
    return _Legs(bars, y, x, [*notes, *suspect_prices(bars, y, x)], losses)


def _read(path: Path, paths: Sequence[Path], told: Corrections) -> list[Table]:
    """Read a file; of two with one name each is named after its folder, too."""
    if path.stat().st_size > LARGEST_FILE:
        raise DataError(f"{path.name} has more than {LARGEST_FILE >> 20:,} MB; use a shorter file.")
    is_alone = [one.name for one in paths].count(path.name) == 1
    folder = path.absolute().parent.name
    name = path.name if is_alone or not folder else f"{folder}-{path.name}"
    return read_files(path.read_bytes(), name, LARGEST_FILE, told)


def _setup(options: argparse.Namespace) -> Setup:
    rules = Rules(
        entry=options.entry,
        exit=options.exit,
        stop=options.stop,
        time_stop_bars=options.time_stop,
        sizing=options.sizing,
        notional=options.notional,
        log_prices=options.log,
        fill_at=options.fill,
        cool_down_bars=options.cool_down,
        rehedge_bars=options.rehedge_bars,
        rehedge_percent=options.rehedge_percent,
        negative_beta=options.negative_beta,
        most_gross=options.most_gross,
    )
    costs = Costs(
        fee_bp=options.fee,
        y_half_spread_bp=options.half_spread[0],
        x_half_spread_bp=options.half_spread[1],
        slippage_bp=options.slippage,
        y_borrow_percent=options.borrow[0],
        x_borrow_percent=options.borrow[1],
    )
    limits = Limits(*options.lot, *options.tick, *options.minimum)
    return Setup(
        *(options.model, options.lookback, options.z_window, options.z_kind),
        *(rules, costs, limits, options.capital),
    )


def _funding(
    options: argparse.Namespace, bars: AlignedBars
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    if options.funding is None:
        return None
    y, x = options.funding
    bar_us = bar_length(bars.time_us)
    return constant_funding(bars.time_us, bar_us, y, x, options.funding_hours)


# What is said ---------------------------------------------------------------------------


def _span(bars: AlignedBars) -> dict[str, Any]:
    return {
        "count": len(bars.time_us),
        "usable": int(bars.usable.sum()),
        "first": time_text(int(bars.time_us[0])),
        "last": time_text(int(bars.time_us[-1])),
    }


def _cointegration(bars: AlignedBars, bar_us: int, log_prices: bool) -> dict[str, Any]:
    """Return the test of the pair and its half-life, as every page shows them."""
    y, x = (np.where(bars.usable, leg, np.nan) for leg in (bars.y, bars.x))
    try:
        quality = spread_quality(y, x, bar_us / SECOND_US, log_prices=log_prices)
    except DataError as error:
        return {"note": str(error)}
    test, life = quality.test, quality.half_life
    return {
        "statistic": test.statistic,
        "p_value": test.p_value_searched,
        "lags": test.lags,
        "beta": test.beta,
        "half_life_bars": life.half_life,
        "half_life_low": life.low,
        "half_life_high": life.high,
    }


def _swept(found: Sweep) -> dict[str, Any]:
    best = found.best()
    rules = found.setups[max(best, 0)].rules
    heat = found.heat("entry", "exit")
    return {
        "variants": len(found.setups),
        "best_entry": rules.entry,
        "best_exit": rules.exit,
        "best_sharpe": found.metrics[max(best, 0)].sharpe,
        "plateau_cells": int(heat.plateau.sum()),
        "best_is_a_peak_alone": heat.is_peak_alone,
    }


def _walked(found: WalkForward) -> dict[str, Any]:
    return {
        "folds": len(found.folds),
        "sharpe_where_chosen": found.fitted,
        "sharpe_after": found.metrics.sharpe,
        "net": found.metrics.net,
        "trades": found.metrics.trades,
        "max_drawdown": found.metrics.max_drawdown,
    }


def _null(found: NullTest) -> dict[str, Any]:
    return {
        "null": found.null,
        "surrogates": len(found.surrogates),
        "real_sharpe": found.real,
        "surrogates_median": float(np.median(found.surrogates)),
        "surrogates_95_percent": float(np.quantile(found.surrogates, 0.95)),
        "p_value": found.p_value,
    }


def _print(answers: dict[str, Any], out: TextIO) -> None:
    bars = answers["bars"]
    lines = [*answers["losses"], f"{answers['y']} vs {answers['x']}", *answers["read"]]
    lines.append(
        f"{bars['count']:,} bars, {bars['usable']:,} usable, {bars['first']} to {bars['last']} UTC"
    )
    lines += _section("cointegration (Engle-Granger)", answers["cointegration"])
    lines += ["", f"result: {answers['period']}"]
    lines += [f"  {name:<24}{_figure(name, answers['metrics'][name])}" for name in SHOWN]
    for name, title in (
        ("sweep", "sweep over entry and exit"),
        ("walk_forward", "walk-forward, out-of-sample"),
        ("null", "null test"),
        ("luck", "luck"),
    ):
        if name in answers:
            lines += _section(title, answers[name])
    out.write("\n".join(lines) + "\n")


def _section(title: str, values: dict[str, Any]) -> list[str]:
    return ["", title, *(f"  {name:<24}{_figure(name, one)}" for name, one in values.items())]


def _figure(name: str, value: Any) -> str:
    if not isinstance(value, float):
        return (
            f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
        )
    if math.isnan(value):
        return "n/a"
    if name in SHARES:
        return f"{100.0 * value:,.2f} %"
    return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.2f}"


def _write(options: argparse.Namespace, result: Result, y: str, x: str) -> None:
    if options.trades:
        with options.trades.open("wb") as file:
            file.writelines(write_closed_trades(result.trades, result.setup.rules.log_prices))
    if options.equity:
        said, done = result.signals, result.done
        columns: dict[str, Any] = {
            **{"time_us": result.bars.time_us, "y": result.bars.y, "x": result.bars.x},
            **{"alpha": said.alpha, "beta": said.beta, "spread": said.spread, "z": said.z},
            **{"signal": done.signal, "position": done.position, "cash": done.cash},
            **{"equity": done.equity, "drawdown": result.drawdown},
        }
        with options.equity.open("wb") as file:
            file.writelines(write_analysis(columns, y, x, result.setup.rules.log_prices))

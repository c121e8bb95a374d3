"""A backtest as files: CSV, settings as JSON, and a report that needs nothing but a browser.

Everything from outside is escaped; the report holds no script and fetches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from tandem.backtest.null_test import NullTest
from tandem.backtest.sweep import Sweep
from tandem.backtest.trials import setup_values
from tandem.backtest.walk_forward import WalkForward
from tandem.io.model import interval_text, time_text
from tandem.io.writer import write_analysis, write_closed_trades
from tandem.strategy.trader import ClosedTrade
from tandem.ui.backtest import wording as words
from tandem.ui.backtest.charts import null_name
from tandem.ui.backtest.files import called
from tandem.ui.backtest.study import Study
from tandem.ui.live import cards
from tandem.ui.shared import format as f
from tandem.ui.shared.canvas import keep_extremes

Floats = npt.NDArray[np.float64]

WIDTH, HEIGHT = 900, 220
POINTS = 700
MOST_TRADES = 1_000
BINS = 40

_TRADE_COLUMNS = (
    *("Opened (UTC)", "Closed (UTC)", "Side", "Exit reason", "Net", "Convergence"),
    *("Hedge drift", "Fees", "Spread", "Funding", "Borrow"),
)


# CSV and JSON ---------------------------------------------------------------------------


def trades_csv(study: Study) -> bytes:
    """Return every closed trade with every part of its profit."""
    return b"".join(write_closed_trades(study.result.trades, study.settings.log_prices))


def equity_csv(study: Study) -> bytes:
    """Return equity, drawdown, cash and what was held at every bar."""
    names = ("time_us", "position", "y_quantity", "x_quantity", "cash", "equity", "drawdown")
    return _csv(study, names)


def analytics_csv(study: Study) -> bytes:
    """Return every bar with everything the model said and the account did."""
    return _csv(study, tuple(study.columns))


def bars_csv(study: Study) -> bytes:
    """Return the aligned bars themselves."""
    bars = study.source.bars
    columns = {
        name: getattr(bars, name)
        for name in (
            *("time_us", "y", "x", "y_open", "x_open", "y_age_us", "x_age_us"),
            *("usable", "candles"),
        )
    }
    return _written(study, columns)


def _csv(study: Study, names: Sequence[str]) -> bytes:
    return _written(study, {name: study.columns[name] for name in names})


def _written(study: Study, columns: dict[str, Any]) -> bytes:
    legs = study.source.y, study.source.x
    return b"".join(write_analysis(columns, *legs, study.settings.log_prices))


def settings_json(study: Study) -> bytes:
    """Return everything needed to run the very same backtest again."""
    bars, source, luck = study.source.bars, study.source, study.luck()
    y_percent, x_percent, hours = study.asked.funding
    told: dict[str, Any] = {
        "y": source.y,
        "x": source.x,
        "data": {
            "origin": list(source.told),
            "bars": len(bars.time_us),
            "bar_us": source.bar_us,
            "first_utc": time_text(int(bars.time_us[0])),
            "last_utc": time_text(int(bars.time_us[-1])),
            "fingerprint": source.key,
        },
        "setup": setup_values(study.asked.setup),
        "funding": {"y_percent": y_percent, "x_percent": x_percent, "interval_hours": hours},
        "returns": study.result.periods.text,
        "variants_tried": luck.trials,
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2)


# The report -----------------------------------------------------------------------------


def report_html(
    study: Study,
    sweep: Sweep | None = None,
    walk: WalkForward | None = None,
    nulls: Sequence[NullTest] = (),
) -> bytes:
    """Return the full report, without the tests that were not run."""
    source, bars, trades = study.source, study.source.bars, study.result.trades
    text = _template().render(
        width=WIDTH,
        height=HEIGHT,
        name=f"{called(source.y)} vs {called(source.x)}",
        data=[
            *source.told,
            f"{len(bars.time_us):,} bars of {interval_text(source.bar_us)}, "
            f"{100.0 * bars.usable.mean():.1f} % with both legs fresh, "
            f"{time_text(int(bars.time_us[0]))} to {time_text(int(bars.time_us[-1]))} UTC.",
        ],
        is_simulated=source.is_simulated,
        relation=relation_sentence(study),
        returns=study.result.periods.text,
        pictures=_pictures(study),
        figures=[
            (sheet["title"], [[cell["text"] for cell in row] for row in sheet["rows"]])
            for sheet in words.figure_sheets(study.result.metrics)
        ],
        significance=_significance(study),
        sweep=_sweep(sweep),
        walk=_walk(study, walk),
        nulls=[_null(one) for one in nulls],
        trade_columns=_TRADE_COLUMNS,
        trades=[_trade(one) for one in trades[:MOST_TRADES]],
        trades_left_out=f"{len(trades) - MOST_TRADES:,}" if len(trades) > MOST_TRADES else "",
        settings=settings_json(study).decode(),
    )
    return text.encode()


@cache
def _template() -> Template:
    loader = PackageLoader("tandem.ui.backtest", "")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    made.filters["tenths"] = "{:.1f}".format
    made.tests["figure"] = _is_figure
    return made.get_template("report.html.jinja")


def _is_figure(text: str) -> bool:
    return text[:1] in "+\u22120123456789\u2013" and len(text) < 24


def relation_sentence(study: Study) -> str:
    """Summarise the cointegration test."""
    relation = study.relation
    if relation is None:
        return "Too few bars to test for cointegration: 50 usable bars are needed."
    if relation.same_asset:
        return "Both legs are the same asset: cointegration tests do not apply."
    life = relation.quality.half_life
    return (
        f"Engle\u2013Granger p {f.p_value(relation.p_value)} on {relation.quality.n_obs:,} bars. "
        f"{cards.verdict(relation)} "
        f"Half-life {f.half_life(life.half_life, life.low, life.high)}. "
        "The test uses the full sample; the signals never do."
    )


def _significance(study: Study) -> list[tuple[str, str]]:
    found = study.luck()
    return [
        ("Sharpe ratio", f"{f.signed(found.sharpe)} \u00b1 {f.number(found.error)}"),
        ("Probabilistic Sharpe ratio (PSR)", words.chance(found.above_zero)),
        ("Trials on this data set", f"{found.trials:,}"),
        ("Effective trials", f.number(found.effective, 1)),
        ("Expected max Sharpe under H0", f.signed(found.expected_best)),
        ("Deflated Sharpe ratio (DSR)", words.chance(found.deflated)),
    ]


def _sweep(found: Sweep | None) -> dict[str, Any] | None:
    if found is None or found.best() < 0:
        return None
    values = found.values()
    order = np.argsort(np.where(np.isnan(values), -np.inf, values))[::-1][:10]
    axes = ("model", "lookback", "z_window", "entry", "exit", "stop")
    best = [
        (
            words.variant(found.setups[place], axes),
            words.figure("sharpe", found.metrics[place].sharpe),
            words.figure("net", found.metrics[place].net),
        )
        for place in order
    ]
    return {"variants": f"{len(found.setups):,}", "best": best}


def _walk(study: Study, found: WalkForward | None) -> dict[str, Any] | None:
    if found is None:
        return None
    sentence = (
        f"{len(found.folds)} folds; in-sample Sharpe {f.signed(found.fitted)}, out-of-sample "
        f"{f.signed(found.metrics.sharpe)}; out-of-sample net {f.signed(found.metrics.net)}."
    )
    equity = _lines("Equity", study.source.bars.time_us, [(found.equity, "good")])
    return {"sentence": sentence, "equity": equity}


def _trade(one: ClosedTrade) -> list[str]:
    parts = (
        *(one.net, one.convergence, one.hedge_drift),
        *(-one.fees, -one.spread_cost, -one.funding, -one.borrow),
    )
    times = f.day_clock(one.entry_us), f.day_clock(one.exit_us)
    return [*times, "long" if one.side > 0 else "short", one.reason, *map(f.signed, parts)]


# Pictures -------------------------------------------------------------------------------


class Lines(NamedTuple):
    """Lines over time, in the picture's own coordinates.

    Attributes
    ----------
    paths : list of (str, str)
        An SVG path and the name of its colour.
    marks : list of (float, float, str)
        x, y and the name of the colour.
    low, high, first, last : str
        What the edges of both axes are called.
    """

    title: str
    paths: list[tuple[str, str]]
    marks: list[tuple[float, float, str]]
    low: str
    high: str
    first: str
    last: str


def _pictures(study: Study) -> list[Lines]:
    time_us, done, columns = study.source.bars.time_us, study.result, study.columns
    band = study.asked.setup.rules.entry * columns["deviation"]
    spread = [
        (columns["mean"] - band, "muted"),
        (columns["mean"] + band, "muted"),
        (columns["spread"], "spread"),
    ]
    # Where the last line, which may have none, has no value nothing is marked.
    fills = [(one.entry_us, "good" if one.side > 0 else "bad") for one in done.trades]
    fills += [(one.exit_us, "muted") for one in done.trades]
    drawn = (
        _lines("Equity", time_us, [(done.equity, "good")]),
        _lines("Drawdown, %", time_us, [(100.0 * done.drawdown, "bad")]),
        _lines("Spread with its entry band", time_us, spread, fills[:MOST_TRADES]),
    )
    return [one for one in drawn if one is not None]


def _lines(
    title: str,
    time_us: npt.NDArray[np.int64],
    lines: Sequence[tuple[Floats, str]],
    marks: Sequence[tuple[int, str]] = (),
) -> Lines | None:
    """Draw lines, and marks on the last of them; None where no value is finite."""
    every = np.concatenate([values[np.isfinite(values)] for values, _ in lines])
    if not len(every):
        return None
    low, high = float(every.min()), float(every.max())
    high = high if high > low else low + 1.0
    begin, end = float(time_us[0]), float(max(time_us[-1], time_us[0] + 1))

    def place(at_us: float, value: float) -> tuple[float, float]:
        across = 70.0 + (WIDTH - 80.0) * (at_us - begin) / (end - begin)
        return across, 10.0 + (HEIGHT - 40.0) * (high - value) / (high - low)

    marked, values = [], lines[-1][0]
    for at_us, colour in marks:
        value = float(values[min(int(np.searchsorted(time_us, at_us)), len(values) - 1)])
        if math.isfinite(value):
            marked.append((*place(float(at_us), value), colour))
    return Lines(
        title,
        [(_path(time_us, values, place), colour) for values, colour in lines],
        marked,
        f.significant(low),
        f.significant(high),
        *(time_text(int(time_us[at]))[:10] for at in (0, -1)),
    )


def _path(time_us: npt.NDArray[np.int64], values: Floats, place: Any) -> str:
    commands, is_down = [], False
    for row in keep_extremes(values, 0, POINTS):
        value = float(values[row])
        if not math.isfinite(value):
            is_down = False
            continue
        x, y = place(float(time_us[row]), value)
        commands.append(f"{'L' if is_down else 'M'}{x:.1f} {y:.1f}")
        is_down = True
    return "".join(commands)


def _null(found: NullTest) -> dict[str, Any]:
    """Return a null test's sentence and the histogram of its surrogates."""
    low = min(float(found.surrogates.min()), found.real)
    high = max(float(found.surrogates.max()), found.real)
    high = high if high > low else low + 1.0
    counts, edges = np.histogram(found.surrogates, BINS, (low, high))
    scale = (WIDTH - 80.0) / (high - low)
    most = 1.2 * max(int(counts.max()), 1)  # the words beside the line stand above the bars
    return {
        "name": null_name(found.null),
        "sentence": f"{len(found.surrogates)} surrogates; actual pair: "
        f"{words.figure(found.by, found.real)}, p {f.p_value(found.p_value)}.",
        "bars": [
            (70.0 + scale * (float(left) - low), (HEIGHT - 40.0) * int(count) / most)
            for left, count in zip(edges[:-1], counts, strict=True)
        ],
        "bar_width": (WIDTH - 80.0) / BINS - 2.0,
        "actual": 70.0 + scale * (found.real - low),
        "low": f.signed(low),
        "high": f.signed(high),
    }

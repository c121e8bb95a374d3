"""A backtest as files: CSV, settings as JSON, and a report that needs nothing but a browser.

Everything from outside is escaped; the report holds no script and fetches nothing.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tandem.backtest.null_test import NullTest
from tandem.backtest.sweep import Sweep
from tandem.backtest.trials import setup_values
from tandem.backtest.walk_forward import WalkForward
from tandem.io.model import interval_text, time_text
from tandem.io.writer import write_analysis, write_closed_trades
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

_STYLE = """
:root { color-scheme: light dark; --text: #1b2130; --muted: #5a6376; --edge: #dde2ea; --paper: #fff;
  --good: #0b8568; --bad: #c42b3a; --y: #b87400; --x: #2563eb; --spread: #7340d6; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8ee; --muted: #8e96a6; --edge: #2b3240;
  --paper: #10141b; --good: #35c9a5; --bad: #ff7b86; --y: #f2b84b; --x: #6ea8fe; --spread: #b99cf6; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--paper);
  max-width: 980px; margin: 2rem auto; padding: 0 1rem; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } p { overflow-wrap: anywhere; } td, th { overflow-wrap: break-word; }
.muted { color: var(--muted); } .wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 3px 9px; border-bottom: 1px solid var(--edge); vertical-align: top; }
.number { text-align: right; white-space: nowrap; }
svg { width: 100%; height: auto; display: block; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
svg text { fill: var(--muted); font-size: 12px; }
"""  # noqa: E501


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
    return json.dumps(_plain(told), indent=1, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    """Return what JSON can say: numbers that are none become null."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# The report -----------------------------------------------------------------------------


def report_html(
    study: Study,
    sweep: Sweep | None = None,
    walk: WalkForward | None = None,
    nulls: Sequence[NullTest] = (),
) -> bytes:
    """Return the full report, without the tests that were not run."""
    source, done = study.source, study.result
    name = f"{called(source.y)} vs {called(source.x)}"
    bars = source.bars
    parts = [
        f"<h1>{_text(name)}</h1>",
        _paragraphs(
            [
                *source.told,
                f"{len(bars.time_us):,} bars of {interval_text(source.bar_us)}, "
                f"{100.0 * bars.usable.mean():.1f} % with both legs fresh, "
                f"{time_text(int(bars.time_us[0]))} to "
                f"{time_text(int(bars.time_us[-1]))} UTC.",
            ]
        ),
        _simulated(study),
        "<h2>Cointegration</h2>",
        _paragraphs([relation_sentence(study)]),
        "<h2>Result</h2>",
        f'<p class="muted">{_text(done.periods.text)}</p>',
        _line_picture("Equity", bars.time_us, [("equity", done.equity, "good")]),
        _line_picture("Drawdown, %", bars.time_us, [("drawdown", 100.0 * done.drawdown, "bad")]),
        _line_picture(
            "Spread with its entry band",
            bars.time_us,
            [
                ("low", _band(study, -1.0), "muted"),
                ("high", _band(study, 1.0), "muted"),
                ("spread", study.columns["spread"], "spread"),
            ],
            _spread_marks(study),
        ),
        *(_figures(sheet) for sheet in words.figure_sheets(done.metrics)),
        "<h2>Significance</h2>",
        _luck(study),
        *_sweep(sweep),
        *_walk(study, walk),
        *_nulls(nulls),
        _trades(study),
        "<h2>Settings</h2>",
        f"<pre>{_text(settings_json(study).decode())}</pre>",
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Backtest: {_text(name)}</title><style>{_STYLE}</style></head><body>"
        + "".join(parts)
        + "</body></html>"
    )
    return page.encode()


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


def _simulated(study: Study) -> str:
    if not study.source.is_simulated:
        return ""
    return "<p><strong>SIMULATED: prices from a simulated market.</strong></p>"


def _figures(sheet: dict[str, Any]) -> str:
    rows = [[cell["text"] for cell in row] for row in sheet["rows"]]
    return f"<h3>{_text(sheet['title'])}</h3>" + _table(("Metric", "Value", "Definition"), rows)


def _luck(study: Study) -> str:
    found = study.luck()
    return _table(
        ("Metric", "Value"),
        [
            ["Sharpe ratio", f"{f.signed(found.sharpe)} \u00b1 {f.number(found.error)}"],
            ["Probabilistic Sharpe ratio (PSR)", words.chance(found.above_zero)],
            ["Trials on this data set", f"{found.trials:,}"],
            ["Effective trials", f.number(found.effective, 1)],
            ["Expected max Sharpe under H0", f.signed(found.expected_best)],
            ["Deflated Sharpe ratio (DSR)", words.chance(found.deflated)],
        ],
    )


def _sweep(found: Sweep | None) -> Iterable[str]:
    if found is None or found.best() < 0:
        return ()
    values = found.values()
    order = np.argsort(np.where(np.isnan(values), -np.inf, values))[::-1][:10]
    axes = ("model", "lookback", "z_window", "entry", "exit", "stop")
    rows = [
        [
            words.variant(found.setups[place], axes),
            words.figure("sharpe", found.metrics[place].sharpe),
            words.figure("net", found.metrics[place].net),
        ]
        for place in order
    ]
    return (
        f"<h3>Best of {len(found.setups):,} variants</h3>",
        _table(("Variant", "Sharpe", "Net"), rows),
    )


def _walk(study: Study, found: WalkForward | None) -> Iterable[str]:
    if found is None:
        return ()
    sentence = (
        f"{len(found.folds)} folds; in-sample Sharpe {f.signed(found.fitted)}, out-of-sample "
        f"{f.signed(found.metrics.sharpe)}; out-of-sample net {f.signed(found.metrics.net)}."
    )
    return (
        "<h3>Walk-forward, out-of-sample</h3>",
        _paragraphs([sentence]),
        _line_picture("Equity", study.source.bars.time_us, [("equity", found.equity, "good")]),
    )


def _nulls(found: Sequence[NullTest]) -> Iterable[str]:
    for one in found:
        yield f"<h3>Null test: {_text(null_name(one.null))}</h3>"
        yield _paragraphs(
            [
                f"{len(one.surrogates)} surrogates; actual pair: "
                f"{words.figure(one.by, one.real)}, p {f.p_value(one.p_value)}."
            ]
        )
        yield _histogram(one)


def _trades(study: Study) -> str:
    shown = study.result.trades[:MOST_TRADES]
    if not shown:
        return "<h2>Trades</h2><p>No closed trades.</p>"
    rows = [
        [
            f.day_clock(one.entry_us),
            f.day_clock(one.exit_us),
            "long" if one.side > 0 else "short",
            one.reason,
            *(
                f.signed(value)
                for value in (
                    *(one.net, one.convergence, one.hedge_drift),
                    *(-one.fees, -one.spread_cost, -one.funding, -one.borrow),
                )
            ),
        ]
        for one in shown
    ]
    heads = (
        *("Opened (UTC)", "Closed (UTC)", "Side", "Exit reason", "Net", "Convergence"),
        *("Hedge drift", "Fees", "Spread", "Funding", "Borrow"),
    )
    more = len(study.result.trades) - len(shown)
    said = f"<p>{more:,} more are in the CSV.</p>" if more else ""
    return f"<h2>Trades</h2>{said}{_table(heads, rows)}"


# Pieces ---------------------------------------------------------------------------------


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def _paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f"<p>{_text(one)}</p>" for one in sentences)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(one)}</th>" for one in heads)
    body = "".join(
        "<tr>" + "".join(f"<td{_is_number(one)}>{_text(one)}</td>" for one in row) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _is_number(text: str) -> str:
    return ' class="number"' if text[:1] in "+\u22120123456789\u2013" and len(text) < 24 else ""


def _band(study: Study, side: float) -> Floats:
    columns, entry = study.columns, study.asked.setup.rules.entry
    band: Floats = columns["mean"] + side * entry * columns["deviation"]
    return band


def _spread_marks(study: Study) -> list[tuple[int, str]]:
    """Return (time, colour) of every fill that opened or closed a trade."""
    found = [(one.entry_us, "good" if one.side > 0 else "bad") for one in study.result.trades]
    return [*found, *((one.exit_us, "muted") for one in study.result.trades)][:MOST_TRADES]


def _line_picture(
    title: str,
    time_us: npt.NDArray[np.int64],
    lines: Sequence[tuple[str, Floats, str]],
    marks: Sequence[tuple[int, str]] = (),
) -> str:
    every = np.concatenate([values[np.isfinite(values)] for _, values, _ in lines])
    if not len(every):
        return ""
    low, high = float(every.min()), float(every.max())
    high = high if high > low else low + 1.0
    begin, end = float(time_us[0]), float(max(time_us[-1], time_us[0] + 1))

    def place(at_us: float, value: float) -> tuple[float, float]:
        across = 70.0 + (WIDTH - 80.0) * (at_us - begin) / (end - begin)
        return across, 10.0 + (HEIGHT - 40.0) * (high - value) / (high - low)

    drawn = [_path(time_us, values, colour, place) for _, values, colour in lines]
    last = lines[-1][1]
    for at_us, colour in marks:
        value = float(last[min(int(np.searchsorted(time_us, at_us)), len(last) - 1)])
        if math.isfinite(value):
            x, y = place(float(at_us), value)
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--{colour})"/>')
    first, final = (time_text(int(time_us[at]))[:10] for at in (0, -1))
    texts = [
        _label(64, 18, f.significant(high), "end"),
        _label(64, HEIGHT - 28, f.significant(low), "end"),
        _label(70, HEIGHT - 8, first, "start"),
        _label(WIDTH - 10, HEIGHT - 8, final, "end"),
    ]
    return f"<h3>{_text(title)}</h3>" + _svg([*drawn, *texts])


def _path(time_us: npt.NDArray[np.int64], values: Floats, colour: str, place: Any) -> str:
    commands, is_down = [], False
    for row in keep_extremes(values, 0, POINTS):
        value = float(values[row])
        if not math.isfinite(value):
            is_down = False
            continue
        x, y = place(float(time_us[row]), value)
        commands.append(f"{'L' if is_down else 'M'}{x:.1f} {y:.1f}")
        is_down = True
    return (
        f'<path d="{"".join(commands)}" fill="none" stroke="var(--{colour})" stroke-width="1.5"/>'
    )


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_text(text)}</text>'


def _svg(parts: Iterable[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'


def _histogram(found: NullTest) -> str:
    low = min(float(found.surrogates.min()), found.real)
    high = max(float(found.surrogates.max()), found.real)
    high = high if high > low else low + 1.0
    counts, edges = np.histogram(found.surrogates, BINS, (low, high))

    def across(value: float) -> float:
        return 70.0 + (WIDTH - 80.0) * (value - low) / (high - low)

    most = 1.2 * max(int(counts.max()), 1)  # the words beside the line stand above the bars
    bars = [
        f'<rect x="{across(float(left)) + 1:.1f}" '
        f'y="{10.0 + (HEIGHT - 40.0) * (1.0 - count / most):.1f}" '
        f'width="{(WIDTH - 80.0) / BINS - 2:.1f}" '
        f'height="{(HEIGHT - 40.0) * count / most:.1f}" fill="var(--x)"/>'
        for left, count in zip(edges[:-1], counts, strict=True)
    ]
    at = across(found.real)
    bars.append(
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="5" y2="{HEIGHT - 30}" stroke="var(--good)" '
        'stroke-width="3"/>'
    )
    anchor = "end" if at > WIDTH / 2 else "start"
    bars.append(_label(at + (-6 if anchor == "end" else 6), 20, "actual pair", anchor))
    bars.append(_label(70, HEIGHT - 8, f.signed(low), "start"))
    bars.append(_label(WIDTH - 10, HEIGHT - 8, f.signed(high), "end"))
    return _svg(bars)

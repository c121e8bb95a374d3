"""The Backtest page's tabs that ask whether it was luck: sweep, walk-forward, null test."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from tandem.backtest.grid import Grid
from tandem.backtest.null_test import NULLS, NullTest, null_test
from tandem.backtest.sweep import Sweep
from tandem.backtest.sweep import sweep as run_sweep
from tandem.backtest.walk_forward import WalkForward, walk_forward
from tandem.core.parallel import Watch
from tandem.strategy.signals import Setup
from tandem.ui.backtest import charts as drawn
from tandem.ui.backtest import wording as words
from tandem.ui.backtest.controls import ask_grid, moving
from tandem.ui.backtest.study import Study
from tandem.ui.backtest.wording import AXIS_NAMES
from tandem.ui.components import chart, sheets
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.jobs import longest_s, result_of
from tandem.ui.shared.model_controls import URL
from tandem.ui.shared.state import is_operator

BEST_SHOWN = 10
_metric = partial(say.metric, width=190)
SURROGATES = (99, 199, 499, 999)


# Long work ------------------------------------------------------------------------------


def _found(
    study: Study,
    name: str,
    label: str,
    asked: Any,
    work: Callable[..., Any],
    expected_s: Callable[[], float],
) -> Any | None:
    """Offer long work, show how far it is, and return what it found; None until then."""
    found = result_of(
        study.work, name, asked, label, work, lambda: expected_sentence(expected_s(), longest_s())
    )
    job = study.work.running(name)
    if found is not None and job is not None:
        took = f"{job.took_s:.1f} s" if job.took_s >= 0.1 else "less than 0.1 s"
        say.note(f"Took {took}. Valid until inputs change.")
    return found


def expected_sentence(seconds: float, longest: float) -> str:
    """Return the estimated run time, with a warning if it exceeds the limit."""
    if seconds < 1.0:
        return "Takes about a second."
    text = f"Takes about {f.duration(seconds)}; it runs in the background and can be cancelled."
    if seconds > longest:
        text += (
            f" That exceeds the limit of {f.duration(longest)}: try fewer variants or surrogates, "
            "or longer bars."
        )
    return text


# Sweep ----------------------------------------------------------------------------------


def sweep(study: Study) -> None:
    """Run every variant and map the results."""
    say.note(
        "Every variant on the same bars. The best of many always looks good (selection bias); one "
        "on a plateau of nearly equal neighbours is less likely to be overfitted than an isolated "
        "peak."
    )
    grid = ask_grid(study.asked.setup)
    if grid is None:
        return
    work = partial(run_sweep, study.source.bars, grid, study.funding)
    found: Sweep | None = _found(
        study, "sweep", "Run sweep", _asked(grid), work, lambda: study.pace(grid).sweep_s()
    )
    if found is None:
        return
    _swept(study, grid, found)


def _asked(grid: Grid, *more: Any) -> Any:
    return tuple(grid.setups()), *more


def _swept(study: Study, grid: Grid, found: Sweep) -> None:
    axes = moving(grid)
    by = _judged_by("sweep_by")
    if found.best(by) < 0:
        st.info("No variant traded; try lower entry thresholds.")
        return
    if len(axes) >= 2:
        _heat(study, found, axes, by)
    elif axes:
        say.note(f"Only the {AXIS_NAMES[axes[0]]} varies, so there is no heat map.")
    _best(found, axes or ["entry"], by)


def _judged_by(key: str) -> str:
    return (
        st.selectbox(
            "Rank by", words.JUDGED, key=key, bind=URL, format_func=words.TITLES.__getitem__
        )
        or words.JUDGED[0]
    )


def _heat(study: Study, found: Sweep, axes: list[str], by: str) -> None:
    rows, columns = axes[0], axes[1]
    if len(axes) > 2:
        left, right = st.columns(2)
        rows = left.selectbox("Rows", axes, key="heat_rows", format_func=AXIS_NAMES.__getitem__)
        others = [axis for axis in axes if axis != rows]
        columns = right.selectbox(
            "Columns", others, key="heat_columns", format_func=AXIS_NAMES.__getitem__
        )
    heat = found.heat(rows, columns, by)
    cells = int(heat.plateau.sum())
    if not cells:
        text = "No plateau: averaged with its neighbours, even the best cell made no profit."
    elif heat.is_peak_alone:
        text = (
            f"The plateau (framed) has {cells} of {heat.values.size} cells and the best cell "
            "(\u2605) lies outside it: an isolated peak, typical of overfitting."
        )
    else:
        text = (
            f"The plateau (framed) has {cells} of {heat.values.size} cells, including the best "
            "(\u2605): cells whose neighbourhood average is at least 80 % of the best."
        )
    say.note(
        f"{text} Gains are green and losses red, on one scale centred at zero; empty cells are "
        "invalid or never traded. Other parameters are held at the best variant's values."
    )
    version = f"{study.version}/{rows}/{columns}/{by}/{id(found)}"
    chart(drawn.heat_chart(heat, AXIS_NAMES, version), key="backtest-heat")


def _best(found: Sweep, axes: list[str], by: str) -> None:
    values = found.values(by)
    order = np.argsort(np.where(np.isnan(values), -np.inf, values))[::-1][:BEST_SHOWN]
    names = list(dict.fromkeys((by, "sharpe", "net", "max_drawdown", "trades")))
    rows = [
        [
            words.variant(found.setups[place], axes),
            *(words.figure(name, getattr(found.metrics[place], name)) for name in names),
        ]
        for place in order
    ]
    heads = ["Variant", *(words.TITLES[name] for name in names)]
    sheets([words.plain_sheet("best", "Best variants", "", heads, rows)], key="backtest-best")
    st.button(
        "Use best variant",
        key="use_best",
        on_click=_use,
        args=(found.setups[int(order[0])],),
        help="Copies its values to the sidebar. It still counts as one of all the trials.",
    )


def _use(setup: Setup) -> None:
    """Put a variant's values into the sidebar's controls, before they are drawn again."""
    values = {
        "model": setup.model,
        "lookback": min(max(setup.lookback, 20), 2_000),
        "zwin": min(max(setup.z_window, 10), 1_000),
        "enter": setup.rules.entry,
        "exit": setup.rules.exit,
        "stop": min(setup.rules.stop, 50.0),
    }
    for key, value in values.items():
        st.session_state[key] = value


# Walk-forward ---------------------------------------------------------------------------


def walk(study: Study) -> None:
    """Select in-sample, trade out-of-sample, and report only the latter."""
    say.note(
        "The best variant of each in-sample window is traded over the following out-of-sample "
        "window. Only out-of-sample results count below: what re-optimising over time would have "
        "earned."
    )
    grid = ask_grid(study.asked.setup)
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    count = len(study.source.bars.time_us) - study.result.periods.first
    fit = left.number_input(
        "In-sample window, bars", 10, 1_000_000, max(count // 3, 10), key="walk_fit", bind=URL
    )
    trade = middle.number_input(
        "Out-of-sample window, bars", 1, 1_000_000, max(count // 6, 1), key="walk_trade", bind=URL
    )
    anchored = right.toggle(
        "Anchored (expanding) window",
        key="walk_anchored",
        bind=URL,
        help="Every in-sample window starts at the first bar instead of rolling forward.",
    )
    if grid is None or fit is None or trade is None:
        return
    asked = _asked(grid, fit, trade, anchored)
    lengths, how = (int(fit), int(trade)), {"funding": study.funding, "anchored": bool(anchored)}
    work = partial(walk_forward, study.source.bars, grid, *lengths, **how)
    found: WalkForward | None = _found(
        *(study, "walk", "Run walk-forward", asked, work),
        lambda: study.pace(grid).walk_forward_s(count, int(fit), int(trade), bool(anchored)),
    )
    if found is not None:
        _walked(study, grid, found)


def _walked(study: Study, grid: Grid, found: WalkForward) -> None:
    measured = found.metrics
    with st.container(horizontal=True):
        hint = "Mean in-sample Sharpe ratio of the selected variants."
        _metric("In-sample Sharpe", words.figure("sharpe", found.fitted), hint=hint)
        hint = "Over all out-of-sample bars combined."
        _metric("Out-of-sample Sharpe", words.figure("sharpe", measured.sharpe), hint=hint)
        hint = "In the quote currency."
        _metric("Out-of-sample net profit", words.figure("net", measured.net), hint=hint)
        _metric("Max drawdown", words.figure("max_drawdown", measured.max_drawdown))
        _metric("Closed trades", words.figure("trades", measured.trades))
    time_us = study.source.bars.time_us
    starts = [fold.trade_first for fold in found.folds]
    chart(
        drawn.walk_chart(
            time_us, found.equity, grid.base.capital, starts, f"{study.version}/{id(found)}"
        ),
        key="backtest-walk",
    )
    axes = moving(grid) or ["entry"]
    rows = [
        [
            f"{f.day_clock(int(time_us[fold.trade_first]))[:16]}",
            words.variant(fold.setup, axes) if fold.setup else "none traded",
            words.figure("sharpe", fold.chosen_by),
            f"{len(fold.trades)}",
            f.signed(fold.net),
        ]
        for fold in found.folds[::-1][:200]
    ]
    heads = [
        *("Out-of-sample from (UTC)", "Selected variant", "In-sample Sharpe"),
        *("Trades", "Out-of-sample net"),
    ]
    sheets(
        [words.plain_sheet("folds", "Folds, newest first", "", heads, rows)],
        key="backtest-folds",
    )


# Significance ----------------------------------------------------------------------------


def luck(study: Study) -> None:
    """Show the significance of the Sharpe ratio, and run the null test."""
    found = study.luck()
    with st.container(horizontal=True):
        _metric(
            "Sharpe ratio",
            words.figure("sharpe", found.sharpe),
            f"\u00b1 {f.number(found.error)} standard error",
            f"Annualised, with its standard error from {found.periods:,} returns.",
        )
        _metric(
            "Probabilistic Sharpe ratio (PSR)",
            words.chance(found.above_zero),
            "single trial",
            "Probability that the true Sharpe ratio is above zero, ignoring that other variants "
            "were tried.",
        )
        _metric(
            "Trials",
            f"{found.trials:,}",
            f"effective trials: {f.number(found.effective, 1)}",
            "Distinct variants tried on this data set, in this session and before: run by hand, "
            "compared, swept, or considered by a walk-forward or null test. Their results are "
            f"correlated, so they count as {f.number(found.effective, 1)} independent trials.",
        )
        _metric(
            "Expected max Sharpe under H0",
            words.figure("sharpe", found.expected_best),
            f"of {f.number(found.effective, 1)} zero-skill trials",
            "Expected Sharpe ratio of the best of this many variants without any skill.",
        )
        _metric(
            "Deflated Sharpe ratio (DSR)",
            words.chance(found.deflated),
            "probability above that maximum",
            "Probability that the true Sharpe ratio exceeds the expected maximum under H0. Below "
            "95 % the result may be explained by multiple testing.",
        )
    say.note(
        "Trials are counted per data set"
        + ("" if is_operator() else ", in public mode until you close this page")
        + ": every further trial lowers the DSR."
    )
    st.markdown("**Null test**")
    say.note(
        "The same pipeline, including selection of the best variant, on surrogates of this pair "
        "without cointegration: the size and timing of moves are preserved, but there is no error "
        "correction between the legs. p is the share of surrogates, counting the actual pair, that "
        "did at least as well."
    )
    _null(study)


def _null(study: Study) -> None:
    grid = ask_grid(study.asked.setup)
    left, right = st.columns(2)
    count = left.segmented_control(
        "Surrogates", SURROGATES, default=199, key="null_count", bind=URL, required=True
    )
    seed = right.number_input(
        "Seed",
        0,
        9_999,
        0,
        key="null_seed",
        bind=URL,
        help=("The same seed reproduces the same surrogates."),
    )
    if grid is None:
        return
    asked = _asked(grid, count, seed)
    work = partial(_nulls, study.source.bars, grid, study.funding, int(count or 199), int(seed))
    found: tuple[NullTest, ...] | None = _found(
        *(study, "null", "Run null test", asked, work),
        lambda: study.pace(grid).null_s(int(count or 199), len(NULLS)),
    )
    if found is None:
        return
    title = f"{words.TITLES[found[0].by]} of the best variant"
    version = f"{study.version}/{id(found)}"
    for one in found:
        say.note(null_sentence(one))
    chart(drawn.null_chart(found, title, version), key="backtest-null")


def _nulls(
    bars: Any, grid: Grid, funding: Any, count: int, seed: int, watch: Watch
) -> tuple[NullTest, ...]:
    shares = np.linspace(0.0, 1.0, len(NULLS) + 1)
    return tuple(
        null_test(
            bars, grid, null, count, funding=funding, seed=seed, watch=watch.part(first, last)
        )
        for null, first, last in zip(NULLS, shares[:-1], shares[1:], strict=True)
    )


def null_sentence(found: NullTest) -> str:
    """Describe where the actual result falls among the surrogates."""
    count = len(found.surrogates)
    above = int(np.count_nonzero(found.surrogates >= found.real))
    name = drawn.null_name(found.null)
    verdict = (
        "significant at 5 %"
        if found.p_value < 0.05
        else "not significant; weak evidence at best"
        if found.p_value < 0.2
        else "not significant; consistent with chance"
    )
    return (
        f"{name.capitalize()}: {above} of {count} surrogates did at least as well as the actual "
        f"pair ({words.figure(found.by, found.real)}), p {f.p_value(found.p_value)}: {verdict}."
    )

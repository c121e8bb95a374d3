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
SURROGATES = (99, 199, 499, 999)


# Long work ------------------------------------------------------------------------------


def _found(
    study: Study,
    name: str,
    label: str,
    asked: Any,
    work: Callable[[Watch], Any],
    expected_s: Callable[[], float],
) -> Any | None:
    """Offer long work, show how far it is, and return what it found; None until then."""
    found = result_of(
        study.work, name, asked, label, work, lambda: expected_sentence(expected_s(), longest_s())
    )
    job = study.work.running(name)
    if found is not None and job is not None:
        took = f"{job.took_s:.1f} s" if job.took_s >= 0.1 else "less than 0.1 s"
        say.note(f"Took {took}. Valid until bars, setup or variants change.")
    return found


def expected_sentence(seconds: float, longest: float) -> str:
    """Say how long work will take, and where that is longer than it may."""
    if seconds < 1.0:
        return "Takes about a second."
    text = f"Takes about {f.duration(seconds)}; it runs beside the page and can be cancelled."
    if seconds > longest:
        text += (
            f" That is more than the {f.duration(longest)} it may take here: try fewer variants or "
            "surrogates, or longer bars."
        )
    return text


# Sweep ----------------------------------------------------------------------------------


def sweep(study: Study) -> None:
    """Try every variant and map what each earned."""
    say.note(
        "Every variant over the same bars. The best of many is always good; one that stands on a "
        "plateau of others nearly as good is less likely to be luck than a peak alone."
    )
    grid = ask_grid(study.asked.setup)
    if grid is None:
        return
    work = partial(_sweep, study.source.bars, grid, study.funding)
    found: Sweep | None = _found(
        study, "sweep", "Run the sweep", _asked(grid), work, lambda: study.pace(grid).sweep_s()
    )
    if found is None:
        return
    _swept(study, grid, found)


def _sweep(bars: Any, grid: Grid, funding: Any, watch: Watch) -> Sweep:
    return run_sweep(bars, grid, funding, watch=watch)


def _asked(grid: Grid, *more: Any) -> Any:
    return tuple(grid.setups()), *more


def _swept(study: Study, grid: Grid, found: Sweep) -> None:
    axes = moving(grid)
    by = _judged_by("sweep_by")
    if found.best(by) < 0:
        st.info("No variant ever traded; try lower entries.")
        return
    if len(axes) >= 2:
        _heat(study, found, axes, by)
    elif axes:
        say.note(f"Only the {AXIS_NAMES[axes[0]]} differs, so there is no map.")
    _best(found, axes or ["entry"], by)


def _judged_by(key: str) -> str:
    return (
        st.selectbox(
            "Judge by", words.JUDGED, key=key, bind=URL, format_func=words.TITLES.__getitem__
        )
        or words.JUDGED[0]
    )


def _heat(study: Study, found: Sweep, axes: list[str], by: str) -> None:
    rows, columns = axes[0], axes[1]
    if len(axes) > 2:
        left, right = st.columns(2)
        rows = left.selectbox("Down", axes, key="heat_rows", format_func=AXIS_NAMES.__getitem__)
        others = [axis for axis in axes if axis != rows]
        columns = right.selectbox(
            "Across", others, key="heat_columns", format_func=AXIS_NAMES.__getitem__
        )
    heat = found.heat(rows, columns, by)
    cells = int(heat.plateau.sum())
    if not cells:
        text = "No plateau: with its neighbours, even the best cell earned nothing."
    elif heat.is_peak_alone:
        text = (
            f"The plateau, framed, has {cells} of {heat.values.size} cells and the best cell "
            "(\u2605) lies outside it: a peak alone, which is what luck looks like."
        )
    else:
        text = (
            f"The plateau, framed, has {cells} of {heat.values.size} cells, the best one (\u2605) "
            "among them: cells that with their neighbours are within 80 % of the best."
        )
    say.note(
        f"{text} Colours: gains green, losses red, from the same zero; empty cells make no sense "
        "or never traded. Other values stand where the best variant has them."
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
    sheets([words.plain_sheet("best", "The best variants", "", heads, rows)], key="backtest-best")
    st.button(
        "Use the best variant",
        key="use_best",
        on_click=_use,
        args=(found.setups[int(order[0])],),
        help="Puts its values into the sidebar. It stays one of all that were tried.",
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
    """Choose on one stretch, trade the next, and count only that."""
    say.note(
        "On each stretch the best variant is chosen, and then traded over the next stretch, which "
        "it has not seen. Only the second kind counts below: what choosing as you go would have "
        "earned."
    )
    grid = ask_grid(study.asked.setup)
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    count = len(study.source.bars.time_us) - study.result.periods.first
    fit = left.number_input(
        "Choose on, bars", 10, 1_000_000, max(count // 3, 10), key="walk_fit", bind=URL
    )
    trade = middle.number_input(
        "Trade the next, bars", 1, 1_000_000, max(count // 6, 1), key="walk_trade", bind=URL
    )
    anchored = right.toggle(
        "Choose on everything before",
        key="walk_anchored",
        bind=URL,
        help="Every stretch to choose on begins at the first bar instead of rolling along.",
    )
    if grid is None or fit is None or trade is None:
        return
    asked = _asked(grid, fit, trade, anchored)
    work = partial(
        _walk, study.source.bars, grid, study.funding, int(fit), int(trade), bool(anchored)
    )
    found: WalkForward | None = _found(
        *(study, "walk", "Walk forward", asked, work),
        lambda: study.pace(grid).walk_forward_s(count, int(fit), int(trade), bool(anchored)),
    )
    if found is not None:
        _walked(study, grid, found)


def _walk(
    bars: Any, grid: Grid, funding: Any, fit: int, trade: int, anchored: bool, watch: Watch
) -> WalkForward:
    return walk_forward(bars, grid, fit, trade, funding=funding, anchored=anchored, watch=watch)


def _walked(study: Study, grid: Grid, found: WalkForward) -> None:
    measured = found.metrics
    with st.container(horizontal=True):
        _metric("Sharpe where chosen", words.figure("sharpe", found.fitted),
                "Mean over the stretches of the best variant's ratio on the stretch it was chosen "
                "on.")  # fmt: skip
        _metric("Sharpe after", words.figure("sharpe", measured.sharpe),
                "Of all bars traded out of sample together.")  # fmt: skip
        _metric("Net profit after", words.figure("net", measured.net), "In the quote currency.")
        _metric("Max drawdown", words.figure("max_drawdown", measured.max_drawdown), "")
        _metric("Closed trades", words.figure("trades", measured.trades), "")
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
            words.variant(fold.setup, axes) if fold.setup else "none ever traded",
            words.figure("sharpe", fold.chosen_by),
            f"{len(fold.trades)}",
            f.signed(fold.net),
        ]
        for fold in found.folds[::-1][:200]
    ]
    heads = ["Traded from (UTC)", "Chosen", "Sharpe where chosen", "Trades", "Net after"]
    sheets(
        [words.plain_sheet("folds", "Stretches, newest first", "", heads, rows)],
        key="backtest-folds",
    )


def _metric(label: str, value: str, hint: str, beside: str = "") -> None:
    st.metric(
        label,
        value,
        beside or None,
        delta_color="off",
        delta_arrow="off",
        help=hint or None,
        width=190,
    )


# Is it luck? ----------------------------------------------------------------------------


def luck(study: Study) -> None:
    """Say what the Sharpe ratio is worth, and run the null test."""
    found = study.luck()
    with st.container(horizontal=True):
        _metric(
            "Sharpe ratio",
            words.figure("sharpe", found.sharpe),
            f"Annualised, with its standard error from {found.periods:,} returns.",
            f"\u00b1 {f.number(found.error)} standard error",
        )
        _metric(
            "Probably above zero",
            words.chance(found.above_zero),
            "Probabilistic Sharpe ratio: the probability that the true ratio is above zero, had "
            "this been the only variant.",
            "had it been the only one",
        )
        _metric(
            "Variants tried",
            f"{found.trials:,}",
            "On these very bars, in this session and before: every setup run by hand, compared, "
            "swept, or among those a walk-forward or a null test chose from, each counted once. "
            f"They are as good as {f.number(found.effective, 1)} independent ones, since many earn "
            "alike.",
            f"worth {f.number(found.effective, 1)} independent",
        )
        _metric(
            "Luck would show",
            words.figure("sharpe", found.expected_best),
            "The Sharpe ratio to be expected of the best of as many worthless variants.",
            "best of as many worthless",
        )
        _metric(
            "Deflated Sharpe",
            words.chance(found.deflated),
            "The probability that the true ratio is above what luck would show. Below 95 % the "
            "result may well be the luck of having tried so much.",
            "above what luck would show",
        )
    say.note(
        "The count of variants is kept per data set"
        + ("" if is_operator() else " until you close this page, on a public desk")
        + ": trying until it fits lowers the deflated ratio."
    )
    st.markdown("**Null test**")
    say.note(
        "The same pipeline, choice of the best variant included, on surrogates of this pair in "
        "which there is nothing to find: their moves keep their sizes and times, but nothing pulls "
        "the legs together. p is the share of surrogates, the real pair counted in, that did as "
        "well."
    )
    _null(study)


def _null(study: Study) -> None:
    grid = ask_grid(study.asked.setup)
    left, right = st.columns(2)
    count = left.segmented_control(
        "Surrogates", SURROGATES, default=199, key="null_count", bind=URL, required=True
    )
    seed = right.number_input(
        "Seed", 0, 9_999, 0, key="null_seed", bind=URL, help="The same seed, the same surrogates."
    )
    if grid is None:
        return
    asked = _asked(grid, count, seed)
    work = partial(_nulls, study.source.bars, grid, study.funding, int(count or 199), int(seed))
    found: tuple[NullTest, ...] | None = _found(
        *(study, "null", "Run the null test", asked, work),
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
    """Say in plain words where the real result falls."""
    count = len(found.surrogates)
    above = int(np.count_nonzero(found.surrogates >= found.real))
    name = drawn.null_name(found.null)
    verdict = (
        "more than luck usually gives"
        if found.p_value < 0.05
        else "nothing that luck does not give now and then"
        if found.p_value < 0.2
        else "nothing that luck does not give all the time"
    )
    return (
        f"{name.capitalize()}: {above} of {count} surrogates did as well as the real pair "
        f"({words.figure(found.by, found.real)}), p {f.p_value(found.p_value)}: {verdict}."
    )

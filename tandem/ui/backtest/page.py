"""The Backtest page: whether a pair is real, and whether it would have paid after costs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from tandem.backtest.metrics import DEFINITIONS, LEAST_YEARS
from tandem.core.clock import SECOND_US, YEAR_US
from tandem.core.errors import DataError
from tandem.core.startup import Readiness
from tandem.io.model import interval_text
from tandem.ui.backtest import significance, tabs, wording
from tandem.ui.backtest.controls import ask
from tandem.ui.backtest.export import offer
from tandem.ui.backtest.files import called
from tandem.ui.backtest.report import relation_sentence
from tandem.ui.backtest.sources import choose
from tandem.ui.backtest.study import Study, study
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.model_controls import URL
from tandem.ui.shared.state import part

TABS = {
    "Result": tabs.result,
    "Trades": tabs.trades,
    "Sweep": significance.sweep,
    "Walk-forward": significance.walk,
    "Significance": significance.luck,
    "Models": tabs.models,
    "Export": offer,
}

PREPARING = (
    "Compiling models and backtests. This happens once per machine and takes up to a minute; the "
    "page continues by itself."
)


def page() -> None:
    """Draw the page."""
    st.html(Path(__file__).with_suffix(".css"))
    st.subheader("Pair backtest: cointegration and net P&L")
    waiting = st.empty()
    if not part(Readiness).backtests.is_set():
        waiting.info(PREPARING)
    _study()
    waiting.empty()


def _study() -> None:
    source = choose()
    if source is None:
        return
    with st.sidebar:
        asked = ask()
    if asked is None:
        return
    try:
        found = study(source, asked)
        found.settle()
        _head(found)
        # Only the open tab is worked out.
        drawn = st.tabs(list(TABS), key="tab", on_change="rerun", bind=URL)
        for tab, show in zip(drawn, TABS.values(), strict=True):
            if tab.open:
                with tab:
                    show(found)
    except DataError as error:
        say.problem(str(error))


def _head(found: Study) -> None:
    """Show what was tested, the cointegration verdict, and the headline figures."""
    source, measured = found.source, found.result.metrics
    bars = source.bars
    st.text(
        f"{called(source.y)} vs {called(source.x)}: {len(bars.time_us):,} bars of "
        f"{interval_text(source.bar_us)}, {100 * bars.usable.mean():.1f} % with both legs "
        f"fresh, {f.day_clock(int(bars.time_us[0]))} to {f.day_clock(int(bars.time_us[-1]))} UTC"
    )
    if source.is_simulated:
        say.warning("SIMULATED: prices from Tandem's simulated market, not from real trading.")
    with st.container(horizontal=True):
        _relation(found)
        _figure("Net profit after costs", "net", measured, "quote currency")
        sharpe = wording.figure("sharpe", measured.sharpe)
        say.metric(
            "Sharpe ratio",
            sharpe,
            f"\u00b1 {f.number(measured.sharpe_error)} standard error",
            DEFINITIONS["sharpe"],
        )
        _figure("Max drawdown", "max_drawdown", measured, "from peak equity")
        wins = round(measured.hit_rate * measured.trades) if measured.trades else 0
        _figure("Closed trades", "trades", measured, f"{wins} winners")
    say.note(relation_sentence(found))
    if measured.years < LEAST_YEARS:
        say.note(
            f"Only {f.duration(measured.years * YEAR_US / SECOND_US)} of data: annualised ratios "
            "are not meaningful on so short a sample."
        )


def _relation(found: Study) -> None:
    relation = found.relation
    if relation is None or relation.same_asset:
        say.metric("Engle\u2013Granger p", f.NONE, "", relation_sentence(found))
        return
    say.metric(
        "Engle\u2013Granger p",
        f.p_value(relation.p_value),
        f"{relation.quality.n_obs:,} bars",
        "How often unrelated pairs would score this well. The test uses the full sample; the "
        "signals never do.",
    )
    life = relation.quality.half_life
    say.metric(
        "Half-life",
        f.bars(life.half_life),
        f"{f.bars(life.low, '')} to {f.bars(life.high)}",
        "Median-unbiased estimate with 95 % confidence interval: time for half of a deviation to "
        "decay.",
    )


def _figure(title: str, name: str, measured: object, beside: str) -> None:
    value = wording.figure(name, getattr(measured, name))
    say.metric(title, value, beside, DEFINITIONS[name])

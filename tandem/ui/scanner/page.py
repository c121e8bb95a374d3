"""The Scanner page: cointegrated pairs, how many are expected by chance, which persist."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from tandem.core.errors import DataError, SettingError
from tandem.io.model import interval_text
from tandem.scanner.result import By
from tandem.scanner.settings import DIRECTIONS, ScanSettings
from tandem.ui.scanner import table, tabs
from tandem.ui.scanner import wording as words
from tandem.ui.scanner.source import Source
from tandem.ui.scanner.sources import choose
from tandem.ui.scanner.study import Asked, Study
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.jobs import follow, is_leaving, say_end
from tandem.ui.shared.links import Choice, say_doubts
from tandem.ui.shared.model_controls import URL, ask_costs, number
from tandem.ui.shared.state import is_operator

TABS = {
    "Pairs": table.pairs,
    "Map": tabs.universe_map,
    "Families": tabs.families,
    "Windows": tabs.windows,
    "Out-of-sample": tabs.later_bars,
    "Noise": tabs.noise,
}
KIND = Choice("scan_prices", {"log": "log", "raw": "raw"}, "log", "kind of prices")
RULE = Choice[By]("scan_rule", dict(words.RULES), "q_value", "rule")
LEVEL = Choice("scan_level", {"1": "1 %", "5": "5 %", "10": "10 %"}, "5", "level")
RUNS = Choice(
    "scan_noise", {"0": "none", "5": "5", "20": "20", "100": "100"}, "20", "surrogate runs"
)
VISITOR_RUNS = 20
# A pair's time grows with the third power of its lags, and a tile of pairs is not broken off.
MOST_LAGS = 200
TREND = Choice(
    "scan_trend",
    {"c": "a constant", "ct": "a constant and a trend", "n": "nothing"},
    "c",
    "terms",
)
DIRECTION = Choice(
    "scan_direction",
    dict(
        zip(
            DIRECTIONS,
            ("first by name", "more volatile", "first column", "both, p doubled"),
            strict=True,
        )
    ),
    "name",
    "direction",
)
_STUDY = "tandem_scan"
_metric = partial(say.metric, width=172)


def page() -> None:
    """Draw the page."""
    if is_leaving():
        return
    st.subheader("Cointegrated pairs, adjusted for multiple testing")
    source = choose()
    say_doubts()
    with st.sidebar:
        asked = ask()
    if source is None or asked is None:
        return
    study = _study(source, asked)
    if not _scanned(study):
        return
    study.take_noise()
    _head(study)
    if study.found.tested:
        _tabs(study)
    else:
        say.warning("No pair could be tested; see the reasons below.")
    _left_out(study)


def _tabs(study: Study) -> None:
    # Only the open tab is worked out.
    drawn = st.tabs(list(TABS), key="scan_tab", on_change="rerun", bind=URL)
    for tab, show in zip(drawn, TABS.values(), strict=True):
        if tab.open:
            with tab:
                try:
                    show(study)
                except DataError as error:
                    say.problem(str(error))


# What is asked --------------------------------------------------------------------------


def ask() -> Asked | None:
    """Draw the sidebar; None, with the reason on screen, where it cannot be asked."""
    kind = KIND.segments("Prices", width="stretch")
    level = LEVEL.segments(
        "False discovery rate",
        width="stretch",
        help="Accepted expected share of false positives among the findings.",
    )
    rule = RULE.box(
        "Rule",
        help="Both Benjamini rules are nominal: with common factors and volatility clustering "
        "they let through more false positives. The surrogate runs measure how many.",
    )
    runs = RUNS.segments(
        "Surrogate runs",
        width="stretch",
        help="Surrogate universes without cointegration, scanned by the same rule.",
    )
    try:
        settings = ScanSettings(
            log_prices=kind == "log",
            level=int(level) / 100.0,
            costs=ask_costs("scan_", format="%g"),
            **_advanced(),
        )
    except (DataError, SettingError) as error:
        say.problem(str(error))
        return None
    count = int(runs) if is_operator() else min(int(runs), VISITOR_RUNS)
    return Asked(settings, rule, count)


def _advanced() -> dict[str, Any]:
    with st.expander("Advanced"):
        direction = DIRECTION.box(
            "Which leg is Y",
            help="Fixed before any statistic is computed: testing both directions and keeping "
            "the better one doubles the false positives unless p is doubled too.",
        )
        trend = TREND.box("Deterministic terms")
        fewest = number("Min common bars", "scan_fewest", 50.0, 1e6, 100.0, 50.0, format="%g")
        stale = number("Max silence, bars", "scan_stale", 1.0, 1e6, 60.0, 10.0, format="%g")
        same = number("Max unchanged bars, %", "scan_same", 1.0, 100.0, 90.0, 5.0, format="%g")
        lags = st.text_input(
            "Max lags", key="scan_lags", bind=URL, placeholder="12 (bars/100)^(1/4)", max_chars=4
        )
    return {
        "direction": direction,
        "trend": trend,
        "fewest_bars": int(fewest),
        "stale_bars": int(stale),
        "most_unchanged": same / 100.0,
        "max_lags": _lags(str(lags or "")),
    }


def _lags(text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal() or int(text) > MOST_LAGS:
        raise DataError(
            f"Max lags is {text!r}; use an integer up to {MOST_LAGS}, or leave it empty for "
            "the default."
        )
    return int(text)


# The scan -------------------------------------------------------------------------------


def _study(source: Source, asked: Asked) -> Study:
    """Return this session's scan, begun anew where prices or settings changed."""
    memory = st.session_state
    last: Study | None = memory.get(_STUDY)
    if last is not None and last.source is source and last.asked.settings == asked.settings:
        last.asked = asked
        return last
    if last is not None:
        last.work.close()
    made = memory[_STUDY] = Study(source, asked)
    _begin(made)
    return made


def _begin(study: Study) -> None:
    try:
        study.begin_scan()
    except DataError as error:
        say.problem(str(error))
        return
    job = study.scan_job
    if job is not None:
        with st.spinner("Scanning"):
            # Most tables take less; a longer scan is followed.
            job.wait(1.0)


def _scanned(study: Study) -> bool:
    """Show how far the scan is; True once it is done."""
    job = study.scan_job
    if job is not None and job.is_going_on:
        count = len(study.source.prices.columns)
        follow(job, "scan", f"Scanning {count * (count - 1) // 2:,} pairs")
        return False
    if job is not None and job.state == "done":
        return True
    if job is not None:
        say_end(job)
    if st.button("Scan", key="begin_scan", type="primary", icon=":material/play_arrow:"):
        _begin(study)
        st.rerun()
    return False


# The verdict ----------------------------------------------------------------------------


def _head(study: Study) -> None:
    found, source, by = study.found, study.source, study.by
    first, last = int(source.times[0]), int(source.times[-1])
    step = int(pd.Series(source.times).diff().median()) if len(source.times) > 1 else 0
    with st.container(horizontal=True, vertical_alignment="center"):
        if source.is_simulated:
            st.badge("SIMULATED", icon=":material/science:", color="orange")
        st.text(
            f"{source.title}: {len(found.names):,} of {len(source.prices.columns):,} instruments "
            f"tested, {found.bars:,} bars of {interval_text(step)}, {f.day_minute(first)} "
            f"to {f.day_minute(last)} {f.day_clock(last)[:4]} UTC"
        )
    if source.loss:
        say.warning(source.loss)
    if source.notes:
        say.note(" ".join(source.notes))
    level = words.rate(found.settings.level)
    noise = study.noise
    with st.container(horizontal=True):
        _metric("Pairs tested", f"{found.tested:,}", f"in {words.took(found.seconds)}")
        _metric(f"Findings at {level}", f"{found.count(by):,}", words.RULES[by])
        _metric(
            f"p below {level}",
            f"{found.count('p_value'):,}",
            f"expected by chance: {found.expected_by_chance:,.0f}",
        )
        _on_noise(study)
        independent = sum(one.independent for one in study.families)
        _metric(
            "Independent",
            f"{independent:,}",
            f.plural(len(study.families), "family", "families"),
        )
    st.text(words.verdict(found, by, noise))
    if source.built_in is not None:
        known = source.built_in
        say.note(words.known_sentence(known.pairs, known.broken, found.pairs(study.findings)))
    _pending(study)


def _on_noise(study: Study) -> None:
    noise = study.noise
    if noise is None:
        _metric("False positives on surrogates", f.NONE, "see the Noise tab")
        return
    counts = noise.by_q_any if study.by == "q_value_any" else noise.by_q
    _metric(
        "False positives on surrogates",
        f"{counts.mean():,.1f}",
        f"{f.plural(noise.runs, 'surrogate universe')}",
    )


def _pending(study: Study) -> None:
    """Follow noise runs that were begun with the scan."""
    job = study.noise_job
    # The tab Noise has a bar of its own.
    if job is not None and job.is_going_on and st.session_state.get("scan_tab") != "Noise":
        follow(job, "noise_head", "Scanning surrogates")
    if study.asked.by == "q_value_noise" and study.noise is None:
        say.note(
            "Benjamini\u2013Hochberg applies until the surrogate runs are done: see the Noise tab."
        )


def _left_out(study: Study) -> None:
    found = study.found
    title = words.left_out_title(found)
    if not (title or found.same_asset or found.remarks):
        return
    called = study.source.called
    with st.expander(
        title or "Excluded prices", icon=":material/block:", expanded=not found.tested
    ):
        for reason, count in found.pairs_left_out.items():
            say.note(f"{f.plural(count, 'pair')}: {reason}.")
        rows = [(called(one.name), one.reason) for one in found.left_out]
        rows += [(called(one.name), one.reason) for one in found.remarks]
        rows += [(f"{called(y)} \u00b7 {called(x)}", "same asset") for y, x in found.same_asset]
        if rows:
            st.dataframe(
                pd.DataFrame(rows, columns=["instrument or pair", "reason"]), hide_index=True
            )

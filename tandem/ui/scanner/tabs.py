"""The Scanner page's tabs beside the table: map, families, windows, out-of-sample, noise."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from tandem.scanner.persistence import LATER_TEXTS, OutOfSample, out_of_sample
from tandem.ui.components import chart
from tandem.ui.scanner import charts as drawn
from tandem.ui.scanner.network import MOST_EDGES, network_chart
from tandem.ui.scanner.study import Study
from tandem.ui.scanner.wording import families_sentence, noise_sentence, rate, rounded
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.jobs import result_of
from tandem.ui.shared.links import Choice

WINDOWS = Choice("scan_windows", {str(k): str(k) for k in (3, 5, 10, 20)}, "5", "windows")
SPLIT = Choice(
    "scan_split", {"50": "50 %", "60": "60 %", "70": "70 %", "80": "80 %"}, "60", "in-sample share"
)
MAPPED = Choice("scan_map", {"p_value": "p-values", "q_value": "q-values"}, "p_value", "map")
MOST_FAMILIES = 200
MOST_MEMBERS = 40


def universe_map(study: Study) -> None:
    """Show every pair as a cell, instruments that move together side by side."""
    name = MAPPED.segments("Colour by")
    found = study.found
    value = study.by if name == "q_value" else name
    count = len(found.names)
    text = (
        "One cell per pair, green where significant; instruments with correlated returns are "
        "placed next to each other, columns in the same order as rows."
    )
    if count > drawn.MOST_CELLS:
        text += (
            f" With {count:,} instruments a cell covers several pairs and shows the most "
            "significant" + (" (p-value times their number)." if name == "p_value" else ".")
        )
    say.note(text)
    called = [study.source.called(one) for one in found.names]
    chart(
        drawn.map_chart(found, value, called, f"{id(study.first)}/{value}/{id(study.noise)}"),
        key="scan-map",
    )


def families(study: Study) -> None:
    """Show which findings hang together."""
    found = study.families
    if not found:
        st.info("No findings, so there are no families.")
        return
    say.note(
        f"{families_sentence(found)} If A is cointegrated with B and B with C, then A is "
        "cointegrated with C: such findings are redundant."
    )
    picture, listed = st.columns([1, 1])
    with picture:
        _network(study)
    with listed:
        _family_table(study)


def _network(study: Study) -> None:
    findings = study.findings
    chart(
        network_chart(
            study.found,
            findings,
            [study.source.called(name) for name in study.found.names],
            f"{id(study.first)}/{study.by}/{study.asked.settings.level}/{id(study.noise)}",
        ),
        key="scan-network",
    )
    text = (
        "Each line is a finding: wider if stronger, dotted if redundant, numbered by family. All "
        "tested instruments are on the circle; correlated ones are adjacent and share a colour."
    )
    more = int(np.count_nonzero(findings)) - MOST_EDGES
    if more > 0:
        text += f" Showing the strongest {MOST_EDGES}; {f.plural(more, 'finding')} not drawn."
    say.note(text)


def _family_table(study: Study) -> None:
    found = study.families
    rows = {
        "family": [k + 1 for k in range(len(found))],
        "members": [_members(study, one.instruments) for one in found],
        "findings": [one.findings for one in found],
        "independent": [one.independent for one in found],
    }
    hints = {
        "family": None,
        "findings": "findings among the members",
        "independent": "findings not implied by more significant ones",
    }
    st.dataframe(
        pd.DataFrame(rows).head(MOST_FAMILIES),
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(width="small", help=hint)
            for name, hint in hints.items()
        },
    )
    if len(found) > MOST_FAMILIES:
        say.note(f"Showing the largest {MOST_FAMILIES} of {len(found):,}.")


def _members(study: Study, names: tuple[str, ...]) -> str:
    shown = [study.source.called(name) for name in names[:MOST_MEMBERS]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def windows(study: Study) -> None:
    """Show in how many windows each finding would have been found."""
    say.note(
        "A genuine pair is found repeatedly. Each window is a third of the bars (half with three "
        "windows), evenly spaced, the last one ending with the sample; overlapping windows are not "
        "independent. Shorter windows have less power, so a genuine pair may miss some."
    )
    count = int(WINDOWS.segments("Windows"))
    done = result_of(
        study.work,
        "windows",
        count,
        "Scan windows",
        study.windows_work(count),
    )
    if done is None:
        return
    found, chosen = study.found, study.findings
    held = found.figures["held"]
    level = rate(found.settings.level)
    told = f"A pair is found in a window if p is at most {level}."
    if chosen.any():
        own, rest = held[chosen].mean(), held[~chosen].mean() if (~chosen).any() else np.nan
        told += (
            f" The {f.plural(int(chosen.sum()), 'finding')} held in {own:.1f} of {count} windows "
            f"on average, other pairs in {f.number(float(rest), 1)}."
        )
    say.note(f"{told} The table now has a \u201cheld\u201d column and filter.")
    rows = []
    for windows_held in range(count, -1, -1):
        same = held == windows_held
        rows.append((windows_held, int((same & chosen).sum()), int((same & ~chosen).sum())))
    st.dataframe(
        pd.DataFrame(rows, columns=["windows held", "findings", "other pairs"]),
        hide_index=True,
        width=420,
        column_config={
            name: st.column_config.NumberColumn(format="localized")
            for name in ("findings", "other pairs")
        },
    )


def later_bars(study: Study) -> None:
    """Find pairs in-sample, and test them out-of-sample."""
    say.note(
        "Pairs are selected in-sample only; the hedge ratio is then fixed and the spread is tested "
        "on out-of-sample bars. An equal number of rejected pairs serves as control group."
    )
    share = SPLIT.segments("In-sample share")
    by = "q_value" if study.by == "q_value_noise" else study.by
    if by != study.by:
        say.note(
            "Surrogate calibration covers the full sample only: Benjamini\u2013Hochberg "
            "applies here."
        )
    given = study.source.prices, study.asked.settings, int(share) / 100.0
    work = partial(out_of_sample, *given, by=by)
    done: OutOfSample | None = result_of(study.work, "later", (share, by), "Run OOS test", work)
    if done is None:
        return
    count, level = len(done.table), rate(study.asked.settings.level)
    if not count:
        say.note(
            f"No findings in the first {done.cut:,} bars, so there is nothing to test "
            "out-of-sample."
        )
        return
    chance = "" if np.isnan(done.control) else f"; {rounded(done.control)} of the control group are"
    say.note(
        f"Of {f.plural(count, 'finding')} in the first {done.cut:,} bars, {done.confirmed:,} "
        f"{'is' if done.confirmed == 1 else 'are'} stationary out-of-sample (p at most {level})"
        f"{chance}."
    )
    _later_table(study, done)


_LATER_TITLES = {
    "later_p_value": ("OOS p", "%.3g"),
    "later_half_life": ("OOS half-life", "%.1f"),
    "later_volatility": ("OOS volatility ratio", "%.2f"),
    "later_shift": ("OOS mean shift", "%+.2f"),
    "later_crossings": ("OOS crossings", "%d"),
}


def _later_table(study: Study, done: OutOfSample) -> None:
    table, level = done.table, study.asked.settings.level
    rows: dict[str, Any] = {
        "holds": ["\u2713" if p <= level else "\u2717" for p in table["later_p_value"]],
        "Y": [study.source.called(str(name)) for name in table["y"]],
        "X": [study.source.called(str(name)) for name in table["x"]],
        "q": table["q_value"],
        "half-life": table["half_life"],
    }
    config: dict[str, Any] = {
        "holds": st.column_config.TextColumn(
            help=f"whether the spread is stationary out-of-sample at {rate(level)}"
        ),
        "q": st.column_config.NumberColumn(format="%.3g", help="in-sample"),
        "half-life": st.column_config.NumberColumn(format="%.1f", help="in-sample"),
    }
    for name, (title, form) in _LATER_TITLES.items():
        rows[title] = table[name].replace([np.inf, -np.inf], np.nan)
        config[title] = st.column_config.NumberColumn(format=form, help=LATER_TEXTS[name])
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, placeholder="\u2013")


def noise(study: Study) -> None:
    """Show the scan beside the same scan of surrogate universes without cointegration."""
    say.note(
        "Surrogates preserve cross-correlation, volatility clustering and gaps, but their price "
        "levels are not cointegrated. Every finding on them is a false positive."
    )
    if not study.asked.noise_runs:
        say.note("Surrogate runs are switched off in the sidebar.")
        return
    done = result_of(
        study.work,
        "noise",
        study.noise_asked,
        f"Scan {f.plural(study.asked.noise_runs, 'surrogate universe')}",
        study.noise_work(),
    )
    if done is None:
        return
    found, level = study.found, rate(done.level)
    say.note(noise_sentence(done, study.by, found))
    rows = [
        ("p at most " + level, found.count("p_value"), *_spread(done.by_p)),
        ("Benjamini\u2013Hochberg, nominal", found.count("q_value"), *_spread(done.by_q)),
        ("Benjamini\u2013Yekutieli, nominal", found.count("q_value_any"), *_spread(done.by_q_any)),
    ]
    st.dataframe(
        pd.DataFrame(
            rows, columns=["rule", "actual prices", "surrogates, mean", "min", "max"]
        ),
        hide_index=True,
        column_config={
            "surrogates, mean": st.column_config.NumberColumn(format="%.1f"),
        },
    )  # fmt: skip
    say.note(
        f"Benjamini\u2013Hochberg had at least one false positive in {rounded(done.chance_of_any)} "
        "of runs."
    )
    chart(drawn.noise_chart(found, done, f"{id(study.first)}/{id(done)}"), key="scan-noise")


def _spread(counts: Any) -> tuple[float, int, int]:
    return float(counts.mean()), int(counts.min()), int(counts.max())

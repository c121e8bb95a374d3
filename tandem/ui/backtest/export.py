"""The Backtest page's Export tab: files are built when clicked, never before."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Literal

import streamlit as st

from tandem.ui.backtest import report
from tandem.ui.backtest.files import called
from tandem.ui.backtest.sources import link_sentence
from tandem.ui.backtest.study import Study
from tandem.ui.shared import downloads
from tandem.ui.shared import messages as say


def offer(study: Study) -> None:
    """Offer the report, the tables and the settings."""
    say.note(
        "Files are generated on click. Times are UTC, missing values are empty cells, column names "
        "include units, and cells cannot act as spreadsheet formulas. Aligned bars and analytics "
        "can be uploaded to this page again."
    )
    found = {name: study.work.done(name) for name in ("sweep", "walk", "null")}
    whole = partial(report.report_html, study, found["sweep"], found["walk"], found["null"] or ())
    _button(study, "Report", "report", whole, "html", "text/html", look="primary")
    missing = [
        title
        for name, title in (("sweep", "sweep"), ("walk", "walk-forward"), ("null", "null test"))
        if found[name] is None
    ]
    if missing:
        say.note(
            f"The report is a single HTML page without scripts. Not run and therefore not "
            f"included: {', '.join(missing)}."
        )
    csv: tuple[tuple[str, str, Callable[[Study], bytes]], ...] = (
        ("Trades", "trades", report.trades_csv),
        ("Equity", "equity", report.equity_csv),
        ("Analytics", "analytics", report.analytics_csv),
        ("Aligned bars", "bars", report.bars_csv),
    )
    with st.container(horizontal=True):
        for label, kind, write in csv:
            is_empty = kind == "trades" and not study.result.trades
            _button(
                study, f"{label}, CSV", kind, partial(write, study), "csv", "text/csv", is_empty
            )
        settings = partial(report.settings_json, study)
        _button(study, "Settings, JSON", "settings", settings, "json", "application/json")
    say.note(link_sentence(study.source))


def _button(
    study: Study,
    label: str,
    kind: str,
    build: Callable[[], bytes],
    ending: str,
    mime: str,
    is_empty: bool = False,
    look: Literal["primary", "secondary"] = "secondary",
) -> None:
    legs = f"{called(study.source.y)}-{called(study.source.x)}"
    safe = re.sub(r"[^A-Za-z0-9]+", "-", legs).strip("-")[:60]
    name = f"tandem-{safe}-{kind}.{ending}"
    downloads.button(label, build, name, mime, key=f"backtest-{kind}", disabled=is_empty, look=look)

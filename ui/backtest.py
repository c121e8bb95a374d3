"""The Backtest page: files in, the same analysis and the same paper account over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

import tables
from bars import AlignedBars, align, join
from market import DAY_US, SIMULATED_VENUE, DataError
from pair import PairSettings, PairStream
from relation import Relation, assess
from ui import cards, charts, exports, say, tables_view
from ui import format as f
from ui.components import chart
from ui.controls import BARS, Model, model_controls
from ui.state import engine, forget_uploads, hold_upload, is_operator

MOST_BARS = 200_000
MOST_FILES = 2

# Visitors of a public desk share its memory.
VISITOR_UPLOAD_MB = 10


@dataclass(frozen=True)
class Result:
    """One pair of a file, followed from its first bar to its last."""

    settings: PairSettings
    stream: PairStream
    relation: Relation | None
    bars: AlignedBars


def page() -> None:
    """Draw the page."""
    st.subheader("Backtest from files")
    limit = engine().settings.upload_mb
    if not is_operator():
        limit = min(limit, VISITOR_UPLOAD_MB)
    files = _files(limit)
    if not files:
        _explain()
        return
    read = [_read(file, limit) for file in files]
    found = [table for table in read if table is not None]
    names = [name for table in found for name in table.instruments]
    for table in found:
        _report(table)
    if len(set(names)) < 2:
        if found:
            say.warning(
                "One instrument was found; a pair needs two. Add a file, or use one with two price "
                "columns."
            )
        return
    with st.sidebar:
        y = st.selectbox("Y, priced in X", names, index=0, key="file_y", format_func=f.shown_name)
        x = st.selectbox(
            "X, the hedge",
            [name for name in names if name != y],
            key="file_x",
            format_func=f.shown_name,
        )
        model = _controls(found)
    if model is not None and y and x:
        _run(found, y, x, model)


def _files(limit_mb: int) -> list[Any]:
    """Ask for a pair of files; what one session and all of them together hold is bounded."""
    memory = st.session_state
    turn = memory.setdefault("tandem_upload_turn", 0)
    given = st.file_uploader(
        "One or two CSV files: bars or trades, one instrument each or several in one",
        accept_multiple_files=True,
        max_upload_size=limit_mb,
        key=f"files-{turn}",
    )
    files, more = given[:MOST_FILES], given[MOST_FILES:]
    names = [file.file_id for file in files]
    if names != memory.get("tandem_upload_names"):
        forget_uploads(
            [name for name in memory.get("tandem_upload_names", ()) if name not in names]
        )
        memory["tandem_upload_names"] = names
        memory["tandem_upload_more"] = 0
        if names:
            memory.pop("tandem_upload_refused", None)
        for name in set(memory.get("tandem_files", ())) - set(names):
            del memory["tandem_files"][name]
    if more:
        forget_uploads([file.file_id for file in more])
        memory["tandem_upload_more"] = len(more)
    size_bytes = sum(file.size for file in files)
    if not hold_upload(size_bytes):
        forget_uploads(names)
        memory["tandem_upload_names"] = []
        memory["tandem_upload_turn"] = turn + 1
        memory["tandem_upload_refused"] = size_bytes
        st.rerun()
    _say_what_was_dropped(memory.get("tandem_upload_more", 0), memory.get("tandem_upload_refused"))
    return files


def _say_what_was_dropped(more: int, refused_bytes: int | None) -> None:
    if more:
        say.warning(
            f"{more + MOST_FILES} files were given; the first {MOST_FILES} are used, the others "
            "were dropped."
        )
    if refused_bytes:
        say.warning(
            f"There is no room for {f.size_of(refused_bytes)} now: the files of all who use this "
            f"desk may hold {engine().settings.upload_total_mb} MB together, and they do. "
            "Everything else works. Try again later or upload a smaller file; whoever runs the "
            "desk can raise TANDEM_UPLOAD_TOTAL_MB."
        )


def _explain() -> None:
    st.markdown(
        "Drop files here to ask: *is this pair real, and would it have paid?*\n\n"
        "- Exchange exports, vendors' files and Tandem's own downloads are recognised; what each "
        "column was taken for is shown.\n"
        "- Signals use only what was known at each bar; fills happen at the next bar, both legs, "
        "and pay fee, half-spread and slippage.\n"
        "- Nothing you upload is kept after you close this tab."
    )


def _read(file: Any, limit_mb: int) -> tables.Table | None:
    """Read a file once per upload; None (with the reason on screen) if it cannot be used."""
    memory = st.session_state.setdefault("tandem_files", {})
    if file.file_id not in memory:
        with st.spinner(f"Reading {say.escaped(file.name)}"):
            try:
                memory[file.file_id] = engine().run_heavy(
                    tables.read, file.getvalue(), file.name, limit_mb * 2**20
                )
            except DataError as error:
                memory[file.file_id] = str(error)
    table = memory[file.file_id]
    if isinstance(table, str):
        say.problem(f"{file.name}: {table}")
        return None
    return table


def _report(table: tables.Table) -> None:
    report = table.report
    kept = f"{report.rows_kept:,} of {report.rows_read:,} rows kept"
    span = f"{f.day_clock(report.first_us)} to {f.day_clock(report.last_us)} UTC"
    with st.expander(
        say.escaped(f"{report.name}: {kept}, {span}"), expanded=bool(report.rows_aside)
    ):
        st.text(
            f"Read as {report.kind}, {report.layout}; encoding {report.encoding}, "
            f"delimiter {report.delimiter!r}, decimal {report.decimal!r}, times {report.times}."
        )
        for sentence in report.notes:
            st.text(sentence)
        taken, aside = st.columns(2)
        taken.dataframe(
            {"column": [a for a, _ in report.columns], "taken for": [b for _, b in report.columns]},
            hide_index=True,
        )
        if report.aside:
            aside.dataframe(
                {
                    "line": [one.line for one in report.aside],
                    "set aside because": [one.reason for one in report.aside],
                    "text": [one.text for one in report.aside],
                },
                hide_index=True,
            )


def _controls(found: list[tables.Table]) -> Model | None:
    if any(not table.interval_us for table in found):
        st.segmented_control(
            "Bar", list(BARS), default="1m", key="file_bar", width="stretch", required=True
        )
    try:
        return model_controls(live=False)
    except DataError as error:
        say.problem(str(error))
        return None


def _run(found: list[tables.Table], y: str, x: str, model: Model) -> None:
    try:
        result = _followed(found, y, x, model)
    except DataError as error:
        # A file's columns go by their own names here, not by the program's.
        say.problem(str(error).replace("'file:", "'"))
        return
    _show(result)


def _followed(found: list[tables.Table], y: str, x: str, model: Model) -> Result:
    """Follow the pair over the files, or return the last result if nothing changed."""
    chosen = BARS[st.session_state.get("file_bar") or "1m"] * 1_000_000
    y_bars, x_bars, interval_us = tables.pair_from(found, y, x, chosen)
    settings = model.pair(y, x, bar_us=interval_us)
    key = (settings.key, tuple(sorted(st.session_state["tandem_files"])))
    if st.session_state.get("tandem_result_key") != key:
        bars = _aligned(y_bars, x_bars, interval_us)
        with st.spinner("Following the pair"):
            st.session_state["tandem_result"] = engine().run_heavy(_follow, settings, bars)
        st.session_state["tandem_result_key"] = key
    result: Result = st.session_state["tandem_result"]
    return result


def _aligned(y_bars: np.ndarray, x_bars: np.ndarray, interval_us: int) -> AlignedBars:
    """Use a clock grid inside the day, and the common times of daily or longer bars."""
    if interval_us >= DAY_US:
        return join(y_bars, x_bars, interval_us)
    start_us = max(int(y_bars["time_us"][0]), int(x_bars["time_us"][0]))
    end_us = min(int(y_bars["time_us"][-1]), int(x_bars["time_us"][-1])) + interval_us
    start_us, end_us = start_us // interval_us * interval_us, end_us // interval_us * interval_us
    count = (end_us - start_us) // interval_us
    if count > MOST_BARS:
        raise DataError(
            f"The files span {count:,} bars; this page follows {MOST_BARS:,}. "
            "Choose a longer bar or a shorter file."
        )
    return align(y_bars, x_bars, interval_us, start_us, end_us, stale_us=2 * interval_us)


def _follow(settings: PairSettings, bars: AlignedBars) -> Result:
    stream = PairStream(settings, keep=max(len(bars.time_us), 1))
    stream.extend(bars)
    relation = assess(stream.view(), settings, most=len(bars.time_us))
    return Result(settings, stream, relation, bars)


def _show(result: Result) -> None:
    view, settings = result.stream.view(), result.settings
    usable = view["usable"]
    st.text(
        f"{len(usable):,} bars of {tables.interval_text(settings.bar_us)}, "
        f"{100 * usable.mean():.1f} % with both legs fresh, "
        f"{f.day_clock(int(view['time_us'][0]))} to {f.day_clock(int(view['time_us'][-1]))} UTC"
    )
    if {settings.y.partition(":")[0], settings.x.partition(":")[0]} & {SIMULATED_VENUE}:
        say.warning(
            "SIMULATED: these prices come from Tandem's simulated market, not from trading."
        )
    _verdict(result)
    version = f"{settings.key}/{len(usable)}"
    chart(charts.pair_chart(view, settings, 0, version), key="file-chart")
    hedge, profit, export = st.tabs(["Hedge ratio", "Paper account", "Export"])
    with hedge:
        chart(charts.hedge_chart(view, settings, 0, version), key="file-hedge")
    with profit:
        chart(charts.equity_chart(view, 0, version, "quote currency"), key="file-equity")
        tables_view.closed_trades(result.stream.trader.trades)
    with export:
        exports.offer_result(settings, view, result.stream.trader.trades)


def _verdict(result: Result) -> None:
    relation, trades = result.relation, result.stream.trader.trades
    settings = result.settings
    one, two, three, four = st.columns(4)
    if relation is None:
        one.metric("Engle\u2013Granger p", f.NONE, help="Needs 50 usable bars.")
    else:
        one.metric(
            "Engle\u2013Granger p", f.p_value(relation.p_value), help=cards.verdict(relation)
        )
        life = relation.quality.half_life
        two.metric(
            "Half-life",
            f"{cards.bars(life.median)}",
            f"{cards.bars(life.low, '')} to {cards.bars(life.high)}",
            delta_color="off",
            delta_arrow="off",
            help="Median-unbiased, with its 95 % interval.",
        )
    net = float(result.stream.view()["equity"][-1])
    wins = sum(trade.net > 0 for trade in trades)
    three.metric(
        "Paper profit after costs",
        f.signed(net),
        f"quote currency, on {f.number(settings.rules.notional, 0)} per Y leg",
        delta_color="off",
        delta_arrow="off",
    )
    four.metric(
        "Closed trades",
        f"{len(trades)}",
        f"{wins} gained" if trades else None,
        delta_color="off",
        delta_arrow="off",
    )
    if relation is not None:
        say.note(
            "They are the same asset: no test of a relation applies."
            if relation.same_asset
            else cards.verdict(relation) + " The test sees the whole file; the signals never do."
        )

"""From the database's numbers to the words and tables of the Data page. No Streamlit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tandem.backfill.progress import Progress
from tandem.core.clock import SECOND_US
from tandem.core.events import Gap
from tandem.core.instruments import SIMULATED_VENUE, split_instrument
from tandem.ingest.status import FeedStatus
from tandem.storage.archive_import import Import
from tandem.storage.export import Export
from tandem.storage.inventory import Holdings
from tandem.storage.records import Held, StoreHealth
from tandem.ui.live.cards import STATES
from tandem.ui.shared import format as f
from tandem.ui.shared.sheets import Cell, Sheet, cell, item, sheet, strip

MOST_MISSING = 12
_AFTER = {
    "open": "See above.",
    "candles": "Covered by the venue's one-minute candles.",
    "lost": "The venue no longer provides these trades or candles; the gap remains.",
}
ACTIVE = ("waiting", "filling", "candles", "paused")

RECORD_STATES = {
    "recording": ("RECORDING", "good"),
    "paused": ("PAUSED", "bad"),
    "reading": ("READ-ONLY", "warn"),
    "closed": ("CLOSED", "bad"),
}
GAP_STATES = {
    "open": ("open", "warn"),
    "candles": ("candles", "muted"),
    "lost": ("lost", "bad"),
    "filled": ("filled", "good"),
}
FILLING = {
    "waiting": ("queued", "muted"),
    "filling": ("filling", ""),
    "candles": ("from candles", ""),
    "paused": ("paused", "warn"),
    "refused": ("rejected", "bad"),
    "done": ("done", "good"),
}


def status(
    health: StoreHealth, queue_limit: int, free_bytes: int, now_us: int, is_refused: bool = False
) -> dict[str, Any]:
    """Describe the writer for the status strip; zero counts of faults are omitted.

    Where the database could not be opened for writing (`is_refused`), the page says why above.
    """
    label, tone = RECORD_STATES[health.state]
    if is_refused and health.state == "paused":
        label = "NOT RECORDING"
    is_behind = health.state == "recording" and health.oldest_waiting_s > 2.0
    if is_behind:
        label, tone = "BEHIND", "warn"
    items = []
    if health.bytes:
        items.append(
            item("file", f.size_of(health.bytes), "database file including its write-ahead log")
        )
    if not is_refused:
        items += _writer_items(health, queue_limit, now_us)
    items.append(item("disk free", f.size_of(free_bytes), "", "bad" if free_bytes < 1e9 else ""))
    for name, value, hint, look in (
        ("lost", health.lost, "trades dropped while recording was paused (queue full)", "bad"),
        ("rejected", health.refused, "invalid entries that could not be stored", "bad"),
        ("deleted", health.pruned, "trades deleted by retention since start", ""),
    ):
        if value:
            items.append(item(name, f.count(value), hint, look))
    is_well = health.state == "recording" and not is_behind
    said = [*([] if is_well or is_refused else [health.text]), *health.notes]
    return strip(label, tone, items, said)


def _writer_items(health: StoreHealth, queue_limit: int, now_us: int) -> list[dict[str, Any]]:
    since_s = (now_us - health.last_commit_us) / SECOND_US if health.last_commit_us else math.nan
    fullness = health.queued / queue_limit
    return [
        item("trades written", f.count(health.written), "committed since this process started"),
        item("last commit", f"{f.age(since_s)} ago" if health.last_commit_us else f.NONE),
        item(
            "queue",
            f"{f.count(health.queued)} of {f.count(queue_limit)}",
            "entries waiting to be written",
            "bad" if fullness > 0.5 else "",
        ),
        item(
            "oldest in queue",
            f.age(health.oldest_waiting_s),
            "",
            "warn" if health.oldest_waiting_s > 2.0 else "",
        ),
    ]


# Tables ---------------------------------------------------------------------------------


def overview(
    feeds: Sequence[FeedStatus],
    lists: Mapping[str, str],
    holdings: Holdings,
    filling: Sequence[Progress],
    is_recording: bool = True,
) -> list[Sheet]:
    """Return the tables of the page, in the order of its questions."""
    progress = {one.instrument: one for one in filling}
    return [
        _feeds(feeds, lists),
        _held(holdings, progress),
        _missing(holdings, progress, is_recording),
    ]


def _feeds(feeds: Sequence[FeedStatus], lists: Mapping[str, str]) -> Sheet:
    return sheet(
        "feeds",
        "Recording status",
        "" if feeds else "No venue connected yet; the first responds within seconds.",
        [
            ("venue",),
            ("state",),
            ("trades/s", "end"),
            ("delay", "end", "median latency from exchange trade time to arrival"),
            (
                "clock skew",
                "end",
                "this machine's clock minus the exchange's, estimated from arrival times",
            ),
            ("parse errors", "end", "messages that could not be parsed, out of all"),
            ("gaps found", "end", "since this process started"),
            ("reconnects", "end", "after connection loss; planned renewals listed separately"),
            ("symbols", "long"),
        ],
        [_feed(feed, lists.get(feed.venue, "")) for feed in feeds],
    )


def _feed(feed: FeedStatus, listed: str) -> list[Cell]:
    label, tone = STATES[feed.state]
    if feed.venue == SIMULATED_VENUE and feed.state == "live":
        label, tone = "SIMULATED", "warn"
    skew = feed.clock_skew_ms
    unread = feed.not_understood
    return [
        cell(feed.title),
        cell(label, tone, feed.text),
        cell(f.number(feed.trades_per_s, 1)),
        cell(f"{f.number(feed.delay_ms, 0)} ms" if math.isfinite(feed.delay_ms) else f.NONE),
        cell(_skew(skew), "warn" if abs(skew) > 1_000.0 else ""),
        cell(f"{unread:,} of {f.count(feed.messages)}", "warn" if unread else "muted"),
        cell(f"{feed.gaps:,}", "warn" if feed.gaps else "muted"),
        cell(
            f"{feed.reconnects:,}" + (f" + {feed.renewals:,} planned" if feed.renewals else ""),
            "" if feed.reconnects else "muted",
        ),
        cell("" if feed.venue == SIMULATED_VENUE else listed, "muted"),
    ]


def _skew(skew_ms: float) -> str:
    if abs(skew_ms) < 1.0:
        return "none detected"
    value = f"{f.signed(skew_ms / 1_000, 1)} s" if abs(skew_ms) >= 10_000 else ""
    return value or f"{f.signed(skew_ms, 0)} ms"


def _held(holdings: Holdings, progress: Mapping[str, Progress]) -> Sheet:
    held = holdings.held
    note = (
        f"{len(held)} instruments, {f.count(sum(one.trades for one in held))} trades. Times are "
        "UTC. Sizes per instrument are estimates; free pages are not counted."
        if held
        else "Nothing is recorded yet. Rows appear with the first trades of a pair on the Live "
        "page, or after an import below."
    )
    return sheet(
        "held",
        "Stored data",
        f"{holdings.problem} Showing the last known state." if holdings.problem else note,
        [
            ("instrument",),
            ("first trade",),
            ("last trade",),
            ("trades", "end"),
            ("1 s bars", "end", "one-second bars built from its trades"),
            ("candles", "end", "one-minute candles from the venue, stored separately"),
            ("gaps", "", "gaps in the data, by state"),
            ("missing", "end", "total duration of open and lost gaps"),
            ("est. size", "end", "estimated size in the file"),
            *([("backfill",)] if progress else []),
        ],
        [
            _holding(one, holdings) + ([_filling(progress.get(one.instrument))] if progress else [])
            for one in held
        ],
    )


def _holding(held: Held, holdings: Holdings) -> list[Cell]:
    missing_us = holdings.missing_us.get(held.instrument, 0)
    tone = "bad" if held.gaps.get("lost") else "warn" if held.gaps.get("open") else "muted"
    return [
        cell(held.instrument),
        cell(f.day_clock(held.first_us)[:-3] if held.first_us else f.NONE),
        cell(f.day_clock(held.last_us) if held.last_us else f.NONE),
        cell(f"{held.trades:,}"),
        cell(f"{held.seconds:,}"),
        cell(f"{held.minutes:,}", "" if held.minutes else "muted"),
        cell(_gaps_text(held.gaps), tone),
        cell(f.duration(missing_us / SECOND_US) if missing_us else "none", tone),
        cell(f.size_of(held.bytes)),
    ]


def _gaps_text(gaps: Mapping[str, int]) -> str:
    parts = [f"{gaps[state]:,} {GAP_STATES[state][0]}" for state in GAP_STATES if gaps.get(state)]
    return " \u00b7 ".join(parts) or "none"


def _filling(progress: Progress | None) -> Cell:
    if progress is None:
        return cell("")
    label, tone = FILLING[progress.state]
    if progress.state in ACTIVE and progress.total:
        label += f" {f.count(progress.done)} of {f.count(progress.total)}"
        bar = min(progress.done / progress.total, 1.0)
        return cell(label, tone, progress.text) | {"bar": bar}
    return cell(label, tone, progress.text)


def _missing(holdings: Holdings, progress: Mapping[str, Progress], is_recording: bool) -> Sheet:
    gaps = holdings.missing
    shown = gaps[:MOST_MISSING]
    # An instrument's backfill status is shown once, at its first open gap.
    told = {gap.instrument: gap for gap in reversed(shown) if gap.state == "open"}
    becomes = {name: _becomes(name, progress.get(name), is_recording) for name in told}
    note = "No gaps between the first and the last trade, as far as ids and times show."
    if not holdings.held:
        note = "Nothing is recorded yet."
    elif len(gaps) > len(shown):
        note = f"Showing {len(shown)} of {len(gaps):,} gaps: open and newest first."
    elif gaps:
        note = "Gaps without recorded trades; open ones first."
    return sheet(
        "missing",
        "Gaps and backfill",
        note,
        [
            ("instrument",),
            ("from",),
            ("length", "end"),
            ("trades", "end", "from trade ids; a dash where ids are not sequential"),
            ("state",),
            ("status", "long"),
        ],
        [
            _gap(
                gap,
                becomes[gap.instrument] if gap is told.get(gap.instrument) else _AFTER[gap.state],
            )
            for gap in shown
        ],
    )


def _gap(gap: Gap, becomes: str) -> list[Cell]:
    label, tone = GAP_STATES[gap.state]
    count = gap.last_id - gap.first_id + 1 if gap.first_id >= 0 else math.nan
    return [
        cell(gap.instrument),
        cell(f.day_clock(gap.start_us)),
        cell(f.duration((gap.end_us - gap.start_us) / SECOND_US)),
        cell(f"{count:,}" if math.isfinite(count) else f.NONE),
        cell(label, tone),
        cell(becomes, "muted"),
    ]


def _becomes(name: str, progress: Progress | None, is_recording: bool) -> str:
    """Return the backfill status of an instrument's open gaps."""
    if not is_recording:
        return "Backfilled by the recording process."
    if progress is not None and progress.text:
        return progress.text
    if split_instrument(name)[0] == SIMULATED_VENUE:
        return "The simulated market has no history to backfill."
    return "Queued: pairs on a Live page go first."


_FILES = [("file",), ("size", "end")]


# Work going on --------------------------------------------------------------------------


def exported(export: Export, before: int) -> Sheet:
    """Describe an export: how far it is, or the files it gave."""
    is_long = export.seconds > 0.5 and export.bytes > 1e6
    rate = export.bytes / export.seconds if is_long else math.nan
    speed = f", {rate / 1e6:.1f} MB/s" if math.isfinite(rate) else ""
    size = f"{export.rows:,} rows, {f.size_of(export.bytes)}"
    rows: list[list[Cell]] = []
    if export.state == "waiting":
        note = f"Queued behind {f.plural(before, 'other export')}."
    elif export.state == "running":
        note = f"Writing: {size}{speed}."
        rows = [[cell(f"{export.fraction:.0%}") | {"bar": export.fraction}]]
    elif export.state == "failed":
        note = export.text
    else:
        note = f"{size} in {f.age(export.seconds)}{speed}. Available for 30 minutes. {export.text}"
        rows = [
            [cell(part.name) | {"href": part.place}, cell(f.size_of(part.bytes))]
            for part in export.parts
        ]
    return sheet(
        "export",
        "",
        note.strip(),
        [("written",)] if export.is_going_on else _FILES,
        rows,
    )


def imported(now: Import) -> Sheet:
    """Describe an import: how far it is, or what was taken and what was left out."""
    rate = now.rows / now.seconds if now.seconds > 0.5 else math.nan
    speed = f", {rate:,.0f} rows/s" if math.isfinite(rate) else ""
    rows = f"{now.rows:,} trades of {now.instrument} from {now.name}"
    left = f" Skipped {now.left_out:,} invalid rows." if now.left_out else ""
    note = {
        "running": f"Importing: {rows}{speed}.",
        "done": f"Imported {rows} in {f.age(now.seconds)}{speed}. Duplicates were ignored.{left}",
        "ended": f"{rows}. {now.text}{left}",
        "failed": f"{now.text}{left}",
    }[now.state]
    return sheet(
        "import",
        "",
        note,
        [("skipped", "long")],
        [[cell(text, "muted")] for text in now.aside[:5]],
    )


def kept_from(held: Iterable[Held], days: float, now_us: int) -> tuple[int, int]:
    """Return from when trades stay under a limit of age, and how many instruments lose some."""
    edge_us = now_us - int(days * 86_400 * SECOND_US)
    return edge_us, sum(bool(one.first_us) and one.first_us < edge_us for one in held)

"""Care for a database: ``tandem db check``, ``stats``, ``gaps``, ``backup`` and so on."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tandem.config import Settings
from tandem.core import cli
from tandem.core.clock import EPOCH, SECOND_US, iso, now_us
from tandem.core.errors import DataError, StoreError
from tandem.core.parallel import Watch
from tandem.observability import logs
from tandem.storage import maintenance
from tandem.storage.export import Kind, Wanted, in_pieces, no_rows, save
from tandem.storage.export import check as check_wanted
from tandem.storage.files import check_readable
from tandem.storage.reader import GAP_STATES, Reader
from tandem.storage.records import Span
from tandem.venues.registry import VENUES, create_feed
from tandem.venues.settings import load as load_settings

_EXIT_CODES = (
    "exit codes: 0 done, 1 failed or, of check, faults found, 2 wrong arguments, 130 cancelled by "
    "Ctrl-C"
)
_KINDS: tuple[Kind, ...] = ("trades", "bars", "candles")


def main(arguments: Sequence[str] | None = None, *, prog: str = "tandem db") -> int:
    """Do one thing to a database; returns the exit code."""
    options = _parser(prog).parse_args(arguments)
    return cli.run(prog, lambda: _do(options))


def _do(options: argparse.Namespace) -> int:
    settings = load_settings()
    logs.set_up(settings)
    path: Path = options.db or settings.database
    stop = threading.Event()
    with cli.stop_on_signal(stop):
        watch = Watch(cli.progress(options.command), stop.is_set)
        code: int = _COMMANDS[options.command](options, path, settings, watch)
        return code


# What can be done -----------------------------------------------------------------------


def _check(_options: argparse.Namespace, path: Path, settings: Settings, watch: Watch) -> int:
    counting = []
    for venue in VENUES:
        feed = create_feed(venue, settings)
        if feed.kind == "streamed" and feed.consecutive_ids:
            counting.append(venue)
    faults, trades = maintenance.check(path, counting, watch)
    for fault in faults:
        cli.say(fault)
    if faults:
        return cli.FAILED
    cli.say(f"{path}: no fault in {trades:,} trades and their bars. {_gap_line(Reader(path))}")
    return cli.DONE


def _stats(_options: argparse.Namespace, path: Path, _settings: Settings, _watch: Watch) -> int:
    facts = maintenance.file_facts(path)
    reader = Reader(path)
    cli.say(
        f"{path}: format {facts.format}, {facts.bytes / 1e6:,.1f} MB, "
        f"{facts.free_bytes / 1e6:,.1f} MB of it free; "
        f"{'recorded into now' if facts.is_recorded else 'not recorded into now'}. "
        f"{_gap_line(reader)}"
    )
    rows: list[tuple[str, ...]] = [
        ("instrument", "trades", "seconds", "candles", "gaps", "first", "last", "MB, about")
    ]
    for one in reader.inventory():
        gaps = one.gaps.get("open", 0) + one.gaps.get("lost", 0)
        counts = (f"{count:,}" for count in (one.trades, one.seconds, one.minutes, gaps))
        times = (_second(one.first_us), _second(one.last_us)) if one.trades else ("-", "-")
        rows.append((one.instrument, *counts, *times, f"{one.bytes / 1e6:,.1f}"))
    _table(rows)
    return cli.DONE


def _gaps(options: argparse.Namespace, path: Path, _settings: Settings, _watch: Watch) -> int:
    if options.retry:
        count = maintenance.reopen_lost(path, options.instrument)
        cli.say(
            f"{count:,} lost gap{'s are' if count != 1 else ' is'} open again; the recording "
            "process backfills what is open."
        )
        return cli.DONE
    check_readable(path)
    states = options.state or ("open", "candles", "lost")
    gaps = Reader(path).gaps(options.instrument, states=states)
    rows = [("instrument", "state", "from", "to", "first id", "last id")]
    for gap in gaps:
        ids = (str(gap.first_id), str(gap.last_id)) if gap.first_id >= 0 else ("-", "-")
        rows.append((gap.instrument, gap.state, _second(gap.start_us), _second(gap.end_us), *ids))
    _table(rows)
    return cli.DONE


def _backup(options: argparse.Namespace, path: Path, settings: Settings, watch: Watch) -> int:
    size = maintenance.back_up(path, options.to, settings.file_bits, watch)
    cli.say(f"{options.to}: {size / 1e6:,.1f} MB, as of the moment the backup began.")
    return cli.DONE


def _compact(_options: argparse.Namespace, path: Path, settings: Settings, watch: Watch) -> int:
    before, after = maintenance.compact(path, settings.file_bits, watch)
    cli.say(f"{path}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now.")
    return cli.DONE


def _export(options: argparse.Namespace, path: Path, settings: Settings, watch: Watch) -> int:
    form = options.to.suffix.removeprefix(".").lower()
    if form not in ("csv", "parquet"):
        raise DataError(f"{options.to} must end in .csv or .parquet, which is how it is written.")
    check_readable(path)
    reader, rows = Reader(path), 0
    span = reader.spans().get(options.instrument, Span(0, 0, 0))
    end_us = max(now_us(), span.last_us + 1) if options.end is None else options.end
    length_us = options.seconds * SECOND_US
    wanted = Wanted(options.instrument, options.kind, options.start, end_us, form, length_us)
    check_wanted(wanted)
    begin_us, stop_us = max(wanted.start_us, span.first_us), min(end_us, span.last_us)

    def pieces() -> Iterator[Any]:
        nonlocal rows
        for end_us, piece in in_pieces(reader, wanted):
            rows += len(piece)
            if len(piece):
                yield piece
            watch.progress(max(end_us - begin_us, 0), max(stop_us - begin_us, 1))
            watch.check()

    with maintenance.finished_whole(options.to, settings.file_bits) as partial:
        with partial.open("wb") as file:
            save(wanted, pieces(), file)
        if not rows:
            raise StoreError(no_rows(wanted))
    cli.say(f"{options.to}: {rows:,} rows.")
    return cli.DONE


_Do = Callable[[argparse.Namespace, Path, Settings, Watch], int]
_COMMANDS: dict[str, _Do] = {
    "check": _check,
    "stats": _stats,
    "gaps": _gaps,
    "backup": _backup,
    "compact": _compact,
    "export": _export,
}


# How it is asked for and shown ----------------------------------------------------------


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.parser(prog, "Care for a database, also while it is recorded into.", _EXIT_CODES)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )

    def command(name: str, does: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        made.add_argument(
            "--db", type=Path, help="SQLite file (default: the TANDEM_DATABASE setting)"
        )
        return made

    command("check", "check the file, bars against trades, and ids missing without a gap")
    command("stats", "show what is held of each instrument, and how large the file is")
    gaps = command("gaps", "list gaps that no trade fills, or retry those that are lost")
    gaps.add_argument("--instrument", help="of this one only, e.g. binance-usdm:BTCUSDT")
    gaps.add_argument(
        "--state", action="append", choices=GAP_STATES,
        help="in this state only; may be repeated (default: open, candles, lost)",
    )  # fmt: skip
    gaps.add_argument("--retry", action="store_true", help="open lost gaps for backfill again")
    backup = command("backup", "copy the database, complete at one moment, to a new file")
    backup.add_argument("to", type=Path, metavar="TO", help="file to write")
    command("compact", "rewrite the file without free space; nothing may record meanwhile")
    export = command("export", "write trades or bars of an instrument to a CSV or Parquet file")
    export.add_argument("instrument", metavar="INSTRUMENT", help="e.g. binance-usdm:BTCUSDT")
    export.add_argument("to", type=Path, metavar="TO", help="file to write: .csv or .parquet")
    export.add_argument("--kind", choices=_KINDS, default="trades", help="(default: trades)")
    export.add_argument(
        "--seconds", type=int, default=1, help="length of bars in seconds (default: 1)"
    )
    export.add_argument("--start", type=_moment, default=0, help="UTC, e.g. 2026-11-30T08:00")
    export.add_argument("--end", type=_moment, help="UTC, not included (default: now)")
    return parser


def _moment(text: str) -> int:
    """Return a time as microseconds; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r:.40} is no time; write 2026-11-30 or 2026-11-30T08:00"
        ) from None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def _gap_line(reader: Reader) -> str:
    counts = reader.gap_counts()
    return "Gaps: " + ", ".join(f"{counts.get(state, 0):,} {state}" for state in GAP_STATES) + "."


def _second(time_us: int) -> str:
    return iso(time_us, "seconds")


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *rest = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        cli.say("  ".join((first, *rest)).rstrip())

"""A file read in the terminal: ``tandem read FILE`` prints the report and writes it clean."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from tandem.core import cli
from tandem.core.errors import DataError
from tandem.core.events import Trade
from tandem.io.archive import save_bars, save_trades
from tandem.io.files import read_files
from tandem.io.model import Report, Table, interval_text, time_text
from tandem.io.options import add_options, corrections
from tandem.io.pairing import apart

LARGEST_FILE = 2_000 * 2**20
ASIDE_SHOWN = 10


def parser(prog: str = "tandem read") -> argparse.ArgumentParser:
    """Return the command's options."""
    command = cli.parser(prog, "Say how a file of bars or trades is read, and write it clean.")
    command.add_argument("file", type=Path, help="CSV, plain or in a ZIP or GZ, or Parquet")
    command.add_argument("--out", type=Path, help="write what was read to this Parquet file")
    command.add_argument("--json", action="store_true", help="print the report as JSON")
    add_options(command)
    return command


def main(
    arguments: Sequence[str] | None = None, out: TextIO | None = None, *, prog: str = "tandem read"
) -> int:
    """Run the command; returns the exit code."""
    options = parser(prog).parse_args(arguments)
    return cli.run(prog, lambda: _answer(options, out or sys.stdout))


def _answer(options: argparse.Namespace, out: TextIO) -> int:
    path: Path = options.file
    tables = apart(read_files(path, path.name, LARGEST_FILE, corrections(options)))
    if options.json:
        json.dump([_facts(table) for table in tables], out, indent=1)
        out.write("\n")
    else:
        for table in tables:
            out.writelines(cli.printable(f"{line}\n") for line in _lines(table))
    if options.out:
        _write(tables, options.out)
    return cli.DONE


def _facts(table: Table) -> dict[str, Any]:
    report = table.report
    return {
        "file": report.name,
        "loss": report.loss,
        "content": report.kind,
        "format": report.vendor or report.layout,
        "instruments": list(table.instruments),
        "rows_read": report.rows_read,
        "rows_kept": report.rows_kept,
        "interval": interval_text(report.interval_us) if report.interval_us else "",
        "gaps": report.gaps,
        "first": time_text(report.first_us),
        "last": time_text(report.last_us),
        "times": report.times,
        "time_zone": report.time_zone,
        "label": report.label,
        "decimal": report.decimal,
        "delimiter": report.delimiter,
        "encoding": report.encoding,
        "columns": [list(one) for one in report.columns],
        "corrections": list(report.corrections),
    }


def _lines(table: Table) -> list[str]:
    facts = _facts(table)
    report = table.report
    names = facts.pop("columns")
    done, loss = facts.pop("corrections"), facts.pop("loss")
    lines = [loss] if loss else []
    for name, value in facts.items():
        text = ", ".join(value) if isinstance(value, list) else value
        lines.append(
            f"{name.replace('_', ' '):<14}{text!r}"
            if name == "delimiter"
            else f"{name.replace('_', ' '):<14}{text}"
        )
    lines += ["columns", *(f"  {name or '(no name)'}: {role}" for name, role in names)]
    lines += [*done, *_aside(report)]
    return lines


def _aside(report: Report) -> list[str]:
    return [f"line {one.line}: {one.reason}: {one.text}" for one in report.aside[:ASIDE_SHOWN]]


def _write(tables: list[Table], path: Path) -> None:
    if any(table.trades for table in tables) and any(table.bars for table in tables):
        raise DataError("The file holds bars and trades; write them from files of their own.")
    with path.open("wb") as file:
        if tables[0].bars:
            save_bars((part for table in tables for part in table.bars.items()), file, "parquet")
        else:
            save_trades(map(_trades, tables), file, "parquet")


def _trades(table: Table) -> list[Trade]:
    names = ("time_us", "price", "quantity", "side", "received_us")
    return [
        Trade(instrument, number, *values)
        for instrument, rows in table.trades.items()
        for number, values in enumerate(zip(*(rows[name].tolist() for name in names), strict=True))
    ]

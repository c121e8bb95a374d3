"""The command line: `tandem app`, `record`, `backtest`, `scan`, `read`, `watch`, `db`.

A command is imported when it is named, so help and version are there at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from tandem.core.cli import WRONG_ARGUMENTS, parser, run


class Command(NamedTuple):
    """The module whose `main` runs a command, and what the command does."""

    module: str
    does: str


COMMANDS = {
    "app": Command("tandem.ui.server", "open the workbench in the browser"),
    "record": Command("tandem.ingest.cli", "record trades from exchanges"),
    "backtest": Command("tandem.backtest.cli", "backtest a pair from files"),
    "scan": Command("tandem.scanner.cli", "test every pair of a table for cointegration"),
    "read": Command("tandem.io.cli", "say how a file is read, and write it as clean Parquet"),
    "watch": Command("tandem.surveillance.cli", "watch prices for anomalies and send alerts"),
    "db": Command("tandem.storage.cli", "check, back up, compact and export a database"),
}
EXIT_CODES = "exit codes: 0 done, 1 failed, 2 wrong arguments, 130 cancelled by Ctrl-C"


def main(arguments: Sequence[str] | None = None, *, prog: str = "tandem") -> int:
    """Run the command named first, with what follows it; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and given[0] in COMMANDS:
        name, *rest = given
        return run(f"{prog} {name}", lambda: _run(name, rest, f"{prog} {name}"))
    command = parser(prog, "A live pairs-trading workbench.", EXIT_CODES)
    options = command.add_subparsers(title="commands", metavar="COMMAND")
    for name, (_, does) in COMMANDS.items():
        options.add_parser(name, help=does)
    command.parse_args(given)
    command.print_help(sys.stderr)
    return WRONG_ARGUMENTS


def _run(name: str, arguments: Sequence[str], prog: str) -> int:
    code: int = import_module(COMMANDS[name].module).main(arguments, prog=prog)
    return code

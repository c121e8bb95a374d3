"""What a command can be told about files, as the page's boxes can: options, and their meaning."""

from __future__ import annotations

import argparse

from tandem.core.errors import DataError
from tandem.io.model import LABELS, TIME_UNITS, Corrections

_HEADERS = {"names": True, "data": False}


def add_options(command: argparse.ArgumentParser) -> None:
    """Add a group of options that say how files are read."""
    files = command.add_argument_group("reading files", "what is not given is inferred")
    files.add_argument(
        "--columns",
        default="",
        metavar="ROLE=COLUMN,...",
        help="what columns are, by name or number from 1: time=Date,close=Last,none=Note",
    )
    files.add_argument("--time-zone", default="", help="of times without an offset: Europe/Berlin")
    files.add_argument("--time-unit", default="", choices=TIME_UNITS, help="of times in numbers")
    order = files.add_mutually_exclusive_group()
    order.add_argument(
        "--day-first",
        dest="date_order",
        action="store_const",
        const="day first",
        default="",
        help="01/02 is the first of February",
    )
    order.add_argument(
        "--month-first",
        dest="date_order",
        action="store_const",
        const="month first",
        help="01/02 is the second of January",
    )
    order.add_argument(
        "--year-first",
        dest="date_order",
        action="store_const",
        const="year first",
        help="01/02/03 is the third of February 2001",
    )
    files.add_argument(
        "--header", default="", choices=tuple(_HEADERS), help="what the first row contains"
    )
    files.add_argument("--decimal", default="", choices=(".", ","), help="decimal mark")
    files.add_argument("--delimiter", default="", help="between cells")
    files.add_argument("--encoding", default="", help="utf-8, gb18030, cp1252, ...")
    files.add_argument("--label", default="", choices=LABELS, help="what the times of bars are")
    files.add_argument(
        "--accept-loss",
        action="store_true",
        help="use a file of which more than a fifth of the rows is set aside",
    )


def corrections(options: argparse.Namespace) -> Corrections:
    """Return what the options of `add_options` say; raises DataError for what they cannot."""
    return Corrections(
        roles=_roles(options.columns),
        delimiter={"tab": "\t"}.get(options.delimiter, options.delimiter),
        encoding=options.encoding,
        decimal=options.decimal,
        date_order=options.date_order,
        time_unit=options.time_unit,
        time_zone=options.time_zone,
        header=_HEADERS.get(options.header),
        label=options.label,
        accept_loss=options.accept_loss,
    )


def _roles(text: str) -> tuple[tuple[int | str, str], ...]:
    found: list[tuple[int | str, str]] = []
    for part in filter(None, text.split(",")):
        role, sign, column = (piece.strip() for piece in part.partition("="))
        if not sign or not column:
            raise DataError(
                f"--columns has {part[:40]!r}; write ROLE=COLUMN, as in time=Date,close=Last."
            )
        found.append((column, "" if role == "none" else role))
    return tuple(found)

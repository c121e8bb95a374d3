"""What a command can specify about files, as the page's boxes can: options, and their meaning."""

from __future__ import annotations

import argparse
from typing import Any

from tandem.core.errors import DataError
from tandem.io.model import LABELS, TIME_UNITS, Corrections

# Stands for what is to be inferred, where an option is given for another file.
DETECT = "detect"
_OPTIONS = {
    "columns": "--columns",
    "time_zone": "--time-zone",
    "time_unit": "--time-unit",
    "date_order": "--day-first, --month-first and --year-first",
    "decimal": "--decimal",
    "delimiter": "--delimiter",
    "encoding": "--encoding",
    "header": "--header",
    "label": "--label",
}
_HEADERS = {"names": True, "data": False}


def add_options(command: argparse.ArgumentParser) -> None:
    """Add a group of options that specify how files are read."""
    files = command.add_argument_group(
        "reading files",
        "what is not given is inferred; of two files, an option given once is for both, one given "
        f"twice for the first and the second, where {DETECT} leaves one inferred",
    )

    def add(option: str, choices: tuple[str, ...] = (), **more: Any) -> None:
        given = (*choices, DETECT) if choices else None
        files.add_argument(option, action="append", default=[], choices=given, **more)

    add(
        "--columns",
        metavar="ROLE=COLUMN,...",
        help="what columns are, by name or number from 1: time=Date,close=Last,none=Note",
    )
    add("--time-zone", help="of times without an offset: Europe/Berlin, UTC-5")
    add("--time-unit", TIME_UNITS, help="of times in numbers")
    for option, order, meaning in (
        ("--day-first", "day first", "01/02 is the first of February"),
        ("--month-first", "month first", "01/02 is the second of January"),
        ("--year-first", "year first", "01/02/03 is the third of February 2001"),
    ):
        files.add_argument(
            option,
            dest="date_order",
            action="append_const",
            const=order,
            default=[],
            help=meaning,
        )
    add("--header", tuple(_HEADERS), help="what the first row contains")
    add("--decimal", (".", ","), help="decimal mark")
    add("--delimiter", help="between cells")
    add("--encoding", help="utf-8, gb18030, cp1252, ...")
    add("--label", LABELS, help="what the times of bars are")
    files.add_argument(
        "--accept-loss",
        action="store_true",
        help="use a file of which more than a fifth of the rows is set aside",
    )


def corrections(options: argparse.Namespace) -> Corrections:
    """Return what the options of `add_options` specify for one file; see `corrections_each`."""
    return corrections_each(options, 1)[0]


def corrections_each(options: argparse.Namespace, count: int) -> tuple[Corrections, ...]:
    """Return what the options of `add_options` specify for each of some files.

    Parameters
    ----------
    options : Namespace
    count : int
        Number of files.

    Raises
    ------
    DataError
        An option given more than once, but not once for each file; a value that cannot be.
    """
    given = {name: _each(options, name, count) for name in _OPTIONS}
    return tuple(
        Corrections(
            roles=_roles(given["columns"][place]),
            delimiter={"tab": "\t"}.get(given["delimiter"][place], given["delimiter"][place]),
            encoding=given["encoding"][place],
            decimal=given["decimal"][place],
            date_order=given["date_order"][place],
            time_unit=given["time_unit"][place],
            time_zone=given["time_zone"][place],
            header=_HEADERS.get(given["header"][place]),
            label=given["label"][place],
            accept_loss=options.accept_loss,
        )
        for place in range(count)
    )


def _each(options: argparse.Namespace, name: str, count: int) -> list[str]:
    """Return an option's value for each file; empty where it is to be inferred."""
    values = ["" if value == DETECT else value for value in getattr(options, name)]
    if len(values) <= 1:
        return (values or [""]) * count
    if len(values) != count:
        files = "the file" if count == 1 else f"all files, or once for each of the {count}"
        raise DataError(f"{_OPTIONS[name]}: given {len(values)} times; give it once for {files}.")
    return values


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

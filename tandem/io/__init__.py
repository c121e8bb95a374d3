"""CSV and Parquet in, with a report on every file; CSV out.

`read` takes a file's bytes and gives a `Table` (bars or trades by instrument) with a `Report` of
what was taken for what and which lines were left out; `pair_from` picks two legs out of one or two
tables; the `write_*` functions give CSV in chunks of bytes.
"""

from tandem.io.columns import ROLES
from tandem.io.files import read, read_files
from tandem.io.model import (
    DATE_ORDERS,
    NAMED,
    TIME_UNITS,
    Aside,
    Corrections,
    Report,
    Table,
    Unclear,
    interval_text,
    time_text,
)
from tandem.io.pairing import apart, pair_from
from tandem.io.writer import write_analysis, write_bars, write_closed_trades, write_trades

__all__ = [
    "DATE_ORDERS",
    "NAMED",
    "ROLES",
    "TIME_UNITS",
    "Aside",
    "Corrections",
    "Report",
    "Table",
    "Unclear",
    "apart",
    "interval_text",
    "pair_from",
    "read",
    "read_files",
    "time_text",
    "write_analysis",
    "write_bars",
    "write_closed_trades",
    "write_trades",
]

"""CSV in and out: files as people have them, read with a report; our own, which read back.

`read` takes a file's bytes and gives a `Table` (bars or trades by instrument) with a `Report` of
what was taken for what and which lines were left out; `pair_from` picks two legs out of one or two
tables; the `write_*` functions give CSV in chunks of bytes.
"""

from tables.lines import Aside
from tables.model import Report, Table, interval_text, time_text
from tables.pairing import pair_from
from tables.reading import read
from tables.writing import write_analysis, write_bars, write_closed_trades, write_trades

__all__ = [
    "Aside",
    "Report",
    "Table",
    "interval_text",
    "pair_from",
    "read",
    "time_text",
    "write_analysis",
    "write_bars",
    "write_closed_trades",
    "write_trades",
]

"""Inject every fault into a recorder, many times, and count the trades: writes docs/FAULTS.md.

python -m benchmarks.faults [--times 10] [--reconnects 10000] [--output docs/FAULTS.md]

The faults are those of the tests (`tests/support/connection_faults.py`): a real recorder and record
on disk, against servers of this machine that speak the venues' protocols and go on trading whether
or not anybody hears them.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import filling
from benchmarks.machine import describe
from tests.support.connection_faults import FAULTS, Fault, Outcome, attempt, drop_often

HEAD = """# Injected faults and the trades after them

Each row injects one fault into a recorder so many times, while a local exchange that speaks the
venue's own protocol goes on trading. Afterwards every trade sent is looked up in the database, and
those missing there in its table of gaps. *Unaccounted* counts trades found in neither, or recorded
otherwise than they were sent: it must be 0. Backfill is off: the table of gaps lists what it would
fetch. *Recovery* is the time from the end of the fault to the next trade of every instrument in the
hot buffer, where every instrument trades 100 times a second: median and longest. Waits between
attempts are shortened (5 ms, after a refusal 200 ms; a connection is dead after 0.5 s).

Written by `python -m benchmarks.faults` on {machine}.

| fault | times | trades sent | recorded | in the gap table | unaccounted | recovery |
|---|---:|---:|---:|---:|---:|---:|
"""

KILLED = """
## Killed while writing

`pytest tests/storage/test_faults.py -m slow -k kill` kills a writing process (SIGKILL) at 200
random points, one after the other on the same file. After each the file must open, pass
`integrity_check` and hold every batch whose COMMIT had returned; one failure fails the test.
"""


def line(fault: Fault, outcomes: list[Outcome], times: int) -> str:
    """Return a fault's line of the table."""
    sums = [sum(values) for values in zip(*outcomes, strict=True)]
    sent, recorded, missing, explained, strange = (int(value) for value in sums[:5])
    recovery = [outcome.recovery_s for outcome in outcomes]
    return (
        f"| {fault.name} | {times:,} | {sent:,} | {recorded:,} | {explained:,} | "
        f"{missing - explained + strange:,} | "
        f"{statistics.median(recovery):.2f} s, {max(recovery):.2f} s |\n"
    )


def main() -> int:
    """Write the table; the exit code tells whether every trade is accounted for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--reconnects", type=int, default=10_000)
    parser.add_argument("--output", type=Path, default=Path("docs/FAULTS.md"))
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    storm = Fault(f"dropped {options.reconnects:,} times in a row", drop_often(options.reconnects))
    table, unaccounted = "", 0
    for fault in (*FAULTS, storm):
        once = fault is storm
        outcomes = []
        for _ in range(1 if once else options.times):
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(attempt(fault, Path(folder)))
        unaccounted += sum(o.missing - o.explained + o.strange for o in outcomes)
        text = line(fault, outcomes, options.reconnects if once else len(outcomes))
        sys.stdout.write(text)
        sys.stdout.flush()
        table += text
    rest, lost = filling.lines(options.times)
    sys.stdout.writelines(rest)
    table += filling.HEAD + "".join(rest)
    unaccounted += lost
    machine = describe("websocket-client")
    options.output.write_text(HEAD.format(machine=machine) + table + KILLED, encoding="utf-8")
    return 1 if unaccounted else 0


if __name__ == "__main__":
    sys.exit(main())

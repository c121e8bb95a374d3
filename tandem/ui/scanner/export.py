"""The Scanner page's file: every pair with every figure, units in the column names."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tandem.io.writer import defused
from tandem.scanner.result import Scan
from tandem.ui.scanner.study import Study
from tandem.ui.scanner.wording import exported
from tandem.ui.shared import downloads

CHUNK_ROWS = 20_000


def offer(study: Study) -> None:
    """Offer the whole table."""
    found = study.found
    downloads.button(
        f"All {found.tested:,} pairs as CSV",
        lambda: whole(found),
        "tandem-scan.csv",
        "text/csv",
        key="scan_csv",
    )


def whole(found: Scan) -> bytes:
    """Return the file; the pieces it is made of are not held beside it."""
    out = io.BytesIO()
    out.writelines(rows(found))
    return out.getvalue()


def rows(found: Scan) -> Iterator[bytes]:
    """Write every pair, the most striking first, in chunks."""
    names = np.array([defused(name) for name in found.names], object)
    log_prices = found.settings.log_prices
    for start in range(0, max(found.tested, 1), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        columns = {"y_instrument": names[found.y[part]], "x_instrument": names[found.x[part]]}
        columns |= {
            exported(name, log_prices): column[part] for name, column in found.figures.items()
        }
        text: str = pd.DataFrame(columns).to_csv(index=False, header=not start, lineterminator="\n")
        yield text.encode()

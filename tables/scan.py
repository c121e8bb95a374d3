"""One pass over a file's bytes: where its lines are, and how many fields each has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kernels.text import scan_lines


class Scan(NamedTuple):
    """A file's lines; arrays of shape (n_lines,).

    Attributes
    ----------
    starts, ends : int64
        Bytes ``starts[i]:ends[i]`` are line i without its line feed.
    fields : int64
        Fields, where delimiters between quotes do not count.
    quotes : int64
        Quotes, of which a sound line has an even number.
    blank : bool
        Nothing but spaces and delimiters.
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    quotes: npt.NDArray[np.int64]
    blank: npt.NDArray[np.bool_]


def scan(text: bytes, delimiter: str) -> Scan:
    """Scan text whose last byte is a line feed."""
    count = text.count(b"\n")
    ends, fields, quotes = (np.empty(count, np.int64) for _ in range(3))
    blank = np.empty(count, np.bool_)
    scan_lines(np.frombuffer(text, np.uint8), ord(delimiter), ends, fields, quotes, blank)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    return Scan(starts, ends, fields, quotes, blank)

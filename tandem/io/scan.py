"""One pass over a file's bytes: where its lines are, and how many fields each has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.kernels.text import scan_lines


class Scan(NamedTuple):
    """A file's lines; arrays of shape (n_lines,).

    Attributes
    ----------
    starts, ends : int64
        Bytes ``starts[i]:ends[i]`` are line i without its line feed.
    fields : int64
        Fields, where delimiters between quotes do not count.
    sound : bool
        No quote is left open or stands in the middle of a field.
    blank : bool
        Nothing but spaces and delimiters.
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    sound: npt.NDArray[np.bool_]
    blank: npt.NDArray[np.bool_]


def scan(text: bytes, delimiter: str) -> Scan:
    """Scan text whose last byte is a line feed."""
    count = text.count(b"\n")
    ends, fields = np.empty(count, np.int64), np.empty(count, np.int64)
    sound, blank = np.empty(count, np.bool_), np.empty(count, np.bool_)
    scan_lines(np.frombuffer(text, np.uint8), ord(delimiter), ends, fields, sound, blank)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    return Scan(starts, ends, fields, sound, blank)

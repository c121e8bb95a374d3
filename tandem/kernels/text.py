"""Compiled passes over the bytes of text files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tandem.kernels.compiled import compiled

_NEWLINE, _QUOTE, _SPACE = 10, 34, 32


@compiled
def scan_lines(
    buffer: npt.NDArray[np.uint8],
    delimiter: int,
    ends: npt.NDArray[np.int64],
    fields: npt.NDArray[np.int64],
    sound: npt.NDArray[np.bool_],
    blank: npt.NDArray[np.bool_],
) -> None:
    """Count the fields of every line; tell which have sound quotes and which are blank.

    `buffer` ends in a line feed; the other arrays have one place a line and are filled.
    Delimiters between quotes do not count. A quote is sound that opens at the start of a field and
    closes within its line.
    """
    line, n_cuts, n_quotes, is_stray, is_blank = 0, 0, 0, False, True
    before = _NEWLINE
    for at in range(len(buffer)):
        byte = buffer[at]
        if byte == _NEWLINE:
            ends[line], fields[line] = at, n_cuts + 1
            sound[line], blank[line] = n_quotes % 2 == 0 and not is_stray, is_blank
            line += 1
            n_cuts, n_quotes, is_stray, is_blank = 0, 0, False, True
        elif byte == delimiter:
            n_cuts += 1 - n_quotes % 2
        elif byte == _QUOTE:
            at_start = before in (_NEWLINE, _SPACE, _QUOTE, delimiter)
            is_stray |= n_quotes % 2 == 0 and not at_start
            n_quotes += 1
            is_blank = False
        elif byte > _SPACE:
            is_blank = False
        before = byte

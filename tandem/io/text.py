"""From a file's bytes to its data lines: encoding, delimiter, banner, header, ragged lines.

Records are physical lines: a cell that spans lines cannot be parsed, and a line with an
unbalanced quote is set aside, so that one stray quote cannot swallow the rest of a file.
"""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tandem.core.errors import DataError
from tandem.io.headers import is_header, is_known_name, stacked
from tandem.io.model import BEFORE_TABLE, HEADER_AGAIN, Aside, Corrections
from tandem.kernels.text import scan_lines

MOST_COLUMNS = 1_000
SAMPLE_LINES = 100
SNIFF_BYTES = 1_000_000
# In the order of trying: the comma is last, since in a file with another it is a decimal comma.
_DELIMITERS = ("\t", ";", "|", ",")

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD_BYTES = 65_536
_HEAD_LINES = 20
_PIECE_BYTES = 4_000_000
# What tells a spreadsheet to keep a cell as it is: ="100.5".
_AS_IT_IS = re.compile(rb'(?<![^,;\t|\n])=("[^"\r\n]{0,100}")(?=[,;\t|\r\n]|$)')
# What tells a spreadsheet the delimiter, above the table.
_SEP_LINE = re.compile(rb'"?sep=(?P<mark>[^"\r\n])"?\r?\n', re.IGNORECASE)

# Chinese (GBK is a part of the first), Japanese, Korean, Cyrillic, Polish and Turkish before
# Western: nearly any bytes are valid in the last, which therefore proves nothing.
_CANDIDATES = ("gb18030", "big5", "shift_jis", "euc_kr", "cp1251", "cp1250", "cp1254", "cp1252")

_MAGIC = {
    b"SQLite format 3\x00": "a SQLite database; export the table as CSV",
    b"%PDF": "a PDF; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
}


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


@dataclass(frozen=True, slots=True)
class Lines:
    """The data lines of a file.

    Attributes
    ----------
    text : bytes
        UTF-8, one record a line, no line with more than `width` fields.
    numbers : ndarray of int64
        Line number in the file, from 1, of each line of `text`.
    header : list of str or None
        Names, `width` of them.
    symbols : list of str
        The instrument of each column where a second row of names has them; else empty.
    sample : list of list of str
        Fields of the first records, then of some of the others.
    aside : list of Aside
        Banner, repeated headers and lines that are no records.
    """

    text: bytes
    numbers: npt.NDArray[np.int64]
    header: list[str] | None
    symbols: list[str]
    sample: list[list[str]]
    width: int
    delimiter: str
    encoding: str
    aside: list[Aside]


def shown(text: str, most: int = 40) -> str:
    """Return text from outside in a form that is safe and short enough for a sentence."""
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def load(data: bytes | Path, name: str, limit_bytes: int) -> bytes:
    """Return the file's bytes; raises DataError where there are too many, or none."""
    try:
        size = data.stat().st_size if isinstance(data, Path) else len(data)
        if size > limit_bytes:
            raise DataError(
                f"{shown(name)} has {size / 1e6:,.1f} MB; "
                f"the limit is {limit_bytes / 1e6:,.1f} MB. Cut it into parts or thin it out."
            )
        raw = data.read_bytes() if isinstance(data, Path) else data
    except OSError as error:
        raise DataError(f"{shown(name)} cannot be read: {error.strerror}.") from None
    if not raw[:SNIFF_BYTES].strip() and not raw.strip():
        raise DataError(f"{shown(name)} is empty; choose a CSV file with prices.")
    return raw


# The encoding -----------------------------------------------------------------------------


def decode(raw: bytes, name: str, encoding: str = "") -> tuple[bytes, str]:
    """Return the text as UTF-8 with line feeds, and the encoding it was in.

    Text that is so already is returned as it is, without a copy.
    """
    for magic, what in _MAGIC.items():
        if raw.startswith(magic):
            raise DataError(f"{shown(name)} is {what}.")
    if raw[:64].lstrip()[:1] in (b"{", b"["):
        raise DataError(f"{shown(name)} is JSON, not a table; save it as CSV.")
    found = encoding or encoding_of(raw)
    if not found.startswith("utf-16") and (b"\0" in raw or _control_share(raw) > 0.01):
        raise DataError(f"{shown(name)} is not text; choose a CSV file.")
    if found != "utf-8" or not (raw.isascii() or is_utf8(raw)):
        try:
            raw = text_of(raw, found, "strict" if found != "cp1252" else "replace").encode()
        except UnicodeError:
            raise DataError(
                f"{shown(name)} is damaged {found.upper()} text, or is in another encoding; save "
                "it as UTF-8."
            ) from None
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw, found


def _control_share(raw: bytes) -> float:
    head = np.frombuffer(raw[:65_536], np.uint8)
    return float(np.mean((head < 32) & ~np.isin(head, (9, 10, 13, 26))))


def encoding_of(raw: bytes) -> str:
    """Return the name of the encoding: by its mark, as UTF-8, or by the column names it gives.

    Where no encoding gives a known name, text of Chinese characters is GB18030, any other Windows'
    Western one, in which every byte means something.
    """
    for mark, name in _BOMS:
        if raw.startswith(mark):
            return name
    head = raw[:_HEAD_BYTES]
    if b"\0" in head:
        return _without_mark(head)
    if raw.isascii() or is_utf8(raw):
        return "utf-8"
    # Cut off within a character; other ones prove that a Western letter at the end is none.
    if not raw[:-3].isascii() and _fits(raw, "utf-8"):
        return "utf-8"
    best, most = "", 0
    for name in _CANDIDATES:
        found = _known_names(head, name)
        if found > most and (name == "cp1252" or _fits(raw, name)):
            best, most = name, found
    if best:
        return best
    return "gb18030" if _is_chinese(raw, head) else "cp1252"


def _without_mark(head: bytes) -> str:
    """Tell UTF-16 without its mark: of plain text every other byte is zero."""
    half = max(len(head) // 2, 1)
    if head[1::2].count(0) > 0.8 * half and head[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[::2].count(0) > 0.8 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return "utf-8"


def _known_names(head: bytes, encoding: str) -> int:
    """Count the known column names with letters beyond ASCII that an encoding gives."""
    text = head.decode(encoding, errors="replace")
    cells = [cell for line in text.split("\n")[:_HEAD_LINES] for cell in re.split(r"[,;|\t]", line)]
    return sum(not cell.isascii() and is_known_name(cell) for cell in cells)


def _is_chinese(raw: bytes, head: bytes) -> bool:
    letters = [one for one in head.decode("gb18030", errors="replace") if ord(one) > 127]
    common = sum("\u4e00" <= one <= "\u9fff" for one in letters)
    return common > 0.8 * len(letters) and _fits(raw, "gb18030")


def is_utf8(raw: bytes) -> bool:
    """Tell whether all of it is UTF-8; piece by piece, since text may take four times the bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), _PIECE_BYTES):
            decoder.decode(raw[start : start + _PIECE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def text_of(raw: bytes, encoding: str, errors: str = "strict") -> str:
    """Decode; a character that is cut off at the end is left out.

    Raises
    ------
    UnicodeError
        It is no text in this encoding.
    """
    return codecs.getincrementaldecoder(encoding)(errors).decode(raw)


def _fits(raw: bytes, encoding: str) -> bool:
    try:
        text_of(raw, encoding)
    except UnicodeDecodeError:
        return False
    return True


# The lines --------------------------------------------------------------------------------


def scan(text: bytes, delimiter: str) -> Scan:
    """Scan text whose last byte is a line feed."""
    count = text.count(b"\n")
    ends, fields = np.empty(count, np.int64), np.empty(count, np.int64)
    sound, blank = np.empty(count, np.bool_), np.empty(count, np.bool_)
    scan_lines(np.frombuffer(text, np.uint8), ord(delimiter), ends, fields, sound, blank)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    return Scan(starts, ends, fields, sound, blank)


def split(raw: bytes, name: str, told: Corrections) -> Lines:
    """Find the delimiter, the header and the data lines of a file's bytes."""
    text, encoding = decode(raw, name, told.encoding)
    if b'="' in text:
        text = _AS_IT_IS.sub(rb"\1", text)
    named = _SEP_LINE.match(text)
    delimiter = told.delimiter or (named["mark"].decode() if named else _delimiter(text, name))
    whole = text if text.endswith(b"\n") else text + b"\n"
    found = scan(whole, delimiter)
    if named:
        found.blank[0] = True
    width, first = _body(found.fields, found.blank, name)

    def line(index: int) -> str:
        return whole[found.starts[index] : found.ends[index]].decode()

    top = _parse(line(first), delimiter)
    header = top if (is_header(top) if told.header is None else told.header) else None
    rows = np.flatnonzero(~found.blank)
    body = rows[rows >= first + (header is not None)]
    symbols: list[str] = []
    if header is not None:
        more = [_pad(_parse(line(int(i)), delimiter), width) for i in body[:2]]
        count, names, symbols = stacked(_pad(header, width), more)
        header, body = (names, body[count:]) if count else (header, body)
    reasons = _unusable(found, rows, body, first, width, is_cut=whole is not text)
    if header is not None:
        for i in _same_as(whole, found, first, body):
            reasons.setdefault(int(i), HEADER_AGAIN)
    kept = body[~np.isin(body, np.fromiter(reasons, np.int64, len(reasons)))]
    return Lines(
        text=_join(whole, found, kept),
        numbers=kept + 1,
        header=_fit(header, width, [line(int(i)) for i in kept[:5]], delimiter),
        symbols=symbols,
        sample=[_pad(_parse(line(int(i)), delimiter), width) for i in _some(kept)],
        width=width,
        delimiter=delimiter,
        encoding=encoding,
        aside=[Aside(i + 1, reasons[i], line(i)) for i in sorted(reasons)],
    )


def _some(kept: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the first lines, and as many spread over the others."""
    rest = kept[SAMPLE_LINES:]
    return np.concatenate((kept[:SAMPLE_LINES], rest[:: max(len(rest) // SAMPLE_LINES, 1)]))


def _unusable(
    found: Scan,
    rows: npt.NDArray[np.int64],
    body: npt.NDArray[np.int64],
    first: int,
    width: int,
    is_cut: bool,
) -> dict[int, str]:
    """Return why lines are no rows of the table; `is_cut` where the last has no line feed."""
    reasons: dict[int, str] = {int(i): BEFORE_TABLE for i in rows[rows < first]}
    for i in body[~found.sound[body]]:
        reasons[int(i)] = "a quote that does not open and close a cell"
    for i in body[found.fields[body] > width]:
        reasons.setdefault(int(i), f"{found.fields[i]} fields where the table has {width}")
    last = int(rows[-1])
    if is_cut and last >= first and found.fields[last] < width:
        reasons.setdefault(last, "the file ends in the middle of the line")
    return reasons


def _parse(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [""])]


def _pad(fields: list[str], width: int) -> list[str]:
    return (fields + [""] * (width - len(fields)))[:width]


def _delimiter(text: bytes, name: str) -> str:
    """Return the character that splits most of the first lines into the same number of fields.

    The comma comes last: in a file with another delimiter it is a decimal comma.
    """
    head = text[:SNIFF_BYTES].decode(errors="replace").split("\n")
    lines = [line for line in head if line.strip()][:SAMPLE_LINES]
    if not lines:
        raise DataError(f"{shown(name)} is empty; choose a CSV file with prices.")
    if max(map(len, lines)) > SNIFF_BYTES // 2:
        raise DataError(f"{shown(name)} has a line of over {SNIFF_BYTES // 2:,} characters.")
    for delimiter in _DELIMITERS:
        counts = [_outside_quotes(line, delimiter) for line in lines]
        usual = max(set(counts), key=lambda count: (counts.count(count) * (count > 0), count))
        if usual and counts.count(usual) >= 0.6 * len(lines):
            return delimiter
        if usual and delimiter == "," and counts.count(usual) >= 2:
            return delimiter
    raise DataError(
        f"{shown(name)} has no columns: no comma, semicolon, tab or bar delimits them. "
        f"The first is {shown(lines[0])}. Say what does (--delimiter)."
    )


def _outside_quotes(line: str, delimiter: str) -> int:
    return sum(part.count(delimiter) for part in line.split('"')[::2])


def _body(
    fields: npt.NDArray[np.int64], blank: npt.NDArray[np.bool_], name: str
) -> tuple[int, int]:
    """Return the table's width and the first line that belongs to it."""
    rows = np.flatnonzero(~blank)
    widths, counts = np.unique(fields[rows[:SAMPLE_LINES]], return_counts=True)
    wide = widths > 1
    if not wide.any():
        raise DataError(
            f"{shown(name)} has a single column; a time and a price are needed. "
            "Say what stands between cells (--delimiter)."
        )
    # The wider of two equally frequent widths: a short file of a banner, a header and a row.
    width = int(widths[wide][np.argmax(counts[wide] + widths[wide] / 1e6)])
    if width > MOST_COLUMNS:
        raise DataError(
            f"{shown(name)} has {width:,} columns; the limit is {MOST_COLUMNS:,}. "
            "Keep the time and the prices."
        )
    close = np.abs(fields[rows] - width) <= (1 if width > 3 else 0)
    return width, int(rows[np.argmax(close)])


def _same_as(whole: bytes, found: Scan, model: int, rows: npt.NDArray[np.int64]) -> list[int]:
    """Return those of `rows` that repeat the line `model`."""
    pattern = whole[found.starts[model] : found.ends[model]]
    likely = rows[found.ends[rows] - found.starts[rows] == len(pattern)]
    return [int(i) for i in likely if whole[found.starts[i] : found.ends[i]] == pattern]


def _join(whole: bytes, found: Scan, kept: npt.NDArray[np.int64]) -> bytes:
    """Return the kept lines, in runs of neighbours."""
    if not len(kept):
        return b""
    breaks = np.flatnonzero(np.diff(kept) != 1)
    firsts = found.starts[kept[np.concatenate(([0], breaks + 1))]]
    lasts = found.ends[kept[np.concatenate((breaks, [len(kept) - 1]))]] + 1
    return b"".join(whole[i:j] for i, j in zip(firsts.tolist(), lasts.tolist(), strict=True))


def _fit(
    header: list[str] | None, width: int, first: list[str], delimiter: str
) -> list[str] | None:
    """Give the header as many names as the rows have fields.

    Rows with one field more either end in a delimiter or begin with an unnamed row number.
    """
    if header is None or len(header) >= width:
        return header and header[:width]
    trailing = all(line.rstrip().endswith(delimiter) for line in first)
    if len(header) == width - 1 and not trailing:
        return ["", *header]
    return _pad(header, width)

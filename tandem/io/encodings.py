"""The encoding a file's text is in, from its first bytes and what they say."""

from __future__ import annotations

import codecs
import re

from tandem.io.columns import is_known_name

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD_BYTES = 65_536
_HEAD_LINES = 20

# Chinese (GBK is a part of it), Japanese, Korean, Cyrillic, Polish and Turkish before Western:
# nearly any bytes are valid in the last, which therefore proves nothing.
_CANDIDATES = ("gb18030", "shift_jis", "euc_kr", "cp1251", "cp1250", "cp1254", "cp1252")


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
    if raw.isascii() or _fits(raw, "utf-8"):
        return "utf-8"
    best, most = "", 0
    for name in _CANDIDATES:
        found = _known_names(head, name)
        if found > most and (name == "cp1252" or _fits(raw, name)):
            best, most = name, found
    if best:
        return best
    return "gb18030" if _is_chinese(raw, head) else "cp1252"


def _fits(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


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

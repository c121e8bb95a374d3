"""Time zones: by name or offset, as somebody gives them or a file names them."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from tandem.core.errors import DataError

# Abbreviations that may mean several offsets, or one that does not change with summer time.
_ABBREVIATIONS = frozenset(
    (
        *("ET", "EST", "EDT", "CT", "CST", "CDT", "MT", "MST", "MDT", "PT", "PST", "PDT"),
        *("BST", "WET", "WEST", "CET", "CEST", "MEZ", "MESZ", "EET", "EEST", "MSK", "TRT"),
        *("IST", "SGT", "HKT", "JST", "KST", "AEST", "AEDT", "AET", "AWST", "NZST", "NZDT"),
    )
)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
_NAMED_OFFSET = re.compile(r"(?:UTC|GMT)\s*[+-]\d{1,2}(?::?\d{2})?", re.IGNORECASE)
_REGION = re.compile(r"[A-Z][A-Za-z]+(?:/[A-Za-z_+-]+){1,2}")
_MOST_HOURS = 14
_LONGEST = 100  # characters of a name that are looked at
_STATED = re.compile(r"(?i)\W*time[ _-]?zone\s*[:=,;\t]\s*[\"']?([A-Za-z+-][\w/+:-]*)")


def zone(name: str) -> tzinfo:
    """Return a time zone by its name, or by its offset as ``UTC+1`` and ``-05:00`` have it.

    Raises
    ------
    DataError
        There is no such zone.
    """
    match = _OFFSET.fullmatch(name)
    if match:
        size = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if size <= timedelta(hours=_MOST_HOURS):
            return timezone(-size if match[1] == "-" else size) if size else UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise DataError(
            f"{name[:40]!r} is not a known time zone; use a name like UTC or America/New_York, or "
            "an offset like UTC-5 or +01:00."
        ) from None


def named_in(text: str) -> str:
    """Return the zone that a column's name has in it, as ``Time (UTC+1)``; empty for none.

    An abbreviation such as EST is returned, too; `is_doubtful` recognises it.
    """
    text = text[:_LONGEST]
    if match := _NAMED_OFFSET.search(text):
        return match[0]
    for found in (*re.findall(r"[(\[]\s*([^)\]]+?)\s*[)\]]", text), *_REGION.findall(text)):
        if _OFFSET.fullmatch(found) or _is_region(found):
            return str(found)
    if re.search(r"(?i)\b(utc|gmt)|_utc|_gmt", text):
        return "UTC"
    bracketed = re.findall(r"[(\[]\s*([A-Za-z]+)\s*[)\]]", text)
    words = [word for word in re.findall(r"[A-Za-z]+", text)[1:] if word.isupper()]
    last = re.findall(r"_([a-z]+)$", text)
    return next((one.upper() for one in (*bracketed, *words, *last) if is_doubtful(one)), "")


def is_doubtful(name: str) -> bool:
    """Return whether a zone's name is an abbreviation that does not tell one zone."""
    return name.upper() in _ABBREVIATIONS


def doubt(name: str, where: str) -> DataError:
    """Return the question which zone an abbreviation means."""
    return DataError(
        f"{where} names the time zone {name[:20]!r}, which does not tell one zone, nor whether "
        "clocks change; give it as a name like America/New_York or an offset like UTC-5 "
        "(Time zone; --time-zone)."
    )


def stated(line: str) -> str:
    """Return the zone that a line above a table states, as ``# timezone: Asia/Tokyo``; or empty."""
    match = _STATED.match(line[:_LONGEST])
    return match[1] if match else ""


def _is_region(name: str) -> bool:
    if not _REGION.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True

"""Tables and status strips as the components take them. No Streamlit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Cell = dict[str, Any]
Sheet = dict[str, Any]


def sheet(
    name: str,
    title: str,
    note: str,
    columns: Iterable[tuple[str, ...]],
    rows: Iterable[Sequence[Cell | str]],
) -> Sheet:
    """Return a table.

    Parameters
    ----------
    columns : iterable of (label, kind, hint)
        The kind is "", "end" (aligned there) or "long"; what is left out is empty.
    rows : iterable of sequences
        Of cells, or of their texts alone.
    """
    return {
        "id": name,
        "title": title,
        "note": note,
        "columns": [
            dict(zip(("label", "kind", "hint"), (*one, "", "")[:3], strict=True)) for one in columns
        ],
        "rows": [[cell(one) if isinstance(one, str) else one for one in row] for row in rows],
    }


def cell(text: str, tone: str = "", hint: str = "") -> Cell:
    """Return a cell of a table."""
    return {"text": text, "tone": tone, "hint": hint}


def item(name: str, value: str, hint: str = "", tone: str = "") -> dict[str, Any]:
    """Return an entry of a status strip."""
    named = [[f"{name} ", "", False]] if name else []
    return {"parts": [*named, [value, tone, True]], "hint": hint}


def strip(
    label: str, tone: str, items: Sequence[dict[str, Any]], said: Iterable[str], **more: str
) -> dict[str, Any]:
    """Return a status strip; `said` are the messages below it, empty ones left out."""
    text = "\n".join(one for one in said if one)
    return {"label": label, "tone": tone, "items": items, "right": "", "said": text, **more}

"""Sentences on the screen. Text from outside is escaped: it is read, it never acts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import streamlit as st

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&\"'=@/])")

_PROCESS = re.compile(r"process \d+")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it stands: no links, no images, no HTML, no formulas."""
    return _MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


def without_places(value: Any, database: Path) -> Any:
    """Return what is shown without this machine's folders and processes, for the public.

    Of the database's path the file's name stays. Lists and dictionaries are gone through; tuples
    become lists.
    """
    if isinstance(value, dict):
        return {key: without_places(one, database) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_places(one, database) for one in value]
    if not isinstance(value, str):
        return value
    for path in (database.absolute(), database):
        value = value.replace(str(path), database.name)
        value = value.replace(f"folder {path.parent} ", "database folder ")
    return _PROCESS.sub("another process", value)


def problem(text: str) -> None:
    """Say what went wrong."""
    st.error(escaped(text), icon=":material/error:")


def warning(text: str) -> None:
    """Say what to be careful about."""
    st.warning(escaped(text), icon=":material/warning:")


def note(text: str) -> None:
    """Say something worth knowing."""
    st.caption(escaped(text))


def metric(title: str, value: str, beside: str = "", hint: str = "", width: int = 152) -> None:
    """Show a headline figure, with what explains it beside it and as a tooltip."""
    st.metric(
        title,
        value,
        beside or None,
        delta_color="off",
        delta_arrow="off",
        help=escaped(hint) if hint else None,
        width=width,
    )

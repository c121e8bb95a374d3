"""Sentences on the screen. Text from outside is escaped: it is read, it never acts."""

from __future__ import annotations

import re

import streamlit as st

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&\"'=@/])")


def escaped(text: str) -> str:
    """Return text that Markdown shows as it stands: no links, no images, no HTML, no formulas."""
    return _MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


def problem(text: str) -> None:
    """Say what went wrong."""
    st.error(escaped(text), icon=":material/error:")


def warning(text: str) -> None:
    """Say what to be careful about."""
    st.warning(escaped(text), icon=":material/warning:")


def note(text: str) -> None:
    """Say something worth knowing."""
    st.caption(escaped(text))

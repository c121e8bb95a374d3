"""Choices that live in the URL under keys that stay, whatever the screen calls them.

Streamlit's own binding writes the names shown, which may change, and drops what it does not know
without a word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st

from tandem.ui.shared import messages as say

# What links of earlier versions hold, by parameter, and what it is called now.
RENAMED = {
    "tab": {"Is it luck?": "Significance"},
    "scan_tab": {"Later bars": "Out-of-sample"},
    "action": {"Fill again": "Retry backfill", "What is kept": "Retention"},
    "from": {"Record": "Database"},
}
_DOUBTS = "tandem_link_doubts"
_SHOWN_CHARACTERS = 40

Key = TypeVar("Key", bound=str)


@dataclass(frozen=True)
class Choice(Generic[Key]):
    """One of several, named in the URL.

    Attributes
    ----------
    name : str
        Of the URL's parameter and of the widget.
    titles : mapping of str to str
        What the screen calls each key, in the order offered.
    default : str
        A key.
    what : str
        What is chosen, for sentences.
    """

    name: str
    titles: Mapping[Key, str]
    default: Key
    what: str

    def widget(self) -> dict[str, Any]:
        """Return what the widget is given, having set what it starts with."""
        memory = st.session_state
        if memory.get(self.name) not in self.titles:
            memory[self.name] = self._linked() or self.default
        return {
            "options": list(self.titles),
            "format_func": self.titles.__getitem__,
            "key": self.name,
            # Or it would be lost when another page opens.
            "persist_state": "session",
        }

    def segments(self, label: str, *, place: Any = st, **style: Any) -> Key:
        """Draw the choice as segments, keep what is chosen in the URL, and return its key."""
        return self.keep(place.segmented_control(label, **self.widget(), required=True, **style))

    def box(self, label: str, **style: Any) -> Key:
        """Draw the choice as a box; as `segments`."""
        return self.keep(st.selectbox(label, **self.widget(), **style))

    def slider(self, label: str) -> Key:
        """Draw the choice as a slider; as `segments`."""
        return self.keep(st.select_slider(label, **self.widget()))

    def keep(self, chosen: Key | None) -> Key:
        """Put the choice into the URL, unless it is what a link without it would give."""
        key = chosen or self.default
        if self.name in st.query_params or key != self.default:
            # Written even if it seems to be there: when pages change, the browser's URL loses what
            # Streamlit still remembers.
            st.query_params[self.name] = key
        return key

    def _linked(self) -> Key | None:
        """Return the key the URL asks for, None where there is none of that name."""
        asked = st.query_params.get(self.name)
        if asked is None:
            return None
        # Links once held the names shown.
        known = {title.casefold(): key for key, title in self.titles.items()}
        known |= {key.casefold(): key for key in self.titles}
        if asked.casefold() not in known:
            _doubt(f"{self.what} {asked[:_SHOWN_CHARACTERS]!r}, which does not exist")
        return known.get(asked.casefold())


def take_earlier_names() -> None:
    """Let links of earlier versions open what they were made for; call it before controls."""
    for name, now in RENAMED.items():
        asked = st.query_params.get(name, "")
        if asked in now:
            # A control bound to the URL has read it already; what it is given here it takes.
            st.session_state[name] = now[asked]
            st.query_params[name] = now[asked]


def check_number(name: str, what: str, low: float, high: float) -> None:
    """Note where the URL holds a number that its control does not take and will leave out."""
    asked = st.query_params.get(name)
    if asked is None or name in st.session_state:
        return
    try:
        value = float(asked)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        _doubt(f"{what} {asked[:_SHOWN_CHARACTERS]!r}, which is not between {low:,g} and {high:,g}")


def say_doubts() -> None:
    """Say what links asked for in vain since this was last called."""
    doubts = st.session_state.pop(_DOUBTS, [])
    if doubts:
        say.warning(
            f"The link asks for the {'; for the '.join(doubts)}. Using defaults; "
            "change them in the controls."
        )


def _doubt(text: str) -> None:
    st.session_state.setdefault(_DOUBTS, []).append(text)

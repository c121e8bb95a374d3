"""What rules raise, said on every page for a moment.

Not Streamlit's own toasts: from a fragment those replace what was said a second before, and close
whatever else stands in the same place of the page.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from tandem.alerts.rules import Alert
from tandem.alerts.service import Alerts
from tandem.core.clock import now_us
from tandem.ui.alerts import wording as words
from tandem.ui.components import toasts
from tandem.ui.shared.state import part

REFRESH_S = 1.0
SHOWN_S = 12.0
_SHOWN = "tandem_toasts"


@dataclass
class Shown:
    """What a session has on its screen, and the last alert it was told of.

    Attributes
    ----------
    after_id : str
        Nothing up to this alert is said any more.
    """

    after_id: str
    _lines: list[tuple[float, Alert]] = field(default_factory=list)
    _more: int = 0
    _more_id: str = ""
    _more_s: float = 0.0

    def look(self, alerts: Alerts, now_s: float) -> list[dict[str, Any]]:
        """Return what is to be shown now: what is new, and what is not old yet."""
        self._lines = [line for line in self._lines if now_s - line[0] < SHOWN_S]
        if now_s - self._more_s >= SHOWN_S:
            self._more = 0
        new = alerts.history.toasts(self.after_id)
        if new:
            self.after_id = new[-1].id
            room = words.TOASTS - len(self._lines)
            self._lines += [(now_s, one) for one in new[:room]]
            if new[room:]:
                self._more_id = self._more_id if self._more else new[room].id
                self._more, self._more_s = self._more + len(new[room:]), now_s
        shown = [words.toast(one) for _, one in self._lines]
        if self._more:
            shown.append(words.more_toast(self._more, self._more_id))
        return shown


@st.fragment(run_every=REFRESH_S)
def follow() -> None:
    """Show what is raised from now on, on a page that has nothing else to refresh."""
    show()


def show() -> None:
    """Show what was raised since this session began; takes no room on the page."""
    # The ids of alerts begin with the time they were raised at.
    shown = st.session_state.setdefault(_SHOWN, Shown(f"{now_us():017d}"))
    lines = shown.look(part(Alerts), time.monotonic())
    # Nothing at all is sent to a browser that has nothing to show.
    if lines:
        toasts({"toasts": lines}, key="alert-toasts")

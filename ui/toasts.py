"""What rules raise, said on every page for a moment.

Not Streamlit's own toasts: from a fragment those replace what was said a second before, and close
whatever else stands in the same place of the page.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from alerts import Alerts
from market import now_us
from ui import alert_words as words
from ui.components import toasts
from ui.state import engine

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
    lines: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def look(self, alerts: Alerts, now_s: float) -> list[dict[str, Any]]:
        """Return what is to be shown now: what is new, and what is not old yet."""
        self.lines = [line for line in self.lines if now_s - line[0] < SHOWN_S]
        new = alerts.toasts(self.after_id)
        if new:
            self.after_id = new[-1].id
            room = words.TOASTS - len(self.lines)
            told = new[: max(room, 1)]
            self.lines += [(now_s, words.toast(one)) for one in told]
            if len(new) > len(told):
                more = words.more_toast(len(new) - len(told), self.after_id)
                self.lines.append((now_s, more))
        return [line for _, line in self.lines]


def follow() -> None:
    """Show what is raised from now on, on whatever page is open; takes no room on it."""
    # The ids of alerts begin with the time they were raised at.
    shown = st.session_state.setdefault(_SHOWN, Shown(f"{now_us():017d}"))

    @st.fragment(run_every=REFRESH_S)
    def look() -> None:
        lines = shown.look(engine().lookout.alerts, time.monotonic())
        toasts({"toasts": lines}, key="alert-toasts")

    look()

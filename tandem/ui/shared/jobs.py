"""Long work of any page: begun, followed, cancelled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import streamlit as st

from tandem.core.errors import DataError
from tandem.core.jobs import Job, Jobs, Queue
from tandem.ui.shared import format as f
from tandem.ui.shared import messages as say
from tandem.ui.shared.state import is_operator, part, session_id

LOOK_S = 0.5
# How long leaving for another page waits for this one's clocks to have stopped.
LEAVE_S = 0.4
_LEAVING, _ARMED = "tandem_scan_leaving", "tandem_scan_armed"
# A session's long work may take this long; whoever runs the desk has patience.
VISITOR_S, OPERATOR_S = 300.0, 6 * 3_600.0
# Reading a file or the database may take this long, whoever asks.
READ_S = 300.0


def longest_s(queue: Queue = "test") -> float:
    """Return the seconds this session's work may run."""
    if queue == "read":
        return READ_S
    return OPERATOR_S if is_operator() else VISITOR_S


def begin(work: Callable[..., Any], queue: Queue = "test") -> Job:
    """Begin long work for this session.

    Raises
    ------
    DataError
        Too much waits already.
    """
    owner = "" if is_operator() else session_id()
    return part(Jobs).start(work, longest_s(queue), owner=owner, queue=queue)


class Work:
    """Long work by name, with what it was asked; one that is asked something else is given up."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Any, Job]] = {}

    def begin(self, name: str, asked: Any, work: Callable[..., Any]) -> Job:
        """Begin work in place of what was asked under this name before.

        Raises
        ------
        DataError
            Too much waits already.
        """
        self.drop(name)
        job = begin(work)
        self._jobs[name] = asked, job
        return job

    def job(self, name: str, asked: Any) -> Job | None:
        """Return the work of this name, None where it was not begun or asked something else."""
        if name in self._jobs and self._jobs[name][0] != asked:
            self.drop(name)
        return self._jobs[name][1] if name in self._jobs else None

    def running(self, name: str) -> Job | None:
        """Return the work of this name, whatever it was asked."""
        return self._jobs[name][1] if name in self._jobs else None

    def done(self, name: str) -> Any | None:
        """Return what work of this name found, None where it is not done."""
        job = self.running(name)
        return job.result if job is not None and job.state == "done" else None

    def finished(self) -> dict[str, Job]:
        """Return the work that is done, by name."""
        return {name: job for name, (_, job) in self._jobs.items() if job.state == "done"}

    def drop(self, name: str) -> None:
        """Give up work, or forget what it found."""
        if name in self._jobs:
            self._jobs.pop(name)[1].cancel()

    def close(self) -> None:
        """Give up everything."""
        for name in list(self._jobs):
            self.drop(name)


def result_of(
    work: Work,
    name: str,
    asked: Any,
    label: str,
    what: Callable[..., Any],
    hint: Callable[[], str] | None = None,
) -> Any | None:
    """Offer long work, show how far it is, and return what it found; None until then.

    Parameters
    ----------
    hint : callable, optional
        A sentence to show beside the offer; asked only where the work is offered.
    """
    job = work.job(name, asked)
    if job is not None and job.is_going_on:
        follow(job, name, label)
        return None
    if job is not None and job.state == "done":
        return job.result
    if job is not None:
        say_end(job)
    if hint is not None:
        say.note(hint())
    if st.button(label, key=f"begin_{name}", type="primary", icon=":material/play_arrow:"):
        try:
            work.begin(name, asked, what)
        except DataError as error:
            say.problem(str(error))
        else:
            st.rerun()
    return None


def say_end(job: Job) -> None:
    """Say why work that is over has no result."""
    if job.state == "failed":
        say.problem(job.text)
    else:
        say.note("Cancelled; no result was kept.")


def follow(job: Job, name: str, label: str) -> None:
    """Show how far work is, beside everything else, and let it be cancelled."""

    @st.fragment(run_every=LOOK_S)
    def look() -> None:
        job.look()
        if not job.is_going_on:
            st.rerun()
        before = part(Jobs).before(job)
        text = f"{100.0 * job.share:.0f} %"
        if job.state == "waiting" and before:
            text = f"queued behind {before} other {'job' if before == 1 else 'jobs'}"
        elif math.isfinite(job.left_s) and job.left_s >= 1.0:
            text += f", about {f.duration(job.left_s)} left"
        st.progress(min(job.share, 1.0), say.escaped(f"{label}: {text}"))
        if st.button("Cancel", key=f"cancel_{name}", icon=":material/close:"):
            job.cancel()

    look()


# Leaving --------------------------------------------------------------------------------


def leave_for(title: str) -> None:
    """Open another page; what it shows is in the session's state.

    A clock of this page that ticks while Streamlit changes pages asks for a piece of this page
    after the other has been drawn, which breaks both; and Streamlit refuses to change pages while
    a control is bound to the URL. So the change waits for a run without either.
    """
    st.session_state[_LEAVING] = title
    st.session_state[_ARMED] = False
    st.rerun()


def is_leaving() -> bool:
    """Go on with leaving, where that was begun; nothing else is then drawn."""
    memory = st.session_state
    if _LEAVING not in memory:
        return False
    say.note(f"Opening {memory[_LEAVING]}")

    @st.fragment(run_every=LEAVE_S)
    def move() -> None:
        if memory.get(_ARMED) and _LEAVING in memory:
            _switch(memory.pop(_LEAVING))
        memory[_ARMED] = True

    move()
    return True


def _switch(title: str) -> None:
    # Pages are told apart by their addresses alone.
    is_first = title == "Live"
    st.switch_page(st.Page(_nothing, title=title, url_path=title.lower(), default=is_first))


def _nothing() -> None:
    """Stand for a page that is known by its address."""

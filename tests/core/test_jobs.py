"""Long work beside the screen: results, cancelling, limits, faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tandem.core import jobs as module
from tandem.core.errors import DataError
from tandem.core.jobs import Job, Jobs
from tandem.core.parallel import Watch, each
from tests.support.architecture import MODULES
from tests.support.waiting import wait_until


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    running = Jobs()
    yield running
    running.stop()


def ended(job: Job) -> Job:
    wait_until(lambda: not job.is_going_on)
    return job


def endless(begun: threading.Event) -> Any:
    """Return work that goes on until its watch says stop."""

    def work(watch: Watch) -> None:
        begun.set()
        pause = threading.Event()
        while True:
            watch.check()
            pause.wait(0.01)

    return work


def test_work_gives_its_result_and_its_share(jobs: Jobs) -> None:
    job = ended(jobs.start(lambda watch: each([1, 2, 3], lambda one: 2 * one, watch)))
    assert (job.state, job.result, job.share) == ("done", [2, 4, 6], 1.0)


def test_work_is_cancelled_and_the_next_begins(jobs: Jobs) -> None:
    begun = threading.Event()
    first = jobs.start(endless(begun))
    second = jobs.start(lambda watch: "done")
    assert begun.wait(30)
    assert jobs.before(second) == 1
    first.cancel()
    assert ended(first).state == "cancelled"
    assert ended(second).result == "done"
    assert jobs.before(second) == 0


def test_waiting_work_is_cancelled_before_it_begins(jobs: Jobs) -> None:
    begun = threading.Event()
    first, second = jobs.start(endless(begun)), jobs.start(lambda watch: pytest.fail("began"))
    second.cancel()
    first.cancel()
    assert ended(second).state == "cancelled"


def test_work_nobody_looks_at_is_given_up(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORGOTTEN_S", 0.05)
    assert ended(jobs.start(endless(threading.Event()))).state == "cancelled"


def test_work_that_takes_too_long_says_so(jobs: Jobs) -> None:
    job = ended(jobs.start(endless(threading.Event()), most_s=0.05))
    assert job.state == "failed"
    assert "the time limit" in job.text


def test_a_fault_is_a_sentence(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    def wrong(watch: Watch) -> None:
        raise DataError("There are no bars; give some.")

    assert ended(jobs.start(wrong)).text == "There are no bars; give some."
    broken = ended(jobs.start(lambda watch: 1 / 0))
    assert broken.state == "failed"
    assert "internal error" in broken.text
    assert "ZeroDivisionError" in caplog.text


def test_only_so_much_waits(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    for _ in range(2):
        jobs.start(endless(threading.Event()))
    with pytest.raises(DataError, match="2 long jobs are running or queued"):
        jobs.start(endless(threading.Event()))


def test_reading_a_file_does_not_wait_for_a_long_test(jobs: Jobs) -> None:
    jobs.start(endless(threading.Event()))
    assert ended(jobs.start(lambda watch: "read", queue="read")).result == "read"


def test_a_visitor_leaves_places_for_others(jobs: Jobs) -> None:
    for _ in range(module.MOST_OWNED):
        jobs.start(endless(threading.Event()), owner="one")
    with pytest.raises(DataError, match="4 of your jobs are running or queued"):
        jobs.start(endless(threading.Event()), owner="one")
    other = jobs.start(lambda watch: "found", owner="other")
    assert jobs.before(other) == module.MOST_OWNED
    assert ended(jobs.start(lambda watch: "read", owner="one", queue="read")).result == "read"


def test_one_runner_begins_and_follows_the_work_of_every_page() -> None:
    """No page has limits, a bar of progress or a queue of its own."""
    starting, following, limits = set(), set(), set()
    for name, path in MODULES.items():
        if not name.startswith("tandem.ui."):
            continue
        text = path.read_text("utf-8")
        starting |= {name} if "part(Jobs).start" in text else set()
        following |= {name} if "job.share" in text else set()
        limits |= {name} if "OPERATOR_S =" in text or "VISITOR_S" in text else set()
    assert starting == following == limits == {"tandem.ui.shared.jobs"}


def test_stopping_ends_all_and_refuses_more(jobs: Jobs) -> None:
    job = jobs.start(endless(threading.Event()))
    jobs.stop()
    jobs.stop()
    assert ended(job).state == "cancelled"
    with pytest.raises(DataError, match="shutting down"):
        jobs.start(lambda watch: None)

"""What sessions hold is bounded, and is given back."""

from __future__ import annotations

from tandem.ui.shared.uploads import Uploads


def test_all_sessions_together_stay_below_the_limit() -> None:
    uploads = Uploads(100)
    assert uploads.hold("one", 60)
    assert not uploads.hold("two", 41)
    assert uploads.hold("two", 40)
    assert uploads.held() == 100


def test_a_change_of_files_replaces_what_was_held() -> None:
    uploads = Uploads(100)
    assert uploads.hold("one", 90)
    assert uploads.hold("one", 100)
    assert uploads.hold("one", 0)
    assert uploads.held() == 0


def test_a_refused_session_holds_nothing() -> None:
    uploads = Uploads(100)
    assert uploads.hold("one", 90)
    assert not uploads.hold("one", 101)
    assert uploads.held() == 0


def test_an_ended_session_gives_its_room_back() -> None:
    uploads = Uploads(100)
    assert uploads.hold("one", 100)
    uploads.release("one")
    uploads.release("one")
    assert uploads.hold("two", 100)

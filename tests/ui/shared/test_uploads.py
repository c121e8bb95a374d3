"""Uploads are bounded where they arrive, and give their room back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from tandem.ui.shared.uploads import UploadGuard, Uploads, session_of

MB = 2**20
PATH = "/_stcore/upload_file/session/file"


def sent(
    uploads: Uploads | None, pieces: list[int], length: int | None = None, method: str = "PUT"
) -> tuple[int, int]:
    """Send a file of so many megabytes at a time; return the status and what was let through."""
    answers: list[Any] = []
    through = 0
    rest = list(pieces)

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        nonlocal through
        while rest:
            through += len((await receive())["body"])
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(rest.pop(0) * MB), "more_body": bool(rest)}

    async def send(message: Any) -> None:
        answers.append(message)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "method": method, "path": PATH, "headers": headers}
    guard = UploadGuard(app, lambda: uploads, lambda _scope: 4 * MB)
    try:
        asyncio.run(guard(scope, receive, send))
    except HTTPException as error:
        return error.status_code, through
    return answers[0]["status"], through


def test_a_file_within_its_limits_passes_and_gives_its_room_back() -> None:
    uploads = Uploads(10 * MB, lambda: 0)
    assert sent(uploads, [2, 2], 4 * MB) == (204, 4 * MB)
    assert uploads.room() == 10 * MB


def test_a_file_too_large_by_its_own_account_is_refused_unread() -> None:
    assert sent(Uploads(10 * MB, lambda: 0), [5], 5 * MB) == (413, 0)


def test_a_file_that_does_not_tell_its_size_is_cut_off() -> None:
    uploads = Uploads(10 * MB, lambda: 0)
    assert sent(uploads, [2, 2, 2, 2]) == (413, 4 * MB)
    assert uploads.room() == 10 * MB


@pytest.mark.parametrize("length", [None, 4 * MB])
def test_there_is_no_more_room_than_the_stored_files_leave(length: int | None) -> None:
    status, through = sent(Uploads(10 * MB, lambda: 7 * MB), [2, 2], length)
    assert (status, through) == (413, 0 if length else 2 * MB)


def test_files_on_their_way_count_too() -> None:
    uploads = Uploads(10 * MB, lambda: 0)
    assert uploads.take(8 * MB)
    assert sent(uploads, [4], 4 * MB)[0] == 413
    uploads.release(8 * MB)
    assert sent(uploads, [4], 4 * MB)[0] == 204


def test_before_a_desk_runs_nothing_is_taken_and_other_requests_pass() -> None:
    assert sent(None, [1], MB)[0] == 413
    assert sent(None, [1], MB, method="POST")[0] == 204


def test_the_session_is_read_from_the_address() -> None:
    assert session_of({"path": f"/base{PATH}"}) == "session"

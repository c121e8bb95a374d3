"""Sentences on the screen: what they leave out for the public."""

from pathlib import Path

from tandem.ui.shared import messages as say


def test_the_public_learns_no_folders_and_processes() -> None:
    record = Path("/srv/desk/tandem.sqlite")
    shown = {
        "said": f"{record} is in use for recording by process 4711.",
        "rows": [(1, f"{record}-x")],
    }
    assert say.without_places(shown, record) == {
        "said": "tandem.sqlite is in use for recording by another process.",
        "rows": [[1, "tandem.sqlite-x"]],
    }
    folder = "The folder /srv/desk cannot be made (Permission denied)."
    assert "/srv" not in say.without_places(folder, record)

"""Files are private to their user by default, and their group's where that is asked for."""

from __future__ import annotations

import ast
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.core.files import make_folder, take
from tests.support.architecture import mentioning, nodes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@pytest.fixture(params=[0o000, 0o022, 0o077], autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("wanted", "folder"), [(0o600, 0o700), (0o640, 0o750), (0o660, 0o770)])
def test_what_is_made_has_its_mode_whatever_the_umask(
    tmp_path: Path, wanted: int, folder: int
) -> None:
    make_folder(tmp_path / "a" / "b", wanted)
    take(tmp_path / "a" / "b" / "file", wanted)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == folder
    assert mode(tmp_path / "a" / "b" / "file") == wanted


def test_a_file_that_others_could_read_is_closed_to_them_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    file.chmod(0o666)
    take(file)
    assert (mode(file), file.read_text()) == (0o600, "kept")


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_folder(tmp_path)
    assert mode(tmp_path) == 0o755


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError):
            make_folder(folder)


def test_folders_for_records_are_made_in_one_place() -> None:
    makers = {
        name
        for name, path in mentioning("mkdir").items()
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr == "mkdir"
    }
    # A trained model goes where its user says, Plotly's script is nobody's secret.
    models, script = "tandem.surveillance.isolation_forest", "tandem.ui.shared.served"
    assert makers == {"tandem.core.files", models, script}

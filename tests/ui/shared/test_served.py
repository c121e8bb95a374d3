"""Files the server hands out: Plotly's script and exports, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.ui.shared import served, state
from tests.support.routes import Answer, answer

TOKEN = "AbCd_efGh-ijKlmnopqrstuv"
NAME = "tandem-sim-BTCUSDT-trades-20260101T000000-20260102T000000.csv"


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    (folder / TOKEN).mkdir(parents=True)
    (folder / TOKEN / NAME).write_text("time_us\n1\n")
    (tmp_path / "tandem.sqlite").write_text("secret")
    return folder


def get(path: str, folder: Path | None) -> Answer:
    return answer(served.routes(lambda: folder), path)


@pytest.mark.parametrize("base", ["", "/desk", "/a/b"])
def test_plotly_s_own_file_is_served(base: str) -> None:
    status, headers, body = get(f"{base}/app/static/plotly.min.js", None)
    assert (status, body) == (200, served.plotly().read_bytes())
    assert headers["content-type"].startswith("text/javascript")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("base", ["", "/desk"])
def test_an_export_is_a_download(base: str, exports: Path) -> None:
    status, headers, body = get(f"{base}/app/static/exports/{TOKEN}/{NAME}", exports)
    assert (status, body) == (200, b"time_us\n1\n")
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"] == f'attachment; filename="{NAME}"'
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        f"/{TOKEN}",
        f"/{TOKEN}/",
        f"/{TOKEN}/..",
        f"/{TOKEN}/{NAME}.sqlite",
        f"/{TOKEN}/{NAME}\n",
        f"/{TOKEN}/tandem-other.csv",
        f"/{TOKEN}/../../tandem.sqlite",
        "/../tandem.sqlite",
        "/..\\tandem.sqlite",
        "/" + "." * 20 + f"/{NAME}",
        f"/short/{NAME}",
    ],
)
def test_nothing_else_is_served(path: str, exports: Path) -> None:
    assert get(f"/app/static/exports{path}", exports)[0] == 404


def test_links_are_not_followed(exports: Path, tmp_path: Path) -> None:
    (exports / TOKEN / "tandem-link.csv").symlink_to(tmp_path / "tandem.sqlite")
    assert get(f"/app/static/exports/{TOKEN}/tandem-link.csv", exports)[0] == 404
    other = TOKEN[::-1]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / NAME).write_text("secret")
    (exports / other).symlink_to(tmp_path / "elsewhere")
    assert get(f"/app/static/exports/{other}/{NAME}", exports)[0] == 404


def test_before_the_engine_runs_there_are_no_exports() -> None:
    assert get(f"/app/static/exports/{TOKEN}/{NAME}", None)[0] == 404


def test_without_routes_the_script_is_copied_once(tmp_path: Path) -> None:
    served.copy_plotly(tmp_path / "static")
    copy = tmp_path / "static" / "plotly.min.js"
    written = copy.stat().st_mtime_ns
    assert copy.read_bytes() == served.plotly().read_bytes()
    served.copy_plotly(tmp_path / "static")
    assert copy.stat().st_mtime_ns == written


def test_a_folder_that_takes_no_file_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "static").write_text("a file")
    served.copy_plotly(tmp_path / "static")
    assert "Charts cannot be drawn" in caplog.text


def test_outside_a_session_nothing_is_written_beside_the_script() -> None:
    assert state.static_folder() is None

"""The wheel: the package alone with all it needs, and the same app and numbers from any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tandem import __version__
from tests.support.app_process import free_port
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLOTLY = "app/static/plotly.min.js"
# Made where Tandem runs as a plain script, and by whoever ran it before.
MADE = {"plotly.min.js"}


def data_files() -> set[str]:
    """Return every file of the package that is no module, as the wheel names it."""
    package = ROOT / "tandem"
    return {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
    } - {f"tandem/ui/static/{name}" for name in MADE}


def test_every_data_file_is_declared() -> None:
    declared: set[str] = set()
    for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items():
        folder = ROOT / package.replace(".", "/")
        for pattern in patterns:
            found = {path.relative_to(ROOT).as_posix() for path in folder.glob(pattern)}
            assert found, f"{pattern} of {package} matches nothing"
            declared |= found
    assert declared == data_files()


def test_the_checkout_and_the_package_have_one_theme_and_one_server() -> None:
    # Streamlit looks beside the script that is run: the root's `app.py`, or the package's.
    own = (ROOT / "tandem" / "ui" / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert own == (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")


def test_requirements_are_ranges_that_a_wheel_may_carry() -> None:
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"[a-z0-9-]+>=[\d.]+,<[\d.]+", line), line


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # A copy: building leaves its own folders behind. Doors and benchmarks are in it, to be left
    # out.
    for name in ("tandem", "benchmarks"):
        left = shutil.ignore_patterns("__pycache__", *MADE)
        shutil.copytree(ROOT / name, source / name, ignore=left)
    for path in (*ROOT.glob("[!.]*.*"), ROOT / "LICENSE"):
        if path.is_file():
            shutil.copy(path, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder / "out", "."],
        cwd=source, check=True, timeout=600,
    )  # fmt: skip
    (built,) = (folder / "out").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds the wheel alone: libraries come from the running environment."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel],
        check=True, timeout=600,
    )  # fmt: skip
    return folder


def environment(installed: Path | None, folder: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TANDEM_", "STREAMLIT_", "PYTHONPATH"))
    }
    # Without bytecode the folder shows whether anything was written into it.
    kept |= {"TANDEM_VENUE": "sim", "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    kept["NUMBA_CACHE_DIR"] = os.environ.get("NUMBA_CACHE_DIR", str(folder / "numba"))
    return kept | ({"PYTHONPATH": str(installed)} if installed else {})


@contextmanager
def serving(
    command: list[str], port: int, folder: Path, environ: dict[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a command that serves the app until it answers."""
    log = folder / "app.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://localhost:{port}/"
    try:
        end = time.monotonic() + 120
        while True:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            try:
                fetch(f"{url}_stcore/health")
                break
            except OSError:
                time.sleep(0.1)
        yield url, process
    finally:
        process.terminate()
        process.wait(60)


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


# Building fetches setuptools and takes a quarter of a minute; the app starts twice.
@pytest.mark.slow
def test_it_holds_the_package_alone_and_all_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (info,) = (name for name in names if name.endswith("dist-info/METADATA"))
        metadata = archive.read(info).decode()
        entries = archive.read(info.replace("METADATA", "entry_points.txt")).decode()
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tandem").rglob("*.py")}
    own = {name for name in names if not name.startswith(info.partition("/")[0])}
    assert own == modules | data_files()
    assert f"\nVersion: {__version__}\n" in metadata
    needed = re.findall(r"^Requires-Dist: ([a-z0-9-]+)(\S+)$", metadata, re.MULTILINE)
    # A wheel orders the bounds of a range by itself.
    told = {(name, *sorted(bounds.split(","))) for name, bounds in needed}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    asked = (re.fullmatch(r"([a-z0-9-]+)(.+)", line) for line in lines)
    assert told == {(one[1], *sorted(one[2].split(","))) for one in asked if one}
    assert "tandem = tandem.cli:main" in entries


@pytest.mark.slow
def test_the_numbers_are_the_same(installed: Path, tmp_path: Path) -> None:
    arguments = ["--example", "crude"]
    answers = [
        subprocess.run(
            command, cwd=folder, env=environment(path, tmp_path),
            capture_output=True, text=True, timeout=600, check=True,
        ).stdout
        for command, folder, path in (
            ([str(installed / "bin" / "tandem"), "backtest", *arguments], tmp_path, installed),
            ([sys.executable, "backtest.py", *arguments], ROOT, None),
        )
    ]  # fmt: skip
    assert "sharpe" in answers[0] and answers[0] == answers[1]


@pytest.mark.slow
def test_the_app_is_the_same_and_writes_nothing_where_it_is_installed(
    installed: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    pages = []
    for name in ("wheel", "checkout"):
        folder, port = tmp_path / name, free_port()
        folder.mkdir()
        is_wheel = name == "wheel"
        command = [str(installed / "bin" / "tandem"), "app", "--port", str(port)]
        if not is_wheel:
            command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
            command += [f"--server.port={port}"]
        environ = environment(installed if is_wheel else None, folder)
        with serving(command, port, folder, environ) as (url, _):
            pages.append([fetch(url), fetch(url + PLOTLY), fetch(url + "_stcore/host-config")])
            # It records before anybody has looked.
            assert (folder / "data" / "tandem.sqlite").stat().st_size > 0
    assert pages[0] == pages[1]
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before


@pytest.mark.slow
def test_theme_and_server_options_are_found_from_another_folder(
    installed: Path, tmp_path: Path
) -> None:
    script = """
import streamlit as st
from streamlit import config
from tandem.cli import main
st.App.run = lambda app, config=None: None
main(["app"])
print(config.get_option("theme.dark.primaryColor"), config.get_option("server.address"))
"""
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(installed, tmp_path),
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    own = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    colour, address = own["theme"]["dark"]["primaryColor"], own["server"]["address"]
    assert told.stdout.splitlines()[-1] == f"{colour} {address}"
